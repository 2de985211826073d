"""Averages of checkpoints: by hand, and through the real script into a run that loads."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from legged_gym.cli.arguments import run_main
from legged_gym.common.errors import UserError
from legged_gym.envs import task_registry
from legged_gym.policies.finder import load_policy
from legged_gym.runners.averaging import average_checkpoints
from legged_gym.runners.checkpoint import read_checkpoint, write_checkpoint
from legged_gym.runners.runs import SHIPPED_CHECKPOINT, get_load_path, load_run_config, shipped_policy

average_script = importlib.import_module("legged_gym.scripts.average")


def checkpoint(value: float, size: int = 3, count: int = 7) -> dict[str, Any]:
    nets = ("actor", "critic", "estimator")
    return {
        **{f"{net}_state_dict": {"w": torch.full((size,), value), "count": torch.tensor(count)} for net in nets},
        "optimizer_state_dict": {"moment": torch.full((size,), value)},
        "iter": int(value),
        "env": {},
        "logger": {},
        "config": {},
    }


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"model_{value}.pt") for value in (1, 5)]
    write_checkpoint(paths[0], checkpoint(1.0, count=3))
    write_checkpoint(paths[1], checkpoint(5.0))
    return paths


def test_nets_are_averaged_and_the_rest_is_the_last_ones(files: list[str]) -> None:
    mean = average_checkpoints(files, [3.0, 1.0], [0.0, 2.0])
    for net, value in (("actor", 2.0), ("critic", 2.0), ("estimator", 5.0)):
        torch.testing.assert_close(mean[f"{net}_state_dict"]["w"], torch.full((3,), value))
        assert mean[f"{net}_state_dict"]["count"] == 7
    torch.testing.assert_close(mean["optimizer_state_dict"]["moment"], torch.full((3,), 5.0))
    assert mean["iter"] == 5


@pytest.mark.parametrize(
    ("weights", "estimator_weights", "message"),
    [
        ([1.0], None, "2 checkpoints need as many --weights, finite, none negative and not all zero, not '1'"),
        ([1.0, -1.0], None, "not '1 -1'"),
        ([0.0, 0.0], None, "not '0 0'"),
        ([float("nan"), 1.0], None, "not 'nan 1'"),
        ([1.0, float("inf")], None, "not '1 inf'"),
        ([1.0, 1.0], [1.0], "as many --estimator_weights"),
    ],
)
def test_wrong_weights(
    files: list[str], weights: list[float], estimator_weights: list[float] | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        average_checkpoints(files, weights, estimator_weights)


def test_nets_of_another_size(files: list[str]) -> None:
    write_checkpoint(files[0], checkpoint(1.0, size=4))
    with pytest.raises(UserError, match=r"model_1.pt holds another net .* 'actor_state_dict.w' is \(4,\), .* \(3,\)"):
        average_checkpoints(files, [1.0, 1.0])


def test_weights_for_an_estimator_that_is_not_there(files: list[str]) -> None:
    write_checkpoint(files[1], {key: value for key, value in checkpoint(5.0).items() if "estimator" not in key})
    assert "estimator_state_dict" not in average_checkpoints(files, [1.0, 1.0])
    with pytest.raises(UserError, match=r"model_5.pt holds no estimator, .* --estimator_weights"):
        average_checkpoints(files, [1.0, 1.0], [1.0, 1.0])


def test_result_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shipped_policy("qmini")
    assert folder is not None
    model = f"{folder}/{SHIPPED_CHECKPOINT}"
    monkeypatch.setattr(sys, "argv", ["average.py", model, model, "--weights", "1", "3", f"--log_root={tmp_path}"])
    assert run_main(average_script.main) == 0
    path = Path(get_load_path(str(tmp_path / "qmini")))
    shipped = read_checkpoint(model, "cpu")
    assert path.name == f"model_{shipped['iter'] - 1}.pt"
    assert path.parent.name.endswith("_average")
    assert path.name in capsys.readouterr().out
    for name in ("config.yaml", "git.txt"):
        assert (path.parent / name).exists()
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    assert load_run_config(str(path.parent), "qmini", env_cfg, train_cfg) == "warp"
    wanted = task_registry.get_cfgs("qmini")
    load_run_config(folder, "qmini", *wanted)
    assert [env_cfg.to_dict(), train_cfg.to_dict()] == [cfg.to_dict() for cfg in wanted]
    observation = torch.randn(4, 215)
    for mean, own in zip(load_policy(str(path)).act(observation), load_policy(model).act(observation), strict=True):
        torch.testing.assert_close(mean, own)


def test_nothing_is_left_where_a_checkpoint_is_missing(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for missing in ("nothing.pt", files[1]):
        monkeypatch.setattr(sys, "argv", ["average.py", files[0], missing, f"--log_root={tmp_path / 'logs'}"])
        assert run_main(average_script.main) == 2
        assert not (tmp_path / "logs").exists()
    assert "can't read '" in capsys.readouterr().err


def test_another_tasks_checkpoint(
    tmp_path: Path, plain_task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"{shipped_policy('qmini')}/{SHIPPED_CHECKPOINT}"
    arguments = ["average.py", model, f"--task={plain_task}", f"--log_root={tmp_path / 'logs'}"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert run_main(average_script.main) == 2
    assert "is a run of the task 'qmini', not of 'plain'" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()
