"""Rotations, under legged_gym's module name."""

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
    "quat_apply",
    "quat_apply_yaw",
    "quat_conjugate",
    "quat_from_euler_xyz",
    "quat_mul",
    "quat_rotate_inverse",
    "torch_rand_float",
    "wrap_to_pi",
    "yaw_quat",
]
