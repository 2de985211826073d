"""The robots' states at the start of an episode."""

from __future__ import annotations

import math

import torch

from legged_gym.common.rotations import quat_from_euler_xyz, quat_mul
from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.name_matching import joint_values


class StartStates:
    """Draws start states around the default pose, on the ground of each robot's tile."""

    def __init__(
        self, cfg: LeggedRobotCfg, ground: Ground, default_dof_pos: torch.Tensor, limits: torch.Tensor, names: list[str]
    ) -> None:
        """Read the noise on ``default_dof_pos``, rad, (1, D). Start angles stay within ``limits``, rad, (D, 2)."""
        self.cfg, self.ground, self.device = cfg.init_state, ground, default_dof_pos.device
        self._default, self._limits = default_dof_pos, limits
        noise = joint_values("init_state.joint_noise", self.cfg.joint_noise, names, missing=0.0)
        self._joint_noise = torch.tensor(noise, device=self.device)
        key, angles = "init_state.stand_up_joint_angles", self.cfg.stand_up_joint_angles
        stand_up = joint_values(key, angles, names, exact=True, missing=math.nan)
        way = torch.tensor([stand_up], device=self.device) - default_dof_pos
        self._way = self.cfg.stand_up_share * way.nan_to_num()
        start = self.cfg.pos + self.cfg.rot + self.cfg.lin_vel + self.cfg.ang_vel
        self.root = torch.tensor(start, device=self.device)
        # A plane is the same everywhere.
        self._position_noise = self.cfg.position_noise if ground.has_terrain else 0.0

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return start states of all robots: base (N, 13), joint angles, rad, and velocities, rad/s, (N, D)."""
        n = self.ground.num_envs
        root = self.root.repeat(n, 1)
        root[:, :2] += self.ground.env_origins[:, :2] + self._position_noise * self._uniform(n, 2)
        root[:, 2] += self.ground.height_at(root)
        tilt = quat_from_euler_xyz(*(self.cfg.orientation_noise * self._uniform(n, 3)).unbind(1))
        root[:, 3:7] = quat_mul(root[:, 3:7], tilt)
        root[:, 7:13] += self.cfg.velocity_noise * self._uniform(n, 6)
        pose = self._default
        if self.cfg.stand_up_share > 0.0:
            pose = pose + self._way * torch.rand(n, 1, device=self.device)
        dof_pos = pose + self._joint_noise * self._uniform(n, self._default.shape[1])
        dof_pos = torch.clamp(dof_pos, self._limits[:, 0], self._limits[:, 1])
        return root, dof_pos, torch.zeros_like(dof_pos)

    def _uniform(self, *shape: int) -> torch.Tensor:
        """Draw from ±1."""
        return 2.0 * torch.rand(*shape, device=self.device) - 1.0
