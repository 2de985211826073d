"""Every mistake gets one clear line and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli.arguments import get_args, run_main
from legged_gym.common.errors import UserError
from legged_gym.common.labels import LabelLayout
from legged_gym.common.yaml_text import read_yaml
from legged_gym.deploy.drive import read_drive
from legged_gym.envs import QminiCfg, task_registry
from legged_gym.envs.base.divergence import Replay
from legged_gym.evaluation.margins import read_lows
from legged_gym.evaluation.results import load_policies
from legged_gym.policies.networks import OnnxNet
from legged_gym.runners.checkpoint import read_checkpoint
from legged_gym.runners.runs import load_run_config, save_run_config
from legged_gym.scripts import train
from legged_gym.simulators.mujoco_model import asset_path
from legged_gym.simulators.robot.urdf import read_urdf
from legged_gym.this_robot.log import RobotLog, read_log, write_log
from legged_gym.this_robot.robot_file import ThisRobot, read_robot, simulated_delay

PLANE = "--set=terrain.mesh_type=plane"


def make_run(root: Path, checkpoint: bytes) -> None:
    """Write a run whose one checkpoint holds these bytes."""
    folder = root / "qmini" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    env_cfg.terrain.mesh_type = "plane"
    save_run_config(str(folder), "qmini", env_cfg, train_cfg, "mujoco")
    (folder / "model_0.pt").write_bytes(checkpoint)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a damaged and a foreign URDF, a truncated and a foreign checkpoint, and a plain file."""
    tmp_path = tmp_path_factory.mktemp("pieces")
    (tmp_path / "file").touch()
    (tmp_path / "link.mp4").symlink_to("nowhere/x.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "f.html").mkdir()
    (tmp_path / "broken.urdf").write_text("<robot name='r'><link name='base'>")
    (tmp_path / "encoding.urdf").write_text("<?xml version='1.0' encoding='nonsense'?><robot name='r'/>")
    (tmp_path / "foreign.urdf").write_text("<sdf/>")
    (tmp_path / "loop.urdf").write_text("<robot name='r'><link name='base'/><joint name='j' type='fixed'/></robot>")
    torch.save({"model_state_dict": {"weight": torch.zeros(3)}}, tmp_path / "foreign.pt")
    foreign = (tmp_path / "foreign.pt").read_bytes()
    make_run(tmp_path / "folder", b"")
    run = tmp_path / "folder" / "qmini" / "2026-01-01_00-00-00"
    (run / "model_0.pt").unlink()
    (run / "model_0.pt").mkdir()
    make_run(tmp_path / "truncated", foreign[: len(foreign) // 2])
    make_run(tmp_path / "foreign", foreign)
    return tmp_path


@pytest.fixture
def workplace(pieces: Path, tmp_path: Path) -> Path:
    """Return a copy of these, with a pipe in the place of a run's events."""
    shutil.copytree(pieces, tmp_path, symlinks=True, dirs_exist_ok=True)
    os.mkfifo(tmp_path / "folder" / "qmini" / "2026-01-01_00-00-00" / "events.out.tfevents.0")
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
        "'obs_groups.critic': no observation group 'privilege'; did you mean 'privileged'",
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
    "load_run without resume": (["train", "--load_run=x"], "need --resume"),
    "resume truncated": (["train", "--resume", "--num_envs=1", "--log_root={tmp}/truncated"], "model_0.pt is damaged"),
    "learning rate on resume": (
        ["train", "--resume", "--log_root={tmp}/foreign", "--set=train.algorithm.learning_rate=1e-4"],
        "'algorithm.learning_rate' can't be set with --resume",
    ),
    "no run to play": (
        ["play", "--headless", "--task=qmini_published"],
        "no run with a checkpoint in '{tmp}/logs/qmini_published'",
    ),
    "unknown run": (["play", "--log_root={tmp}/foreign", "--load_run=2026-01-01_00-00-0"], "did you mean '2026-01-01_"),
    "page in a folder's place": (
        ["export", "--load_run=shipped", "--web={tmp}/f.html"],
        "can't write '{tmp}/f.html'",
    ),
    "export's long name": (["export", "--load_run=shipped", f"--output={'x' * 300}"], "File name too long"),
    "a device of another kind": (["train", "--rl_device=meta"], "no device 'meta' here: valid: cpu, cuda, cuda:N, mps"),
    "a second processor": (["train", "--rl_device=cpu:1"], "no device 'cpu:1' here"),
    "no GPU for the simulation": (["train", "--sim_device=cuda:99"], "no device 'cuda:99' here"),
    "itself": (["train", "--set=obs_groups.actor=&a [*a]"], "'&a [*a]' can't be read as YAML"),
    "foreign address": (["train", "--host=192.0.2.1"], "--host 192.0.2.1: can't serve a page at this address"),
    "play's foreign address": (["play", "--host=192.0.2.1"], "--host 192.0.2.1: can't serve a page at this address"),
    "checkpoint in a folder's place": (["play", "--log_root={tmp}/folder"], "model_0.pt' is no file"),
    "events in a folder's place": (["plot", "--log_root={tmp}/folder"], "no TensorBoard events in"),
    "one network": (["play", "--load_run={tmp}/x.onnx"], "'{tmp}/x.onnx' is one network: name the folder"),
    "unknown checkpoint": (["play", "--log_root={tmp}/foreign", "--checkpoint=5"], "no checkpoint 5 in"),
    "play truncated": (["play", "--log_root={tmp}/truncated"], "model_0.pt is damaged"),
    "play foreign": (["play", "--log_root={tmp}/foreign"], "model_0.pt is not a checkpoint of this project"),
    "video folder": (["play", "--video={tmp}/nowhere/out.mp4"], "no writable folder '{tmp}/nowhere'"),
    "video by a dead link": (["play", "--video={tmp}/link.mp4"], "can't write '{tmp}/link.mp4': no writable folder"),
    "video by a link to itself": (["play", "--video={tmp}/loop.mp4"], "'{tmp}/loop.mp4': Too many levels of symb"),
    "video's long name": (["play", f"--video={{tmp}}/{'x' * 250}.mp4"], "x.mp4': File name too long"),
    "no video": (["play", "--video="], "argument --video: takes a value, got ''"),
    "no run": (["play", "--load_run="], "argument --load_run/--policy: takes a value, got ''"),
    "no policy": (["evaluate", ""], "argument POLICY: takes a value, got ''"),
    "video format": (["play", "--video={tmp}/out.avi"], "videos are written as .mp4"),
    "steps": (["play", "--steps=abc"], "argument --steps: takes an integer from 1 to 1000000000, got 'abc'"),
    "zero steps": (["play", "--steps=0"], "takes an integer from 1 to 1000000000, got '0'"),
    "export foreign": (["export", "--log_root={tmp}/foreign"], "model_0.pt is not a checkpoint of this project"),
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
        "not a checkpoint of this project",
    ),
}


def filled(case: str, folder: Path) -> tuple[list[str], str]:
    arguments, message = CASES[case]
    arguments = [argument.replace("{tmp}", str(folder)) for argument in arguments]
    if arguments[0] == "train" and not any(argument.startswith("--sim=") for argument in arguments):
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
    said, errors = capsys.readouterr()
    assert code == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
    assert said == ""
    assert contents(workplace) == before


def test_films_that_rsl_rls_own_runner_can_not_make_leave_no_run(
    plain_task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--set=runner_class_name=rsl_rl.runners:OnPolicyRunner", "--video_interval=1"]
    monkeypatch.setattr(
        sys, "argv", ["train.py", f"--task={plain_task}", "--num_envs=2", PLANE, f"--log_root={tmp_path}/logs", *own]
    )
    assert run_main(importlib.import_module("legged_gym.scripts.train").main) == 2
    assert capsys.readouterr().err.startswith("error: --video_interval needs one of this project's runners")
    assert not contents(tmp_path)


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


ROBOTS = {
    "made_from: 5\njoints: {}": "key 'made_from' takes a list of texts, got 5",
    "not_told: 5\njoints: {}": "key 'not_told' takes texts by name, got 5",
    "task: [1]\njoints: {}": "key 'task' takes text, got [1]",
    "joints: {hip_yaw_l: {strength: [1, 1, 1%s]}}" % ("0" * 400): "key 'joints.hip_yaw_l.strength' takes 3 numbers",
    "joints: {hip_yaw_l: {strength: [true, true, true]}}": "key 'joints.hip_yaw_l.strength' takes 3 numbers",
    "joints: {hip_yaw_l: {strength: [1, 1, .inf]}}": "key 'joints.hip_yaw_l.strength' takes 3 numbers",
    "joints: {hip_yaw_l: {armature: [0, 5, 1000]}}": "key 'joints.hip_yaw_l.armature' takes 3 numbers from 0 to 100",
    "joints: {hip_yaw_l: {backlash: [0.2, 0.1, 0.3]}}": "[lowest, likeliest, highest], got [0.2, 0.1, 0.3]",
    "joints: {hip_yaw: {}}": "no joint is called 'hip_yaw': did you mean 'hip_yaw",
    "joints: {}\njoints: {}": "it is not a YAML file: line 1: key 'joints' comes 2 times",
    "task: go2\njoints: {}": "key 'task' is 'go2', whose robot has other joints than that of 'qmini'",
    "task: gmini\njoints: {}": "key 'task': unknown task 'gmini': did you mean 'qmini'?",
    "joints: {}\ndelay: [0, 0.1, 5]": "key 'delay' takes 3 numbers from 0 to 1",
}


@pytest.mark.parametrize("text", ROBOTS, ids=range(len(ROBOTS)))
def test_robot_files_that_make_no_sense(text: str, tmp_path: Path) -> None:
    (tmp_path / "my_robot.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        read_robot(str(tmp_path / "my_robot.yaml"), "qmini")
    assert ROBOTS[text] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("row", ["0,1e30,0,0", "0,0,0,200", "1e9,0,0,0"])
def test_drives_that_make_no_sense(row: str, tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text(row)
    with pytest.raises(UserError, match="row 1: takes times up to 1e\\+06 s and velocities up to 100"):
        read_drive(tmp_path / "drive.csv")
    (tmp_path / "drive.yaml").write_text("- [0, true, 0, 0]")
    with pytest.raises(UserError, match="row 1: must be four numbers"):
        read_drive(tmp_path / "drive.yaml")
    (tmp_path / "drive.csv").write_text("0,0_2,0,0\n")
    with pytest.raises(UserError, match="row 1: must be four numbers"):
        read_drive(tmp_path / "drive.csv")
    # As spreadsheets write them.
    (tmp_path / "drive.csv").write_text("\ufefftime,vx,vy,yaw\r\n0,0.2,0,0\r\n")
    assert read_drive(tmp_path / "drive.csv") == ((0.0, (0.2, 0.0, 0.0)),)


def whole_log() -> dict[str, np.ndarray]:
    """Return the signals of a log that can be read, of two joints."""
    zeros = np.zeros((20, 2))
    signals = dict.fromkeys(("target", "position", "velocity", "kp", "kd"), zeros)
    gravity = np.tile([0.0, 0.0, -1.0], (20, 1))
    return {"time": 0.02 * np.arange(20), **signals, "gyro": np.zeros((20, 3)), "gravity": gravity}


LOGS = {
    "time": (np.array(1.0), "'time' is a single number, not one for each row"),
    "kp": (np.full((20, 2), -5.0), "'kp' has gains below 0"),
    "position": (np.full((20, 2), 1e300), "'position' has 40 values beyond 1e+06"),
    "gravity": (np.zeros((20, 3)), "'gravity' has rows without a direction"),
    "quaternion": (np.full((20, 4), np.nan), "'quaternion' has rows without a direction"),
    "joint_names": (np.array(["hip", "hip"]), "names a joint twice: hip, hip"),
}


@pytest.mark.parametrize("signal", LOGS)
def test_logs_that_make_no_sense(signal: str, tmp_path: Path) -> None:
    values: dict[str, np.ndarray] = {"joint_names": np.array(["hip", "knee"]), **whole_log()}
    np.savez(tmp_path / "log.npz", **values)  # type: ignore[arg-type]
    read_log(str(tmp_path / "log.npz"))
    values[signal] = LOGS[signal][0]
    np.savez(tmp_path / "log.npz", **values)  # type: ignore[arg-type]
    with pytest.raises(UserError) as error:
        read_log(str(tmp_path / "log.npz"))
    assert LOGS[signal][1] in str(error.value)


READERS = {
    "csv": read_log, "npz": read_log, "mcap": read_log, "yaml": read_yaml, "drive.yaml": read_drive,
    "pt": read_checkpoint, "json": read_lows, "onnx": lambda path: OnnxNet(Path(path)), "replay.npz": Replay.read,
    "evaluation.json": lambda path: load_policies(path, ()), "urdf": lambda path: read_urdf(path, False),
}  # fmt: skip


@pytest.mark.parametrize("ending", READERS)
def test_pipes_and_devices_are_no_files(ending: str, tmp_path: Path) -> None:
    """They might never end."""
    os.mkfifo(tmp_path / f"pipe.{ending}")
    (tmp_path / f"device.{ending}").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        with pytest.raises(UserError, match="it is a pipe or a device, not a file"):
            READERS[ending](str(path))


def test_a_log_that_unpacks_to_more_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.npz"
    np.savez_compressed(path, position=np.zeros((10**6, 2)))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(os, "sysconf", lambda name: 4096)
    with pytest.raises(UserError, match=r"the unpacked arrays of '.*log.npz' need at least 0.032 GB"):
        read_log(str(path))


def test_damaged_logs(tmp_path: Path) -> None:
    np.savez(tmp_path / "log.npz", joint_names=np.array(["hip", "knee"]), **whole_log())  # type: ignore[arg-type]
    whole = (tmp_path / "log.npz").read_bytes()
    np.save(tmp_path / "one.npy", np.zeros(3))
    damaged = {"a.npz": whole[:500], "b.npz": b"", "c.npz": (tmp_path / "one.npy").read_bytes(), "d.csv": b"time\n",
               "e.csv": b"time,\0\n1,2\n", "f.mcap": b"", "g.mcap": b"\x89MCAP0\r\n"}  # fmt: skip
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: (can't be read|bags need|column)"):
            read_log(str(tmp_path / name))


@pytest.mark.parametrize(
    ("entry", "said"),
    [({"size": 10**9, "scale": 1.0}, "1000000000 columns"), ({"size": 3, "scale": float("nan")}, "nan")],
)
def test_labels_that_make_no_sense(entry: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LabelLayout.from_list([{"name": "base_lin_vel", **entry}])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sim2sim", "--vx=0", "--payload=1e6"], "--payload: takes a number from -1000 to 1000, got '1e6'"),
        (["sim2sim", "--vx=0", "--kp=1e6"], "--kp: takes a number from 0 to 100, got '1e6'"),
        (["sim2sim", "--vx=0", "--friction=50"], "--friction: takes a number from 0 to 10, got '50'"),
        (["sim2sim", "--vx=0", "--action_delay=1e5"], "--action_delay: takes a number from 0 to 1000, got '1e5'"),
        (["sim2sim", "--vx=0", "--zero_offset=1e5"], "--zero_offset: takes a number from 0 to 3.2, got '1e5'"),
        (["sim2sim", "--vx=0", "--ground=stair_up"], "no ground 'stair_up': did you mean 'stairs_up'"),
        (["sim2sim", "--scenarios=,"], "--scenarios names no scenario"),
        (
            ["sim2sim", "--policy=shipped", "--vx=0", "--seconds=1e-9"],
            "--seconds is too short: the last command gets less than a control step",
        ),
        (["evaluate", "--margins", "--axes=pish"], "unknown axis 'pish': did you mean 'push'?"),
        (["speedrun", "--recipe=qminy"], "unknown task 'qminy': did you mean"),
        (["identify", "a.csv", "--out=robot.html"], "--out takes the name of a .yaml file, got 'robot.html'"),
        (["excite", "--out=./a.csv", "--log=a.csv"], "--out and --log name the same file, 'a.csv'"),
        (["sim2sim", "--drive=a.csv", "--log=a.csv"], "--drive and --log name the same file, 'a.csv'"),
        (["replay", "a.csv", "--out=a.csv"], "LOG and --out name the same file, 'a.csv'"),
        (["excite", "--seconds=1e6"], "--seconds: takes a number above 0 and at most 600, got '1e6'"),
        (["excite", "--robot=my_robot.yaml"], "--robot needs --log: only then the robot is simulated"),
        (["excite", "--out=/dev/null"], "a log must be written as .csv or .npz, got '/dev/null'"),
        (["excite", "--rate=1e6"], "--rate: takes a number from 10 to 10000, got '1e6'"),
        (["evaluate", "a="], "a name that can be part of a file's name, got 'a='"),
        (
            ["evaluate", "=shipped"],
            "NAME=POLICY takes a policy and a name that can be part of a file's name, got '=shipped'",
        ),
        (["evaluate", "a=shipped", "a=shipped"], "2 policies are called 'a': give each its own name, NAME=POLICY"),
        (["evaluate", "--set=rewards.scales.alife=1"], "did you mean 'rewards.scales.alive'"),
        (["dashboard", "--port=99999"], "argument --port: takes an integer from 0 to 65535, got '99999'"),
        (["dashboard", "--host=nowhere.invalid"], "can't serve the page at nowhere.invalid:0"),
        (["dashboard", "--nonsense=3"], "TensorBoard: tensorboard: error: unrecognized arguments: --nonsense=3"),
        (["dashboard", "--logdir=/dev/null"], "--logdir takes a folder with runs, got '/dev/null'"),
        (["dashboard", "--logdir=nowhere"], "--logdir takes a folder with runs, got 'nowhere'"),
        (
            ["evaluate", "a/b=shipped"],
            "NAME=POLICY takes a policy and a name that can be part of a file's name, got 'a/b=shipped'",
        ),
        (
            ["train", "--sim=mujoco", "--set=init_state.pos=[0,0,-5]"],
            "last of which is not below 0, got [0, 0, -5]",
        ),
        (["train", "--sim=mujoco", "--set=env.episode_length_s=1e-9"], "takes a control step, 0.02 s, or more, got"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_command_lines_that_make_no_sense(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{arguments[0]}.py", *arguments[1:]])
    assert run_main(importlib.import_module(f"legged_gym.scripts.{arguments[0]}").main) == 2
    said, errors = capsys.readouterr()
    assert errors.startswith("error: ") and errors.count("\n") == 1 and message in errors
    assert said == ""


TWICE = "is given twice, with"
NO_PAGE = "is for a page in the browser, which --headless, --viewer native and --viewer none leave out"
NO_EFFECT = {
    "train --seed=1 --seed=2": f"--seed {TWICE} 1 and with 2: give it once",
    "train --resume --load_run=a --policy=b": f"--policy {TWICE} 'a' and with 'b': give it once",
    "evaluate --scenarios=flat --suites=push_0.6": f"--suites {TWICE} 'flat' and with 'push_0.6'",
    "benchmark --num_envs 1 2 --num_envs 3": f"--num_envs {TWICE} [1, 2] and with [3]",
    "dashboard --port=1 --port=2": f"--port {TWICE} 1 and with 2",
    "plot --compare a --compare b": f"--compare {TWICE} ['a'] and with ['b']",
    "identify a.csv --out=a --out=b": f"--out {TWICE} 'a' and with 'b'",
    "speedrun --every=1 --every=2": f"--every {TWICE} 1 and with 2",
    "check_log a.csv --policy=a --policy=b": f"--policy {TWICE} 'a' and with 'b'",
    "train --sim=mujoco --set algorithm.gamma=0.9 --set train.algorithm.gamma=0.8":
        "config key 'algorithm.gamma' is given twice, as '0.9' and '0.8': give it once",
    "train --sim=mujoco --num_envs=4 --set env.num_envs=8": "config key 'env.num_envs' is given twice, as '4' and '8'",
    "train --headless --host=0.0.0.0": f"--host {NO_PAGE}",
    "train --viewer=none --port=80": f"--port {NO_PAGE}",
    "play --headless --port=8080": f"--port {NO_PAGE}",
    "play --viewer=native --host=::1": f"--host {NO_PAGE}",
    "play --headless --viewer=web": "--headless and --viewer contradict each other",
    "play --video_robots=2": "--video_robots needs --video",
    "play --replay=a.npz --command 1 0 0": "--command has no effect with --replay",
    "play --replay=a.npz --no_export": "--no_export has no effect with --replay",
    "play --replay=a.npz --num_envs=2": "--num_envs has no effect with --replay",
    "replay a.csv --headless --host=::1": f"--host {NO_PAGE}",
    "replay a.csv --video=a.mp4 --viewer=web": "--viewer has no effect with --video",
    "evaluate --list --trials=3": "--trials has no effect with --list",
    "evaluate --list shipped": "POLICY has no effect with --list",
    "evaluate --list --set terrain.mesh_type=plane": "--set has no effect with --list",
    "evaluate --axes=push": "--axes needs --margins",
    "evaluate --margins --video=a.mp4": "--video has no effect with --margins",
    "evaluate --margins --scenarios=flat": "--scenarios has no effect with --margins",
    "evaluate --margins a.json": "'a.json' has no effect with --margins",
    "sim2sim --log_motors": "--log_motors needs --log",
    "sim2sim --push_interval=1": "--push_interval needs --push above 0",
    "excite --rate=100": "--rate needs --log",
    "identify a.csv --robot=a.yaml --workers=2": "--workers has no effect with --robot",
    "dashboard --bind_all --host=::1": "--host has no effect with --bind_all",
}  # fmt: skip
"""Flags that were swallowed: the last of two counted, or the mode had no use for them."""


@pytest.mark.parametrize("line", NO_EFFECT)
def test_flags_that_would_have_no_effect(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{line.split()[0]}.py", *line.split()[1:]])
    assert run_main(importlib.import_module(f"legged_gym.scripts.{line.split()[0]}").main) == 2
    said, errors = capsys.readouterr()
    assert errors.startswith(f"error: {NO_EFFECT[line]}") and errors.count("\n") == 1
    assert said == "" and not contents(tmp_path)


def test_a_damaged_history_of_code_is_kept_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "git.txt").write_bytes(b"abc \xff\n")
    save_run_config(str(tmp_path), "qmini", *task_registry.get_cfgs("qmini"), "mujoco")
    assert re.match(r"abc \ufffd\n20\d\d-.* commit ", (tmp_path / "git.txt").read_text())
    (tmp_path / "git.txt").unlink()
    os.mkfifo(tmp_path / "git.txt")
    with pytest.raises(OSError, match="it is a pipe or a device"):
        save_run_config(str(tmp_path), "qmini", *task_registry.get_cfgs("qmini"), "mujoco")


def test_foreign_sections_of_a_runs_configuration(tmp_path: Path) -> None:
    make_run(tmp_path, b"")
    folder = tmp_path / "qmini" / "2026-01-01_00-00-00"
    with open(folder / "config.yaml", "a") as file:
        file.write("evn: {num_envs: 4}\n")
    with pytest.raises(UserError, match="it needs task, sim, env and train, and no more"):
        load_run_config(str(folder), "qmini", *task_registry.get_cfgs("qmini"))


def test_what_to_do_next_can_be_copied_from_a_folder_with_spaces() -> None:
    run = "/its 'logs'/qmini/2026-01-01_00-00-00"
    _, play, go_on, watch = (shlex.split(line) for line in train._next_steps("qmini", run, 2).split("\n"))
    assert f"--load_run={run}" in play and f"--load_run={run}" in go_on
    assert "--logdir=/its 'logs'" in watch


def test_a_flag_may_be_repeated_with_the_same_value() -> None:
    args = get_args(["--seed=1", "--seed=1", "--set=algorithm.gamma=0.9", "--set=algorithm.gamma=0.9"])
    assert (args.seed, args.overrides) == (1, ["algorithm.gamma=0.9"] * 2)


def test_a_log_that_went_through_a_spreadsheet_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write_log(RobotLog(["a", "b"], whole_log(), "log.csv"), str(path))
    before = read_log(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    after = read_log(str(path))
    assert after.joint_names == before.joint_names and after["time"].tolist() == before["time"].tolist()


def test_a_home_folder_is_meant_where_no_shell_has_filled_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    args = get_args(argv=["--log_root=~/logs", "--load_run", "~/run"])
    assert (args.log_root, args.load_run) == (f"{tmp_path}/logs", f"{tmp_path}/run")
    (tmp_path / "robot.urdf").touch()
    assert asset_path("~/robot.urdf") == f"{tmp_path}/robot.urdf"


def test_what_a_log_and_a_robot_file_say_by_quaternion_order_and_delay() -> None:
    log = RobotLog(["hip", "knee"], {**whole_log(), "position": np.tile([1.0, 2.0], (20, 1))})
    del log.values["gravity"]
    log.values["quaternion"] = np.tile([1.0, 0.0, 0.0, 0.0], (20, 1))
    assert log.gravity[0].tolist() == [0.0, 0.0, -1.0]
    assert log.in_order(["knee", "hip"])["position"][0].tolist() == [2.0, 1.0]
    cfg = QminiCfg()
    shortest, longest = simulated_delay(ThisRobot("qmini", {}, delay=(0.002, 0.004, 0.008)), cfg)
    assert round(longest - shortest, 9) == 0.006


def test_pickled_objects_in_a_checkpoint_are_not_made(tmp_path: Path) -> None:
    torch.save({"model_state_dict": Path("x")}, tmp_path / "model_0.pt")
    with pytest.raises(UserError, match="has more than numbers"):
        read_checkpoint(tmp_path / "model_0.pt")


LOST = {
    "no output": (">&-", "error: no\n"),
    "no streams at all": ("<&- >&- 2>&-", ""),
    "output on a full disk": (">/dev/full", "error: can't write: No space left on device\n"),
    "errors on a full disk": ("2>/dev/full", ""),
    "a terminal without a degree sign": (">&2", "5? walked\nerror: no\n"),
}


@pytest.mark.parametrize("case", LOST)
def test_the_exit_code_survives_lost_streams(case: str, tmp_path: Path) -> None:
    code = """if True:
        import sys
        from legged_gym.cli.arguments import run_main
        from legged_gym.common.errors import UserError
        def main():
            print("5\u00b0 walked", flush=True)
            raise UserError("no")
        sys.exit(run_main(main))
    """
    (tmp_path / "main.py").write_text(code)
    done = subprocess.run(
        f"'{sys.executable}' main.py {LOST[case][0]}", shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": LEGGED_GYM_ROOT_DIR, "PYTHONIOENCODING": "ascii"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, LOST[case][1])


def test_a_full_disk_that_a_thread_meets_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def write() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def main() -> None:
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
        write()

    assert run_main(main) == 2
    assert capsys.readouterr().err == "error: can't write: No space left on device\n"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", None, r"'policies\.0\.name': Input should be a valid string"),
        ("name", "two\nlines", r"'policies\.0\.name': String should match pattern"),
        ("seconds", "long", r"'policies\.0\.seconds': Input should be a valid number"),
        ("results", [], r"'policies\.0\.results': Input should be a valid dictionary"),
        ("trials", -1, r"'policies\.0\.results\.flat\.trials': Input should be greater than or equal to 0"),
        ("metrics", {"vx_rmse": "small"}, r"results\.flat\.metrics\.vx_rmse': Input should be a valid number"),
        ("commands", {}, r"results\.flat\.commands': Input should be a valid list"),
    ],
)
def test_results_of_another_shape_are_told_before_anything_is_evaluated(
    key: str, value: object, message: str, tmp_path: Path
) -> None:
    results = json.loads(Path(LEGGED_GYM_ROOT_DIR, "resources", "policies", "qmini", "evaluation.json").read_text())
    policy = results["policies"][0]
    (policy if key in policy else policy["results"]["flat"])[key] = value
    (tmp_path / "evaluation.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=rf"^[^\n]*holds no results of an evaluation: [^\n]*{message}"):
        load_policies(str(tmp_path / "evaluation.json"), ())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "it nests too deep"),
        ('{"format": 1, "format": 2}', "key 'format' comes 2 times"),
        ('{"axes": {"push": {"low": NaN}}}', "NaN is no number"),
    ],
    ids=["deep", "twice", "nan"],
)
def test_results_that_are_no_sound_json(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(UserError, match=f"holds no results of an evaluation: ValueError: {reason}"):
        load_policies(str(tmp_path / "evaluation.json"), ())
    with pytest.raises(UserError, match=f"no margins to compare with: {reason}"):
        read_lows(str(tmp_path / "evaluation.json"))
