"""The bookkeeping around a recorded step; the recording itself needs a GPU and is tested in test_warp_sim.py."""

from __future__ import annotations

import torch
from conftest import small_cfg

from legged_gym.envs import Qmini
from legged_gym.envs.base.step_graph import StepGraph


def make_envs(recorded_steps: int = 1 << 30) -> tuple[Qmini, Qmini]:
    """Return two equal tasks, the second one with steps that run in fixed memory."""
    cfg = small_cfg(8)
    cfg.env.episode_length_s, cfg.sim.compile_step = 0.3, False
    envs = Qmini(cfg, seed=3), Qmini(cfg, seed=3)
    envs[1]._graph = StepGraph(envs[1])
    envs[1]._graph._countdown = recorded_steps
    return envs


def run(env: Qmini, steps: int, seed: int) -> list[torch.Tensor]:
    """Step with random actions and return all that comes back, not copied."""
    torch.manual_seed(seed)
    results: list[torch.Tensor] = []
    with torch.inference_mode():
        for _ in range(steps):
            obs, rewards, dones, extras = env.step(torch.randn(env.num_envs, env.num_actions))
            results += [*obs.values(), rewards, dones, extras["time_outs"], *extras.get("log", {}).values()]
    return results


def test_steps_in_fixed_memory_are_the_same_steps() -> None:
    """Over resets, pushes, new commands and the task's own resets between steps."""
    plain, fixed = make_envs()
    first = [run(env, 40, seed=5) for env in (plain, fixed)]
    for env in (plain, fixed):
        torch.manual_seed(6)
        env.reset()
        env.episode_length_buf = torch.randint(0, 15, (8,))
    second = [run(env, 40, seed=7) for env in (plain, fixed)]
    for ours, theirs in zip(first[0] + second[0], first[1] + second[1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)
    for env in (plain, fixed):
        env.close()


def test_attributes_keep_their_memory() -> None:
    plain, fixed = make_envs()
    run(fixed, 3, seed=1)
    before = {name: value for name, value in vars(fixed).items() if isinstance(value, torch.Tensor)}
    run(fixed, 3, seed=2)
    assert len(before) > 30
    assert all(getattr(fixed, name) is value for name, value in before.items())
    assert not any(value.is_inference() for value in before.values()), "could not be changed outside a rollout"
    for env in (plain, fixed):
        env.close()
