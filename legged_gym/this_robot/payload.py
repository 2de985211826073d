"""Finds the payload of a robot with known joints from a log of a walk: on average, its legs carry its weight."""

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

_SMOOTH, _BLOCK = 0.03, 0.5
"""Time over which everything is averaged, and correlation time of errors, s: about a step of a leg."""
_LONGEST_STEP, _SHORTEST = 0.0045, 4.0
"""Longest time between rows, and shortest log, s: accelerations and torques of a walk need close rows."""
_MOMENTS = (0.01, 0.05, 0.01)
"""Size of moments on a foot relative to the forces on it, m."""
_MODEL = 0.05
"""Other errors of the method, kg: smoothing, and rolling feet."""
_STUCK = 0.05
"""Speed above which the direction of dry friction is certain, rad/s."""


def find_payload(stand: Stand, robot: ThisRobot, log: RobotLog) -> Interval:
    """Return the payload on a robot's base, kg, and its 95 % interval, from a log on level ground.

    Raises:
        UserError: The log or the robot can't tell it; the message says why.
    """
    log = log.in_order(stand.joint_names)
    if log.dt > _LONGEST_STEP or log.seconds < _SHORTEST:
        raise UserError(f"{log.name}: a payload needs {_SHORTEST:g} s of walking with 250 rows a second or more, this "
                        f"log has {log.seconds:.1f} s with {1.0 / log.dt:.0f}")  # fmt: skip
    needed = [(q, name) for name in stand.joint_names for q in ("strength", "dry_friction")]
    for q, name in needed:
        if q not in robot.joints.get(name, {}):
            raise UserError(f"{robot.path}: {q} of {name} is not known: identify the joints in the stand first")
    walker, truth = _Walker(stand), stand.truth_of(robot)
    masses = walker.carried(log, truth)
    # Every twentieth row is enough for a difference.
    coarse = walker.carried(log, truth, 20).mean()
    means = np.array([block.mean() for block in np.array_split(masses, max(2, round(log.seconds / _BLOCK)))])
    variance = _MODEL**2 + means.var(ddof=1) / len(means)
    for quantity in ("strength", "dry_friction", "zero_offset"):
        for joint, name in enumerate(stand.joint_names):
            if quantity in robot.joints[name]:
                other = getattr(truth, quantity).copy()
                other[joint] = robot.joints[name][quantity][2]
                moved = walker.carried(log, replace(truth, **{quantity: other}), 20).mean()
                variance += (0.5 * (moved - coarse)) ** 2
    value, half = float(means.mean()), 2.0 * float(np.sqrt(variance))
    return value - half, value, value + half


class _Walker:
    """The robot off its stand, without friction and contacts."""

    def __init__(self, stand: Stand) -> None:
        cfg, _ = task_registry.get_cfgs(stand.task)
        self._model = model = copy.copy(build_scene(cfg).model)
        data, joints = mujoco.MjData(model), [model.joint(name) for name in stand.joint_names]
        self._dofs = np.array([joint.dofadr[0] for joint in joints])
        self._places = np.array([joint.qposadr[0] for joint in joints])
        self._feet: list[tuple[int, np.ndarray, np.ndarray]] = []
        """Each foot's link, its shapes and its leg's joints."""
        mujoco.mj_forward(model, data)
        for foot in sorted({int(b) for b in model.geom_bodyid if cfg.asset.foot_name in model.body(int(b)).name}):
            moves, turns = np.zeros((2, 3, model.nv))
            mujoco.mj_jacBody(model, data, moves, turns, foot)
            leg = np.flatnonzero(np.abs(moves).sum(0)[self._dofs] + np.abs(turns).sum(0)[self._dofs])
            shapes = np.flatnonzero((model.geom_bodyid == foot) & (model.geom_contype != 0))
            self._feet.append((foot, shapes, leg))
        model.dof_damping[:], model.dof_frictionloss[:] = 0.0, 0.0
        model.geom_contype[:] = model.geom_conaffinity[:] = 0

    def carried(self, log: RobotLog, truth: Truth, every: int = 2) -> np.ndarray:
        """Return the mass at some rows that the feet carry beyond the robot's own, kg, (n,)."""
        model, dofs, carried = self._model, self._dofs, []
        model.dof_armature[dofs] = truth.armature
        data, mass, edge = mujoco.MjData(model), float(model.body_mass.sum()), round(2.0 * _SMOOTH / log.dt)
        sent = np.clip(np.searchsorted(log.time, log.time - truth.delay + 1e-9, "right") - 1, 0, None)
        drive = log["kp"][sent] * (log["target"][sent] - log["position"]) - log["kd"][sent] * log["velocity"]
        plain = (log["position"] - truth.zero_offset, log["velocity"], truth.strength * drive, log["gyro"], log.gravity)
        angles, speeds, torques, turns, downs = (running_mean(values, _SMOOTH, log.dt) for values in plain)
        torques -= truth.viscous_friction * speeds + truth.dry_friction * np.tanh(speeds / _STUCK)
        forces, spins = (np.gradient(values, log.dt, axis=0) for values in (speeds, turns))
        signals = (angles, speeds, forces, torques, turns, spins, downs)
        rows = (values[edge : len(log.time) - edge : every] for values in signals)
        for angle, speed, force, torque, turning, spin, down in zip(*rows, strict=True):
            data.qpos[3:7], data.qpos[self._places] = attitude(down), angle
            data.qvel[3:6], data.qacc[3:6], data.qvel[dofs], data.qacc[dofs] = turning, spin, speed, force
            mujoco.mj_inverse(model, data)
            needed = data.qfrc_inverse[dofs] - torque
            push = sum(self._push(data, foot, sole, dofs[leg], needed[leg]) for foot, sole, leg in self._feet)
            carried.append(push / GRAVITY - mass)
        return np.array(carried)

    def _push(self, data: mujoco.MjData, foot: int, sole: np.ndarray, dofs: np.ndarray, needed: np.ndarray) -> float:
        """Return the vertical force on a foot, N, that explains the torques that the leg's motors don't give."""
        heights = data.geom_xpos[sole, 2] - self._model.geom_size[sole, 0]
        lowest = int(np.argmin(heights))
        point = np.array([*data.geom_xpos[sole[lowest], :2], heights[lowest]])
        force, moment = np.zeros((2, 3, self._model.nv))
        mujoco.mj_jac(self._model, data, force, moment, point, foot)
        # A leg with fewer than six joints does not determine force and moment, so the smallest solution is taken.
        # Moments are small compared with forces times the leg's length.
        weights = np.array([1.0, 1.0, 1.0, *_MOMENTS])
        table = np.vstack((force[:, dofs], moment[:, dofs])).T * weights
        return float((weights * np.linalg.lstsq(table, needed, rcond=1e-6)[0])[2])
