"""The tasks by name, under legged_gym's module name."""

from legged_gym.envs.registry import TaskRegistry, task_registry

__all__ = ["TaskRegistry", "task_registry"]
