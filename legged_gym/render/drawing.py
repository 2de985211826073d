"""Draws robots of any simulation as a MuJoCo scene."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from legged_gym.common.errors import VideoUnavailableError
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.simulators.mujoco_model import GROUND, HeightField, SceneCfg, build_scene

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_HINT = "without a screen it needs EGL (apt install libegl1 libopengl0), and MUJOCO_GL=egl if you import mujoco first"
_SNAP_DISTANCE = 1.0
"""If a robot moves further than this between two frames, m, it was reset and the camera jumps to it."""
_ARROW_WIDTH = 0.012
"""m."""
_SHORTEST_ARROW = 0.02
"""Shorter arrows, m, are not drawn."""


@dataclass(frozen=True)
class Viewpoint:
    """The view of a robot."""

    pos: Sequence[float]
    """Camera position relative to the robot, m, (3,)."""
    lookat: Sequence[float]
    """Point looked at, relative to the robot's base, m, (3,)."""


View = Viewpoint | type[LeggedRobotCfg.viewer]
"""A task's section ``cfg.viewer`` is one."""


def at_distance(view: View, factor: float) -> Viewpoint:
    """Return the same view from ``factor`` times the distance."""
    return Viewpoint([factor * value for value in view.pos], view.lookat)


@dataclass(frozen=True)
class Arrow:
    """An arrow in the scene."""

    start: np.ndarray
    """m, world frame, (3,)."""
    vector: np.ndarray
    """From its start to its tip, m, world frame, (3,)."""
    colour: tuple[int, int, int]
    """RGB, 0 to 255 each."""


class SceneDrawing(ABC):
    """Draws robots in given poses, with a camera that follows the first one. It simulates nothing."""

    def __init__(
        self,
        cfg: SceneCfg,
        terrain: HeightField | None,
        dof_names: Sequence[str],
        view: View,
        centre: np.ndarray,
        reach: float | None = None,
        smoothing: float = 0.9,
    ) -> None:
        """Build the scene.

        Args:
            cfg: The configuration for :func:`~legged_gym.simulators.mujoco_model.build_scene`.
            terrain: The height field; None is a plane.
            dof_names: Joints, in the order of the angles for :meth:`show`.
            view: The view of the robot.
            centre: Present position of the robot, m, world frame, (2 or more,).
            reach: Draw only the terrain that is closer to ``centre``, m, which is faster without a GPU; all of it by
                default.
            smoothing: How much of the camera's lag remains from frame to frame, 0 to 1.
        """
        self._smoothing = smoothing
        self._cfg, self._terrain, self._reach = cfg, terrain, reach
        self._centre = np.array(centre[:2], float)
        scene = build_scene(cfg, self._visible_terrain(), visuals=True)
        self.model = scene.model
        self.data = mujoco.MjData(self.model)
        self._free_base = scene.free_base
        self._joints = [self.model.joint(name).qposadr[0] for name in dof_names]
        self.camera = mujoco.MjvCamera()
        self._focus = np.array(view.lookat)
        self._place_camera(np.array(view.lookat) - np.array(view.pos))
        self._target: np.ndarray | None = None
        self._others: list[mujoco.MjData] = []
        self._options = mujoco.MjvOption()
        self.arrows: Sequence[Arrow] = ()
        """Arrows that :meth:`add_to` draws, too."""

    @abstractmethod
    def update(self) -> None:
        """Show the robots' present poses, and move the camera with them."""

    @property
    @abstractmethod
    def strayed(self) -> bool:
        """Whether the first robot is so close to the end of the drawn terrain that it needs another drawing."""

    def show(self, root: np.ndarray, dof_pos: np.ndarray) -> None:
        """Pose base, m and quaternion xyzw, (7 or more,), and joints, rad, (D,); the camera follows."""
        self._pose(self.data, root, dof_pos)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self._follow(root[:3].astype(np.float64))

    def show_others(self, roots: np.ndarray, dof_pos: np.ndarray) -> None:
        """Pose further robots, (n, …) as in :meth:`show`. Robots beyond the drawn terrain are left out."""
        near = np.ones(len(roots), bool)
        if self._reach is not None and self._terrain is not None:
            near = np.abs(roots[:, :2] - self._centre).max(axis=1) < self._reach
        self._others += [mujoco.MjData(self.model) for _ in range(int(near.sum()) - len(self._others))]
        del self._others[int(near.sum()) :]
        for data, root, angles in zip(self._others, roots[near], dof_pos[near], strict=True):
            self._pose(data, root, angles)

    def add_to(self, scene: mujoco.MjvScene) -> None:
        """Add the further robots and the arrows to the scene."""
        moving = mujoco.mjtCatBit.mjCAT_DYNAMIC.value
        for data in self._others:
            mujoco.mjv_addGeoms(self.model, data, self._options, mujoco.MjvPerturb(), moving, scene)
        for arrow in self.arrows:
            if scene.ngeom < scene.maxgeom and np.linalg.norm(arrow.vector) > _SHORTEST_ARROW:
                _draw_arrow(scene.geoms[scene.ngeom], arrow)
                scene.ngeom += 1

    def renderer(self, width: int, height: int) -> mujoco.Renderer:
        """Return a renderer for pictures of this size, pixels.

        Raises:
            VideoUnavailableError: This machine has no OpenGL.
        """
        buffer = self.model.vis.global_
        buffer.offwidth, buffer.offheight = width, height
        try:
            with warnings.catch_warnings():
                # GLFW also warns before its error.
                warnings.simplefilter("ignore")
                return mujoco.Renderer(self.model, height, width)
        except (mujoco.FatalError, ImportError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split()).split(",")[0]
            raise VideoUnavailableError(f"can't draw ({reason}); {_HINT}") from error

    def _pose(self, data: mujoco.MjData, root: np.ndarray, dof_pos: np.ndarray) -> None:
        if self._free_base:
            data.qpos[:3] = root[:3]
            data.qpos[3:7] = root[[6, 3, 4, 5]]
        data.qpos[self._joints] = dof_pos
        mujoco.mj_kinematics(self.model, data)

    def strays(self, position: np.ndarray) -> bool:
        """Return whether a robot at ``position``, m, (2 or more,), is too close to the end of the drawn terrain."""
        if self._reach is None or self._terrain is None:
            return False
        return bool(np.abs(position[:2] - self._centre).max() > 0.5 * self._reach)

    def _visible_terrain(self) -> HeightField | None:
        """Return the terrain within reach. At its end, return more of it on the other side."""
        terrain = self._terrain
        if terrain is None or self._reach is None:
            return terrain
        origin, scale = np.array(terrain.origin), terrain.horizontal_scale
        size = np.minimum(math.ceil(2.0 * self._reach / scale) + 2, terrain.heights.shape)
        low = np.floor((self._centre - self._reach - origin) / scale).astype(int)
        low = np.clip(low, 0, terrain.heights.shape - size)
        heights = terrain.heights[low[0] : low[0] + size[0], low[1] : low[1] + size[1]]
        return HeightField(heights, scale, tuple(origin + scale * low))

    def _follow(self, base: np.ndarray) -> None:
        if self._target is None or np.linalg.norm(base - self._target) > _SNAP_DISTANCE:
            self._target = base
        self._target = self._smoothing * self._target + (1.0 - self._smoothing) * base
        self.camera.lookat[:] = self._target + self._focus

    def _place_camera(self, view: np.ndarray) -> None:
        """Point the camera along ``view``, m, (3,), from a distance of its length."""
        self.camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self.camera.distance = float(np.linalg.norm(view))
        self.camera.azimuth = math.degrees(math.atan2(view[1], view[0]))
        self.camera.elevation = math.degrees(math.asin(view[2] / self.camera.distance))


def _draw_arrow(geom: mujoco.MjvGeom, arrow: Arrow) -> None:
    colour = np.array([*(value / 255.0 for value in arrow.colour), 1.0], np.float32)
    kind = mujoco.mjtGeom.mjGEOM_ARROW
    mujoco.mjv_initGeom(geom, kind, np.zeros(3), np.zeros(3), np.eye(3).ravel(), colour)
    mujoco.mjv_connector(geom, kind, _ARROW_WIDTH, arrow.start, arrow.start + arrow.vector)
    # Robots are then visible from all sides.
    geom.emission = 0.6
    # It casts no shadow.
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR


def followed_robot(env: LeggedRobot) -> int:
    """Return the robot of ``viewer.ref_env``, or the last one if there are fewer robots."""
    return min(env.cfg.viewer.ref_env, env.num_envs - 1)


def nearest_robots(env: LeggedRobot, robot: int, count: int) -> list[int]:
    """Return a robot and its nearest neighbours, ``count`` in total; the robot itself comes first."""
    distance = (env.root_states[:, :2] - env.root_states[robot, :2]).norm(dim=1)
    distance[robot] = -1.0
    return distance.argsort()[:count].tolist()


class RobotDrawing(SceneDrawing):
    """Follows one robot of a task, among others, from the environment's state tensors."""

    def __init__(
        self,
        env: LeggedRobot,
        reach: float | None = None,
        smoothing: float = 0.9,
        robots: Sequence[int] | None = None,
        view: View | None = None,
    ) -> None:
        """Build the scene.

        Args:
            env: The environment. ``cfg.viewer`` gives the view.
            reach: Draw only the terrain that is closer to the robot's present place, m; all of it by default.
            smoothing: How much of the camera's lag remains from frame to frame, 0 to 1.
            robots: Robots to draw; by default the one of ``cfg.viewer``.
            view: The view, instead of ``cfg.viewer``.
        """
        self._env = env
        self.robots = list(robots or [followed_robot(env)])
        """Robots that are drawn. The camera follows the first. They may be changed."""
        view = view or env.cfg.viewer
        super().__init__(env.cfg, env.terrain, env.dof_names, view, self._root(), reach, smoothing)

    def update(self) -> None:
        """Show the robots' present poses, and move the camera."""
        tensors = self._env.root_states, self._env.dof_pos
        roots, dof_pos = (tensor[self.robots].cpu().numpy() for tensor in tensors)
        self.show(roots[0], dof_pos[0])
        self.show_others(roots[1:], dof_pos[1:])

    @property
    def strayed(self) -> bool:
        """Whether the robot is so close to the end of the drawn terrain that it needs another drawing."""
        return self.strays(self._root())

    def follow_terrain(self) -> bool:
        """Draw another part of the terrain if the first robot is near the end of this one. Return whether it was."""
        if not self.strayed:
            return False
        self._centre = self._root()[:2].astype(float)
        moved, ground = build_scene(self._cfg, self._visible_terrain()), self.model.geom(GROUND).id
        self.model.hfield_data[:], self.model.hfield_size[:] = moved.model.hfield_data, moved.model.hfield_size
        self.model.geom_pos[ground] = moved.model.geom_pos[moved.ground_id]
        return True

    def _root(self) -> np.ndarray:
        return self._env.root_states[self.robots[0]].cpu().numpy()
