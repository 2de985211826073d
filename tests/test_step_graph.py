"""Recorded steps: the bookkeeping around them anywhere, the recording itself where there is a GPU."""

from __future__ import annotations

import functools
import warnings

import pytest
import torch
from conftest import quiet, small_cfg

from legged_gym.common import devices
from legged_gym.envs import Qmini
from legged_gym.envs.base import step_graph
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


def test_what_a_recording_holds_as_a_constant_changes_by_recording_anew() -> None:
    plain, fixed = make_envs(recorded_steps=2)
    graph, sigma = fixed._graph, fixed.cfg.rewards.ang_vel_sigma
    assert graph is not None
    run(fixed, 2, seed=1)
    # What stands for a recording is never replayed here.
    recording = graph._graph = object()  # type: ignore[assignment]
    fixed.changeable["rewards.ang_vel_sigma"](sigma)
    assert graph._graph is recording, "nothing changed"
    fixed.changeable["rewards.ang_vel_sigma"](0.7)
    assert graph._graph is None
    # The next step runs by kernels, the one after that would be recorded.
    run(fixed, 1, seed=2)
    error = fixed.commands[:, 2] - fixed.base_ang_vel[:, 2]
    torch.testing.assert_close(fixed._reward_tracking_ang_vel(), torch.exp(-error.square() / 0.7))
    for env in (plain, fixed):
        env.close()


def test_memory_is_in_the_order_of_the_attributes() -> None:
    """And in no set's order, which differs between processes: the compiler would not find its earlier work again."""
    plain, fixed = make_envs()
    run(fixed, 1, seed=1)
    assert fixed._graph is not None
    memory = list(fixed._graph._memory)
    assert len(memory) > 20
    assert memory == [name for name in vars(fixed) if name in memory]
    for env in (plain, fixed):
        env.close()


def test_a_step_compiles_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where no value is asked for; the compiler's first half finds out."""
    monkeypatch.setattr(devices, "pays", lambda mask: True)
    plain, compiled = make_envs()
    whole = functools.partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", lambda function, **_: whole(function))
    assert compiled._graph is not None
    compiled.cfg.sim.compile_step = True
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        ours = run(compiled, 4, seed=5)
    assert compiled._graph._fused_step is not None
    # Compiled steps draw their random numbers in another order.
    torch.testing.assert_close(ours[0], run(plain, 4, seed=5)[0])
    for env in (plain, compiled):
        env.close()


def test_what_can_not_be_compiled_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(function: object, **_: object) -> object:
        def call(*_: object) -> None:
            raise RuntimeError("no C compiler\nand more")

        return call

    plain, fixed = make_envs()
    monkeypatch.setattr(torch, "compile", failing)
    assert fixed._graph is not None
    fixed._graph._compile()
    with pytest.warns(UserWarning, match="torch.compile failed on this task or machine: no C compiler$"):
        ours = run(fixed, 20, seed=5)
    for one, other in zip(ours, run(plain, 20, seed=5), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)
    for env in (plain, fixed):
        env.close()


def test_a_compiled_call_of_the_simulator_is_the_call_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the simulator's tensors it changes these; given copies, for the sake of old values, only the copies."""
    monkeypatch.setattr(step_graph, "_calls", [])
    plain, compiled = make_envs()
    torques = 3.0 * torch.randn(8, 10)
    step = step_graph._opaque(compiled.sim, "step")
    plain.sim.step(torques, refresh=True)
    step(torques, refresh=True)
    own = [getattr(compiled.sim, name) for name in plain.sim.STATES]
    for name, ours in zip(plain.sim.STATES, own, strict=True):
        torch.testing.assert_close(ours, getattr(plain.sim, name), atol=0, rtol=0, msg=name)
    before = [tensor.clone() for tensor in own]
    copies = [tensor.clone() for tensor in own]
    plain.sim.step(torques, refresh=True)
    torch.ops.legged_gym.call_simulator(1, [torques], copies)
    for name, ours, old, copy in zip(plain.sim.STATES, own, before, copies, strict=True):
        torch.testing.assert_close(ours, old, atol=0, rtol=0, msg=f"{name} of the simulator")
        torch.testing.assert_close(copy, getattr(plain.sim, name), atol=0, rtol=0, msg=f"copy of {name}")
    for env in (plain, compiled):
        env.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_recorded_step_does_what_its_kernels_do() -> None:
    pytest.importorskip("mujoco_warp")
    envs = []
    for recorded in (False, True):
        cfg = quiet(small_cfg(64))
        cfg.env.episode_length_s = 0.3
        cfg.sim.cuda_graph = cfg.sim.compile_step = recorded
        envs.append(Qmini(cfg, sim_name="warp", sim_device="cuda:0", seed=1))
        envs[-1].commands[:, 0] = 0.3
    generator = torch.Generator("cuda").manual_seed(0)
    for step in range(40):
        actions = 0.3 * torch.randn(64, 10, device="cuda", generator=generator)
        results = [env.step(actions) for env in envs]
        for (name, eager), recorded in zip(results[0][0].items(), results[1][0].values(), strict=True):
            # Commands and clocks are drawn at random after a reset.
            if step < 14:
                torch.testing.assert_close(eager, recorded, atol=2e-2, rtol=1e-2, msg=f"{name} in step {step}")
        torch.testing.assert_close(results[0][2], results[1][2])
        torch.testing.assert_close(envs[0].episode_length_buf, envs[1].episode_length_buf)
    kept = results[1][0]["policy"].clone()
    envs[1].step(actions)
    torch.testing.assert_close(results[1][0]["policy"], kept, atol=0, rtol=0)
    for env in envs:
        env.close()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_step_never_waits_for_the_gpu() -> None:
    pytest.importorskip("mujoco_warp")
    cfg = small_cfg(64)
    cfg.sim.compile_step = False
    env = Qmini(cfg, sim_name="warp", sim_device="cuda:0", seed=1)
    actions = torch.zeros(64, 10, device="cuda")
    env.step(actions)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(6):
            env.step(actions)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    env.close()
