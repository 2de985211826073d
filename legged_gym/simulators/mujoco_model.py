"""The MuJoCo scene, one robot on its terrain, that both MuJoCo back-ends and all pictures share."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any, Protocol

import mujoco
import numpy as np

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.simulators.looks import add_looks

GROUND = "ground"
"""Name of the terrain's geom."""

_GROUND_BIT, _ROBOT_BIT = 1, 2


class SceneCfg(Protocol):
    """Sections of a task's configuration that :func:`build_scene` reads.

    :class:`~legged_gym.envs.base.legged_robot_config.LeggedRobotCfg` says what each value means.
    """

    @property
    def asset(self) -> Any:
        """``file``, ``fix_base_link``, ``self_collisions``."""

    @property
    def control(self) -> Any:
        """``decimation``."""

    @property
    def init_state(self) -> Any:
        """``pos``, ``rot``."""

    @property
    def sim(self) -> Any:
        """``dt``, ``gravity``, ``solver_iterations``, ``line_search_iterations``."""

    @property
    def terrain(self) -> Any:
        """``friction``."""


class HeightField(Protocol):
    """Ground to stand on; :class:`~legged_gym.envs.base.terrain.Terrain` is one."""

    @property
    def heights(self) -> np.ndarray:
        """Heights of the ground, m, indexed [ix, iy]."""

    @property
    def horizontal_scale(self) -> float:
        """Distance of neighbouring points, m."""

    @property
    def origin(self) -> tuple[float, ...]:
        """World x and y of ``heights[0, 0]``, m."""


@dataclass
class Scene:
    """A compiled model and where things are in it."""

    model: mujoco.MjModel
    body_ids: np.ndarray
    """MuJoCo ids of the robot's links, base first, (B,)."""
    body_names: list[str]
    dof_names: list[str]
    dof_vel_limits: np.ndarray
    """rad/s, (D,)."""
    torque_limits: np.ndarray
    """N·m, (D,)."""
    ground_id: int
    """Id of the terrain's geom."""

    @property
    def free_base(self) -> bool:
        """Whether the base moves freely; it does not with ``asset.fix_base_link``."""
        return self.model.nq > len(self.dof_names)


def build_scene(cfg: SceneCfg, terrain: HeightField | None = None, visuals: bool = False) -> Scene:
    """Make the scene of a task.

    Args:
        cfg: The task's configuration; ``asset``, ``sim``, ``terrain`` and ``init_state`` are read.
        terrain: The height field; a plane without it.
        visuals: Keep the shapes that are only there to be looked at. Physics is the same, only slower.

    Raises:
        UserError: The URDF is missing or damaged; the message names it.
    """
    path = asset_path(cfg.asset.file)
    spec = _load_urdf(path, visuals)
    _add_base_joint(spec, cfg)
    _shape_collisions(spec, cfg.asset.self_collisions == 0)
    dof_names = [joint.name for joint in spec.joints if joint.type == mujoco.mjtJoint.mjJNT_HINGE]
    _add_ground(spec, cfg, terrain)
    if visuals:
        add_looks(spec, GROUND)
    _set_options(spec, cfg)
    _add_contact_sensors(spec)
    try:
        return _describe(spec.compile(), path, dof_names)
    except ValueError as error:
        raise UserError(f"{path}: {_first_line(error)}") from error


def asset_path(file: str) -> str:
    """Return the URDF's path with ``{LEGGED_GYM_ROOT_DIR}`` filled in.

    Raises:
        UserError: There is no such file.
    """
    # Not str.format: other braces in a path are part of it.
    path = file.replace("{LEGGED_GYM_ROOT_DIR}", LEGGED_GYM_ROOT_DIR)
    if not os.path.isfile(path):
        raise UserError(f"config key 'asset.file': no URDF at '{path}'")
    return path


def _load_urdf(path: str, visuals: bool) -> mujoco.MjSpec:
    try:
        root = ElementTree.parse(path).getroot()
        if root.tag != "robot":
            raise UserError(f"{path}: not a URDF, its root element is <{root.tag}>, not <robot>")
        # Only MuJoCo's own extension element tells its importer to keep the visual shapes.
        options = ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler")
        options.set("discardvisual", "false" if visuals else "true")
        options.set("fusestatic", "false")
        options.set("meshdir", os.path.dirname(path))
        return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
        # A LookupError is an encoding that Python does not know.
        raise UserError(f"{path}: {_first_line(error)}") from error


def _add_base_joint(spec: mujoco.MjSpec, cfg: SceneCfg) -> None:
    """Let the base move freely; without this MuJoCo would weld it to the world and lose its mass."""
    base = spec.worldbody.first_body()
    base.pos = cfg.init_state.pos
    x, y, z, w = cfg.init_state.rot
    base.quat = [w, x, y, z]
    if not cfg.asset.fix_base_link:
        base.add_freejoint(name="base")


def _shape_collisions(spec: mujoco.MjSpec, self_collisions: bool) -> None:
    """Make capsules of cylinders, which collide faster and roll as rounded soles do, and say what collides."""
    for geom in spec.geoms:
        if geom.contype == 0 and geom.conaffinity == 0:
            continue
        if geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER:
            geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
        geom.contype = _ROBOT_BIT
        geom.conaffinity = _GROUND_BIT | (_ROBOT_BIT if self_collisions else 0)
        geom.condim = 3
        geom.group = 3


def _add_ground(spec: mujoco.MjSpec, cfg: SceneCfg, terrain: HeightField | None) -> None:
    """Add the terrain, whose friction alone counts, so that one number describes a robot's ground."""
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
    # A list: of an array MuJoCo's binding may fetch the numbers one by one, which took 5 s for a training's terrain.
    heights = ((terrain.heights.T - low) / span).ravel().tolist()
    spec.add_hfield(name=GROUND, nrow=rows, ncol=cols, size=[half_x, half_y, span, 0.1], userdata=heights)
    ground.type = mujoco.mjtGeom.mjGEOM_HFIELD
    ground.hfieldname = GROUND
    ground.pos = [terrain.origin[0] + half_x, terrain.origin[1] + half_y, low]


def _set_options(spec: mujoco.MjSpec, cfg: SceneCfg) -> None:
    spec.option.timestep = cfg.sim.dt
    spec.option.gravity = cfg.sim.gravity
    spec.option.iterations = cfg.sim.solver_iterations
    spec.option.ls_iterations = cfg.sim.line_search_iterations
    spec.option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    # Links without inertia of their own (sensor frames) become part of their parents, now that the base moves.
    spec.compiler.fusestatic = True
    spec.memory = 1 << 20


def _add_contact_sensors(spec: mujoco.MjSpec) -> None:
    """Sum up each link's contacts with the ground or with other links into one world-frame force."""
    for body in spec.bodies[1:]:
        if not any(geom.contype for geom in body.geoms):
            continue
        spec.add_sensor(
            name=body.name, type=mujoco.mjtSensor.mjSENS_CONTACT, objtype=mujoco.mjtObj.mjOBJ_BODY, objname=body.name,
            intprm=[1 << mujoco.mjtConDataField.mjCONDATA_FORCE.value, 3, 1],
        )  # fmt: skip


def _describe(model: mujoco.MjModel, path: str, dof_names: list[str]) -> Scene:
    body_ids = np.arange(1, model.nbody)
    limits = {joint.get("name"): joint.find("limit") for joint in ElementTree.parse(path).getroot().iter("joint")}
    return Scene(
        model=model,
        body_ids=body_ids,
        body_names=[model.body(i).name for i in body_ids],
        dof_names=dof_names,
        dof_vel_limits=_limits(limits, dof_names, "velocity"),
        torque_limits=_limits(limits, dof_names, "effort"),
        ground_id=model.geom(GROUND).id,
    )


def _limits(limits: dict[str | None, ElementTree.Element | None], dof_names: list[str], kind: str) -> np.ndarray:
    """Read one kind of joint limit straight from the URDF, (D,); MuJoCo's importer drops velocities."""
    elements = [limits[name] for name in dof_names]
    return np.array([float(e.get(kind, "inf")) if e is not None else np.inf for e in elements])


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0].split())
