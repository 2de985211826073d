"""Several processes train one policy, started as users start them, and one of them is lost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import training_probe
from qmini_training import NUM_STEPS

from legged_gym.common.devices import resolve_device
from legged_gym.common.errors import UserError
from legged_gym.common.processes import World, world
from legged_gym.common.seeds import seed_of_rank
from legged_gym.common.threads import available_cores
from legged_gym.runners import distributed
from legged_gym.runners.checkpoint import read_checkpoint

NUM_ENVS = 4
TRAIN = [
    "-m", "torch.distributed.run", "--nproc_per_node=2", str(Path(__file__).parent / "train_probed.py"),
    "--headless", "--rl_device=cpu",
]  # fmt: skip
NEW = [
    f"--num_envs={NUM_ENVS}", "--set=terrain.mesh_type=plane", "--set=policy.actor_hidden_dims=[16,16]",
    "--set=policy.critic_hidden_dims=[16,16]", "--set=estimator.hidden_dims=[8]",
    "--set=runner_class_name=training_probe:ProbedRunner",
]  # fmt: skip


def train(folder: Path, *arguments: str, fate: str = "-1 0 nothing") -> subprocess.CompletedProcess[str]:
    """Train with two processes, with logs and what was found in each of them below ``folder``."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]]),
        "OMP_NUM_THREADS": "1",
        training_probe.FOLDER: str(folder),
        training_probe.FATE: fate,
    }
    command = [sys.executable, *TRAIN, f"--log_root={folder / 'logs'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


def run_folder(folder: Path) -> Path:
    (run,) = (folder / "logs" / "qmini").iterdir()
    return run


def found(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(2))
    return first, second


def assert_same(first: Any, second: Any, name: str = "") -> None:
    """Compare nested values, tensors bit for bit."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            assert_same(value, second[key], f"{name}.{key}")
    elif isinstance(first, list):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{name}[{index}]")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), name
    else:
        assert first == second, name


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Train three iterations with two processes; return the folder and what was printed."""
    folder = tmp_path_factory.mktemp("training")
    done = train(folder, *NEW, "--max_iterations=3", "--seed=5")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_both_processes_have_the_same_nets_and_other_robots(training: tuple[Path, str]) -> None:
    first, second = found(training[0])
    assert {"actor_state_dict", "critic_state_dict", "estimator_state_dict", "optimizer_state_dict",
            "estimator_optimizer_state_dict"} <= first["learned"].keys()  # fmt: skip
    assert_same(first["learned"], second["learned"])
    assert first["rate"] == second["rate"]
    samples = first["learned"]["actor_state_dict"]["obs_normalizer.count"].item()
    assert samples == 2 * NUM_ENVS * NUM_STEPS * 3, "the normaliser has seen the robots of both"
    assert first["observed"].shape == second["observed"].shape == (NUM_STEPS, NUM_ENVS, 215)
    # No robot of the one saw at any time what one of the other saw.
    observed = torch.cat((first["observed"], second["observed"]), dim=1).flatten(0, 1)
    assert len(observed.unique(dim=0)) == len(observed)


def test_one_process_logs_prints_and_saves(training: tuple[Path, str]) -> None:
    folder, output = training
    assert len(re.findall("^iteration 3/3 ", output, re.M)) == 1
    assert len(re.findall("^run: ", output, re.M)) == 1
    assert "2 processes, 4 robots each: 8 robots" in output
    assert re.search(r"^trained 3 iterations, \d+ steps/s of all 2 processes together \(median", output, re.M)
    assert re.search(r"go on +\S*torchrun --nproc_per_node=2 legged_gym/scripts/train.py .*--resume", output)
    run = run_folder(folder)
    assert len(list(run.glob("events.*"))) == 1
    checkpoint = read_checkpoint(run / "model_2.pt")
    assert checkpoint["iter"] == 3
    assert checkpoint["logger"]["total_timesteps"] == 2 * NUM_ENVS * NUM_STEPS * 3


def test_resumed_by_both_from_the_first_ones_checkpoint(training: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(training[0] / "logs", tmp_path / "logs")
    run = run_folder(tmp_path)
    before = read_checkpoint(run / "model_2.pt")
    done = train(tmp_path, "--resume", "--max_iterations=4")
    assert done.returncode == 0, done.stderr
    first, second = found(tmp_path)
    for loaded in (first["loaded"], second["loaded"]):
        assert_same({name: before[name] for name in loaded}, loaded)
    assert_same(first["learned"], second["learned"])
    assert first["steps"] == second["steps"] == 4 * NUM_STEPS
    assert not torch.equal(first["observed"], second["observed"])
    assert read_checkpoint(run / "model_3.pt")["iter"] == 4


@pytest.mark.parametrize(
    ("fate", "message"),
    [
        ("1 2 be_killed", "error: a process of the training failed .*"),
        ("0 2 be_killed", "error: a process of the training failed .*"),
        ("1 2 fail", "error: a process of the training failed .*"),
        ("1 2 interrupt_the_launcher", "stopped by SIGINT"),
    ],
)
def test_a_lost_process_ends_the_training_with_a_checkpoint(fate: str, message: str, tmp_path: Path) -> None:
    done = train(tmp_path, *NEW, "--max_iterations=100000", fate=fate)
    assert done.returncode == 1
    assert re.search(rf"^{message}$", done.stderr, re.M), done.stderr
    path = max(run_folder(tmp_path).glob("model_*.pt"), key=lambda path: int(path.stem.removeprefix("model_")))
    if "failed" in message:
        assert len(re.findall(rf"saved {path}, the state after \d+ iterations", done.stderr)) == 1, done.stderr
    else:
        assert re.search(r"^  go on .*torchrun .*--resume", done.stdout, re.M)
    checkpoint = read_checkpoint(path)
    completed = int(path.stem.removeprefix("model_")) + 1
    assert checkpoint["iter"] == completed >= 2, "the first iteration's checkpoint is always there"
    assert checkpoint["env"]["common_step_counter"] == completed * NUM_STEPS


def place(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


THIRD = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "x",
         "MASTER_PORT": "1"}  # fmt: skip


def test_place_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch)
    assert world() == World(0, 1, 0, 1)
    place(monkeypatch, **THIRD)
    assert world() == World(3, 4, 1, 2)
    assert not world().is_first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RANK": ""}, "WORLD_SIZE=4 but no RANK"),
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "no MASTER_ADDR, MASTER_PORT"),
        ({"RANK": "4"}, "don't fit"),
        ({"LOCAL_RANK": "two"}, "LOCAL_RANK='two', which is not a number"),
    ],
)
def test_half_an_environment_is_refused(changes: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch, **{**THIRD, **changes})
    with pytest.raises(UserError, match=message):
        world()


def test_each_process_has_its_own_seed_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch)
    alone = available_cores()
    assert seed_of_rank(7) == 7
    place(monkeypatch, **THIRD)
    seeds = [seed_of_rank(seed) for seed in range(100)]
    assert len({*seeds, *range(100)}) == 200
    assert available_cores() == max(1, alone // 2)
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(UserError, match="2 processes can't share 'cuda:0': write 'cuda'"):
        resolve_device("cuda:0")


def test_the_same_mistake_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    place(monkeypatch, **{**THIRD, "MASTER_ADDR": "localhost", "MASTER_PORT": str(server.port)})
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    assert [distributed.is_first_to_say(text) for text in ("a", "a", "b")] == [True, False, True]


def test_alone_everything_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch)
    with distributed.joined("cpu") as here:
        assert here.size == 1
        assert distributed.from_first(lambda: (1, 2)) == (1, 2)
        assert distributed.bytes_from_first(lambda: b"3") == b"3"
        assert distributed.is_first_to_say("it") and distributed.is_first_to_say("it")
    assert not torch.distributed.is_initialized()
