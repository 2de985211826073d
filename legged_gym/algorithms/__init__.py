"""Learning algorithms."""

from __future__ import annotations

from legged_gym.algorithms.estimator_ppo import EstimatorPPO

__all__ = ["EstimatorPPO"]
