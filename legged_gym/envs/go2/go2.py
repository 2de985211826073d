"""Go2's task: trotting to velocity commands, without an estimator and without a gait clock."""

from __future__ import annotations

import torch

from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.envs.base.observations import ObsTerm
from legged_gym.envs.go2.go2_config import Go2Cfg


class Go2(LeggedRobot):
    """Go2's task. The order of feet is front left, front right, rear left, rear right."""

    cfg: Go2Cfg

    def _observation_terms(self) -> list[ObsTerm]:
        # No sensor measures the robot's velocity, but the past steps in the observation show it roughly.
        return self._measured_terms()

    def _reward_trot(self) -> torch.Tensor:
        """1 while one diagonal pair of feet is in contact and the other swings; when standing, while all are."""
        fl, fr, rl, rr = self.feet_contact.unbind(1)
        trots = (fl == rr) & (fr == rl) & (fl != fr)
        return torch.where((self.commands[:, :3] == 0.0).all(1), self.feet_contact.all(1), trots).float()

    def _reward_swing(self) -> torch.Tensor:
        """On touchdown, the swing's duration beyond ``shortest_swing``, s, at most ``swing_cap``."""
        excess = (self.swing_time - self.cfg.rewards.shortest_swing).clamp(max=self.cfg.rewards.swing_cap)
        return (excess * self.feet_touchdown).sum(1)

    def _reward_feet_clearance(self) -> torch.Tensor:
        """Squared deviation of moving feet from ``foot_clearance`` above the ground, times their speed, m³/s."""
        feet = self.rigid_body_states[:, self.feet_indices]
        height = feet[..., 2] - self.ground.height_at(feet) - self.cfg.rewards.foot_clearance
        return (height.square() * feet[..., 7:9].norm(dim=-1)).sum(1)

    def _reward_hip_deviation(self) -> torch.Tensor:
        """Squared deviation of the hip joints, which spread the legs, from their defaults, rad²."""
        return (self.dof_pos - self.default_dof_pos)[:, ::3].square().sum(1)
