"""What a log's columns show one by one: resolution, noise, lost rows, limits, and which lag behind others."""

from __future__ import annotations

import numpy as np

from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.stand import Stand

_COARSE = {"position": 0.004, "velocity": 0.2, "gyro": 0.1, "target": 0.01}
"""Steps in which a signal may come, in its unit."""
_NOISY = {"position": 0.008, "velocity": 1.0, "gyro": 0.3}
"""Standard deviation of noise that a signal may have, unless it is in another unit."""
_NOISY_SHARE = 0.1
"""Share of the signal's own that noise is at least."""
_NOISE_DT = 0.006
"""Motion between rows that are further apart, s, looks like noise."""
_CLIPPED, _CLIPPED_SHARE = 1e-9, 0.03
"""Targets that stay at their largest or smallest value, rad, in more than this share of rows."""
_FAR = 0.6
"""No joint is further from its target, rad, on average."""
_BEYOND = 0.1
"""Past its stop by which no target is sent, rad."""
_STILL = 0.4
"""Seconds for which an angle may not change at all while its target does."""
_MOVES = 0.05
"""A target that moves less, rad, moves its joint less than play and friction."""


def lags(seen: np.ndarray, known: np.ndarray, dt: float, reach: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much columns come later than others, s, and how alike they are then, -1 to 1, both (n,)."""
    most, rows = max(2, round(reach / dt)), len(seen)
    alike = []
    for shift in range(-most, most + 1):
        a, b = seen[most + shift : rows - most + shift], known[most : rows - most]
        a, b = a - a.mean(0), b - b.mean(0)
        alike.append((a * b).sum(0) / np.maximum(np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0), 1e-12))
    table = np.array(alike)
    best = np.abs(table).argmax(0)
    return (best - most) * dt, table[best, np.arange(table.shape[1])]


def columns(log: RobotLog, signal: str, found: np.ndarray) -> str:
    """Name the columns of a signal in which something was found, (n,), or the signal if it was found in most."""
    names = log.joint_names if signal not in ("gyro", "gravity") else ["x", "y", "z"]
    return (
        signal if found.mean() > 0.6 else f"{signal} of {', '.join(n for n, f in zip(names, found, strict=True) if f)}"
    )


def coarse(log: RobotLog) -> list[str]:
    """Find signals that come in steps."""
    problems = []
    for signal, largest in _COARSE.items():
        changes = np.abs(np.diff(log[signal], axis=0))
        steps = np.where(changes > 1e-9, changes, np.inf).min(0)
        bad = np.isfinite(steps) & (steps > largest) & (np.ptp(log[signal], axis=0) > 3.0 * steps)
        if bad.any():
            problems.append(
                f"{columns(log, signal, bad)} comes in steps of {steps[bad].max():.2g}: log it with all its digits"
            )
    return problems


def noisy(log: RobotLog) -> list[str]:
    """Find signals with more noise than a sensor has."""
    problems = []
    for signal, most in _NOISY.items() if log.dt < _NOISE_DT else ():
        size = np.median(np.abs(np.diff(log[signal], 2, axis=0)), axis=0) / 0.6745 / np.sqrt(6.0)
        bad = (size > most) & (size > _NOISY_SHARE * np.std(log[signal], axis=0))
        if bad.any():
            problems.append(f"{columns(log, signal, bad)} has noise of {size.max():.2g}: check wiring and shielding")
    return problems


def dead(log: RobotLog) -> list[str]:
    """Find axes of the IMU that never change while others do."""
    problems = []
    for signal in ("gyro", "gravity"):
        still = np.ptp(log.gravity if signal == "gravity" else log[signal], axis=0) < 1e-9
        if still.any() and not still.all():
            problems.append(f"{columns(log, signal, still)} never changes: the axis is dead, or not written")
    return problems


def clipped(log: RobotLog) -> list[str]:
    """Find targets that stay at a limit."""
    low, high = log["target"].min(0), log["target"].max(0)
    at = [np.mean(np.abs(log["target"] - end) < _CLIPPED, axis=0) for end in (low, high)]
    share = np.where(high - low > _MOVES, np.maximum(*at), 0.0)
    bad = share > _CLIPPED_SHARE
    text = (
        f"{columns(log, 'target', bad)} stays at its largest or smallest value for {share.max():.0%} of the time: it "
        "is clipped; log what is sent, and clip at the stops alone"
    )
    return [text] if bad.any() else []


def other_scale(log: RobotLog, stand: Stand, wrong: set[int]) -> list[str]:
    """Find angles that count from the usual pose, or are in another unit; add their joints to ``wrong``."""
    target, position = np.median(log["target"], axis=0), np.median(log["position"], axis=0)
    pose, low, high = stand.default_angles, stand.limits[:, 0] - _BEYOND, stand.limits[:, 1] + _BEYOND
    outside, otherwise = (np.mean((t < low) | (t > high), axis=0) > 0.1 for t in (log["target"], log["target"] + pose))
    both = outside.sum() > 1 and not otherwise.any() and np.abs(position - target).max() < _FAR
    apart = np.abs(pose).max() > _FAR
    for name, found in (
        ("target and position", both),
        ("target", apart and np.abs(position - target - pose).max() < 0.5 * _FAR),
        ("position", apart and np.abs(position - target + pose).max() < 0.5 * _FAR),
    ):
        if found:
            wrong.update(range(stand.num_dof))
            return [f"{name} count from the usual pose: add its angles, log those of the URDF"]
    beyond = np.abs(log["target"]).max(0) > 2.0 * np.abs(stand.limits).max(1)
    if not beyond.any():
        return []
    wrong.update(map(int, np.flatnonzero(beyond)))
    which = columns(log, "target", beyond)
    return [f"{which} lies far beyond the stops: it is in degrees, or of the rotor; log radians of the joint"]


def far(log: RobotLog, stand: Stand, wrong: set[int]) -> list[str]:
    """Find angles that are far from their targets, and add their joints to ``wrong``."""
    problems, apart, names = [], np.median(log["position"] - log["target"], axis=0), stand.joint_names
    for joint in map(int, np.flatnonzero(np.abs(apart) > _FAR)):
        if joint not in wrong:
            wrong.add(joint)
            turns = apart[joint] / (2.0 * np.pi)
            why = "it is whole turns off" if abs(turns - round(turns)) < 0.05 else "its zero is wrong"
            problems.append(
                f"the angle of {names[joint]} is {apart[joint]:+.2f} rad from its target: {why}, calibrate it"
            )
    return problems


def frozen(log: RobotLog, stand: Stand, wrong: set[int]) -> list[str]:
    """Find angles that stand still for a while although their targets move, and add their joints to ``wrong``."""
    problems, rows = [], max(3, round(_STILL / log.dt))
    for joint, name in enumerate(stand.joint_names):
        changes = np.flatnonzero(np.diff(log["position"][:, joint]) != 0.0)
        edges = np.concatenate(([0], changes + 1, [len(log.time)]))
        first = int(np.argmax(np.diff(edges)))
        run = slice(edges[first], edges[first + 1])
        if (
            edges[first + 1] - edges[first] >= rows
            and np.ptp(log["target"][run, joint]) > _MOVES
            and joint not in wrong
        ):
            wrong.add(joint)
            problems.append(
                f"stuck: {name} stands still from {log.time[run.start] - log.time[0]:.1f} s on while its target moves: "
                "check power, bus and gears"
            )
    return problems
