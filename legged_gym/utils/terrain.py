"""The terrain, under legged_gym's module name."""

from legged_gym.envs.base.terrain import Terrain

__all__ = ["Terrain"]
