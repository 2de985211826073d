"""The registry of tasks. It makes their environments and runners."""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from legged_gym.common.devices import simulation_device
from legged_gym.common.errors import UserError, near_names
from legged_gym.common.lazy import load
from legged_gym.common.memory import require_memory
from legged_gym.common.seeds import seed_of_rank, set_seed
from legged_gym.envs import TASKS
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.overrides import update_cfg_from_args
from legged_gym.simulators.backend import DEFAULT_SIM, choose_backend

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot

    _Task = type[LeggedRobot] | str
    _EnvCfg: TypeAlias = LeggedRobotCfg | type[LeggedRobotCfg] | str
    _TrainCfg: TypeAlias = LeggedRobotCfgPPO | type[LeggedRobotCfgPPO] | str


_BUILDER = "legged_gym.runners.build:build_runner"
"""Function that makes a runner. It is named, not imported, because runners are above tasks in the layers."""


_ROBOT_BYTES, _OBSERVED, _COPIES = 27_000, 30, 4
"""Smallest memory of a robot in any simulator; size of a step's observation; number of copies of the height field."""


class TaskRegistry:
    """All registered tasks. Every caller gets copies of their configurations."""

    def __init__(self, tasks: Mapping[str, tuple[str, str, str]] | None = None) -> None:
        """Register tasks by the ``module:Class`` of the task, its configuration and its training's configuration."""
        self._tasks: dict[str, tuple[_Task, _EnvCfg, _TrainCfg]] = dict(tasks or {})

    def register(self, name: str, task_class: _Task, env_cfg: _EnvCfg, train_cfg: _TrainCfg) -> None:
        """Add a task, or replace the one of this name.

        Args:
            name: Name for ``--task``.
            task_class: The environment's class, or its ``module:Class``, which is imported when needed.
            env_cfg: The environment's configuration: a class, an instance or ``module:Class``.
            train_cfg: The training's configuration, likewise.
        """
        env = env_cfg if isinstance(env_cfg, str | type) else env_cfg.copy()
        train = train_cfg if isinstance(train_cfg, str | type) else train_cfg.copy()
        self._tasks[name] = (task_class, env, train)

    @property
    def names(self) -> list[str]:
        """Names of all tasks."""
        return sorted(self._tasks)

    def packages(self) -> set[str]:
        """Return the top-level packages of the registered tasks' classes."""
        classes = [task[0] for task in self._tasks.values()]
        return {(c if isinstance(c, str) else c.__module__).partition(":")[0].partition(".")[0] for c in classes}

    def get_task_class(self, name: str) -> type[LeggedRobot]:
        """Return a task's class; ``UserError`` if there is no such task."""
        return cast("type[LeggedRobot]", _resolve(self._entry(name)[0]))

    def get_cfgs(self, name: str) -> tuple[LeggedRobotCfg, LeggedRobotCfgPPO]:
        """Return copies of a task's configurations, for the caller to change; ``UserError`` if there is none."""
        _, env_cfg, train_cfg = self._entry(name)
        return _instance(env_cfg, LeggedRobotCfg), _instance(train_cfg, LeggedRobotCfgPPO)

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
            args: Command line. Its values override the configuration. Simulator and devices that are not given are
                chosen and filled in. Without it, MuJoCo C on the CPU is used.
            env_cfg: Configuration instead of the registered one. It is not changed.
            train_cfg: Configuration with the seed, instead of the registered one. It is not changed.

        Returns:
            The environment and its configuration.

        Raises:
            UserError: The task does not exist, a value is not valid, or the robot or simulator can't be loaded.
        """
        sim, sim_device = DEFAULT_SIM, "cpu"
        if args is not None:
            choose_backend(args)
            sim, sim_device = args.sim, args.sim_device
        env_cfg, train_cfg = self._configs(name, args, env_cfg, train_cfg)
        env = self.build_env(name, env_cfg, train_cfg.seed, sim, sim_device)
        print(getattr(args, "note", ""), end="", flush=True)
        return env, env_cfg

    def build_env(self, name: str, env_cfg: LeggedRobotCfg, seed: int, sim: str, sim_device: str) -> LeggedRobot:
        """Build a task's environment from final settings, which are copied. Each process has its own seed.

        Raises:
            UserError: The task, simulator or device does not exist, or the robot can't be loaded.
        """
        _require_memory(env_cfg, sim_device)
        return self.get_task_class(name)(
            env_cfg, sim_name=sim, sim_device=simulation_device(sim_device), seed=set_seed(seed_of_rank(set_seed(seed)))
        )

    def make_alg_runner(
        self,
        env: LeggedRobot,
        name: str | None = None,
        args: argparse.Namespace | None = None,
        train_cfg: LeggedRobotCfgPPO | None = None,
        log_root: str | None = "default",
    ) -> tuple[OnPolicyRunner, LeggedRobotCfgPPO]:
        """Make the runner for training or playing. With ``runner.resume``, load a checkpoint.

        Under ``torchrun`` all processes must call it. All use the first one's folder and checkpoint.

        Args:
            env: The environment.
            name: The task. Not needed with ``train_cfg``.
            args: Command line. Its values override the configuration.
            train_cfg: Configuration instead of the registered one. It is not changed.
            log_root: Folder of the experiment's runs; ``default`` is ``logs/<experiment_name>`` in the checkout,
                None writes nothing.

        Returns:
            The runner and its configuration. ``runner.logger.log_dir`` is the run's folder: a new one, or that of the
            resumed run.

        Raises:
            UserError: A value is not valid, or a run, checkpoint or folder can't be used.
        """
        if name is None and train_cfg is None:
            raise ValueError("make_alg_runner needs a task's name or a training configuration")
        _, train_cfg = self._configs(name, args, env.cfg, train_cfg)
        device, logs = getattr(args, "rl_device", None), getattr(args, "log_root", None)
        return _resolve(_BUILDER)(env, train_cfg, device, log_root, logs), train_cfg

    def _entry(self, name: str) -> tuple[_Task, _EnvCfg, _TrainCfg]:
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
        """Return copies of the given or registered configurations, with the values of ``args``."""
        env_cfg = _instance(env_cfg, LeggedRobotCfg) if env_cfg is not None else self.get_cfgs(str(name))[0]
        train_cfg = _instance(train_cfg, LeggedRobotCfgPPO) if train_cfg is not None else self.get_cfgs(str(name))[1]
        task = self.get_task_class(name) if name is not None else None
        update_cfg_from_args(env_cfg, train_cfg, args or argparse.Namespace(overrides=[]), task)
        return env_cfg, train_cfg


def _require_memory(cfg: LeggedRobotCfg, device: str) -> None:
    """Refuse a number of robots or a terrain that does not fit into this machine's memory."""
    robots, ground = cfg.env.num_envs, cfg.terrain
    needed = robots * (_ROBOT_BYTES + 2 * 4 * cfg.env.history_length * _OBSERVED)
    require_memory(f"{robots} robots (env.num_envs, env.history_length)", needed, device)
    if ground.mesh_type != "plane":
        tiles = ((ground.num_rows, ground.terrain_length), (ground.num_cols, ground.terrain_width))
        sides = ((number * length + 2 * ground.border_size) / ground.horizontal_scale for number, length in tiles)
        require_memory("the tiles of the terrain (terrain.num_rows, …)", 4 * math.prod(sides) * _COPIES, "cpu")


def _resolve(named: Any) -> Any:
    """Import ``module:name``. Return anything else unchanged."""
    if not isinstance(named, str):
        return named
    module, name = named.split(":")
    return getattr(load(module), name)


def _instance(cfg: Any, kind: type) -> Any:
    """Return a new configuration of a kind from a class, an instance or ``module:Class``."""
    cfg = _resolve(cfg)
    cls = cfg if inspect.isclass(cfg) else type(cfg)
    if not issubclass(cls, kind):
        raise UserError(f"{cls.__name__} is not a {kind.__name__}: let it and its sections inherit from that")
    return cls() if cfg is cls else cfg.copy()


task_registry = TaskRegistry(TASKS)
"""The registry that the scripts use, with the tasks of ``legged_gym.envs``."""
