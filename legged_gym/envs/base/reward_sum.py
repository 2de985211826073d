"""From scales in a configuration to the sum of a task's reward terms."""

from __future__ import annotations

import torch

from legged_gym.common.errors import near_names
from legged_gym.envs.base.base_config import ConfigError


class RewardSum:
    """Calls the methods ``_reward_<name>`` of a task that have a scale, and adds them up."""

    def __init__(self, task: object, scales: dict[str, float], dt: float, device: str, only_positive: bool) -> None:
        """Find the methods.

        Args:
            task: Has the methods; each returns (N,).
            scales: By name; terms with scale 0 are not even computed.
            dt: Control step, s: scales are rates per second.
            device: Where the tensors live.
            only_positive: Clip the sum, without ``termination``, at zero.

        Raises:
            ConfigError: A scale without a method; the message lists near names.
        """
        terms = {name.removeprefix("_reward_") for name in dir(task) if name.startswith("_reward_")}
        for name in scales:
            if name not in terms:
                raise ConfigError(f"config key 'rewards.scales.{name}' has no reward: {near_names(name, terms)}")
        # The price of a fall comes last, after the clipping, or it would vanish in it.
        self.names = sorted((n for n, scale in scales.items() if scale != 0.0), key=lambda name: name == "termination")
        self._num_clippable = len(self.names) - ("termination" in self.names)
        self._functions = [getattr(task, f"_reward_{name}") for name in self.names]
        self._scales = torch.tensor([scales[name] for name in self.names], device=device)
        self._dt, self._only_positive = dt, only_positive

    def compute(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the step's reward, (N,), and every scaled term per second, (N, number of names)."""
        if not self._functions:
            raise ConfigError("config key 'rewards.scales': every scale is 0, there is nothing to learn")
        rates = torch.stack([function() for function in self._functions], dim=1) * self._scales
        total = rates[:, : self._num_clippable].sum(1)
        if self._only_positive:
            total = total.clamp(min=0.0)
        return (total + rates[:, self._num_clippable :].sum(1)) * self._dt, rates
