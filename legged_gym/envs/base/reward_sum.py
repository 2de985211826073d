"""Sums a task's reward terms, with the scales of its configuration."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING

import torch

from legged_gym.common.errors import near_names
from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.given import tensor_of

if TYPE_CHECKING:
    from legged_gym.envs.base.base_task import BaseTask


class RewardSum:
    """Calls the methods ``_reward_<name>`` of a task that have a scale, and adds them up."""

    def __init__(self, task: BaseTask, scales: dict[str, float], dt: float, only_positive: bool) -> None:
        """Find the method of each scale, a rate per second, or refuse it. Terms with scale 0 are not computed."""
        terms = {name.removeprefix("_reward_") for name in dir(task) if name.startswith("_reward_")}
        for name in scales:
            if name in terms and not callable(getattr(task, f"_reward_{name}")):
                raise ConfigError(f"_reward_{name} is no method: a reward is computed in every step")
            if name not in terms:
                raise ConfigError(f"config key 'rewards.scales.{name}' has no reward: {near_names(name, terms)}")
        # The penalty of a fall comes last, after clipping, which would remove it.
        self.names = sorted((n for n, scale in scales.items() if scale != 0.0), key=lambda name: name == "termination")
        self._num_clippable = len(self.names) - ("termination" in self.names)
        functions = [getattr(task, f"_reward_{name}") for name in self.names]
        self.functions, self._last = functions[: self._num_clippable], functions[self._num_clippable :]
        self.given = {name: scales[name] * dt for name in self.names}
        """Scales of a step, by name, at the last update: legged_gym's ``reward_scales``."""
        self._scales = torch.tensor([scales[name] for name in self.names], device=task.device)
        self._dt, self._only_positive, self._num_envs = dt, only_positive, task.num_envs

    def take_scales(self, scales: dict[str, float]) -> None:
        """Apply changes in a copy of ``given``. A missing name has scale 0."""
        if scales != self.given:
            self.given = dict(scales)
            for name, scale in scales.items():
                if name not in self.names or not (isinstance(scale, Real) and math.isfinite(scale)):
                    rewards = ", ".join(self.names)
                    raise ConfigError(f"self.reward_scales['{name}'] is {scale!r}: finite numbers for {rewards}")
            rates = [scales.get(name, 0.0) / self._dt for name in self.names]
            self._scales.copy_(torch.tensor(rates))

    def compute(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the step's reward, (N,), and every scaled term per second, (N, number of names)."""
        if not self.names:
            raise ConfigError("config key 'rewards.scales': every scale is 0, so there is nothing to learn")
        terms = [self._evaluate(*term) for term in zip(self.names, self.functions + self._last, strict=True)]
        rates = torch.stack(terms, dim=1) * self._scales
        total = rates[:, : self._num_clippable].sum(1)
        if self._only_positive:
            total = total.clamp(min=0.0)
        return (total + rates[:, self._num_clippable :].sum(1)) * self._dt, rates

    def _evaluate(self, name: str, function: Callable[[], torch.Tensor | float]) -> torch.Tensor:
        """Return a term, (N,)."""
        value = function()
        if isinstance(value, Real):
            return torch.full((self._num_envs,), float(value), device=self._scales.device)
        # Integers and booleans also count as numbers.
        return tensor_of(f"_reward_{name}: its result", value, (self._num_envs,), ()).float().expand(self._num_envs)
