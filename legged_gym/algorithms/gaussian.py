"""The policy's normal distribution, drawn from without asking the device whether its deviations are valid."""

from __future__ import annotations

import torch
from rsl_rl.modules.distribution import GaussianDistribution


class Gaussian(GaussianDistribution):
    """rsl_rl's distribution. ``torch.normal``, which that one draws with, looks at the deviations first."""

    def sample(self) -> torch.Tensor:
        """Draw actions, (N, A)."""
        with torch.no_grad():
            return torch.addcmul(self.mean, self.std, torch.randn_like(self.mean))
