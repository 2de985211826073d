"""Plots the learning curves of a run, read from its TensorBoard events."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from legged_gym.common.errors import UserError
from legged_gym.common.labels import AXES, Label, LabelLayout
from legged_gym.common.tags import EPISODE_LENGTH, ESTIMATOR, MEAN_REWARD, TERRAIN_LEVEL, VELOCITY_ERRORS
from legged_gym.evaluation.plots import STYLE, save_figure

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Iterations, hours of training up to each, and values; all (T,)."""

_Points = dict[str, np.ndarray]
"""Iteration, wall time in seconds and value of each point by tag, (T, 3)."""

_LINE_STYLES = ("-", "--", ":", "-.")
"""Line styles of the first run, the second, and so on."""

_USUAL = LabelLayout([Label("base_lin_vel", "velocity", tuple(AXES)), Label("foot_contact", "contact", ("feet",))])
*_VELOCITY, _CONTACTS = (figure.tag for figure in _USUAL.figures())

PANELS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "reward of an episode": ("", {MEAN_REWARD: ""}),
    "episode length": ("control steps", {EPISODE_LENGTH: ""}),
    "estimator's velocity error": ("m/s", dict(zip(_VELOCITY, AXES.values(), strict=True))),
    "command tracking, root mean square": (
        "m/s, rad/s",
        {VELOCITY_ERRORS[name]: name for name in ("forward", "yaw rate")},
    ),
    "estimator's contact accuracy": ("share", {_CONTACTS: ""}),
    "terrain level": ("", {TERRAIN_LEVEL: ""}),
}
"""Title, unit and curves (tag, label) of each panel."""


def _further_labels(tags: Iterable[str]) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Return panels for an estimator's other outputs, beside velocity and contacts, from the names of its curves."""
    known = {tag for _, curves in PANELS.values() for tag in curves}
    own = [tag for tag in tags if tag.startswith(ESTIMATOR) and tag.endswith(("_mae", "_accuracy"))]
    names = {tag: tag.removeprefix(ESTIMATOR).replace("_mae", " error").replace("_", " ") for tag in own}
    return {f"estimator's {names[tag]}": ("", {tag: ""}) for tag in sorted(own) if tag not in known}


def read_curves(run: str) -> dict[str, Curve]:
    """Read all curves of a run over its iterations.

    Args:
        run: The run's folder. The events of a resumed run are joined: repeated iterations count once, and the time
            between two trainings does not count.

    Raises:
        UserError: The folder has no events.
    """
    paths = list(filter(os.path.isfile, glob.glob(os.path.join(glob.escape(run), "events.out.tfevents.*"))))
    files = sorted(filter(None, map(_read_file, paths)), key=lambda points: _span(points, 1)[0])
    if not files:
        raise UserError(f"no TensorBoard events in '{run}'")
    curves: dict[str, list[np.ndarray]] = {}
    hours = 0.0
    for index, points in enumerate(files):
        # A training that was resumed from an earlier checkpoint replaces the iterations after it.
        end = min((_span(later, 0)[0] for later in files[index + 1 :]), default=np.inf)
        kept = {tag: rows[rows[:, 0] < end] for tag, rows in points.items() if (rows[:, 0] < end).any()}
        if not kept:
            continue
        start, stop = _span(kept, 1)
        for tag, rows in kept.items():
            curves.setdefault(tag, []).append(rows * (1.0, 1.0 / 3600.0, 1.0) + (0.0, hours - start / 3600.0, 0.0))
        hours += (stop - start) / 3600.0
    joined = {tag: np.concatenate(parts).T for tag, parts in curves.items()}
    return {tag: (steps, times, values) for tag, (steps, times, values) in joined.items()}


def _read_file(path: str) -> _Points:
    events = EventAccumulator(path, size_guidance={"scalars": 0})
    events.Reload()
    # rsl_rl writes some curves a second time, as "<tag>/time", over seconds instead of iterations.
    tags = [tag for tag in events.Tags()["scalars"] if not tag.endswith("/time")]
    return {tag: np.array([(e.step, e.wall_time, e.value) for e in events.Scalars(tag)]) for tag in tags}


def _span(points: _Points, column: int) -> tuple[float, float]:
    """Return the smallest and the largest entry of a column over all tags."""
    values = np.concatenate([rows[:, column] for rows in points.values()])
    return float(values.min()), float(values.max())


def plot_curves(run: str, path: str, title: str = "", others: Sequence[str] = ()) -> None:
    """Plot a run's learning curves over its iterations, and those of up to three others in other line styles.

    Raises:
        UserError: A run has no events, there are too many, or the picture can't be written.
    """
    if len(others) >= len(_LINE_STYLES):
        raise UserError(f"at most {len(_LINE_STYLES) - 1} other runs can be plotted with a run, got {len(others)}")
    runs = [read_curves(folder) for folder in (run, *others)]
    panels = {name: panel for name, panel in PANELS.items() if any(tag in runs[0] for tag in panel[1])}
    panels |= _further_labels(runs[0])
    if not panels:
        raise UserError(f"the TensorBoard events in '{run}' have no learning curves")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 1.9 * ((len(panels) + 1) // 2) + 0.8), layout="constrained")
        grid = figure.subplots((len(panels) + 1) // 2, 2, sharex=True, squeeze=False)
        for axes, (name, (unit, tags)) in zip(grid.ravel(), panels.items(), strict=False):
            for curves, style in zip(runs, _LINE_STYLES, strict=False):
                _draw(axes, {label: curves[tag] for tag, label in tags.items() if tag in curves}, style)
            if len(tags) > 1:
                axes.legend()
            axes.set_title(name)
            axes.set_ylabel(unit)
        for axes in grid[-1]:
            axes.set_xlabel(_caption(runs))
        figure.suptitle(title)
        save_figure(figure, path)


def _caption(runs: Sequence[Mapping[str, Curve]]) -> str:
    """Return the caption with each run's number of iterations and duration."""
    names = ("",) if len(runs) == 1 else ("solid: ", "dashed: ", "dotted: ", "dash-dotted: ")
    parts = []
    for name, curves in zip(names, runs, strict=False):
        last = max(steps[-1] for steps, _, _ in curves.values())
        hours = max(times[-1] for _, times, _ in curves.values())
        duration = f"{hours:.1f} h" if hours >= 1.0 else f"{60.0 * hours:.1f} min"
        parts.append(f"{name}{last + 1:.0f} in {duration}")
    return f"iteration ({', '.join(parts)})"


def _draw(axes: Axes, curves: dict[str, Curve], style: str) -> None:
    """Plot the curves of one panel: the first run's values in a light colour, and every run's running mean."""
    for index, (label, (steps, _, values)) in enumerate(curves.items()):
        width = max(1, len(values) // 60)
        kernel = np.ones(width) / width
        color = f"C{index}"
        first = style == _LINE_STYLES[0]
        if first:
            axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
        mean = np.convolve(values, kernel, mode="valid")
        axes.plot(steps[width - 1 :], mean, style, color=color, label=label if first else None)
