"""What a legged robot observes: the policy's noisy, late history, and what only the critic sees."""

from __future__ import annotations

import torch
from tensordict import TensorDict

from legged_gym.envs.base.domain_rand import DomainRand
from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.observations import ObservationLayout, ObsTerm


class LeggedRobotObservations:
    """The observations of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`, which provides what is read here."""

    cfg: LeggedRobotCfg
    dt: float
    device: str
    num_envs: int
    rand: DomainRand
    ground: Ground
    root_states: torch.Tensor
    base_lin_vel: torch.Tensor
    base_ang_vel: torch.Tensor
    projected_gravity: torch.Tensor
    commands: torch.Tensor
    dof_vel: torch.Tensor
    measured_dof_pos: torch.Tensor
    default_dof_pos: torch.Tensor
    actions: torch.Tensor
    obs_buf: torch.Tensor
    obs_layout: ObservationLayout
    _fresh: torch.Tensor
    _observations: TensorDict
    _history: torch.Tensor
    _past_clean: torch.Tensor

    def _prepare_observations(self) -> None:
        """Lay out the terms, which are evaluated once for that, and start with an empty history."""
        noise_level = self.cfg.noise.noise_level
        self.obs_layout = ObservationLayout(self._observation_terms(), self.device, noise_level)
        self.history_length = self.cfg.env.history_length
        self._history = torch.zeros(self.num_envs, self.history_length, self.obs_layout.size, device=self.device)
        longest = self.rand.latency.longest_age(max(self.cfg.domain_rand.observation_delay_range))
        self._past_clean = torch.zeros(self.num_envs, longest, self.obs_layout.size, device=self.device)

    def _compute_observations(self) -> None:
        """Observe all robots; the history of those that were reset since the last time is filled with this step."""
        clip = self.cfg.normalization.clip_observations
        clean = self.obs_layout.compute().clamp(-clip, clip)
        sensed = self._delay(clean) if self.rand.delays_observations else clean
        noisy = self.obs_layout.add_noise(sensed) if self.cfg.noise.add_noise else sensed
        current = noisy.clamp(-clip, clip).unsqueeze(1)
        shifted = torch.cat((current, self._history[:, :-1]), dim=1)
        self._history = torch.where(self._fresh[:, None, None], current, shifted)
        self._fresh.zero_()
        self.obs_buf = self._history.flatten(1)
        self._observations = TensorDict(self._observation_groups(clean), batch_size=[self.num_envs])

    def _delay(self, clean: torch.Tensor) -> torch.Tensor:
        """Return a step's observation, (N, O), as late sensors give it; a new episode has nothing older to show."""
        present = clean.unsqueeze(1)
        past = torch.where(self._fresh[:, None, None], present, self._past_clean)
        self._past_clean = torch.cat((present, past[:, :-1]), dim=1)
        latency, delay = self.rand.latency, self.rand.observation_delay
        if not latency.on_observations:
            return self.obs_layout.delay(clean, past, delay / self.dt)
        delay, imu = latency.ages(delay)
        return self.obs_layout.delay(clean, past, delay / self.dt, imu / self.dt)

    def _joint_deviation(self) -> torch.Tensor:
        return self.measured_dof_pos - self.default_dof_pos

    def _observation_groups(self, clean: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the observation groups by name; ``clean`` is the noise-free step, (N, O).

        All of them are new tensors: a runner stores an observation after the next step.
        """
        return {"policy": self.obs_buf, "privileged": torch.cat((clean, self._privileged()), dim=1)}

    def _privileged(self) -> torch.Tensor:
        """Return what the critic knows beside the noise-free step, (N, P)."""
        parts = [self.base_lin_vel * self.cfg.normalization.obs_scales.lin_vel, self.rand.privileged()]
        if self.cfg.terrain.measure_heights:
            offset = self.root_states[:, 2:3] - self.cfg.terrain.height_offset
            self.measured_heights = self.ground.heights_around(self.root_states)
            heights = (offset - self.measured_heights).clamp_(-1.0, 1.0)
            parts.append(heights.mul_(self.cfg.normalization.obs_scales.height_measurements))
        joints, robots = self.rand.further_privileged()
        return torch.cat([*parts, *joints, *robots], dim=1)

    def _observation_terms(self) -> list[ObsTerm]:
        """Declare one step of the policy's observation, in order."""
        scales, noise = self.cfg.normalization.obs_scales, self.cfg.noise.noise_scales
        command_scales = [scales.lin_vel, scales.lin_vel, scales.ang_vel]
        return [
            ObsTerm("base_lin_vel", lambda: self.base_lin_vel, scales.lin_vel, noise.lin_vel),
            ObsTerm("base_ang_vel", lambda: self.base_ang_vel, scales.ang_vel, noise.ang_vel, sensed=True, imu=True),
            ObsTerm("projected_gravity", lambda: self.projected_gravity, 1.0, noise.gravity, sensed=True, imu=True),
            ObsTerm("commands", lambda: self.commands, command_scales),
            ObsTerm("dof_pos", self._joint_deviation, scales.dof_pos, noise.dof_pos, sensed=True),
            ObsTerm("dof_vel", lambda: self.dof_vel, scales.dof_vel, noise.dof_vel, sensed=True),
            ObsTerm("actions", lambda: self.actions),
        ]
