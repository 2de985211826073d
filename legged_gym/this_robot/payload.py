"""What a robot with known joints carries, from a log of its walk: its legs push as hard as it weighs, on average."""

from __future__ import annotations

import copy
from dataclasses import replace

import mujoco
import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.envs.registry import task_registry
from legged_gym.simulators.mujoco_model import build_scene
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import running_mean
from legged_gym.this_robot.robot_file import Interval, ThisRobot
from legged_gym.this_robot.stand import GRAVITY, Stand, Truth, attitude

_SMOOTH = 0.03
"""Everything is averaged over about so long before it is compared, s."""
_LONGEST_STEP = 0.0045
"""Of the log, s: accelerations and torques of a walk need rows that are close together."""
_SHORTEST = 4.0
"""s."""
_BLOCK = 0.5
"""Errors are alike for so long, s: a step of each leg."""
_MOMENTS = (0.01, 0.05, 0.01)
"""Moments on a foot beside the forces on it, m."""
_MODEL = 0.05
"""Of what else is wrong with the method, kg: smoothing, and feet that roll."""
_STUCK = 0.05
"""Speed at which dry friction has surely found its direction, rad/s."""

_Walker = tuple[mujoco.MjModel, np.ndarray, np.ndarray, list[tuple[int, np.ndarray, np.ndarray]]]
"""A robot, its joints' places in velocities and positions, (D,), and each foot, its shapes and its leg's joints."""


def find_payload(stand: Stand, robot: ThisRobot, log: RobotLog) -> Interval:
    """Return what a robot's base carries besides its own mass, kg, with its 95 % interval.

    Torques of the joints follow from what the motors were told. With the feet's lowest points they give the forces on
    the feet, whose vertical parts carry the weight on average.

    Args:
        stand: Its description.
        robot: Its joints, as logs of its stand showed them.
        log: Of it walking or standing on level ground, 250 rows a second or more.

    Raises:
        UserError: The log or the robot can't tell it; the message says why.
    """
    log = log.in_order(stand.joint_names)
    if log.dt > _LONGEST_STEP or log.seconds < _SHORTEST:
        raise UserError(f"{log.name}: a payload needs {_SHORTEST:g} s of walking with 250 rows a second or more, this "
                        f"log has {log.seconds:.1f} s with {1.0 / log.dt:.0f}")  # fmt: skip
    for name in stand.joint_names:
        missing = [q for q in ("strength", "dry_friction") if q not in robot.joints.get(name, {})]
        if missing:
            raise UserError(
                f"{robot.path}: {missing[0]} of {name} is not known: identify the joints in the stand first"
            )
    walker, truth = _walker(stand), stand.truth_of(robot)
    masses = _carried(walker, log, truth)
    # Every twentieth row is enough for a difference.
    coarse = _carried(walker, log, truth, 20).mean()
    blocks = np.array_split(masses, max(2, round(log.seconds / _BLOCK)))
    means = np.array([block.mean() for block in blocks])
    variance = means.var(ddof=1) / len(means)
    for quantity in ("strength", "dry_friction", "zero_offset"):
        for joint, name in enumerate(stand.joint_names):
            interval = robot.joints[name].get(quantity)
            if interval is not None:
                other = getattr(truth, quantity).copy()
                other[joint] = interval[2]
                moved = _carried(walker, log, replace(truth, **{quantity: other}), 20).mean()
                variance += (0.5 * (moved - coarse)) ** 2
    half = 2.0 * float(np.sqrt(variance + _MODEL**2))
    value = float(means.mean())
    return value - half, value, value + half


def _walker(stand: Stand) -> _Walker:
    """Return the robot off its stand, without friction and contacts."""
    cfg, _ = task_registry.get_cfgs(stand.task)
    model = copy.copy(build_scene(cfg).model)
    data, joints, feet = mujoco.MjData(model), [model.joint(name) for name in stand.joint_names], []
    dofs, places = (np.array([getattr(joint, at)[0] for joint in joints]) for at in ("dofadr", "qposadr"))
    mujoco.mj_forward(model, data)
    for foot in sorted({int(b) for b in model.geom_bodyid if cfg.asset.foot_name in model.body(int(b)).name}):
        moves, turns = np.zeros((2, 3, model.nv))
        mujoco.mj_jacBody(model, data, moves, turns, foot)
        leg = np.flatnonzero(np.abs(moves).sum(0)[dofs] + np.abs(turns).sum(0)[dofs])
        feet.append((foot, np.flatnonzero((model.geom_bodyid == foot) & (model.geom_contype != 0)), leg))
    model.dof_damping[:], model.dof_frictionloss[:] = 0.0, 0.0
    model.geom_contype[:] = model.geom_conaffinity[:] = 0
    return model, dofs, places, feet


def _carried(walker: _Walker, log: RobotLog, truth: Truth, every: int = 2) -> np.ndarray:
    """Return what the forces on the feet carry more than the robot at some rows, kg, (n,)."""
    model, joints, places, feet = walker
    model.dof_armature[joints] = truth.armature
    data, mass = mujoco.MjData(model), float(model.body_mass.sum())
    signals, carried = _signals(log, truth), []
    edge = round(2.0 * _SMOOTH / log.dt)
    for row in range(edge, len(log.time) - edge, every):
        angle, speed, force, torque, turning, spin, down = (values[row] for values in signals)
        data.qpos[3:7], data.qpos[places] = attitude(down), angle
        data.qvel[:], data.qacc[:] = 0.0, 0.0
        data.qvel[3:6], data.qacc[3:6], data.qvel[joints], data.qacc[joints] = turning, spin, speed, force
        mujoco.mj_inverse(model, data)
        needed, push = data.qfrc_inverse[joints] - torque, 0.0
        for foot, sole, leg in feet:
            push += _vertical(model, data, foot, sole, joints[leg], needed[leg])
        carried.append(push / GRAVITY - mass)
    return np.array(carried)


def _vertical(
    model: mujoco.MjModel, data: mujoco.MjData, foot: int, sole: np.ndarray, dofs: np.ndarray, needed: np.ndarray
) -> float:
    """Return the vertical force on a foot, N, with which its leg's joints need what their motors do not give."""
    heights = data.geom_xpos[sole, 2] - model.geom_size[sole, 0]
    lowest = int(np.argmin(heights))
    point = np.array([*data.geom_xpos[sole[lowest], :2], heights[lowest]])
    force, moment = np.zeros((2, 3, model.nv))
    mujoco.mj_jac(model, data, force, moment, point, foot)
    # A leg with fewer joints than a force and a moment have parts leaves the smallest of them; moments are small
    # beside forces times the leg's length.
    weights = np.array([1.0, 1.0, 1.0, *_MOMENTS])
    table = np.vstack((force[:, dofs], moment[:, dofs])).T * weights
    found = np.linalg.lstsq(table, needed, rcond=1e-6)[0]
    return float((weights * found)[2])


def _signals(log: RobotLog, truth: Truth) -> list[np.ndarray]:
    """Return angles, velocities, accelerations and torques of the joints, and the base's, all smoothed alike."""
    rows = np.clip(np.searchsorted(log.time, log.time - truth.delay + 1e-9, "right") - 1, 0, None)
    drive = log["kp"][rows] * (log["target"][rows] - log["position"]) - log["kd"][rows] * log["velocity"]
    speed = running_mean(log["velocity"], _SMOOTH, log.dt)
    torque = running_mean(truth.strength * drive, _SMOOTH, log.dt)
    torque -= truth.viscous_friction * speed + truth.dry_friction * np.tanh(speed / _STUCK)
    turning = running_mean(log["gyro"], _SMOOTH, log.dt)
    down = running_mean(log.gravity, _SMOOTH, log.dt)
    angle = running_mean(log["position"], _SMOOTH, log.dt) - truth.zero_offset
    forces = [np.gradient(values, log.dt, axis=0) for values in (speed, turning)]
    return [angle, speed, forces[0], torque, turning, forces[1], down]
