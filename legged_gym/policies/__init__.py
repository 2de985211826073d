"""Policies: finds, loads, runs and exports them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.policies import contract, export, exported, files, finder, trained

__getattr__ = lazy_attributes(__name__)

__all__ = ["contract", "export", "exported", "files", "finder", "trained"]
