"""Builds the MuJoCo scene, one robot on its terrain, for both MuJoCo back-ends and for pictures."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.simulators.looks import add_looks
from legged_gym.simulators.robot.mjcf import is_mjcf, read_mjcf
from legged_gym.simulators.robot.robot_file import RobotFile, one_line, refuse
from legged_gym.simulators.robot.units import check_units
from legged_gym.simulators.robot.urdf import read_urdf

GROUND = "legged_gym/ground"
"""Name of the terrain's geom, which robots' files are unlikely to use."""

BODY_SETTINGS = ("collapse_fixed_joints", "replace_cylinder_with_capsule", "balance_inertia", "density", "armature")
"""Settings of ``asset`` that change a robot's model."""

_GROUND_BIT, _ROBOT_BIT = 1, 2

SceneCfg = Any
"""A task's configuration. Scenes and simulators read ``asset``, ``control``, ``init_state``, ``sim`` and ``terrain``;
:class:`~legged_gym.envs.base.legged_robot_config.LeggedRobotCfg` describes each value."""


@dataclass
class HeightField:
    """Ground to stand on, or a part of it."""

    heights: np.ndarray
    """m, indexed [ix, iy]."""
    horizontal_scale: float
    """Distance of neighbouring points, m."""
    origin: tuple[float, ...]
    """World x and y of ``heights[0, 0]``, m."""


@dataclass
class Scene:
    """A compiled model and the addresses in it."""

    model: mujoco.MjModel
    robot: RobotFile
    body_ids: np.ndarray
    """MuJoCo ids of the robot's links, base first, (B,)."""
    body_names: list[str]
    merged: dict[str, str]
    """For merged links, and sites and shapes of an MJCF file, by name: the link that contains them."""
    touching: np.ndarray
    """Whether each link has shapes that collide, bool, (B,)."""
    joint_ids: np.ndarray
    """MuJoCo ids of the driven joints, (D,)."""
    dof_names: list[str]
    dof_vel_limits: np.ndarray
    """rad/s, (D,)."""
    torque_limits: np.ndarray
    """N·m, (D,)."""
    ground_id: int
    """Id of the terrain's geom."""

    @property
    def free_base(self) -> bool:
        """Whether the base moves freely, without ``asset.fix_base_link``."""
        return bool(self.model.njnt and self.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE)


def build_scene(cfg: SceneCfg, terrain: HeightField | None = None, visuals: bool = False) -> Scene:
    """Build the scene of a task on a height field or a plane. ``UserError`` names a file that can't be simulated.

    ``visuals`` keeps the visual shapes. Physics is the same, but slower.
    """
    robot = read_robot(asset_path(cfg.asset.file), visuals)
    spec = robot.spec
    if not spec.joints:
        raise refuse(robot.path, "the robot has no movable joint")
    links = _links(robot, cfg.asset)
    _add_base_joint(spec, cfg)
    _shape_geoms(robot, cfg.asset)
    if visuals:
        _draw_undrawn(robot, links)
    _add_ground(spec, cfg, terrain)
    if visuals:
        add_looks(spec, GROUND)
    _set_options(spec, cfg)
    touching = _add_contact_sensors(spec, links)
    try:
        model = spec.compile()
    except ValueError as error:
        raise refuse(robot.path, _explain(error, spec)) from error
    for doubt in check_units(robot.path, model, robot.velocity_limits):
        warnings.warn(doubt, stacklevel=2)
    return _describe(model, robot, links, touching)


def asset_path(file: str, key: str = "asset.file", kind: str = "URDF") -> str:
    """Return a setting's path with ``{LEGGED_GYM_ROOT_DIR}`` filled in. ``UserError`` if the file does not exist."""
    # Not str.format, because a path may contain other braces.
    path = os.path.expanduser(file.replace("{LEGGED_GYM_ROOT_DIR}", LEGGED_GYM_ROOT_DIR))
    if not os.path.isfile(path):
        raise UserError(f"config key '{key}': no {kind} at '{path}'")
    return path


def read_robot(path: str, visuals: bool) -> RobotFile:
    """Read a robot's file, a URDF or MJCF. ``UserError`` if it can't be simulated."""
    robot = read_mjcf(path, visuals) if is_mjcf(path) else read_urdf(path, visuals)
    if robot.undrawn and path not in _warned:
        _warned.add(path)
        names = ", ".join(sorted(robot.undrawn))
        warnings.warn(
            f"{path}: visual shapes of {names} are missing or can't be read: drawn as they collide", stacklevel=2
        )
    return robot


_warned: set[str] = set()
"""Files with a warning about missing visual meshes."""


def _links(robot: RobotFile, asset: Any) -> dict[str, list[mujoco.MjsBody]]:
    """Return each link with the links that are merged into it, as with legged_gym's ``collapse_fixed_joints``.

    A link on a fixed joint stays separate with ``dont_collapse`` in the file, and if it is a foot: it has collision
    shapes and the feet's name, which its parents don't have.
    """
    feet = (asset.foot_name,) if isinstance(asset.foot_name, str) else asset.foot_name
    links: dict[str, list[mujoco.MjsBody]] = {}
    part_of: dict[str, str] = {}
    is_foot: dict[str, bool] = {}
    for body in robot.spec.bodies[1:]:
        parent = "" if not links else body.parent.name
        moves = not links or any(True for _ in body.joints)
        named_foot = bool(links) and any(foot in body.name for foot in feet)
        is_foot[body.name] = named_foot or (not moves and is_foot[parent])
        touches = any(geom.contype or geom.conaffinity for geom in body.geoms)
        new_foot = named_foot and touches and not is_foot.get(parent, False)
        if moves or new_foot or body.name in robot.uncollapsed or not asset.collapse_fixed_joints:
            links[body.name], part_of[body.name] = [body], body.name
        else:
            part_of[body.name] = part_of[parent]
            links[part_of[parent]].append(body)
    return links


def _add_base_joint(spec: mujoco.MjSpec, cfg: SceneCfg) -> None:
    """Let the base move freely. Otherwise MuJoCo would weld it to the world and lose its mass."""
    base = spec.worldbody.first_body()
    base.pos = cfg.init_state.pos
    x, y, z, w = cfg.init_state.rot
    base.quat = [w, x, y, z]
    if not cfg.asset.fix_base_link:
        base.add_freejoint()


def _shape_geoms(robot: RobotFile, asset: Any) -> None:
    """Set which shapes collide, and which have no mass."""
    spec = robot.spec
    for geom in spec.geoms:
        if geom.contype == 0 and geom.conaffinity == 0:
            if robot.write is not None:
                # In a URDF only collision shapes have mass.
                geom.mass = 0.0
            continue
        if robot.write is not None:
            geom.density = asset.density
        if geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER and asset.replace_cylinder_with_capsule:
            geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
        geom.contype = _ROBOT_BIT
        geom.conaffinity = _GROUND_BIT | (_ROBOT_BIT if asset.self_collisions == 0 else 0)
        geom.condim, geom.priority, geom.group, geom.margin, geom.gap = 3, 0, 3, 0.0, 0.0
    for joint in spec.joints:
        if joint.type != mujoco.mjtJoint.mjJNT_FREE:
            joint.armature += asset.armature
    if asset.balance_inertia:
        _balance_inertias(robot)


def _balance_inertias(robot: RobotFile) -> None:
    """Give links with an impossible inertia in the file the same inertia about all axes."""
    # Done here, because MuJoCo's own option ignores moments of zero or less.
    robot.spec.compiler.balanceinertia = True
    for body in robot.spec.bodies:
        xx, yy, zz, xy, xz, yz = moments = _moments(body)
        small, middle, large = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        if body.mass > 0.0 and np.abs(moments).max() < 1e-12:
            # A point mass has no inertia. It gets that of a ball of water with this mass.
            mean = 0.4 * body.mass * float(body.mass / 4189.0) ** (2.0 / 3.0)
        elif body.mass > 0.0 and xx + yy + zz > 0.0 and (small < 1e-9 * large or small + middle < large):
            mean = float(xx + yy + zz) / 3.0
        else:
            continue
        robot.balanced[body.name] = mean
        body.fullinertia, body.inertia, body.iquat = [np.nan] * 6, [mean] * 3, [1.0, 0.0, 0.0, 0.0]


def _moments(body: mujoco.MjsBody) -> np.ndarray:
    """Return xx, yy, zz, xy, xz and yz of a link's inertia in the file, kg·m²."""
    return np.array([*body.inertia, 0.0, 0.0, 0.0] if np.isnan(body.fullinertia[0]) else body.fullinertia)


def _draw_undrawn(robot: RobotFile, links: dict[str, list[mujoco.MjsBody]]) -> None:
    """Draw the collision shapes of links without readable visual shapes; without these, draw lines between joints."""
    for bodies in links.values():
        unseen = not any(geom.group != 3 for body in bodies for geom in body.geoms)
        for body in (body for body in bodies if unseen or body.name in robot.undrawn):
            for geom in body.geoms:
                geom.group = 0
            bones = [] if any(True for _ in body.geoms) else [child.pos for child in body.bodies]
            for end in (end for end in bones if np.linalg.norm(end) > 0.01):
                body.add_geom(
                    type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[0.0, 0.0, 0.0, *end], size=[0.02, 0.0, 0.0], mass=0.0,
                    contype=0, conaffinity=0,
                )  # fmt: skip


def _add_ground(spec: mujoco.MjSpec, cfg: SceneCfg, terrain: HeightField | None) -> None:
    """Add the terrain. Only its friction is used, so that one number describes a robot's ground."""
    ground = spec.worldbody.add_geom(
        name=GROUND, contype=_GROUND_BIT, conaffinity=_ROBOT_BIT, condim=3, priority=1,
        friction=[cfg.terrain.friction, 0.005, 0.0001], rgba=[0.72, 0.76, 0.78, 1.0],
    )  # fmt: skip
    if terrain is None:
        ground.type = mujoco.mjtGeom.mjGEOM_PLANE
        ground.size = [0.0, 0.0, 0.05]
        return
    low, high = float(terrain.heights.min()), float(terrain.heights.max())
    span = max(high - low, 1e-3)
    rows, cols = terrain.heights.shape[1], terrain.heights.shape[0]
    half_x, half_y = 0.5 * (cols - 1) * terrain.horizontal_scale, 0.5 * (rows - 1) * terrain.horizontal_scale
    # A list, because MuJoCo's binding may read an array number by number, which took 5 s for a training's terrain.
    heights = ((terrain.heights.T - low) / span).ravel().tolist()
    spec.add_hfield(name=GROUND, nrow=rows, ncol=cols, size=[half_x, half_y, span, 0.1], userdata=heights)
    ground.type = mujoco.mjtGeom.mjGEOM_HFIELD
    ground.hfieldname = GROUND
    ground.pos = [terrain.origin[0] + half_x, terrain.origin[1] + half_y, low]


def _set_options(spec: mujoco.MjSpec, cfg: SceneCfg) -> None:
    usual = mujoco.MjSpec().option
    for name in (name for name in dir(usual) if not name.startswith("_")):
        setattr(spec.option, name, getattr(usual, name))
    spec.option.timestep = cfg.sim.dt
    spec.option.gravity = cfg.sim.gravity
    spec.option.iterations = cfg.sim.solver_iterations
    spec.option.ls_iterations = cfg.sim.line_search_iterations
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    # Links without references are merged into their parents, now that the base moves.
    spec.compiler.fusestatic = True
    spec.memory = 1 << 20


def _add_contact_sensors(spec: mujoco.MjSpec, links: dict[str, list[mujoco.MjsBody]]) -> dict[str, bool]:
    """Add sensors that sum each link's contacts with the ground or other links to one force in the world frame.

    A sensor also prevents a fixed link from being merged. Returns which links can touch.
    """
    touching = {}
    for name, bodies in links.items():
        touching[name] = any(geom.contype for body in bodies for geom in body.geoms)
        moves = any(True for _ in bodies[0].joints)
        if touching[name] or not moves:
            spec.add_sensor(
                name=name, type=mujoco.mjtSensor.mjSENS_CONTACT, objtype=mujoco.mjtObj.mjOBJ_BODY, objname=name,
                intprm=[1 << mujoco.mjtConDataField.mjCONDATA_FORCE.value, 3, 1],
            )  # fmt: skip
    return touching


def _describe(
    model: mujoco.MjModel, robot: RobotFile, links: dict[str, list[mujoco.MjsBody]], touching: dict[str, bool]
) -> Scene:
    body_ids = np.arange(1, model.nbody)
    joint_ids = np.flatnonzero(model.jnt_type != mujoco.mjtJoint.mjJNT_FREE)
    dof_names = [model.joint(i).name for i in joint_ids]
    told = np.where(model.jnt_actfrclimited[joint_ids], np.abs(model.jnt_actfrcrange[joint_ids]).min(axis=1), np.inf)
    torques = np.minimum(told, [robot.torque_limits.get(name, np.inf) for name in dof_names])
    parts = [(x, link) for link, bodies in links.items() for body in bodies for x in (body, *body.sites, *body.geoms)]
    body_names = [model.body(i).name for i in body_ids]
    return Scene(
        model=model,
        robot=robot,
        body_ids=body_ids,
        body_names=body_names,
        merged={part.name: link for part, link in parts if part.name and part.name not in links},
        touching=np.array([touching[name] for name in body_names]),
        joint_ids=joint_ids,
        dof_names=dof_names,
        dof_vel_limits=np.array([robot.velocity_limits.get(name, np.inf) for name in dof_names]),
        torque_limits=torques,
        ground_id=model.geom(GROUND).id,
    )


def _explain(error: ValueError, spec: mujoco.MjSpec) -> str:
    """Return MuJoCo's compiler error in one line, with the setting that helps."""
    text = one_line(error)
    name = text.rpartition("Element name '")[2].partition("'")[0]
    body = spec.body(name) if "Element name" in text else None
    weightless = "moving bodies" in text
    if body is not None and ("balanceinertia" in text or "eigenvalues" in text or (weightless and body.mass > 0.0)):
        inertia = ", ".join(f"{value:g}" for value in _moments(body))
        return (
            f"link '{name}': no body can have the inertia {inertia} kg·m², whose main moments must be above 0 and each "
            "below the sum of the others; correct it, or set config key 'asset.balance_inertia' to true"
        )
    if body is not None and weightless:
        return f"link '{name}' moves but has no mass: it needs an <inertial> or shapes (config key 'asset.density')"
    return text
