"""Measurements as tables, for a terminal and as Markdown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from legged_gym.benchmarking.measure import STEPPING, Measurement
from legged_gym.common.console import print_table

_HEADERS = ("", "ms a control step", "ms an iteration", "robot steps/s", "of physics")


def print_measurement(measurement: Measurement, markdown: bool = False) -> None:
    """Print the table of one number of robots, and what it was measured on."""
    steps, rounds = measurement.steps_per_iteration, measurement.rounds
    title = f"{measurement.num_envs} robots, iterations of {steps} control steps, median of {rounds} rounds"
    rows = [_row(measurement, name) for name in measurement.seconds]
    if markdown:
        rule = ("---", *["---:"] * (len(_HEADERS) - 1))
        print(f"**{title}**", "", *(f"| {' | '.join(row)} |" for row in (_HEADERS, rule, *rows)), "", sep="\n")
    else:
        print(title)
        print_table(_HEADERS, rows)
    print(*(f"{'- ' if markdown else ''}{note}" for note in _notes(measurement)), sep="\n", flush=True)


def as_values(measurement: Measurement) -> dict[str, Any]:
    """Return all of it as plain values, with rates in robot steps/s and their ratios to physics only."""
    rates = {name: measurement.rate(name) for name in measurement.seconds}
    return {**asdict(measurement), "rates": rates, "ratios": {name: measurement.ratio(name) for name in rates}}


def _row(measurement: Measurement, name: str) -> tuple[str, ...]:
    step = measurement.step_seconds(name)
    times = f"{step * 1e3:.3f}", f"{step * measurement.steps_per_iteration * 1e3:.1f}"
    # A part of the learning makes no steps.
    stepping = name in STEPPING
    speeds = (f"{measurement.rate(name):,.0f}", f"{measurement.ratio(name):.2f}") if stepping else ("", "")
    return name, *times, *speeds


def _notes(measurement: Measurement) -> list[str]:
    stages = ", ".join(f"{stage} after {seconds:.1f} s" for stage, seconds in measurement.startup.items())
    return [", ".join(f"{name} {value}" for name, value in measurement.machine.items()), f"start: {stages}"]
