"""Gym: what an asset consists of."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ._asset import Asset
from ._calls import gymcall
from ._enums import INVALID_HANDLE, MEMBERS, DofType, JointType
from ._params import ActuatorProperties, ForceSensorProperties, IndexRange, RigidShapeProperties
from ._rules import broken, require
from ._vectors import Transform


def index_of(names: list[str], name: str) -> int:
    """Return where a name is in a list, or INVALID_HANDLE."""
    return names.index(name) if name in names else INVALID_HANDLE


def item(items: list[Any], index: int, call: str) -> Any:
    """Return an element.

    Raises:
        RuleBroken: There is none of this index.
    """
    if not 0 <= index < len(items):
        broken(f"{call}: index {index}, but there are {len(items)}")
    return items[index]


def shape_ranges(counts: list[int]) -> list[IndexRange]:
    """Return which shapes each body has."""
    out, start = [], 0
    for count in counts:
        indices: Any = IndexRange()
        indices.start, indices.count = start, count
        out.append(indices)
        start += count
    return out


class AssetCalls:
    """``get_asset_``, ``set_asset_`` and ``find_asset_`` calls."""

    @gymcall
    def get_asset_rigid_body_count(self, asset: Asset, /) -> int:
        """Return the number of bodies."""
        return len(asset.links)

    @gymcall
    def get_asset_rigid_body_names(self, asset: Asset, /) -> list[str]:
        """Return the bodies' names."""
        return asset.body_names

    @gymcall
    def get_asset_rigid_body_name(self, asset: Asset, index: int, /) -> str:
        """Return a body's name."""
        return item(asset.body_names, index, "get_asset_rigid_body_name")

    @gymcall
    def get_asset_rigid_body_dict(self, asset: Asset, /) -> dict[str, int]:
        """Return the bodies' indices by name."""
        return {name: i for i, name in enumerate(asset.body_names)}

    @gymcall
    def find_asset_rigid_body_index(self, asset: Asset, name: str, /) -> int:
        """Return a body's index."""
        return index_of(asset.body_names, name)

    @gymcall
    def get_asset_rigid_body_shape_indices(self, asset: Asset, /) -> list[IndexRange]:
        """Return which shapes each body has."""
        return shape_ranges(asset.shape_counts)

    @gymcall
    def get_asset_rigid_shape_count(self, asset: Asset, /) -> int:
        """Return the number of shapes."""
        return sum(asset.shape_counts)

    @gymcall
    def get_asset_rigid_shape_properties(self, asset: Asset, /) -> list[RigidShapeProperties]:
        """Return a copy of the shapes' properties."""
        return copy.deepcopy(asset.shape_props)

    @gymcall
    def set_asset_rigid_shape_properties(self, asset: Asset, props: list[RigidShapeProperties], /) -> bool:
        """Set the properties that later actors start with."""
        require(
            len(props) == len(asset.shape_props),
            f"set_asset_rigid_shape_properties: {len(props)} properties for {len(asset.shape_props)} shapes",
        )
        asset.shape_props = copy.deepcopy(props)
        return True

    @gymcall
    def get_asset_dof_count(self, asset: Asset, /) -> int:
        """Return the number of DOFs."""
        return len(asset.dofs)

    @gymcall
    def get_asset_dof_names(self, asset: Asset, /) -> list[str]:
        """Return the DOFs' names."""
        return asset.dof_names

    @gymcall
    def get_asset_dof_name(self, asset: Asset, index: int, /) -> str:
        """Return a DOF's name."""
        return item(asset.dof_names, index, "get_asset_dof_name")

    @gymcall
    def get_asset_dof_dict(self, asset: Asset, /) -> dict[str, int]:
        """Return the DOFs' indices by name."""
        return {name: i for i, name in enumerate(asset.dof_names)}

    @gymcall
    def find_asset_dof_index(self, asset: Asset, name: str, /) -> int:
        """Return a DOF's index."""
        return index_of(asset.dof_names, name)

    @gymcall
    def get_asset_dof_type(self, asset: Asset, index: int, /) -> Any:
        """Return a DOF's type."""
        slide = item(asset.dofs, index, "get_asset_dof_type").kind == "prismatic"
        return MEMBERS["DOF_TRANSLATION" if slide else "DOF_ROTATION"]

    @gymcall
    def get_asset_dof_properties(self, asset: Asset, /) -> np.ndarray:
        """Return the DOFs' properties."""
        return asset.dof_properties()

    @gymcall
    def get_asset_joint_count(self, asset: Asset, /) -> int:
        """Return the number of joints, fixed ones too."""
        return len(asset.joints)

    @gymcall
    def get_asset_joint_names(self, asset: Asset, /) -> list[str]:
        """Return the joints' names."""
        return [joint.name for joint in asset.joints]

    @gymcall
    def get_asset_joint_name(self, asset: Asset, index: int, /) -> str:
        """Return a joint's name."""
        return item(asset.joints, index, "get_asset_joint_name").name

    @gymcall
    def get_asset_joint_dict(self, asset: Asset, /) -> dict[str, int]:
        """Return the joints' indices by name."""
        return {joint.name: i for i, joint in enumerate(asset.joints)}

    @gymcall
    def find_asset_joint_index(self, asset: Asset, name: str, /) -> int:
        """Return a joint's index."""
        return index_of([joint.name for joint in asset.joints], name)

    @gymcall
    def get_asset_joint_type(self, asset: Asset, index: int, /) -> Any:
        """Return a joint's type."""
        return asset.joint_type(item(asset.joints, index, "get_asset_joint_type"))

    @gymcall
    def get_dof_type_string(self, kind: DofType, /) -> str:
        """Return a DOF type's name for people."""
        return {"DOF_ROTATION": "Rotation", "DOF_TRANSLATION": "Translation"}.get(kind.name, "Invalid")

    @gymcall
    def get_joint_type_string(self, kind: JointType, /) -> str:
        """Return a joint type's name for people."""
        return kind.name.replace("JOINT_", "").capitalize()

    @gymcall
    def get_asset_actuator_count(self, asset: Asset, /) -> int:
        """Return the number of actuators; only MJCF has any."""
        return len(asset.actuators)

    @gymcall
    def get_asset_actuator_name(self, asset: Asset, index: int, /) -> str:
        """Return an actuator's name."""
        return item(asset.actuators, index, "get_asset_actuator_name")[0]

    @gymcall
    def get_asset_actuator_joint_name(self, asset: Asset, index: int, /) -> str:
        """Return the name of the joint that an actuator moves."""
        return item(asset.actuators, index, "get_asset_actuator_joint_name")[1]

    @gymcall
    def get_asset_actuator_properties(self, asset: Asset, /) -> list[ActuatorProperties]:
        """Return the actuators' properties."""
        return [copy.deepcopy(actuator[2]) for actuator in asset.actuators]

    @gymcall
    def find_asset_actuator_index(self, asset: Asset, name: str, /) -> int:
        """Return an actuator's index."""
        return index_of([actuator[0] for actuator in asset.actuators], name)

    @gymcall
    def get_asset_tendon_count(self, asset: Asset, /) -> int:
        """Return 0: the stand-in has no tendons."""
        return 0

    @gymcall
    def get_asset_soft_body_count(self, asset: Asset, /) -> int:
        """Return 0: the stand-in has no soft bodies."""
        return 0

    @gymcall
    def create_asset_force_sensor(
        self,
        asset: Asset,
        body: int,
        pose: Transform,
        props: ForceSensorProperties | None = None,
        /,
    ) -> int:
        """Put a force sensor on a body; before actors are made of the asset."""
        require(not asset.in_use, "create_asset_force_sensor: must come before create_actor with this asset")
        item(asset.links, body, "create_asset_force_sensor")
        asset.force_sensors.append((body, copy.deepcopy(pose), copy.deepcopy(props)))
        return len(asset.force_sensors) - 1
