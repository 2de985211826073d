"""Every mistake gets one clear line and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli.arguments import run_main
from legged_gym.envs import task_registry
from legged_gym.runners.runs import save_run_config

PLANE = "--set=terrain.mesh_type=plane"


def make_run(root: Path, checkpoint: bytes) -> None:
    """Write a run whose one checkpoint holds these bytes."""
    folder = root / "qmini" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    env_cfg.terrain.mesh_type = "plane"
    save_run_config(str(folder), "qmini", env_cfg, train_cfg, "mujoco")
    (folder / "model_0.pt").write_bytes(checkpoint)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return a folder with a damaged and a foreign URDF, a truncated and a foreign checkpoint, and a plain file."""
    (tmp_path / "file").touch()
    (tmp_path / "broken.urdf").write_text("<robot name='r'><link name='base'>")
    (tmp_path / "encoding.urdf").write_text("<?xml version='1.0' encoding='nonsense'?><robot name='r'/>")
    (tmp_path / "foreign.urdf").write_text("<sdf/>")
    (tmp_path / "loop.urdf").write_text("<robot name='r'><link name='base'/><joint name='j' type='fixed'/></robot>")
    torch.save({"model_state_dict": {"weight": torch.zeros(3)}}, tmp_path / "foreign.pt")
    foreign = (tmp_path / "foreign.pt").read_bytes()
    make_run(tmp_path / "truncated", foreign[: len(foreign) // 2])
    make_run(tmp_path / "foreign", foreign)
    return tmp_path


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


CASES = {
    "task": (["train", "--task=gmini"], "unknown task 'gmini': did you mean 'qmini'?"),
    "back-end": (["train", "--sim=mujocco"], "unknown simulator 'mujocco': did you mean 'mujoco'?"),
    "flag": (["train", "--num_env=4"], "unknown argument '--num_env=4': did you mean '--num_envs'"),
    "flag's value": (
        ["train", "--num_envs=four"],
        "--num_envs: takes an integer from 1 to 1000000, got 'four'",
    ),
    "config key": (["train", "--set=rewards.scales.alife=1"], "did you mean 'rewards.scales.alive'"),
    "config value": (["train", "--set=rewards.scales.alive=lots"], "'rewards.scales.alive' takes a number"),
    "seed": (
        ["train", "--seed=abc"],
        "an integer of at least -1 and below 4294967296, got 'abc'",
    ),
    "dict's value": (["train", "--set=init_state.joint_noise={yaw: lots}"], "'init_state.joint_noise.yaw' takes a num"),
    "gain": (["train", "--set=control.stiffness={hip: a}"], "'control.stiffness.hip' takes a number"),
    "short range": (["train", "--set=commands.ranges.lin_vel_x=[0.5]"], "lin_vel_x' takes 2 numbers"),
    "falling range": (
        ["train", "--set=commands.ranges.lin_vel_x=[1,0]"],
        "[lowest, highest], got [1, 0]",
    ),
    "short place": (["train", "--set=init_state.pos=[0,0]"], "'init_state.pos' takes 3 numbers"),
    "short gravity": (["train", "--set=sim.gravity=[0,0]"], "'sim.gravity' takes 3 numbers"),
    "no decimation": (
        ["train", "--set=control.decimation=0"],
        "takes an integer from 1 to 1000, got 0",
    ),
    "schedule": (["train", "--set=algorithm.schedule=x"], "'algorithm.schedule' can't be 'x': valid: adaptive, fixed"),
    "algorithm": (
        ["train", PLANE, "--num_envs=1", "--set=algorithm.class_name=nowhere:PPO"],
        "config key 'algorithm.class_name' is 'nowhere:PPO': it has to lie in one of legged_gym, rsl_rl, "
        "or be imported before",
    ),
    "observations": (
        ["train", PLANE, "--num_envs=1", "--set=obs_groups.critic=[privilege]"],
        "'obs_groups.critic': nothing observed is called 'privilege'; did you mean 'privileged'",
    ),
    "no observations": (["train", PLANE, "--num_envs=1", "--set=obs_groups.actor=[]"], "'obs_groups.actor' is empty"),
    "label": (["train", PLANE, "--num_envs=1", "--set=estimator.label=lable"], "did you mean 'label'"),
    "cheating": (
        ["train", PLANE, "--num_envs=1", "--set=obs_groups.actor=[label]"],
        "configuration does not fit 'legged_gym.runners:OnPolicyRunnerEE': The actor reads 'label'",
    ),
    "zero robots": (["train", "--num_envs=0"], "takes an integer from 1 to 1000000, got '0'"),
    "zero iterations": (["train", "--max_iterations=0"], "takes an integer from 1 to 1000000000, got '0'"),
    "missing URDF": (["train", PLANE, "--set=asset.file={tmp}/no.urdf"], "no URDF at '{tmp}/no.urdf'"),
    "braces": (["train", PLANE, "--set=asset.file={tmp}/{a}.urdf"], "no URDF at '{tmp}/{a}.urdf'"),
    "unknown encoding": (["train", PLANE, "--set=asset.file={tmp}/encoding.urdf"], "{tmp}/encoding.urdf: unknown enc"),
    "damaged URDF": (["train", PLANE, "--set=asset.file={tmp}/broken.urdf"], "{tmp}/broken.urdf"),
    "foreign URDF": (["train", PLANE, "--set=asset.file={tmp}/foreign.urdf"], "not a URDF"),
    "incomplete URDF": (["train", PLANE, "--set=asset.file={tmp}/loop.urdf"], "{tmp}/loop.urdf"),
    "learning device": (["train", PLANE, "--num_envs=1", "--rl_device=cuda:99"], "no device 'cuda:99' here"),
    "simulation device": (["train", PLANE, "--num_envs=1", "--sim_device=gpu"], "no device 'gpu' here"),
    "run folder": (
        ["train", PLANE, "--num_envs=1", "--log_root={tmp}/file"],
        "can't create the run folder '{tmp}/file",
    ),
    "run name": (
        ["train", PLANE, "--num_envs=1", "--run_name=a/b"],
        "be part of a file's name, got 'a/b'",
    ),
    "nothing to resume": (["train", "--resume"], "no run with a checkpoint in '{tmp}/logs/qmini'"),
    "load_run without resume": (["train", "--load_run=x"], "go with --resume"),
    "resume truncated": (["train", "--resume", "--num_envs=1", "--log_root={tmp}/truncated"], "model_0.pt is damaged"),
    "learning rate on resume": (
        ["train", "--resume", "--log_root={tmp}/foreign", "--set=train.algorithm.learning_rate=1e-4"],
        "'algorithm.learning_rate' can't be set on --resume",
    ),
    "no run to play": (
        ["play", "--headless", "--task=qmini_published"],
        "no run with a checkpoint in '{tmp}/logs/qmini_published'",
    ),
    "unknown run": (["play", "--log_root={tmp}/foreign", "--load_run=2026-01-01_00-00-0"], "did you mean '2026-01-01_"),
    "unknown checkpoint": (["play", "--log_root={tmp}/foreign", "--checkpoint=5"], "no checkpoint 5 in"),
    "play truncated": (["play", "--log_root={tmp}/truncated"], "model_0.pt is damaged"),
    "play foreign": (["play", "--log_root={tmp}/foreign"], "model_0.pt is no checkpoint of this project"),
    "video folder": (["play", "--video={tmp}/nowhere/out.mp4"], "no writable folder '{tmp}/nowhere'"),
    "video format": (["play", "--video={tmp}/out.avi"], "videos are written as .mp4"),
    "steps": (["play", "--steps=abc"], "argument --steps: takes an integer from 1 to 1000000000, got 'abc'"),
    "zero steps": (["play", "--steps=0"], "takes an integer from 1 to 1000000000, got '0'"),
    "export foreign": (["export", "--log_root={tmp}/foreign"], "model_0.pt is no checkpoint of this project"),
    "plot": (["plot", "--num_envs=4"], "unknown argument '--num_envs=4'"),
    "nothing to plot": (["plot", "--log_root={tmp}/foreign"], "no TensorBoard events in"),
    "benchmark": (["benchmark", "--rounds=0"], "argument --rounds: takes an integer from 1 to 1000000000, got '0'"),
    "benchmark's flag": (["benchmark", "--step=4"], "unknown argument '--step=4': did you mean '--steps'"),
    "benchmark's robots": (
        ["benchmark", "--num_envs", "4", "0"],
        "--num_envs: takes an integer from 1 to 1000000000, got '0'",
    ),
    "benchmark's file": (["benchmark", "--json={tmp}/nowhere/x.json"], "can't write '{tmp}/nowhere/x.json'"),
    "benchmark's task": (["benchmark", "--task=gmini"], "unknown task 'gmini': did you mean 'qmini'?"),
    "benchmark's policy": (
        ["benchmark", "--sim=mujoco", "--num_envs=1", "--policy={tmp}/foreign.pt"],
        "no checkpoint of this project",
    ),
}


def filled(case: str, folder: Path) -> tuple[list[str], str]:
    arguments, message = CASES[case]
    arguments = [argument.replace("{tmp}", str(folder)) for argument in arguments]
    if arguments[0] == "train":
        arguments.insert(1, "--sim=mujoco")
    if arguments[0] != "benchmark" and not any(argument.startswith("--log_root") for argument in arguments):
        arguments.append(f"--log_root={folder / 'logs'}")
    return arguments, message.replace("{tmp}", str(folder))


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_nothing_left_behind(
    case: str, workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (script, *arguments), message = filled(case, workplace)
    before = contents(workplace)
    monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
    code = run_main(importlib.import_module(f"legged_gym.scripts.{script}").main)
    errors = capsys.readouterr().err
    assert code == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
    assert contents(workplace) == before


@pytest.mark.parametrize("case", ["task", "damaged URDF", "play truncated"])
def test_the_real_commands_say_it_too(case: str, workplace: Path) -> None:
    (script, *arguments), message = filled(case, workplace)
    before = contents(workplace)
    path = os.path.join(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts", f"{script}.py")
    done = subprocess.run(
        [sys.executable, path, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert contents(workplace) == before
