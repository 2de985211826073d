"""Ends and starts of a legged robot's episodes: falls, start states, new commands, curricula."""

from __future__ import annotations

import math

import torch

from legged_gym.envs.base.base_task import BaseTask
from legged_gym.envs.base.given import robots_of, tensor_of
from legged_gym.envs.base.hooks import takes_mask


class LeggedRobotEpisodes(BaseTask):
    """The episodes of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`.

    Hooks take robots as ``env_ids``: indices, (n,), or a mask, bool, (N,). An overridden hook gets indices, unless it
    is marked with :func:`~legged_gym.envs.base.hooks.takes_mask`.
    """

    _looked: bool

    def check_termination(self) -> None:
        """Set ``reset_buf``, the episodes that end, and ``time_out_buf``, those that end only by a time-out."""
        forces = self.contact_magnitudes[:, self.termination_contact_indices]
        fallen = (forces > self.cfg.rewards.contact_force_threshold).any(dim=1)
        if self.cfg.asset.terminate_past_tilt > 0.0:
            fallen |= -self.projected_gravity[:, 2] < math.cos(math.radians(self.cfg.asset.terminate_past_tilt))
        over = self.episode_length_buf >= self.max_episode_length
        if self.ground.has_terrain:
            # There is no ground beyond the terrain's edge.
            over |= self.ground.is_off(self.root_states)
        self.time_out_buf = over & ~fallen
        self.reset_buf = fallen | self.time_out_buf

    def _end_diverged(self) -> None:
        """End the episodes of robots that diverged, in any case."""
        if self._looked:
            return
        self._looked, self.diverged = True, self.sim.diverged > 0
        ended, over = (
            tensor_of(f"check_termination: self.{name}", getattr(self, name), (self.num_envs,)).bool()
            for name in ("reset_buf", "time_out_buf")
        )
        self.reset_buf, self.time_out_buf = ended | self.diverged, over & ~self.diverged
        self.divergence.note(self.reset_buf, self.sim.diverged)

    @takes_mask
    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start new episodes of the robots ``env_ids``. Observations are updated in the next step."""
        env_ids = robots_of(env_ids, self.num_envs, self.device)
        if len(env_ids) == 0:
            return
        mask = self._mask(env_ids)
        if self._in_step and self.ground.has_curriculum:
            self._call("_update_terrain_curriculum", mask)
        if self._in_step and self.cfg.commands.curriculum:
            self._update_command_curriculum(mask & ~self.diverged)
        if "reset_idx" in self._overridden:
            # What diverged has earned nothing, which says nothing.
            sound = mask & ~self.diverged if bool((mask & ~self.diverged).any()) else mask
            means = {name: sums[sound].mean() / self.max_episode_length_s for name, sums in self.episode_sums.items()}
            self.extras["episode"] = {f"rew_{name}": mean for name, mean in means.items()}
        self._reset(mask)

    def _begin_episodes(self) -> None:
        self._call("reset_idx", self.reset_buf)
        if "reset_idx" in self._overridden:
            # It may have changed states, or have done these parts itself.
            self._fresh |= self.reset_buf
            self.sim.set_state(self.reset_buf, self.root_states.clone(), self.dof_pos.clone(), self.dof_vel.clone())
            self._update_derived()

    def _reset(self, mask: torch.Tensor) -> None:
        """Start episodes of the robots in ``mask``, bool, (N,)."""
        self.rand.redraw_motors(mask)
        self._update_gains()
        if self._network is not None:
            self._network.reset(mask)
        self._place(mask)
        rows = mask.unsqueeze(1)
        self._start_positions = torch.where(rows, self.root_states[:, :2], self._start_positions)
        zeroed = ("_asked", "actions", "last_actions", "last_last_actions", "feet_air_time", self._air_timer)
        for name in dict.fromkeys(zeroed):
            setattr(self, name, torch.where(rows, 0.0, getattr(self, name)))
        self._last_touching = self._last_touching & ~rows
        self._has_touched = self._has_touched & ~rows
        self._reward_totals.masked_fill_(rows, 0.0)
        self.episode_length_buf.masked_fill_(mask, 0)
        self._fresh |= mask
        self._call("_resample_commands", mask)
        self._commands.turn(self.root_states[:, 3:7])
        self._update_derived()
        self.feet_contact = torch.where(rows, self._feet_touching(), self.feet_contact)

    def _place(self, mask: torch.Tensor) -> None:
        if not self._overridden & {"_reset_dofs", "_reset_root_states"}:
            self.sim.set_state(mask, *self._start_states.draw())
            return
        self._call("_reset_dofs", mask)
        self._call("_reset_root_states", mask)
        self.sim.set_state(mask, self.root_states.clone(), self.dof_pos.clone(), self.dof_vel.clone())

    @takes_mask
    def _reset_dofs(self, env_ids: torch.Tensor) -> None:
        """Write start angles and velocities to ``dof_pos`` and ``dof_vel``, from which the simulator takes them."""
        rows = self._mask(env_ids).unsqueeze(1)
        _, dof_pos, dof_vel = self._start_states.draw()
        self.dof_pos.copy_(torch.where(rows, dof_pos, self.dof_pos))
        self.dof_vel.copy_(torch.where(rows, dof_vel, self.dof_vel))

    @takes_mask
    def _reset_root_states(self, env_ids: torch.Tensor) -> None:
        """Write start states of the base to ``root_states``, from which the simulator takes them."""
        rows = self._mask(env_ids).unsqueeze(1)
        self.root_states.copy_(torch.where(rows, self._start_states.draw()[0], self.root_states))

    @takes_mask
    def _resample_commands(self, env_ids: torch.Tensor) -> None:
        """Draw new commands, within ``command_ranges``."""
        self._commands.resample(self._mask(env_ids))

    @takes_mask
    def _update_terrain_curriculum(self, env_ids: torch.Tensor) -> None:
        """Move robots whose episode ended to harder or easier ground."""
        distance = (self.root_states[:, :2] - self._start_positions).norm(dim=1)
        wanted = self._asked[:, :2].norm(dim=1)
        # A fall counts as a whole episode with these commands.
        left = (self.max_episode_length - self.episode_length_buf).clamp(min=0) * self.dt
        wanted = wanted + self.commands[:, :2].norm(dim=1) * left * ~self.time_out_buf
        # The state of a diverged robot was replaced, so it means nothing.
        self.ground.update_curriculum(self._mask(env_ids) & ~self.diverged, distance, wanted)

    def _ask_for_ground(self) -> None:
        """Update ``_asked``: x and y, m, and heading, rad, that exact tracking of commands would reach."""
        if self.ground.has_curriculum:
            heading = self._asked[:, 2]
            cos, sin = heading.cos(), heading.sin()
            forward, left, turn = self.commands[:, :3].unbind(1)
            velocity = (cos * forward - sin * left, sin * forward + cos * left, turn)
            self._asked = self._asked + self.dt * torch.stack(velocity, dim=1)

    def _update_command_curriculum(self, mask: torch.Tensor) -> None:
        """Call the hook with the robots whose episode ended, once in each maximum episode length."""
        hook, length = "update_command_curriculum", self.max_episode_length
        if hook not in self._overridden:
            # A CUDA graph can only read a counter on the device.
            self.update_command_curriculum(mask & (self._device_steps % length == 0))
        elif self.common_step_counter % length == 0:
            self._call(hook, mask)

    @takes_mask
    def update_command_curriculum(self, env_ids: torch.Tensor) -> None:
        """Widen the range of forward velocities if the ended episodes got 80 % of ``tracking_lin_vel``."""
        mask = self._mask(env_ids)
        mean = (self.episode_sums["tracking_lin_vel"] * mask).sum() / mask.sum().clamp(min=1) / self.max_episode_length
        self._commands.widen(mean > 0.8 * self.reward_scales["tracking_lin_vel"])

    # --- feet ------------------------------------------------------------------------------------------------------

    def _update_feet(self) -> None:
        self.contact_magnitudes = self.contact_forces.norm(dim=-1)
        touching = self._feet_touching()
        self.feet_contact = touching | self._last_touching
        if not self._keeps_contacts:
            # A copy, because a CUDA graph overwrites the other one.
            self.last_contacts = self._last_touching.clone()
        self._last_touching = touching
        air_time = getattr(self, self._air_timer)
        self.feet_touchdown = (air_time > 0.0) & self.feet_contact
        self.swing_time = air_time + self.dt
        # The drop at an episode's start is not a swing.
        self._has_touched = self._has_touched | self.feet_contact
        setattr(self, self._air_timer, torch.where(self.feet_contact | ~self._has_touched, 0.0, self.swing_time))

    def _feet_touching(self) -> torch.Tensor:
        """Return which feet are in contact now, bool, (N, F)."""
        forces = self.contact_forces[:, self.feet_indices].norm(dim=-1)
        return forces > self.cfg.rewards.foot_contact_force
