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
from legged_gym.this_robot.stand import Stand, Truth

_GRAVITY = 9.81
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
    truth = stand.truth_of(robot)
    masses = _carried(stand, log, truth)
    blocks = np.array_split(masses, max(2, round(log.seconds / _BLOCK)))
    means = np.array([block.mean() for block in blocks])
    variance = means.var(ddof=1) / len(means)
    for quantity in ("strength", "dry_friction", "zero_offset"):
        for joint, name in enumerate(stand.joint_names):
            interval = robot.joints[name].get(quantity)
            if interval is not None:
                other = getattr(truth, quantity).copy()
                other[joint] = interval[2]
                # Every twentieth row is enough for a difference.
                moved = _carried(stand, log, replace(truth, **{quantity: other}), 20)
                variance += (0.5 * (moved.mean() - _carried(stand, log, truth, 20).mean())) ** 2
    half = 2.0 * float(np.sqrt(variance + _MODEL**2))
    value = float(means.mean())
    return value - half, value, value + half


def _carried(stand: Stand, log: RobotLog, truth: Truth, every: int = 2) -> np.ndarray:
    """Return what the forces on the feet carry more than the robot at some rows, kg, (n,)."""
    cfg, _ = task_registry.get_cfgs(stand.task)
    scene = build_scene(cfg)
    model = copy.copy(scene.model)
    joints = np.array([model.joint(name).dofadr[0] for name in stand.joint_names])
    places = np.array([model.joint(name).qposadr[0] for name in stand.joint_names])
    feet = sorted({int(b) for b in model.geom_bodyid if cfg.asset.foot_name in model.body(int(b)).name})
    soles = [np.flatnonzero((model.geom_bodyid == foot) & (model.geom_contype != 0)) for foot in feet]
    model.dof_armature[joints], model.dof_damping[:], model.dof_frictionloss[:] = truth.armature, 0.0, 0.0
    model.geom_contype[:] = model.geom_conaffinity[:] = 0
    data, mass = mujoco.MjData(model), float(model.body_mass.sum())
    signals = _signals(log, truth)
    own, carried = [np.flatnonzero(_moves(model, foot)[joints]) for foot in feet], []
    edge = round(2.0 * _SMOOTH / log.dt)
    for row in range(edge, len(log.time) - edge, every):
        angle, speed, force, torque, turning, spin, down = (values[row] for values in signals)
        data.qpos[3:7], data.qpos[places] = _attitude(down), angle
        data.qvel[:], data.qacc[:] = 0.0, 0.0
        data.qvel[3:6], data.qacc[3:6], data.qvel[joints], data.qacc[joints] = turning, spin, speed, force
        mujoco.mj_inverse(model, data)
        needed, push = data.qfrc_inverse[joints] - torque, 0.0
        for foot, sole, leg in zip(feet, soles, own, strict=True):
            push += _vertical(model, data, foot, sole, joints[leg], needed[leg])
        carried.append(push / _GRAVITY - mass)
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


def _attitude(down: np.ndarray) -> np.ndarray:
    """Return a quaternion, wxyz, of a base that sees gravity in this direction."""
    half = np.array([1.0 - down[2], -down[1], down[0], 0.0])
    return half / np.linalg.norm(half)


def _moves(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Return which degrees of freedom move a body, (nv,)."""
    found = np.zeros(model.nv, bool)
    while body > 0:
        first = model.body_dofadr[body]
        if first >= 0:
            found[first : first + model.body_dofnum[body]] = True
        body = model.body_parentid[body]
    return found
