"""Trees of links as MuJoCo bodies."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from ._tree import Joint, Link, Shape

_LEAST_RANGE = 1e-6
_TINY_ARM = 0.01
_TINY_MASS = 1e-4
"""kg, of moving links without mass and shapes; MuJoCo can't move bodies without mass."""


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Return a rotation matrix as w x y z."""
    out = np.zeros(4)
    mujoco.mju_mat2Quat(out, np.ascontiguousarray(rotation, dtype=np.float64).ravel())
    return out


def sound_inertia(inertia: np.ndarray, mass: float) -> np.ndarray:
    """Return an inertia, (3, 3), whose moments that are not positive are those of points 1 cm from the centre.

    Published URDFs have links, such as of sensors, with a mass but no inertia; MuJoCo can't move those.
    """
    moments, axes = np.linalg.eigh(0.5 * (inertia + inertia.T))
    if moments.min() > 0:
        return inertia
    return axes @ np.diag(np.where(moments > 0, moments, mass * _TINY_ARM**2)) @ axes.T


def add_tree(spec: mujoco.MjSpec, root: Link, prefix: str, fixed: bool, density: float, gravity: bool) -> None:
    """Add a robot to a MuJoCo scene.

    Args:
        spec: The scene.
        root: The robot.
        prefix: Goes before every name.
        fixed: Weld the root to the world.
        density: kg/m³, of links without mass.
        gravity: Whether gravity pulls it.
    """
    body = _add_body(spec, spec.worldbody, root, prefix, density, gravity)
    if not fixed:
        body.add_freejoint(name=f"{prefix}root")


def _add_body(spec: mujoco.MjSpec, parent: Any, link: Link, prefix: str, density: float, gravity: bool) -> Any:
    body = parent.add_body(
        name=prefix + link.name, pos=link.position, quat=quaternion(link.rotation), gravcomp=0.0 if gravity else 1.0
    )
    if link.mass or (not link.shapes and link.fixed is None):
        inertia = sound_inertia(link.inertia, link.mass) if link.mass else np.eye(3) * 1e-7
        body.explicitinertial = True
        body.mass = link.mass or _TINY_MASS
        body.ipos = link.com
        i = inertia
        body.fullinertia = [i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]]
    for joint in link.joints:
        _add_joint(body, joint, prefix)
    for number, shape in enumerate(link.shapes):
        _add_shape(spec, body, shape, f"{prefix}{link.name}/{number}", density)
    for child in link.children:
        _add_body(spec, body, child, prefix, density, gravity)
    return body


def _add_joint(body: Any, joint: Joint, prefix: str) -> None:
    slide = joint.kind == "prismatic"
    low, high = sorted((joint.lower, joint.upper))
    body.add_joint(
        name=prefix + joint.name,
        type=mujoco.mjtJoint.mjJNT_SLIDE if slide else mujoco.mjtJoint.mjJNT_HINGE,
        axis=joint.axis,
        pos=joint.position,
        limited=mujoco.mjtLimited.mjLIMITED_TRUE if joint.limited else mujoco.mjtLimited.mjLIMITED_FALSE,
        # Joints whose limits are equal are locked; MuJoCo wants some room.
        range=[low, max(high, low + _LEAST_RANGE)],
    )


def _add_shape(spec: mujoco.MjSpec, body: Any, shape: Shape, name: str, density: float) -> None:
    geom = body.add_geom(
        name=name, pos=shape.position, quat=quaternion(shape.rotation), density=density, condim=3, group=3
    )
    kinds = mujoco.mjtGeom
    if shape.kind == "box":
        geom.type, geom.size = kinds.mjGEOM_BOX, [0.5 * edge for edge in shape.size]
    elif shape.kind == "sphere":
        geom.type, geom.size = kinds.mjGEOM_SPHERE, [shape.size[0], 0, 0]
    elif shape.kind in ("capsule", "cylinder"):
        geom.type = kinds.mjGEOM_CAPSULE if shape.kind == "capsule" else kinds.mjGEOM_CYLINDER
        geom.size = [shape.size[0], 0.5 * shape.size[1], 0]
    else:
        geom.type, geom.meshname = kinds.mjGEOM_MESH, name
        mesh = spec.add_mesh(name=name, scale=shape.size, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        if shape.vertices is None:
            mesh.file = shape.file
        else:
            mesh.uservert = shape.vertices.astype(np.float32).ravel()
