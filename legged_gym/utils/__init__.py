"""legged_gym's face: what its users import from here lives elsewhere. Nothing in the package imports it."""

from legged_gym.common.errors import UserError
from legged_gym.utils.helpers import class_to_dict, get_args, get_load_path, set_seed, update_cfg_from_args
from legged_gym.utils.logger import TrainingLogger
from legged_gym.utils.math import quat_apply_yaw, wrap_to_pi
from legged_gym.utils.task_registry import TaskRegistry, task_registry
from legged_gym.utils.terrain import Terrain

__all__ = [
    "TaskRegistry",
    "Terrain",
    "TrainingLogger",
    "UserError",
    "class_to_dict",
    "get_args",
    "get_load_path",
    "quat_apply_yaw",
    "set_seed",
    "task_registry",
    "update_cfg_from_args",
    "wrap_to_pi",
]
