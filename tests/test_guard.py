"""Figures of both tasks that stay as they are while the code around them moves.

``python tests/test_guard.py`` writes them anew, after a change of behaviour that is wanted.
"""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from legged_gym.envs import task_registry

_FILE = Path(__file__).parent / "data" / "guard.json"
_STEPS, _ROBOTS = 100, 8
_TASKS = ("qmini", "qmini_published")


def _digest(tensors: list[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def machine() -> str:
    """Name what bits depend on."""
    return f"{platform.machine()} {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"


def _run(task: str) -> dict[str, Any]:
    """Return a hash and some figures of 100 steps and of one update of a training."""
    torch.set_num_threads(1)
    env_cfg, train_cfg = task_registry.get_cfgs(task)
    env_cfg.env.num_envs = _ROBOTS
    env_cfg.terrain.num_rows, env_cfg.terrain.num_cols, env_cfg.terrain.border_size = 3, 5, 5.0
    train_cfg.policy.actor_hidden_dims = train_cfg.policy.critic_hidden_dims = [16, 16]
    train_cfg.estimator.hidden_dims = [16]
    env, _ = task_registry.make_env(task, env_cfg=env_cfg, train_cfg=train_cfg)
    draws = torch.Generator().manual_seed(7)
    seen: list[torch.Tensor] = []
    figures: dict[str, Any] = {}
    for step in range(_STEPS):
        obs, rewards, dones, _ = env.step(torch.randn(_ROBOTS, env.num_actions, generator=draws))
        seen += [obs["policy"].clone(), rewards.clone(), dones.clone(), env.root_states.clone()]
        if step == 0:
            figures["first_reward"] = float(rewards.mean())
            figures["first_observation"] = float(obs["policy"].abs().mean())
    figures["steps"] = _digest(seen)
    runner, _ = task_registry.make_alg_runner(env, task, train_cfg=train_cfg, log_root=None)
    runner.learn(1)
    weights = [value for _, value in sorted(runner.alg.actor.state_dict().items())]
    figures["actor"] = float(sum(value.abs().sum() for value in weights))
    figures["update"] = _digest(weights)
    env.close()
    return figures


@pytest.mark.parametrize("task", _TASKS)
def test_the_figures_stay(task: str) -> None:
    expected = json.loads(_FILE.read_text())
    figures = _run(task)
    for name, value in expected[task].items():
        if isinstance(value, str):
            # Other processors add in another order, which contacts soon make visible.
            assert figures[name] == value or machine() != expected["machine"], name
        else:
            assert figures[name] == pytest.approx(value, rel=1e-3), name


if __name__ == "__main__":
    _FILE.write_text(json.dumps({"machine": machine(), **{task: _run(task) for task in _TASKS}}, indent=1) + "\n")
