"""Reward terms for any legged robot. Each returns (N,), unscaled, and changes nothing."""

from __future__ import annotations

import torch

from legged_gym.envs.base.base_task import BaseTask


class LeggedRobotRewards(BaseTask):
    """The terms of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`."""

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

    def _reward_dof_acc(self) -> torch.Tensor:
        """Sum of squared joint accelerations over the control step, (rad/s²)²."""
        return ((self.dof_vel - self.last_dof_vel) / self.dt).square().sum(1)

    def _reward_dof_pos_limits(self) -> torch.Tensor:
        """Sum of joint angles beyond ``soft_dof_pos_limit`` of their range, rad."""
        low, high = self.dof_pos_limits.unbind(1)
        return ((low - self.dof_pos).clamp(min=0.0) + (self.dof_pos - high).clamp(min=0.0)).sum(1)

    def _reward_dof_vel_limits(self) -> torch.Tensor:
        """Sum of joint speeds beyond ``soft_dof_vel_limit`` of their limit, at most 1 rad/s each."""
        excess = self.dof_vel.abs() - self.cfg.rewards.soft_dof_vel_limit * self.dof_vel_limits
        return excess.clamp(0.0, 1.0).sum(1)

    def _reward_torque_limits(self) -> torch.Tensor:
        """Sum of torques beyond ``soft_torque_limit`` of their limit, N·m."""
        excess = self.torques.abs() - self.cfg.rewards.soft_torque_limit * self.torque_limits
        return excess.clamp(min=0.0).sum(1)

    def _reward_feet_contact_forces(self) -> torch.Tensor:
        """Sum of the feet's contact forces above ``max_contact_force``, N."""
        force = self.contact_magnitudes[:, self.feet_indices]
        return (force - self.cfg.rewards.max_contact_force).clamp(min=0.0).sum(1)

    def _reward_stumble(self) -> torch.Tensor:
        """1 if a foot hits something steep: its horizontal force is over five times the vertical one."""
        forces = self.contact_forces[:, self.feet_indices]
        return (forces[..., :2].norm(dim=-1) > 5.0 * forces[..., 2].abs()).any(dim=1).float()

    _reward_feet_stumble = _reward_stumble
    """legged_gym's scale has this name."""

    def _reward_base_height(self) -> torch.Tensor:
        """Squared deviation from ``base_height_target``, m²."""
        return (self.base_height - self.cfg.rewards.base_height_target).square()

    def _reward_feet_air_time(self) -> torch.Tensor:
        """On touchdown, the swing's duration beyond 0.5 s; 0 when standing."""
        moving = self.commands[:, :2].norm(dim=1) > 0.1
        return ((self.swing_time - 0.5) * self.feet_touchdown).sum(1) * moving

    def _reward_collision(self) -> torch.Tensor:
        """Count the penalised links in contact."""
        forces = self.contact_magnitudes[:, self.penalised_contact_indices]
        return (forces > self.cfg.rewards.collision_force_threshold).sum(1).float()

    def _reward_action_rate(self) -> torch.Tensor:
        """Sum of squared changes of the action."""
        return (self.actions - self.last_actions).square().sum(1)

    def _reward_action_smoothness(self) -> torch.Tensor:
        """Sum of squared second differences of the action: large for noise, small for the slow motion of a gait."""
        return (self.actions - 2.0 * self.last_actions + self.last_last_actions).square().sum(1)

    def _reward_stand_still(self) -> torch.Tensor:
        """Sum of all joints' deviations from their defaults while the command is zero, rad."""
        standing = (self.commands[:, :3] == 0.0).all(dim=1)
        return (self.dof_pos - self.default_dof_pos).abs().sum(1) * standing
