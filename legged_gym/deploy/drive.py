"""What the robot is told to do, and when."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from legged_gym.utils.errors import UserError

_COLUMNS = ("time", "vx", "vy", "yaw")


@dataclass(frozen=True)
class Drive:
    """Commands, each of which lasts until the next."""

    times: tuple[float, ...]
    """When each command begins, s, from 0 on, rising."""
    commands: tuple[tuple[float, float, float], ...]
    """Forward and lateral velocity, m/s, and yaw rate, rad/s."""
    seconds: float
    """When the last one ends."""

    def at(self, time: float) -> np.ndarray:
        """Return the command at a time, s, (3,)."""
        return np.array(self.commands[int(np.searchsorted(self.times, time + 1e-9, side="right")) - 1])

    @property
    def reach(self) -> float:
        """How far the commands could take the robot at most, m."""
        lengths = np.diff([*self.times, self.seconds])
        return float((np.linalg.norm(np.array(self.commands)[:, :2], axis=1) * lengths).sum())


DEFAULT_DRIVE = Drive(
    times=(0.0, 2.0, 6.0, 10.0, 14.0),
    commands=((0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (0.2, 0.0, 0.5), (-0.3, 0.0, 0.0), (0.0, 0.0, 0.0)),
    seconds=17.0,
)
"""Stand, walk forward, turn, walk backward, stop."""


def constant_drive(command: Sequence[float], seconds: float) -> Drive:
    """Return a drive of one command, (3,).

    Raises:
        UserError: It does not last.
    """
    vx, vy, yaw = map(float, command)
    return _checked("the command", [(0.0, vx, vy, yaw)], seconds)


def read_drive(path: str | os.PathLike[str], seconds: float | None = None) -> Drive:
    """Read a drive from a YAML or CSV file: rows of time, vx, vy, yaw.

    Args:
        path: ``*.yaml``, ``*.yml``: a list of rows, each a list of four numbers or a mapping with these keys;
            ``*.csv``: a line for each row, with or without a first line of names.
        seconds: When the last command ends; by default it lasts as long as the one before, or 5 s if it is the only
            one.

    Raises:
        UserError: The file can't be read or makes no sense; the message names file and row.
    """
    name = os.fspath(path)
    if not name.endswith((".yaml", ".yml", ".csv")):
        raise UserError(f"a drive is read from .yaml, .yml or .csv, got '{name}'")
    try:
        with open(name, encoding="utf-8", newline="") as file:
            rows = _csv_rows(file) if name.endswith(".csv") else yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, csv.Error) as error:
        raise UserError(f"{name}: can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{name}: must be a list of rows of {', '.join(_COLUMNS)}")
    values = [_row(f"{name}: row {number}", row) for number, row in enumerate(rows, start=1)]
    if seconds is None:
        last = values[-1][0]
        seconds = last + (last - values[-2][0] if len(values) > 1 else 5.0)
    return _checked(name, values, seconds)


def _csv_rows(file: Any) -> list[list[str]]:
    rows = [row for row in csv.reader(file, skipinitialspace=True) if row and not row[0].startswith("#")]
    return rows[1:] if rows and tuple(cell.strip() for cell in rows[0]) == _COLUMNS else rows


def _row(where: str, row: Any) -> tuple[float, float, float, float]:
    """Return a row's four numbers."""
    if isinstance(row, dict):
        if set(row) != set(_COLUMNS):
            raise UserError(f"{where}: must have the keys {', '.join(_COLUMNS)}, has {', '.join(map(str, row))}")
        row = [row[name] for name in _COLUMNS]
    try:
        time, vx, vy, yaw = map(float, row)
    except (TypeError, ValueError):
        raise UserError(f"{where}: must be four numbers, {', '.join(_COLUMNS)}, got {row!r}") from None
    return time, vx, vy, yaw


def _checked(where: str, rows: Sequence[tuple[float, float, float, float]], seconds: float) -> Drive:
    values = np.array(rows)
    if not np.isfinite(values).all():
        raise UserError(f"{where}: every time and velocity must be a finite number")
    times = values[:, 0]
    if times[0] != 0.0 or (np.diff(times) <= 0.0).any():
        raise UserError(f"{where}: times must begin at 0 and rise, got {', '.join(f'{time:g}' for time in times)}")
    if not times[-1] < seconds < np.inf:
        raise UserError(
            f"{where}: the drive must end after its last command begins, {times[-1]:g} s, got {seconds:g} s"
        )
    return Drive(tuple(times.tolist()), tuple((row[1], row[2], row[3]) for row in rows), float(seconds))
