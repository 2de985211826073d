"""One robot of any back-end as a MuJoCo scene with everything that is there to be looked at."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from legged_gym.simulators.mujoco_model import build_scene

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.utils.terrain import Terrain

_SNAP_DISTANCE = 1.0
"""A robot that moved further than this between two frames (m) was reset: the camera jumps after it."""


class RobotDrawing:
    """Follows one robot by the environment's state tensors; simulates nothing."""

    def __init__(self, env: LeggedRobot, reach: float | None = None, smoothing: float = 0.9) -> None:
        """Build the scene.

        Args:
            env: The environment; ``cfg.viewer`` says which robot, and from where it is seen.
            reach: Draw only the terrain that is closer to the robot's present place, m, which is faster without a
                GPU; all of it by default.
            smoothing: How much of the camera's lag remains from frame to frame, 0 to 1.
        """
        self._env = env
        self._robot = min(env.cfg.viewer.ref_env, env.num_envs - 1)
        self._smoothing = smoothing
        self._centre, self._reach = self._root()[:2].copy(), reach
        scene = build_scene(env.cfg, self._visible_terrain(), visuals=True)
        self.model = scene.model
        self.data = mujoco.MjData(self.model)
        self._free_base = scene.free_base
        self._joints = [self.model.joint(name).qposadr[0] for name in env.dof_names]
        self.camera = mujoco.MjvCamera()
        self._focus = np.array(env.cfg.viewer.lookat)
        self._place_camera(np.array(env.cfg.viewer.lookat) - np.array(env.cfg.viewer.pos))
        self._target: np.ndarray | None = None

    def update(self) -> None:
        """Take over the robot's present pose, and move the camera with it."""
        root = self._root()
        if self._free_base:
            self.data.qpos[:3] = root[:3]
            self.data.qpos[3:7] = root[[6, 3, 4, 5]]
        self.data.qpos[self._joints] = self._env.dof_pos[self._robot].cpu().numpy()
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self._follow(root[:3].astype(np.float64))

    @property
    def strayed(self) -> bool:
        """Whether the robot came so close to the end of the drawn terrain that it needs another drawing."""
        if self._reach is None or self._env.terrain is None:
            return False
        return bool(np.abs(self._root()[:2] - self._centre).max() > 0.5 * self._reach)

    def _root(self) -> np.ndarray:
        return self._env.root_states[self._robot].cpu().numpy()

    def _visible_terrain(self) -> Terrain | None:
        """Return the terrain within reach."""
        terrain = self._env.terrain
        if terrain is None or self._reach is None:
            return terrain
        origin, scale = np.array(terrain.origin), terrain.horizontal_scale
        low = np.maximum(np.floor((self._centre - self._reach - origin) / scale).astype(int), 0)
        high = np.ceil((self._centre + self._reach - origin) / scale).astype(int) + 1
        part = copy.copy(terrain)
        part.heights = terrain.heights[low[0] : high[0], low[1] : high[1]]
        part.origin = tuple(origin + scale * low)
        return part

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
