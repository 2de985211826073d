"""What a robot's file says, in the form that scenes are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np

from legged_gym.common.errors import UserError


@dataclass
class RobotFile:
    """A robot as MuJoCo read it, with the few facts that MuJoCo does not keep."""

    path: str
    spec: mujoco.MjSpec
    """The links with their joints and shapes; its world holds the base and nothing else."""
    velocity_limits: Mapping[str, float] = field(default_factory=dict)
    """rad/s or m/s, of the joints that have one."""
    torque_limits: Mapping[str, float] = field(default_factory=dict)
    """N·m or N, of the joints whose limit MuJoCo does not keep with the joint."""
    fixed_joints: frozenset[str] = frozenset()
    """Names of the joints that do not move."""
    uncollapsed: frozenset[str] = frozenset()
    """Links that the file wants to stay links of their own, although they do not move."""
    undrawn: frozenset[str] = frozenset()
    """Links with a visual mesh that could not be read."""
    balanced: dict[str, float] = field(default_factory=dict)
    """Links with an inertia that no body has, and the moment about every axis that they got instead, kg·m²."""
    write: Callable[[str, Collection[str], Mapping[str, float]], str] | None = None
    """Writes the robot into a folder for a simulator that reads URDFs, given the links on fixed joints that stay
    links of their own, and :attr:`balanced`; returns the path. None for a robot that is no URDF."""


def one_line(error: BaseException) -> str:
    """Return an error's text without its line breaks."""
    return " ".join(str(error).split())


def refuse(path: str, text: str) -> UserError:
    """Return the error that names a robot's file and what is wrong with it."""
    return UserError(f"{path}: {text}")


def check_ties(model: mujoco.MjModel, path: str, pose: dict[str, float]) -> None:
    """Refuse a pose in which a joint that follows another, as with ``<mimic>``, is not where it would be pulled to."""
    for i in np.flatnonzero((model.eq_type == mujoco.mjtEq.mjEQ_JOINT) & model.eq_active0):
        joint, leader = model.joint(model.eq_obj1id[i]), model.joint(model.eq_obj2id[i])
        if joint.name in pose and leader.name in pose and model.eq_obj2id[i] >= 0:
            moved = pose[leader.name] - model.qpos0[leader.qposadr[0]]
            place = model.qpos0[joint.qposadr[0]] + np.polyval(model.eq_data[i, 4::-1], moved)
            if abs(pose[joint.name] - place) > 0.01:
                key = f"config key 'init_state.default_joint_angles.{joint.name}' is {pose[joint.name]:g}"
                raise refuse(path, f"{key}, but the joint follows '{leader.name}', which pulls it to {place:g}")
