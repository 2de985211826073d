"""A compiled scene as MJCF with every digit, for a MuJoCo of another version: values set after compiling are in it."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

import mujoco
import numpy as np

_GEOMS = {
    mujoco.mjtGeom.mjGEOM_PLANE: "plane",
    mujoco.mjtGeom.mjGEOM_HFIELD: "hfield",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: "ellipsoid",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_MESH: "mesh",
}
_JOINTS = {mujoco.mjtJoint.mjJNT_HINGE: "hinge", mujoco.mjtJoint.mjJNT_SLIDE: "slide"}


def write_mjcf(model: mujoco.MjModel) -> str:
    """Return the physics of a scene of :func:`~legged_gym.simulators.mujoco_model.build_scene` as MJCF.

    Height fields are flat: whoever loads it fills ``hfield_data``. Contact sensors follow in their order.
    """
    option = model.opt
    lines = [
        '<mujoco><compiler angle="radian" autolimits="false" fusestatic="false" inertiafromgeom="false"/>',
        f"<option timestep={_value(option.timestep)} gravity={_value(option.gravity)} "
        f'iterations="{option.iterations}" ls_iterations="{option.ls_iterations}" '
        f'tolerance={_value(option.tolerance)} cone="pyramidal" integrator="Euler" solver="Newton"/>',
        "<asset>",
        *_assets(model),
        "</asset><worldbody>",
        *_geoms(model, 0),
        *_children(model, 0),
        "</worldbody><sensor>",
        *(
            f"<contact name={quoteattr(model.sensor(i).name)} "
            f'body1={quoteattr(model.body(model.sensor_objid[i]).name)} num="1" data="force" reduce="netforce"/>'
            for i in range(model.nsensor)
        ),
        "</sensor></mujoco>",
    ]
    return "\n".join(lines)


def _assets(model: mujoco.MjModel) -> Iterable[str]:
    for field in range(model.nhfield):
        name = quoteattr(model.hfield(field).name)
        yield f'<hfield name={name} nrow="{model.hfield_nrow[field]}" ncol="{model.hfield_ncol[field]}" ' + (
            f'size="{_text(model.hfield_size[field])}"/>'
        )
    used = {int(model.geom_dataid[i]) for i in range(model.ngeom) if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_MESH}
    for mesh in sorted(used):
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        yield f'<mesh name="mesh{mesh}" vertex="{_text(model.mesh_vert[start : start + count].ravel())}"/>'


def _children(model: mujoco.MjModel, parent: int) -> Iterable[str]:
    for body in range(1, model.nbody):
        if model.body_parentid[body] == parent:
            yield (
                f"<body name={quoteattr(model.body(body).name)} pos={_value(model.body_pos[body])} "
                f"quat={_value(model.body_quat[body])}>"
            )
            if model.body_mass[body] > 0.0:
                yield (
                    f"<inertial pos={_value(model.body_ipos[body])} quat={_value(model.body_iquat[body])} "
                    f"mass={_value(model.body_mass[body])} diaginertia={_value(model.body_inertia[body])}/>"
                )
            yield from _joints(model, body)
            yield from _geoms(model, body)
            yield from _children(model, body)
            yield "</body>"


def _joints(model: mujoco.MjModel, body: int) -> Iterable[str]:
    for joint in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
        name, dof = quoteattr(model.joint(joint).name), model.jnt_dofadr[joint]
        kind = _JOINTS.get(mujoco.mjtJoint(model.jnt_type[joint]))
        if kind is None:
            yield f"<freejoint name={name}/>"
            continue
        limited = "true" if model.jnt_limited[joint] else "false"
        yield (
            f'<joint name={name} type="{kind}" pos={_value(model.jnt_pos[joint])} axis={_value(model.jnt_axis[joint])} '
            f'limited="{limited}" range={_value(model.jnt_range[joint])} armature={_value(model.dof_armature[dof])} '
            f"damping={_value(model.dof_damping[dof])} frictionloss={_value(model.dof_frictionloss[dof])}/>"
        )


def _geoms(model: mujoco.MjModel, body: int) -> Iterable[str]:
    for geom in range(model.body_geomadr[body], model.body_geomadr[body] + model.body_geomnum[body]):
        kind = _GEOMS[mujoco.mjtGeom(model.geom_type[geom])]
        data = model.geom_dataid[geom]
        source = {
            "hfield": f" hfield={quoteattr(model.hfield(data).name)}" if kind == "hfield" else "",
            "mesh": f' mesh="mesh{data}"',
        }
        size = source.get(kind, f" size={_value(model.geom_size[geom])}")
        yield (
            f'<geom type="{kind}"{size} pos={_value(model.geom_pos[geom])} quat={_value(model.geom_quat[geom])} '
            f'contype="{model.geom_contype[geom]}" conaffinity="{model.geom_conaffinity[geom]}" '
            f'condim="{model.geom_condim[geom]}" priority="{model.geom_priority[geom]}" '
            f"friction={_value(model.geom_friction[geom])} solref={_value(model.geom_solref[geom])} "
            f"solimp={_value(model.geom_solimp[geom])}/>"
        )


def _value(values: float | np.ndarray) -> str:
    return f'"{_text(values)}"'


def _text(values: float | np.ndarray) -> str:
    """Return numbers with all their digits."""
    return " ".join(repr(float(value)) for value in np.atleast_1d(values))
