"""A trajectory that tells a hanging robot's joints apart from each other, and is safe on any robot like it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import Candidate, chunks, predict
from legged_gym.this_robot.stand import Stand, Trajectory, Truth, gravity_in_base, simulate

_RAMP = 2.0
"""Seconds from the pose to the motion, and back."""
_SLOW = (0.1, 0.45)
"""Hz, of one wave of each joint."""
_SLOW_SIZE = 0.55
"""rad, or as much as the joint's range leaves room for."""
_FAST = (1.0, 9.0)
_FAST_SIZE = (0.06, 0.15)
_NUM_FAST = 4
_ATTEMPTS = 40
"""To find sizes that are safe."""
_GAINS = ((1.0, 1.0), (0.7, 0.5))
"""Factors of P and D gain in both halves: what a motor's loop does to damping and inertia depends on them."""
_STOP, _TORQUE, _SPEED = 0.05, 0.6, 0.5
"""A robot must stay this far from its joints' stops, rad, and below these shares of torque and speed."""
_SPREAD = 0.5
"""It must do so with all that is unknown this much smaller or larger."""


def make_trajectory(
    stand: Stand, seconds: float, seed: int = 0, tilt: tuple[float, float] = (0.0, 0.0), gentle: bool = False
) -> Trajectory:
    """Make a trajectory, as strong as it can safely be.

    Args:
        stand: The robot.
        seconds: How long it is.
        seed: Of frequencies and phases.
        tilt: Roll and pitch of the stand, rad.
        gentle: Half as large, with the usual gains alone: a first motion, for check_log.py.

    Raises:
        UserError: It can't be made safe, or is too short to be of use.
    """
    shortest = 4.0 if gentle else 8.0
    if not seconds >= shortest:
        raise UserError(f"--seconds must be at least {shortest:g}, got {seconds:g}")
    slow, fast = np.full((2, stand.num_dof), 0.5 if gentle else 1.0)
    for _ in range(_ATTEMPTS):
        trajectory = _waves(stand, seconds, seed, slow, fast)
        if gentle:
            trajectory.kp[:], trajectory.kd[:] = stand.kp, stand.kd
        trajectory.attitude = np.array([*tilt, 0.0])
        dangers = list(find_dangers(stand, trajectory))
        if not dangers:
            return trajectory
        near = sorted({danger.joint for danger in dangers if danger.of_reach})
        slow[near] *= 0.85
        # What overshoots into a stop is the faster part.
        fast[near] *= 0.93
        fast[sorted({danger.joint for danger in dangers if not danger.of_reach})] *= 0.9
        # The others shake this one, too.
        fast *= 0.98
    raise UserError(f"no safe trajectory for this robot: {dangers[0].text}")


@dataclass(frozen=True)
class Danger:
    """What a trajectory may not do."""

    joint: int
    of_reach: bool
    """Whether a stop is near; else torque or speed is high."""
    text: str


def find_dangers(stand: Stand, trajectory: Trajectory) -> Iterator[Danger]:
    """Find what is dangerous about a trajectory: on the nominal robot, and on weak, strong, light and heavy ones."""
    words, robots = zip(*variants(stand.nominal()), strict=True)
    log = trajectory.as_log(stand.joint_names)
    down = np.tile(gravity_in_base(np.atleast_2d(trajectory.attitude)), (len(log.time), 1))[: len(log.time)]
    log.values |= {"position": trajectory.target, "velocity": np.zeros_like(trajectory.target), "gravity": down}
    first = 0
    for chunk in chunks(log, shortest=0.0):
        candidates = [
            Candidate(**vars(robot), position_lag=0.25 * MOTOR_DT, velocity_lag=0.5 * MOTOR_DT) for robot in robots
        ]
        for word, robot, position in zip(words, robots, predict(stand, chunk, candidates), strict=True):
            speed = np.gradient(position, chunk.time, axis=0)
            torque = robot.strength * abs(chunk.kp * (chunk.target - position) - chunk.kd * speed)
            # A piece begins at its target instead of where the one before ended.
            kept = slice(round(0.3 / MOTOR_DT) if first else 0, None)
            yield from _dangers(stand, word, chunk.target, position[kept], speed[kept], torque[kept])
        first += len(chunk.time)


def _dangers(
    stand: Stand, word: str, target: np.ndarray, position: np.ndarray, speed: np.ndarray, torque: np.ndarray
) -> Iterator[Danger]:
    for joint, name in enumerate(stand.joint_names):
        low, high = stand.limits[joint] + (_STOP, -_STOP)
        if min(target[:, joint].min(), position[:, joint].min()) < low:
            yield Danger(joint, True, f"{word}: {name} comes within {_STOP:g} rad of its lower stop")
        if max(target[:, joint].max(), position[:, joint].max()) > high:
            yield Danger(joint, True, f"{word}: {name} comes within {_STOP:g} rad of its upper stop")
        if torque[:, joint].max() > _TORQUE * stand.torque_limits[joint]:
            yield Danger(joint, False, f"{word}: {name} needs more than {_TORQUE:.0%} of its torque")
        if abs(speed[:, joint]).max() > _SPEED * stand.velocity_limits[joint]:
            yield Danger(joint, False, f"{word}: {name} moves faster than {_SPEED:.0%} of its speed")


def variants(nominal: Truth) -> list[tuple[str, Truth]]:
    """Return the nominal robot and its neighbours, each with a word for it."""
    low, high = 1.0 - _SPREAD, 1.0 + _SPREAD
    change = dataclasses.replace
    return [
        ("the nominal robot", nominal),
        ("a robot with weak motors", change(nominal, strength=low * nominal.strength)),
        ("a robot with strong motors", change(nominal, strength=high * nominal.strength)),
        ("a light robot", change(nominal, link_mass=low, armature=low * nominal.armature)),
        ("a heavy robot", change(nominal, link_mass=high, armature=high * nominal.armature)),
    ]


def run_simulated(stand: Stand, trajectory: Trajectory, truth: Truth, seed: int, rate: float) -> RobotLog:
    """Run a trajectory in simulation and return the log with ``rate`` rows in a second.

    Raises:
        UserError: The motors' 500 ticks in a second can't be shared out to that rate.
    """
    every = 1.0 / (rate * MOTOR_DT)
    if every < 1.0 or abs(every - round(every)) > 1e-6:
        raise UserError(f"--rate must divide {1.0 / MOTOR_DT:g}, got {rate:g}")
    return simulate(stand, trajectory, truth, seed, round(every))


def _waves(stand: Stand, seconds: float, seed: int, slow_share: np.ndarray, fast_share: np.ndarray) -> Trajectory:
    """Sum up each joint's waves around a pose that leaves room, and fade them in and out."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds / MOTOR_DT)) * MOTOR_DT
    count = stand.num_dof
    room = np.minimum(0.5 * (stand.limits[:, 1] - stand.limits[:, 0]) - _STOP, 10.0)
    slow = _SLOW[0] + (_SLOW[1] - _SLOW[0]) * (rng.permutation(count) + 0.5) / count
    fast = _FAST[0] * (_FAST[1] / _FAST[0]) ** ((rng.permutation(count * _NUM_FAST) + 0.5) / (count * _NUM_FAST))
    fast = np.sort(fast.reshape(count, _NUM_FAST), axis=1)
    # Slower waves may be larger; light and heavy joints alike follow the fastest.
    fast_size = fast_share[:, None] * np.interp(fast, _FAST, _FAST_SIZE[::-1]) * np.minimum(1.0, 3.0 / fast)
    phase = rng.uniform(0.0, 2.0 * np.pi, (count, _NUM_FAST + 1))
    moved = (fast_size[..., None] * np.sin(2.0 * np.pi * fast[..., None] * time + phase[:, 1:, None])).sum(1)
    slow_size = slow_share * np.clip(0.85 * room - np.abs(moved).max(1), 0.0, _SLOW_SIZE)
    moved = moved + slow_size[:, None] * np.sin(2.0 * np.pi * slow[:, None] * time + phase[:, :1])
    reach = np.abs(moved).max(1)
    # As near to the usual pose as the stops allow, with some way to sag.
    sag = 0.02
    low, high = stand.limits[:, 0] + _STOP + reach + sag, stand.limits[:, 1] - _STOP - reach - sag
    centre = np.where(low < high, np.clip(stand.default_angles, low, np.maximum(low, high)), 0.5 * (low + high))
    fade = np.clip(np.minimum(time, time[-1] - time) / _RAMP, 0.0, 1.0)
    smooth = fade * fade * (3.0 - 2.0 * fade)
    half = (time >= 0.5 * seconds).astype(int)
    factors = np.array(_GAINS)[half]
    return Trajectory(time, centre + (smooth * moved).T, factors[:, :1] * stand.kp, factors[:, 1:] * stand.kd)
