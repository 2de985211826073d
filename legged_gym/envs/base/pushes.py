"""Pushes against the base, at each robot's own times."""

from __future__ import annotations

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg


class Pushes:
    """Decides in each step which robots are pushed, and how hard."""

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, dt: float, device: str) -> None:
        """Draw each robot's time in the interval; ``dt`` is the control step, s. Pushes given twice are refused."""
        rand = cfg.domain_rand
        self._interval = max(1, round(rand.push_interval_s / dt))
        self._together, self._steps = rand.push_together, torch.zeros((), dtype=torch.long, device=device)
        self._moment = torch.randint(0, self._interval, (num_envs,), device=device)
        strongest = [rand.max_push_vel_x, rand.max_push_vel_y]
        if rand.max_push_vel_xy > 0.0:
            if any(strongest):
                key, value = "domain_rand.max_push_vel_xy", rand.max_push_vel_xy
                raise ConfigError(f"config key '{key}' is {value:g} beside max_push_vel_x or _y: give either")
            strongest = [rand.max_push_vel_xy] * 2
        self._strongest = torch.tensor(strongest, device=device)
        self.by_setting = {f"max_push_vel_{axis}": self._strongest[i] for i, axis in enumerate("xy")}
        """Velocities of the strongest pushes, m/s, 0-d, by their settings. A training may change them in place."""

    def due(self, episode_length: torch.Tensor) -> torch.Tensor:
        """Return which robots are pushed after this many steps, (N,) → bool, (N,)."""
        if not self._together:
            return (episode_length + self._moment) % self._interval == 0
        self._steps += 1
        return (self._steps % self._interval == 0).expand(len(episode_length))

    def push(self, velocity: torch.Tensor) -> torch.Tensor:
        """Return base velocities, (N, 6), changed by random horizontal pushes, world frame."""
        pushed = velocity.clone()
        pushed[:, :2] += (2.0 * torch.rand_like(pushed[:, :2]) - 1.0) * self._strongest
        return pushed
