"""Order, sign, scale, zero, delay and strength of the joints, from how a log follows its targets."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from legged_gym.this_robot.checks import Finding, judged
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Candidate, Chunk, chunks, predict
from legged_gym.this_robot.stand import GRAVITY, QUANTITIES, Stand

_MOVED = 0.015
"""A joint whose target moves less than this was not tested, RMS, rad."""
_ALIKE, _FOLLOWS, _OTHERS = 0.75, 0.5, 0.8
"""Correlation with its own target that is above suspicion, that a joint has at least, and with another's that shows an
exchange."""
_STUCK = 0.2
"""A joint moves more than this share of what it should."""
_SCALE = (0.7, 1.4)
_ZERO = 0.05
"""rad."""
_STRENGTH = (0.62, 1.6)
_LATEST = 0.024
"""Largest delay of a healthy robot, s."""
_DELAYS = np.arange(0.0, 0.0601, 0.003)
_SCALES = {
    57.3: "degrees", 1.0 / 57.3: "radians taken for degrees", 6.33: "the rotor's side of the gear",
    1.0 / 6.33: "divided by the gear's ratio twice", 9.55: "revolutions in a minute", 3.0: "the hip roll's further 3:1",
    1.0 / 3.0: "the hip roll's further 3:1",
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
            _correlations(self.chunk.position, e) for e in (self.expected, _shifted(self.chunk, self.delay + 0.02))
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
    found = [_order_and_sign(motion, moved, wrong), _scale(motion, moved, wrong), _velocity(motion, moved, wrong)]
    late = motion.delay > _LATEST and len(wrong) < 4 and trusted
    text = (
        f"joints follow their targets {1e3 * motion.delay:.0f} ms later than they should: look for a queue on the bus, "
        "send and read in one tick"
    )
    if standing:
        # The ground carries the links, so nobody knows how they should follow.
        found.append(Finding("latency", None, "only a robot in its stand shows it"))
    else:
        found.append(judged("latency", [text] if late else [], f"{1e3 * motion.delay:.0f} ms"))
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
        shown = np.stack([_shifted(chunk, delay) for delay in _DELAYS])
    else:
        # From where it should be: what is logged may be wrong.
        ideal = dataclasses.replace(chunk, position=np.tile(chunk.target[0], (len(chunk.time), 1)),
                                    first_velocity=np.zeros(stand.num_dof))  # fmt: skip
        nominal = Candidate(**vars(stand.nominal()))
        shown = predict(stand, ideal, [dataclasses.replace(nominal, delay=float(d)) for d in _DELAYS])
    alike = [np.median(np.abs(_correlations(chunk.position, e).diagonal())) for e in shown]
    best = int(np.argmax(alike))
    return _Motion(stand, chunk, velocity, shown[best], float(_DELAYS[best]), not standing)


def _shifted(chunk: Chunk, delay: float) -> np.ndarray:
    return np.stack([np.interp(chunk.time - delay, chunk.time, column) for column in chunk.target.T], axis=1)


def _correlations(seen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how alike each seen joint is to each expected one, -1 to 1, (D, D)."""
    a, b = (v - v.mean(0) for v in (seen, expected))
    return (a.T @ b) / np.maximum(np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)), 1e-12)


def _order_and_sign(motion: _Motion, moved: np.ndarray, wrong: set[int]) -> Finding:
    names, seen, expected = motion.stand.joint_names, motion.chunk.position, motion.expected
    alike = motion.alike()
    share = np.std(seen, axis=0) / np.maximum(np.std(expected, axis=0), 1e-9)
    problems, told = [], set()
    for joint in map(int, np.flatnonzero(moved)):
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
        elif own < _FOLLOWS and motion.hung:
            wrong.add(joint)
            problems.append(
                f"tracking: {names[joint]} does not follow its target ({own:.2f} alike): check motor and encoder"
            )
    silent = [names[j] for j in np.flatnonzero(~moved)]
    good = "each follows its own target" + (f"; not moved: {', '.join(silent)}" if silent else "")
    return judged("order and sign", problems, good)


def _factor(scale: float) -> str:
    """Say where a factor comes from."""
    for known, what in _SCALES.items():
        if abs(scale / known - 1.0) < 0.2:
            return f" ({what})"
    return ""


def _scale(motion: _Motion, moved: np.ndarray, wrong: set[int]) -> Finding:
    problems = []
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


def _velocity(motion: _Motion, moved: np.ndarray, wrong: set[int]) -> Finding:
    """Compare velocities with how the angles change, or should change."""
    chunk, names = motion.chunk, motion.stand.joint_names
    window = max(3, round(0.05 / float(np.median(np.diff(chunk.time)))))
    kernel = np.hanning(window + 2) / np.hanning(window + 2).sum()
    smooth = np.stack([np.convolve(c, kernel, "same") for c in motion.velocity.T], axis=1)[window:-window]
    time = chunk.time + np.arange(len(chunk.time)) * 1e-9
    own, ideal = (np.gradient(np.stack([np.convolve(c, kernel, "same") for c in p.T], 1), time, axis=0)[window:-window]
                  for p in (chunk.position, motion.expected))  # fmt: skip
    problems = []
    with_own, with_ideal = _correlations(smooth, own), _correlations(smooth, ideal)
    for joint in map(int, np.flatnonzero(moved)):
        better = abs(with_ideal[joint, joint]) > abs(with_own[joint, joint])
        alike = with_ideal if joint in wrong or better else with_own
        other = int(np.argmax(np.abs(with_ideal[joint]) * moved))
        course = (ideal if alike is with_ideal else own)[:, joint]
        scale = float(np.linalg.norm(smooth[:, joint])) / max(float(np.linalg.norm(course)), 1e-9)
        if abs(alike[joint, joint]) < 0.5:
            if other != joint and abs(with_ideal[joint, other]) > 0.7:
                problems.append(f"{names[joint]} has the velocity of {names[other]}")
            elif np.std(smooth[:, joint]) < 0.05 * np.std(own[:, joint]):
                problems.append(f"{names[joint]} has no velocity")
        elif with_own[joint, joint] < -0.5 and with_ideal[joint, joint] < 0.0:
            problems.append(f"the velocity of {names[joint]} has the wrong sign")
        elif not 0.6 < scale < 1.7:
            problems.append(f"the velocity of {names[joint]} is {scale:.3g} times what it should be{_factor(scale)}")
    return judged("velocity", problems, "each is its angle's, in rad/s")


def _torques(motion: _Motion, moved: np.ndarray, wrong: set[int]) -> Iterator[Finding]:
    """Ask whether torques are those that these links need, and if not, of which other wiring they would be."""
    names, count = motion.stand.joint_names, motion.stand.num_dof
    # A leg's joints carry each other: one wrong angle spoils the torques of all.
    spoiled = {k for j in wrong for k in range(count) if motion.stand.branch[k] == motion.stand.branch[j]}
    good = [int(j) for j in np.flatnonzero(moved) if j not in spoiled]
    dynamics = _Dynamics(motion)
    plain = dynamics.explain(np.arange(len(names)), np.ones(len(names)), zeros=True)
    problems: list[str] = []
    for which, text in dynamics.rewired(good, plain):
        problems.append(text)
        wrong.update(which)
    yield judged("wiring", problems, "torques are those that these joints' links need")
    spoiled = {k for j in wrong for k in range(count) if motion.stand.branch[k] == motion.stand.branch[j]}
    good = [j for j in good if j not in spoiled]
    zeros = [
        f"the zero of {names[j]} is off by about {plain.zero[j]:+.2f} rad: calibrate it"
        for j in good
        if abs(plain.zero[j]) > _ZERO
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


@dataclass
class _Explanation:
    left: np.ndarray
    """Share of each joint's torque that stays unexplained, (D,)."""
    strength: np.ndarray
    sure: np.ndarray
    """Whether the motion shows it."""
    zero: np.ndarray

    @property
    def poor(self) -> np.ndarray:
        """How little it explains each joint: what is left, and how unlikely its strength is, (D,)."""
        return self.left + 0.15 * np.abs(np.log(self.strength))


class _Dynamics:
    """Torques that a log's motion needs, under one wiring or another."""

    def __init__(self, motion: _Motion) -> None:
        chunk, stand = motion.chunk, motion.stand
        self.motion, self.count = motion, stand.num_dof
        dt = float(np.median(np.diff(chunk.time)))
        window = max(3, round(0.06 / dt))
        kernel = np.hanning(window + 2) / np.hanning(window + 2).sum()

        def smooth(values: np.ndarray) -> np.ndarray:
            return np.stack([np.convolve(c, kernel, "same") for c in values.T], axis=1)

        self._position = smooth(chunk.position)
        self._speed = np.gradient(self._position, dt, axis=0)
        self._force = np.gradient(self._speed, dt, axis=0)
        asked = chunk.kp * (smooth(_shifted(chunk, motion.delay)) - self._position) - chunk.kd * self._speed
        edge = 2 * window
        self._rows = np.linspace(edge, len(chunk.time) - edge - 1, 250).astype(int)
        self._asked = asked[self._rows]
        bare = dataclasses.replace(stand.nominal(), **dict.fromkeys(QUANTITIES[1:4], np.zeros(self.count)))  # type: ignore[arg-type]
        self._model = stand.model_of(bare)
        self._model.opt.gravity[:] = GRAVITY * chunk.down
        self._data = mujoco.MjData(self._model)

    def explain(self, order: np.ndarray, signs: np.ndarray, zeros: bool = False) -> _Explanation:
        """Regress the torques asked for on those needed, where joint ``i`` of the log is ``order[i]`` in truth.

        Args:
            order: (D,).
            signs: By which the true joints turn, (D,).
            zeros: Ask for zeros, too.
        """
        place, count = np.argsort(order), self.count
        needed = self._needed(place, signs)
        found = _Explanation(np.ones(count), np.ones(count), np.zeros(count, bool), np.zeros(count))
        for joint in range(count):
            true, asked = order[joint], self._asked[:, joint]
            speed, force = self._speed[self._rows, joint], self._force[self._rows, joint]
            motion = needed[:, true] * signs[joint]
            columns = [motion, force, speed, np.tanh(speed / 0.05), np.ones(len(speed))]
            # Armature and friction are positive; a weak pull to usual values settles what does not show.
            pull, usual = [0.3, 20.0, 2.0, 1.0, 0.2], [1.0, 0.01, 0.03, 0.03, 0.0]
            if zeros:
                shift = np.where(np.arange(count) == true, 0.05, 0.0)
                columns.append((needed - self._needed(place, signs, shift))[:, true] / 0.05)
                pull, usual = [*pull, 10.0], [*usual, 0.0]
            table = np.vstack([np.stack(columns, axis=1), np.diag(pull)])
            factors = np.linalg.lstsq(table, np.concatenate((asked, np.multiply(pull, usual))), rcond=None)[0]
            rest = asked - np.stack(columns, axis=1) @ factors
            found.left[joint] = np.std(rest) / max(np.std(asked), 0.05)
            found.strength[joint] = 1.0 / np.clip(factors[0], 0.1, 10.0)
            found.sure[joint] = np.std(motion) > 0.12 and np.std(factors[0] * motion) > 2.0 * np.std(rest)
            # A wrong angle in the log asks for torque that nothing needs; one in the motor, for gravity's elsewhere.
            found.zero[joint] = -factors[4] / self.motion.chunk.kp[joint] + (factors[5] if zeros else 0.0)
        return found

    def rewired(self, good: list[int], plain: _Explanation) -> Iterator[tuple[tuple[int, ...], str]]:
        """Find exchanges and turned motors that explain the torques much better than the plain wiring."""
        names = self.motion.stand.joint_names
        known: set[int] = set()
        poor = [j for j in good if plain.poor[j] > 0.4]
        options: list[tuple[float, tuple[int, ...], str]] = []
        for joint in poor:
            signs = np.ones(self.count)
            signs[joint] = -1.0
            gain = self._gain(np.arange(self.count), signs, (joint,), plain)
            options.append(
                (gain, (joint,), f"{names[joint]} turns the wrong way round: flip the sign of its target and angle")
            )
        for one, two in itertools.combinations(good, 2):
            if one in poor or two in poor:
                order = np.arange(self.count)
                order[[one, two]] = two, one
                gain = self._gain(order, np.ones(self.count), (one, two), plain)
                options.append(
                    (gain, (one, two), f"the motors of {names[one]} and {names[two]} are swapped, with their encoders")
                )
        for gain, which, text in sorted(options, reverse=True):
            if gain > 0.3 and not known & set(which):
                known.update(which)
                yield which, text

    def _gain(self, order: np.ndarray, signs: np.ndarray, which: tuple[int, ...], plain: _Explanation) -> float:
        """Return by how much better this explains some joints' torques."""
        other = self.explain(order, signs)
        return float(np.mean(plain.poor[list(which)]) - np.mean(other.poor[list(which)]))

    def _needed(self, place: np.ndarray, signs: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the torques that the links need, in the description's order, N·m, (R, D)."""
        needed, data = np.empty((len(self._rows), self.count)), self._data
        sign = signs[place]
        for i, row in enumerate(self._rows):
            data.qpos[:] = sign * self._position[row, place] + shift
            data.qvel[:], data.qacc[:] = sign * self._speed[row, place], sign * self._force[row, place]
            mujoco.mj_inverse(self._model, data)
            needed[i] = data.qfrc_inverse
        return needed
