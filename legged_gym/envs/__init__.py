"""The tasks. Adding a robot: a folder with its task and its configuration, and a line here."""

from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.envs.qmini.qmini_config import QminiCfg, QminiCfgPPO, QminiPublishedCfg, QminiPublishedCfgPPO
from legged_gym.utils.task_registry import task_registry

task_registry.register("qmini", Qmini, QminiCfg(), QminiCfgPPO())
task_registry.register("qmini_published", Qmini, QminiPublishedCfg(), QminiPublishedCfgPPO())

__all__ = [
    "LeggedRobot",
    "Qmini",
    "QminiCfg",
    "QminiCfgPPO",
    "QminiPublishedCfg",
    "QminiPublishedCfgPPO",
    "task_registry",
]
