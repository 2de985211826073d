"""Metrics of a rollout for posture, motor load and steps."""

from __future__ import annotations

import numpy as np

from legged_gym.evaluation import motion
from legged_gym.evaluation.rollout import Floats, Rollout

ROLL, PITCH = 0, 1
"""Angles of the base, as :func:`lean` and :func:`largest_lean` take them; pitch is positive with the nose down."""


def lean(rollout: Rollout, angle: int) -> float:
    """Absolute value of each trial's mean roll or pitch, rad, mean over trials."""
    values, rows = motion.roll_pitch_yaw(rollout.base_quat)[angle], motion.settled(rollout)
    means = [abs(values[rows[:, trial], trial].mean()) for trial in np.flatnonzero(rows.any(axis=0))]
    return float(np.mean(means)) if means else np.nan


def largest_lean(rollout: Rollout, angle: int) -> float:
    """Largest absolute value of roll or pitch, rad."""
    return _largest(np.abs(motion.roll_pitch_yaw(rollout.base_quat)[angle])[motion.settled(rollout)])


def turning_error(rollout: Rollout) -> float:
    """Relative error of the mean yaw rate: absolute value for each trial that turns on the spot, mean over trials."""
    wanted = rollout.commands[..., 2]
    rows = motion.settled(rollout) & (rollout.commands[..., :2] == 0.0).all(axis=-1) & (wanted != 0.0)
    errors = [
        abs(rollout.yaw_rate[rows[:, trial], trial].mean() / wanted[rows[:, trial], trial].mean() - 1.0)
        for trial in np.flatnonzero(rows.any(axis=0))
    ]
    return float(np.mean(errors)) if errors else np.nan


def torque_rms(rollout: Rollout) -> float:
    """Root mean square of the torque in the joint where it is largest, N·m."""
    torques = rollout.torques[motion.settled(rollout)]
    return float(np.sqrt(np.square(torques, dtype=np.float64).mean(axis=0)).max()) if torques.size else np.nan


def motor_load(rollout: Rollout) -> float:
    """Largest load of a motor before a fall, as a share of its torque limit at that speed.

    The limit falls linearly from the full torque at rest to zero at the speed limit, but not for a braking motor.
    """
    if not rollout.torque_limits.size:
        return np.nan
    rows = motion.up(rollout)
    torques, speeds = rollout.torques[rows] / rollout.torque_limits, rollout.dof_vel[rows] / rollout.dof_vel_limits
    return _largest(np.abs(torques) + np.where(torques * speeds > 0.0, np.abs(speeds), 0.0))


def foot_impact(rollout: Rollout) -> float:
    """Mean vertical speed of a foot's origin in the row before a touchdown, m/s."""
    down = motion.touchdowns(rollout) & motion.settled(rollout)[..., None]
    sinking = np.zeros_like(rollout.foot_pos[..., 2])
    sinking[2:] = (rollout.foot_pos[:-2, ..., 2] - rollout.foot_pos[1:-1, ..., 2]) / rollout.dt
    return float(np.maximum(sinking[down], 0.0).mean()) if down.any() else np.nan


def step_frequency(rollout: Rollout) -> float:
    """Return the number of steps of a foot per second while the robot walks. A gait clock asks for 1 / period."""
    rows = motion.settled(rollout) & (rollout.commands != 0.0).any(axis=-1)
    if not rows.any():
        return np.nan
    steps = (motion.touchdowns(rollout) & rows[..., None]).sum()
    return float(steps / (rows.sum() * rollout.dt * rollout.foot_contact.shape[-1]))


def step_height(rollout: Rollout) -> float:
    """Mean height of a step, from the touchdown to the highest point of the swing before it, m."""
    down = motion.touchdowns(rollout) & motion.settled(rollout)[..., None]
    heights = rollout.foot_pos[..., 2]
    highest, lifts = heights[0].copy(), []
    for row in range(1, rollout.steps):
        highest = np.maximum(highest, heights[row])
        lifts.append((highest - heights[row])[down[row]])
        highest = np.where(rollout.foot_contact[row], heights[row], highest)
    lifted = np.concatenate(lifts) if lifts else np.zeros(0)
    return float(lifted.mean()) if lifted.size else np.nan


def _largest(values: Floats) -> float:
    return float(values.max()) if values.size else np.nan
