"""MJCF files, as in MuJoCo Menagerie: the robot is kept, what belongs to a scene or drives it is left out."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np

from legged_gym.common.paths import plain_file
from legged_gym.simulators.robot.robot_file import RobotFile, one_line, refuse

_SCENE_PARTS = ("keys", "actuators", "sensors", "cameras", "lights", "pairs")
"""What a task has of its own, or what says where the robot stands and what drives it."""
_ON_JOINT = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
_MOTOR = (mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtDyn.mjDYN_NONE, mujoco.mjtBias.mjBIAS_NONE)
_FREE = mujoco.mjtJoint.mjJNT_FREE
_ONE_AXIS = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)


def is_mjcf(path: str) -> bool:
    """Whether a file begins as MJCF does; whether it is sound is another question."""
    try:
        _, root = next(ElementTree.iterparse(plain_file(path), events=("start",)))
    except (ElementTree.ParseError, StopIteration, ValueError, LookupError, OSError):
        return False
    return root.tag == "mujoco"


def read_mjcf(path: str, visuals: bool) -> RobotFile:
    """Read a robot from an MJCF file; ``UserError`` names what can't be simulated.

    Joints keep their damping, friction, armature and springs. Actuators only tell torque limits; they, sensors,
    keyframes, lights, cameras and the world's own shapes are left out, and without ``visuals`` what is only looked at.
    """
    spec, undrawn = _load(path, visuals)
    bases = list(spec.worldbody.bodies)
    moving = [body for body in bases if body.joints or any(child.joints for child in body.find_all("body"))]
    if len(moving) == 1:
        # The others stand still: they belong to the scene.
        others = [spec.worldbody, *(body for body in bases if body is not moving[0])]
        _check_ties(path, spec, others)
        for body in others[1:]:
            spec.delete(body)
        bases = moving
    if len(bases) != 1:
        names = ", ".join(f"'{body.name}'" for body in bases)
        raise refuse(path, f"{len(bases)} bodies hang on the world, a robot has one{': ' if names else ''}{names}")
    ground = {geom.name for geom in spec.worldbody.geoms}
    for pair in spec.pairs:
        for name in {pair.geomname1, pair.geomname2} - ground if ground & {pair.geomname1, pair.geomname2} else ():
            # It meets the ground, although by its bits it meets nothing.
            spec.geom(name).contype = 1
    torque_limits = _torque_limits(path, spec)
    for part in _SCENE_PARTS:
        for element in list(getattr(spec, part)):
            spec.delete(element)
    for element in (*spec.worldbody.geoms, *spec.worldbody.sites):
        spec.delete(element)
    for joint in list(bases[0].joints):
        if joint.type != _FREE:
            raise refuse(path, f"joint '{joint.name}': a base moves freely or not at all")
        spec.delete(joint)
    for number, body in enumerate(spec.bodies):
        body.name = body.name or f"body{number}"
    _check_joints(path, spec)
    return RobotFile(path=path, spec=spec, torque_limits=torque_limits, undrawn=undrawn)


def _check_joints(path: str, spec: mujoco.MjSpec) -> None:
    """Refuse joints that can't be driven, and limits that MuJoCo would drop."""
    for joint in spec.joints:
        where = f"joint '{joint.name}' of body '{joint.parent.name}'"
        if not joint.name or joint.type not in _ONE_AXIS:
            raise refuse(path, f"{where}: only hinges and slides with names can be driven")
        if joint.range[0] > joint.range[1]:
            raise refuse(path, f"{where}: lower limit {joint.range[0]:g} is not below upper limit {joint.range[1]:g}")
        for key in ("damping", "frictionloss", "armature", "stiffness"):
            value = float(np.min(getattr(joint, key)))
            if not value >= 0.0:
                raise refuse(path, f"{where}: {key} {value:g} must be 0 or more")
        if any(joint.actfrcrange):
            _both_ways(path, where, *joint.actfrcrange)


def _check_ties(path: str, spec: mujoco.MjSpec, others: list[mujoco.MjsBody]) -> None:
    """Refuse what ties the robot to the world, or to another body that is not part of it."""
    there = {"", *(part.name for body in others for part in (body, *body.sites))}
    for equality in spec.equalities:
        ends, kinds = {equality.name1, equality.name2}, (mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_SITE)
        if equality.active and equality.objtype in kinds and ends & there:
            tied = max(ends - there, default="world")
            raise refuse(path, f"an equality ties '{tied}' to the world; 'asset.fix_base_link' hangs a robot up")


def _load(path: str, visuals: bool) -> tuple[mujoco.MjSpec, frozenset[str]]:
    """Return what the file holds, and the links whose visual shapes could not be read."""
    if not path.lower().endswith((".xml", ".urdf")):
        raise refuse(path, "MuJoCo reads MJCF from files called .xml: rename it")
    try:
        spec = mujoco.MjSpec.from_file(path)
        if visuals:
            trial = mujoco.MjSpec.from_file(path)
            # Inertias are judged with the scene.
            trial.compiler.balanceinertia = True
            try:
                trial.compile()
                return spec, frozenset()
            except ValueError:
                # It may be for want of a visual mesh alone.
                pass
        spec.discard_visual()
        return spec, frozenset(body.name for body in spec.bodies) if visuals else frozenset()
    except (ValueError, OSError) as error:
        raise refuse(path, one_line(error)) from error


def _both_ways(path: str, where: str, low: float, high: float) -> float:
    """Return the torque that is there in both directions, N·m."""
    if not low < 0.0 < high:
        raise refuse(path, f"{where}: torques from {low:g} to {high:g} N·m; a drive pushes in both directions")
    return min(-low, high)


def _torque_limits(path: str, spec: mujoco.MjSpec) -> dict[str, float]:
    """Return the largest torque that the actuators of each joint can give, N·m, where all of them are limited."""
    limits: dict[str, float] = {}
    for actuator in spec.actuators:
        if actuator.trntype not in _ON_JOINT:
            continue
        where = f"actuator '{actuator.name}' of joint '{actuator.target}'"
        if spec.joint(actuator.target) is None:
            raise refuse(path, f"{where}: there is no such joint")
        if actuator.gear[0] == 0.0:
            raise refuse(path, f"{where}: gear 0, so it moves nothing")
        low, high = -math.inf, math.inf
        is_motor = (actuator.gaintype, actuator.dyntype, actuator.biastype) == _MOTOR
        if _limited(actuator.forcelimited, actuator.forcerange):
            low, high = actuator.forcerange
        elif is_motor and _limited(actuator.ctrllimited, actuator.ctrlrange):
            low, high = sorted(actuator.ctrlrange * actuator.gainprm[0])
        limit = _both_ways(path, where, low, high)
        limits[actuator.target] = limits.get(actuator.target, 0.0) + limit * abs(float(actuator.gear[0]))
    return {name: limit for name, limit in limits.items() if math.isfinite(limit)}


def _limited(told: mujoco.mjtLimited, bounds: np.ndarray) -> bool:
    return told == mujoco.mjtLimited.mjLIMITED_TRUE or bool(
        told == mujoco.mjtLimited.mjLIMITED_AUTO and bounds[0] < bounds[1]
    )
