"""Rotations, under legged_gym's module name; ``import *`` brings what Isaac Gym's ``torch_utils`` does, too."""

import numpy as np
import torch

from legged_gym.common import rotations, torch_utils
from legged_gym.common.rotations import *  # noqa: F403
from legged_gym.common.torch_utils import *  # noqa: F403

__all__ = ["np", "torch"]
__all__ += rotations.__all__
__all__ += torch_utils.__all__
