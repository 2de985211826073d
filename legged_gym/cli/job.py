"""From the command line to the job: configurations, simulator, devices, run and checkpoint, each found out once."""

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
"""Robots that play a policy if nobody says how many."""
_STARTING_VALUES = (
    "algorithm.learning_rate", "policy.init_noise_std", "estimator.init_std", "terrain.max_init_terrain_level",
    "distillation.teacher_experiment", "distillation.teacher_run",
)  # fmt: skip
"""Settings that a training only starts from; a checkpoint holds what became of them."""
_ADAPTATION = {
    "runner.averaged_iterations": 40,
    "runner.estimator_iterations": 20,
    "runner.denoising_iterations": 0,
    "algorithm.desired_kl": 0.003,
}
"""Settings of a training that starts from the shipped policy: it takes small steps, because it may learn from few
robots, and it ends as a mean of its last iterations, which are few."""
_CHOICES = ("resume", "load_run", "checkpoint", "experiment_name")
"""Settings of the section ``runner`` that say which run is meant, before its configuration is read."""


def resolve(args: argparse.Namespace) -> Job:
    """Return the training that the command line asks for: a new one, or with ``--resume`` one that goes on.

    Under ``torchrun`` all processes have to call this; the first one's command line and files count.

    Args:
        args: What :func:`~legged_gym.cli.arguments.get_args` returned; it is not changed. Arguments that a script does
            not have may be missing.

    Raises:
        UserError: No such task, run or device, an unknown key, or a value that does not fit.
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
    MuJoCo C, where few robots are ready within seconds. What the command line says comes last.

    Args:
        args: Command line; ``task``, ``load_run``, ``checkpoint``, ``experiment_name`` and ``log_root`` choose. If
            nothing is chosen and there is no run, it is the policy that came with the project.
        on_its_ground: For one robot on the very tiles of the training.

    Raises:
        UserError: No such task, run or checkpoint, or one of another task; an unknown key, a value that does not fit.
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
            raise UserError("--load_run and --checkpoint go with --resume")
        choose_backend(given)
        _suit_device(given, env_cfg, train_cfg, env_cfg, train_cfg)
        _become_robot(given, env_cfg)
        update_cfg_from_args(env_cfg, train_cfg, given, task)
        return _job(given, env_cfg, train_cfg, root=root)
    for key in set_keys(args):
        if key in _STARTING_VALUES:
            raise UserError(f"config key '{key}' can't be set on --resume: the checkpoint has its present value")
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
        raise UserError(f"--run_name names a new run, and --resume goes on in '{run}'")
    train_cfg.runner.resume, train_cfg.runner.load_run, train_cfg.runner.checkpoint = True, run, number
    return _job(given, env_cfg, train_cfg, root=root)


def _become_robot(args: argparse.Namespace, env_cfg: LeggedRobotCfg) -> None:
    """Make the task that of the one robot that ``--robot`` names."""
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
    """Take as many robots and epochs as the task wants on the chosen devices."""
    env_cfg.env.num_envs = default_num_envs(task_env_cfg, args.sim_device)
    train_cfg.algorithm.num_learning_epochs = default_num_epochs(task_train_cfg, args.rl_device)


def _job(args: argparse.Namespace, env_cfg: LeggedRobotCfg, train_cfg: LeggedRobotCfgPPO, **run: Any) -> Job:
    """Return the job, with the simulator and the devices that :func:`choose_backend` filled in."""
    where = args.sim, args.sim_device, args.rl_device
    return Job(args.task, env_cfg, train_cfg, *where, notes=getattr(args, "note", ""), **run)


def _chosen(args: argparse.Namespace, train_cfg: LeggedRobotCfgPPO) -> Any:
    """Return a section ``runner`` in which the command line's choice of a run stands, and nothing else of it."""
    chosen = train_cfg.copy()
    for name, value in _told(args).items():
        chosen.set(f"runner.{name}", value)
    return chosen.runner


def _told(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says of these choices, by arguments and by ``--set``."""
    told = {name: getattr(args, name, None) for name in _CHOICES}
    sets = (override.removeprefix("train.").partition("=") for override in args.overrides)
    told.update({name: text for key, _, text in sets if (name := key.removeprefix("runner.")) in told and name != key})
    return {name: value for name, value in told.items() if value is not None}


def _resumed(chosen: Any, task: str, root: str) -> tuple[str, int]:
    """Return the run that a training goes on with, and the number of its checkpoint; -1 is the newest whole one."""
    if chosen.load_run in NEWEST:
        return find_run(root), chosen.checkpoint
    path = policies.finder.find_checkpoint(chosen.load_run, task, root, chosen.checkpoint).path
    run, number = os.path.dirname(path), checkpoint_number(path)
    if number is None and os.path.basename(path) != SHIPPED_CHECKPOINT:
        raise UserError(f"a training goes on with a checkpoint that is called model_N.pt, not with '{path}'")
    named = chosen.checkpoint >= 0 or number not in list_checkpoints(run)[-1:]
    return run, number if number is not None and named else -1
