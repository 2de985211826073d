"""What a rollout shows of how robots moved: which rows count, how far robots lean, when feet touch down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from legged_gym.evaluation.rollout import Floats, Rollout

SETTLING = 1.0
"""Seconds after the start and after each new command that do not count for tracking."""

FALLEN_TILT = np.deg2rad(60.0)
"""A robot whose base leans further than this has fallen, rad."""

_STEADY = 0.004
"""A command that changes by less from row to row, m/s or rad/s, is no new one: sticks with a low-pass never rest."""

_SWING_ROWS = 2
"""A foot has taken a step when it was off the ground for at least so many rows."""

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
    """Return how many rows each robot stays up, (N,): until a termination or a tilt past :data:`FALLEN_TILT`."""
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
    """Return the rows before a fall and :data:`SETTLING` after the start and after each new command, (T, N)."""
    row = np.arange(rollout.steps)[:, None]
    changed = np.zeros((rollout.steps, rollout.trials), dtype=bool)
    changed[1:] = (np.abs(np.diff(rollout.commands, axis=0)) > _STEADY).any(axis=-1)
    last_change = np.maximum.accumulate(np.where(changed, row, 0), axis=0)
    return up(rollout) & (row - last_change >= round(SETTLING / rollout.dt))


def standing_trials(rollout: Rollout) -> Mask:
    """Return the trials whose command is zero throughout, (N,)."""
    return (rollout.commands == 0.0).all(axis=(0, 2))


def touchdowns(rollout: Rollout) -> Mask:
    """Return in which rows each foot comes down after having left the ground, (T, N, F).

    A foot that loses contact for less than two rows has taken no step.
    """
    contact = rollout.foot_contact
    down = np.zeros_like(contact)
    off = np.stack([~contact[_SWING_ROWS - lag : rollout.steps - lag] for lag in range(1, _SWING_ROWS + 1)]).all(axis=0)
    down[_SWING_ROWS:] = contact[_SWING_ROWS:] & off
    return down


def firm_contact(rollout: Rollout) -> Mask:
    """Return the rows in the midst of each foot's contact, (T, N, F): it also touched one row before and after.

    A rollout's contacts last one row too long, and a foot that lands or leaves moves.
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
