"""Logs of a robot or of its simulation: one format, as CSV or NumPy, that docs/robot_log.md describes."""

from __future__ import annotations

import csv
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from legged_gym import this_robot
from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import check_writable, plain_file, written


@dataclass(frozen=True)
class Signal:
    """A quantity that a log can hold."""

    unit: str
    labels: tuple[str, ...] | None
    """Names of its components; none: one for each joint; empty: as many as there are."""
    needed: bool
    meaning: str


SIGNALS = {
    "time": Signal("s", ("",), True, "when the row's targets were sent, by the clock that all stamps share"),
    "command": Signal("m/s, rad/s", ("vx", "vy", "yaw"), False, "wanted velocity"),
    "target": Signal("rad", None, True, "joint angles as sent to the motors"),
    "kp": Signal("N·m/rad", None, True, "gain that was sent with them"),
    "kd": Signal("N·m·s/rad", None, True, "gain that was sent with them"),
    "position": Signal("rad", None, True, "joint angles as received"),
    "velocity": Signal("rad/s", None, True, "joint velocities as received"),
    "gyro": Signal("rad/s", ("x", "y", "z"), True, "angular velocity, base frame"),
    "gravity": Signal("1", ("x", "y", "z"), False, "direction of gravity, base frame; standing: 0, 0, -1"),
    "quaternion": Signal("1", ("w", "x", "y", "z"), False, "base frame to world frame, in place of gravity"),
    "imu_time": Signal("s", ("",), False, "when the IMU's sample was taken"),
    "action": Signal("1", None, False, "the actor's output"),
    "estimate": Signal("1", (), False, "the estimator's output"),
    "observation": Signal("1", (), False, "what the estimator was fed, newest step first"),
    "current": Signal("A", None, False, "of each motor"),
    "temperature": Signal("°C", None, False, "of each motor"),
    "voltage": Signal("V", ("",), False, "of the battery"),
}
"""By their names in a NumPy file; a CSV's columns are ``name``, ``name_x`` or ``name_<joint>``."""


SENSOR_NOISE: dict[str, Any] = dict(position_noise=5e-4, velocity_noise=0.05, gyro_noise=0.01, gravity_noise=0.002)
"""Of simulated logs, by the names of :class:`~legged_gym.this_robot.stand.Truth`: standard deviations."""
_LARGEST = 1e6
"""No signal comes near, in its unit; times do, which may count from 1970."""


@dataclass
class RobotLog:
    """What a robot was told and what it said, row by row; SI units."""

    joint_names: list[str]
    values: dict[str, np.ndarray]
    """A key of :data:`SIGNALS` each: (T,) where there is one component, else (T, n)."""
    name: str = "log"

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a signal that the log has."""
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        """Return whether the log has a signal."""
        return name in self.values

    @property
    def time(self) -> np.ndarray:
        """When each row was sent, s, (T,)."""
        return self.values["time"]

    @property
    def dt(self) -> float:
        """Usual time between two rows, s."""
        return float(np.median(np.diff(self.time)))

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.time[-1] - self.time[0])

    @property
    def gravity(self) -> np.ndarray:
        """Direction of gravity, base frame, (T, 3)."""
        if "gravity" in self.values:
            return self.values["gravity"]
        w, x, y, z = self.values["quaternion"].T
        return np.stack([2.0 * (w * y - x * z), -2.0 * (w * x + y * z), 2.0 * (x * x + y * y) - 1.0], axis=1)

    def rows(self, first: int, last: int) -> RobotLog:
        """Return the rows from ``first`` up to, not including, ``last``."""
        return RobotLog(self.joint_names, {k: v[first:last] for k, v in self.values.items()}, self.name)

    def in_order(self, joint_names: list[str]) -> RobotLog:
        """Return the log with its joints in another order.

        Raises:
            UserError: The joints are not the same ones.
        """
        if sorted(joint_names) != sorted(self.joint_names):
            raise UserError(f"{self.name}: its joints are {', '.join(self.joint_names)}; "
                            f"the robot's are {', '.join(joint_names)}")  # fmt: skip
        order = [self.joint_names.index(name) for name in joint_names]
        per_joint = {name for name, signal in SIGNALS.items() if signal.labels is None}
        values = {k: v[:, order] if k in per_joint else v for k, v in self.values.items()}
        return RobotLog(list(joint_names), values, self.name)


def write_log(log: RobotLog, path: str) -> None:
    """Write a log as ``.csv`` or ``.npz``.

    Raises:
        UserError: Another ending, or the file can't be written.
    """
    check_log_path(path)
    with written(path) as part:
        if path.endswith(".npz"):
            np.savez_compressed(part, joint_names=np.array(log.joint_names), **log.values)  # type: ignore[arg-type]
            return
        names = [
            n for k, v in log.values.items() for n in _columns(k, log.joint_names, 1 if v.ndim == 1 else v.shape[1])
        ]
        table = np.column_stack(list(log.values.values()))
        np.savetxt(part, table, "%.7g", ",", header=",".join(names), comments="")


def check_log_path(path: str) -> None:
    """Find out early whether a log can be written.

    Raises:
        UserError: Another ending than ``.csv`` or ``.npz``, or nothing can be written there.
    """
    if not path.endswith((".csv", ".npz")):
        raise UserError(f"a log is written as .csv or .npz, not as '{path}'")
    check_writable(path)


def read_log(path: str) -> RobotLog:
    """Read a log: ``.csv``, ``.npz``, an MCAP file or a ROS 2 bag.

    Raises:
        UserError: It can't be read or lacks a signal; the message names it.
    """
    try:
        plain_file(path)
        if path.endswith(".npz"):
            file = np.load(path)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array, not one for each signal")
            with file:
                values = {name: np.asarray(file[name]) for name in file.files}
            joints = [str(name) for name in np.atleast_1d(values.pop("joint_names", np.array([])))]
        elif path.endswith(".csv"):
            joints, values = _read_csv(path)
        elif path.endswith(".mcap") or (Path(path) / "metadata.yaml").is_file():
            joints, values = this_robot.bag.read_bag(path)
        else:
            raise UserError(f"'{path}' is no log: a .csv, a .npz, an .mcap or the folder of a ROS 2 bag")
    except (OSError, EOFError, ValueError, KeyError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: can't be read: {' '.join(str(error).split())}") from error
    return _checked(RobotLog(joints, values, Path(path).name))


def _columns(name: str, joints: list[str], count: int) -> list[str]:
    labels = SIGNALS[name].labels
    if labels is None:
        labels = tuple(joints)
    elif not labels:
        labels = tuple(str(i) for i in range(count))
    return [f"{name}_{label}" if label else name for label in labels]


def _read_csv(path: str) -> tuple[list[str], dict[str, np.ndarray]]:
    with open(path, newline="", encoding="utf-8") as file:
        header = [cell.strip() for cell in next(csv.reader(file), [])]
        if not any(line.strip() for line in file):
            raise ValueError("it has no rows")
    table = np.atleast_2d(np.genfromtxt(path, delimiter=",", skip_header=1))
    if table.shape[1] != len(header) or len(set(header)) != len(header):
        raise ValueError(f"its header names {len(set(header))} columns, the first row has {table.shape[1]}")
    joints = [column.removeprefix("position_") for column in header if column.startswith("position_")]
    values: dict[str, np.ndarray] = {}
    known: set[str] = set()
    for name, signal in SIGNALS.items():
        count = sum(column.startswith(f"{name}_") for column in header)
        columns = _columns(name, joints, count)
        if columns and set(columns) <= set(header):
            found = table[:, [header.index(column) for column in columns]]
            values[name] = found[:, 0] if signal.labels == ("",) else found
            known.update(columns)
    for column in header:
        if column not in known:
            expected = [c for name in SIGNALS for c in _columns(name, joints, 0)]
            raise ValueError(f"column '{column}' belongs to no complete signal: {near_names(column, expected)}")
    return joints, values


def _checked(log: RobotLog) -> RobotLog:
    for name, values in log.values.items():
        if name not in SIGNALS:
            raise UserError(f"{log.name}: unknown signal '{name}': {near_names(name, SIGNALS)}")
        labels = SIGNALS[name].labels
        width = len(log.joint_names) if labels is None else len(labels)
        if values.ndim == 0:
            raise UserError(f"{log.name}: signal '{name}' is a single number, not one for each row")
        rows = log.values.get("time", values).size
        shape = (rows,) if labels == ("",) else (rows, width or values.shape[-1])
        if values.shape != shape:
            raise UserError(f"{log.name}: signal '{name}' has the shape {values.shape}, it should be {shape}")
        if values.dtype.kind not in "fiu":
            raise UserError(f"{log.name}: signal '{name}' holds no numbers")
        log.values[name] = values.astype(float)
        if SIGNALS[name].needed and not np.isfinite(log.values[name]).all():
            raise UserError(
                f"{log.name}: signal '{name}' has {int((~np.isfinite(values)).sum())} values that are no numbers"
            )
        beyond = np.abs(log.values[name]) > _LARGEST
        if beyond.any() and "time" not in name:
            raise UserError(f"{log.name}: signal '{name}' has {int(beyond.sum())} values beyond {_LARGEST:g}")
        if name in ("kp", "kd") and (log.values[name] < 0.0).any():
            raise UserError(f"{log.name}: signal '{name}' has gains below 0")
    if len(set(log.joint_names)) != len(log.joint_names):
        raise UserError(f"{log.name}: names a joint twice: {', '.join(log.joint_names)}")
    missing = [name for name, signal in SIGNALS.items() if signal.needed and name not in log.values]
    if missing:
        raise UserError(f"{log.name}: lacks the signal '{missing[0]}' ({SIGNALS[missing[0]].meaning})")
    if "gravity" not in log and "quaternion" not in log:
        raise UserError(f"{log.name}: lacks 'gravity' and 'quaternion': one of them is needed")
    for name in ("gravity", "quaternion"):
        if name in log and (np.linalg.norm(log.values[name], axis=1) < 0.1).any():
            raise UserError(f"{log.name}: signal '{name}' has rows without a direction")
    if len(log.time) < 10:
        raise UserError(f"{log.name}: needs at least 10 rows, has {len(log.time)}")
    steps = np.diff(log.time)
    if (steps < 0.0).any():
        row, times = int(np.argmax(steps < 0.0)), int((steps < 0.0).sum())
        raise UserError(
            f"{log.name}: time goes back by {-steps[row]:.3g} s after row {row}, {times} times in all: use one clock "
            "that nobody sets, and write rows in order"
        )
    if log.dt <= 0.0:
        raise UserError(
            f"{log.name}: {(steps == 0.0).mean():.0%} of rows have the time of the row before: rows are written twice, "
            "or times with too few digits"
        )
    return log
