from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli.exporting import root_of
from legged_gym.common.errors import UserError
from legged_gym.envs import task_registry
from legged_gym.runners import runs


def make_run(root: Path, name: str, *checkpoints: int) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for number in checkpoints:
        (folder / f"model_{number}.pt").touch()
    return folder


def test_newest_run_is_found_by_its_time_stamp(tmp_path: Path) -> None:
    newest = make_run(tmp_path, "2026-10-01_00-00-00", 0, 20, 100)
    older = make_run(tmp_path, "2026-09-30_23-59-59_tuned", 500)
    make_run(tmp_path, "2026-12-01_00-00-00_just_begun")
    make_run(tmp_path, "zz_by_hand", 7)
    os.utime(newest, (0, 0))
    assert runs.get_load_path(str(tmp_path)) == str(newest / "model_100.pt")
    assert runs.get_load_path(str(tmp_path), -1, 20) == str(newest / "model_20.pt")
    assert runs.get_load_path(str(tmp_path), older.name) == str(older / "model_500.pt")
    assert runs.get_load_path(str(tmp_path), str(tmp_path / "zz_by_hand")) == str(tmp_path / "zz_by_hand/model_7.pt")


@pytest.mark.parametrize(
    ("load_run", "checkpoint", "message"),
    [
        ("2026-10-01_00-00-01", -1, "did you mean '2026-10-01_00-00-00'?"),
        ("", 30, "no checkpoint 30 in '{root}/2026-10-01_00-00-00': there are 0, 20"),
        ("empty", -1, "no checkpoint (model_<iteration>.pt) in '{root}/empty'"),
    ],
)
def test_what_there_is_is_told_when_a_checkpoint_is_missing(
    tmp_path: Path, load_run: str, checkpoint: int, message: str
) -> None:
    make_run(tmp_path, "2026-10-01_00-00-00", 0, 20)
    make_run(tmp_path, "empty")
    with pytest.raises(UserError) as error:
        runs.get_load_path(str(tmp_path), load_run, checkpoint)
    assert message.format(root=tmp_path) in str(error.value)


def test_missing_experiment_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no run with a checkpoint in '{tmp_path}/nothing'"):
        runs.get_load_path(str(tmp_path / "nothing"))


def test_what_was_shipped_is_offered_to_those_who_did_not_ask_for_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run 'shiped' .*: did you mean 'shipped'\?"):
        runs.find_run(str(tmp_path), "shiped")
    with pytest.raises(UserError, match=r"no run 'shipped' .*: valid: nothing here"):
        runs.find_run(str(tmp_path), runs.SHIPPED)


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    with runs.new_run_folder(str(tmp_path)) as first, runs.new_run_folder(str(tmp_path)) as second:
        assert first != second
    assert sorted(os.listdir(tmp_path)) == [os.path.basename(first), os.path.basename(second)]


def test_failed_run_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), runs.new_run_folder(str(tmp_path / "logs" / "qmini"), "fails") as folder:
        assert os.path.isdir(folder)
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_failed_run_keeps_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), runs.new_run_folder(str(tmp_path)) as folder:
        Path(folder, "model_5.pt").touch()
        raise ZeroDivisionError
    assert os.listdir(folder) == ["model_5.pt"]


def test_configuration_survives_the_way_through_its_file(tmp_path: Path) -> None:
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    env_cfg.rewards.scales.alive, env_cfg.commands.ranges.lin_vel_x = 0.75, [0.25, 0.5]
    train_cfg.seed = 9
    runs.save_run_config(str(tmp_path), "qmini", env_cfg, train_cfg, "warp")
    loaded_env, loaded_train = task_registry.get_cfgs("qmini")
    assert runs.load_run_config(str(tmp_path), "qmini", loaded_env, loaded_train) == "warp"
    assert loaded_env.to_dict() == env_cfg.to_dict()
    assert loaded_train.to_dict() == train_cfg.to_dict()
    assert sorted(os.listdir(tmp_path)) == ["config.yaml", "git.txt"]


def test_configuration_does_not_say_how_the_run_was_started(tmp_path: Path) -> None:
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    fresh = train_cfg.to_dict()["runner"]
    runner = train_cfg.runner
    runner.resume, runner.load_run, runner.checkpoint = True, "/home/somebody/logs/qmini/a_run", 900
    runs.save_run_config(str(tmp_path), "qmini", env_cfg, train_cfg, "mujoco")
    assert (runner.resume, runner.checkpoint) == (True, 900)
    path = tmp_path / "config.yaml"
    content = yaml.safe_load(path.read_text())
    assert content["train"]["runner"] == fresh
    # Older versions wrote it all.
    content["train"]["runner"].update(resume=True, load_run="/home/somebody/logs/qmini/a_run", checkpoint=900)
    path.write_text(yaml.safe_dump(content))
    _, loaded = task_registry.get_cfgs("qmini")
    runs.load_run_config(str(tmp_path), "qmini", env_cfg, loaded)
    assert loaded.to_dict()["runner"] == fresh


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't read '{path}': No such file"),
        ("task: [", "can't read '{path}': it is not a YAML file"),
        ("just text", "'{path}' is not a run's configuration"),
        ("{task: other, sim: mujoco, env: {}, train: {}}", "is a run of the task 'other', not of 'qmini'"),
        ("{task: qmini, sim: mujoco, env: , train: {}}", "'{path}' is damaged: its section 'env' has no settings"),
        ("{task: qmini, sim: mujoco, env: {}, train: 3}", "its section 'train' has no settings"),
        ("{task: qmini, sim: mujoco, env: {rewards: }, train: {}}", "'rewards' is a section, got None"),
        ("{task: qmini, sim: mujoco, env: {rewards: {scales: {alife: 1.0}}}, train: {}}", "did you mean 'alive'?"),
    ],
)
def test_unfit_configurations_are_told(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as error:
        runs.load_run_config(str(tmp_path), "qmini", *task_registry.get_cfgs("qmini"))
    assert message.format(path=path) in str(error.value)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")
def test_git_file_names_the_commit_of_every_start(tmp_path: Path) -> None:
    command = ["git", "-C", LEGGED_GYM_ROOT_DIR, "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    for _ in range(2):
        runs.save_run_config(str(tmp_path), "qmini", *task_registry.get_cfgs("qmini"), "mujoco")
    noted = (tmp_path / "git.txt").read_text()
    starts = re.findall(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d commit {head or 'unknown'}", noted, re.M)
    assert len(starts) == 2
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["task"] == "qmini"


def test_a_command_line_means_the_runs_of_its_experiment_or_of_its_task_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    train_cfg.runner.experiment_name = "elsewhere"
    monkeypatch.setitem(task_registry._tasks, "qmini_elsewhere", ("", env_cfg, train_cfg))
    args = argparse.Namespace(task="qmini_elsewhere", log_root=str(tmp_path))
    assert root_of(args) == str(tmp_path / "elsewhere")
    args.experiment_name = "here"
    assert root_of(args) == str(tmp_path / "here")
