"""Qmini's task: walking to a gait clock, with what its estimator has to learn."""

from __future__ import annotations

import math

import torch

from legged_gym.common.controller_rules import advance_clock
from legged_gym.common.rotations import get_euler_xyz
from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.envs.base.observations import ObsTerm
from legged_gym.envs.qmini.qmini_config import QminiCfg


class Qmini(LeggedRobot):
    """Qmini follows velocity commands in time with a gait clock.

    The clock's phase runs from 0 to 1 in ``gait.period``, by the rules of the robot's controller
    (:func:`~legged_gym.common.controller_rules.advance_clock`). The legs' phases are half a period apart and which one
    leads is drawn at each reset. When the command is zero and the period is over, the clock is held at 0: the legs'
    phases are then 0 and 0.5, both in stance. A share of the robots steps on the spot instead.

    ============= ======= ===========================================================
    tensor        shape   meaning
    ============= ======= ===========================================================
    gait_phase    (N,)    phase of the clock, [0, 1)
    clock_held    (N,)    bool: the clock is held, the robot should stand still
    leg_phases    (N, 2)  phases of left and right leg, [0, 1)
    feet_stance   (N, 2)  bool: the clock wants this foot on the ground
    ============= ======= ===========================================================

    ``mean_velocity_error``, (N, 3), is the error of forward and lateral velocity, m/s, and yaw rate, rad/s, without the
    sway of single steps: a mean whose past fades within about ``gait.period``. It exists where its reward has a scale.

    Observation groups: ``policy`` (N, 215), ``privileged`` (N, 281), ``label`` (N, 5): base linear velocity in the
    base frame times 2, contact of left and right foot.
    """

    cfg: QminiCfg

    @property
    def foot_contacts(self) -> torch.Tensor:
        """The name by which older tasks know ``feet_contact``, bool, (N, 2)."""
        return self.feet_contact

    def _init_buffers(self) -> None:
        super()._init_buffers()
        self._clock = self._last_clock = torch.zeros(3, self.num_envs, device=self.device)
        self._lead_offset = torch.zeros(self.num_envs, device=self.device)
        self._steps_on_the_spot = torch.zeros_like(self.reset_buf)
        self._keeps_mean = bool(self.reward_scales.get("mean_velocity_error"))
        if self._keeps_mean:
            self.mean_velocity_error = torch.zeros(self.num_envs, 3, device=self.device)
        self._swing_duration = (1.0 - self.cfg.gait.stance_ratio) * self.cfg.gait.period
        hips = [i for i, name in enumerate(self.dof_names) if "hip_yaw" in name or "hip_roll" in name]
        self._hip_joints = torch.tensor(hips, device=self.device)
        self._update_clock()

    def _reset(self, mask: torch.Tensor) -> None:
        self._lead_offset = torch.where(mask, self._draw_leads() * self.cfg.gait.offset, self._lead_offset)
        self._steps_on_the_spot = torch.where(mask, self._draw_steppers(), self._steps_on_the_spot)
        self._clock, self._last_clock = self._clock.masked_fill(mask, 0.0), self._last_clock.masked_fill(mask, 0.0)
        if self._keeps_mean:
            self.mean_velocity_error = self.mean_velocity_error.masked_fill(mask.unsqueeze(1), 0.0)
        super()._reset(mask)

    def _draw_leads(self) -> torch.Tensor:
        """Draw whether the right leg leads, bool, (N,)."""
        return torch.rand(self.num_envs, device=self.device) < 0.5

    def _draw_steppers(self) -> torch.Tensor:
        """Draw which robots step on the spot when their command is zero, bool, (N,)."""
        return torch.rand(self.num_envs, device=self.device) < self.cfg.gait.stepping_share

    def post_physics_step(self) -> None:
        """Move the clock on, and do what a step does after physics."""
        # Moves on before rewards look at it: contacts are of the step's end, so must the clock be.
        self._last_clock = self._clock
        self._update_clock()
        if self._keeps_mean:
            change = self._velocity_error() - self.mean_velocity_error
            self.mean_velocity_error = self.mean_velocity_error + change * (self.dt / self.cfg.gait.period)
        super().post_physics_step()

    def _update_clock(self) -> None:
        """Move the clock one step on from where it was last, by the present command."""
        standing, gait = (self.commands[:, :3] == 0.0).all(dim=1), self.cfg.gait
        steps, phase, held = self._last_clock.unbind()
        steps, phase, rests = advance_clock(
            steps, phase, held > 0.5, standing, self._steps_on_the_spot, self.dt, gait.period
        )
        self._clock = torch.stack((steps, phase, rests.float()))
        self.gait_phase = phase
        self.clock_held = rests & ~self._steps_on_the_spot
        left = self.gait_phase + self._lead_offset
        self.leg_phases = torch.stack((left, left + gait.offset), dim=1) % 1.0
        self.feet_stance = (self.leg_phases < gait.stance_ratio) | self.clock_held.unsqueeze(1)

    def compute_observations(self) -> None:
        """Compute the observation with the clock that goes with the observed command."""
        # Commands may have changed since the rewards: the observed clock must go with the observed command.
        self._update_clock()
        super().compute_observations()

    def _update_derived(self) -> None:
        super()._update_derived()
        if self.cfg.rewards.heights_above_mean:
            self.base_height = self.root_states[:, 2] - self.measured_heights.mean(dim=1)

    def _update_feet(self) -> None:
        super()._update_feet()
        self._update_attitudes()

    def _update_attitudes(self) -> None:
        """Update the feet's height above the ground, m, (N, 2), and roll and pitch of feet, (N, 2), and base, (N,)."""
        self.feet_states = self.rigid_body_states[:, self.feet_indices]
        above_mean = self.cfg.rewards.heights_above_mean
        ground = self.measured_heights.mean(1, True) if above_mean else self.ground.height_at(self.feet_states)
        self.feet_height = self.feet_states[..., 2] - ground
        # All in one call: it is the number of calls that takes time.
        quats = torch.cat((self.feet_states[..., 3:7], self.root_states[:, None, 3:7]), dim=1)
        roll, pitch, _ = get_euler_xyz(quats)
        self.feet_roll, self.base_roll = roll[:, :-1], roll[:, -1]
        self.feet_pitch, self.base_pitch = pitch[:, :-1], pitch[:, -1]

    def _observation_terms(self) -> list[ObsTerm]:
        """Declare the 43 components of a step; the on-robot controller builds the same ones."""
        return [*self._measured_terms(), ObsTerm("gait_clock", self._clock_signal, mirror="feet")]

    def _clock_signal(self) -> torch.Tensor:
        """Return sine of both leg phases, then cosine of both, (N, 4)."""
        angle = 2.0 * math.pi * self.leg_phases
        return torch.cat((angle.sin(), angle.cos()), dim=1)

    # --- rewards -------------------------------------------------------------------------------------------------

    def _reward_stand_still(self) -> torch.Tensor:
        """Sum up the deviation of all joints from their defaults while the clock is held, rad."""
        return (self.dof_pos - self.default_dof_pos).abs().sum(1) * self.clock_held

    def _reward_tracking_lin_vel_x(self) -> torch.Tensor:
        """exp(-e_vx² / sigma)."""
        error = self.commands[:, 0] - self.base_lin_vel[:, 0]
        return torch.exp(-error.square() / self.cfg.rewards.lin_vel_sigma)

    def _reward_tracking_lin_vel_x_fine(self) -> torch.Tensor:
        """exp(-e_vx² / fine sigma)."""
        error = self.commands[:, 0] - self.base_lin_vel[:, 0]
        return torch.exp(-error.square() / self.cfg.rewards.lin_vel_sigma_fine)

    def _reward_tracking_lin_vel_y(self) -> torch.Tensor:
        """exp(-e_vy² / sigma) with a tolerance for the sway that walking needs."""
        error = (self.commands[:, 1] - self.base_lin_vel[:, 1]).abs() - self.cfg.rewards.lin_vel_y_tolerance
        return torch.exp(-error.clamp(min=0.0).square() / self.cfg.rewards.lin_vel_sigma)

    def _reward_tracking_ang_vel(self) -> torch.Tensor:
        """exp(-e_wz² / sigma)."""
        error = self.commands[:, 2] - self.base_ang_vel[:, 2]
        return torch.exp(-error.square() / self.cfg.rewards.ang_vel_sigma)

    def _reward_tracking_ang_vel_fine(self) -> torch.Tensor:
        """exp(-e_wz² / fine sigma)."""
        error = self.commands[:, 2] - self.base_ang_vel[:, 2]
        return torch.exp(-error.square() / self.cfg.rewards.ang_vel_sigma_fine)

    def _reward_alive(self) -> torch.Tensor:
        """1."""
        return torch.ones_like(self.rew_buf)

    def _reward_gait_match(self) -> torch.Tensor:
        """Share of feet whose contact agrees with the clock."""
        return (self.feet_contact == self.feet_stance).float().mean(1)

    def _reward_gait_feet_air_time(self) -> torch.Tensor:
        """On touch-down, the swing's length, s, up to ``air_time_cap`` swings of the clock."""
        longest = self.cfg.rewards.air_time_cap * self._swing_duration
        return (self.swing_time.clamp(max=longest) * self.feet_touchdown).sum(1)

    def _reward_gait_feet_swing_height(self) -> torch.Tensor:
        """Squared deviation of the feet that the clock wants in swing from ``swing_height``, m²."""
        wanted = self.cfg.rewards.foot_height + self.cfg.rewards.swing_height
        return ((self.feet_height - wanted).square() * ~self.feet_stance).sum(1)

    def _reward_gait_feet_swing_profile(self) -> torch.Tensor:
        """Squared deviation of the feet that the clock wants in swing from half a sine of ``swing_height``, m²."""
        ratio = self.cfg.gait.stance_ratio
        progress = ((self.leg_phases - ratio) / (1.0 - ratio)).clamp(min=0.0)
        wanted = self.cfg.rewards.foot_height + self.cfg.rewards.swing_height * (math.pi * progress).sin()
        return ((self.feet_height - wanted).square() * ~self.feet_stance).sum(1)

    def _reward_contact_no_vel(self) -> torch.Tensor:
        """Squared velocity of feet in contact, (m/s)²."""
        return (self.feet_states[..., 7:10].square().sum(-1) * self.feet_contact).sum(1)

    def _reward_feet_orientation(self) -> torch.Tensor:
        """roll² + pitch² of each foot, rad²."""
        return (self.feet_roll.square() + self.feet_pitch.square()).sum(1)

    def _reward_base_orientation(self) -> torch.Tensor:
        """roll² + (pitch - ``base_pitch_target``)², rad²."""
        return self.base_roll.square() + (self.base_pitch - self.cfg.rewards.base_pitch_target).square()

    def _reward_base_pitch(self) -> torch.Tensor:
        """Squared deviation of the pitch from ``base_pitch_target``, rad²."""
        return (self.base_pitch - self.cfg.rewards.base_pitch_target).square()

    def _reward_lin_vel_y_error(self) -> torch.Tensor:
        """Squared error of the lateral velocity, sway included, (m/s)²."""
        return (self.commands[:, 1] - self.base_lin_vel[:, 1]).square()

    def _reward_mean_velocity_error(self) -> torch.Tensor:
        """Size of the lasting velocity error: |vx| + |vy|, m/s, and half of the yaw rate's, rad/s."""
        error = self.mean_velocity_error.abs()
        return error[:, 0] + error[:, 1] + 0.5 * error[:, 2]

    def _reward_power(self) -> torch.Tensor:
        """Sum of the size of the joints' mechanical power, W."""
        return (self.torques * self.dof_vel).abs().sum(1)

    def _reward_stand_motion(self) -> torch.Tensor:
        """Sum of the squared joint velocities while the clock is held, (rad/s)²."""
        return self.dof_vel.square().sum(1) * self.clock_held

    def _reward_hip_close_to_default(self) -> torch.Tensor:
        """Squared deviation of the hip yaw and roll joints, rad²."""
        return (self.dof_pos - self.default_dof_pos)[:, self._hip_joints].square().sum(1)

    def _reward_action(self) -> torch.Tensor:
        """Sum of |action|."""
        return self.actions.abs().sum(1)
