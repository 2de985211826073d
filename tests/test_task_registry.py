from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from qmini_training import train_config

from legged_gym.cli.arguments import get_args
from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, Qmini, QminiCfg, QminiCfgPPO
from legged_gym.envs.registry import TaskRegistry
from legged_gym.runners import OnPolicyRunnerEE


@pytest.fixture
def registry() -> TaskRegistry:
    registry = TaskRegistry()
    registry.register("qmini", Qmini, QminiCfg, train_config())
    return registry


@pytest.fixture
def env(registry: TaskRegistry) -> LeggedRobot:
    return registry.make_env("qmini", get_args(["--sim=mujoco", "--num_envs=2", "--set", "terrain.mesh_type=plane"]))[0]


def test_every_caller_gets_copies() -> None:
    registry, mine = TaskRegistry(), QminiCfgPPO()
    registry.register("qmini", Qmini, QminiCfg, mine)
    mine.seed = 1
    registry.get_cfgs("qmini")[0].rewards.scales.alive = 99.0
    env_cfg, train_cfg = registry.get_cfgs("qmini")
    assert (env_cfg.rewards.scales.alive, train_cfg.seed) == (QminiCfg().rewards.scales.alive, QminiCfgPPO().seed)
    assert (registry.names, registry.get_task_class("qmini")) == (["qmini"], Qmini)


def test_unknown_task_names_the_near_one(registry: TaskRegistry) -> None:
    with pytest.raises(UserError, match="unknown task 'gmini': did you mean 'qmini'"):
        registry.get_cfgs("gmini")
    with pytest.raises(UserError, match="unknown task 'cassie': valid: qmini"):
        registry.make_env("cassie")


def test_environment_takes_configuration_and_arguments(registry: TaskRegistry) -> None:
    given = QminiCfg()
    given.terrain.mesh_type, given.env.num_envs = "plane", 5
    env, cfg = registry.make_env("qmini", get_args(["--sim=mujoco", "--num_envs=2"]), given)
    assert (env.num_envs, cfg.env.num_envs, given.env.num_envs) == (2, 2, 5)
    env.close()


def test_runner_starts_a_run_of_its_own(registry: TaskRegistry, env: LeggedRobot, tmp_path: Path) -> None:
    args = get_args(["--run_name=mine", "--set", "algorithm.gamma=0.9", "--rl_device=cpu"])
    runner, train_cfg = registry.make_alg_runner(env, "qmini", args, log_root=str(tmp_path))
    assert isinstance(runner, OnPolicyRunnerEE)
    assert (train_cfg.algorithm.gamma, runner.alg.gamma) == (0.9, 0.9)
    (name,) = os.listdir(tmp_path)
    assert name.endswith("_mine")
    assert runner.logger.log_dir == str(tmp_path / name)
    assert os.listdir(tmp_path / name) == []
    env.close()


def test_log_root_of_the_arguments_holds_the_experiment(
    registry: TaskRegistry, env: LeggedRobot, tmp_path: Path
) -> None:
    args = get_args([f"--log_root={tmp_path}", "--experiment_name=trial", "--rl_device=cpu"])
    runner, _ = registry.make_alg_runner(env, "qmini", args)
    assert os.path.dirname(str(runner.logger.log_dir)) == str(tmp_path / "trial")
    env.close()


def test_runner_goes_on_in_the_folder_it_loads(registry: TaskRegistry, env: LeggedRobot, tmp_path: Path) -> None:
    args = get_args(["--rl_device=cpu"])
    first, _ = registry.make_alg_runner(env, "qmini", args, log_root=str(tmp_path))
    first.learn(2)
    again, _ = registry.make_alg_runner(env, "qmini", get_args(["--resume", "--rl_device=cpu"]), log_root=str(tmp_path))
    assert again.logger.log_dir == first.logger.log_dir
    assert again.completed_iterations == 2
    assert len(os.listdir(tmp_path)) == 1
    env.close()


def test_failed_runner_leaves_no_folder(registry: TaskRegistry, env: LeggedRobot, tmp_path: Path) -> None:
    args = get_args([f"--log_root={tmp_path / 'logs'}", "--set", "runner_class_name=nowhere:Runner"])
    with pytest.raises(UserError, match="config key 'runner_class_name'"):
        registry.make_alg_runner(env, "qmini", args)
    assert os.listdir(tmp_path) == []
    env.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"env_cfg": QminiCfgPPO()}, "QminiCfgPPO is not a LeggedRobotCfg"),
        ({"env_cfg": {"env": {"num_envs": 2}}}, "dict is not a LeggedRobotCfg"),
        ({"train_cfg": QminiCfg}, "QminiCfg is not a LeggedRobotCfgPPO"),
    ],
)
def test_a_configuration_of_another_kind_is_refused(registry: TaskRegistry, given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        registry.make_env("qmini", **given)


def test_a_runner_takes_a_configuration_and_checks_it(env: LeggedRobot) -> None:
    train_cfg = train_config()
    assert OnPolicyRunnerEE(env, train_cfg).alg.gamma == train_cfg.algorithm.gamma
    train_cfg.algorithm.gamma = 2.0
    with pytest.raises(UserError, match=r"config key 'algorithm.gamma' takes a number above 0 and at most 1, got 2.0"):
        OnPolicyRunnerEE(env, train_cfg)
    env.close()


def test_legged_gyms_import_gives_the_registry() -> None:
    import legged_gym.envs  # noqa: F401 (imports the module of the same name)
    from legged_gym.envs import task_registry as imported

    assert isinstance(imported, TaskRegistry)
    variants = ("fast", "fast_gpu", "published", "student", "teacher")
    assert imported.names == ["go2", "qmini", *(f"qmini_{name}" for name in variants)]


def test_legged_gyms_own_list_of_tasks_can_stand_in_the_package_of_tasks() -> None:
    """``envs/__init__.py`` is imported by the command line: the registry must not need that in its turn."""
    code = "import sys, legged_gym.utils.task_registry; print(*(m for m in sys.modules if m.startswith('legged_gym.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "legged_gym.envs.registry" in loaded
    assert not [name for name in loaded if name.split(".")[1] in ("cli", "runners", "policies")]
