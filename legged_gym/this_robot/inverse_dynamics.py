"""Inverse dynamics of a hanging robot: a first guess before any fit, and the zeros that gravity shows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import maximum_filter1d

from legged_gym.this_robot.prediction import Chunk, at_times, running_mean
from legged_gym.this_robot.stand import GRAVITY, QUANTITIES, Stand

HEADINGS = 12
"""Number of tried rotations of an IMU about the vertical."""
_STEADY, _LEANS, _LEANING = 2.0, 0.1, 20
"""Angular acceleration of a base that hardly affects joints, rad/s²; lean, rad; rows of 250 that must show it."""


def gravity_leverage(stand: Stand, pieces: Sequence[Chunk]) -> np.ndarray:
    """Return the largest change of gravity's torque with each joint's angle in any piece, N·m/rad, (D,).

    An offset of a joint's zero changes nothing else, so only gravity shows it.
    """
    found = np.zeros((len(pieces), stand.num_dof))
    for i, piece in enumerate(pieces):
        model, position = _links_alone(stand, piece), piece.position[:: max(1, len(piece.time) // 20)]
        still = np.zeros_like(position)
        for joint, turn in enumerate(0.01 * np.eye(stand.num_dof)):
            low, high = (_needed(model, (position + shift, still, still)) for shift in (-turn, turn))
            found[i, joint] = np.sqrt(np.square((high - low) / 0.02).sum(1).mean())
    return found.max(0)


def regress(stand: Stand, chunk: Chunk, delay: float) -> np.ndarray:
    """Return strength, armature, viscous and dry friction of each joint, (4, D), by regression on inverse dynamics."""
    width = max(3, round(0.02 / chunk.dt)) + 2
    rows = np.arange(2 * width, len(chunk.time) - 2 * width, max(1, len(chunk.time) // 800))
    position, speed, force, asked = (values[rows] for values in _smooth_motion(chunk, delay, 0.02))
    needed = _needed(_links_alone(stand, chunk), (position, speed, force))
    usual, found = np.stack([getattr(stand.nominal(), name) for name in QUANTITIES[:4]]), np.empty((4, stand.num_dof))
    for joint in range(stand.num_dof):
        columns = [asked[:, joint], -force[:, joint], -speed[:, joint], -np.tanh(speed[:, joint] / 0.05)]
        found[:, joint], _ = _explained(needed[:, joint], columns, [0.3, 3.0, 0.3, 0.3], usual[:, joint])
    return np.clip(found, [[0.5], [1e-3], [0.0], [0.0]], [[1.5], [0.1], [0.5], [0.5]])


def _explained(
    wanted: np.ndarray, columns: list[np.ndarray], pull: ArrayLike, usual: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return the least-squares factors of columns for a target, (n,), and the residual, (R,).

    A weak prior at the usual factors determines what the data does not show.
    """
    table, pulled = np.stack(columns, axis=1), np.concatenate((wanted, np.multiply(pull, usual)))
    factors = np.linalg.lstsq(np.vstack((table, np.diag(pull))), pulled, rcond=None)[0]
    return factors, wanted - table @ factors


def shifted(chunk: Chunk, delay: float) -> np.ndarray:
    """Return the targets that act at a chunk's times with this ``delay``, s, rad, (T, D)."""
    return at_times(chunk.time - delay, chunk.time, chunk.target)


def _smooth_motion(chunk: Chunk, delay: float, seconds: float) -> tuple[np.ndarray, ...]:
    """Return angles, speeds, accelerations and requested torques, smoothed over this time, (T, D)."""
    position = running_mean(chunk.position, seconds, chunk.dt)
    speed = np.gradient(position, chunk.dt, axis=0)
    asked = chunk.kp * (running_mean(shifted(chunk, delay), seconds, chunk.dt) - position) - chunk.kd * speed
    return position, speed, np.gradient(speed, chunk.dt, axis=0), asked


def _links_alone(stand: Stand, chunk: Chunk) -> mujoco.MjModel:
    """Return the nominal robot without armature, friction and stops, in a chunk's gravity."""
    bare = dataclasses.replace(stand.nominal(), **dict.fromkeys(QUANTITIES[1:4], np.zeros(stand.num_dof)))  # type: ignore[arg-type]
    model = stand.model_of(bare)
    model.opt.gravity[:] = GRAVITY * chunk.down
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    return model


def _needed(model: mujoco.MjModel, motion: Sequence[np.ndarray], down: np.ndarray | None = None) -> np.ndarray:
    """Return the torques that a motion needs, N·m, (R, D); gravity may differ from row to row, (R, 3)."""
    data, needed = mujoco.MjData(model), np.empty_like(motion[0])
    for row, (position, speed, force) in enumerate(zip(*motion, strict=True)):
        if down is not None:
            model.opt.gravity[:] = GRAVITY * down[row]
        data.qpos[:], data.qvel[:], data.qacc[:] = position, speed, force
        mujoco.mj_inverse(model, data)
        needed[row] = data.qfrc_inverse
    return needed


class Explanation(NamedTuple):
    """How well a wiring explains each joint's requested torques, (D,) each."""

    left: np.ndarray
    """Unexplained share of each joint's torque."""
    strength: np.ndarray
    sure: np.ndarray
    """Whether the motion is large enough to show it."""
    zero: np.ndarray

    @property
    def poor(self) -> np.ndarray:
        """How badly it explains each joint: the unexplained share, and how unlikely its strength is, (D,)."""
        return self.left + 0.15 * np.abs(np.log(self.strength))


class Dynamics:
    """Torques that a log's motion needs, for different wirings."""

    def __init__(self, stand: Stand, chunk: Chunk, delay: float) -> None:
        """Prepare everything that does not depend on the wiring. Targets act after ``delay``, s."""
        self._stand, self._chunk, self._count = stand, chunk, stand.num_dof
        edge = 2 * max(3, round(0.06 / chunk.dt))
        turn, down = (running_mean(values, 0.1, chunk.dt) for values in (chunk.log["gyro"], chunk.log.gravity))
        spin = np.linalg.norm(np.gradient(turn, chunk.dt, axis=0), axis=1)
        steady = np.flatnonzero(maximum_filter1d(spin, round(0.1 / chunk.dt) + 1)[edge:-edge] < _STEADY)
        steady = steady if len(steady) > 0.3 * len(spin) else np.arange(len(spin) - 2 * edge)
        rows = edge + steady[np.linspace(0, len(steady) - 1, 250).astype(int)]
        motion = (*_smooth_motion(chunk, delay, 0.06), down / np.linalg.norm(down, axis=1, keepdims=True))
        *self._motion, self._asked, self._down = (values[rows] for values in motion)
        self._model = _links_alone(stand, chunk)

    def heading_fits(self, joints: list[int]) -> np.ndarray:
        """Return how badly the joints' torques are explained if the IMU is rotated about the vertical, (HEADINGS,).

        Sums of logarithms; the first is for the IMU as it is. All are equal if the base was not tilted long enough.
        """
        down, fits = self._down, np.zeros(HEADINGS)
        if (np.hypot(down[:, 0], down[:, 1]) > _LEANS).sum() < _LEANING:
            return fits
        for i, angle in enumerate(2.0 * np.pi / HEADINGS * np.arange(HEADINGS)):
            across = (down[:, 0] + 1j * down[:, 1]) * np.exp(1j * angle)
            turned = np.stack((across.real, across.imag, down[:, 2]), axis=1)
            needed = _needed(self._model, self._motion, turned)
            rests = [self._regress(joint, needed[:, joint], 1.0)[1] for joint in joints]
            fits[i] = sum(np.log(np.square(rest).mean() + 1e-4) for rest in rests)
        return fits

    def _regress(self, joint: int, motion: np.ndarray, pull: float, *zero: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Explain a joint's requested torque by its links, inertia and friction, and perhaps its zero."""
        _, speed, force = (values[:, joint] for values in self._motion)
        columns = [motion, force, speed, np.tanh(speed / 0.05), np.ones(len(speed)), *zero]
        pulls, usual = [pull, 20.0, 2.0, 1.0, 0.2, 6.0], [1.0, 0.01, 0.03, 0.03, 0.0, 0.0]
        return _explained(self._asked[:, joint], columns, pulls[: len(columns)], usual[: len(columns)])

    def explain(self, order: np.ndarray, signs: np.ndarray, zeros: bool = False) -> Explanation:
        """Regress requested on needed torques, if joint ``i`` of the log is really ``order[i]``, (D,).

        ``signs`` are the real joints' directions, (D,). ``zeros``: whether to estimate zeros, too.
        """
        place, count = np.argsort(order), self._count
        needed = self._needed(place, signs)
        rows = []
        for joint, true in enumerate(order):
            motion, zero = needed[:, true] * signs[joint], []
            if zeros:
                zero = [(needed - self._needed(place, signs, 0.05 * (np.arange(count) == true)))[:, true] / 0.05]
            factors, rest = self._regress(joint, motion, 0.3, *zero)
            left = np.std(rest) / max(np.std(self._asked[:, joint]), 0.05)
            strength = 1.0 / np.clip(factors[0], 0.1, 10.0)
            sure = np.std(motion) > 0.12 and np.std(factors[0] * motion) > 2.0 * np.std(rest)
            # A wrong angle in the log requests torque that nothing needs; one in the motor, gravity's at another angle.
            rows.append((left, strength, sure, -factors[4] / self._chunk.kp[joint] + (factors[5] if zeros else 0.0)))
        return Explanation(*map(np.array, zip(*rows, strict=True)))

    def rewired(self, good: list[int], plain: Explanation) -> Iterator[tuple[list[int], str]]:
        """Find exchanged and reversed motors that explain the torques much better than the correct wiring."""
        names, known = self._stand.joint_names, set[int]()
        poor = [j for j in good if plain.poor[j] > 0.4]
        same, alike = np.arange(self._count), np.ones(self._count)
        options = [([joint], same, np.where(same == joint, -1.0, 1.0),
                    f"{names[joint]} turns the wrong way round: flip the sign of its target and angle")
                   for joint in poor]  # fmt: skip
        for one, two in itertools.combinations(good, 2):
            if one in poor or two in poor:
                order = np.where(same == one, two, np.where(same == two, one, same))
                text = f"the motors of {names[one]} and {names[two]} are swapped, with their encoders"
                options.append(([one, two], order, alike, text))
        gains = [(np.mean((plain.poor - self.explain(order, signs).poor)[which]), which, text)
                 for which, order, signs, text in options]  # fmt: skip
        for gain, which, text in sorted(gains, reverse=True):
            if gain > 0.3 and not known & {*which}:
                known.update(which)
                yield which, text

    def _needed(self, place: np.ndarray, signs: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the torques that the links need, in the description's order, N·m, (R, D)."""
        position, speed, force = (signs[place] * values[:, place] for values in self._motion)
        return _needed(self._model, (position + shift, speed, force), self._down)
