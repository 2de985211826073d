"""The keys' actions, which are the same in every viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from legged_gym.viewers.session import PlaySession, Session, TimedSession

_SPEED_STEP, _TURN_STEP = 0.1, 0.2
"""Change of the command by a key, m/s and rad/s. It exceeds the dead band, so that each press has an effect."""


Key = Literal["B", "G", "I", "J", "K", "L", "N", "O", "P", "R", "T", "U", "X", "space"]
"""Capital letters and ``space``. On the page W, A, S, D, Q, E and the arrows move the view."""


@dataclass(frozen=True)
class Action:
    """An action of a key."""

    key: Key
    label: str
    kind: type[Session]
    """The kind of session that supports it."""
    do: Callable[[Any], None]


def _nudge(vx: float, vy: float, yaw_rate: float) -> Callable[[PlaySession], None]:
    return lambda session: session.nudge((vx, vy, yaw_rate))


ACTIONS = (
    Action("I", "forward", PlaySession, _nudge(_SPEED_STEP, 0.0, 0.0)),
    Action("K", "back", PlaySession, _nudge(-_SPEED_STEP, 0.0, 0.0)),
    Action("J", "turn left", PlaySession, _nudge(0.0, 0.0, _TURN_STEP)),
    Action("L", "turn right", PlaySession, _nudge(0.0, 0.0, -_TURN_STEP)),
    Action("U", "to the left", PlaySession, _nudge(0.0, _SPEED_STEP, 0.0)),
    Action("O", "to the right", PlaySession, _nudge(0.0, -_SPEED_STEP, 0.0)),
    Action("X", "stand still", PlaySession, PlaySession.halt),
    Action("G", "commands at random", PlaySession, PlaySession.release),
    Action("space", "pause or go on", TimedSession, TimedSession.pause),
    Action("T", "one step", TimedSession, TimedSession.single_step),
    Action("P", "push", PlaySession, PlaySession.push),
    Action("R", "reset", TimedSession, TimedSession.reset),
    Action("N", "next robot", Session, Session.next_robot),
    Action("B", "robot before", Session, lambda session: session.next_robot(-1)),
)


def actions_of(session: Session) -> list[Action]:
    """Return the actions that a session supports."""
    return [action for action in ACTIONS if isinstance(session, action.kind)]
