"""What a script works on, found out once from the command line: see :func:`legged_gym.cli.job.resolve`."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from legged_gym.envs.registry import task_registry
from legged_gym.runners.build import build_runner

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO


@dataclasses.dataclass(frozen=True)
class Job:
    """A task with its configurations as they will be, where it runs, and the run that it goes on with."""

    task: str
    env_cfg: LeggedRobotCfg
    train_cfg: LeggedRobotCfgPPO
    """With everything that the command line says in them, and checked."""
    sim: str
    sim_device: str
    rl_device: str
    root: str
    """Folder of the experiment's runs."""
    checkpoint: str | None = None
    """Path of the checkpoint that is gone on from or played."""
    shipped: bool = False
    """Whether that came with the project."""
    results: str = ""
    """Folder for what is found out about the checkpoint: the run's, unless it came with the project."""
    notes: str = ""
    """Lines that say what was chosen and why; they are for the user once nothing can be refused any more."""

    @property
    def run(self) -> str:
        """Folder of the checkpoint."""
        return os.path.dirname(self.checkpoint or "")

    def make_env(self) -> LeggedRobot:
        """Make the environment; ``UserError`` if the robot or the simulator can't be loaded."""
        return task_registry.build_env(self.task, self.env_cfg, self.train_cfg.seed, self.sim, self.sim_device)

    def make_runner(self, env: LeggedRobot, log_root: str | None) -> OnPolicyRunner:
        """Make what trains or plays, with the checkpoint loaded if there is one; ``log_root`` None writes nothing.

        Raises:
            UserError: A setting that does not fit, a damaged checkpoint, a folder that can't be written.
        """
        return build_runner(env, self.train_cfg, self.rl_device, log_root)
