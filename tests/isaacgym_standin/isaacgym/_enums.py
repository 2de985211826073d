"""Enumerations and constants of gymapi."""

from __future__ import annotations

from typing import Any, ClassVar

INVALID_HANDLE = -1
DEFAULT_VIEWER_WIDTH, DEFAULT_VIEWER_HEIGHT = 1600, 900
STATE_NONE, STATE_POS, STATE_VEL, STATE_ALL = 0, 1, 2, 3
AXIS_NONE, AXIS_X, AXIS_Y, AXIS_Z, AXIS_TRANSLATION = 0, 1, 2, 4, 7
AXIS_TWIST, AXIS_SWING_1, AXIS_SWING_2, AXIS_ROTATION, AXIS_ALL = 8, 16, 32, 56, 63
RIGID_BODY_NONE, RIGID_BODY_DISABLE_GRAVITY = 0, 1
RIGID_BODY_DISABLE_SIMULATION, RIGID_BODY_ENABLE_GYROSCOPIC_FORCES = 2, 4


class Enum:
    """A pybind11 enumeration: made from an int, compared by value, never taken for another enumeration."""

    __members__: ClassVar[dict[str, Enum]]
    ARITHMETIC: ClassVar[bool] = True

    def __init__(self, value: int) -> None:
        """Take the member of this number."""
        if not isinstance(value, (int, Enum)):
            raise TypeError(f"{type(self).__name__} takes an int, not {type(value).__name__}")
        self.value = int(value)

    @property
    def name(self) -> str:
        """The member's name."""
        return next((n for n, member in self.__members__.items() if member.value == self.value), "???")

    def __int__(self) -> int:
        return self.value

    __index__ = __int__

    def __hash__(self) -> int:
        return self.value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Enum):
            return type(other) is type(self) and other.value == self.value
        return self.ARITHMETIC and isinstance(other, int) and other == self.value

    def __lt__(self, other: Any) -> bool:
        return self.value < int(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= int(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > int(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= int(other)

    def __and__(self, other: Any) -> int:
        return self.value & int(other)

    def __or__(self, other: Any) -> int:
        return self.value | int(other)

    def __xor__(self, other: Any) -> int:
        return self.value ^ int(other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value}>"

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


MEMBERS: dict[str, Enum] = {}
"""All members by name, as gymapi has them at its top level."""


def _enum(name: str, members: str, arithmetic: bool = True) -> Any:
    cls = type(name, (Enum,), {"__module__": "isaacgym.gymapi", "ARITHMETIC": arithmetic})
    cls.__members__ = {}  # type: ignore[attr-defined]
    for number, member in enumerate(members.split()):
        cls.__members__[member] = cls(number)  # type: ignore[attr-defined]
        setattr(cls, member, cls.__members__[member])  # type: ignore[attr-defined]
    MEMBERS.update(cls.__members__)  # type: ignore[attr-defined]
    return cls


_KEYS = (
    "SPACE APOSTROPHE COMMA MINUS PERIOD SLASH 0 1 2 3 4 5 6 7 8 9 SEMICOLON EQUAL A B C D E F G H I J K L M N O P Q R "
    "S T U V W X Y Z LEFT_BRACKET BACKSLASH RIGHT_BRACKET GRAVE_ACCENT ESCAPE TAB ENTER BACKSPACE INSERT DEL RIGHT "
    "LEFT DOWN UP PAGE_UP PAGE_DOWN HOME END CAPS_LOCK SCROLL_LOCK NUM_LOCK PRINT_SCREEN PAUSE F1 F2 F3 F4 F5 F6 F7 F8 "
    "F9 F10 F11 F12 NUMPAD_0 NUMPAD_1 NUMPAD_2 NUMPAD_3 NUMPAD_4 NUMPAD_5 NUMPAD_6 NUMPAD_7 NUMPAD_8 NUMPAD_9 "
    "NUMPAD_DEL NUMPAD_DIVIDE NUMPAD_MULTIPLY NUMPAD_SUBTRACT NUMPAD_ADD NUMPAD_ENTER NUMPAD_EQUAL LEFT_SHIFT "
    "LEFT_CONTROL LEFT_ALT LEFT_SUPER RIGHT_SHIFT RIGHT_CONTROL RIGHT_ALT RIGHT_SUPER MENU"
)
_MOUSE = (
    "LEFT_BUTTON RIGHT_BUTTON MIDDLE_BUTTON FORWARD_BUTTON BACK_BUTTON SCROLL_RIGHT SCROLL_LEFT SCROLL_UP SCROLL_DOWN "
    "MOVE_RIGHT MOVE_LEFT MOVE_UP MOVE_DOWN"
)

SimType = _enum("SimType", "SIM_PHYSX SIM_FLEX")
UpAxis = _enum("UpAxis", "UP_AXIS_Y UP_AXIS_Z")
ContactCollection = _enum("ContactCollection", "CC_NEVER CC_LAST_SUBSTEP CC_ALL_SUBSTEPS", arithmetic=False)
DofDriveMode = _enum("DofDriveMode", "DOF_MODE_NONE DOF_MODE_POS DOF_MODE_VEL DOF_MODE_EFFORT")
DofType = _enum("DofType", "DOF_INVALID DOF_ROTATION DOF_TRANSLATION")
JointType = _enum(
    "JointType",
    "JOINT_INVALID JOINT_FIXED JOINT_REVOLUTE JOINT_PRISMATIC JOINT_BALL JOINT_PLANAR JOINT_FLOATING",
)
IndexDomain = _enum("IndexDomain", "DOMAIN_ACTOR DOMAIN_ENV DOMAIN_SIM", arithmetic=False)
CoordinateSpace = _enum("CoordinateSpace", "ENV_SPACE LOCAL_SPACE GLOBAL_SPACE", arithmetic=False)
ImageType = _enum("ImageType", "IMAGE_COLOR IMAGE_DEPTH IMAGE_SEGMENTATION IMAGE_OPTICAL_FLOW")
MeshType = _enum("MeshType", "MESH_NONE MESH_COLLISION MESH_VISUAL MESH_VISUAL_AND_COLLISION")
MeshNormalMode = _enum("MeshNormalMode", "FROM_ASSET COMPUTE_PER_VERTEX COMPUTE_PER_FACE")
CameraFollowMode = _enum("CameraFollowMode", "FOLLOW_POSITION FOLLOW_TRANSFORM")
TendonType = _enum("TendonType", "TENDON_FIXED TENDON_SPATIAL", arithmetic=False)
SoftMaterialType = _enum("SoftMaterialType", "MAT_COROTATIONAL MAT_NEOHOOKEAN")
TensorDataType = _enum("TensorDataType", "DTYPE_FLOAT32 DTYPE_UINT32 DTYPE_UINT64 DTYPE_UINT8 DTYPE_INT16")
UsdMaterialMode = _enum("UsdMaterialMode", "USD_MATERIAL_DISPLAY_COLOR USD_MATERIAL_PREVIEW_SURFACE USD_MATERIAL_MDL")
KeyboardInput = _enum("KeyboardInput", " ".join(f"KEY_{key}" for key in _KEYS.split()), arithmetic=False)
MouseInput = _enum("MouseInput", " ".join(f"MOUSE_{event}" for event in _MOUSE.split()), arithmetic=False)
