"""What inverse dynamics tell of a hanging robot before any fit: a first guess, and which zeros gravity shows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from legged_gym.this_robot.prediction import Chunk, running_mean
from legged_gym.this_robot.stand import GRAVITY, QUANTITIES, Stand


def gravity_leverage(stand: Stand, pieces: Sequence[Chunk]) -> np.ndarray:
    """Return how much gravity's torques change with each joint's angle, N·m/rad, (D,), in the piece that shows most.

    Everything else is the same for a robot whose joint is turned, so that nothing but gravity shows its zero.
    """
    model, found = stand.model_of(stand.nominal()), np.zeros(stand.num_dof)
    data = mujoco.MjData(model)
    for piece in pieces:
        model.opt.gravity[:] = GRAVITY * piece.down
        rows = piece.position[:: max(1, len(piece.time) // 20)]
        for joint in range(stand.num_dof):
            changes = []
            for row in rows:
                torques = []
                for turn in (-0.01, 0.01):
                    data.qpos[:] = row
                    data.qpos[joint] += turn
                    mujoco.mj_forward(model, data)
                    torques.append(data.qfrc_bias.copy())
                changes.append((torques[1] - torques[0]) / 0.02)
            found[joint] = max(found[joint], np.sqrt(np.square(changes).sum(1).mean()))
    return found


def regress(stand: Stand, chunk: Chunk, delay: float) -> np.ndarray:
    """Return strength, armature, viscous and dry friction of each joint, (4, D), by regression on inverse dynamics."""
    width = max(3, round(0.02 / chunk.dt)) + 2
    rows = np.arange(2 * width, len(chunk.time) - 2 * width, max(1, len(chunk.time) // 800))
    position, speed, force, drive = (values[rows] for values in _smooth_motion(chunk, delay, 0.02))
    needed = _needed(_links_alone(stand, chunk), position, speed, force)
    nominal = np.stack([getattr(stand.nominal(), name) for name in QUANTITIES[:4]])
    found = np.empty((4, stand.num_dof))
    # A weak pull to the nominal robot keeps what the motion does not show.
    pull = np.diag([0.3, 3.0, 0.3, 0.3])
    for joint in range(stand.num_dof):
        columns = [drive[:, joint], -force[:, joint], -speed[:, joint], -np.tanh(speed[:, joint] / 0.05)]
        table = np.vstack([np.stack(columns, axis=1), pull])
        wanted = np.concatenate((needed[:, joint], pull @ nominal[:, joint]))
        found[:, joint] = np.linalg.lstsq(table, wanted, rcond=None)[0]
    return np.clip(found, [[0.5], [1e-3], [0.0], [0.0]], [[1.5], [0.1], [0.5], [0.5]])


def shifted(chunk: Chunk, delay: float) -> np.ndarray:
    """Return the targets that act at a chunk's times if they are ``delay`` late, s, rad, (T, D)."""
    return np.stack([np.interp(chunk.time - delay, chunk.time, column) for column in chunk.target.T], axis=1)


def _smooth_motion(chunk: Chunk, delay: float, seconds: float) -> tuple[np.ndarray, ...]:
    """Return angles, speeds, accelerations and the torques that were asked for, smoothed over so long, (T, D)."""
    position = running_mean(chunk.position, seconds, chunk.dt)
    speed = np.gradient(position, chunk.dt, axis=0)
    asked = chunk.kp * (running_mean(shifted(chunk, delay), seconds, chunk.dt) - position) - chunk.kd * speed
    return position, speed, np.gradient(speed, chunk.dt, axis=0), asked


def _links_alone(stand: Stand, chunk: Chunk) -> mujoco.MjModel:
    """Return the nominal robot without armature and friction, in a chunk's gravity."""
    bare = dataclasses.replace(stand.nominal(), **dict.fromkeys(QUANTITIES[1:4], np.zeros(stand.num_dof)))  # type: ignore[arg-type]
    model = stand.model_of(bare)
    model.opt.gravity[:] = GRAVITY * chunk.down
    return model


def _needed(model: mujoco.MjModel, position: np.ndarray, speed: np.ndarray, force: np.ndarray) -> np.ndarray:
    """Return the torques that a motion needs, N·m, (R, D)."""
    data, needed = mujoco.MjData(model), np.empty_like(position)
    for row in range(len(position)):
        data.qpos[:], data.qvel[:], data.qacc[:] = position[row], speed[row], force[row]
        mujoco.mj_inverse(model, data)
        needed[row] = data.qfrc_inverse
    return needed


@dataclass
class Explanation:
    """How well a wiring explains the torques that each joint was asked for, (D,) each."""

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


class Dynamics:
    """Torques that a log's motion needs, under one wiring or another."""

    def __init__(self, stand: Stand, chunk: Chunk, delay: float) -> None:
        """Prepare everything that no wiring changes; targets act after ``delay``, s."""
        self._stand, self._chunk, self._count = stand, chunk, stand.num_dof
        motion = _smooth_motion(chunk, delay, 0.06)
        edge = 2 * max(3, round(0.06 / chunk.dt))
        rows = np.linspace(edge, len(chunk.time) - edge - 1, 250).astype(int)
        self._position, self._speed, self._force, self._asked = (values[rows] for values in motion)
        self._model = _links_alone(stand, chunk)

    def explain(self, order: np.ndarray, signs: np.ndarray, zeros: bool = False) -> Explanation:
        """Regress the torques asked for on those needed, where joint ``i`` of the log is ``order[i]`` in truth.

        Args:
            order: (D,).
            signs: By which the true joints turn, (D,).
            zeros: Whether to estimate the zeros of the joints as well.
        """
        place, count = np.argsort(order), self._count
        needed = self._needed(place, signs)
        found = Explanation(np.ones(count), np.ones(count), np.zeros(count, bool), np.zeros(count))
        for joint in range(count):
            true, asked = order[joint], self._asked[:, joint]
            speed, force = self._speed[:, joint], self._force[:, joint]
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
            found.zero[joint] = -factors[4] / self._chunk.kp[joint] + (factors[5] if zeros else 0.0)
        return found

    def rewired(self, good: list[int], plain: Explanation) -> Iterator[tuple[tuple[int, ...], str]]:
        """Find exchanges and turned motors that explain the torques much better than the plain wiring."""
        names = self._stand.joint_names
        known: set[int] = set()
        poor = [j for j in good if plain.poor[j] > 0.4]
        options: list[tuple[float, tuple[int, ...], str]] = []
        for joint in poor:
            signs = np.ones(self._count)
            signs[joint] = -1.0
            gain = self._gain(np.arange(self._count), signs, (joint,), plain)
            options.append(
                (gain, (joint,), f"{names[joint]} turns the wrong way round: flip the sign of its target and angle")
            )
        for one, two in itertools.combinations(good, 2):
            if one in poor or two in poor:
                order = np.arange(self._count)
                order[[one, two]] = two, one
                gain = self._gain(order, np.ones(self._count), (one, two), plain)
                options.append(
                    (gain, (one, two), f"the motors of {names[one]} and {names[two]} are swapped, with their encoders")
                )
        for gain, which, text in sorted(options, reverse=True):
            if gain > 0.3 and not known & set(which):
                known.update(which)
                yield which, text

    def _gain(self, order: np.ndarray, signs: np.ndarray, which: tuple[int, ...], plain: Explanation) -> float:
        """Return by how much better this explains some joints' torques."""
        other = self.explain(order, signs)
        return float(np.mean(plain.poor[list(which)]) - np.mean(other.poor[list(which)]))

    def _needed(self, place: np.ndarray, signs: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the torques that the links need, in the description's order, N·m, (R, D)."""
        turned = (signs[place] * values[:, place] for values in (self._position, self._speed, self._force))
        position, speed, force = turned
        return _needed(self._model, position + shift, speed, force)
