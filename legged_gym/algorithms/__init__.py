"""Learning algorithms."""

from __future__ import annotations

from legged_gym.algorithms.estimator_ppo import EstimatorCfg, EstimatorPPO

__all__ = ["EstimatorCfg", "EstimatorPPO"]
