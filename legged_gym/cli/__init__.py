"""The command line: reads arguments and turns them into a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.cli import arguments, exporting, job

__getattr__ = lazy_attributes(__name__)

__all__ = ["arguments", "exporting", "job"]
