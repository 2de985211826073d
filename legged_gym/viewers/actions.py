"""What keys do, the same in every viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from legged_gym.viewers.session import PlaySession, Session

_SPEED_STEP, _TURN_STEP = 0.1, 0.2
"""m/s and rad/s that a key adds to the command: more than the dead band, so that each key is felt."""


Key = Literal["B", "G", "I", "J", "K", "L", "N", "O", "P", "R", "T", "U", "X", "space"]
"""Capital letters and ``space``. On the page W, A, S, D, Q, E and the arrows move the view."""


@dataclass(frozen=True)
class Action:
    """Something that a key asks for."""

    key: Key
    label: str
    do: Callable[[PlaySession], None]


@dataclass(frozen=True)
class Look:
    """Something that a key changes about what is shown; it can be asked of a training, too."""

    key: Key
    label: str
    do: Callable[[Session], None]


def _nudge(vx: float, vy: float, yaw_rate: float) -> Callable[[PlaySession], None]:
    return lambda session: session.nudge((vx, vy, yaw_rate))


ACTIONS = (
    Action("I", "forward", _nudge(_SPEED_STEP, 0.0, 0.0)),
    Action("K", "back", _nudge(-_SPEED_STEP, 0.0, 0.0)),
    Action("J", "turn left", _nudge(0.0, 0.0, _TURN_STEP)),
    Action("L", "turn right", _nudge(0.0, 0.0, -_TURN_STEP)),
    Action("U", "to the left", _nudge(0.0, _SPEED_STEP, 0.0)),
    Action("O", "to the right", _nudge(0.0, -_SPEED_STEP, 0.0)),
    Action("X", "stand still", lambda session: session.halt()),
    Action("G", "commands at random", lambda session: session.release()),
    Action("space", "pause or go on", lambda session: session.pause()),
    Action("T", "one step", lambda session: session.single_step()),
    Action("P", "push", lambda session: session.push()),
    Action("R", "reset", lambda session: session.reset()),
)
LOOKS = (
    Look("N", "next robot", lambda session: session.next_robot()),
    Look("B", "robot before", lambda session: session.next_robot(-1)),
)
