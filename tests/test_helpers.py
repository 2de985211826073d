from __future__ import annotations

import argparse
import random
from typing import NoReturn

import numpy as np
import pytest
import torch

from legged_gym.cli.arguments import get_args, make_parser, run_main
from legged_gym.common.devices import resolve_device
from legged_gym.common.errors import UserError
from legged_gym.common.seeds import set_seed
from legged_gym.envs import task_registry
from legged_gym.envs.base.base_config import class_to_dict
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.overrides import update_cfg_from_args


def configured(*argv: str) -> tuple[LeggedRobotCfg, LeggedRobotCfgPPO]:
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    update_cfg_from_args(env_cfg, train_cfg, get_args(argv))
    return env_cfg, train_cfg


def test_arguments_reach_both_configurations() -> None:
    env_cfg, train_cfg = configured(
        "--num_envs=12", "--seed=3", "--max_iterations=5", "--experiment_name=e", "--run_name=r", "--resume",
        "--load_run=x", "--checkpoint=7",
    )  # fmt: skip
    runner = train_cfg.runner
    assert (env_cfg.env.num_envs, train_cfg.seed) == (12, 3)
    assert (runner.max_iterations, runner.experiment_name, runner.run_name) == (5, "e", "r")
    assert (runner.resume, runner.load_run, runner.checkpoint) == (True, "x", 7)


def test_what_is_not_given_is_not_changed() -> None:
    env_cfg, train_cfg = configured()
    expected_env, expected_train = task_registry.get_cfgs("qmini")
    assert env_cfg.to_dict() == expected_env.to_dict()
    assert train_cfg.to_dict() == expected_train.to_dict()


@pytest.mark.parametrize(
    ("override", "owner", "key", "expected"),
    [
        ("rewards.scales.alive=0.5", "env", "rewards.scales.alive", 0.5),
        ("rewards.scales.alive=2", "env", "rewards.scales.alive", 2.0),
        ("commands.ranges.lin_vel_x=[0, 0.6]", "env", "commands.ranges.lin_vel_x", [0.0, 0.6]),
        ("control.stiffness.knee_pitch=35", "env", "control.stiffness.knee_pitch", 35.0),
        ("env.num_envs=3", "env", "env.num_envs", 3),
        ("env.rewards.scales.alive=1", "env", "rewards.scales.alive", 1.0),
        ("algorithm.gamma=0.98", "train", "algorithm.gamma", 0.98),
        ("train.seed=8", "train", "seed", 8),
        ("runner.run_name=a=b", "train", "runner.run_name", "a=b"),
    ],
)
def test_overrides_find_their_setting(override: str, owner: str, key: str, expected: object) -> None:
    value: object = dict(zip(("env", "train"), configured("--set", override), strict=True))[owner].to_dict()
    for name in key.split("."):
        assert isinstance(value, dict)
        value = value[name]
    assert value == expected
    assert type(value) is type(expected)


def test_override_and_its_argument_have_to_agree() -> None:
    assert configured("--set", "env.num_envs=3", "--num_envs=3")[0].env.num_envs == 3
    with pytest.raises(UserError, match=r"'env.num_envs' is given twice, as '5' and '3': give it once"):
        configured("--set", "env.num_envs=3", "--num_envs=5")


@pytest.mark.parametrize("text", ["010", "0x10", "1_000", "1:30", "٣", "3_", "0b11"])
def test_numbers_are_decimal_wherever_they_are_given(text: str) -> None:
    for given in ([f"--num_envs={text}"], ["--set", f"env.num_envs={text}"]):
        with pytest.raises(UserError, match="takes an integer from 1 to 1000000, got"):
            configured(*given)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--set", "rewards.scales.alife=1"], "did you mean 'rewards.scales.alive'"),
        (["--set", "scales.alive=1"], "'rewards.scales.alive'"),
        (["--set", "alive=1"], "'rewards.scales.alive'"),
        (["--set", "nothing_like_it=1"], "valid: "),
        (["--set", "rewards.scales.alive"], "--set takes KEY=VALUE"),
        (["--set", "rewards.scales.alive=lots"], "takes a number"),
        (["--set", "rewards.scales=1"], "is a section"),
        (["--set", "env.num_envs=2.5"], "takes an integer"),
        (["--num_envs=0"], "from 1 to 1000000, got '0'"),
        (["--set", "env.num_envs=-1"], "from 1 to 1000000, got -1"),
        (["--max_iterations=0"], "from 1 to 1000000000, got '0'"),
        (["--num_env=4"], "unknown argument '--num_env=4': did you mean '--num_envs'"),
        (["--num_envs=many"], "argument --num_envs: takes an integer from 1 to 1000000, got 'many'"),
        (["--seed=abc"], "argument --seed: takes an integer of at least -1 and below 4294967296, got 'abc'"),
        (["--set", "control.decimation=0"], "'control.decimation' takes an integer from 1 to 1000, got 0"),
        (
            ["--set", "algorithm.num_mini_batches=0"],
            "batches' takes an integer from 1 to 1000000000, got 0",
        ),
        (["--num_envs"], "expected one argument"),
    ],
)
def test_mistakes_are_told(argv: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        configured(*argv)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_seed_repeats_all_draws() -> None:
    draws = []
    for _ in range(2):
        assert set_seed(5) == set_seed(np.int64(5)) == 5
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_seed_out_of_range_is_refused() -> None:
    with pytest.raises(UserError, match="seed must be an integer between"):
        set_seed(-2)


def test_seed_minus_one_is_drawn_once_for_good() -> None:
    args = get_args(["--seed=-1"])
    seeds = set()
    for _ in range(2):
        env_cfg, train_cfg = task_registry.get_cfgs("qmini")
        update_cfg_from_args(env_cfg, train_cfg, args)
        seeds.add(train_cfg.seed)
    assert len(seeds) == 1
    assert seeds.pop() >= 0


def test_class_to_dict_takes_classes_and_instances() -> None:
    assert class_to_dict(LeggedRobotCfg()) == LeggedRobotCfg().to_dict()

    class plain:
        number = 1

        class inner:
            text = "a"

    assert class_to_dict(plain) == {"number": 1, "inner": {"text": "a"}}


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "cpu:x"])
def test_devices_that_are_not_there_are_refused(device: str) -> None:
    with pytest.raises(UserError, match=f"no device '{device}'"):
        resolve_device(device)


def test_default_device_is_there() -> None:
    assert torch.zeros(1, device=resolve_device(None)).device.type in {"cpu", "cuda"}


def test_run_main_shows_mistakes_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> NoReturn:
        raise UserError("first\n  second")

    assert run_main(fail) == 2
    assert capsys.readouterr().err == "error: first second\n"


def test_run_main_lets_other_errors_through() -> None:
    def fail() -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_main(fail)


def test_help_shows_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    parser = make_parser("Do it.", ["python do.py --task=qmini"])
    with pytest.raises(SystemExit) as stop:
        get_args(["--help"], parser)
    assert stop.value.code == 0
    assert "examples:\n  python do.py --task=qmini" in capsys.readouterr().out


def test_get_args_reads_the_training_arguments() -> None:
    args = get_args([])
    assert isinstance(args, argparse.Namespace)
    assert (args.task, args.sim, args.sim_device, args.headless) == ("qmini", None, None, False)
