"""Training loops, their configuration, run folders and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.runners import checkpoint, config, distributed, runs
    from legged_gym.runners.config import rsl_rl_config
    from legged_gym.runners.distillation_runner import DistillationRunner
    from legged_gym.runners.on_policy_runner import OnPolicyRunner
    from legged_gym.runners.on_policy_runner_ee import EstimatorPolicy, OnPolicyRunnerEE

_HOMES = {
    "DistillationRunner": "legged_gym.runners.distillation_runner",
    "EstimatorPolicy": "legged_gym.runners.on_policy_runner_ee",
    "OnPolicyRunner": "legged_gym.runners.on_policy_runner",
    "OnPolicyRunnerEE": "legged_gym.runners.on_policy_runner_ee",
    "rsl_rl_config": "legged_gym.runners.config",
}

__getattr__ = lazy_attributes(__name__, _HOMES)

__all__ = [*_HOMES]
