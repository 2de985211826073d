"""Tasks by name: which class, which configurations, and how environment and runner are made of them."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
from typing import TYPE_CHECKING, cast

from legged_gym.utils.errors import UserError, near_names

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO


class TaskRegistry:
    """All tasks that were registered, with copies of their configurations for every caller."""

    def __init__(self) -> None:
        """Start without tasks."""
        self._tasks: dict[str, tuple[type[LeggedRobot], LeggedRobotCfg, LeggedRobotCfgPPO]] = {}

    def register(
        self,
        name: str,
        task_class: type[LeggedRobot],
        env_cfg: LeggedRobotCfg | type[LeggedRobotCfg],
        train_cfg: LeggedRobotCfgPPO | type[LeggedRobotCfgPPO],
    ) -> None:
        """Add a task, or replace the one of this name.

        Args:
            name: What ``--task`` takes.
            task_class: The environment's class.
            env_cfg: The environment's configuration, a class or an instance.
            train_cfg: The training's configuration, a class or an instance.
        """
        env = env_cfg() if inspect.isclass(env_cfg) else env_cfg.copy()
        train = train_cfg() if inspect.isclass(train_cfg) else train_cfg.copy()
        self._tasks[name] = (task_class, env, train)

    @property
    def names(self) -> list[str]:
        """Names of all tasks."""
        return sorted(self._tasks)

    def get_task_class(self, name: str) -> type[LeggedRobot]:
        """Return a task's class.

        Raises:
            UserError: No such task.
        """
        return self._entry(name)[0]

    def get_cfgs(self, name: str) -> tuple[LeggedRobotCfg, LeggedRobotCfgPPO]:
        """Return copies of a task's configurations, the caller's to change.

        Raises:
            UserError: No such task.
        """
        _, env_cfg, train_cfg = self._entry(name)
        return env_cfg.copy(), train_cfg.copy()

    def make_env(
        self,
        name: str,
        args: argparse.Namespace | None = None,
        env_cfg: LeggedRobotCfg | None = None,
        train_cfg: LeggedRobotCfgPPO | None = None,
    ) -> tuple[LeggedRobot, LeggedRobotCfg]:
        """Make a task's environment.

        Args:
            name: The task.
            args: Command line; its values go into the configuration, last. Simulator and devices that it leaves open
                are chosen and filled in; without it MuJoCo C on the processor is taken.
            env_cfg: Configuration instead of the registered one; it is not changed.
            train_cfg: Where the seed comes from, instead of the registered one; it is not changed.

        Returns:
            The environment and its configuration.

        Raises:
            UserError: No such task, a value that does not fit, or a robot or simulator that can't be loaded.
        """
        from legged_gym.utils.distributed import seed_of_rank
        from legged_gym.utils.helpers import DEFAULT_SIM, choose_backend, set_seed

        task_class = self.get_task_class(name)
        env_cfg, train_cfg = self._configs(name, args, env_cfg, train_cfg)
        if args is not None:
            choose_backend(args)
        env = task_class(
            env_cfg,
            sim_name=DEFAULT_SIM if args is None else args.sim,
            sim_device=_sim_device("cpu" if args is None else args.sim_device),
            # The training's seed is checked, then each process gets one of its own from it.
            seed=set_seed(seed_of_rank(set_seed(train_cfg.seed))),
        )
        return env, env_cfg

    def make_alg_runner(
        self,
        env: LeggedRobot,
        name: str | None = None,
        args: argparse.Namespace | None = None,
        train_cfg: LeggedRobotCfgPPO | None = None,
        log_root: str | None = "default",
    ) -> tuple[OnPolicyRunner, LeggedRobotCfgPPO]:
        """Make the runner that trains or plays, and load a checkpoint if ``runner.resume`` says so.

        Under ``torchrun`` all processes have to call it. The first one's folder and checkpoint are everybody's.

        Args:
            env: The environment.
            name: The task; not needed with ``train_cfg``.
            args: Command line; its values go into the configuration, last.
            train_cfg: Configuration instead of the registered one; it is not changed.
            log_root: Folder of the experiment's runs; ``default`` is ``logs/<experiment_name>`` in the checkout,
                None writes nothing.

        Returns:
            The runner and its configuration. ``runner.logger.log_dir`` is the run's folder: a new one, which
            exists then, or the one of the resumed run.

        Raises:
            UserError: A value that does not fit, no such run, a damaged checkpoint, a folder that can't be written.
        """
        from legged_gym.utils import distributed
        from legged_gym.utils.backend import learning_device
        from legged_gym.utils.helpers import resolve_device
        from legged_gym.utils.runs import experiment_root, get_load_path

        if name is None and train_cfg is None:
            raise ValueError("make_alg_runner needs a task's name or a training configuration")
        _, train_cfg = self._configs(name, args, env.cfg, train_cfg)
        settings = train_cfg.runner
        device = getattr(args, "rl_device", None) or learning_device(env.device)
        if device != env.device:
            device = resolve_device(device)
        here = distributed.join(device)
        if log_root == "default":
            log_root = experiment_root(settings.experiment_name, getattr(args, "log_root", None))
        path = None
        if settings.resume:
            if log_root is None:
                raise ValueError("runner.resume needs a log_root to find the run in")
            path = distributed.from_first(lambda: get_load_path(log_root, settings.load_run, settings.checkpoint))
        with _run_folder(log_root if here.is_first else None, settings.run_name, path) as folder:
            runner = self._runner(env, train_cfg, device, distributed.from_first(lambda: folder))
            if path is not None:
                runner.load(path)
            return runner, train_cfg

    def _entry(self, name: str) -> tuple[type[LeggedRobot], LeggedRobotCfg, LeggedRobotCfgPPO]:
        if name not in self._tasks:
            raise UserError(f"unknown task '{name}': {near_names(name, self._tasks)}")
        return self._tasks[name]

    def _configs(
        self,
        name: str | None,
        args: argparse.Namespace | None,
        env_cfg: LeggedRobotCfg | None,
        train_cfg: LeggedRobotCfgPPO | None,
    ) -> tuple[LeggedRobotCfg, LeggedRobotCfgPPO]:
        """Return copies of the given configurations, the registered ones in place of None, with ``args`` in them."""
        from legged_gym.utils.helpers import update_cfg_from_args
        from legged_gym.utils.validate import validate

        env_cfg = env_cfg.copy() if env_cfg is not None else self._entry(str(name))[1].copy()
        train_cfg = train_cfg.copy() if train_cfg is not None else self._entry(str(name))[2].copy()
        if args is not None:
            update_cfg_from_args(env_cfg, train_cfg, args)
        else:
            validate(env_cfg, train_cfg)
        return env_cfg, train_cfg

    @staticmethod
    def _runner(env: LeggedRobot, train_cfg: LeggedRobotCfgPPO, device: str, log_dir: str | None) -> OnPolicyRunner:
        from legged_gym.runners.config import rsl_rl_config

        runner_class = cast("type[OnPolicyRunner]", _class("runner_class_name", train_cfg.runner_class_name))
        _class("algorithm.class_name", train_cfg.algorithm.class_name)
        _check_obs_groups(train_cfg, set(map(str, env.get_observations().keys())))
        try:
            return runner_class(env, rsl_rl_config(train_cfg), log_dir, device)
        except ValueError as error:
            # That is how rsl_rl's and our own constructors tell of settings that don't go together.
            raise UserError(
                f"the training's configuration does not fit '{train_cfg.runner_class_name}': {error}"
            ) from error


def _sim_device(device: str) -> str:
    """Return where a simulator is to run, and make it the place for what is created without naming one."""
    import torch

    from legged_gym.utils.helpers import resolve_device

    device = resolve_device(device)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    return device


def _run_folder(
    log_root: str | None, run_name: str, checkpoint: str | None
) -> contextlib.AbstractContextManager[str | None]:
    """Return a context with the folder of the checkpoint that is gone on from, else with a new one, if any."""
    from legged_gym.utils.runs import SHIPPED_CHECKPOINT, new_run_folder

    # What comes with the project stays as it is: a run that starts from it is a new one.
    if checkpoint is not None and os.path.basename(checkpoint) != SHIPPED_CHECKPOINT:
        return contextlib.nullcontext(os.path.dirname(checkpoint))
    return contextlib.nullcontext() if log_root is None else new_run_folder(log_root, run_name)


def _class(key: str, name: str) -> object:
    """Import what a configuration names."""
    from rsl_rl.utils import resolve_callable

    try:
        return resolve_callable(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"config key '{key}' is '{name}': {error}") from error


def _check_obs_groups(train_cfg: LeggedRobotCfgPPO, observed: set[str]) -> None:
    """Check that the networks read and learn what there is; an estimator adds its output to what is observed."""
    cfg = train_cfg.to_dict()
    sets = {f"obs_groups.{name}": list(groups) for name, groups in cfg["obs_groups"].items()}
    there = set(observed)
    if "estimator" in cfg:
        there.add("estimate")
        sets["estimator.label"] = [cfg["estimator"]["label"]]
    for key, groups in sets.items():
        if not groups:
            raise UserError(f"config key '{key}' is empty; {near_names('', there)}")
        for group in groups:
            if group not in there:
                raise UserError(f"config key '{key}': nothing observed is called '{group}'; {near_names(group, there)}")


task_registry = TaskRegistry()
"""The one that the scripts use; importing ``legged_gym.envs`` fills it."""
