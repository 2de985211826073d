"""Checks from a log of its first motion whether a robot is wired as its description says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from legged_gym.this_robot.joint_checks import check_joints
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.signal_checks import Finding, coarse, dead, judged, lags, noisy, paused
from legged_gym.this_robot.stand import Stand

_SLOWEST, _GAP, _OLDEST_IMU, _SLOWEST_IMU = 45.0, 0.06, 0.025, 60.0
"""Limits: rows per second; time between rows, s; age of the IMU's samples, s; IMU samples per second."""
_LOST, _FEW = 0.01, 0.02
"""Largest shares of rows: single missing rows, and jumps of an angle (more of them are normal motion)."""
_UNITS = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
"""Other units of time, and their number in a second."""
_LEVEL, _AXES = 4.0, 25.0
"""Angles between gravity and the base's z axis, degrees: allowed for a mount, and above which axes are exchanged."""
_SATURATED, _SATURATED_SHARE = 0.95, 0.005
_SAG, _EMPTY = 0.12, 20.0
"""Share of its voltage that a battery may lose during a log, and its lowest voltage, V."""
_TURNED, _GYRO_SCALE, _GYRO_LATE = 0.05, (0.85, 1.18), 0.03
"""Change of gravity's direction that shows the gyro's axes, RMS, 1/s; relative size of the gyro's rates; lag, s."""
_AXIS_MAPS = [(o, s) for o in itertools.permutations(range(3)) for s in itertools.product((1, -1), repeat=3)]
"""All ways to exchange axes and signs, the correct one first."""
_FOUNDATIONS = (
    "sample rate", "spikes", "gaps", "jitter", "repeated samples", "IMU units of gravity", "IMU mount", "gains",
    "resolution", "noise",
)  # fmt: skip
"""If one of these failed, torques can't be checked."""


def check(log: RobotLog, stand: Stand, standing: bool = False, tilted: bool = False) -> list[Finding]:
    """Run all checks without a policy, for a robot that was ``standing`` or hung in its stand, maybe ``tilted``."""
    log = log.in_order(stand.joint_names)
    again = (np.diff(log.time) == 0.0) & (np.diff(log["position"], axis=0) == 0.0).all(1)
    text = f"{again.sum()} rows are written twice: write each once"
    twice = judged("rows", [text] if again.any() else [], "each is new")
    log = RobotLog(log.joint_names, {k: v[np.append(True, ~again)] for k, v in log.values.items()}, log.name)
    rate = 1.0 / max(log.dt, 1e-12)
    unit = next((unit for unit, size in _UNITS if rate < 1.0 and _SLOWEST <= size * rate <= 2000.0), "")
    found = list(_check_time(log, unit))
    if unit:
        return [found[0], Finding("IMU, gains and joints", None, "first correct the unit of the time stamps")]
    found += [twice, *_check_signals(log, stand), *_check_imu(log, tilted or standing), _check_gains(log, stand)]
    trusted = not any(finding.passed is False and finding.topic in _FOUNDATIONS for finding in found)
    joints, wrong = check_joints(log, stand, standing, trusted)
    return [*found, _saturation(log, stand, wrong), _battery(log), *joints]


def _check_time(log: RobotLog, unit: str) -> Iterator[Finding]:
    """Check the time stamps, which may be in a ``unit`` smaller than a second."""
    steps, usual, rate = np.diff(log.time), log.dt, 1.0 / max(log.dt, 1e-9)
    text = f"{rate:.0f} rows per second: log at the policy's 50 Hz or faster"
    text = f"{rate:.2g} rows per second: the time stamps are in {unit}, write seconds" if unit else text
    yield judged("sample rate", [text] if rate < _SLOWEST else [], f"{rate:.0f} rows per second")
    gaps = steps > max(4.0 * usual, _GAP)
    ratio = steps[~gaps] / max(usual, 1e-9)
    lost = (ratio > 1.5) & (np.abs(ratio - np.round(ratio)) < 0.2)
    even = np.percentile(np.abs(ratio[~lost] - 1.0), 90) < 0.3
    text = f"{gaps.sum()} gaps of up to {steps.max():.2f} s: rows were lost, write the log from a separate thread"
    problems = [text] if gaps.any() else []
    if even and lost.mean() > _LOST:
        problems.append(f"single rows are missing, {lost.mean():.0%} of all: write every row, from a separate thread")
    yield judged("gaps", problems, "no rows missing")
    uneven = float(np.percentile(np.abs(steps[~gaps][~lost if even else slice(None)] - usual), 90))
    text = (f"time between rows varies by ± {1e3 * uneven:.1f} ms around {1e3 * usual:.1f} ms: raise the loop's "
            "priority, and stamp rows when targets are sent")  # fmt: skip
    yield judged("jitter", [text] if uneven > 0.3 * usual else [], f"± {1e3 * uneven:.2f} ms")
    same = float(np.mean(np.abs(np.diff(log["position"], axis=0)).max(1) == 0.0))
    text = f"{same:.0%} of rows repeat the joints' last angles: they are read more slowly than they are logged"
    yield judged("repeated samples", [text] if same > 0.3 else [], "joints are read for every row")
    yield _imu_age(log)


def _imu_age(log: RobotLog) -> Finding:
    if "imu_time" not in log or not np.isfinite(log["imu_time"]).any():
        return Finding("IMU age", None, "the log has no imu_time")
    age, problems = log.time - log["imu_time"], []
    rate = len(np.unique(log["imu_time"])) / max(log.seconds, 1e-9)
    oldest = f"up to {1e3 * np.nanpercentile(age, 95):.0f} ms"
    if np.nanpercentile(age, 95) > _OLDEST_IMU:
        problems.append(f"samples are {oldest} old: read the IMU in a separate thread, latest sample first")
    if np.nanmedian(age) < -2e-3:
        problems.append("samples come from the future: use one clock, in seconds, for both stamps")
    if rate < min(_SLOWEST_IMU, 0.9 / log.dt):
        problems.append(f"only {rate:.0f} samples per second: raise its output rate")
    return judged("IMU age", problems, f"{oldest}, {rate:.0f} samples per second")


def _check_signals(log: RobotLog, stand: Stand) -> Iterator[Finding]:
    # Angles that no motor could have reached from the row before. In a wrong unit there are many of them.
    jumps = np.diff(log["position"], axis=0)
    farthest = np.maximum(2.0 * stand.velocity_limits * log.dt + 0.1, 5.0 * np.percentile(np.abs(jumps), 98, axis=0))
    far, turns = np.abs(jumps) > farthest, np.abs(np.abs(jumps) - 2.0 * np.pi) < 0.3
    problems = []
    for joint in np.flatnonzero(far.any(0) & (far.mean(0) < _FEW)):
        name, when = stand.joint_names[joint], log.time[1:][far[:, joint]][0] - log.time[0]
        if (far & turns)[:, joint].any() and jumps[far[:, joint], joint].sum() != 0.0:
            problems.append(f"{name} jumps by a whole turn at {when:.1f} s: count full turns, from the first row on")
            log["position"][:, joint] = np.unwrap(log["position"][:, joint])
        else:
            problems.append(f"{name} jumps {far[:, joint].sum()} times, first at {when:.1f} s: the bus loses or mixes "
                            "bytes, check the checksums")  # fmt: skip
    yield judged("spikes", problems, "no angle jumps")
    yield judged("resolution", coarse(log), "signals have enough digits")
    yield judged("noise", noisy(log), "no more than sensors have")


def _check_imu(log: RobotLog, leaning: bool) -> Iterator[Finding]:
    sizes = np.linalg.norm(log.gravity, axis=1, keepdims=True)
    size, gravity = float(np.median(sizes)), log.gravity / np.maximum(sizes, 1e-9)
    unit = "it is in m/s², divide it by 9.81" if 8.5 < size < 11.0 else "normalise it"
    problem = [] if 0.9 < size < 1.1 else [f"gravity has the size {size:.2f}, not 1: {unit}"]
    yield judged("IMU units of gravity", problem, "a direction of size 1")
    # The base may be tilted for a while.
    halves = [np.median(part, axis=0) for part in (gravity, *np.array_split(gravity, 2))]
    yield _mount(min(halves, key=lambda down: float(down[2] / np.linalg.norm(down))), leaning)
    problems = dead(log) + paused(log)
    yield judged("IMU axes", problems, "all of them change")
    if not problems and not any("gyro" in problem for problem in noisy(log)):
        yield _gyro(log, gravity, leaning)


def _mount(down: np.ndarray, leaning: bool) -> Finding:
    angle = float(np.degrees(np.arccos(np.clip(-down[2] / np.linalg.norm(down), -1.0, 1.0))))
    axis, problem = "xyz"[int(np.argmax(np.abs(down)))], []
    if leaning:
        return Finding("IMU mount", None, "the base was not level, so the mount's angle does not show")
    if angle > 150.0:
        problem = ["gravity points up: its sign is wrong, or the IMU hangs upside down; level it is 0, 0, -1"]
    elif angle > _AXES:
        problem = [f"gravity lies along {axis} ({angle:.0f}° from -z): the IMU's axes are exchanged"]
    elif angle > _LEVEL:
        problem = [f"the IMU leans by {angle:.1f}°: correct the mount angle"]
    return judged("IMU mount", problem, f"level within {angle:.1f}°")


def _gyro(log: RobotLog, gravity: np.ndarray, leaning: bool) -> Finding:
    """Compare the gyro with the change of gravity's direction."""
    turn, down, change = turning = _turning(log, gravity, leaning)
    bias = float(np.abs(np.median(log["gyro"], axis=0)).max())
    problems = [f"it shows {bias:.2f} rad/s at rest: calibrate it, or its unit is wrong"]
    problems = problems if bias > 0.1 and not leaning else []
    if _rms(change) < _TURNED:
        if _rms(turn - np.median(turn, axis=0)) > 3.0 * _TURNED:
            problems = ["it turns while gravity stays constant: one of them is no longer read"]
        untold = Finding("gyro", None, "the base was not turned: turn it by hand, nose down and to the side")
        return judged("gyro", problems, "") if problems else untold
    late, alike = lags(turn[:, :2], np.cross(change, down)[:, :2], log.dt, 0.3)
    lag = float(np.mean(late[alike > 0.9])) if (alike > 0.9).any() else 0.0
    if abs(lag) > _GYRO_LATE + log.dt:
        word = "later" if lag > 0.0 else "earlier"
        return Finding("gyro", False, f"it turns {1e3 * abs(lag):.0f} ms {word} than gravity: write both of one sample")
    fits = [_misfit(axes, *turning) for axes in _AXIS_MAPS]
    (plain, plain_scale), best = fits[0], min(range(len(fits)), key=lambda i: fits[i][0])
    if "quaternion" in log:
        reordered = {"quaternion": log["quaternion"][:, [3, 0, 1, 2]]}
        other = _turning(log, RobotLog(log.joint_names, reordered).gravity, leaning)
        if _misfit(_AXIS_MAPS[0], *other)[0] < 0.5 * fits[best][0]:
            return Finding("gyro", False, "the quaternion's numbers are x, y, z, w: write w first")
    chosen = 0 if plain < 1.15 * fits[best][0] + 1e-4 and plain_scale > 0.0 else best
    (order, signs), scale = _AXIS_MAPS[chosen], fits[chosen][1]
    if order != (0, 1, 2):
        problems.append(f"its x, y, z are the base's {', '.join('xyz'[i] for i in order)}: its axes are exchanged")
    flipped = [axis for axis, sign in zip("xyz", signs, strict=True) if sign < 0]
    if flipped:
        third = f" (or of gravity's {({*'xyz'} - {*flipped}).pop()})" if len(flipped) == 2 else ""
        problems.append(f"the sign of {', '.join(flipped)} is wrong{third}: its sign or axes differ from the base's"
                        + ", or the quaternion turns the world into the base" * ("quaternion" in log))  # fmt: skip
    each = _axis_scales(turn[:, order] * signs, down, change)
    slack = 1.0 + 5.0 * log.dt
    bad = [axis for axis, factor in each.items() if not _GYRO_SCALE[0] / slack < factor < _GYRO_SCALE[1] * slack]
    if bad:
        scale, which = (each[bad[0]], f"its {', '.join(bad)}") if len(bad) < len(each) else (scale, "it")
        unit = ": it is in degrees, multiply it by pi / 180" if 0.012 < scale < 0.024 else ""
        times = f"{1.0 / max(scale, 1e-9):.3g}"
        faster = f"{which} turns {times} times as fast as gravity: its unit is wrong{unit}"
        unlike = f"{which} does not turn with gravity: axes, or the numbers of a quaternion (w first), are exchanged"
        problems.append(faster if scale > 1e-3 else unlike)
    return judged("gyro", problems, "turns with gravity")


def _rms(vectors: np.ndarray) -> float:
    return float(np.sqrt(np.square(vectors).sum(1).mean()))


def _turning(log: RobotLog, gravity: np.ndarray, leaning: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gyro's rates, rad/s, gravity's direction and its change, 1/s, all smoothed, (R, 3)."""
    rates = log["gyro"] - (0.0 if leaning else np.median(log["gyro"], axis=0))
    kernel = np.hanning(max(3, round(0.1 / log.dt)) + 2)
    signals = np.column_stack((log.time, rates, gravity))
    smooth = np.stack([np.convolve(column, kernel / kernel.sum(), "valid") for column in signals.T], axis=1)
    smooth = smooth[np.concatenate(([True], np.diff(smooth[:, 0]) > 1e-6))]
    return smooth[:, 1:4], smooth[:, 4:], np.gradient(smooth[:, 4:], smooth[:, 0], axis=0)


def _misfit(
    axes: tuple[tuple[int, ...], tuple[int, ...]], turn: np.ndarray, down: np.ndarray, change: np.ndarray
) -> tuple[float, float]:
    """Return the error of a gyro with these axes against the change of gravity, and the factor that it needs."""
    expected = -np.cross(turn[:, axes[0]] * axes[1], down)
    scale = float((expected * change).sum() / max((expected**2).sum(), 1e-12))
    return float(np.sqrt(np.square(change - max(scale, 0.0) * expected).mean())), scale


def _axis_scales(turn: np.ndarray, down: np.ndarray, change: np.ndarray) -> dict[str, float]:
    """Return the factor that each axis of the gyro needs, if gravity shows it."""
    parts = [-np.cross(turn * axis, down) for axis in np.eye(3)]
    shown = [axis for axis in range(3) if _rms(parts[axis]) > _TURNED]
    if not shown:
        return {}
    table = np.stack([parts[axis].ravel() for axis in shown], axis=1)
    factors = np.linalg.lstsq(table, change.ravel(), rcond=None)[0]
    return {"xyz"[axis]: float(factor) for axis, factor in zip(shown, factors, strict=True) if axis < 2}


def _check_gains(log: RobotLog, stand: Stand) -> Finding:
    problems, sent = [], {name: np.median(log[name], axis=0) for name in ("kp", "kd")}
    for name, nominal, unit in (("kp", stand.kp, "N·m/rad"), ("kd", stand.kd, "N·m·s/rad")):
        ratio = np.median(log[name] / nominal, axis=0)
        usual = float(np.median(ratio))
        if not 0.3 <= usual <= 1.6:
            problems.append(f"{name} of all joints is {usual:.2f} times what the policy was trained with")
        for joint in np.flatnonzero(np.abs(ratio - usual) > 0.05 * usual):
            wanted = f"{unit}, it should be {usual * nominal[joint]:g}"
            problems.append(f"{name} of {stand.joint_names[joint]} is {sent[name][joint]:g} {wanted}")
    exchanged = (sent["kp"] / stand.kd, sent["kd"] / stand.kp)
    if problems and all(np.ptp(ratio) < 0.05 * np.median(ratio) for ratio in exchanged):
        problems = ["kp and kd are exchanged: write each into its own column"]
    return judged("gains", problems, "as the description says, for all joints")


def _saturation(log: RobotLog, stand: Stand, wrong: np.ndarray) -> Finding:
    # Without the D term, so that a wrong unit of velocities has no effect.
    torque = np.abs(log["kp"] * (log["target"] - log["position"]))
    share = np.mean(torque > _SATURATED * stand.torque_limits, axis=0)
    joints = np.flatnonzero((share > _SATURATED_SHARE) & ~wrong)
    names = ", ".join(f"{stand.joint_names[j]} ({share[j]:.0%} of the time)" for j in joints)
    text = f"asked for more than the motor's torque: {names}: smaller steps, or see the joints below"
    return judged("saturation", [text] if names else [], "no motor at its limit")


def _battery(log: RobotLog) -> Finding:
    if "voltage" not in log or not np.isfinite(log["voltage"]).any():
        return Finding("battery", None, "the log has no voltage")
    volts, problems = log["voltage"][np.isfinite(log["voltage"])], []
    low, first = float(np.percentile(volts, 2)), float(np.percentile(volts[: max(10, len(volts) // 10)], 90))
    if low > 1000.0:
        problems = ["is in millivolts: write volts"]
    elif first < _EMPTY:
        problems = [f"has {first:.1f} V, it needs {_EMPTY:g} V: charge it"]
    elif low < _EMPTY or low < (1.0 - _SAG) * first:
        problems = [f"sags from {first:.1f} to {low:.1f} V: charge it, or use one that gives more current"]
    return judged("battery", problems, f"{low:.1f} V or more")
