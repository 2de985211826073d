"""The benchmark measures what it says and leaves what it measures as it was."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import QminiFactory, small_cfg

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.benchmarking import page
from legged_gym.benchmarking.machine import describe_machine, driver_version
from legged_gym.benchmarking.measure import ENTRIES, Benchmark, Measurement, measure
from legged_gym.benchmarking.physics import PHYSICS, RolloutPhysics, SteppedPhysics, make_physics
from legged_gym.benchmarking.report import as_markdown, as_text, as_values
from legged_gym.benchmarking.stopwatch import Stopwatch
from legged_gym.cli.arguments import get_args, run_main
from legged_gym.envs import Qmini
from legged_gym.scripts.benchmark import training_of
from legged_gym.viewers.web_page import WebPage

benchmark_script = importlib.import_module("legged_gym.scripts.benchmark")

SMALL = [
    "--rounds=2", "--steps=3", "--set=terrain.mesh_type=plane", "--set=sim.num_threads=1",
    "--set=policy.actor_hidden_dims=[16,16]", "--set=policy.critic_hidden_dims=[16,16]",
    "--set=estimator.hidden_dims=[8]", "--set=runner.num_steps_per_env=4",
]  # fmt: skip


def arguments(*argv: str) -> argparse.Namespace:
    return get_args([*SMALL, *argv], benchmark_script.make_parser())


def measured(**seconds: float) -> Measurement:
    names = {name.replace("_", " "): value for name, value in seconds.items()}
    return Measurement(num_envs=100, steps_per_iteration=10, rounds=3, machine={"GPU": "none"}, seconds=names)


def test_stopwatch_collects_spans_by_name() -> None:
    watch = Stopwatch("cpu")
    for _ in range(2):
        with watch.measure("outer"), watch.measure("inner"):
            time.sleep(0.001)
    spans = watch.read()
    assert [len(spans[name]) for name in ("outer", "inner")] == [2, 2]
    assert all(outer >= inner >= 0.001 for outer, inner in zip(spans["outer"], spans["inner"], strict=True))
    assert watch.read() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_stopwatch_waits_for_a_gpu() -> None:
    watch = Stopwatch("cuda:0")
    with watch.measure("asleep"):
        # Some milliseconds of the GPU's cycles, and none of the host's time.
        torch.cuda._sleep(10_000_000)
    assert watch.read()["asleep"][0] > 0.001


def test_rates_and_ratios() -> None:
    result = measured(physics_only=0.01, collection=0.02, whole_iteration=0.4)
    assert [round(result.rate(name)) for name in result.seconds] == [10_000, 5_000, 2_500]
    assert [result.ratio(name) for name in result.seconds] == [1.0, 0.5, 0.25]


def test_tables() -> None:
    result = measured(physics_only=0.01, PPO_update=0.2, whole_iteration=0.4)
    result.physics, result.startup, result.memory = "falling", {"first step": 2.0}, {"in use": 3_400_000_000}
    assert as_text(result).splitlines() == [
        "100 robots, iterations of 10 control steps, median of 3 rounds",
        "                 ms a control step  ms an iteration  robot steps/s  of physics",
        "physics only                10.000            100.0         10,000        1.00",
        "PPO update                  20.000            200.0",
        "whole iteration             40.000            400.0          2,500        0.25",
        "GPU none",
        "physics only: falling",
        "start: first step after 2.0 s",
        "GPU memory in training: in use 3.4 GB",
    ]
    lines = as_markdown(result).splitlines()
    assert lines[0] == "**100 robots, iterations of 10 control steps, median of 3 rounds**"
    assert lines[2:6] == [
        "|  | ms a control step | ms an iteration | robot steps/s | of physics |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| physics only | 10.000 | 100.0 | 10,000 | 1.00 |",
        "| PPO update | 20.000 | 200.0 |  |  |",
    ]
    assert "- start: first step after 2.0 s" in lines
    values = json.loads(json.dumps(as_values(result)))
    assert (values["num_envs"], values["ratios"]["whole iteration"]) == (100, 0.25)


def walk(env: Qmini, physics: RolloutPhysics | SteppedPhysics, steps: int = 3) -> None:
    for _ in range(steps):
        physics.before_step()
        env.step(0.3 * torch.randn(env.num_envs, env.num_actions))


def states(env: Qmini) -> list[torch.Tensor]:
    sim = env.sim
    return [x.clone() for x in (sim.root_states, sim.dof_pos, sim.dof_vel, sim.rigid_body_states)]


def test_rollouts_are_the_simulators_physics(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(4))
    watch = Stopwatch("cpu")
    physics = make_physics(env, watch)
    assert isinstance(physics, RolloutPhysics)
    walk(env, physics)
    before = states(env)
    physics.before_step()
    for now, then in zip(states(env), before, strict=True):
        torch.testing.assert_close(now, then, atol=0, rtol=0)
    batch = env.sim.batch
    for _ in range(env.cfg.control.decimation):
        batch.step()
    nq = batch.qpos.shape[1]
    np.testing.assert_allclose(physics._out[:, -1, 1 : 1 + nq], batch.qpos, atol=1e-9)
    physics.after_steps()
    assert len(watch.read()[PHYSICS]) == 4


def test_stepped_physics_starts_from_the_steps_states_and_ends_in_the_last(
    make_qmini: QminiFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_qmini(small_cfg(4))
    watch, placed, stepped = Stopwatch("cpu"), [], []
    physics = SteppedPhysics(env, watch)
    started: list[torch.Tensor] = []
    for _ in range(3):
        started.append(env.sim.root_states.clone())
        walk(env, physics, steps=1)
    last = states(env)
    set_state, step = env.sim.set_state, env.sim.step
    monkeypatch.setattr(env.sim, "set_state", lambda *values: (placed.append(values[1]), set_state(*values)))
    monkeypatch.setattr(env.sim, "step", lambda torques: (stepped.append(torques.clone()), step(torques)))
    physics.after_steps()
    for root, expected in zip(placed, [*started, last[0]], strict=True):
        torch.testing.assert_close(root, expected, atol=0, rtol=0)
    assert len(stepped) == 3 * (1 + env.cfg.control.decimation)
    assert not torch.equal(stepped[0], stepped[-1])
    assert len(watch.read()[PHYSICS]) == 3
    for now, then in zip(states(env), last, strict=True):
        torch.testing.assert_close(now, then, atol=1e-5, rtol=1e-5)


def test_rounds_leave_the_nets_as_they_were(tmp_path: Path) -> None:
    args = arguments("--sim=mujoco", "--rsl_rl")
    benchmark = Benchmark(training_of(args, 4), args, str(tmp_path), time.perf_counter())
    alg = benchmark._alg
    before = [p.detach().clone() for net in (alg.actor, alg.critic, alg.estimator) for p in net.parameters()]
    moments = [state["exp_avg"].clone() for state in alg.optimizer.state.values()]
    seconds = benchmark._round()
    assert seconds.keys() == set(ENTRIES) - {"whole iteration"}
    after = [p for net in (alg.actor, alg.critic, alg.estimator) for p in net.parameters()]
    for now, then in zip(after, before, strict=True):
        torch.testing.assert_close(now, then, atol=0, rtol=0)
    assert moments, "the first iteration has left none"
    for state, then in zip(alg.optimizer.state.values(), moments, strict=True):
        torch.testing.assert_close(state["exp_avg"], then, atol=0, rtol=0)
    assert benchmark._plain_adam.state, "rsl_rl's update did not run"
    benchmark.env.close()


@pytest.mark.parametrize("sim", ["mujoco", "warp"])
def test_everything_is_measured(sim: str) -> None:
    if sim == "warp":
        pytest.importorskip("mujoco_warp")
    device = "cuda:0" if sim == "warp" and torch.cuda.is_available() else "cpu"
    args = arguments(f"--sim={sim}", f"--sim_device={device}", f"--rl_device={device}", "--set=sim.compile_step=False")
    result = measure(training_of(args, 4), args, time.perf_counter())
    assert (result.num_envs, result.steps_per_iteration, result.rounds) == (4, 4, 2)
    assert list(result.seconds) == [name for name in ENTRIES if name != "rsl_rl's PPO.update"]
    assert all(seconds > 0.0 for seconds in result.seconds.values())
    stages = list(result.startup.values())
    assert list(result.startup) == ["task and nets made", "first step done", "first iteration done"]
    assert stages == sorted(stages)
    assert result.machine["simulator"] == f"{sim} on {device}"
    assert result.physics.startswith("mujoco.rollout" if sim == "mujoco" else "the simulator's")
    assert bool(result.memory) == (device != "cpu")


def test_machine_is_described() -> None:
    parts = describe_machine("mujoco", "cpu")
    assert torch.__version__.startswith(parts["torch"])
    assert re.fullmatch(r".+, \d+ cores", parts["processor"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", parts["commit"])


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\nGCC 12.2.0", "580.95.05"),
        ("570.86\n570.86\n", "570.86"),
        ("GCC version: gcc 12.2.0", ""),
    ],
)
def test_drivers_version_is_found(text: str, version: str) -> None:
    assert driver_version(text) == version


def test_several_sizes_and_a_file(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    script = os.path.join(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts", "benchmark.py")
    done = subprocess.run(
        [sys.executable, script, *SMALL, "--sim=mujoco", "--num_envs", "2", "3", f"--json={path}", "--markdown"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\*\*(\d) robots", done.stdout, re.M) == ["2", "3"]
    assert len(re.findall(r"^\| env.step \| +\d+\.\d{3} \| \d+\.\d \| [\d,]+ \| \d+\.\d\d \|$", done.stdout, re.M)) == 2
    document = json.loads(path.read_text())
    assert [result["num_envs"] for result in document["results"]] == [2, 3]
    assert document["arguments"]["rounds"] == 2


def test_one_process_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    assert run_main(benchmark_script.main) == 2
    assert "the benchmark measures one process" in capsys.readouterr().err


def test_a_client_that_does_not_get_the_page_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody_there = property(lambda page: "http://127.0.0.1:9", lambda page, url: None)
    monkeypatch.setattr(WebPage, "url", nobody_there, raising=False)
    monkeypatch.setattr(sys, "argv", ["page.py", "--load_run=shipped", "--num_envs=1", "--seconds=1"])
    assert run_main(page.main) == 2
    assert "error: the client ended before it was to" in capsys.readouterr().err


def test_what_the_page_sends_is_measured() -> None:
    command = [
        sys.executable,
        "-m",
        "legged_gym.benchmarking.page",
        "--load_run=shipped",
        "--num_envs=1",
        "--seconds=1",
    ]
    done = subprocess.run(command, cwd=LEGGED_GYM_ROOT_DIR, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    figures = dict(re.findall(r"^  (.{28})([0-9.]+)", done.stdout, re.MULTILINE))
    assert float(figures[f"{'updates that arrive':<28}"]) > 0.0
    assert float(figures[f"{'an update':<28}"]) > 20.0
