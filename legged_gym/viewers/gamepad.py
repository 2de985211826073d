"""Driving with a gamepad, in GLFW's standard layout (names as on an Xbox controller)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import glfw

from legged_gym.viewers.session import PlaySession

_DEAD_ZONE = 0.15
"""Dead zone of a stick, as a share of its travel."""

_FORWARD, _LEFT, _TURN = (glfw.GAMEPAD_AXIS_LEFT_Y, glfw.GAMEPAD_AXIS_LEFT_X, glfw.GAMEPAD_AXIS_RIGHT_X)

_BUTTONS: dict[int, Callable[[PlaySession], None]] = {
    glfw.GAMEPAD_BUTTON_A: lambda session: session.pause(),
    glfw.GAMEPAD_BUTTON_B: lambda session: session.push(),
    glfw.GAMEPAD_BUTTON_X: lambda session: session.reset(),
    glfw.GAMEPAD_BUTTON_Y: lambda session: session.single_step(),
    glfw.GAMEPAD_BUTTON_LEFT_BUMPER: lambda session: session.next_robot(-1),
    glfw.GAMEPAD_BUTTON_RIGHT_BUMPER: lambda session: session.next_robot(),
    glfw.GAMEPAD_BUTTON_START: lambda session: session.release(),
}

HELP = [
    ("left stick", "forward, back, to the sides"),
    ("right stick", "turn"),
    ("A B X Y", "pause, push, reset, one step"),
    ("LB RB", "robot before, next robot"),
    ("Start", "commands at random"),
]
"""Help for the gamepad: control and meaning."""


def stick_command(axes: Sequence[float], ranges: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the command for the sticks' positions.

    Args:
        axes: Axes of GLFW's gamepad state, -1 to 1 each; up and left are negative.
        ranges: Lowest and highest command, m/s, m/s, rad/s, (3, 2).

    Returns:
        Forward and lateral velocity, m/s, and yaw rate, rad/s. A stick's full travel is the end of the range.
    """
    vx, vy, yaw_rate = (
        deflection * high if deflection > 0.0 else -deflection * low
        for deflection, (low, high) in zip(
            (_beyond_dead_zone(-axes[axis]) for axis in (_FORWARD, _LEFT, _TURN)), ranges, strict=True
        )
    )
    return vx, vy, yaw_rate


def _beyond_dead_zone(deflection: float) -> float:
    """Return a stick's deflection, -1 to 1. It is 0 in the dead zone and grows from 0 beyond it."""
    size = max(0.0, abs(deflection) - _DEAD_ZONE) / (1.0 - _DEAD_ZONE)
    return min(size, 1.0) if deflection > 0.0 else -min(size, 1.0)


class Gamepad:
    """Lets the first connected gamepad drive a session. It may be connected and disconnected at any time."""

    def __init__(self, session: PlaySession) -> None:
        """Drive ``session``. GLFW must be initialised when :meth:`update` is called."""
        self._session = session
        self._command = (0.0, 0.0, 0.0)
        self._pressed: list[int] = []
        self.name = ""
        """Name of the connected gamepad; empty without one."""

    def update(self) -> None:
        """Read the gamepad, if there is one, and act on changes."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = next((i for i in range(glfw.JOYSTICK_LAST + 1) if glfw.joystick_is_gamepad(i)), None)
            state = None if found is None else glfw.get_gamepad_state(found)
        if found is None or state is None:
            self.name = ""
            return
        if not self.name:
            name = glfw.get_gamepad_name(found)
            self.name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        self.take([float(value) for value in state.axes], [int(value) for value in state.buttons])

    def take(self, axes: Sequence[float], buttons: Sequence[int]) -> None:
        """Act on a state of the gamepad: axes, -1 to 1 each, and buttons, 1 for pressed ones.

        A stick changes the command only while it moves, so a resting stick does not disturb driving by keys.
        """
        command = stick_command(axes, self._session.command_ranges)
        if command != self._command:
            self._command = command
            self._session.drive(command)
        pressed = [button for button in _BUTTONS if buttons[button]]
        for button in pressed:
            if button not in self._pressed:
                _BUTTONS[button](self._session)
        self._pressed = pressed
