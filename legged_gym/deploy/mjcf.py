"""Writes a compiled scene as MJCF with full precision, including values set after compiling."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import mujoco
import numpy as np


def write_mjcf(model: mujoco.MjModel) -> str:
    """Return the physics of a scene of :func:`~legged_gym.simulators.mujoco_model.build_scene` as MJCF.

    MuJoCo's own writer keeps six digits. Height fields are flat: fill ``hfield_data`` after loading. Contact sensors
    keep their order.
    """
    option, root = model.opt, ElementTree.Element("mujoco")
    _add(root, "compiler", angle="radian", autolimits="false", fusestatic="false", inertiafromgeom="false")
    _add(
        root, "option", timestep=option.timestep, gravity=option.gravity, iterations=option.iterations,
        ls_iterations=option.ls_iterations, tolerance=option.tolerance, cone="pyramidal", integrator="Euler",
        solver="Newton",
    )  # fmt: skip
    _add_assets(_add(root, "asset"), model)
    bodies = [_add(root, "worldbody")]
    _add_geoms(bodies[0], model, 0)
    for body in range(1, model.nbody):
        parent, name = bodies[model.body_parentid[body]], model.body(body).name
        element = _add(parent, "body", name=name, pos=model.body_pos[body], quat=model.body_quat[body])
        bodies.append(element)
        if model.body_mass[body] > 0.0:
            _add(
                element, "inertial", pos=model.body_ipos[body], quat=model.body_iquat[body],
                mass=model.body_mass[body], diaginertia=model.body_inertia[body],
            )  # fmt: skip
        _add_joints(element, model, body)
        _add_geoms(element, model, body)
    sensors = _add(root, "sensor")
    for i in range(model.nsensor):
        body = model.body(model.sensor_objid[i]).name
        _add(sensors, "contact", name=model.sensor(i).name, body1=body, num=1, data="force", reduce="netforce")
    return ElementTree.tostring(root, encoding="unicode")


def geom_kind(model: mujoco.MjModel, geom: int) -> str:
    """Return MJCF's name of a geom's type, such as ``capsule``."""
    return mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()


def _add_assets(assets: ElementTree.Element, model: mujoco.MjModel) -> None:
    for i in range(model.nhfield):
        rows, columns = model.hfield_nrow[i], model.hfield_ncol[i]
        _add(assets, "hfield", name=model.hfield(i).name, nrow=rows, ncol=columns, size=model.hfield_size[i])
    for mesh in sorted({int(model.geom_dataid[i]) for i in range(model.ngeom) if geom_kind(model, i) == "mesh"}):
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        _add(assets, "mesh", name=f"mesh{mesh}", vertex=model.mesh_vert[start : start + count].ravel())


def _add_joints(element: ElementTree.Element, model: mujoco.MjModel, body: int) -> None:
    for joint in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
        name, dof = model.joint(joint).name, model.jnt_dofadr[joint]
        kind = mujoco.mjtJoint(model.jnt_type[joint]).name.removeprefix("mjJNT_").lower()
        if kind == "free":
            _add(element, "freejoint", name=name)
            continue
        _add(
            element, "joint", name=name, type=kind, pos=model.jnt_pos[joint], axis=model.jnt_axis[joint],
            limited="true" if model.jnt_limited[joint] else "false", range=model.jnt_range[joint],
            armature=model.dof_armature[dof], damping=model.dof_damping[dof], frictionloss=model.dof_frictionloss[dof],
        )  # fmt: skip


def _add_geoms(element: ElementTree.Element, model: mujoco.MjModel, body: int) -> None:
    same = ("contype", "conaffinity", "condim", "priority", "friction", "solref", "solimp")
    for geom in range(model.body_geomadr[body], model.body_geomadr[body] + model.body_geomnum[body]):
        kind, data = geom_kind(model, geom), model.geom_dataid[geom]
        if kind == "hfield":
            shape = {"hfield": model.hfield(data).name}
        else:
            shape = {"mesh": f"mesh{data}"} if kind == "mesh" else {"size": model.geom_size[geom]}
        others = {name: getattr(model, f"geom_{name}")[geom] for name in same}
        _add(element, "geom", type=kind, **shape, pos=model.geom_pos[geom], quat=model.geom_quat[geom], **others)


def _add(parent: ElementTree.Element, tag: str, /, **values: Any) -> ElementTree.Element:
    """Add an element. Numbers have all their digits."""
    texts = {
        name: value if isinstance(value, str) else " ".join(map(repr, np.atleast_1d(value).tolist()))
        for name, value in values.items()
    }
    return ElementTree.SubElement(parent, tag, texts)
