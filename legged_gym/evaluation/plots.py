"""Plots of a played policy."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from legged_gym.common.errors import UserError, file_errors
from legged_gym.common.paths import written
from legged_gym.evaluation.rollout import Rollout

STYLE: dict[Any, Any] = {
    "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9,
    "axes.titlesize": 10, "lines.linewidth": 1.2, "legend.frameon": False,
}  # fmt: skip
_COLOURS = ("#e07a1f", "#1b6ca8", "#3a9d5d")
_VELOCITIES = ("forward, m/s", "lateral, m/s", "yaw rate, rad/s")


def plot_rollout(rollout: Rollout, dof_names: Sequence[str], foot_names: Sequence[str], folder: str) -> list[str]:
    """Plot a rollout's first robot, with ``dof_targets`` and ``foot_forces``, over time. Return the PNG files' paths.

    Raises:
        UserError: The folder can't be written.
    """
    time = rollout.dt * np.arange(rollout.steps)
    forces = np.linalg.norm(rollout.foot_forces, axis=-1)
    figures = {
        "joints": grid(time, dof_names, {"target": rollout.dof_targets, "angle": rollout.dof_pos}, "rad"),
        "velocities": grid(time, _VELOCITIES, {"command": rollout.commands, "measured": rollout.velocity}),
        "contact_forces": grid(time, foot_names, {"": None, "contact force": forces}, "N"),
    }
    if rollout.label is not None and rollout.estimate is not None and rollout.labels is not None:
        names = rollout.labels.column_titles()
        figures["estimate"] = grid(time, names, {"estimate": rollout.estimate, "truth": rollout.label})
    with file_errors(f"can't write plots into '{folder}'"):
        os.makedirs(folder, exist_ok=True)
    for name, figure in figures.items():
        save_figure(figure, os.path.join(folder, f"{name}.png"))
    return [os.path.join(folder, f"{name}.png") for name in figures]


def save_figure(figure: Figure, path: str, **options: Any) -> None:
    """Write a figure as a picture file.

    Raises:
        UserError: The file can't be written, or its ending is not a format.
    """
    if not os.path.splitext(path)[1]:
        raise UserError(f"the name of a picture must end with a format, such as .png, got '{path}'")
    with written(path) as part:
        try:
            figure.savefig(part, dpi=110, **options)
        except ValueError as error:
            raise UserError(f"can't write '{path}': {error}") from error


@mpl.rc_context(STYLE)
def grid(time: np.ndarray, names: Sequence[str], curves: Mapping[str, np.ndarray | None], unit: str = "") -> Figure:
    """Plot arrays, (T, n) or of several robots (T, N, n), in common panels, one for each of the n columns."""
    columns = 2 if len(names) > 5 else 1
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(6.0 * columns, 1.7 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).T.ravel().tolist()
    for index, name in enumerate(names):
        for (label, values), colour in zip(curves.items(), _COLOURS, strict=False):
            if values is not None:
                axes[index].plot(time, values.reshape(len(time), -1)[:, index], color=colour, label=label)
        axes[index].set_title(name)
        axes[index].set_ylabel(unit)
    axes[0].legend(loc="upper right", ncols=len(curves))
    for index in range(rows - 1, len(axes), rows):
        axes[index].set_xlabel("time, s")
    return figure
