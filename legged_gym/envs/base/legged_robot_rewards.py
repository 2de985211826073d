"""Reward terms that fit any legged robot. Each returns (N,), unscaled, and changes nothing."""

from __future__ import annotations

import torch

from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg


class LeggedRobotRewards:
    """The terms of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`, which provides the tensors read here."""

    cfg: LeggedRobotCfg
    dt: float
    commands: torch.Tensor
    base_lin_vel: torch.Tensor
    base_ang_vel: torch.Tensor
    base_height: torch.Tensor
    projected_gravity: torch.Tensor
    dof_pos: torch.Tensor
    dof_vel: torch.Tensor
    default_dof_pos: torch.Tensor
    torques: torch.Tensor
    actions: torch.Tensor
    last_actions: torch.Tensor
    contact_forces: torch.Tensor
    penalised_contact_indices: torch.Tensor
    feet_touchdown: torch.Tensor
    swing_time: torch.Tensor
    reset_buf: torch.Tensor
    time_out_buf: torch.Tensor

    def _reward_termination(self) -> torch.Tensor:
        """1 on a fall."""
        return (self.reset_buf & ~self.time_out_buf).float()

    def _reward_tracking_lin_vel(self) -> torch.Tensor:
        """exp(-|velocity error|² / sigma), horizontal."""
        error = (self.commands[:, :2] - self.base_lin_vel[:, :2]).square().sum(1)
        return torch.exp(-error / self.cfg.rewards.tracking_sigma)

    def _reward_tracking_ang_vel(self) -> torch.Tensor:
        """exp(-yaw rate error² / sigma)."""
        error = (self.commands[:, 2] - self.base_ang_vel[:, 2]).square()
        return torch.exp(-error / self.cfg.rewards.tracking_sigma)

    def _reward_lin_vel_z(self) -> torch.Tensor:
        """Squared vertical velocity of the base, base frame, (m/s)²."""
        return self.base_lin_vel[:, 2].square()

    def _reward_ang_vel_xy(self) -> torch.Tensor:
        """Squared roll and pitch rates, (rad/s)²."""
        return self.base_ang_vel[:, :2].square().sum(1)

    def _reward_orientation(self) -> torch.Tensor:
        """Squared horizontal part of gravity in the base frame: sin² of the tilt."""
        return self.projected_gravity[:, :2].square().sum(1)

    def _reward_torques(self) -> torch.Tensor:
        """Sum of squared torques, (N·m)²."""
        return self.torques.square().sum(1)

    def _reward_dof_vel(self) -> torch.Tensor:
        """Sum of squared joint velocities, (rad/s)²."""
        return self.dof_vel.square().sum(1)

    def _reward_base_height(self) -> torch.Tensor:
        """Squared deviation from ``base_height_target``, m²."""
        return (self.base_height - self.cfg.rewards.base_height_target).square()

    def _reward_feet_air_time(self) -> torch.Tensor:
        """On touch-down, the swing's length beyond half a second, s; 0 when standing."""
        moving = self.commands[:, :2].norm(dim=1) > 0.1
        return ((self.swing_time - 0.5) * self.feet_touchdown).sum(1) * moving

    def _reward_collision(self) -> torch.Tensor:
        """Count the penalised links in contact."""
        forces = self.contact_forces[:, self.penalised_contact_indices].norm(dim=-1)
        return (forces > self.cfg.rewards.contact_force_threshold).sum(1).float()

    def _reward_action_rate(self) -> torch.Tensor:
        """Sum of squared changes of the action."""
        return (self.actions - self.last_actions).square().sum(1)

    def _reward_stand_still(self) -> torch.Tensor:
        """Sum up the deviation of all joints from their defaults while the command is zero, rad."""
        standing = (self.commands == 0.0).all(dim=1)
        return (self.dof_pos - self.default_dof_pos).abs().sum(1) * standing
