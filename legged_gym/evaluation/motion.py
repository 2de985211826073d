"""Quantities computed from a rollout: which rows count, how far robots lean, when feet touch down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from legged_gym.evaluation.rollout import Floats, Rollout

SETTLING = 1.0
"""Time after the start and after each new command that does not count for tracking, s."""

FALLEN_TILT = np.deg2rad(60.0)
"""A robot whose base leans further than this has fallen, rad."""

_STEADY = 0.004
"""A smaller change of the command between rows, m/s or rad/s, is not a new command: filtered sticks never rest."""

_SWING_ROWS = 2
"""A foot has taken a step if it was off the ground for at least this many rows."""

Mask = NDArray[np.bool_]


def roll_pitch_yaw(quat: Floats) -> tuple[Floats, Floats, Floats]:
    """Return roll, pitch and yaw, rad, each (...), of quaternions xyzw, (..., 4)."""
    x, y, z, w = np.moveaxis(quat, -1, 0)
    roll = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return roll, pitch, yaw


def tilt(rollout: Rollout) -> Floats:
    """Return the angle between each base's z axis and the vertical, rad, (T, N)."""
    x, y = rollout.base_quat[..., 0], rollout.base_quat[..., 1]
    return np.arccos(np.clip(1.0 - 2.0 * (x * x + y * y), -1.0, 1.0))


def standing_rows(rollout: Rollout) -> NDArray[np.int64]:
    """Return each robot's number of rows before a fall, (N,): a termination or a tilt past :data:`FALLEN_TILT`."""
    over = tilt(rollout) > FALLEN_TILT
    first = np.where(over.any(axis=0), over.argmax(axis=0), rollout.steps)
    return np.minimum(first, rollout.rows)


def fell(rollout: Rollout) -> Mask:
    """Return which trials ended in a fall, (N,)."""
    return standing_rows(rollout) < rollout.steps


def up(rollout: Rollout) -> Mask:
    """Return the rows before a fall, (T, N)."""
    return np.arange(rollout.steps)[:, None] < standing_rows(rollout)


def settled(rollout: Rollout) -> Mask:
    """Return the rows before a fall and later than :data:`SETTLING` after the start and each new command, (T, N)."""
    row = np.arange(rollout.steps)[:, None]
    changed = np.zeros((rollout.steps, rollout.trials), dtype=bool)
    changed[1:] = (np.abs(np.diff(rollout.commands, axis=0)) > _STEADY).any(axis=-1)
    last_change = np.maximum.accumulate(np.where(changed, row, 0), axis=0)
    return up(rollout) & (row - last_change >= round(SETTLING / rollout.dt))


def standing_trials(rollout: Rollout) -> Mask:
    """Return the trials whose command is zero throughout, (N,)."""
    return (rollout.commands == 0.0).all(axis=(0, 2))


def touchdowns(rollout: Rollout) -> Mask:
    """Return the rows in which each foot touches down after a swing, (T, N, F).

    Losing contact for less than two rows is not a swing.
    """
    contact = rollout.foot_contact
    down = np.zeros_like(contact)
    off = np.stack([~contact[_SWING_ROWS - lag : rollout.steps - lag] for lag in range(1, _SWING_ROWS + 1)]).all(axis=0)
    down[_SWING_ROWS:] = contact[_SWING_ROWS:] & off
    return down


def firm_contact(rollout: Rollout) -> Mask:
    """Return the rows in the middle of each foot's contact, (T, N, F): it is also in contact one row before and after.

    A rollout's contacts last one row too long, and a foot moves while it lands or lifts off.
    """
    contact = rollout.foot_contact
    firm = np.zeros_like(contact)
    firm[1:-1] = contact[:-2] & contact[1:-1] & contact[2:]
    return firm


def step_lengths(rollout: Rollout) -> Floats:
    """Return how far each foot is ahead of the other along the base's heading, m, (T, N, 2); for bipeds."""
    _, _, yaw = roll_pitch_yaw(rollout.base_quat)
    left, right = rollout.foot_pos[:, :, 0], rollout.foot_pos[:, :, 1]
    ahead = (left - right)[..., 0] * np.cos(yaw) + (left - right)[..., 1] * np.sin(yaw)
    return np.stack((ahead, -ahead), axis=-1)
