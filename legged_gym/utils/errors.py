"""The exception for users' mistakes, from :mod:`legged_gym.common.errors`."""

from legged_gym.common.errors import UserError

__all__ = ["UserError"]
