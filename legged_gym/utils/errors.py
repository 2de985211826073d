"""The exception that means: the user can put this right. It lives in :mod:`legged_gym.common.errors`."""

from legged_gym.common.errors import UserError

__all__ = ["UserError"]
