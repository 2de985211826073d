"""Logs out of ROS 2 bags and MCAP files: topics that are called like the signals, as arrays of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.this_robot.log import SIGNALS

_JOINTS = "joint_states"
"""A ``sensor_msgs/JointState`` gives names, positions and velocities; its stamps are the log's rows."""


def read_bag(path: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read a bag: ``/joint_states``, ``/imu`` and, for each further signal, an array of its name.

    Args:
        path: An ``.mcap`` file, or a bag's folder.

    Returns:
        The joints, and the signals at the times of ``/joint_states``: of each the last message so far.

    Raises:
        UserError: The extra is not installed, or the bag lacks ``/joint_states``.
    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise UserError(f"{path}: bags need an extra ({error}): pip install -e '.[bag]'") from error
    try:
        return _read(AnyReader([Path(path)], default_typestore=get_typestore(Stores.ROS2_HUMBLE)), path)
    except UserError:
        raise
    # The reader meets damaged files with errors of all kinds.
    except Exception as error:
        raise UserError(f"{path}: can't be read: {' '.join(str(error).split())}") from error


def _read(bag: Any, path: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read an open bag's messages."""
    joints: list[str] = []
    series: dict[str, list[tuple[float, np.ndarray]]] = {}
    with bag as reader:
        for connection, nanoseconds, data in reader.messages():
            topic = connection.topic.strip("/").split("/")[-1]
            time, message = 1e-9 * nanoseconds, cast(Any, reader.deserialize(data, connection.msgtype))
            if topic == _JOINTS:
                joints = joints or list(message.name)
                order = [list(message.name).index(name) for name in joints]
                parts = {"position": message.position[order], "velocity": message.velocity[order]}
            elif topic == "imu":
                parts = _imu(message)
            elif topic in SIGNALS:
                parts = {topic: np.atleast_1d(np.array(message.data, dtype=float))}
            else:
                continue
            for name, values in parts.items():
                series.setdefault(name, []).append((time, values))
    if not joints:
        raise UserError(f"{path}: has no topic '/{_JOINTS}'")
    return joints, _together(series)


def _imu(message: Any) -> dict[str, np.ndarray]:
    turn, quat, stamp = message.angular_velocity, message.orientation, message.header.stamp
    return {
        "gyro": np.array([turn.x, turn.y, turn.z]),
        "quaternion": np.array([quat.w, quat.x, quat.y, quat.z]),
        "imu_time": np.array([stamp.sec + 1e-9 * stamp.nanosec]),
    }


def _together(series: dict[str, list[tuple[float, np.ndarray]]]) -> dict[str, np.ndarray]:
    """Return all signals at the joints' times, from when each has been heard once."""
    begin = max(samples[0][0] for samples in series.values())
    times = np.array([time for time, _ in series["position"] if time >= begin])
    values: dict[str, np.ndarray] = {"time": times}
    for name, samples in series.items():
        stamps = np.array([time for time, _ in samples])
        found = np.stack([sample for _, sample in samples])[np.searchsorted(stamps, times, side="right") - 1]
        values[name] = found[:, 0] if SIGNALS[name].labels == ("",) else found
    offset = times[0] if len(times) else 0.0
    for name in ("time", "imu_time"):
        if name in values:
            values[name] = values[name] - offset
    return values
