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

import pytest
import torch
from conftest import QminiFactory, small_cfg

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.benchmarking.machine import describe_machine
from legged_gym.benchmarking.measure import ENTRIES, Benchmark, Measurement, measure
from legged_gym.benchmarking.physics import PHYSICS, UPSTREAM, Physics
from legged_gym.benchmarking.report import as_values, print_measurement
from legged_gym.benchmarking.stopwatch import Stopwatch
from legged_gym.cli.arguments import get_args, run_main
from legged_gym.common.errors import UserError
from legged_gym.envs import Qmini
from legged_gym.scripts.benchmark import training_of

benchmark_script = importlib.import_module("legged_gym.scripts.benchmark")

SMALL = [
    "--rounds=2", "--steps=3", "--set=terrain.mesh_type=plane",
    "--set=policy.actor_hidden_dims=[16,16]", "--set=policy.critic_hidden_dims=[16,16]",
    "--set=estimator.hidden_dims=[8]", "--set=runner.num_steps_per_env=4",
]  # fmt: skip


def arguments(*argv: str) -> argparse.Namespace:
    own = "--set=sim.compile_step=False" if "--sim=warp" in argv else "--set=sim.num_threads=1"
    return get_args([*SMALL, own, *argv], benchmark_script.make_parser())


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


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    result = measured(physics_only=0.01, update=0.2, whole_iteration=0.4)
    result.startup = {"first step": 2.0}
    print_measurement(result)
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "100 robots, iterations of 10 control steps, median of 3 rounds",
        "                 ms a control step  ms an iteration  robot steps/s  of physics",
        "physics only                10.000            100.0         10,000        1.00",
        "update                      20.000            200.0",
        "whole iteration             40.000            400.0          2,500        0.25",
        "GPU none",
        "start: first step after 2.0 s",
    ]
    print_measurement(result, markdown=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "**100 robots, iterations of 10 control steps, median of 3 rounds**"
    assert lines[2:6] == [
        "|  | ms a control step | ms an iteration | robot steps/s | of physics |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| physics only | 10.000 | 100.0 | 10,000 | 1.00 |",
        "| update | 20.000 | 200.0 |  |  |",
    ]
    assert "- start: first step after 2.0 s" in lines
    values = json.loads(json.dumps(as_values(result)))
    assert (values["num_envs"], values["ratios"]["whole iteration"]) == (100, 0.25)


def walk(env: Qmini, physics: Physics, steps: int = 3) -> None:
    for _ in range(steps):
        physics.before_step()
        env.step(0.3 * torch.randn(env.num_envs, env.num_actions))


def states(env: Qmini) -> list[torch.Tensor]:
    sim = env.sim
    return [x.clone() for x in (sim.root_states, sim.dof_pos, sim.dof_vel, sim.rigid_body_states)]


def test_stepped_physics_starts_from_the_steps_states_and_ends_in_the_last(
    make_qmini: QminiFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_qmini(small_cfg(4))
    watch, placed, stepped = Stopwatch("cpu"), [], []
    physics = Physics(env, watch)
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
    assert seconds.keys() == set(ENTRIES) - {"whole iteration", UPSTREAM}
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
    more = ["--upstream"] if sim == "warp" else []
    args = arguments(f"--sim={sim}", f"--sim_device={device}", f"--rl_device={device}", *more)
    result = measure(training_of(args, 4), args, time.perf_counter())
    assert (result.num_envs, result.steps_per_iteration, result.rounds) == (4, 4, 2)
    left_out = {"rsl_rl's PPO.update", *([] if more else [UPSTREAM])}
    assert list(result.seconds) == [name for name in ENTRIES if name not in left_out]
    assert all(seconds > 0.0 for seconds in result.seconds.values())
    stages = list(result.startup.values())
    assert list(result.startup) == ["task and nets made", "first step done", "first iteration done"]
    assert stages == sorted(stages)
    assert result.machine["simulator"] == f"{sim} on {device}"


def test_plain_mujoco_warp_needs_warp(make_qmini: QminiFactory) -> None:
    with pytest.raises(UserError, match="needs --sim=warp"):
        Physics(make_qmini(small_cfg(2)), Stopwatch("cpu"), upstream=True)


def test_machine_is_described() -> None:
    parts = describe_machine("mujoco", "cpu")
    assert torch.__version__.startswith(parts["torch"])
    assert re.fullmatch(r".+, \d+ cores", parts["processor"])
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", parts["commit"])


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
