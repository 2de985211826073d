"""Turns the command line into a job: configurations, simulator, devices, run and checkpoint."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import TYPE_CHECKING, Any

from legged_gym import policies, runners, this_robot
from legged_gym.common.errors import UserError
from legged_gym.envs.base.overrides import set_keys, update_cfg_from_args
from legged_gym.envs.registry import task_registry
from legged_gym.runners.build import Job
from legged_gym.runners.config import default_num_envs, default_num_epochs
from legged_gym.runners.runs import (
    NEWEST,
    SHIPPED,
    SHIPPED_CHECKPOINT,
    checkpoint_number,
    experiment_root,
    find_run,
    list_checkpoints,
    load_run_config,
    shipped_policy,
)
from legged_gym.simulators.backend import choose_backend, hand_on_isaacgym_python

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO

PLAYED_ROBOTS = 16
"""Default number of robots that play a policy."""
_STARTING_VALUES = (
    "algorithm.learning_rate", "policy.init_noise_std", "estimator.init_std", "terrain.max_init_terrain_level",
    "distillation.teacher_experiment", "distillation.teacher_run",
)  # fmt: skip
"""Settings that only matter at the start of a training; a checkpoint holds their present values."""
_ADAPTATION = {
    "runner.averaged_iterations": 40,
    "runner.estimator_iterations": 20,
    "runner.denoising_iterations": 0,
    "algorithm.desired_kl": 0.003,
}
"""A training from the shipped policy takes small steps, as it may have few robots, and averages its last iterations."""
_CHOICES = ("resume", "load_run", "checkpoint", "experiment_name")
"""Settings of the section ``runner`` that choose the run, before its configuration is read."""


def resolve(args: argparse.Namespace) -> Job:
    """Return the training that the command line asks for: a new one or, with ``--resume``, one that continues.

    Under ``torchrun`` all processes must call this; the command line and files of the first one are used.

    Args:
        args: The arguments from :func:`~legged_gym.cli.arguments.get_args`; they are not changed. Those that a script
            does not have may be missing.

    Raises:
        UserError: The task, run or device does not exist, a key is unknown, or a value is not valid.
    """

    def describe() -> dict[str, Any]:
        job = _resolve_training(args)
        configs = {"env_cfg": job.env_cfg.to_dict(), "train_cfg": job.train_cfg.to_dict()}
        return {field.name: getattr(job, field.name) for field in dataclasses.fields(job)} | configs

    told = runners.distributed.from_first(describe)
    env_cfg, train_cfg = task_registry.get_cfgs(told["task"])
    env_cfg.update(told.pop("env_cfg"))
    train_cfg.update(told.pop("train_cfg"))
    hand_on_isaacgym_python(args, told["sim"])
    return Job(env_cfg=env_cfg, train_cfg=train_cfg, **told)


def resolve_policy(args: argparse.Namespace, on_its_ground: bool = False) -> Job:
    """Return the checkpoint that the command line names, in an environment configured as in its training.

    The environment has few robots, no observation noise and no pushes, and tiles of random difficulty; it runs on
    MuJoCo C, where few robots are ready within seconds. Settings of the command line override all of this.

    Args:
        args: Command line; ``task``, ``load_run``, ``checkpoint``, ``experiment_name`` and ``log_root`` choose the
            policy. If none is given and there is no run, it is the shipped policy.
        on_its_ground: Make one robot, on the same tiles as in the training.

    Raises:
        UserError: The task, run or checkpoint does not exist or is of another task, a key is unknown, or a value is not
            valid.
    """
    env_cfg, train_cfg = task_registry.get_cfgs(args.task)
    chosen = _chosen(args, train_cfg)
    if chosen.resume:
        raise UserError("config key 'runner.resume' is for train.py: playing does not continue a training")
    chosen_by = {"seed", *(f"runner.{name}" for name in _CHOICES)}
    for key in set_keys(args):
        if key.partition(".")[0] in train_cfg.names() and key not in chosen_by:
            raise UserError(f"config key '{key}' has no effect here: nothing is trained")
    root = experiment_root(chosen.experiment_name, args.log_root)
    source = policies.finder.find_checkpoint(chosen.load_run, args.task, root, chosen.checkpoint)
    checkpoint, folder = source.path, os.path.dirname(source.path)
    shipped = os.path.abspath(folder) == shipped_policy(args.task)
    results = os.path.join(root, SHIPPED) if shipped else folder
    load_run_config(folder, args.task, env_cfg, train_cfg)
    env_cfg.env.num_envs = 1 if on_its_ground else PLAYED_ROBOTS
    env_cfg.noise.add_noise = False
    env_cfg.domain_rand.push_robots = False
    env_cfg.terrain.curriculum = env_cfg.terrain.curriculum and on_its_ground
    _become_robot(args, env_cfg)
    given = argparse.Namespace(**vars(args))
    choose_backend(given, few_robots=True)
    update_cfg_from_args(env_cfg, train_cfg, given, task_registry.get_task_class(args.task))
    if source.note:
        given.note = f"{getattr(given, 'note', '')}{source.note}\n"
    return _job(given, env_cfg, train_cfg, root=root, checkpoint=checkpoint, shipped=shipped, results=results)


def _resolve_training(args: argparse.Namespace) -> Job:
    env_cfg, train_cfg = task_registry.get_cfgs(args.task)
    chosen = _chosen(args, train_cfg)
    root = experiment_root(chosen.experiment_name, getattr(args, "log_root", None))
    given, task = argparse.Namespace(**vars(args)), task_registry.get_task_class(args.task)
    if not chosen.resume:
        if {"load_run", "checkpoint"} & _told(args).keys():
            raise UserError("--load_run and --checkpoint need --resume")
        choose_backend(given)
        _suit_device(given, env_cfg, train_cfg, env_cfg, train_cfg)
        _become_robot(given, env_cfg)
        update_cfg_from_args(env_cfg, train_cfg, given, task)
        return _job(given, env_cfg, train_cfg, root=root)
    for key in set_keys(args):
        if key in _STARTING_VALUES:
            raise UserError(f"config key '{key}' can't be set with --resume: its value comes from the checkpoint")
    task_cfgs = env_cfg.copy(), train_cfg.copy()
    run, number = _resumed(chosen, args.task, root)
    shipped = os.path.abspath(run) == shipped_policy(args.task)
    sim, run_name = load_run_config(run, args.task, env_cfg, train_cfg), train_cfg.runner.run_name
    if not shipped:
        given.sim = given.sim or sim
    choose_backend(given)
    if shipped:
        # It was trained on another machine.
        _suit_device(given, env_cfg, train_cfg, *task_cfgs)
        for key, value in _ADAPTATION.items():
            train_cfg.set(key, value)
    _become_robot(given, env_cfg)
    update_cfg_from_args(env_cfg, train_cfg, given, task)
    if not shipped and train_cfg.runner.run_name != run_name:
        raise UserError(f"--run_name is for a new run, but --resume continues '{run}'")
    train_cfg.runner.resume, train_cfg.runner.load_run, train_cfg.runner.checkpoint = True, run, number
    return _job(given, env_cfg, train_cfg, root=root)


def _become_robot(args: argparse.Namespace, env_cfg: LeggedRobotCfg) -> None:
    """Give the task the parameters of the robot in ``--robot``."""
    path = getattr(args, "robot", None)
    if path is not None:
        robot_file = this_robot.robot_file
        robot_file.apply_robot(robot_file.read_robot(path, args.task), env_cfg)


def _suit_device(
    args: argparse.Namespace,
    env_cfg: LeggedRobotCfg,
    train_cfg: LeggedRobotCfgPPO,
    task_env_cfg: LeggedRobotCfg,
    task_train_cfg: LeggedRobotCfgPPO,
) -> None:
    """Set the task's default number of robots and epochs for the chosen devices."""
    env_cfg.env.num_envs = default_num_envs(task_env_cfg, args.sim_device)
    train_cfg.algorithm.num_learning_epochs = default_num_epochs(task_train_cfg, args.rl_device)


def _job(args: argparse.Namespace, env_cfg: LeggedRobotCfg, train_cfg: LeggedRobotCfgPPO, **run: Any) -> Job:
    """Return the job, with the simulator and the devices that :func:`choose_backend` filled in."""
    where = args.sim, args.sim_device, args.rl_device
    return Job(args.task, env_cfg, train_cfg, *where, notes=getattr(args, "note", ""), **run)


def _chosen(args: argparse.Namespace, train_cfg: LeggedRobotCfgPPO) -> Any:
    """Return a section ``runner`` that takes only the choice of a run from the command line."""
    chosen = train_cfg.copy()
    for name, value in _told(args).items():
        chosen.set(f"runner.{name}", value)
    return chosen.runner


def _told(args: argparse.Namespace) -> dict[str, Any]:
    """Return these choices from the command line's arguments and ``--set``."""
    told = {name: getattr(args, name, None) for name in _CHOICES}
    sets = (override.removeprefix("train.").partition("=") for override in args.overrides)
    told.update({name: text for key, _, text in sets if (name := key.removeprefix("runner.")) in told and name != key})
    return {name: value for name, value in told.items() if value is not None}


def _resumed(chosen: Any, task: str, root: str) -> tuple[str, int]:
    """Return the run to resume and the number of its checkpoint; -1 is the newest complete one."""
    if chosen.load_run in NEWEST:
        return find_run(root), chosen.checkpoint
    path = policies.finder.find_checkpoint(chosen.load_run, task, root, chosen.checkpoint).path
    run, number = os.path.dirname(path), checkpoint_number(path)
    if number is None and os.path.basename(path) != SHIPPED_CHECKPOINT:
        raise UserError(f"a training continues from a checkpoint that is called model_N.pt, not from '{path}'")
    named = chosen.checkpoint >= 0 or number not in list_checkpoints(run)[-1:]
    return run, number if number is not None and named else -1
