"""One robot of any simulation as a MuJoCo scene with everything that is there to be looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import mujoco
import numpy as np

from legged_gym.simulators.mujoco_model import HeightField, SceneCfg, build_scene

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_SNAP_DISTANCE = 1.0
"""A robot that moved further than this between two frames (m) was reset: the camera jumps after it."""


class View(Protocol):
    """Where a robot is seen from; a task's ``cfg.viewer`` is one."""

    @property
    def pos(self) -> Sequence[float]:
        """Camera position relative to the robot, m, (3,)."""

    @property
    def lookat(self) -> Sequence[float]:
        """Point looked at, relative to the robot's base, m, (3,)."""


@dataclass
class _Patch:
    """A part of a height field."""

    heights: np.ndarray
    horizontal_scale: float
    origin: tuple[float, ...]


class Drawing(Protocol):
    """What a film shows: a scene that follows a simulation."""

    model: mujoco.MjModel
    data: mujoco.MjData
    camera: mujoco.MjvCamera

    def update(self) -> None:
        """Take over the robot's present pose, and move the camera with it."""

    @property
    def strayed(self) -> bool:
        """Whether the robot came so close to the end of the drawn terrain that it needs another drawing."""


class SceneDrawing:
    """A robot to be put into poses, and a camera that follows it; simulates nothing."""

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
            cfg: What :func:`~legged_gym.simulators.mujoco_model.build_scene` reads.
            terrain: The height field; a plane without it.
            dof_names: Joints, in the order in which :meth:`show` takes their angles.
            view: Where the robot is seen from.
            centre: Where the robot is now, m, world frame, (2 or more,).
            reach: Draw only the terrain that is closer to ``centre``, m, which is faster without a GPU; all of it by
                default.
            smoothing: How much of the camera's lag remains from frame to frame, 0 to 1.
        """
        self._smoothing = smoothing
        self._terrain, self._centre, self._reach = terrain, np.array(centre[:2], float), reach
        scene = build_scene(cfg, self._visible_terrain(), visuals=True)
        self.model = scene.model
        self.data = mujoco.MjData(self.model)
        self._free_base = scene.free_base
        self._joints = [self.model.joint(name).qposadr[0] for name in dof_names]
        self.camera = mujoco.MjvCamera()
        self._focus = np.array(view.lookat)
        self._place_camera(np.array(view.lookat) - np.array(view.pos))
        self._target: np.ndarray | None = None

    def show(self, root: np.ndarray, dof_pos: np.ndarray) -> None:
        """Put the robot into a pose, and move the camera with it.

        Args:
            root: Base position, m, and quaternion xyzw, world frame, (7 or more,).
            dof_pos: Joint angles, rad, (D,).
        """
        if self._free_base:
            self.data.qpos[:3] = root[:3]
            self.data.qpos[3:7] = root[[6, 3, 4, 5]]
        self.data.qpos[self._joints] = dof_pos
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self._follow(root[:3].astype(np.float64))

    def strays(self, position: np.ndarray) -> bool:
        """Return whether a robot at ``position``, m, (2 or more,), is too close to the end of the drawn terrain."""
        if self._reach is None or self._terrain is None:
            return False
        return bool(np.abs(position[:2] - self._centre).max() > 0.5 * self._reach)

    def _visible_terrain(self) -> HeightField | None:
        """Return the terrain within reach."""
        terrain = self._terrain
        if terrain is None or self._reach is None:
            return terrain
        origin, scale = np.array(terrain.origin), terrain.horizontal_scale
        low = np.maximum(np.floor((self._centre - self._reach - origin) / scale).astype(int), 0)
        high = np.ceil((self._centre + self._reach - origin) / scale).astype(int) + 1
        heights = terrain.heights[low[0] : high[0], low[1] : high[1]]
        return _Patch(heights, scale, tuple(origin + scale * low))

    def _follow(self, base: np.ndarray) -> None:
        if self._target is None or np.linalg.norm(base - self._target) > _SNAP_DISTANCE:
            self._target = base
        self._target = self._smoothing * self._target + (1.0 - self._smoothing) * base
        self.camera.lookat[:] = self._target + self._focus

    def _place_camera(self, view: np.ndarray) -> None:
        """Let the camera look along ``view``, from as far away as that is long, m, (3,)."""
        self.camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        self.camera.distance = float(np.linalg.norm(view))
        self.camera.azimuth = math.degrees(math.atan2(view[1], view[0]))
        self.camera.elevation = math.degrees(math.asin(view[2] / self.camera.distance))


class RobotDrawing(SceneDrawing):
    """Follows one robot of a task by the environment's state tensors."""

    def __init__(self, env: LeggedRobot, reach: float | None = None, smoothing: float = 0.9) -> None:
        """Build the scene.

        Args:
            env: The environment; ``cfg.viewer`` says which robot, and from where it is seen.
            reach: Draw only the terrain that is closer to the robot's present place, m; all of it by default.
            smoothing: How much of the camera's lag remains from frame to frame, 0 to 1.
        """
        self._env = env
        self._robot = min(env.cfg.viewer.ref_env, env.num_envs - 1)
        super().__init__(env.cfg, env.terrain, env.dof_names, env.cfg.viewer, self._root(), reach, smoothing)

    def update(self) -> None:
        """Take over the robot's present pose, and move the camera with it."""
        self.show(self._root(), self._env.dof_pos[self._robot].cpu().numpy())

    @property
    def strayed(self) -> bool:
        """Whether the robot came so close to the end of the drawn terrain that it needs another drawing."""
        return self.strays(self._root())

    def _root(self) -> np.ndarray:
        return self._env.root_states[self._robot].cpu().numpy()
