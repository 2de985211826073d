"""Plots of an evaluation's results."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from legged_gym.evaluation import motion
from legged_gym.evaluation.metrics import Metric
from legged_gym.evaluation.plots import STYLE
from legged_gym.evaluation.results import PolicyResult
from legged_gym.evaluation.samples import Sample

_COLOURS = ("#1b6ca8", "#e07a1f", "#3a9d5d", "#b0413e", "#7a5ba6", "#6b7280")
_WANTED, _MEASURED, _ESTIMATED = "#e07a1f", "#1b6ca8", "#3a9d5d"
_WIDTH = 10.5


def bars(policies: Sequence[PolicyResult], scenarios: Sequence[str], metrics: Sequence[Metric]) -> Figure:
    """Plot metrics by scenario, with a panel for each metric and a colour for each policy."""
    with mpl.rc_context(STYLE):
        height = 1.0 + 0.16 * len(scenarios) * (0.6 + 0.7 * len(policies))
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        places = np.arange(len(scenarios))
        thickness = 0.8 / len(policies)
        for axis, metric in zip(axes, metrics, strict=True):
            for index, policy in enumerate(policies):
                values = [policy.metric(scenario, metric.name) for scenario in scenarios]
                offset = (index - 0.5 * (len(policies) - 1)) * thickness
                axis.barh(places + offset, values, thickness, color=_colour(index), label=policy.name)
            axis.set_title(f"{metric.title}, {metric.unit}" if metric.unit else metric.title)
            axis.grid(axis="y", visible=False)
        axes[0].set_yticks(places, scenarios)
        axes[0].invert_yaxis()
        if len(policies) > 1:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(policies))
    return figure


def answers(policies: Sequence[PolicyResult], scenario: str) -> Figure:
    """Plot the mean velocity for each command of a scenario."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 4.0), layout="constrained")
        axes = figure.subplots(1, 2)
        for number, (axis, unit) in enumerate(zip(axes, ("forward, m/s", "yaw rate, rad/s"), strict=True)):
            for index, policy in enumerate(policies):
                plans = [plan for plan in policy.scenarios[scenario].plans if plan.velocity is not None]
                wanted = [plan.plan[0][1][2 * number] for plan in plans]
                measured = [plan.velocity[number] for plan in plans if plan.velocity is not None]
                axis.scatter(wanted, measured, 26, color=_colour(index), alpha=0.75, label=policy.name, zorder=3)
            axis.axline((0.0, 0.0), slope=1.0, color="#9aa3af", linewidth=1.0)
            axis.set_xlabel(f"wanted {unit}")
            axis.set_ylabel(f"mean {unit}")
        axes[0].legend(loc="upper left")
    return figure


def velocities(sample: Sample) -> Figure:
    """Plot commanded, measured and estimated velocity of a trial over time."""
    rollout, rows = sample.rollout, int(motion.standing_rows(sample.rollout)[0])
    time = rollout.dt * np.arange(rows)
    measured = (rollout.lin_vel[:rows, 0, 0], rollout.yaw_rate[:rows, 0])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 2.5), layout="constrained")
        axes: list[Axes] = figure.subplots(1, 2).tolist()
        for axis, column, values, unit in zip(axes, (0, 2), measured, ("forward, m/s", "yaw rate, rad/s"), strict=True):
            axis.plot(time, values, color=_MEASURED, linewidth=0.9, label="measured")
            axis.step(time, rollout.commands[:rows, 0, column], color=_WANTED, where="post", label="wanted")
            axis.set_title(unit)
            axis.set_xlabel("time, s")
        said = rollout.estimated("velocity")
        if said is not None:
            axes[0].plot(time, said[:rows, 0, 0], color=_ESTIMATED, linewidth=0.7, label="estimated")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def standing_path(samples: Sequence[tuple[str, Sample]]) -> Figure:
    """Plot how the base of standing robots drifts, seen from above and over time, for each policy's sample."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
        above, distance = figure.subplots(1, 2, width_ratios=(1.0, 2.0))
        for index, (name, sample) in enumerate(samples):
            rows = np.flatnonzero(motion.settled(sample.rollout)[:, 0])
            if not rows.size:
                continue
            path = 100.0 * (sample.rollout.base_pos[rows, 0, :2] - sample.rollout.base_pos[rows[0], 0, :2])
            above.plot(path[:, 0], path[:, 1], color=_colour(index), linewidth=0.8)
            distance.plot(sample.rollout.dt * rows, np.hypot(*path.T), color=_colour(index), label=name)
        above.set_title("base from above, cm")
        above.set_aspect("equal", adjustable="datalim")
        distance.set_title("distance from where it stood after 1 s, cm")
        distance.set_xlabel("time, s")
        if distance.lines:
            distance.legend(loc="upper left")
    return figure


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]
