"""Qmini's symmetry function under the name that older runs know it by; the task's terms say what it does."""

from __future__ import annotations

from legged_gym.envs.base.mirror import mirror

__all__ = ["mirror"]
