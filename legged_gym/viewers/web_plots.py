"""Live curves and bars on the page."""

from __future__ import annotations

import html
from collections import deque

import numpy as np
import viser
import viser.uplot

from legged_gym.evaluation.rollout import Rollout
from legged_gym.viewers.replay import RecordedSession
from legged_gym.viewers.session import Session
from legged_gym.viewers.web_scene import COMMAND_COLOUR, ESTIMATE_COLOUR, VELOCITY_COLOUR

_SECONDS = 10.0
"""Length of the curves in simulated time, s."""
_POINTS = 250
"""Largest number of points of a curve."""
_SMOOTHING = 0.9
"""Share of the reward bars' lag that remains from reading to reading."""
_TRUTH_COLOUR = (30, 30, 30)
_REWARD_COLOUR, _PENALTY_COLOUR = (47, 158, 68), (224, 49, 49)
Colour = tuple[int, int, int]


class Chart:
    """Curves over time."""

    def __init__(self, gui: viser.GuiApi, title: str, curves: dict[str, Colour]) -> None:
        """Add an empty chart with these curves at the current place of the page."""
        series: list[viser.uplot.Series] = [viser.uplot.Series(label="s")]
        series += [
            viser.uplot.Series(label=label, stroke=f"rgb{colour}", width=1.5, points={"show": False})
            for label, colour in curves.items()
        ]
        empty = (np.array([-_SECONDS, 0.0]), *[np.zeros(2) for _ in curves])
        self._handle = gui.add_uplot(
            empty, tuple(series), title=title, height=150, scales={"x": {"time": False, "range": (-_SECONDS, 0.0)}},
            axes=({"size": 38}, {"size": 52}), legend={"show": True, "live": False}, padding=(0, 12, 0, 0),
        )  # fmt: skip

    def show(self, times: np.ndarray, values: np.ndarray) -> None:
        """Show curves, (C, T), over times before now, s, (T,)."""
        every = slice(None, None, max(1, -(-len(times) // _POINTS)))
        self._handle.data = tuple(np.asarray(row[every], np.float64) for row in (times, *values))


class Plots:
    """Plots of the shown robot: command and velocity, estimate and truth, contacts, and reward terms."""

    def __init__(self, gui: viser.GuiApi, session: Session) -> None:
        """Add the charts to the place where the page is being built."""
        self._session = session
        self._names = session.env.reward_names
        self._rows: deque[tuple[float, np.ndarray]] = deque()
        self._robot = session.robot
        self._means = np.zeros(len(self._names))
        layout = session.env.label_layout
        estimates = session.estimator is not None
        self._velocity = layout.columns("velocity") if estimates else None
        # The velocity is already plotted with the command.
        self._further = [
            column for column in range(layout.size if estimates else 0)
            if self._velocity is None or not self._velocity.start <= column < self._velocity.start + 2
        ]  # fmt: skip
        said: dict[str, Colour] = {} if self._velocity is None else {"estimate": ESTIMATE_COLOUR}
        asked = {"command": COMMAND_COLOUR, "velocity": VELOCITY_COLOUR} | said
        self._charts = [
            Chart(gui, "forward velocity, m/s", asked),
            Chart(gui, "lateral velocity, m/s", asked),
            Chart(gui, "yaw rate, rad/s", {"command": COMMAND_COLOUR, "velocity": VELOCITY_COLOUR}),
        ]
        titles = layout.column_titles()
        pair = {"truth": _TRUTH_COLOUR, "estimate": ESTIMATE_COLOUR}
        self._charts += [Chart(gui, titles[column], pair) for column in self._further]
        self._charts.append(Chart(gui, "rewards per second", {"rewards": _REWARD_COLOUR, "penalties": _PENALTY_COLOUR}))
        gui.add_markdown("**Reward terms per second**")
        self._bars = gui.add_html("")

    def add(self, reading: Rollout) -> None:
        """Add a reading."""
        env = self._session.env
        now = env.common_step_counter * env.dt
        if self._robot != self._session.robot or (self._rows and now < self._rows[-1][0]):
            self._rows.clear()
            self._robot = self._session.robot
        if self._rows and self._rows[-1][0] == now:
            return
        self._rows.append((now, self._row(reading)))
        while self._rows[0][0] < now - _SECONDS:
            self._rows.popleft()
        self._means = _SMOOTHING * self._means + (1.0 - _SMOOTHING) * reading.rewards[0, 0]

    def show(self) -> None:
        """Bring the page up to date."""
        if not self._rows:
            return
        times = np.array([time for time, _ in self._rows]) - self._rows[-1][0]
        columns = np.array([row for _, row in self._rows]).T
        first = 0
        for chart, count in zip(self._charts, self._curve_counts(len(columns)), strict=True):
            chart.show(times, columns[first : first + count])
            first += count
        self._bars.content = bars(dict(zip(self._names, self._means.tolist(), strict=True)))

    def _row(self, reading: Rollout) -> np.ndarray:
        """Return the values of all curves, chart by chart."""
        command, velocity, said = reading.commands[0, 0], reading.velocity[0, 0], reading.estimated("velocity")
        parts: list[float] = []
        for axis in range(2):
            parts += [command[axis], velocity[axis], *([] if said is None else [said[0, 0, axis]])]
        parts += [command[2], velocity[2]]
        if reading.estimate is not None and reading.label is not None:
            for column in self._further:
                parts += [reading.label[0, 0, column], reading.estimate[0, 0, column]]
        rewards = reading.rewards[0, 0]
        return np.array([*parts, rewards.clip(min=0.0).sum(), rewards.clip(max=0.0).sum()])

    def _curve_counts(self, total: int) -> list[int]:
        velocities = 2 if self._velocity is None else 3
        counts = [velocities, velocities, 2]
        return [*counts, *[2] * ((total - sum(counts)) // 2)]


class RecordedPlots:
    """Curves of a recording, up to the shown row."""

    def __init__(self, gui: viser.GuiApi, session: RecordedSession) -> None:
        """Add the charts to the place where the page is being built."""
        self._session = session
        colours = (COMMAND_COLOUR, _TRUTH_COLOUR, ESTIMATE_COLOUR)
        self._charts = [
            (Chart(gui, title, dict(zip(curves, colours, strict=False))), np.stack(list(curves.values())))
            for title, curves in session.curves.items()
        ]

    def add(self, reading: Rollout) -> None:
        """Ignore a reading: the recording's curves are already known."""

    def show(self) -> None:
        """Bring the page up to date."""
        last, dt = self._session.at or self._session.length, self._session.env.dt
        first = max(0, last - round(_SECONDS / dt))
        for chart, values in self._charts:
            chart.show(dt * np.arange(first - last + 1, 1), values[:, first:last])


def bars(values: dict[str, float]) -> str:
    """Return a table of bars: to the right for positive values, to the left for negative ones."""
    longest = max((abs(value) for value in values.values()), default=0.0) or 1.0
    rows = []
    for name, value in sorted(values.items(), key=lambda item: -item[1]):
        width = 50.0 * abs(value) / longest
        left, colour = (50.0, _REWARD_COLOUR) if value >= 0.0 else (50.0 - width, _PENALTY_COLOUR)
        place = f"position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:100%;background:rgb{colour}"
        bar = f"<div style='position:relative;height:9px'><div style='{place}'></div></div>"
        cells = (f"<td>{html.escape(name)}</td>", f"<td style='width:40%'>{bar}</td>")
        rows.append(f"<tr>{''.join(cells)}<td style='text-align:right'>{value:.3f}</td></tr>")
    return f"<table style='width:100%;font-size:11px;line-height:1.25;padding:0 0.8em'>{''.join(rows)}</table>"
