"""Trained policies, loaded into the environment that plays them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.runners.build import Job


@dataclass
class Trained:
    """A loaded checkpoint."""

    env: LeggedRobot
    runner: OnPolicyRunner
    checkpoint: str
    """The checkpoint's path."""
    results: str
    """Folder for results: the run's, unless the policy comes with the project."""
    shipped: bool = False
    """Whether it comes with the project."""

    @property
    def run(self) -> str:
        """The run's folder."""
        return os.path.dirname(self.checkpoint)


def load_trained(job: Job) -> Trained:
    """Load the checkpoint of a job of :func:`legged_gym.cli.job.resolve_policy` into its environment.

    Raises:
        UserError: The checkpoint is damaged, or the robot or the simulator can't be loaded.
    """
    assert job.checkpoint is not None
    env = job.make_env()
    try:
        runner = job.make_runner(env, log_root=None)
        runner.load(job.checkpoint, {"actor": True, "critic": True, "iteration": True})
    except BaseException:
        env.close()
        raise
    print(job.notes, end="", flush=True)
    return Trained(env, runner, job.checkpoint, job.results, job.shipped)
