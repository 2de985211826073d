"""Isaac Gym's rotations, under legged_gym's module name."""

from legged_gym.common.rotations import get_euler_xyz

__all__ = ["get_euler_xyz"]
