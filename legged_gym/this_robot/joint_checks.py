"""Checks order, sign, scale, zero, delay and strength of the joints, by comparing a log with its targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from legged_gym.this_robot.inverse_dynamics import HEADINGS, Dynamics, shifted
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import chunks, predict, running_mean
from legged_gym.this_robot.signal_checks import Finding, clipped, far, frozen, judged, lags, other_scale
from legged_gym.this_robot.stand import Stand

_MOVED, _STUCK = 0.015, 0.2
"""Smallest motion of a target that tests a joint, RMS, rad; smallest share of it that a healthy joint makes."""
_ALIKE, _FOLLOWS, _OTHERS = 0.75, 0.5, 0.8
"""Correlations with the joint's own target: certain, and lowest; and with another's target that shows an exchange."""
_ZERO, _ZERO_COARSE = 0.05, 1.0
"""rad, and by how much more it must be off in a log of slower rows, rad/s."""
_HEADING = 2.0
"""Required improvement by another heading of the IMU, as a sum of logarithms over joints."""
_SCALE, _STRENGTH = (0.7, 1.09), (0.62, 1.6)
_EARLIEST, _LATEST = -0.007, 0.024
"""Delay below which joints move before their targets, and largest delay of a healthy robot, s."""
_DELAYS = np.concatenate((np.arange(-0.06, -0.001, 0.006), np.arange(0.0, 0.0601, 0.003)))
_APART, _VELOCITY_LATE, _VELOCITY_SCALE = 0.022, 0.014, (0.85, 1.17)
"""Healthy lags of a joint behind others and of velocities behind angles, s; relative size of velocities."""
_SCALES = {
    57.3: "degrees", 1.0 / 57.3: "radians instead of degrees", 6.33: "the rotor's side of the gear",
    1.0 / 6.33: "divided by the gear's ratio twice", 9.55: "revolutions in a minute", 3.0: "a further gear of 3:1",
    1.0 / 3.0: "a further gear of 3:1",
}  # fmt: skip
"""The cause of a factor."""


class _Motion:
    """A log's joints and their expected motion."""

    def __init__(self, log: RobotLog, stand: Stand, standing: bool) -> None:
        self.stand, self.hung = stand, not standing
        self.chunk = chunk = max(chunks(log, 1.0), key=lambda piece: piece.time[-1])
        if standing:
            shown = np.stack([shifted(chunk, delay) for delay in _DELAYS])
        else:
            # From the expected state, because the logged one may be wrong.
            position = np.tile(chunk.target[0], (len(chunk.time), 1))
            ideal = replace(chunk, position=position, velocity=np.zeros_like(position))
            shown = predict(stand, ideal, [replace(stand.nominal(), delay=float(d)) for d in _DELAYS])
        best = int(np.argmax([np.median(np.abs(_correlations(chunk.position, e).diagonal())) for e in shown]))
        self.expected, self.delay = shown[best], float(_DELAYS[best])
        """Angles of the nominal robot or, with a free base, the targets, rad, (T, D); the delay, s, that fits best."""
        self.moved = np.std(chunk.target, axis=0) > _MOVED
        """Whether a joint's target moves, (D,)."""
        self.wrong = np.zeros(stand.num_dof, bool)
        """Whether its angle has a finding, (D,)."""

    def good(self, whole_legs: bool = False) -> list[int]:
        """Return the joints that moved and have no finding; on request, also no other joint of their leg."""
        branch = self.stand.branch
        wrong = np.isin(branch, branch[self.wrong]) if whole_legs else self.wrong
        return np.flatnonzero(self.moved & ~wrong).tolist()


def check_joints(log: RobotLog, stand: Stand, standing: bool, trusted: bool) -> tuple[list[Finding], np.ndarray]:
    """Return findings of the joints, of torques if they can be ``trusted``, and the joints with wrong angles, (D,)."""
    motion = _Motion(log, stand, standing)
    scale, cut = other_scale(log, stand, motion.wrong), clipped(log)
    found = [
        judged("clipping", cut, "no target stays at a limit"),
        _order_and_sign(log, motion, trusted),
        judged("scale", scale + ([] if cut else _scales(motion)), "angles have the scale of their targets"),
        judged("range", far(log, stand, motion.wrong), "angles are near their targets"),
        _velocity(motion, frozen(log, stand, motion.wrong.copy(), "velocity")),
    ]
    trusted, why = trusted and not cut, "first correct the faults above"
    if standing:
        # The ground carries the robot, so the expected motion is unknown.
        found.append(Finding("latency", None, "only a log in the stand shows it"))
        why = "only a log in the stand shows them"
    else:
        found.append(_latency(motion, trusted and len(motion.good()) > 0.6 * stand.num_dof))
    torques = trusted and not standing and found[-1].passed
    found += _torques(motion) if torques else [Finding("wiring, zero and strength", None, why)]
    return found, motion.wrong


def _latency(motion: _Motion, sure: bool) -> Finding:
    problems, delay = [], f"{1e3 * abs(motion.delay):.0f} ms"
    if sure and motion.delay > _LATEST:
        hint = "look for a queue on the bus or a filter, send and read in one tick, and log targets when they are sent"
        problems.append(f"joints follow their targets {delay} later than they should: {hint}")
    elif sure and motion.delay < _EARLIEST - 0.5 * motion.chunk.dt:
        hint = "the log has targets of earlier rows; write those that are sent in the same tick"
        problems.append(f"joints move {delay} before their targets: {hint}")
    return judged("latency", problems, f"{1e3 * motion.delay:.0f} ms")


def _correlations(seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the correlation of each measured joint with each expected one, -1 to 1, (D, D)."""
    a, b = (v - v.mean(0) for v in (seen, expected))
    return (a.T @ b) / np.maximum(np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)), 1e-12)


def _order_and_sign(log: RobotLog, motion: _Motion, trusted: bool) -> Finding:
    names, seen, moved = motion.stand.joint_names, motion.chunk.position, motion.moved
    courses = (motion.expected, shifted(motion.chunk, motion.delay + 0.02))
    by_robot, by_target = (_correlations(seen, course) for course in courses)
    alike, told = np.where(np.abs(by_robot) > np.abs(by_target), by_robot, by_target), set[frozenset[int]]()
    # The ground also moves standing legs: two exchanged joints each follow the other's target, and not their own.
    low, each = np.abs(alike.diagonal()) < _ALIKE, np.abs(alike.T) > _OTHERS
    free, least = moved & (motion.hung | (low & each)), _STUCK if motion.hung else 0.1 * _STUCK
    share = np.std(seen, axis=0) / np.maximum(np.std(motion.expected, axis=0), 1e-9)
    problems = frozen(log, motion.stand, motion.wrong) if np.any(np.diff(seen, axis=0), axis=0).all() else []
    for joint in motion.good():
        own, others = alike[joint, joint], np.abs(alike[joint]) * free[joint]
        other, name = int(np.argmax(others)), names[joint]
        if abs(own) < _ALIKE and other != joint and others[other] > _OTHERS:
            pair, flip = frozenset((joint, other)), " with the other sign" if alike[joint, other] < 0 else ""
            text = f"order: the encoder called {name} shows the motor of {names[other]}{flip}: they are swapped"
            problems += [] if pair in told else [text]
            told.add(pair)
        elif share[joint] < least:
            problems.append(f"stuck: {name} moves by {share[joint]:.0%} of what it should: check power, bus and gears")
        elif own < -0.5 if motion.hung else own < -_ALIKE and share[joint] > 0.5:
            problems.append(f"sign: {name} turns against its target: flip its sign")
        elif own < _FOLLOWS and motion.hung and trusted:
            problems.append(f"tracking: {name} does not follow its target ({own:.2f} alike): check motor and encoder")
        else:
            continue
        motion.wrong[joint] = True
    still = ~moved & (np.ptp(motion.chunk.target, axis=0) < 1e-9) & (np.std(seen, axis=0) > 2.0 * _MOVED)
    problems += [f"{names[j]} moves though its target stands still: log what is sent" for j in np.flatnonzero(still)]
    silent = [names[j] for j in np.flatnonzero(~moved)]
    good = "each follows its own target" + (f"; not moved: {', '.join(silent)}" if silent else "")
    return judged("order and sign", problems, good)


def _factor(scale: float) -> str:
    """Return the cause of a factor, as text."""
    return next((f" ({what})" for known, what in _SCALES.items() if abs(scale / known - 1.0) < 0.2), "")


def _scales(motion: _Motion) -> list[str]:
    """Find joints that move more or less than expected."""
    problems, courses = [], np.stack((motion.expected, motion.chunk.target))
    ratios = np.std(motion.chunk.position, axis=0) / np.maximum(np.std(courses, axis=1), 1e-9)
    for joint in motion.good() if motion.hung else ():
        scale = min(ratios[:, joint], key=lambda value: abs(np.log(max(value, 1e-9))))
        if not _SCALE[0] < scale < _SCALE[1]:
            motion.wrong[joint] = True
            problems.append(f"{motion.stand.joint_names[joint]} shows {scale:.3g} times its motion{_factor(scale)}")
    return problems


def _late_velocities(motion: _Motion, velocity: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Shift velocities that lag behind their angles, in place. Return these joints, (D,), and findings."""
    names, moved, dt = motion.stand.joint_names, motion.moved, motion.chunk.dt
    late, alike = lags(velocity, own, dt)
    apart = moved & (np.abs(late) > _VELOCITY_LATE + 0.5 * dt) & (np.abs(alike) > _ALIKE)
    for joint in np.flatnonzero(apart):
        velocity[:, joint] = np.roll(velocity[:, joint], -round(late[joint] / dt))
    if not apart.any():
        return apart, []
    which = "all joints" if apart[moved].all() else ", ".join(n for n, a in zip(names, apart, strict=True) if a)
    when = f"{1e3 * np.abs(late[apart]).mean():.0f} ms {'later' if late[apart].mean() > 0.0 else 'earlier'}"
    text = f"velocities of {which} are {when} than their angles change: write both of one reply, without a filter"
    return apart, [text]


def _velocity(motion: _Motion, stuck: list[str]) -> Finding:
    """Compare velocities, some of them ``stuck``, with the real or expected changes of angles."""
    chunk, names, dt, moved = motion.chunk, motion.stand.joint_names, motion.chunk.dt, motion.moved
    time, edge = chunk.time + np.arange(len(chunk.time)) * 1e-9, round(0.05 / dt) + 3
    smooth = running_mean(chunk.velocity, 0.05, dt)[edge:-edge]
    angles = (running_mean(course, 0.05, dt) for course in (chunk.position, motion.expected))
    own, ideal = (np.gradient(course, time, axis=0)[edge:-edge] for course in angles)
    apart, problems = _late_velocities(motion, smooth, own)
    with_own, with_ideal = _correlations(smooth, own), _correlations(smooth, ideal)
    scales: dict[int, float] = {}
    for joint in np.flatnonzero(moved).tolist():
        by_ideal = motion.wrong[joint] or abs(with_ideal[joint, joint]) > abs(with_own[joint, joint])
        alike, course = (with_ideal, ideal[:, joint]) if by_ideal else (with_own, own[:, joint])
        other, name = int(np.argmax(np.abs(with_ideal[joint]) * moved)), names[joint]
        scale = abs(float(smooth[:, joint] @ course)) / max(float(course @ course), 1e-9)
        low, high = (0.6, 1.7) if by_ideal or apart[joint] else _VELOCITY_SCALE
        if abs(alike[joint, joint]) < 0.5:
            if other != joint and abs(with_ideal[joint, other]) > 0.7:
                problems.append(f"{name} has the velocity of {names[other]}")
            elif np.std(smooth[:, joint]) < 0.05 * np.std(own[:, joint]):
                problems.append(f"{name} has no velocity")
        elif with_own[joint, joint] < -0.5 and with_ideal[joint, joint] < 0.0:
            problems.append(f"the velocity of {name} has the wrong sign")
        elif not low < scale < high:
            scales[joint] = scale
    values = list(scales.values())
    if len(values) > max(1, 0.6 * moved.sum()) and np.ptp(values) < 0.15 * min(values):
        scale, scales = float(np.median(values)), {}
        text = f"all velocities are {scale:.3g} times what they should be{_factor(scale)}"
        problems.append(f"{text}: correct their unit, or that of the time stamps")
    for joint, scale in scales.items():
        problems.append(f"the velocity of {names[joint]} is {scale:.3g} times what it should be{_factor(scale)}")
    return judged("velocity", problems or stuck, "each is its angle's, in rad/s")


def _late_joints(motion: _Motion, good: list[int]) -> list[str]:
    """Find joints that follow their targets later or earlier than the others."""
    problems, (late, alike) = [], lags(motion.chunk.position, motion.expected, motion.chunk.dt)
    late -= np.median(late)
    apart = (np.abs(late) > _APART + 0.5 * motion.chunk.dt) & (alike > _ALIKE)
    for joint in [j for j in good if apart[j]]:
        when = f"{1e3 * abs(late[joint]):.0f} ms {'later' if late[joint] > 0.0 else 'earlier'} than the others do"
        advice = "read all motors in one tick, and log the targets of that tick"
        problems.append(f"{motion.stand.joint_names[joint]} follows its target {when}: {advice}")
        motion.wrong[joint] = True
    return problems


def _heading(dynamics: Dynamics, good: list[int]) -> Finding:
    """Check whether gravity acts on the joints in the direction that the IMU shows."""
    fits = dynamics.heading_fits(good)
    gain = fits[[-1, 0, 1]].min() - fits.min()
    if np.ptp(fits) < 2.0 * _HEADING:
        hint = "tilt the base slowly by 15° or more, nose down and to a side, and hold it a second each time"
        return Finding("IMU heading", None, hint)
    angle = f"{360 // HEADINGS * int(fits.argmin())}°, counterclockwise from above"
    text = f"the IMU is turned about the vertical: turn gravity and gyro by {angle}"
    return judged("IMU heading", [text] if gain > _HEADING else [], "gravity acts as the IMU shows it")


def _torques(motion: _Motion) -> Iterator[Finding]:
    """Check whether torques are those that these links need and, if not, find a wiring that explains them."""
    names, same = motion.stand.joint_names, np.arange(motion.stand.num_dof)
    dynamics = Dynamics(motion.stand, motion.chunk, motion.delay)
    yield (heading := _heading(dynamics, motion.good(whole_legs=True)))
    if heading.passed is False:
        return (yield Finding("wiring, zero and strength", None, "first correct the IMU's heading"))
    plain, problems = dynamics.explain(same, np.ones(len(same)), zeros=True), []
    # A leg's joints carry each other, so one wrong angle makes all their torques wrong.
    good = motion.good(whole_legs=True)
    for which, text in dynamics.rewired(good, plain):
        problems.append(text)
        motion.wrong[which] = True
    yield judged("wiring", problems, "torques are those that these joints' links need")
    # A motor that is too weak or too strong also seems late.
    late = _late_joints(motion, [j for j in good if not motion.wrong[j] and 0.5 < plain.strength[j] < 2.0])
    yield judged("timing of joints", late, "all follow at the same time")
    good = motion.good(whole_legs=True)
    limit = _ZERO + _ZERO_COARSE * motion.chunk.dt
    zeros = [f"the zero of {names[j]} is off by about {plain.zero[j]:+.2f} rad: calibrate it"
             for j in good if abs(plain.zero[j]) > limit]  # fmt: skip
    yield judged("zero", zeros, f"within {_ZERO:g} rad, as far as gravity shows it")
    odd = [j for j in good if not _STRENGTH[0] < plain.strength[j] < _STRENGTH[1] and plain.sure[j]]
    strengths = [f"{names[j]} gives {plain.strength[j]:.0%} of the requested torque: it is too "
                 f"{'weak' if plain.strength[j] < 1.0 else 'strong'}: check its supply, gear and torque constant"
                 for j in odd]  # fmt: skip
    unsure = ", ".join(names[j] for j in good if not plain.sure[j])
    yield judged("strength", strengths, "as asked for" + (f"; moved too little to tell: {unsure}" if unsure else ""))
