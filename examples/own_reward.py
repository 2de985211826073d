"""Train with a reward of your own: ``python examples/own_reward.py [ITERATIONS]``.

A reward is a method ``_reward_<name>`` that returns a number for each robot, and its scale in the configuration. To use
the task with ``train.py`` and ``play.py``, put the classes into a file of the package, with a line in ``TASKS`` of
``legged_gym/envs/__init__.py``.
"""

import sys

import torch

from legged_gym.envs import Qmini, QminiCfg, QminiCfgPPO
from legged_gym.utils import task_registry


class QuietQmini(Qmini):
    """Qmini with a reward for gentle steps."""

    def _reward_soft_landing(self) -> torch.Tensor:
        """Squared contact force of the feet above the robot's weight on one foot, kN²."""
        weight = 110.0
        return ((self.contact_magnitudes[:, self.feet_indices] - weight).clamp(min=0.0) / 1000.0).square().sum(1)


class QuietQminiCfg(QminiCfg):
    """Qmini's configuration with the new reward's scale."""

    class env(QminiCfg.env):
        num_envs = 64

    class rewards(QminiCfg.rewards):
        class scales(QminiCfg.rewards.scales):
            soft_landing = -2.0


class QuietQminiCfgPPO(QminiCfgPPO):
    """Qmini's training, in runs of its own."""

    class runner(QminiCfgPPO.runner):
        experiment_name = "quiet_qmini"


task_registry.register("quiet_qmini", QuietQmini, QuietQminiCfg, QuietQminiCfgPPO)
env, _ = task_registry.make_env("quiet_qmini")
runner, _ = task_registry.make_alg_runner(env, "quiet_qmini")
runner.learn(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
print("rewards:", ", ".join(env.reward_names))
print("run and curves:", runner.logger.log_dir)
env.close()
