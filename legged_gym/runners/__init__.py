"""Training loops and their configuration and checkpoints."""

from __future__ import annotations

from legged_gym.runners.config import rsl_rl_config
from legged_gym.runners.on_policy_runner import OnPolicyRunner
from legged_gym.runners.on_policy_runner_ee import EstimatorPolicy, OnPolicyRunnerEE

__all__ = ["EstimatorPolicy", "OnPolicyRunner", "OnPolicyRunnerEE", "rsl_rl_config"]
