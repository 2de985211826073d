"""Measurements as tables, for a terminal and as Markdown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from legged_gym.benchmarking.measure import STEPPING, Measurement

_HEADERS = ("", "ms a control step", "ms an iteration", "robot steps/s", "of physics")


def as_text(measurement: Measurement) -> str:
    """Return the table of one number of robots for a terminal."""
    rows = [_HEADERS, *_rows(measurement)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join([_title(measurement), *(line.rstrip() for line in lines), *_notes(measurement)])


def as_markdown(measurement: Measurement) -> str:
    """Return the same table as Markdown."""
    rows = [_HEADERS, ("---", *["---:"] * (len(_HEADERS) - 1)), *_rows(measurement)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"**{_title(measurement)}**", "", *lines, "", *(f"- {note}" for note in _notes(measurement))])


def as_values(measurement: Measurement) -> dict[str, Any]:
    """Return all of it as plain values, with rates in robot steps/s and their ratios to physics only."""
    return {
        **asdict(measurement),
        "rates": {name: measurement.rate(name) for name in measurement.seconds},
        "ratios": {name: measurement.ratio(name) for name in measurement.seconds},
    }


def _title(measurement: Measurement) -> str:
    steps, rounds = measurement.steps_per_iteration, measurement.rounds
    return f"{measurement.num_envs} robots, iterations of {steps} control steps, median of {rounds} rounds"


def _rows(measurement: Measurement) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name in measurement.seconds:
        step = measurement.step_seconds(name)
        times = f"{step * 1e3:.3f}", f"{step * measurement.steps_per_iteration * 1e3:.1f}"
        # A part of the learning makes no steps.
        speeds = f"{measurement.rate(name):,.0f}", f"{measurement.ratio(name):.2f}"
        rows.append((name, *times, *(speeds if name in STEPPING else ("", ""))))
    return rows


def _notes(measurement: Measurement) -> list[str]:
    notes = [", ".join(f"{name} {value}" for name, value in measurement.machine.items())]
    notes.append(f"physics only: {measurement.physics}")
    stages = ", ".join(f"{stage} after {seconds:.1f} s" for stage, seconds in measurement.startup.items())
    notes.append(f"start: {stages}")
    if measurement.memory:
        sizes = ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in measurement.memory.items())
        notes.append(f"GPU memory in training: {sizes}")
    return notes
