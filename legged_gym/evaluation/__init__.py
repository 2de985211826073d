"""The evaluation of policies: scenarios, trials, metrics and reports.

Modules are imported when they are used: rollouts, metrics and reports need only NumPy and no simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.evaluation import (
        axes,
        curves,
        evaluator,
        margins,
        plots,
        recorder,
        report,
        results,
        scenarios,
        tally,
    )

__getattr__ = lazy_attributes(__name__)

__all__ = ["axes", "curves", "evaluator", "margins", "plots", "recorder", "report", "results", "scenarios", "tally"]
