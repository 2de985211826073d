"""Measures the speed of simulation and learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.benchmarking import machine, measure, report

__getattr__ = lazy_attributes(__name__)

__all__ = ["machine", "measure", "report"]
