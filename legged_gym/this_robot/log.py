"""Logs of a robot or its simulation, as CSV, NumPy file or ROS 2 bag. docs/robot_log.md describes the format."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.memory import require_memory
from legged_gym.common.paths import check_writable, plain_file, written


class Signal(NamedTuple):
    """A quantity in a log."""

    unit: str
    labels: tuple[str, ...] | None
    """Names of its components. None: one for each joint. Empty: any number."""
    needed: bool
    meaning: str


SIGNALS = {
    "time": Signal("s", ("",), True, "when the row's targets were sent, by the same clock as all stamps"),
    "command": Signal("m/s, rad/s", ("vx", "vy", "yaw"), False, "wanted velocity"),
    "target": Signal("rad", None, True, "joint angles as sent to the motors"),
    "kp": Signal("N·m/rad", None, True, "gain that was sent with them"),
    "kd": Signal("N·m·s/rad", None, True, "gain that was sent with them"),
    "position": Signal("rad", None, True, "joint angles as received"),
    "velocity": Signal("rad/s", None, True, "joint velocities as received"),
    "gyro": Signal("rad/s", ("x", "y", "z"), True, "angular velocity, base frame"),
    "gravity": Signal("1", ("x", "y", "z"), False, "direction of gravity, base frame; standing: 0, 0, -1"),
    "quaternion": Signal("1", ("w", "x", "y", "z"), False, "base frame to world frame, instead of gravity"),
    "imu_time": Signal("s", ("",), False, "when the IMU's sample was taken"),
    "action": Signal("1", None, False, "the actor's output"),
    "estimate": Signal("1", (), False, "the estimator's output"),
    "observation": Signal("1", (), False, "the estimator's input, newest step first"),
    "current": Signal("A", None, False, "of each motor"),
    "temperature": Signal("°C", None, False, "of each motor"),
    "voltage": Signal("V", ("",), False, "of the battery"),
}
"""Signals by their names in a NumPy file. A CSV's columns are ``name``, ``name_x`` or ``name_<joint>``."""
SENSOR_NOISE = {"position": 5e-4, "velocity": 0.05, "gyro": 0.01, "gravity": 0.002}
"""Standard deviations of the noise in simulated logs."""
_LARGEST = 1e6
"""Largest value of a signal, in its unit. Times may be larger, because they may count from 1970."""
_JOINTS = "joint_states"
"""A ``sensor_msgs/JointState`` gives names, positions and velocities; its stamps are the log's rows."""


@dataclass
class RobotLog:
    """Commands and measurements of a robot, row by row, in SI units."""

    joint_names: list[str]
    values: dict[str, np.ndarray]
    """Signals by their keys in :data:`SIGNALS`: (T,) for one component, otherwise (T, n)."""
    name: str = "log"

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a signal that the log has."""
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        """Return whether the log has a signal."""
        return name in self.values

    @property
    def time(self) -> np.ndarray:
        """Time of each row, s, (T,)."""
        return self.values["time"]

    @property
    def dt(self) -> float:
        """Usual time between two rows, s."""
        return float(np.median(np.diff(self.time)))

    @property
    def seconds(self) -> float:
        """Duration, s."""
        return float(self.time[-1] - self.time[0])

    @property
    def gravity(self) -> np.ndarray:
        """Direction of gravity, base frame, (T, 3)."""
        if "gravity" in self.values:
            return self.values["gravity"]
        w, x, y, z = self.values["quaternion"].T
        return np.stack([2.0 * (w * y - x * z), -2.0 * (w * x + y * z), 2.0 * (x * x + y * y) - 1.0], axis=1)

    def rows(self, first: int, last: int, every: int = 1) -> RobotLog:
        """Return one in ``every`` rows from ``first`` up to, not including, ``last``."""
        return RobotLog(self.joint_names, {k: v[first:last:every] for k, v in self.values.items()}, self.name)

    def in_order(self, joint_names: list[str]) -> RobotLog:
        """Return the log with its joints in another order.

        Raises:
            UserError: The joints are not the same.
        """
        if sorted(joint_names) != sorted(self.joint_names):
            own, others = ", ".join(self.joint_names), ", ".join(joint_names)
            raise UserError(f"{self.name}: its joints are {own}; the robot's are {others}")
        order = [self.joint_names.index(name) for name in joint_names]
        values = {k: v[:, order] if SIGNALS[k].labels is None else v for k, v in self.values.items()}
        return RobotLog(list(joint_names), values, self.name)


def write_log(log: RobotLog, path: str, signals: Iterable[str] = SIGNALS) -> None:
    """Write a log as ``.csv`` or ``.npz``, with those of these signals that it has."""
    check_log_path(path)
    values = {name: log[name] for name in signals if name in log}
    with written(path) as part:
        if path.endswith(".npz"):
            np.savez_compressed(part, joint_names=np.array(log.joint_names), **values)  # type: ignore[arg-type]
            return
        names = [column for k, v in values.items() for column in _columns(k, log.joint_names, v[:1].size)]
        np.savetxt(part, np.column_stack([*values.values()]), "%.7g", ",", header=",".join(names), comments="")


def check_log_path(path: str) -> None:
    """Raise a :class:`UserError` if the file can't be written, or its ending is neither ``.csv`` nor ``.npz``."""
    if not path.endswith((".csv", ".npz")):
        raise UserError(f"a log must be written as .csv or .npz, got '{path}'")
    check_writable(path)


def read_log(path: str) -> RobotLog:
    """Read a log: ``.csv``, ``.npz``, an MCAP file or a ROS 2 bag.

    Raises:
        UserError: The log can't be read or lacks a signal; the message names it.
    """
    try:
        plain_file(path)
        if path.endswith(".npz"):
            file = np.load(path)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it has one array, not one for each signal")
            with file:
                parts = file.zip.filelist if file.zip else []
                require_memory(f"the unpacked arrays of '{path}'", 2.0 * sum(part.file_size for part in parts), "cpu")
                values = {name: np.asarray(file[name]) for name in file.files}
            joints = [str(name) for name in np.atleast_1d(values.pop("joint_names", np.array([])))]
        elif path.endswith(".csv"):
            joints, values = _read_csv(path)
        elif path.endswith(".mcap") or (Path(path) / "metadata.yaml").is_file():
            joints, values = _read_bag(path)
        else:
            raise UserError(f"'{path}' is not a log: a log is a .csv, a .npz, an .mcap or the folder of a ROS 2 bag")
    except UserError:
        raise
    # Readers raise all kinds of errors for damaged files.
    except Exception as error:
        raise UserError(f"{path}: can't be read: {' '.join(str(error).split())}") from error
    log = RobotLog(joints, values, Path(path).name)
    for wrong, problem in _problems(log):
        if wrong:
            raise UserError(f"{log.name}: {problem}")
    return log


def _columns(name: str, joints: list[str], count: int) -> list[str]:
    """Return the names of a signal's columns. ``count`` is their number if the signal does not define it."""
    fixed = SIGNALS[name].labels
    labels = joints if fixed is None else fixed or [str(i) for i in range(count)]
    return [f"{name}_{label}" if label else name for label in labels]


def _read_csv(path: str) -> tuple[list[str], dict[str, np.ndarray]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = [cell.strip() for cell in next(csv.reader(file), [])]
        if not any(line.strip() for line in file):
            raise ValueError("it has no rows")
    table = np.atleast_2d(np.genfromtxt(path, delimiter=",", skip_header=1))
    given = dict(zip(header, table.T, strict=False))
    if table.shape[1] != len(header) or len(given) != len(header):
        raise ValueError(f"its header names {len(set(header))} columns, the first row has {table.shape[1]}")
    joints = [column.removeprefix("position_") for column in header if column.startswith("position_")]
    values: dict[str, np.ndarray] = {}
    for name, signal in SIGNALS.items():
        columns = _columns(name, joints, sum(column.startswith(f"{name}_") for column in header))
        if columns and given.keys() >= {*columns}:
            found = np.stack([given.pop(column) for column in columns], axis=1)
            values[name] = found[:, 0] if signal.labels == ("",) else found
    if given:
        column = next(iter(given))
        near = near_names(column, [c for name in SIGNALS for c in _columns(name, joints, 0)])
        raise ValueError(f"column '{column}' belongs to no complete signal: {near}")
    return joints, values


def _problems(log: RobotLog) -> Iterator[tuple[Any, str]]:
    """Yield for each problem whether a log has it, and make values floats. Later checks rely on earlier ones."""
    for name, values in log.values.items():
        yield name not in SIGNALS, f"unknown signal '{name}': {near_names(name, SIGNALS)}"
        yield values.ndim == 0, f"signal '{name}' is a single number, not one for each row"
        labels = SIGNALS[name].labels
        width = len(log.joint_names) if labels is None else len(labels)
        rows = log.values.get("time", values).size
        shape = (rows,) if labels == ("",) else (rows, width or values.shape[-1])
        yield values.shape != shape, f"signal '{name}' has the shape {values.shape}, it should be {shape}"
        yield values.dtype.kind not in "fiu", f"signal '{name}' holds no numbers"
        log.values[name] = values = values.astype(float)
        bad, beyond = int((~np.isfinite(values)).sum()), int((np.abs(values) > _LARGEST).sum())
        yield SIGNALS[name].needed and bad, f"signal '{name}' has {bad} values that are no numbers"
        yield "time" not in name and beyond, f"signal '{name}' has {beyond} values beyond {_LARGEST:g}"
        yield name in ("kp", "kd") and (values < 0.0).any(), f"signal '{name}' has gains below 0"
    yield len({*log.joint_names}) != len(log.joint_names), f"names a joint twice: {', '.join(log.joint_names)}"
    for name, signal in SIGNALS.items():
        yield signal.needed and name not in log, f"lacks the signal '{name}' ({signal.meaning})"
    directions = [name for name in ("gravity", "quaternion") if name in log]
    yield not directions, "lacks 'gravity' and 'quaternion': one of them is needed"
    for name in directions:
        found = np.linalg.norm(log[name], axis=1) >= 0.1
        yield not found.all(), f"signal '{name}' has rows without a direction"
    yield len(log.time) < 10, f"needs at least 10 rows, has {len(log.time)}"
    steps = np.diff(log.time)
    row, back = int(np.argmax(steps < 0.0)), int((steps < 0.0).sum())
    yield back, (f"time goes back by {-steps[row]:.3g} s after row {row}, {back} times in all: use one clock that "
                 "is never set, and write rows in order")  # fmt: skip
    yield log.dt <= 0.0, (f"{(steps == 0.0).mean():.0%} of rows have the time of the row before: rows are written "
                          "twice, or times with too few digits")  # fmt: skip


def _read_bag(path: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read ``/joint_states``, ``/imu``, and arrays named like further signals, from an MCAP file or a bag's folder.

    The rows are those of ``/joint_states``, with the last message so far of each other topic.
    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise UserError(f"{path}: bags need an extra ({error}): pip install -e '.[bag]'") from error
    joints: list[str] = []
    series: dict[str, list[tuple[float, np.ndarray]]] = {}
    with AnyReader([Path(path)], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as bag:
        for connection, nanoseconds, data in bag.messages():
            topic = connection.topic.strip("/").split("/")[-1]
            message: Any = bag.deserialize(data, connection.msgtype)
            joints = joints or (list(message.name) if topic == _JOINTS else [])
            for name, sample in _parts(topic, message, joints).items():
                series.setdefault(name, []).append((1e-9 * nanoseconds, sample))
    if not joints:
        raise UserError(f"{path}: has no topic '/{_JOINTS}'")
    # All signals at the joints' times, from the time when each has been received once.
    begin = max(samples[0][0] for samples in series.values())
    times = np.array([time for time, _ in series["position"] if time >= begin])
    values = {"time": times}
    for name, samples in series.items():
        rows = np.searchsorted([time for time, _ in samples], times, side="right") - 1
        found = np.stack([sample for _, sample in samples])[rows]
        values[name] = found[:, 0] if SIGNALS[name].labels == ("",) else found
    offset = times[0] if len(times) else 0.0
    return joints, {name: found - offset if name in ("time", "imu_time") else found for name, found in values.items()}


def _parts(topic: str, message: Any, joints: list[str]) -> dict[str, np.ndarray]:
    """Return the signals in a topic's message."""
    if topic == _JOINTS:
        order = [list(message.name).index(name) for name in joints]
        return {"position": message.position[order], "velocity": message.velocity[order]}
    if topic == "imu":
        turn, quat, stamp = message.angular_velocity, message.orientation, message.header.stamp
        time, quaternion = [stamp.sec + 1e-9 * stamp.nanosec], [quat.w, quat.x, quat.y, quat.z]
        signals = {"gyro": [turn.x, turn.y, turn.z], "quaternion": quaternion, "imu_time": time}
        return {name: np.array(values) for name, values in signals.items()}
    return {topic: np.atleast_1d(np.array(message.data, dtype=float))} if topic in SIGNALS else {}
