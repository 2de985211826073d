"""Reading an MJCF through MuJoCo, into the same tree as a URDF."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from ._asset import Asset
from ._params import ActuatorProperties, AssetOptions
from ._tree import Joint, Link, Shape

_FREE, _HINGE, _SLIDE = (getattr(mujoco.mjtJoint, f"mjJNT_{name}").value for name in ("FREE", "HINGE", "SLIDE"))
_KINDS = {
    mujoco.mjtGeom.mjGEOM_BOX.value: "box",
    mujoco.mjtGeom.mjGEOM_SPHERE.value: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE.value: "capsule",
    mujoco.mjtGeom.mjGEOM_CYLINDER.value: "cylinder",
    mujoco.mjtGeom.mjGEOM_MESH.value: "mesh",
}


def load_mjcf(path: str, options: AssetOptions) -> Asset:
    """Read the first body below the world and all below it.

    Raises:
        ValueError: MuJoCo can't read it, or it has no body.
    """
    model = mujoco.MjModel.from_xml_path(path)
    if model.nbody < 2:
        raise ValueError(f"{path}: no body")
    free = model.body_jntnum[1] == 1 and model.jnt_type[model.body_jntadr[1]] == _FREE
    asset = Asset(_link(model, 1), options, fixed=options.fix_base_link or not free)
    for i in range(model.nu):
        if model.actuator_trntype[i] == mujoco.mjtTrn.mjTRN_JOINT.value:
            joint = model.joint(model.actuator_trnid[i, 0]).name
            asset.actuators.append((model.actuator(i).name, joint, _actuator(model, i)))
    return asset


def _matrix(quat: np.ndarray) -> np.ndarray:
    mujoco.mju_quat2Mat(out := np.zeros(9), quat)
    return out.reshape(3, 3)


def _link(model: mujoco.MjModel, body: int) -> Link:
    turn = _matrix(model.body_iquat[body])
    link = Link(
        model.body(body).name or f"body_{body}",
        position=model.body_pos[body].copy(),
        rotation=_matrix(model.body_quat[body]),
        mass=float(model.body_mass[body]),
        com=model.body_ipos[body].copy(),
        inertia=turn @ np.diag(model.body_inertia[body]) @ turn.T,
    )
    first, count = model.body_jntadr[body], model.body_jntnum[body]
    for i in range(first, first + count):
        if model.jnt_type[i] in (_HINGE, _SLIDE):
            link.joints.append(_joint(model, i))
    first, count = model.body_geomadr[body], model.body_geomnum[body]
    for i in range(first, first + count):
        if model.geom_contype[i] or model.geom_conaffinity[i]:
            link.shapes.append(_shape(model, i))
    link.children = [_link(model, i) for i in range(1, model.nbody) if model.body_parentid[i] == body]
    for child in link.children:
        if not child.joints:
            child.fixed = Joint(f"{child.name}_fixed", "fixed", np.array([1.0, 0, 0]), np.zeros(3))
    return link


def _joint(model: mujoco.MjModel, i: int) -> Joint:
    dof = model.jnt_dofadr[i]
    return Joint(
        model.joint(i).name or f"joint_{i}",
        "prismatic" if model.jnt_type[i] == _SLIDE else "revolute",
        model.jnt_axis[i].copy(),
        model.jnt_pos[i].copy(),
        lower=float(model.jnt_range[i, 0]),
        upper=float(model.jnt_range[i, 1]),
        limited=bool(model.jnt_limited[i]),
        damping=float(np.ravel(model.dof_damping[dof])[0]),
        friction=0.0,
        stiffness=float(np.ravel(model.jnt_stiffness[i])[0]),
        armature=float(model.dof_armature[dof]),
    )


def _shape(model: mujoco.MjModel, i: int) -> Shape:
    kind = _KINDS.get(int(model.geom_type[i]))
    if kind is None:
        raise ValueError(f"geom {i} is of a type that the stand-in does not have")
    size = model.geom_size[i]
    sizes = {"box": tuple(2 * size), "sphere": (size[0],), "mesh": (1.0, 1.0, 1.0)}
    shape = Shape(
        kind,
        sizes.get(kind, (size[0], 2 * size[1])),
        model.geom_pos[i].copy(),
        _matrix(model.geom_quat[i]),
        friction=float(model.geom_friction[i, 0]),
    )
    if kind == "mesh":
        mesh = model.geom_dataid[i]
        first = model.mesh_vertadr[mesh]
        shape.vertices = model.mesh_vert[first : first + model.mesh_vertnum[mesh]].copy()
    return shape


def _actuator(model: mujoco.MjModel, i: int) -> ActuatorProperties:
    props: Any = ActuatorProperties()
    props.control_limited, props.force_limited = (
        bool(model.actuator_ctrllimited[i]),
        bool(model.actuator_forcelimited[i]),
    )
    props.lower_control_limit, props.upper_control_limit = model.actuator_ctrlrange[i]
    props.lower_force_limit, props.upper_force_limit = model.actuator_forcerange[i]
    props.motor_effort = model.actuator_gear[i, 0]
    return props
