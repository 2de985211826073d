"""Pictures of a played policy."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from legged_gym.common.errors import UserError

if TYPE_CHECKING:
    from legged_gym.evaluation.rollout import Series

STYLE: dict[Any, Any] = {
    "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9,
    "axes.titlesize": 10, "lines.linewidth": 1.2, "legend.frameon": False,
}  # fmt: skip
_TRUTH, _WANTED = "#1b6ca8", "#e07a1f"
_VELOCITIES = ("forward, m/s", "lateral, m/s", "yaw rate, rad/s")


def plot_rollout(series: Series, folder: str) -> list[str]:
    """Draw a robot's time series.

    Args:
        series: Of one robot.
        folder: Where the PNG files go; created if needed.

    Returns:
        Paths of the files.

    Raises:
        UserError: The folder can't be written.
    """
    with mpl.rc_context(STYLE):
        figures = {
            "joints": _grid(series, series.dof_names, (series.dof_targets, "target"), (series.dof_pos, "angle"), "rad"),
            "velocities": _grid(series, _VELOCITIES, (series.commands, "command"), (series.velocity, "measured")),
            "contact_forces": _forces(series),
        }
        if series.label is not None and series.estimate is not None:
            figures["estimate"] = _grid(
                series, series.label_titles, (series.estimate, "estimate"), (series.label, "truth")
            )
        paths = []
        try:
            os.makedirs(folder, exist_ok=True)
            for name, figure in figures.items():
                paths.append(os.path.join(folder, f"{name}.png"))
                figure.savefig(paths[-1], dpi=110)
        except OSError as error:
            raise UserError(f"can't write plots into '{folder}': {error.strerror}") from error
    return paths


def _grid(
    series: Series,
    names: Sequence[str],
    wanted: tuple[np.ndarray, str],
    truth: tuple[np.ndarray, str],
    unit: str = "",
) -> Figure:
    """Draw two (T, n) arrays against each other, a panel for each column."""
    columns = 2 if len(names) > 5 else 1
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(6.0 * columns, 1.7 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).T.ravel().tolist()
    time = series.dt * np.arange(len(truth[0]))
    for index, name in enumerate(names):
        axes[index].plot(time, wanted[0][:, index], color=_WANTED, label=wanted[1])
        axes[index].plot(time, truth[0][:, index], color=_TRUTH, label=truth[1])
        axes[index].set_title(name)
        axes[index].set_ylabel(unit)
    _finish(axes, rows)
    return figure


def _forces(series: Series) -> Figure:
    figure = Figure(figsize=(9.0, 1.9 * len(series.foot_names) + 0.6), layout="constrained")
    axes = figure.subplots(len(series.foot_names), 1, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    time = series.dt * np.arange(len(series.foot_forces))
    for index, name in enumerate(series.foot_names):
        axes[index].plot(time, series.foot_forces[:, index], color=_TRUTH, label="contact force")
        axes[index].set_title(name)
        axes[index].set_ylabel("N")
    _finish(axes, len(axes))
    return figure


def _finish(axes: Sequence[Axes], rows: int) -> None:
    """Name the time axis of the lowest panels and explain the colours once."""
    axes[0].legend(loc="upper right", ncols=2)
    for index in range(rows - 1, len(axes), rows):
        axes[index].set_xlabel("time, s")
