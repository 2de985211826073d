"""Predicts joint angles of many candidate robots in a stand for a log's targets, in parallel and in C."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import mujoco.rollout
import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.signal import resample

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.robot_file import SIMULATED_STEP
from legged_gym.this_robot.stand import GRAVITY, Stand, Truth

STEP = 0.002
"""Physics step of predictions, s. Its effect on inertia and timing is corrected to first order."""


@dataclass
class Chunk:
    """A piece of a log with constant gains and direction of gravity."""

    time: np.ndarray
    """Times, s, from 0, (T,)."""
    target: np.ndarray
    position: np.ndarray
    """rad, (T, D)."""
    velocity: np.ndarray
    """rad/s, (T, D)."""
    kp: np.ndarray
    kd: np.ndarray
    """(D,)."""
    down: np.ndarray
    """Direction of gravity, base frame, (3,)."""
    sent: tuple[np.ndarray, np.ndarray]
    """Times and values of the sent targets, (S,) and (S, D): the rows' targets, or interpolated ones as well."""
    dt: float
    """Usual time between two rows, s."""
    log: RobotLog
    """All signals of its rows."""


def chunks(log: RobotLog, shortest: float = 2.0, part: Sequence[float] = (0, 1), filled: bool = False) -> list[Chunk]:
    """Cut a part of a log, given by shares of its rows, where gains change. Pieces below ``shortest`` s are left out.

    With ``filled``, targets are interpolated at the motors' rate. This is exact for a motion that starts and ends at
    rest and has no frequency above half the log's rate.

    Raises:
        UserError: No piece is left.
    """
    begin, end = (round(share * len(log.time)) for share in part)
    gains = np.concatenate((log["kp"], log["kd"]), axis=1)[begin:end]
    changes = begin + 1 + np.flatnonzero(np.abs(np.diff(gains, axis=0)).max(1) > 1e-6)
    ticks, start, found = max(1, round(log.dt / MOTOR_DT)), log["target"][0], []
    sent_at = log.time[0] + log.seconds / (len(log.time) - 1) * np.arange(len(log.time) * ticks) / ticks
    sent = start + resample(log["target"] - start, len(sent_at)) if filled else None
    for first, last in itertools.pairwise([begin, *changes, end]):
        if last - first < 10 or log.time[last - 1] - log.time[first] < shortest:
            continue
        piece, down = log.rows(first, last), log.gravity[first:last].mean(0)
        time, target = piece.time - piece.time[0], piece["target"]
        told = (time, target) if sent is None else (sent_at - piece.time[0], sent)
        found.append(Chunk(time, target, piece["position"], piece["velocity"], piece["kp"][0], piece["kd"][0],
                           down / np.linalg.norm(down), told, piece.dt, piece))  # fmt: skip
    if not found:
        raise UserError(f"{log.name}: no piece of {shortest:g} s in which the gains stay the same")
    return found


def predict(stand: Stand, chunk: Chunk, robots: Sequence[Truth], threads: int = 1) -> np.ndarray:
    """Return the angles of each robot's encoders at the chunk's times, rad, (n, T, D).

    The D gain and most of the drive are in the model itself, as stiffness and damping of its joints.
    """
    steps, count = int(np.ceil(chunk.time[-1] / STEP)) + 1, stand.num_dof
    models, states, forces = [], np.zeros((len(robots), 1 + 2 * count)), np.empty((len(robots), steps, count))
    # Most robots share these values.
    side, excess, arriving = (functools.cache(functools.partial(f, chunk)) for f in (_side, _excess, _arriving))
    states[:, 1 + count :] = chunk.velocity[: max(3, round(0.02 / chunk.dt))].mean(0)
    for i, robot in enumerate(robots):
        models.append(_driven_model(stand, chunk, robot))
        states[i, 1 : 1 + count] = chunk.position[0] - robot.zero_offset
        target = arriving(steps, robot.delay) - robot.zero_offset
        play = 0.5 * robot.backlash * side(steps, robot.delay, robot.lean)
        forces[i] = robot.strength * chunk.kp * (target - play)
        if np.any(robot.stribeck):
            forces[i] -= robot.stribeck * robot.dry_friction * excess(steps, robot.stribeck_speed)
    data = [mujoco.MjData(models[0]) for _ in range(threads)]
    with mujoco.rollout.Rollout(nthread=threads if threads > 1 else 0) as runner:
        applied = mujoco.mjtState.mjSTATE_QFRC_APPLIED.value
        after, _ = runner.rollout(models, data, states, forces, control_spec=applied)
    course = np.concatenate((states[:, None], after[:, :-1]), axis=1)
    qpos, qvel = course[..., 1 : 1 + count], course[..., 1 + count :]
    # A velocity is half a step earlier than its angle.
    speed = 0.5 * (qvel + np.concatenate((qvel[:, 1:], qvel[:, -1:]), axis=1))
    shown = CubicHermiteSpline(STEP * np.arange(steps), qpos, speed, axis=1)(chunk.time)
    return shown + [r.zero_offset + 0.5 * r.backlash * side(0, r.delay, r.lean) for r in robots]


def _driven_model(stand: Stand, chunk: Chunk, robot: Truth) -> mujoco.MjModel:
    """Return a model with the drive in its joints.

    A lag turns a P gain into a little negative damping, and a D gain into a little negative inertia. The implicit
    integration of damping adds inertia of half a step.
    """
    kp, kd = robot.strength * chunk.kp, robot.strength * chunk.kd
    damping = np.maximum(robot.viscous_friction + kd - kp * robot.position_lag, 0.0)
    inertia = robot.armature - kd * robot.velocity_lag + 0.5 * kp * robot.position_lag**2 - 0.5 * STEP * damping
    # The creep of friction depends on the robot's own armature.
    model = stand.model_of(robot)
    model.opt.timestep = STEP
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT) | int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
    model.opt.gravity[:] = GRAVITY * (chunk.down + np.cross((robot.mount_roll, robot.mount_pitch, 0.0), chunk.down))
    model.jnt_stiffness[:] = kp
    model.qpos_spring[:] = 0.0
    model.dof_damping[:] = damping
    model.dof_armature[:] = np.maximum(inertia, -5e-4)
    return model


def white_noise(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column's noise, (n,), from rows, (T, n), of a smooth motion."""
    # Second differences have six times the variance, and the median absolute value is 0.67 standard deviations.
    return np.median(np.abs(np.diff(values, 2, axis=0)), axis=0) / 0.6745 / np.sqrt(6.0)


def running_mean(values: np.ndarray, seconds: float, dt: float) -> np.ndarray:
    """Return the running mean of rows, (T, n), over about this time."""
    window = np.hanning(max(3, round(seconds / dt)) + 2)
    return np.stack([np.convolve(column, window / window.sum(), "same") for column in values.T], axis=1)


def at_times(times: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate values, (T, n), at times, (T,), to other times, (S, n)."""
    return np.stack([np.interp(times, known, column) for column in values.T], axis=1)


def _side(chunk: Chunk, steps: int, delay: float, lean: float) -> np.ndarray:
    """Return each motor's side of its backlash, -1 to 1, at this many steps, (S, D), or 0: at rows, (T, D)."""
    error = at_times(chunk.time - delay, *chunk.sent) - chunk.position
    sides = np.tanh(running_mean(error, 0.02, chunk.dt) / lean)
    return at_times(STEP * np.arange(steps), chunk.time, sides) if steps else sides


def _excess(chunk: Chunk, steps: int, fading: float) -> np.ndarray:
    """Return the excess friction of slow joints at this many steps, in the direction of motion, 0 to 1, (S, D)."""
    speed = np.gradient(running_mean(chunk.position, 0.03, chunk.dt), chunk.time, axis=0)
    return at_times(STEP * np.arange(steps), chunk.time, np.tanh(speed / 0.02) * np.exp(-((speed / fading) ** 2)))


def _arriving(chunk: Chunk, steps: int, delay: float) -> np.ndarray:
    """Return the mean target of the motors around each step, rad, (S, D). It is smooth in the delay."""
    edges = STEP * (np.arange(steps + 1) - 0.5) - delay + 0.5 * SIMULATED_STEP
    time, target = chunk.sent
    # Each target is held until the next one. The first was there before.
    time, target = np.concatenate(([time[0] - 1.0], time, [time[-1] + 1.0])), np.vstack((target[:1], target))
    total = np.vstack((np.zeros(target.shape[1]), np.cumsum(np.diff(time)[:, None] * target, axis=0)))
    return np.diff(at_times(edges, time, total), axis=0) / STEP
