"""Joint angles of many candidate robots in a stand that are given a log's targets, at once and in C."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import mujoco
import mujoco.rollout
import numpy as np
from scipy.signal import resample

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.robot_file import SIMULATED_STEP
from legged_gym.this_robot.stand import GRAVITY, Stand, Truth

STEP = 0.002
"""Physics step of predictions, s. What it does to inertia and timing is taken out again to first order."""


@dataclass
class Candidate(Truth):
    """A robot, and how its motors close their loops."""

    position_lag: float = 0.0
    """Age of the angle in the P term, s."""
    velocity_lag: float = 0.0
    """Age of the velocity in the D term, s."""
    mount_roll: float = 0.0
    mount_pitch: float = 0.0
    """Angles by which the IMU leans on the base, rad."""
    lean: float = 5e-4
    """An error of the angle past which a motor surely leans to one side of its gear's play, rad."""


@dataclass
class Chunk:
    """A piece of a log in which gains and the direction of gravity stay the same."""

    time: np.ndarray
    """s, from 0, (T,)."""
    target: np.ndarray
    position: np.ndarray
    """rad, (T, D)."""
    first_velocity: np.ndarray
    """rad/s, (D,)."""
    kp: np.ndarray
    kd: np.ndarray
    """(D,)."""
    down: np.ndarray
    """Direction of gravity, base frame, (3,)."""
    sent: tuple[np.ndarray, np.ndarray] | None = None
    """Times and values of what was sent, (S,) and (S, D), where the log shows only some of it."""
    first_row: int = 0
    """Where it begins in its log."""

    @property
    def dt(self) -> float:
        """Usual time between two rows, s."""
        return float(np.median(np.diff(self.time)))


def chunks(log: RobotLog, shortest: float = 2.0) -> list[Chunk]:
    """Cut a log where gains change; pieces shorter than ``shortest`` seconds are left out.

    Raises:
        UserError: None is left.
    """
    gains = np.concatenate((log["kp"], log["kd"]), axis=1)
    changes = np.flatnonzero(np.abs(np.diff(gains, axis=0)).max(1) > 1e-6) + 1
    found = []
    for first, last in zip([0, *changes], [*changes, len(log.time)], strict=True):
        rows = slice(first, last)
        if last - first < 10 or log.time[last - 1] - log.time[first] < shortest:
            continue
        down = log.gravity[rows].mean(0)
        early = slice(first, first + max(3, round(0.02 / log.dt)))
        found.append(Chunk(log.time[rows] - log.time[first], log["target"][rows], log["position"][rows],
                           log["velocity"][early].mean(0), log["kp"][first], log["kd"][first],
                           down / np.linalg.norm(down), first_row=first))  # fmt: skip
    if not found:
        raise UserError(f"{log.name}: no piece of {shortest:g} s in which the gains stay the same")
    return found


def filled_in(log: RobotLog, pieces: list[Chunk]) -> list[Chunk]:
    """Return pieces of a log with what was sent between its rows, at the motors' rate.

    A motion that begins and ends at rest, and has nothing faster than half the log's rate, is known between its rows.
    """
    ticks = max(1, round(log.dt / MOTOR_DT))
    time = log.time[0] + log.seconds / (len(log.time) - 1) * np.arange(len(log.time) * ticks) / ticks
    first = log["target"][0]
    target = first + resample(log["target"] - first, len(time))
    return [replace(piece, sent=(time - log.time[piece.first_row], target)) for piece in pieces]


def predict(stand: Stand, chunk: Chunk, robots: Sequence[Candidate], threads: int = 1) -> np.ndarray:
    """Return what each robot's encoders would show at the chunk's times, rad, (n, T, D).

    The D gain and most of the drive live in the model itself: stiffness and damping of its joints.
    """
    steps = int(np.ceil(chunk.time[-1] / STEP)) + 1
    models, states, forces = [], [], np.empty((len(robots), steps, stand.num_dof))
    # Most robots do not differ in what these depend on.
    side, excess, arriving = (functools.cache(functools.partial(f, chunk)) for f in (_side, _excess, _arriving))
    for i, robot in enumerate(robots):
        models.append(_driven_model(stand, chunk, robot))
        states.append(np.concatenate(([0.0], chunk.position[0] - robot.zero_offset, chunk.first_velocity)))
        half = 0.5 * np.broadcast_to(robot.backlash, stand.num_dof)
        target = arriving(steps, robot.delay) - robot.zero_offset
        forces[i] = robot.strength * chunk.kp * (target - half * side(steps, robot.delay, robot.lean))
        if np.any(robot.stribeck):
            forces[i] -= robot.stribeck * robot.dry_friction * excess(steps, robot.stribeck_speed)
    data = [mujoco.MjData(models[0]) for _ in range(threads)]
    with mujoco.rollout.Rollout(nthread=threads if threads > 1 else 0) as runner:
        states_out, _ = runner.rollout(
            models, data, np.stack(states), forces, control_spec=mujoco.mjtState.mjSTATE_QFRC_APPLIED.value
        )
    qpos = np.concatenate(
        (np.stack(states)[:, None, 1 : 1 + stand.num_dof], states_out[:, :-1, 1 : 1 + stand.num_dof]), 1
    )
    qvel = np.concatenate((np.stack(states)[:, None, 1 + stand.num_dof :], states_out[:, :-1, 1 + stand.num_dof :]), 1)
    shown = _between(qpos, qvel, chunk.time / STEP)
    plays = [0.5 * np.broadcast_to(r.backlash, stand.num_dof) * side(0, r.delay, r.lean) for r in robots]
    return shown + np.stack([robot.zero_offset for robot in robots])[:, None] + np.stack(plays)


def _driven_model(stand: Stand, chunk: Chunk, robot: Candidate) -> mujoco.MjModel:
    """Return a model with the drive in its joints.

    A lag makes of a P gain a little negative damping, and of a D gain a little negative inertia. The step itself
    integrates damping implicitly, which adds half a step's worth of inertia.
    """
    kp, kd = robot.strength * chunk.kp, robot.strength * chunk.kd
    damping = np.maximum(robot.viscous_friction + kd - kp * robot.position_lag, 0.0)
    inertia = np.maximum(
        robot.armature - kd * robot.velocity_lag + 0.5 * kp * robot.position_lag**2 - 0.5 * STEP * damping, -5e-4
    )
    # How friction creeps follows from the robot's own armature.
    model = stand.model_of(robot)
    model.opt.timestep = STEP
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT) | int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
    model.opt.gravity[:] = GRAVITY * (chunk.down + np.cross((robot.mount_roll, robot.mount_pitch, 0.0), chunk.down))
    model.jnt_stiffness[:] = kp
    model.qpos_spring[:] = 0.0
    model.dof_damping[:] = damping
    model.dof_armature[:] = inertia
    return model


def running_mean(values: np.ndarray, seconds: float, dt: float) -> np.ndarray:
    """Return the running mean of rows, (T, n), over about so long."""
    window = np.hanning(max(3, round(seconds / dt)) + 2)
    return np.stack([np.convolve(column, window / window.sum(), "same") for column in values.T], axis=1)


def _side(chunk: Chunk, steps: int, delay: float, lean: float) -> np.ndarray:
    """Return to which side of its gear's play each motor leans, -1 to 1: that of its torque.

    At so many steps, (S, D), or if that is 0 at the chunk's times, (T, D).
    """
    error, (sent, targets) = np.empty_like(chunk.position), chunk.sent or (chunk.time, chunk.target)
    for joint, target in enumerate(targets.T):
        error[:, joint] = np.interp(chunk.time - delay, sent, target) - chunk.position[:, joint]
    sides = np.tanh(running_mean(error, 0.02, chunk.dt) / lean)
    return _at_steps(chunk, sides, steps) if steps else sides


def _at_steps(chunk: Chunk, values: np.ndarray, steps: int) -> np.ndarray:
    """Return a chunk's joint values at steps of a simulation, (S, D)."""
    time = STEP * np.arange(steps)
    return np.stack([np.interp(time, chunk.time, column) for column in values.T], axis=1)


def _excess(chunk: Chunk, steps: int, fading: float) -> np.ndarray:
    """Return the excess of slow joints' friction at so many steps, in the direction of motion, 0 to 1, (n, D)."""
    speed = np.gradient(running_mean(chunk.position, 0.03, chunk.dt), chunk.time, axis=0)
    excess = np.tanh(speed / 0.02) * np.exp(-((speed / fading) ** 2))
    return _at_steps(chunk, excess, steps)


def _arriving(chunk: Chunk, steps: int, delay: float) -> np.ndarray:
    """Return the mean of the targets that the motors hold around each step, rad, (S, D): smooth in the delay."""
    edges = STEP * (np.arange(steps + 1) - 0.5) - delay + 0.5 * SIMULATED_STEP
    time, target = chunk.sent or (chunk.time, chunk.target)
    # Each is held until the next; before the first one its target has been there for long.
    time, target = np.concatenate(([time[0] - 1.0], time, [time[-1] + 1.0])), np.vstack((target[:1], target))
    total = np.vstack((np.zeros(target.shape[1]), np.cumsum(np.diff(time)[:, None] * target, axis=0)))
    integral = np.stack([np.interp(edges, time, column) for column in total.T], axis=1)
    return np.diff(integral, axis=0) / STEP


def _between(qpos: np.ndarray, qvel: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Return angles between the steps, (n, T, D), by cubics; a velocity belongs half a step before its angle."""
    low = np.clip(where.astype(int), 0, qpos.shape[1] - 2)
    share = (where - low)[None, :, None]
    speed = 0.5 * (qvel + np.concatenate((qvel[:, 1:], qvel[:, -1:]), axis=1))
    begin, end = qpos[:, low], qpos[:, low + 1]
    begin_rise, end_rise = STEP * speed[:, low], STEP * speed[:, low + 1]
    s2, s3 = share**2, share**3
    return begin + (3 * s2 - 2 * s3) * (end - begin) + (s3 - 2 * s2 + share) * begin_rise + (s3 - s2) * end_rise
