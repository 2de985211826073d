"""The training's log, under legged_gym's module name."""

from legged_gym.runners.logger import TrainingLogger

__all__ = ["TrainingLogger"]
