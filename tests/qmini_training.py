"""Qmini, its nets and its runner in a size for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from legged_gym.common.labels import Label, LabelLayout
from legged_gym.envs import QminiCfgPPO, task_registry
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.envs.qmini.qmini_config import QminiCfg
from legged_gym.runners import OnPolicyRunnerEE, rsl_rl_config

NUM_STEPS = 24

QMINI_LABELS = LabelLayout(
    [
        Label("base_lin_vel", "velocity", ("x", "y", "z"), 2.0, "m/s"),
        Label("foot_contact", "contact", ("ankle_pitch_l", "ankle_pitch_r")),
    ]
)
"""What Qmini's estimator says."""

# With nets this small, threads only wait for each other.
torch.set_num_threads(1)


def env_config(num_envs: int = 8, **changes: Any) -> QminiCfg:
    """Return Qmini's configuration for a few robots on a plane; changes are ``section__name=value``."""
    cfg = task_registry.get_cfgs("qmini")[0]
    cfg.env.num_envs = num_envs
    cfg.terrain.mesh_type = "plane"
    for name, value in changes.items():
        cfg.set(name.replace("__", "."), value)
    return cfg


def make_env(num_envs: int = 8, task: type[Qmini] = Qmini, **changes: Any) -> Qmini:
    return task(env_config(num_envs, **changes))


def train_config(small: bool = True, **changes: Any) -> QminiCfgPPO:
    """Return Qmini's training configuration, by default with nets that learn nothing but do it quickly."""
    cfg = task_registry.get_cfgs("qmini")[1]
    if small:
        cfg.policy.actor_hidden_dims = cfg.policy.critic_hidden_dims = [16, 16]
        cfg.estimator.hidden_dims = [16]
        cfg.estimator.batch_size = 64
        cfg.algorithm.num_learning_epochs = 2
        cfg.runner.denoising_iterations = 0
    for name, value in changes.items():
        cfg.set(name.replace("__", "."), value)
    return cfg


def make_runner(env: Qmini, log_dir: Path | None = None, small: bool = True, **changes: Any) -> OnPolicyRunnerEE:
    folder = None if log_dir is None else str(log_dir)
    return OnPolicyRunnerEE(env, rsl_rl_config(train_config(small, **changes)), folder, "cpu")
