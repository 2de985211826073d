"""The user's commands for the robot: one command, a drive from a file, or the default drive."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import yaml

from legged_gym.common.controller_rules import AXES
from legged_gym.common.errors import UserError
from legged_gym.common.paths import plain_file
from legged_gym.common.yaml_text import parse_yaml
from legged_gym.evaluation.scenarios import Command, Plan

DEFAULT_DRIVE: Plan = (
    (0.0, (0.0, 0.0, 0.0)),
    (2.0, (0.4, 0.0, 0.0)),
    (6.0, (0.2, 0.0, 0.5)),
    (10.0, (-0.3, 0.0, 0.0)),
    (14.0, (0.0, 0.0, 0.0)),
)
"""Stand, walk forward, turn, walk backward, stop."""

_FASTEST = 100.0
"""Limit of commands, m/s and rad/s, as on the command line."""
_LONGEST = 1e6
"""s."""
_COLUMNS = ("time", "vx", "vy", "yaw")


def read_drive(path: str | os.PathLike[str]) -> Plan:
    """Read a drive from a YAML or CSV file: rows of time, vx, vy, yaw. Each command lasts until the next one.

    Args:
        path: ``*.yaml``, ``*.yml``: a list of rows, each a list of four numbers or a mapping with these keys;
            ``*.csv``: a line for each row, with or without a first line of names; lines with ``#`` are skipped.

    Raises:
        UserError: The file can't be read or is not valid; the message names file and row.
    """
    name = os.fspath(path)
    if not name.endswith((".yaml", ".yml", ".csv")):
        raise UserError(f"a drive must be a .yaml, .yml or .csv file, got '{name}'")
    try:
        with open(plain_file(name), encoding="utf-8-sig", newline="") as file:
            rows = _csv_rows(file) if name.endswith(".csv") else parse_yaml(file.read())
    except (OSError, UnicodeDecodeError, yaml.YAMLError, csv.Error) as error:
        raise UserError(f"{name}: can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{name}: must be a list of rows of {', '.join(_COLUMNS)}")
    plan = tuple(_row(f"{name}: row {number}", row) for number, row in enumerate(rows, start=1))
    times = [time for time, _ in plan]
    if times[0] != 0.0:
        raise UserError(f"{name}: row 1: times must begin at 0, got {times[0]:g}")
    falls = np.flatnonzero(np.diff(times) <= 0.0)
    if falls.size:
        row = int(falls[0]) + 1
        raise UserError(f"{name}: row {row + 1}: times must increase, got {times[row]:g} after {times[row - 1]:g}")
    return plan


def drive_seconds(plan: Plan) -> float:
    """Return the default duration of a drive, s: the last command lasts as long as the one before, or 10 s."""
    times = [time for time, _ in plan]
    return 2.0 * times[-1] - times[-2] if len(times) > 1 else 10.0


def out_of_range(plan: Plan, ranges: np.ndarray) -> list[str]:
    """Return a note for each axis whose commands exceed the trained ranges, (3, 2)."""
    lines = []
    commands = np.array([command for _, command in plan])
    for name, unit, values, (low, high) in zip(_COLUMNS[1:], AXES.values(), commands.T, ranges, strict=True):
        if values.min() < low or values.max() > high:
            lines.append(f"{name} exceeds the {low:g} to {high:g} {unit} that the policy was trained with")
    return lines


def _csv_rows(file: Iterable[str]) -> list[list[str]]:
    rows = [row for row in csv.reader(file, skipinitialspace=True) if row and not row[0].startswith("#")]
    return rows[1:] if rows and tuple(cell.strip() for cell in rows[0]) == _COLUMNS else rows


def _row(where: str, row: Any) -> tuple[float, Command]:
    """Return a row's time and command."""
    if isinstance(row, dict):
        if set(row) != set(_COLUMNS):
            raise UserError(f"{where}: must have the keys {', '.join(_COLUMNS)}, has {', '.join(map(str, row))}")
        row = [row[name] for name in _COLUMNS]
    if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != len(_COLUMNS):
        raise UserError(f"{where}: must be four numbers, {', '.join(_COLUMNS)}, got {row!r}")
    try:
        # Python would read 0_2 as 2.
        if any(isinstance(value, bool) or "_" in str(value) for value in row):
            raise TypeError
        time, vx, vy, yaw = map(float, row)
    except (OverflowError, TypeError, ValueError):
        raise UserError(f"{where}: must be four numbers, {', '.join(_COLUMNS)}, got {row!r}") from None
    if not np.isfinite([time, vx, vy, yaw]).all():
        raise UserError(f"{where}: every time and velocity must be finite, got {row!r}")
    if max(map(abs, (vx, vy, yaw))) > _FASTEST or time > _LONGEST:
        raise UserError(f"{where}: takes times up to {_LONGEST:g} s and velocities up to {_FASTEST:g}, got {row!r}")
    return time, (vx, vy, yaw)
