"""Finds robots in wrong units: what no robot can be is refused, what is only unlikely is a warning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import mujoco
import numpy as np

from legged_gym.simulators.robot.robot_file import refuse

Doubt = tuple[bool, str]
"""Whether no robot can be so, and what is wrong, in words."""

_LARGE, _HUGE = 5.0, 50.0
"""Size of a robot in its zero pose, m: above the largest walking machines, and above any."""
_DENSE, _TOO_DENSE = 2000.0, 20_000.0
"""Mass of a robot in the cube around it, kg/m³. Robots have 10 to 200; a block of concrete has 2400, gold 19,300."""
_HEAVY = 5000.0
"""kg."""
_WIDE, _TOO_WIDE = 3.0, 10.0
"""Radius of gyration of a link in sizes of its robot."""
_TURN, _DEGREES, _TINY = 2.0 * math.pi + 0.1, 360.0, 0.1
"""Limits in degrees are between the first two; a range below the last, rad, hardly moves."""


def doubts(model: mujoco.MjModel, velocities: Mapping[str, float]) -> Iterator[Doubt]:
    """Yield what looks wrong about a compiled robot; ``velocities`` are the limits of its joints, rad/s or m/s."""
    size, far = _size(model)
    mass = float(model.body_mass.sum())
    if size > _LARGE:
        yield size > _HUGE, f"the robot is {size:.3g} m large, because of link '{far}': are its lengths in mm or cm?"
    elif size > 0.0:
        heaviest = model.body(int(model.body_mass.argmax())).name
        text = f"the robot is {size:.2g} m large and weighs {mass:.3g} kg, most of it link '{heaviest}'"
        if mass > min(_HEAVY, _DENSE * size**3):
            yield mass > min(_HEAVY, _TOO_DENSE * size**3), f"{text}: are its masses in g?"
        yield from _inertias(model, size)
    yield from _joints(model, velocities)


def _size(model: mujoco.MjModel) -> tuple[float, str]:
    """Return the largest extent of the links' centres and shapes without the ground, m, and the farthest link."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    shapes = np.flatnonzero(model.geom_bodyid > 0)
    bodies = np.concatenate((np.arange(1, model.nbody), model.geom_bodyid[shapes]))
    centres = np.concatenate((data.xpos[1:], data.geom_xpos[shapes]))
    radii = np.concatenate((np.zeros(model.nbody - 1), model.geom_rbound[shapes]))[:, None]
    low, high = (centres - radii).min(axis=0), (centres + radii).max(axis=0)
    distance = np.linalg.norm(centres - data.xpos[1], axis=1) + radii[:, 0]
    return float((high - low).max()), model.body(int(bodies[distance.argmax()])).name


def _inertias(model: mujoco.MjModel, size: float) -> Iterator[Doubt]:
    for body in range(1, model.nbody):
        mass, inertia = float(model.body_mass[body]), float(model.body_inertia[body].max())
        radius = math.sqrt(inertia / mass) if mass > 0.0 else 0.0
        if radius > _WIDE * size:
            yield (
                radius > _TOO_WIDE * size,
                f"link '{model.body(body).name}' has {mass:.3g} kg and a moment of inertia of {inertia:.3g} kg·m², as "
                f"if it were {radius:.3g} m large: is it in g·mm² or kg·mm²?",
            )
            return


def _joints(model: mujoco.MjModel, velocities: Mapping[str, float]) -> Iterator[Doubt]:
    hinges = np.flatnonzero((model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE) & (model.jnt_limited != 0))
    ranges = {model.joint(int(i)).name: model.jnt_range[i] for i in hinges}
    turning = [name for name, (low, high) in ranges.items() if _TURN < max(-low, high) <= _DEGREES]
    # One joint alone may turn that far; limits in degrees are those of most joints.
    if 2 * len(turning) > len(ranges):
        low, high = ranges[turning[0]]
        yield False, f"joint '{turning[0]}' has the limits {low:g} and {high:g} rad: are they in degrees?"
    still = [name for name, (low, high) in ranges.items() if high - low < _TINY]
    if len(still) > 1 and len(still) == len(ranges):
        low, high = ranges[still[0]]
        yield (
            False,
            f"joint '{still[0]}' moves from {low:.3g} to {high:.3g} rad, no joint much more: are limits in rad "
            "read as degrees (<compiler angle='radian'/>)?",
        )
    fast = next((name for name, limit in velocities.items() if name in ranges and 200.0 < limit <= 5000.0), None)
    if fast is not None and min(velocities.values()) > 100.0:
        yield False, f"joint '{fast}' has the velocity limit {velocities[fast]:g} rad/s: is it in degrees/s or rpm?"


_told: set[str] = set()
"""Files with a warning."""


def check_units(path: str, model: mujoco.MjModel, velocities: Mapping[str, float]) -> list[str]:
    """Return warnings about a robot's units, once for each file. ``UserError`` for what no robot can be."""
    found = list(doubts(model, velocities))
    impossible = next((text for hopeless, text in found if hopeless), None)
    if impossible is not None:
        raise refuse(path, impossible)
    told = path in _told
    _told.add(path)
    return [] if told else [f"{path}: {text}" for _, text in found]
