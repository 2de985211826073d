"""The tasks. To add a robot, make a folder with its task and configuration, and add a line here.

Modules are imported when they are used, so configurations don't load PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.envs.go2.go2 import Go2
    from legged_gym.envs.go2.go2_config import Go2Cfg, Go2CfgPPO
    from legged_gym.envs.qmini.qmini import Qmini
    from legged_gym.envs.qmini.qmini_config import QminiCfg, QminiCfgPPO, QminiPublishedCfg, QminiPublishedCfgPPO
    from legged_gym.envs.registry import task_registry

_GO2, _GO2_CFG = "legged_gym.envs.go2.go2", "legged_gym.envs.go2.go2_config"
_QMINI, _QMINI_CFG = "legged_gym.envs.qmini.qmini", "legged_gym.envs.qmini.qmini_config"
_FAST_CFG = "legged_gym.envs.qmini.qmini_fast_config"
_STAIRS_CFG = "legged_gym.envs.qmini.qmini_stairs_config"

TASKS = {
    "go2": (f"{_GO2}:Go2", f"{_GO2_CFG}:Go2Cfg", f"{_GO2_CFG}:Go2CfgPPO"),
    "qmini": (f"{_QMINI}:Qmini", f"{_QMINI_CFG}:QminiCfg", f"{_QMINI_CFG}:QminiCfgPPO"),
    "qmini_fast": (f"{_QMINI}:Qmini", f"{_FAST_CFG}:QminiFastCfg", f"{_FAST_CFG}:QminiFastCfgPPO"),
    "qmini_fast_gpu": (f"{_QMINI}:Qmini", f"{_FAST_CFG}:QminiFastGpuCfg", f"{_FAST_CFG}:QminiFastGpuCfgPPO"),
    "qmini_student": (f"{_QMINI}:Qmini", f"{_STAIRS_CFG}:QminiStairsCfg", f"{_STAIRS_CFG}:QminiStudentCfg"),
    "qmini_teacher": (f"{_QMINI}:Qmini", f"{_STAIRS_CFG}:QminiStairsCfg", f"{_STAIRS_CFG}:QminiTeacherCfgPPO"),
    "qmini_published": (f"{_QMINI}:Qmini", f"{_QMINI_CFG}:QminiPublishedCfg", f"{_QMINI_CFG}:QminiPublishedCfgPPO"),
}
"""For each name of ``--task``: the classes of the task, of its configuration and of its training's configuration."""

QUICKEST = {"qmini": {"cpu": "qmini_fast", "cuda": "qmini_fast_gpu"}}
"""By task and kind of device, the task whose training gets a robot to walk soonest."""

_HOMES = {
    "LeggedRobot": "legged_gym.envs.base.legged_robot",
    "task_registry": "legged_gym.envs.registry",
    **{path.partition(":")[2]: path.partition(":")[0] for classes in TASKS.values() for path in classes},
}

__getattr__ = lazy_attributes(__name__, _HOMES)

__all__ = ["QUICKEST", "TASKS", *_HOMES]
