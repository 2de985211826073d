"""legged_gym's module names. They re-export modules of this package, which does not import them itself.

Only the registry is imported at once: ``legged_gym/envs/__init__.py`` may use it while it is itself being imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes
from legged_gym.utils.task_registry import TaskRegistry, task_registry

if TYPE_CHECKING:
    from legged_gym.common.errors import UserError
    from legged_gym.utils.helpers import class_to_dict, get_args, get_load_path, set_seed, update_cfg_from_args
    from legged_gym.utils.logger import TrainingLogger
    from legged_gym.utils.math import quat_apply_yaw, wrap_to_pi
    from legged_gym.utils.terrain import Terrain

_HELPERS = ("class_to_dict", "get_args", "get_load_path", "set_seed", "update_cfg_from_args")
_HOMES = {
    **dict.fromkeys(_HELPERS, "legged_gym.utils.helpers"),
    "Terrain": "legged_gym.utils.terrain",
    "TrainingLogger": "legged_gym.utils.logger",
    "UserError": "legged_gym.common.errors",
    "quat_apply_yaw": "legged_gym.utils.math",
    "wrap_to_pi": "legged_gym.utils.math",
}

__getattr__ = lazy_attributes(__name__, _HOMES)

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
