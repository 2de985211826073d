"""The policy's normal distribution, sampled without waiting for the device to check the deviations."""

from __future__ import annotations

import torch
from rsl_rl.modules.distribution import GaussianDistribution


class Gaussian(GaussianDistribution):
    """rsl_rl's distribution, but without ``torch.normal``, which checks the deviations first."""

    def sample(self) -> torch.Tensor:
        """Draw actions, (N, A)."""
        with torch.no_grad():
            return torch.addcmul(self.mean, self.std, torch.randn_like(self.mean))
