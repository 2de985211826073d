"""From the simulation to one real robot: reads and checks its logs, and identifies its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from . import checks, excite, identify, log, payload, policy_checks, replay, report, robot_file, stand

__getattr__ = lazy_attributes(__name__)
