"""Wires and sensors whose delays are never the same, and that lose things."""

from __future__ import annotations

import math

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg


class Latency:
    """The settings of ``latency``, and ``values``, what each robot drew: (N,), by their names without ``_range``.

    :class:`~legged_gym.envs.base.sections_config.LatencySettings` says what they mean.
    """

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, num_dof: int, dt: float, device: str) -> None:
        """Draw what each robot keeps for good; ``ConfigError`` names a range that can't be."""
        self._dt, self._settings = dt, cfg.to_dict()["latency"]
        self._check(cfg)
        self.has_imu = self._on("imu_rate") or self._on("imu_age")
        """Whether the IMU is late on its own."""
        self.on_actions = self._on("action_jitter") or self._on("action_loss")
        self.on_observations = self.has_imu or self._on("observation_jitter") or self._on("observation_loss")
        """Whether actions, or sensors, are late or lost beyond their constant delay."""
        values = {}
        for name, (low, high) in self._settings.items():
            drawn = torch.rand(num_envs, device=device) if high > 0.0 else torch.zeros(num_envs, device=device)
            values[name.removesuffix("_range")] = low + (high - low) * drawn
        self.values = values
        self._imu_phase = torch.rand(num_envs, device=device) if self.has_imu else torch.zeros(num_envs, device=device)
        self._held = torch.zeros(num_envs, num_dof, device=device)

    def _check(self, cfg: LeggedRobotCfg) -> None:
        latest = cfg.domain_rand.action_delay_range[1] + self._settings["action_jitter_range"][1]
        if latest > self._dt + 1e-9:
            raise ConfigError(
                f"config key 'latency.action_jitter_range' makes actions come {latest:g} s late: "
                f"with domain_rand.action_delay_range that must be at most a control step, {self._dt:g} s"
            )
        low, high = self._settings["imu_rate_range"]
        if high > 0.0 and low <= 0.0:
            raise ConfigError(f"config key 'latency.imu_rate_range' must be above 0 Hz or [0, 0], got {[low, high]}")

    def _on(self, name: str) -> bool:
        return bool(self._settings[f"{name}_range"][1] > 0.0)

    def longest_age(self, delay: float) -> int:
        """Return how many control steps old a sensor's value can be, at least 1, where the delay is up to so much."""
        settings = self._settings
        age = delay + settings["observation_jitter_range"][1]
        age += self._dt if self._on("observation_loss") else 0.0
        imu = settings["imu_age_range"][1] + (1.0 / settings["imu_rate_range"][0] if self._on("imu_rate") else 0.0)
        return max(1, math.ceil((age + imu) / self._dt - 1e-6))

    def send(self, actions: torch.Tensor, delay: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Send a step's actions, (N, D), over wires with a constant delay, s, (N,).

        Returns:
            What the motors follow until the actions come, (N, D), and then, (N, D), and when that is, s, (N,).
        """
        late = delay + torch.rand_like(delay) * self.values["action_jitter"]
        before = self._held.clone()
        lost = torch.rand_like(delay) < self.values["action_loss"]
        then = torch.where(lost.unsqueeze(1), before, actions)
        self._held.copy_(then)
        return before, then, late

    def ages(self, delay: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how old a step's sensor values, late by ``delay``, are, and how much older the IMU's, s, all (N,)."""
        values = self.values
        if self._on("observation_jitter"):
            delay = delay + torch.rand_like(delay) * values["observation_jitter"]
        if self._on("observation_loss"):
            delay = delay + self._dt * (torch.rand_like(delay) < values["observation_loss"])
        imu = values["imu_age"]
        if self._on("imu_rate"):
            self._imu_phase.copy_((self._imu_phase + self._dt * values["imu_rate"]) % 1.0)
            imu = imu + self._imu_phase / values["imu_rate"]
        return delay, imu

    def reset(self, mask: torch.Tensor) -> None:
        """Forget what was sent to the robots in ``mask``, bool, (N,)."""
        self._held.masked_fill_(mask.unsqueeze(1), 0.0)

    def privileged(self) -> list[torch.Tensor]:
        """Return what the critic is told of the settings that are on, each (N, 1)."""
        scales = {"imu_rate": 0.01, "action_loss": 1.0, "observation_loss": 1.0}
        return [scales.get(name, 50.0) * value.unsqueeze(1) for name, value in self.values.items() if self._on(name)]
