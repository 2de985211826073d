"""Fits one hanging robot to its logs: output error with priors, and intervals that include the model's errors."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.this_robot.inverse_dynamics import gravity_leverage, regress
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Chunk, chunks, predict, white_noise
from legged_gym.this_robot.stand import QUANTITIES, Stand, Truth

_JOINTS = {
    "strength": (0.5, 1.5, 0.01, 0.1), "armature": (0.0, 0.08, 2e-4, 0.0), "viscous_friction": (0.0, 0.6, 0.01, 0.0),
    "dry_friction": (0.0, 1.0, 0.01, 0.0), "zero_offset": (-0.1, 0.1, 0.002, -np.inf),
    "backlash": (0.0, 0.02, 0.002, -np.inf), "stribeck": (0.0, 0.7, 0.1, -np.inf),
}  # fmt: skip
"""Each joint's fitted quantities: lowest and highest expected value, a step for finite differences, and a fit's lowest
value. Values near zero may become slightly negative, because bounds would slow down and bias the search."""
_SHARED = {
    "delay": (0.0, 0.04, 5e-4, -np.inf), "position_lag": (0.0, 0.001, 2e-4, -np.inf),
    "velocity_lag": (0.0, 0.002, 2e-4, -np.inf), "mount_roll": (-0.05, 0.05, 2e-3, -np.inf),
    "mount_pitch": (-0.05, 0.05, 2e-3, -np.inf),
}  # fmt: skip
"""The same for quantities of all joints, s, and of the IMU, rad. A motor's loop lags by at most one of its ticks; the
angle behind a held torque is half as old."""
_NOISE = (2e-4, 1e-3)
"""Smallest and largest initial noise of an angle in a fit, rad."""
BACKLASH_DT = 0.006
"""Rows further apart than this, s, don't show backlash."""
_MASS_SPREAD, _LAG_KNOWN = 0.05, 5e-5
"""Uncertainty of a link's mass, relative, and of a motor loop's lag, s."""
_COVERING = 2.6
"""Half width of an interval in standard deviations. Model errors are not noise: 2 cover 82 to 99 % of hidden values."""
_LEVERAGE = 0.1
"""A zero shows only if gravity's torques change by more than this with the angle, N·m/rad."""
_DELAYS = np.arange(0.0, 0.0301, 0.002)
"""Delays that are tried at the start, s."""
_SETTLE, _BLOCK = 0.4, 0.5
"""Time after which a prediction no longer depends on its first state, and correlation time of model errors, s."""


def fit(stand: Stand, logs: Sequence[RobotLog], threads: int = 1) -> Fit:
    """Fit all logs of a robot in its stand together, with this many predictions at a time."""

    def pieces(begin: float, end: float, shortest: float, filled: bool) -> list[Chunk]:
        return [piece for log in logs for piece in chunks(log, shortest, (begin, end), filled)]

    filled = False
    if max(log.dt for log in logs) > 1.5 * MOTOR_DT:
        # Interpolate the targets between the rows if that explains the log better than held targets.
        first = [pieces(0.0, 0.8, 2.0, fill)[:1] for fill in (False, True)]
        costs = [Fit(stand, trial, threads).solve(8).cost for trial in first]
        filled = costs[1] < costs[0]
    found = Fit(stand, pieces(0.0, 0.8, 2.0, filled), threads)
    found.solve(6)
    # The residuals are a better measure of each joint's noise.
    found.noise = np.maximum(_NOISE[0], found.rms(found.chunks))
    found.covariance = found.spread_of(found.solve(3))
    found.residual = found.rms(found.chunks)
    found.held_out = found.rms(pieces(0.8, 1.0, 1.0, filled))
    return found


class Fit:
    """The values that best explain the pieces of logs, (P,): each quantity of all joints, then the shared ones."""

    covariance: np.ndarray
    """(P, P)."""
    residual: np.ndarray
    """RMS error of each joint's angle, rad, (D,)."""
    held_out: np.ndarray
    """The same for the last fifth of each log, which the fit has not used, (D,)."""

    def __init__(self, stand: Stand, pieces: list[Chunk], threads: int) -> None:
        """Prepare a fit to pieces of a robot's logs, with this many predictions at a time."""
        self.stand, self.chunks, self.threads = stand, pieces, threads
        self.moved = np.sqrt(np.mean([np.var(c.position, axis=0) for c in pieces], axis=0))
        """RMS of each joint's motion, rad, (D,)."""
        # Only a first guess, because motion between distant rows looks like noise.
        self.noise = np.clip(np.min([white_noise(c.position) for c in pieces], axis=0), *_NOISE)
        """Noise of each joint's angle, rad, (D,)."""
        sizes = [stand.num_dof] * len(_JOINTS) + [1] * len(_SHARED)
        ends = itertools.pairwise(np.cumsum([0, *sizes]))
        self.where = {name: slice(*end) for name, end in zip((*_JOINTS, *_SHARED), ends, strict=True)}
        """Indices of each quantity among the values."""
        table = np.repeat([*_JOINTS.values(), *_SHARED.values()], sizes, axis=0)
        self.prior, self._step, self._low = table[:, :2], table[:, 2], table[:, 3]
        """Lowest and highest expected value, (P, 2)."""
        nominal, armature = stand.nominal(), self.where["armature"]
        self.prior[armature, 1] = np.maximum(5.0 * nominal.armature, self.prior[armature, 1])
        self._step[armature] = np.maximum(0.05 * nominal.armature, self._step[armature])
        self._middle, self._sigma = self.prior.mean(1), 0.25 * np.ptp(self.prior, axis=1)
        for name in (*QUANTITIES[:4], "backlash"):
            self._middle[self.where[name]] = getattr(nominal, name)
        self._high = np.full(len(table), np.inf)
        if max(c.dt for c in pieces) > BACKLASH_DT:
            self._low[self.where["backlash"]], self._high[self.where["backlash"]] = -1e-6, 3e-6
        # One joint of each leg can be varied at a time, because legs are independent.
        order = np.arange(len(table))
        order[: stand.num_dof * len(_JOINTS)] += np.tile(_places(stand) - np.arange(stand.num_dof), len(_JOINTS))
        self._move = np.unique(order, return_inverse=True)[1]
        same_leg = stand.branch[:, None] == stand.branch
        self._feels = np.vstack((*[same_leg] * len(_JOINTS), np.ones((len(_SHARED), stand.num_dof))))
        self._feels[self.where["zero_offset"]] *= (gravity_leverage(stand, pieces) > _LEVERAGE)[:, None]
        self.values = np.empty(0)

    def of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a quantity's values and the half widths of their 95 % intervals, both (D,), or (1,) if shared."""
        where = self.where[name]
        return self.values[where], _COVERING * np.sqrt(np.diag(self.covariance)[where])

    def robot(self, values: np.ndarray) -> Truth:
        """Return the robot with these values."""
        joints = {name: values[self.where[name]] for name in _JOINTS}
        return Truth(**joints, **{name: float(values[self.where[name]][0]) for name in _SHARED})  # type: ignore[arg-type]

    def solve(self, most: int) -> OptimizeResult:
        """Search from the present values or a first guess, with this many evaluations."""
        start, bounds = self.values if len(self.values) else self._start(), (self._low, self._high)
        options = {"x_scale": self._sigma, "max_nfev": most, "ftol": 1e-4}
        found = least_squares(self._residuals, start, self._jacobian, bounds, **options)
        self.values = found.x
        return found

    def rms(self, pieces: list[Chunk]) -> np.ndarray:
        """Return the RMS error of each joint's angle, rad, (D,)."""
        return np.sqrt(np.square(self._errors(self.robot(self.values), pieces)).mean(0))

    def _start(self) -> np.ndarray:
        """Return a first guess by regression of torques at the best delay."""
        tried = np.tile(self._middle, (len(_DELAYS), 1))
        tried[:, self.where["delay"]] = _DELAYS[:, None]
        robots = [self.robot(values) for values in tried]
        left = [predict(self.stand, c, robots, self.threads) - c.position for c in self.chunks[:2]]
        best = int(np.argmin(np.sum([np.var(errors, axis=1).sum(1) for errors in left], axis=0)))
        # Accelerations need rows that are close together. Without them, start from the nominal robot.
        if self.chunks[0].time[1] <= BACKLASH_DT:
            regressed = np.mean([regress(self.stand, c, float(_DELAYS[best])) for c in self.chunks], axis=0)
            tried[best, : regressed.size] = regressed.ravel()
        return np.clip(tried[best], self._low + 1e-6, self._high - 1e-6)

    def _errors(self, robot: Truth, pieces: Sequence[Chunk]) -> np.ndarray:
        """Return the errors of a robot's angles in all pieces, rad, (T, D)."""
        left = [(predict(self.stand, c, [robot], self.threads)[0] - c.position)[_settled(c)] for c in pieces]
        return np.concatenate(left)

    def _residuals(self, values: np.ndarray) -> np.ndarray:
        """Return the residuals, (R,): errors divided by their noise, and distances from the priors."""
        errors = self._errors(self.robot(values), self.chunks) / self.noise
        return np.concatenate((errors.ravel(), (values - self._middle) / self._sigma))

    def _jacobian(self, values: np.ndarray) -> np.ndarray:
        """Return the derivatives of the residuals, (R, P)."""
        moves = np.zeros((self._move.max() + 1, len(values)))
        moves[self._move, np.arange(len(values))] = self._step
        robots, parts = [self.robot(moved) for moved in (values, *(values + moves))], []
        for chunk in self.chunks:
            shown = predict(self.stand, chunk, robots, self.threads)[:, _settled(chunk)]
            change = (shown[1:] - shown[0])[self._move] * (self._feels / self._step[:, None] / self.noise)[:, None]
            parts.append(change.reshape(len(values), -1).T)
        return np.vstack([*parts, np.diag(1.0 / self._sigma)])

    def spread_of(self, found: OptimizeResult) -> np.ndarray:
        """Return the values' covariance, (P, P), robust against errors that are correlated in time.

        It includes the changes of refits to robots with other unfitted values. The fit includes the motors' loops.
        """
        inverse = np.linalg.inv(found.jac.T @ found.jac)
        meat, first = np.diag(1.0 / self._sigma**2), 0
        for chunk in self.chunks:
            rows, blocks = len(_settled(chunk)), max(2, round((chunk.time[-1] - _SETTLE) / _BLOCK))
            edges = first + np.linspace(0, rows, blocks + 1).astype(int) * self.stand.num_dof
            for begin, end in itertools.pairwise(edges):
                score = found.jac[begin:end].T @ found.fun[begin:end]
                meat += np.outer(score, score)
            first = edges[-1]
        robust = inverse @ meat @ inverse
        # Never smaller than from noise alone.
        widest = np.maximum(np.diag(robust), np.diag(inverse))
        scale = np.sqrt(widest / np.maximum(np.diag(robust), 1e-30))
        total = robust * np.outer(scale, scale)
        for robot in self._others():
            # A refit to another robot is one Gauss-Newton step from here.
            changed = (self._errors(robot, self.chunks) / self.noise).ravel() - found.fun[: -len(found.x)]
            shift = inverse @ (found.jac[: -len(found.x)].T @ changed)
            # A uniform distribution has a variance of a third of the largest change squared.
            total += np.outer(shift, shift) / 3.0
        # P gains times an uncertain lag look like damping in all joints.
        kp, damping = np.max([chunk.kp for chunk in self.chunks], axis=0), self.where["viscous_friction"]
        total[damping, damping] += np.diag((_LAG_KNOWN * found.x[self.where["strength"]] * kp) ** 2)
        return total

    def _others(self) -> list[Truth]:
        """Return robots that differ in unfitted values: masses, static friction and backlash."""
        found, links = self.robot(self.values), self.stand.scene.model.dof_bodyid
        others = []
        for place in range(_places(self.stand).max() + 1):
            # One link of each leg is heavier.
            masses = 1.0 + _MASS_SPREAD * np.isin(self.stand.scene.body_ids, links[_places(self.stand) == place])
            others.append(dataclasses.replace(found, link_mass=masses))
        others.append(dataclasses.replace(found, lean=3.0 * found.lean))
        return others + [dataclasses.replace(found, stribeck_speed=f * found.stribeck_speed) for f in (0.5, 2.0)]


def _places(stand: Stand) -> np.ndarray:
    """Return each joint's index within its leg, (D,)."""
    return np.array([(stand.branch[:joint] == leg).sum() for joint, leg in enumerate(stand.branch)])


def _settled(chunk: Chunk) -> np.ndarray:
    return np.flatnonzero(chunk.time >= min(_SETTLE, 0.5 * chunk.time[-1]))
