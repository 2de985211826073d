"""Command line, seeds and configurations, under legged_gym's module name."""

from legged_gym.cli.arguments import get_args
from legged_gym.common.seeds import set_seed
from legged_gym.envs.base.base_config import class_to_dict
from legged_gym.envs.base.overrides import update_cfg_from_args
from legged_gym.runners.runs import get_load_path

__all__ = ["class_to_dict", "get_args", "get_load_path", "set_seed", "update_cfg_from_args"]
