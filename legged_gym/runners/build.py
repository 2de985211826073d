"""The job of a script, and building a training's runner in a new or existing run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import math
import os
from typing import Any

from rsl_rl.runners import OnPolicyRunner

from legged_gym.common.devices import learning_device, resolve_device
from legged_gym.common.errors import UserError, near_names
from legged_gym.common.memory import require_memory
from legged_gym.envs.base.effects import warn_without_effect
from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.own_settings import refuse_mistakes
from legged_gym.envs.registry import task_registry
from legged_gym.runners import distributed
from legged_gym.runners.config import check_function, find_class, rsl_rl_config
from legged_gym.runners.distillation_runner import DistillationRunner
from legged_gym.runners.runs import (
    SHIPPED_CHECKPOINT,
    checkpoint_number,
    experiment_root,
    get_load_path,
    new_run_folder,
    newest_whole_checkpoint,
)


@dataclasses.dataclass(frozen=True)
class Job:
    """A task with its final configurations, its devices, and the run that it resumes or plays.

    :func:`legged_gym.cli.job.resolve` makes it from the command line.
    """

    task: str
    env_cfg: LeggedRobotCfg
    train_cfg: LeggedRobotCfgPPO
    """The configurations with the command line's values, checked."""
    sim: str
    sim_device: str
    rl_device: str
    root: str
    """Folder of the experiment's runs."""
    checkpoint: str | None = None
    """Path of the checkpoint that is resumed or played."""
    shipped: bool = False
    """Whether it comes with the project."""
    results: str = ""
    """Folder for results of the checkpoint: the run's, unless it comes with the project."""
    notes: str = ""
    """Lines for the user about the choices, to be shown after all checks."""

    @property
    def run(self) -> str:
        """Folder of the checkpoint."""
        return os.path.dirname(self.checkpoint or "")

    def make_env(self) -> LeggedRobot:
        """Make the environment. ``UserError`` if the robot or the simulator can't be loaded."""
        return task_registry.build_env(self.task, self.env_cfg, self.train_cfg.seed, self.sim, self.sim_device)

    def make_runner(self, env: LeggedRobot, log_root: str | None) -> OnPolicyRunner:
        """Make what trains or plays, with the checkpoint loaded if there is one; see :func:`build_runner`."""
        return build_runner(env, self.train_cfg, self.rl_device, log_root)


def build_runner(
    env: LeggedRobot,
    train_cfg: LeggedRobotCfgPPO,
    rl_device: str | None = None,
    log_root: str | None = "default",
    logs: str | None = None,
) -> OnPolicyRunner:
    """Build the runner; see :meth:`legged_gym.envs.registry.TaskRegistry.make_alg_runner`.

    The networks run on ``rl_device``; None: on the simulation's device, or on a GPU if there is one. ``log_root`` holds
    the experiment's runs: ``default`` is the experiment's folder in ``logs``, None writes nothing.
    """
    settings = train_cfg.runner
    device = rl_device or learning_device(env.device)
    if device != env.device:
        device = resolve_device(device)
    here = distributed.join(device)
    if log_root == "default":
        log_root = experiment_root(settings.experiment_name, logs)
    path = None
    if settings.resume:
        if log_root is None:
            raise ValueError("runner.resume needs a log_root to find the run in")
        path = distributed.from_first(lambda: _checkpoint(log_root, settings))
    run: contextlib.AbstractContextManager[str | None] = contextlib.nullcontext()
    # The shipped policy is never changed: a run that starts from it is a new one.
    if path is not None and os.path.basename(path) != SHIPPED_CHECKPOINT:
        run = contextlib.nullcontext(os.path.dirname(path))
    elif here.is_first and log_root is not None:
        run = new_run_folder(log_root, settings.run_name)
    with run as folder:
        runner = _runner(env, train_cfg, device, distributed.from_first(lambda: folder))
        if path is not None:
            runner.load(path)
        elif isinstance(runner, DistillationRunner) and log_root is not None:
            siblings = os.path.dirname(os.path.abspath(log_root))
            runner.load_teacher(distributed.from_first(lambda: _teacher(train_cfg.to_dict()["distillation"], siblings)))
        return runner


def _runner(env: LeggedRobot, train_cfg: LeggedRobotCfgPPO, device: str, log_dir: str | None) -> OnPolicyRunner:
    runner_class = find_class("runner_class_name", train_cfg.runner_class_name)
    algorithm = find_class("algorithm.class_name", train_cfg.algorithm.class_name)
    if train_cfg.symmetry.function:
        check_function("symmetry.function", train_cfg.symmetry.function)
    refuse_mistakes(train_cfg, (runner_class, algorithm))
    warn_without_effect(train_cfg)
    _check_own_settings(train_cfg, algorithm)
    _check_obs_groups(train_cfg, set(map(str, env.get_observations().keys())))
    _require_memory(env, train_cfg, device)
    try:
        return runner_class(env, rsl_rl_config(train_cfg), log_dir, device)
    except ValueError as error:
        # rsl_rl's and our own constructors raise this for settings that don't fit together.
        raise UserError(
            f"the training's configuration does not fit '{train_cfg.runner_class_name}': {error}"
        ) from error


def _teacher(settings: dict[str, str], logs: str) -> str:
    """Return the teacher's checkpoint from a student's configuration; ``logs`` contains all experiments."""
    if os.path.isfile(settings["teacher_run"]):
        return settings["teacher_run"]
    if not settings["teacher_experiment"]:
        raise UserError("config key 'distillation.teacher_experiment' is empty: name that of the teacher's runs")
    try:
        return get_load_path(os.path.join(logs, settings["teacher_experiment"]), settings["teacher_run"])
    except UserError as error:
        reason = str(error).replace("--load_run", "--set=distillation.teacher_run=RUN")
        raise UserError(f"a student needs a teacher ('distillation.teacher_run'): {reason}") from error


def _checkpoint(log_root: str, settings: Any) -> str:
    """Return the requested checkpoint; the newest one means the newest that can be read."""
    path = get_load_path(log_root, settings.load_run, settings.checkpoint)
    if settings.checkpoint >= 0 or checkpoint_number(path) is None:
        return path
    return newest_whole_checkpoint(os.path.dirname(path))


def _require_memory(env: LeggedRobot, train_cfg: LeggedRobotCfgPPO, device: str) -> None:
    """Refuse networks and rollouts that don't fit into the memory, before a folder is made."""
    observed = sum(math.prod(group.shape[1:]) for group in env.get_observations().values())
    steps = env.num_envs * train_cfg.runner.num_steps_per_env
    rollout = "the steps of an iteration (env.num_envs * runner.num_steps_per_env)"
    require_memory(rollout, 4 * steps * (observed + 4 * env.num_actions), device)
    for key, widths in (("actor", train_cfg.policy.actor_hidden_dims), ("critic", train_cfg.policy.critic_hidden_dims)):
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        # Weights, gradients and two moments of each.
        require_memory(f"the weights of the {key} (policy.{key}_hidden_dims)", 16 * weights, device)


def _check_own_settings(train_cfg: LeggedRobotCfgPPO, algorithm: type) -> None:
    """Refuse unknown settings in sections with a fixed set of settings."""
    constructors = [vars(base)["__init__"] for base in algorithm.__mro__[:-1] if "__init__" in vars(base)]
    names = {name for constructor in constructors for name in inspect.signature(constructor).parameters}
    for name in train_cfg.to_dict()["algorithm"]:
        if name not in {*names, "class_name"}:
            setting = f"config key 'algorithm.{name}' is not a setting of '{train_cfg.algorithm.class_name}'"
            raise UserError(f"{setting}: {near_names(name, names)}")
    for section in ("policy", "symmetry"):
        known = [name for name in vars(getattr(LeggedRobotCfgPPO, section)) if not name.startswith("_")]
        for name in train_cfg.to_dict()[section]:
            if name not in known:
                raise UserError(f"config key '{section}.{name}' is not read anywhere: {near_names(name, known)}")


def _check_obs_groups(train_cfg: LeggedRobotCfgPPO, there: set[str]) -> None:
    """Check that the networks' observation groups exist. An estimator adds its output to them."""
    cfg = train_cfg.to_dict()
    sets = {f"obs_groups.{name}": list(groups) for name, groups in cfg["obs_groups"].items()}
    if "estimator" in cfg:
        there.add("estimate")
        sets["estimator.label"] = [cfg["estimator"]["label"]]
    for key, groups in sets.items():
        if not groups:
            raise UserError(f"config key '{key}' is empty; {near_names('', there)}")
        for group in groups:
            if group not in there:
                raise UserError(f"config key '{key}': no observation group '{group}'; {near_names(group, there)}")
