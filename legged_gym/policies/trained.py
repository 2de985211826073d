"""Trained policies: found by the command line, in the environment they were trained for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.envs.base.overrides import update_cfg_from_args
from legged_gym.envs.registry import task_registry
from legged_gym.runners.runs import (
    SHIPPED,
    SHIPPED_CHECKPOINT,
    experiment_root,
    get_load_path,
    has_runs,
    load_run_config,
    shipped_policy,
)
from legged_gym.simulators.backend import choose_backend

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg

_PLAYED_ROBOTS = 16


@dataclass
class Trained:
    """A checkpoint in use."""

    env: LeggedRobot
    runner: OnPolicyRunner
    checkpoint: str
    """Path of the file."""
    results: str
    """Folder for what is found out about it: the run's, unless the policy came with the project."""
    shipped: bool = False
    """Whether it came with the project."""

    @property
    def run(self) -> str:
        """The run's folder."""
        return os.path.dirname(self.checkpoint)


def load_trained(args: argparse.Namespace, prepare: Callable[[LeggedRobotCfg], None] | None = None) -> Trained:
    """Load the checkpoint that the command line names into an environment configured as in its training.

    The environment has few robots, no observation noise and no pushes, and tiles of random difficulty; it runs on
    MuJoCo C, where few robots are ready within seconds. What the command line says comes last.

    Args:
        args: Command line; ``task``, ``load_run``, ``checkpoint``, ``experiment_name`` and ``log_root`` choose. If
            nothing is chosen and there is no run, it is the policy that came with the project.
        prepare: Changes the environment's configuration further.

    Raises:
        UserError: No such task, run or checkpoint, or one that is damaged or of another task.
    """
    env_cfg, train_cfg = task_registry.get_cfgs(args.task)
    root = experiment_root(args.experiment_name or train_cfg.runner.experiment_name, args.log_root)
    shipped = _shipped(args, root)
    if shipped is not None:
        checkpoint, results = os.path.join(shipped, SHIPPED_CHECKPOINT), os.path.join(root, SHIPPED)
    else:
        checkpoint = get_load_path(root, args.load_run or "", -1 if args.checkpoint is None else args.checkpoint)
        results = os.path.dirname(checkpoint)
    load_run_config(os.path.dirname(checkpoint), args.task, env_cfg, train_cfg)
    env_cfg.env.num_envs = _PLAYED_ROBOTS
    env_cfg.noise.add_noise = False
    env_cfg.domain_rand.push_robots = False
    env_cfg.terrain.curriculum = False
    if prepare is not None:
        prepare(env_cfg)
    update_cfg_from_args(env_cfg, train_cfg, args)
    choose_backend(args, few_robots=True)
    env, _ = task_registry.make_env(args.task, args, env_cfg, train_cfg)
    try:
        runner, _ = task_registry.make_alg_runner(env, args.task, args, train_cfg, log_root=None)
        runner.load(checkpoint, {"actor": True, "critic": True, "iteration": True})
    except BaseException:
        env.close()
        raise
    return Trained(env, runner, checkpoint, results, shipped is not None)


def _shipped(args: argparse.Namespace, root: str) -> str | None:
    """Return the folder of the policy that came with the project if it is the one to take, having said so."""
    folder = shipped_policy(args.task)
    if args.load_run == SHIPPED:
        if folder is None:
            raise UserError(f"no policy came with the project for the task '{args.task}'")
        return folder
    if folder is None or args.load_run or args.checkpoint is not None or has_runs(root):
        return None
    print(f"no run of your own in '{relative(root)}': taking the policy that came with the project")
    return folder
