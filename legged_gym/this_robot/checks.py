"""Whether a robot is wired as its description says, from a log of its first motion."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from legged_gym import this_robot
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.signal_checks import coarse, dead, lags, noisy
from legged_gym.this_robot.stand import Stand

_SLOWEST, _GAP, _OLDEST_IMU, _SLOWEST_IMU = 45.0, 0.06, 0.025, 60.0
"""Rows in a second; s between rows; age of the IMU's samples, s; its samples in a second."""
_UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
"""Other units of time, and how many make a second."""
_LEVEL, _AXES = 4.0, 25.0
"""Degrees between gravity and the base's z axis that a mount may have, and past which axes are exchanged."""
_SATURATED, _SATURATED_SHARE = 0.95, 0.005
_SAG, _EMPTY = 0.12, 20.0
"""Share of its voltage that a battery may lose during a log, and the voltage that it needs, V."""
_TURNED = 0.05
"""Change of gravity's direction that shows the gyro's axes, RMS, 1/s."""


_GYRO_SCALE, _GYRO_LATE = (0.85, 1.18), 0.03
"""Size of the gyro's rates as a share of gravity's turning, and its lag behind that, s."""
_FOUNDATIONS = (
    "sample rate", "spikes", "gaps", "jitter", "repeated samples", "IMU units of gravity", "IMU mount", "gains",
    "resolution", "noise",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A check of something."""

    topic: str
    """What was looked at."""
    passed: bool | None
    """None: the log does not show it."""
    text: str
    """What is wrong and what to do; or what is missing."""


def check(log: RobotLog, stand: Stand, standing: bool = False, tilted: bool = False) -> list[Finding]:
    """Check everything that needs no policy.

    Args:
        log: Of the robot.
        stand: Its description.
        standing: It stood or walked; else it hung in its stand.
        tilted: The stand was tilted on purpose.

    Raises:
        UserError: The log's joints are others.
    """
    log = log.in_order(stand.joint_names)
    if _unit_of_time(log):
        return [*_check_time(log), Finding("IMU, gains and joints", None, "first see to the unit of the time stamps")]
    found = [
        *_check_time(log),
        *_check_signals(log, stand),
        *_check_imu(log, tilted or standing),
        *_check_gains(log, stand),
    ]
    # Torques mean nothing where times, gravity or gains are wrong.
    trusted = not any(finding.passed is False and finding.topic in _FOUNDATIONS for finding in found)
    joints, wrong = this_robot.joint_checks.check_joints(log, stand, standing, trusted)
    return [*found, *_check_power(log, stand, wrong), *joints]


def judged(topic: str, problems: list[str], good: str) -> Finding:
    """Return a finding that failed with these problems, or passed without."""
    return Finding(topic, not problems, "; ".join(problems) if problems else good)


def _unit_of_time(log: RobotLog) -> str:
    """Return the unit of time stamps that can't be seconds, or nothing."""
    rate = 1.0 / max(log.dt, 1e-12)
    return next((unit for unit, size in _UNITS if rate < 1.0 and _SLOWEST <= size * rate <= 2000.0), "")


def _check_time(log: RobotLog) -> Iterator[Finding]:
    steps, usual = np.diff(log.time), log.dt
    rate = 1.0 / max(usual, 1e-9)
    slow = f"{rate:.0f} rows in a second: log at least at the policy's 50 Hz"
    if _unit_of_time(log):
        slow = f"{rate:.2g} rows in a second: the time stamps are in {_unit_of_time(log)}, write seconds"
    yield judged("sample rate", [slow] if rate < _SLOWEST else [], f"{rate:.0f} rows in a second")
    gaps = steps > max(4.0 * usual, _GAP)
    text = f"{gaps.sum()} gaps of up to {steps.max():.2f} s: rows were lost, write the log from a thread of its own"
    yield judged("gaps", [text] if gaps.any() else [], "no rows missing")
    uneven = float(np.percentile(np.abs(steps[~gaps] - usual), 90))
    text = (
        f"time between rows varies by ± {1e3 * uneven:.1f} ms around {1e3 * usual:.1f} ms: raise the loop's priority, "
        "and stamp rows when targets are sent"
    )
    yield judged("jitter", [text] if uneven > 0.3 * usual else [], f"± {1e3 * uneven:.2f} ms")
    same = float(np.mean(np.abs(np.diff(log["position"], axis=0)).max(1) == 0.0))
    text = f"{same:.0%} of rows repeat the joints' last angles: they are read more slowly than they are logged"
    yield judged("repeated samples", [text] if same > 0.3 else [], "joints are read for every row")
    yield _imu_age(log)


def _check_signals(log: RobotLog, stand: Stand) -> Iterator[Finding]:
    yield _spikes(log, stand)
    yield judged("resolution", coarse(log), "signals have enough digits")
    yield judged("noise", noisy(log), "no more than sensors have")


def _spikes(log: RobotLog, stand: Stand) -> Finding:
    """Find angles that no motor could have reached from the row before, and left again."""
    farthest = 2.0 * stand.velocity_limits * log.dt + 0.1
    jumps = np.diff(log["position"], axis=0)
    isolated = (np.abs(jumps[:-1]) > farthest) & (np.abs(jumps[1:]) > farthest) & (jumps[:-1] * jumps[1:] < 0.0)
    names = [f"{stand.joint_names[j]} ({isolated[:, j].sum()})" for j in np.flatnonzero(isolated.any(0))]
    text = f"single rows jump: {', '.join(names)}: the bus loses or mixes bytes, check its answers' checksums"
    return judged("spikes", [text] if names else [], "no angle jumps")


def _imu_age(log: RobotLog) -> Finding:
    if "imu_time" not in log:
        return Finding("IMU age", None, "the log has no imu_time")
    age = log.time - log["imu_time"]
    rate = len(np.unique(log["imu_time"])) / max(log.seconds, 1e-9)
    oldest, problems = float(np.percentile(age, 95)), []
    if oldest > _OLDEST_IMU:
        problems.append(
            f"samples are up to {1e3 * oldest:.0f} ms old: read the IMU in a thread of its own, latest sample first"
        )
    if float(np.median(age)) < -2e-3:
        problems.append("samples come from the future: use one clock, in seconds, for both stamps")
    if rate < min(_SLOWEST_IMU, 0.9 / log.dt):
        problems.append(f"only {rate:.0f} samples in a second: raise its output rate")
    return judged("IMU age", problems, f"up to {1e3 * oldest:.0f} ms, {rate:.0f} samples in a second")


def _check_imu(log: RobotLog, leaning: bool) -> Iterator[Finding]:
    size = float(np.median(np.linalg.norm(log.gravity, axis=1)))
    problems = []
    if not 0.9 < size < 1.1:
        unit = ": it is in m/s², divide it by 9.81" if 8.5 < size < 11.0 else ": normalise it"
        problems.append(f"gravity has the size {size:.2f}, not 1{unit}")
    yield judged("IMU units of gravity", problems, "a direction of size 1")
    gravity = log.gravity / np.maximum(np.linalg.norm(log.gravity, axis=1, keepdims=True), 1e-9)
    down = np.median(gravity, axis=0)
    angle = float(np.degrees(np.arccos(np.clip(-down[2] / np.linalg.norm(down), -1.0, 1.0))))
    if leaning:
        yield Finding("IMU mount", None, "the base was not level, so the mount's angle does not show")
    elif angle > 150.0:
        yield Finding("IMU mount", False, "gravity points up: its sign is wrong, it must be 0, 0, -1 when level")
    elif angle > _AXES:
        axis = "xyz"[int(np.argmax(np.abs(down)))]
        yield Finding(
            "IMU mount", False, f"gravity lies along {axis} ({angle:.0f}° from -z): the IMU's axes are exchanged"
        )
    else:
        problem = [f"the IMU leans by {angle:.1f}°: correct the mount angle"] if angle > _LEVEL else []
        yield judged("IMU mount", problem, f"level within {angle:.1f}°")
    problems = dead(log)
    yield judged("IMU axes", problems, "all of them change")
    if not problems and not any("gyro" in problem for problem in noisy(log)):
        yield _gyro(log, gravity, leaning)


def _gyro(log: RobotLog, gravity: np.ndarray, leaning: bool) -> Finding:
    """Compare the gyro with how gravity's direction turns."""
    bias = float(np.abs(np.median(log["gyro"], axis=0)).max())
    rest = [f"it shows {bias:.2f} rad/s at rest: calibrate it, or its unit is wrong"] * (bias > 0.1 and not leaning)
    window = max(3, round(0.1 / log.dt))
    kernel = np.hanning(window + 2) / np.hanning(window + 2).sum()
    rates = log["gyro"] - (0.0 if leaning else np.median(log["gyro"], axis=0))
    down, turn = (np.stack([np.convolve(c, kernel, "valid") for c in v.T], 1) for v in (gravity, rates))
    time = np.convolve(log.time, kernel, "valid")
    keep = np.concatenate(([True], np.diff(time) > 1e-6))
    down, turn = down[keep], turn[keep]
    change = np.gradient(down, time[keep], axis=0)
    if float(np.sqrt(np.square(change).sum(1).mean())) < _TURNED:
        if float(np.sqrt(np.square(turn - np.median(turn, axis=0)).sum(1).mean())) > 3.0 * _TURNED:
            return judged("gyro", ["it turns while gravity stands still: one of both is not read any more"], "")
        if rest:
            return judged("gyro", rest, "")
        return Finding("gyro", None, "the base was not turned: turn it by hand, nose down and to the side")
    best = min(_axis_maps(), key=lambda axes: _misfit(axes, turn, down, change)[0])
    plain, best_misfit = _misfit(_axis_maps()[0], turn, down, change), _misfit(best, turn, down, change)
    order, signs = _axis_maps()[0] if plain[0] < 1.15 * best_misfit[0] + 1e-4 and plain[1] > 0.0 else best
    scale = _misfit((order, signs), turn, down, change)[1]
    problems = rest
    late = _gyro_lag(log, turn, down, change)
    if abs(late) > _GYRO_LATE + log.dt:
        word = "later" if late > 0.0 else "earlier"
        return judged("gyro", [f"it turns {1e3 * abs(late):.0f} ms {word} than gravity: write both of one sample"], "")
    other = _other_quaternion(log, turn, best_misfit[0], keep, kernel)
    if other:
        return judged("gyro", [other], "")
    if order != (0, 1, 2):
        problems.append(f"its x, y, z are the base's {', '.join('xyz'[i] for i in order)}: its axes are exchanged")
    flipped = [axis for axis, sign in zip("xyz", signs, strict=True) if sign < 0]
    if flipped:
        problems.append(f"the sign of {', '.join(flipped)} is wrong: the IMU's sign or axes differ from the base's"
                        + ", or the quaternion turns the world into the base" * ("quaternion" in log))  # fmt: skip
    each = _axis_scales(turn[:, order] * signs, down, change)
    bad = [axis for axis, factor in each.items() if not _GYRO_SCALE[0] < factor < _GYRO_SCALE[1]]
    if bad:
        scale = each[bad[0]] if len(bad) < len(each) else scale
        unit = ": it is in degrees, multiply it by pi / 180" if 0.012 < scale < 0.024 else ""
        which = "it" if len(bad) == len(each) else f"its {', '.join(bad)}"
        problems.append(
            f"{which} turns {1.0 / max(scale, 1e-9):.3g} times as fast as gravity does, its unit is wrong{unit}"
        )
    return judged("gyro", problems, "turns as gravity does")


def _axis_scales(turn: np.ndarray, down: np.ndarray, change: np.ndarray) -> dict[str, float]:
    """Return the factor that each axis of the gyro needs, where gravity shows it."""
    parts = [-np.cross(turn * np.eye(3)[axis], down) for axis in range(3)]
    shown = [axis for axis in range(3) if np.sqrt(np.square(parts[axis]).sum(1).mean()) > _TURNED]
    if not shown:
        return {}
    table = np.stack([parts[axis].ravel() for axis in shown], axis=1)
    factors = np.linalg.lstsq(table, change.ravel(), rcond=None)[0]
    return {"xyz"[axis]: float(factor) for axis, factor in zip(shown, factors, strict=True) if axis < 2}


def _gyro_lag(log: RobotLog, turn: np.ndarray, down: np.ndarray, change: np.ndarray) -> float:
    """Return by how much the gyro turns later than gravity, s."""
    late, alike = lags(turn[:, :2], np.cross(change, down)[:, :2], log.dt, 0.3)
    sure = alike > 0.9
    return float(np.mean(late[sure])) if sure.any() else 0.0


def _other_quaternion(log: RobotLog, turn: np.ndarray, misfit: float, keep: np.ndarray, kernel: np.ndarray) -> str:
    """Say so if the gyro fits the quaternion much better with its numbers in another order."""
    if "quaternion" not in log:
        return ""
    values = {**log.values, "quaternion": log["quaternion"][:, [3, 0, 1, 2]]}
    gravity = RobotLog(log.joint_names, {k: v for k, v in values.items() if k != "gravity"}).gravity
    down = np.stack([np.convolve(c, kernel, "valid") for c in gravity.T], 1)[keep]
    change = np.gradient(down, np.convolve(log.time, kernel, "valid")[keep], axis=0)
    if _misfit(_axis_maps()[0], turn, down, change)[0] < 0.5 * misfit:
        return "the quaternion's numbers are x, y, z, w: write w first"
    return ""


def _axis_maps() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return all ways to exchange axes and signs, the plain one first."""
    return [(o, s) for o in itertools.permutations(range(3)) for s in itertools.product((1, -1), repeat=3)]


def _misfit(
    axes: tuple[tuple[int, ...], tuple[int, ...]], turn: np.ndarray, down: np.ndarray, change: np.ndarray
) -> tuple[float, float]:
    """Return how badly a gyro with these axes explains the change of gravity, and the factor that it needs."""
    expected = -np.cross(turn[:, axes[0]] * axes[1], down)
    scale = float((expected * change).sum() / max((expected**2).sum(), 1e-12))
    return float(np.sqrt(np.square(change - max(scale, 0.0) * expected).mean())), scale


def _check_gains(log: RobotLog, stand: Stand) -> Iterator[Finding]:
    problems = []
    for name, nominal, unit in (("kp", stand.kp, "N·m/rad"), ("kd", stand.kd, "N·m·s/rad")):
        ratio = np.median(log[name] / nominal, axis=0)
        usual = float(np.median(ratio))
        if not 0.3 <= usual <= 1.6:
            problems.append(f"{name} of all joints is {usual:.2f} times what the policy was trained with")
        for joint in np.flatnonzero(np.abs(ratio - usual) > 0.05 * usual):
            sent = float(np.median(log[name][:, joint]))
            problems.append(
                f"{name} of {stand.joint_names[joint]} is {sent:g} {unit}, it should be {usual * nominal[joint]:g}"
            )
    exchanged = [np.median(log[name], axis=0) / other for name, other in (("kp", stand.kd), ("kd", stand.kp))]
    if problems and all(np.ptp(ratio) < 0.05 * np.median(ratio) for ratio in exchanged):
        problems = ["kp and kd are exchanged: write each into its own column"]
    yield judged("gains", problems, "as the description says, for all joints alike")


def _check_power(log: RobotLog, stand: Stand, wrong: set[int]) -> Iterator[Finding]:
    # Without the D term, so that a velocity's wrong unit does not count.
    torque = np.abs(log["kp"] * (log["target"] - log["position"]))
    share = np.mean(torque > _SATURATED * stand.torque_limits, axis=0)
    names = [
        f"{stand.joint_names[j]} ({share[j]:.0%} of the time)"
        for j in np.flatnonzero(share > _SATURATED_SHARE)
        if j not in wrong
    ]
    problem = [f"asked for more than the motor's torque: {', '.join(names)}: smaller steps, or see the joints below"]
    yield judged("saturation", problem if names else [], "no motor at its limit")
    if "voltage" not in log:
        yield Finding("battery", None, "the log has no voltage")
        return
    volts = log["voltage"][np.isfinite(log["voltage"])]
    low, first = float(np.percentile(volts, 2)), float(np.percentile(volts[: max(10, len(volts) // 10)], 90))
    problems = []
    if low > 1000.0:
        return (yield judged("battery", ["is in millivolts: write volts"], ""))
    if first < _EMPTY:
        problems.append(f"has {first:.1f} V, it needs {_EMPTY:g} V: charge it")
    elif low < _EMPTY or low < (1.0 - _SAG) * first:
        problems.append(f"sags from {first:.1f} to {low:.1f} V: charge it, or use one that gives more current")
    yield judged("battery", problems, f"{low:.1f} V or more")
