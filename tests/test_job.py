"""What a command line asks for is found out once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from legged_gym.cli import job as module
from legged_gym.cli.arguments import get_args
from legged_gym.cli.job import resolve, resolve_policy
from legged_gym.common.errors import UserError
from legged_gym.envs import task_registry
from legged_gym.envs.base import overrides
from legged_gym.envs.registry import TaskRegistry
from legged_gym.runners.runs import save_run_config

SMALL = ("--sim=mujoco", "--rl_device=cpu", "--num_envs=2", "--set=terrain.mesh_type=plane")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run with one checkpoint, whose configuration is unlike the task's."""
    env_cfg, train_cfg = task_registry.get_cfgs("qmini")
    env_cfg.rewards.scales.alive, env_cfg.domain_rand.max_push_vel_x = 0.7, 0.9
    folder = tmp_path / "mine" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    save_run_config(str(folder), "qmini", env_cfg, train_cfg, "mujoco")
    (folder / "model_4.pt").touch()
    return folder


def test_what_is_given_is_applied_and_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict[str, int] = {}

    def counted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            calls[name] = calls.get(name, 0) + 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    counted(overrides, "_apply_override")
    counted(overrides, "validate")
    counted(module, "update_cfg_from_args")
    counted(TaskRegistry, "get_cfgs")
    args = get_args([*SMALL, f"--log_root={tmp_path}", "--set=rewards.scales.alive=0.5", "--set=algorithm.gamma=0.9"])
    job = resolve(args)
    env = job.make_env()
    runner = job.make_runner(env, job.root)
    assert calls == {"_apply_override": 3, "validate": 1, "update_cfg_from_args": 1, "get_cfgs": 2}
    assert (env.cfg.rewards.scales.alive, env.num_envs, runner.alg.gamma) == (0.5, 2, 0.9)
    assert args.sim_device is None, "the command line stays as it was given"
    env.close()


def test_resuming_takes_the_runs_configuration_and_then_the_command_line(run: Path) -> None:
    given = [f"--log_root={run.parent.parent}", "--set=runner.experiment_name=mine", "--rl_device=cpu"]
    job = resolve(get_args([*given, "--resume", "--set=domain_rand.max_push_vel_x=0.1"]))
    assert (job.train_cfg.runner.resume, job.train_cfg.runner.load_run) == (True, str(run))
    assert (job.env_cfg.rewards.scales.alive, job.env_cfg.domain_rand.max_push_vel_x) == (0.7, 0.1)
    assert job.root == str(run.parent)


def test_what_is_played_has_few_robots_and_no_noise(run: Path) -> None:
    given = [f"--log_root={run.parent.parent}", "--experiment_name=mine", "--rl_device=cpu"]
    job = resolve_policy(get_args([*given, "--set=env.log_interval=2"]))
    assert (job.checkpoint, job.run, job.results) == (str(run / "model_4.pt"), str(run), str(run))
    cfg = job.env_cfg
    assert (cfg.env.num_envs, cfg.noise.add_noise, cfg.env.log_interval, cfg.terrain.curriculum) == (
        16,
        False,
        2,
        False,
    )
    on_tiles = resolve_policy(get_args(given), on_its_ground=True).env_cfg
    assert (on_tiles.env.num_envs, on_tiles.terrain.curriculum) == (1, True)
    with pytest.raises(UserError, match=r"'runner.resume' is for train.py"):
        resolve_policy(get_args([*given, "--set=runner.resume=true"]))
    with pytest.raises(UserError, match=r"'algorithm.gamma' has no effect here: nothing is trained"):
        resolve_policy(get_args([*given, "--set=train.algorithm.gamma=0.9"]))


def test_a_seed_is_drawn_once_wherever_it_is_asked_for() -> None:
    job = resolve(get_args([*SMALL, "--set=seed=-1"]))
    assert job.train_cfg.seed >= 0
    assert resolve(get_args([*SMALL, "--seed=7"])).train_cfg.seed == 7
