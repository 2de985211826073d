"""The results as text for the terminal."""

from __future__ import annotations

import string
from collections.abc import Sequence

from legged_gym.evaluation.metrics import METRIC
from legged_gym.evaluation.results import EvaluationResult, PolicyResult

COLUMNS = ("falls", "cut_out_steps", "vx_rmse", "vy_rmse", "yaw_rmse", "drift_max", "estimator_rmse",
           "contact_accuracy", "torque", "power", "cost_of_transport", "action_change", "foot_slip")  # fmt: skip
"""Metrics shown of a single policy."""

COMPARED = ("falls", "vx_rmse", "yaw_rmse", "drift_max", "estimator_rmse", "torque", "action_change")
"""Metrics shown of several policies side by side."""

LETTERS = string.ascii_uppercase
"""What several policies are called in the heads of columns."""


def text_table(result: EvaluationResult) -> str:
    """Return a row for each scenario that was finished; several policies get columns of their own."""
    policies = result.policies
    several = len(policies) > 1
    names = COMPARED if several else COLUMNS
    rows = [
        ["", *_heads([METRIC[name].title for name in names], len(policies))],
        ["", *_heads([METRIC[name].unit for name in names], len(policies))],
    ]
    if several:
        rows.append(["", *(LETTERS[index] for _ in names for index in range(len(policies)))])
    finished = [
        scenario.name for scenario in result.scenarios if any(scenario.name in policy.scenarios for policy in policies)
    ]
    rows += [
        [scenario, *(_show(policy, scenario, name) for name in names for policy in policies)] for scenario in finished
    ]
    titles = [
        f"{LETTERS[index] + '  ' if several else ''}{policy.name}  (sha256 {policy.digest}…)"
        for index, policy in enumerate(policies)
    ]
    return "\n".join([*titles, *_align(rows)])


def _heads(heads: list[str], policies: int) -> list[str]:
    """Put each head above the first of its columns."""
    return [head if index == 0 else "" for head in heads for index in range(policies)]


def _show(policy: PolicyResult, scenario: str, name: str) -> str:
    return METRIC[name].show(policy.scenarios[scenario].metrics[name]) if scenario in policy.scenarios else ""


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for name, *cells in rows:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *aligned]).rstrip())
    return lines
