"""A run with a tiny policy and its exported files, for tests of what finds, loads and evaluates policies."""

from __future__ import annotations

from pathlib import Path

import torch
from qmini_training import make_env, make_runner, train_config

from legged_gym.policies.export import export_policy
from legged_gym.runners.runs import save_run_config

RUN = "2026-01-01_00-00-00"


def make_policy(root: Path, export: bool = True) -> Path:
    """Write a run, ``root/qmini/RUN``, with ``model_0.pt`` and a folder ``exported``; return the run's folder."""
    torch.manual_seed(3)
    env = make_env(num_envs=2, control__action_scale=0.2, gait__period=0.6)
    runner = make_runner(env)
    folder = root / "qmini" / RUN
    folder.mkdir(parents=True)
    save_run_config(str(folder), "qmini", env.cfg, train_config(), "mujoco")
    runner.logger.completed_iterations = 1
    runner.save(str(folder / "model_0.pt"))
    if export:
        export_policy(runner, env, folder / "exported", steps=2)
    env.close()
    return folder
