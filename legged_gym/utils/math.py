"""Rotations, under legged_gym's module name; ``import *`` brings what Isaac Gym's ``torch_utils`` does, too."""

import numpy as np
import torch

from legged_gym.common.rotations import (
    get_euler_xyz,
    quat_apply,
    quat_apply_yaw,
    quat_conjugate,
    quat_from_euler_xyz,
    quat_mul,
    quat_rotate_inverse,
    torch_rand_float,
    wrap_to_pi,
    yaw_quat,
)

__all__ = [
    "get_euler_xyz",
    "np",
    "quat_apply",
    "quat_apply_yaw",
    "quat_conjugate",
    "quat_from_euler_xyz",
    "quat_mul",
    "quat_rotate_inverse",
    "torch",
    "torch_rand_float",
    "wrap_to_pi",
    "yaw_quat",
]
