"""The fit of one hanging robot to its logs: output error with priors, and intervals that hold the model's errors."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.this_robot.inverse_dynamics import gravity_leverage, regress
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Candidate, Chunk, chunks, filled_in, predict
from legged_gym.this_robot.stand import QUANTITIES, Stand

FITTED = (*QUANTITIES, "backlash")
"""What is fitted of each joint, in the order of the parameters."""

_JOINTS = (*FITTED, "stribeck")
"""With what is only fitted because the others depend on it."""
_SHARED = ("delay", "position_lag", "velocity_lag", "mount_roll", "mount_pitch")
_PRIORS = {
    "strength": (0.5, 1.5), "viscous_friction": (0.0, 0.6), "dry_friction": (0.0, 1.0), "zero_offset": (-0.1, 0.1),
    "backlash": (0.0, 0.02), "stribeck": (0.0, 0.7),
}  # fmt: skip
"""Lowest and highest value that is expected at all, (low, high); armature: 0 to five times the nominal one."""
_SHARED_PRIORS = ((0.0, 0.04), (0.0, 0.001), (0.0, 0.002), (-0.05, 0.05), (-0.05, 0.05))
"""s; rad of the IMU's mount. Motors' loops lag by a tick of theirs at most: a held torque's angle is half as old."""
_MASS_SPREAD = 0.05
"""Links weigh up to this share more or less than their description says."""
_NOISE = (2e-4, 1e-3)
"""Least and largest noise of an angle that a fit begins with, rad."""
BACKLASH_DT = 0.006
"""Rows further apart than this, s, do not show when a motor crosses its gear's play."""
_LAG_KNOWN = 5e-5
"""A motor's loop lags by so much more or less than a fit says, s."""
_COVERING = 2.6
"""Standard deviations in a half interval. Errors of a model are no noise: 2 cover 82 to 99 % of what is hidden."""
_LEVERAGE = 0.1
"""A zero shows only if gravity's torques change by more than this with the angle, N·m/rad."""
_DELAYS = np.arange(0.0, 0.0301, 0.002)
"""Tried at the start, s."""
_SETTLE = 0.4
"""Seconds after which a prediction has forgotten its first state."""
_BLOCK = 0.5
"""Errors of the model are alike for so long, s."""
_STEPS = {"strength": 0.01, "viscous_friction": 0.01, "dry_friction": 0.01, "zero_offset": 0.002, "backlash": 0.002,
          "stribeck": 0.1}  # fmt: skip
"""For differences; armature: a twentieth of the nominal one."""


@dataclass
class Fit:
    """What a fit found; parameters are those of each quantity's joints, then the shared ones."""

    stand: Stand
    values: np.ndarray
    """(P,)."""
    covariance: np.ndarray
    """(P, P)."""
    prior: np.ndarray
    """Lowest and highest value expected, (P, 2)."""
    noise: np.ndarray
    """Of each joint's angle, rad, (D,)."""
    residual: np.ndarray
    """RMS of what the fit leaves of each joint's angle, rad, (D,)."""
    held_out: np.ndarray
    """The same in the last fifths of the logs, which it has not seen, (D,)."""
    moved: np.ndarray
    """RMS of each joint's motion, rad, (D,)."""

    def of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a quantity's values and the half widths of their 95 % intervals, both (D,), or (1,) if shared."""
        where = _where(name, self.stand.num_dof)
        return self.values[where], _COVERING * np.sqrt(np.diag(self.covariance)[where])

    def prior_of(self, name: str) -> np.ndarray:
        """Return lowest and highest value expected of a quantity, (D, 2) or (1, 2)."""
        return self.prior[_where(name, self.stand.num_dof)]

    def candidate(self) -> Candidate:
        """Return the robot that was found."""
        return _candidate(self.stand, self.values)


def fit(stand: Stand, logs: Sequence[RobotLog], threads: int = 1) -> Fit:
    """Fit all logs together.

    Args:
        stand: The robot's description.
        logs: Of the robot in its stand, joints in the description's order.
        threads: Predictions at a time.
    """
    cuts = [round(0.8 * len(log.time)) for log in logs]
    seen = [chunk for log, cut in zip(logs, cuts, strict=True) for chunk in chunks(log.rows(0, cut))]
    problem = _Problem(stand, seen, threads)
    bounds = _bounds(stand)
    if max(log.dt for log in logs) > BACKLASH_DT:
        for bound, end in zip(bounds, (-1e-6, 3e-6), strict=True):
            bound[_where("backlash", stand.num_dof)] = end
    if max(log.dt for log in logs) > 1.5 * MOTOR_DT:
        whole = [c for log, cut in zip(logs, cuts, strict=True) for c in filled_in(log, chunks(log.rows(0, cut)))]
        problem.consider(whole, bounds)
    found = problem.solve(problem.start(bounds), bounds, 6)
    # What the fit leaves is the better measure of how far to trust each joint.
    problem.noise = np.maximum(_NOISE[0], problem.rms(found.x))
    found = problem.solve(found.x, bounds, 3)
    unseen = []
    for log, cut in zip(logs, cuts, strict=True):
        pieces = [
            dataclasses.replace(c, first_row=c.first_row + cut) for c in chunks(log.rows(cut, len(log.time)), 1.0)
        ]
        unseen += filled_in(log, pieces) if problem.fills_in else pieces
    moved = np.sqrt(np.mean([np.var(c.position, axis=0) for c in seen], axis=0))
    return Fit(stand, found.x, problem.covariance(found), problem.prior, problem.noise, problem.rms(found.x),
               _Problem(stand, unseen, threads).rms(found.x), moved)  # fmt: skip


class _Problem:
    """Residuals of all chunks, weighted by noise, and of the priors; and their derivatives."""

    def __init__(self, stand: Stand, seen: list[Chunk], threads: int) -> None:
        self.stand, self.chunks, self.threads = stand, seen, threads
        self.fills_in = False
        self.prior = _priors(stand)
        self.middle, self.spread = self.prior.mean(1), 0.25 * np.diff(self.prior, axis=1)[:, 0]
        self.middle[: 4 * stand.num_dof] = _nominal(stand)[: 4 * stand.num_dof]
        self.middle[_where("backlash", stand.num_dof)] = 0.0
        # Of white noise second differences have six times the variance.
        noises = [np.median(np.abs(np.diff(c.position, 2, axis=0)), axis=0) / 0.6745 / np.sqrt(6.0) for c in seen]
        # Motion between rows that are far apart looks like noise, so it is only a first guess.
        self.noise = np.clip(np.min(noises, axis=0), *_NOISE)
        self._moves, self._branches = _moves(stand)
        self._shown = np.ones(len(self.middle))
        self._shown[_where("zero_offset", stand.num_dof)] = gravity_leverage(stand, seen) > _LEVERAGE

    def start(self, bounds: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return a first guess: torques by regression at the delay that fits best."""
        candidates = self._delayed()
        errors = self._errors(self.chunks[:2])
        delay = float(_DELAYS[int(np.argmin(errors))])
        values = candidates[int(np.argmin(errors))]
        low, high = bounds
        # Accelerations need rows that are close together; without them the nominal robot is the start.
        if self.chunks[0].time[1] <= BACKLASH_DT:
            regressed = np.mean([regress(self.stand, chunk, delay) for chunk in self.chunks], axis=0)
            values[: 4 * self.stand.num_dof] = regressed.ravel()
        return np.clip(values, low + 1e-6, high - 1e-6)

    def solve(self, start: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], most: int) -> OptimizeResult:
        """Search from a start, with so many evaluations at most."""
        return least_squares(
            self.residuals, start, self.jacobian, bounds, x_scale=self.spread, max_nfev=most, ftol=1e-4
        )

    def consider(self, filled_in: list[Chunk], bounds: tuple[np.ndarray, np.ndarray]) -> None:
        """Take pieces with what was sent between the rows, if that explains the log better than targets that hold."""
        costs = []
        for pieces in (self.chunks, filled_in):
            trial = _Problem(self.stand, pieces[:1], self.threads)
            costs.append(trial.solve(trial.start(bounds), bounds, 8).cost)
        if costs[1] < costs[0]:
            self.chunks, self.fills_in = filled_in, True

    def _delayed(self) -> np.ndarray:
        """Return parameters of nominal robots with all delays, (n, P)."""
        candidates = np.tile(self.middle, (len(_DELAYS), 1))
        candidates[:, _where("delay", self.stand.num_dof)] = _DELAYS[:, None]
        return candidates

    def _errors(self, pieces: list[Chunk]) -> np.ndarray:
        """Return how far off the motion of a nominal robot with each of the delays is, (n,)."""
        robots = [_candidate(self.stand, values) for values in self._delayed()]
        left = [predict(self.stand, c, robots, self.threads) - c.position for c in pieces]
        return np.sum([np.var(errors, axis=1).sum(1) for errors in left], axis=0)

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Return everything that should be small, (R,)."""
        robot = [_candidate(self.stand, values)]
        parts = [self._weighted(predict(self.stand, c, robot, self.threads)[0] - c.position, c) for c in self.chunks]
        return np.concatenate([part.ravel() for part in parts] + [(values - self.middle) / self.spread])

    def jacobian(self, values: np.ndarray) -> np.ndarray:
        """Return the derivatives of :meth:`residuals`, (R, P): legs do not feel each other, so they move together."""
        robots = [_candidate(self.stand, values)] + [_candidate(self.stand, values + move) for move in self._moves]
        parts = []
        for chunk in self.chunks:
            shown = predict(self.stand, chunk, robots, self.threads)
            rows = np.zeros((*shown.shape[1:], len(values)))
            for move, change in zip(self._moves, shown[1:] - shown[0], strict=True):
                for parameter in np.flatnonzero(move):
                    affected = self._branches[parameter]
                    rows[:, affected, parameter] = change[:, affected] / move[parameter]
            parts.append(self._weighted(rows * self._shown, chunk).reshape(-1, len(values)))
        return np.vstack([*parts, np.diag(1.0 / self.spread)])

    def covariance(self, found: OptimizeResult) -> np.ndarray:
        """Return the parameters' covariance, (P, P), robust against errors that are alike for a while.

        It is wider by what refits to other robots would find. The motors' loops are in the fit itself.
        """
        values, jacobian, residuals = found.x, found.jac, found.fun
        inverse = np.linalg.inv(jacobian.T @ jacobian)
        meat, first = np.diag(1.0 / self.spread**2), 0
        for chunk in self.chunks:
            rows = len(self._kept(chunk)) * self.stand.num_dof
            part, left = jacobian[first : first + rows], residuals[first : first + rows]
            blocks = max(2, round((chunk.time[-1] - _SETTLE) / _BLOCK))
            edges = np.linspace(0, rows // self.stand.num_dof, blocks + 1).astype(int) * self.stand.num_dof
            for begin, end in itertools.pairwise(edges):
                score = part[begin:end].T @ left[begin:end]
                meat += np.outer(score, score)
            first += rows
        robust = inverse @ meat @ inverse
        # Never less than what noise alone leaves.
        widest = np.maximum(np.diag(robust), np.diag(inverse))
        scale = np.sqrt(widest / np.maximum(np.diag(robust), 1e-30))
        total = robust * np.outer(scale, scale) + self._of_others(values, jacobian, residuals, inverse)
        # All joints' P gains times an unsure lag look like damping.
        strength, damping = (_where(name, self.stand.num_dof) for name in ("strength", "viscous_friction"))
        unsure = _LAG_KNOWN * values[strength] * np.max([chunk.kp for chunk in self.chunks], axis=0)
        total[damping, damping] += np.diag(unsure**2)
        return total

    def _of_others(
        self, values: np.ndarray, jacobian: np.ndarray, residuals: np.ndarray, inverse: np.ndarray
    ) -> np.ndarray:
        """Return the covariance that comes from what is not fitted, (P, P): masses, how joints stick, and play.

        A refit to another robot is one step of Gauss and Newton from here.
        """
        found = _candidate(self.stand, values)
        total = np.zeros_like(inverse)
        others = [dataclasses.replace(found, link_mass=masses) for masses in _other_masses(self.stand)]
        others += [dataclasses.replace(found, lean=3.0 * found.lean)]
        others += [dataclasses.replace(found, stribeck_speed=factor * found.stribeck_speed) for factor in (0.5, 2.0)]
        for robot in others:
            parts = [
                self._weighted(predict(self.stand, c, [robot], self.threads)[0] - c.position, c) for c in self.chunks
            ]
            changed = np.concatenate([*(part.ravel() for part in parts), residuals[-len(values) :]]) - residuals
            shift = inverse @ (jacobian.T @ changed)
            # What is spread evenly has a variance of a third of the square of the largest change.
            total += np.outer(shift, shift) / 3.0
        return total

    def rms(self, values: np.ndarray) -> np.ndarray:
        """Return the RMS error of each joint's angle, rad, (D,)."""
        robot = [_candidate(self.stand, values)]
        errors = [(predict(self.stand, c, robot, self.threads)[0] - c.position)[self._kept(c)] for c in self.chunks]
        return np.sqrt(np.concatenate(errors).__pow__(2).mean(0))

    def _kept(self, chunk: Chunk) -> np.ndarray:
        return np.flatnonzero(chunk.time >= min(_SETTLE, 0.5 * chunk.time[-1]))

    def _weighted(self, errors: np.ndarray, chunk: Chunk) -> np.ndarray:
        scale = 1.0 / self.noise
        return errors[self._kept(chunk)] * (scale if errors.ndim == 2 else scale[:, None])


def _priors(stand: Stand) -> np.ndarray:
    count, parts = stand.num_dof, []
    for name in _JOINTS:
        if name == "armature":
            parts.append(np.stack((np.zeros(count), np.maximum(5.0 * stand.nominal().armature, 0.08)), axis=1))
        else:
            parts.append(np.tile(_PRIORS[name], (count, 1)))
    return np.concatenate([*parts, np.array(_SHARED_PRIORS)])


def _nominal(stand: Stand) -> np.ndarray:
    truth = stand.nominal()
    shared = np.mean(_SHARED_PRIORS, axis=1)
    rest = np.zeros(len(_JOINTS[len(QUANTITIES) :]) * stand.num_dof)
    return np.concatenate([*(getattr(truth, name) for name in QUANTITIES), rest, shared])


def _bounds(stand: Stand) -> tuple[np.ndarray, np.ndarray]:
    # What is near nothing may be fitted as a little less than that: bounds would hold up the search, and bias it.
    low, high = np.full((2, len(_nominal(stand))), [[-np.inf], [np.inf]])
    for name in QUANTITIES[:4]:
        low[_where(name, stand.num_dof)] = 0.1 if name == "strength" else 0.0
    return low, high


def _where(name: str, count: int) -> slice:
    """Return where a quantity's values are among the parameters."""
    if name in _JOINTS:
        first = _JOINTS.index(name) * count
        return slice(first, first + count)
    first = len(_JOINTS) * count + _SHARED.index(name)
    return slice(first, first + 1)


def _candidate(stand: Stand, values: np.ndarray) -> Candidate:
    count = stand.num_dof
    joints = {name: values[_where(name, count)] for name in _JOINTS}
    shared = {name: float(values[_where(name, count)][0]) for name in _SHARED}
    return Candidate(**joints, **shared)  # type: ignore[arg-type]


def _moves(stand: Stand) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return steps of parameters for differences, (M, P), and which joints each parameter moves.

    Branches of the held base do not feel each other, so that one parameter of each can move at a time.
    """
    count = stand.num_dof
    total = len(_nominal(stand))
    branch = np.array(stand.branch)
    affected: list[np.ndarray] = []
    moves = []
    for name in _JOINTS:
        size = np.maximum(0.05 * stand.nominal().armature, 2e-4) if name == "armature" else np.full(count, _STEPS[name])
        for place in range(max(np.bincount(branch))):
            move = np.zeros(total)
            for b in np.unique(branch):
                joints = np.flatnonzero(branch == b)
                if place < len(joints):
                    move[_where(name, count).start + joints[place]] = size[joints[place]]
            moves.append(move)
        affected += [np.flatnonzero(branch == b) for b in branch]
    for i, change in enumerate((5e-4, 2e-4, 2e-4, 2e-3, 2e-3)):
        moves.append(np.zeros(total))
        moves[-1][len(_JOINTS) * count + i] = change
        affected.append(np.arange(count))
    return np.stack(moves), affected


def _other_masses(stand: Stand) -> list[np.ndarray]:
    """Return factors of links' masses, (B,) each: one link of every branch is heavier."""
    # Each joint's link, of which a leg has one for every joint; the base is held.
    links, branch = [stand.scene.body_names.index(name) for name in stand.link_names], np.array(stand.branch)
    found = []
    for place in range(max(np.bincount(branch))):
        factors = np.ones(len(stand.scene.body_ids))
        for b in np.unique(branch):
            for joint in np.flatnonzero(branch == b)[place : place + 1]:
                factors[links[joint]] += _MASS_SPREAD
        found.append(factors)
    return found
