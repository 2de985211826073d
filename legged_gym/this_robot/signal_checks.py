"""Findings, and checks of single columns of a log: resolution, noise, lost rows, limits, lags."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from legged_gym.this_robot.log import SIGNALS, RobotLog
from legged_gym.this_robot.prediction import white_noise
from legged_gym.this_robot.stand import Stand

_COARSE = {"position": 0.004, "velocity": 0.2, "gyro": 0.1, "target": 0.01}
"""Largest resolution of a signal, in its unit."""
_NOISY = {"position": 0.008, "velocity": 1.0, "gyro": 0.3}
"""Largest standard deviation of a signal's noise, in its unit."""
_NOISY_SHARE, _NOISE_DT = 0.1, 0.006
"""Smallest noise relative to the signal; motion between rows that are further apart than this, s, looks like noise."""
_CLIPPED, _CLIPPED_SHARE = 1e-9, 0.03
"""A target is clipped if it stays at its largest or smallest value in more than this share of rows; tolerance, rad."""
_FAR, _BEYOND = 0.6, 0.1
"""Largest mean distance of a joint from its target, and of a target past a stop, rad."""
_STILL, _MOVES, _PAUSED = 0.4, 0.05, 0.2
"""Longest time that an angle may stay constant, s, while its target moves by this, rad; the same of the IMU, s."""


class Finding(NamedTuple):
    """The result of a check."""

    topic: str
    """The topic of the check."""
    passed: bool | None
    """None if the log does not show it."""
    text: str
    """The fault and what to do, or what is missing."""


def judged(topic: str, problems: list[str], good: str) -> Finding:
    """Return a finding that failed with these problems, or passed without."""
    return Finding(topic, not problems, "; ".join(problems) if problems else good)


def lags(seen: np.ndarray, known: np.ndarray, dt: float, reach: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """Return the lags of columns behind others, s, and the correlations at these lags, -1 to 1, both (n,)."""
    most, rows = max(2, round(reach / dt)), len(seen)
    alike = []
    for shift in range(-most, most + 1):
        a, b = seen[most + shift : rows - most + shift], known[most : rows - most]
        a, b = a - a.mean(0), b - b.mean(0)
        alike.append((a * b).sum(0) / np.maximum(np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0), 1e-12))
    table = np.array(alike)
    best = np.abs(table).argmax(0)
    return (best - most) * dt, table[best, np.arange(table.shape[1])]


def _columns(log: RobotLog, signal: str, found: np.ndarray, text: str) -> list[str]:
    """Return a finding's text for some columns of a signal, (n,), or for the signal if most have it; empty if none."""
    names = zip(SIGNALS[signal].labels or log.joint_names, found, strict=True)
    which = "" if found.mean() > 0.6 else f" of {', '.join(name for name, bad in names if bad)}"
    return [f"{signal}{which} {text}"] if found.any() else []


def coarse(log: RobotLog) -> list[str]:
    """Find signals with a coarse resolution."""
    problems = []
    for signal, largest in _COARSE.items():
        changes = np.abs(np.diff(log[signal], axis=0))
        steps = np.where(changes > 1e-9, changes, np.inf).min(0)
        bad = np.isfinite(steps) & (steps > largest) & (np.ptp(log[signal], axis=0) > 3.0 * steps)
        text = f"comes in steps of {steps[bad].max(initial=0.0):.2g}: log it with all its digits"
        problems += _columns(log, signal, bad, text)
    return problems


def noisy(log: RobotLog) -> list[str]:
    """Find signals with too much noise for a sensor."""
    problems = []
    for signal, most in _NOISY.items() if log.dt < _NOISE_DT else ():
        size = white_noise(log[signal])
        bad = (size > most) & (size > _NOISY_SHARE * np.std(log[signal], axis=0))
        problems += _columns(log, signal, bad, f"has noise of {size.max():.2g}: check wiring and shielding")
    return problems


def dead(log: RobotLog) -> list[str]:
    """Find axes of the IMU that stay constant while others change."""
    problems = []
    for signal, values in (("gyro", log["gyro"]), ("gravity", log.gravity)):
        still = np.ptp(values, axis=0) < 1e-9
        problems += _columns(log, signal, still & ~still.all(), "never changes: the axis is dead, or not written")
    return problems


def clipped(log: RobotLog) -> list[str]:
    """Find clipped targets."""
    low, high = log["target"].min(0), log["target"].max(0)
    at = [np.mean(np.abs(log["target"] - end) < _CLIPPED, axis=0) for end in (low, high)]
    share = np.where(high - low > _MOVES, np.maximum(*at), 0.0)
    text = (f"stays at its largest or smallest value for {share.max():.0%} of the time: it is clipped; log what is "
            "sent, and only clip at the stops")  # fmt: skip
    return _columns(log, "target", share > _CLIPPED_SHARE, text)


def other_scale(log: RobotLog, stand: Stand, wrong: np.ndarray) -> list[str]:
    """Find angles relative to the usual pose, or in another unit. Mark their joints as ``wrong``, (D,)."""
    target, position = np.median(log["target"], axis=0), np.median(log["position"], axis=0)
    pose, low, high = stand.default_angles, stand.limits[:, 0] - _BEYOND, stand.limits[:, 1] + _BEYOND
    outside, otherwise = (np.mean((t < low) | (t > high), axis=0) > 0.1 for t in (log["target"], log["target"] + pose))
    both = outside.sum() > 1 and not otherwise.any() and np.abs(position - target).max() < _FAR
    apart = np.abs(pose).max() > _FAR
    alone = [apart and np.abs(position - target + turn).max() < 0.5 * _FAR for turn in (-pose, pose)]
    for name, found in zip(("target and position", "target", "position"), (both, *alone), strict=True):
        if found:
            wrong[:] = True
            return [f"{name} are relative to the usual pose: add its angles, log those of the URDF"]
    beyond = np.abs(log["target"]).max(0) > 2.0 * np.abs(stand.limits).max(1)
    text = "lies far beyond the stops: it is in degrees, or of the rotor; log radians of the joint"
    if not beyond.any() and outside.sum() > 1 and np.abs(position - target)[outside].max() <= _FAR:
        beyond, text = outside, "lies beyond the stops: legs are exchanged, or these signs are wrong"
    wrong |= beyond
    return _columns(log, "target", beyond, text)


def far(log: RobotLog, stand: Stand, wrong: np.ndarray) -> list[str]:
    """Find angles that are far from their targets. Mark their joints as ``wrong``, (D,)."""
    problems, apart = [], np.median(log["position"] - log["target"], axis=0)
    as_other = np.abs(np.median(log["position"], axis=0)[:, None] - np.median(log["target"], axis=0)) < 0.5 * _FAR
    for joint in np.flatnonzero((np.abs(apart) > _FAR) & ~wrong):
        wrong[joint], turns = True, apart[joint] / (2.0 * np.pi)
        why = "it is whole turns off" if abs(turns - round(turns)) < 0.05 else "its zero is wrong"
        others = np.flatnonzero(as_other[joint] & as_other[:, joint] & (np.abs(apart) > _FAR))
        if len(others):
            why = f"it is that of {' or '.join(stand.joint_names[j] for j in others)}, they are exchanged; if not"
        where = f"the angle of {stand.joint_names[joint]} is {apart[joint]:+.2f} rad from its target"
        problems.append(f"{where}: {why}, calibrate it")
    return problems


def _longest_pause(values: np.ndarray) -> tuple[int, int]:
    """Return the first and last row of the longest piece in which nothing changes."""
    changes = np.flatnonzero(np.diff(values, axis=0).reshape(len(values) - 1, -1).any(1))
    edges = np.concatenate(([0], changes + 1, [len(values)]))
    longest = int(np.argmax(np.diff(edges)))
    return int(edges[longest]), int(edges[longest + 1])


def frozen(log: RobotLog, stand: Stand, wrong: np.ndarray, signal: str = "position") -> list[str]:
    """Find angles or velocities that stay constant while targets move. Mark their joints as ``wrong``."""
    problems, rows, what = [], max(3, round(_STILL / log.dt)), "the velocity of " if signal == "velocity" else ""
    for joint in np.flatnonzero(~wrong):
        first, last = _longest_pause(log[signal][:, joint])
        if last - first >= rows and np.ptp(log["target"][first:last, joint]) > _MOVES:
            wrong[joint] = True
            since = f"{what}{stand.joint_names[joint]} stands still from {log.time[first] - log.time[0]:.1f} s on"
            problems.append(f"stuck: {since} while its target moves: check power, bus and gears")
    return problems


def paused(log: RobotLog) -> list[str]:
    """Find pieces of a log in which the IMU repeats one sample."""
    first, last = _longest_pause(np.column_stack((log["gyro"], log.gravity)))
    if not _PAUSED / log.dt < last - first < 0.9 * len(log.time) or not log["gyro"][first].any():
        return []
    since = f"from {log.time[first] - log.time[0]:.1f} s on for {(last - first) * log.dt:.1f} s"
    return [f"gyro and gravity stay constant {since}: read the IMU in a separate thread"]
