"""Order, sign, scale, zero, delay and strength of the joints, from how a log follows its targets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from legged_gym.this_robot.checks import Finding, judged
from legged_gym.this_robot.inverse_dynamics import Dynamics, shifted
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Candidate, Chunk, chunks, predict, running_mean
from legged_gym.this_robot.signal_checks import clipped, far, frozen, lags, other_scale
from legged_gym.this_robot.stand import Stand

_MOVED = 0.015
"""A joint whose target moves less than this was not tested, RMS, rad."""
_ALIKE, _FOLLOWS, _OTHERS = 0.75, 0.5, 0.8
"""Correlation with its own target that is above suspicion, that a joint has at least, and with another's that shows an
exchange."""
_STUCK = 0.2
"""A joint moves more than this share of what it should."""
_SCALE = (0.7, 1.4)
_ZERO, _ZERO_COARSE = 0.05, 1.0
"""rad, and by how much more it must be off in a log of slower rows, rad/s."""
_STRENGTH = (0.62, 1.6)
_LATEST = 0.024
"""Largest delay of a healthy robot, s."""
_EARLIEST = -0.007
"""Delay below which joints move before their targets, s."""
_DELAYS = np.concatenate((np.arange(-0.06, -0.001, 0.006), np.arange(0.0, 0.0601, 0.003)))
_APART = 0.022
"""Lag of a joint behind the others that a healthy robot may have, s."""
_VELOCITY_LATE, _VELOCITY_SCALE = 0.014, (0.85, 1.17)
"""Lag of velocities behind angles, s, and their size as a share of the angles' changes."""
_SCALES = {
    57.3: "degrees", 1.0 / 57.3: "radians taken for degrees", 6.33: "the rotor's side of the gear",
    1.0 / 6.33: "divided by the gear's ratio twice", 9.55: "revolutions in a minute", 3.0: "a further gear of 3:1",
    1.0 / 3.0: "a further gear of 3:1",
}  # fmt: skip
"""What a factor comes from."""


@dataclass
class _Motion:
    """A log's joints beside what they should do."""

    stand: Stand
    chunk: Chunk
    velocity: np.ndarray
    expected: np.ndarray
    """Angles of the nominal robot, or where the base is free the targets themselves, rad, (T, D)."""
    delay: float
    """At which they are most alike, s."""
    hung: bool

    def alike(self) -> np.ndarray:
        """Return how alike each joint is to what each should do, by the nominal robot or its target, (D, D)."""
        by_robot, by_target = (
            _correlations(self.chunk.position, e) for e in (self.expected, shifted(self.chunk, self.delay + 0.02))
        )
        return np.where(np.abs(by_robot) > np.abs(by_target), by_robot, by_target)


def check_joints(log: RobotLog, stand: Stand, standing: bool, trusted: bool) -> tuple[list[Finding], set[int]]:
    """Check the joints one by one.

    Args:
        log: Names are those of its columns.
        stand: The robot's description.
        standing: Its base was free.
        trusted: Torques may be looked at.

    Returns:
        What was found, and the joints whose angles are wrong.
    """
    motion = _motion(log, stand, standing)
    wrong: set[int] = set()
    moved = np.std(motion.chunk.target, axis=0) > _MOVED
    scale, cut = other_scale(log, stand, wrong), clipped(log)
    found = [judged("clipping", cut, "no target stays at a limit"), _order_and_sign(log, motion, moved, wrong, trusted)]
    found.append(_scale(motion, moved & (not cut), wrong, scale))
    found.append(judged("range", far(log, stand, wrong), "angles are near their targets"))
    found.append(_velocity(motion, moved, wrong))
    if standing:
        # The ground carries the links, so nobody knows how they should follow.
        found.append(Finding("latency", None, "only a robot in its stand shows it"))
    else:
        found.append(
            _latency(motion, [j for j in map(int, np.flatnonzero(moved)) if j not in wrong and not cut and trusted])
        )
    trusted = trusted and not cut and found[-1].passed is not False
    if standing or not trusted:
        why = "only a robot in its stand shows them" if standing else "first see to what is wrong above"
        found.append(Finding("wiring, zero and strength", None, why))
    else:
        found += _torques(motion, moved, wrong)
    return found, wrong


def _motion(log: RobotLog, stand: Stand, standing: bool) -> _Motion:
    chunk = max(chunks(log, 1.0), key=lambda piece: piece.time[-1])
    velocity = log["velocity"][chunk.first_row : chunk.first_row + len(chunk.time)]
    if standing:
        shown = np.stack([shifted(chunk, delay) for delay in _DELAYS])
    else:
        # From where it should be: what is logged may be wrong.
        ideal = dataclasses.replace(chunk, position=np.tile(chunk.target[0], (len(chunk.time), 1)),
                                    first_velocity=np.zeros(stand.num_dof))  # fmt: skip
        nominal = Candidate(**vars(stand.nominal()))
        shown = predict(stand, ideal, [dataclasses.replace(nominal, delay=float(d)) for d in _DELAYS])
    alike = [np.median(np.abs(_correlations(chunk.position, e).diagonal())) for e in shown]
    best = int(np.argmax(alike))
    return _Motion(stand, chunk, velocity, shown[best], float(_DELAYS[best]), not standing)


def _latency(motion: _Motion, good: list[int]) -> Finding:
    """Compare when joints move with when they should."""
    problems, own = [], motion.delay
    if own > _LATEST and len(good) > 0.6 * motion.stand.num_dof:
        problems.append(
            f"joints follow their targets {1e3 * own:.0f} ms later than they should: look for a queue on the bus or a "
            "filter, send and read in one tick, and log targets when they are sent"
        )
    elif own < _EARLIEST - 0.5 * motion.chunk.dt and len(good) > 0.6 * motion.stand.num_dof:
        problems.append(
            f"joints move {-1e3 * own:.0f} ms before their targets: the log has targets of earlier rows; write those "
            "that are sent in the same tick"
        )
    return judged("latency", problems, f"{1e3 * own:.0f} ms")


def _late_joints(motion: _Motion, good: list[int]) -> dict[int, str]:
    """Find joints that follow their targets later or earlier than the others do, and say so."""
    late, alike = lags(motion.chunk.position, motion.expected, motion.chunk.dt)
    late -= np.median(late)
    return {
        joint: f"{motion.stand.joint_names[joint]} follows its target {1e3 * abs(late[joint]):.0f} ms "
        f"{'later' if late[joint] > 0.0 else 'earlier'} than the others do: read all motors in one tick, and log the "
        "targets of that tick"
        for joint in good
        if abs(late[joint]) > _APART + 0.5 * motion.chunk.dt and alike[joint] > _ALIKE
    }


def _correlations(seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how alike each seen joint is to each expected one, -1 to 1, (D, D)."""
    a, b = (v - v.mean(0) for v in (seen, expected))
    return (a.T @ b) / np.maximum(np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)), 1e-12)


def _order_and_sign(log: RobotLog, motion: _Motion, moved: np.ndarray, wrong: set[int], trusted: bool) -> Finding:
    names, seen, expected = motion.stand.joint_names, motion.chunk.position, motion.expected
    alike = motion.alike()
    share = np.std(seen, axis=0) / np.maximum(np.std(expected, axis=0), 1e-9)
    told: set[frozenset[int]] = set()
    problems = frozen(log, motion.stand, wrong) if np.any(np.diff(seen, axis=0), axis=0).all() else []
    for joint in map(int, np.flatnonzero(moved)):
        if joint in wrong:
            continue
        own, others = alike[joint, joint], np.abs(alike[joint]) * moved
        other = int(np.argmax(others))
        if abs(own) < _ALIKE and other != joint and others[other] > _OTHERS:
            wrong.add(joint)
            if frozenset((joint, other)) not in told:
                told.add(frozenset((joint, other)))
                flip = " with the other sign" if alike[joint, other] < 0 else ""
                one, two = names[joint], names[other]
                problems.append(f"order: the encoder called {one} shows the motor of {two}{flip}: they are swapped")
        elif share[joint] < _STUCK:
            wrong.add(joint)
            problems.append(
                f"stuck: {names[joint]} moves by {share[joint]:.0%} of what it should: check power, bus and gears"
            )
        elif own < -0.5:
            wrong.add(joint)
            problems.append(f"sign: {names[joint]} turns against its target: flip its sign")
        elif own < _FOLLOWS and motion.hung and trusted:
            wrong.add(joint)
            problems.append(
                f"tracking: {names[joint]} does not follow its target ({own:.2f} alike): check motor and encoder"
            )
    for joint in map(int, np.flatnonzero(~moved & (np.ptp(motion.chunk.target, axis=0) < 1e-9))):
        if np.std(seen[:, joint]) > 2.0 * _MOVED:
            problems.append(f"{names[joint]} moves though its target stands still: log what is sent")
    silent = [names[j] for j in np.flatnonzero(~moved)]
    good = "each follows its own target" + (f"; not moved: {', '.join(silent)}" if silent else "")
    return judged("order and sign", problems, good)


def _factor(scale: float) -> str:
    """Say where a factor comes from."""
    for known, what in _SCALES.items():
        if abs(scale / known - 1.0) < 0.2:
            return f" ({what})"
    return ""


def _scale(motion: _Motion, moved: np.ndarray, wrong: set[int], problems: list[str]) -> Finding:
    for joint in map(int, np.flatnonzero(moved)):
        if joint in wrong:
            continue
        courses = (motion.expected[:, joint], motion.chunk.target[:, joint])
        scales = [float(np.std(motion.chunk.position[:, joint]) / np.std(course)) for course in courses]
        scale = min(scales, key=lambda value: abs(np.log(max(value, 1e-9))))
        if not _SCALE[0] < scale < _SCALE[1] and motion.hung:
            wrong.add(joint)
            problems.append(f"{motion.stand.joint_names[joint]} shows {scale:.3g} times its motion{_factor(scale)}")
    return judged("scale", problems, "angles have the size of their targets")


def _late_velocities(
    names: list[str], velocity: np.ndarray, own: np.ndarray, moved: np.ndarray, dt: float
) -> tuple[np.ndarray, list[str]]:
    """Bring velocities that lag behind their angles into step, in place; return whose they are, (D,), and say so."""
    late, alike = lags(velocity, own, dt)
    apart = moved & (np.abs(late) > _VELOCITY_LATE + 0.5 * dt) & (np.abs(alike) > _ALIKE)
    for joint in map(int, np.flatnonzero(apart)):
        velocity[:, joint] = np.roll(velocity[:, joint], -round(late[joint] / dt))
    if not apart.any():
        return apart, []
    which = "all joints" if apart[moved].all() else ", ".join(n for n, a in zip(names, apart, strict=True) if a)
    word = "later" if late[apart].mean() > 0.0 else "earlier"
    text = (
        f"velocities of {which} are {1e3 * np.abs(late[apart]).mean():.0f} ms {word} than their angles change: write "
        "both of one answer, without a filter"
    )
    return apart, [text]


def _velocity(motion: _Motion, moved: np.ndarray, wrong: set[int]) -> Finding:
    """Compare velocities with how the angles change, or should change."""
    chunk, names, dt = motion.chunk, motion.stand.joint_names, motion.chunk.dt
    time, inner = chunk.time + np.arange(len(chunk.time)) * 1e-9, slice(round(0.05 / dt) + 3, -round(0.05 / dt) - 3)
    smooth = running_mean(motion.velocity, 0.05, dt)[inner]
    own, ideal = (
        np.gradient(running_mean(angles, 0.05, dt), time, axis=0)[inner] for angles in (chunk.position, motion.expected)
    )
    apart, problems = _late_velocities(names, smooth, own, moved, dt)
    with_own, with_ideal = _correlations(smooth, own), _correlations(smooth, ideal)
    scales: dict[int, float] = {}
    for joint in map(int, np.flatnonzero(moved)):
        better = abs(with_ideal[joint, joint]) > abs(with_own[joint, joint])
        alike = with_ideal if joint in wrong or better else with_own
        other = int(np.argmax(np.abs(with_ideal[joint]) * moved))
        course = (ideal if alike is with_ideal else own)[:, joint]
        scale = abs(float(smooth[:, joint] @ course)) / max(float(course @ course), 1e-9)
        if abs(alike[joint, joint]) < 0.5:
            if other != joint and abs(with_ideal[joint, other]) > 0.7:
                problems.append(f"{names[joint]} has the velocity of {names[other]}")
            elif np.std(smooth[:, joint]) < 0.05 * np.std(own[:, joint]):
                problems.append(f"{names[joint]} has no velocity")
        elif with_own[joint, joint] < -0.5 and with_ideal[joint, joint] < 0.0:
            problems.append(f"the velocity of {names[joint]} has the wrong sign")
        else:
            low, high = (0.6, 1.7) if alike is with_ideal or apart[joint] else _VELOCITY_SCALE
            if not low < scale < high:
                scales[joint] = scale
    if len(scales) > max(1, 0.6 * moved.sum()) and np.ptp(list(scales.values())) < 0.15 * min(scales.values()):
        scale = float(np.median(list(scales.values())))
        problems.append(
            f"all velocities are {scale:.3g} times what they should be{_factor(scale)}: correct their unit, or that of "
            "the time stamps"
        )
        scales = {}
    problems += [
        f"the velocity of {names[joint]} is {scale:.3g} times what it should be{_factor(scale)}"
        for joint, scale in scales.items()
    ]
    return judged("velocity", problems, "each is its angle's, in rad/s")


def _torques(motion: _Motion, moved: np.ndarray, wrong: set[int]) -> Iterator[Finding]:
    """Ask whether torques are those that these links need, and if not, of which other wiring they would be."""
    names, count = motion.stand.joint_names, motion.stand.num_dof
    # A leg's joints carry each other: one wrong angle spoils the torques of all.
    spoiled = {k for j in wrong for k in range(count) if motion.stand.branch[k] == motion.stand.branch[j]}
    good = [int(j) for j in np.flatnonzero(moved) if j not in spoiled]
    dynamics = Dynamics(motion.stand, motion.chunk, motion.delay)
    plain = dynamics.explain(np.arange(len(names)), np.ones(len(names)), zeros=True)
    problems: list[str] = []
    for which, text in dynamics.rewired(good, plain):
        problems.append(text)
        wrong.update(which)
    yield judged("wiring", problems, "torques are those that these joints' links need")
    # A motor that is too weak or too strong also looks late.
    apart = _late_joints(motion, [j for j in good if j not in wrong and 0.5 < plain.strength[j] < 2.0])
    wrong.update(apart)
    yield judged("timing of joints", list(apart.values()), "all follow at the same time")
    spoiled = {k for j in wrong for k in range(count) if motion.stand.branch[k] == motion.stand.branch[j]}
    good = [j for j in good if j not in spoiled]
    zeros = [
        f"the zero of {names[j]} is off by about {plain.zero[j]:+.2f} rad: calibrate it"
        for j in good
        if abs(plain.zero[j]) > _ZERO + _ZERO_COARSE * motion.chunk.dt
    ]
    yield judged("zero", zeros, f"within {_ZERO:g} rad, as far as gravity shows it")
    words = {True: "weak", False: "strong"}
    strengths = [
        f"{names[j]} gives {plain.strength[j]:.0%} of the torque it is asked for, it is too "
        f"{words[plain.strength[j] < 1.0]}: check its supply, gear and torque constant"
        for j in good
        if not _STRENGTH[0] < plain.strength[j] < _STRENGTH[1] and plain.sure[j]
    ]  # fmt: skip
    unsure = [names[j] for j in good if not plain.sure[j]]
    yield judged(
        "strength", strengths, "as asked for" + (f"; moved too little to tell: {', '.join(unsure)}" if unsure else "")
    )
