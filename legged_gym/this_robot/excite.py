"""Makes a trajectory for identifying a hanging robot's joints. It is safe for all robots of this type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import chunks, predict
from legged_gym.this_robot.stand import Stand

_RAMP, _ATTEMPTS = 2.0, 40
"""Time from the pose to the motion, and back, s; then number of attempts to find a safe size."""
_SLOW, _SLOW_SIZE = (0.1, 0.45), 0.55
"""Frequencies of one wave for each joint, Hz; its amplitude, rad, or less if the joint's range is small."""
_FAST, _FAST_SIZE, _NUM_FAST = (1.0, 9.0), (0.06, 0.15), 4
"""Frequencies and number of further waves, Hz; their amplitude, rad."""
_GAINS = ((1.0, 1.0), (0.7, 0.5))
"""Factors on P and D gain in both halves: the effect of a motor's loop on damping and inertia depends on the gains."""
_STOP, _TORQUE, _SPEED, _SPREAD = 0.05, 0.6, 0.5, 0.5
"""Smallest distance from stops, rad; largest shares of torque and speed; relative uncertainty of unknown values."""


def make_trajectory(
    stand: Stand, seconds: float, seed: int = 0, tilt: tuple[float, float] = (0.0, 0.0), gentle: bool = False
) -> RobotLog:
    """Make the largest safe trajectory of this duration: the motors' commands tick by tick, as a log.

    The stand is tilted by ``tilt``, roll and pitch, rad. A ``gentle`` trajectory is half as large and only uses the
    usual gains: a first motion, for check_log.py. ``seed`` determines frequencies and phases.

    Raises:
        UserError: It can't be made safe, or is too short.
    """
    shortest = 4.0 if gentle else 8.0
    if not seconds >= shortest:
        raise UserError(f"--seconds must be at least {shortest:g}, got {seconds:g}")
    slow, fast = np.full((2, stand.num_dof), 0.5 if gentle else 1.0)
    roll, pitch = tilt
    down = [np.sin(pitch), -np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch)]
    for _ in range(_ATTEMPTS):
        time, target = _waves(stand, seconds, seed, (slow, fast))
        factors = np.array(_GAINS)[((time >= 0.5 * seconds) & (not gentle)).astype(int)]
        still = np.zeros((len(time), 3))
        values = {"time": time, "target": target, "kp": factors[:, :1] * stand.kp, "kd": factors[:, 1:] * stand.kd}
        trajectory = RobotLog(stand.joint_names, {**values, "gyro": still, "gravity": still + down}, "trajectory")
        dangers = list(find_dangers(stand, trajectory))
        if not dangers:
            return trajectory
        near = sorted({danger.joint for danger in dangers if danger.of_reach})
        slow[near] *= 0.85
        # The faster waves cause overshoot into a stop.
        fast[near] *= 0.93
        fast[sorted({danger.joint for danger in dangers if not danger.of_reach})] *= 0.9
        # The other joints also move this one.
        fast *= 0.98
    raise UserError(f"no safe trajectory for this robot: {dangers[0].text}")


class Danger(NamedTuple):
    """A violation of a safety limit."""

    joint: int
    of_reach: bool
    """Whether a stop is near; otherwise torque or speed is high."""
    text: str


def find_dangers(stand: Stand, trajectory: RobotLog) -> Iterator[Danger]:
    """Find violations of a trajectory: on the nominal robot, and on weak, strong, light and heavy ones."""
    nominal = replace(stand.nominal(), position_lag=0.25 * MOTOR_DT, velocity_lag=0.5 * MOTOR_DT)
    robots = {"the nominal robot": nominal}
    for word, factor in (("weak", 1.0 - _SPREAD), ("strong", 1.0 + _SPREAD)):
        robots[f"a robot with {word} motors"] = replace(nominal, strength=factor * nominal.strength)
    for word, factor in (("light", 1.0 - _SPREAD), ("heavy", 1.0 + _SPREAD)):
        robots[f"a {word} robot"] = replace(nominal, link_mass=factor, armature=factor * nominal.armature)
    values = {**trajectory.values, "position": trajectory["target"], "velocity": 0.0 * trajectory["target"]}
    for number, chunk in enumerate(chunks(RobotLog(stand.joint_names, values), shortest=0.0)):
        shown = predict(stand, chunk, list(robots.values()))
        for (word, robot), position in zip(robots.items(), shown, strict=True):
            speed = np.gradient(position, chunk.time, axis=0)
            torque = robot.strength * abs(chunk.kp * (chunk.target - position) - chunk.kd * speed)
            # A piece starts at its target, not where the one before ended.
            kept = slice(round(0.3 / MOTOR_DT) if number else 0, None)
            reach = np.concatenate((chunk.target, position[kept]))
            low, high = stand.limits[:, 0] + _STOP, stand.limits[:, 1] - _STOP
            effort, pace = torque[kept].max(0) / stand.torque_limits, abs(speed[kept]).max(0) / stand.velocity_limits
            tables = (
                (True, f"comes within {_STOP:g} rad of its lower stop", reach.min(0) < low),
                (True, f"comes within {_STOP:g} rad of its upper stop", reach.max(0) > high),
                (False, f"needs more than {_TORQUE:.0%} of its torque", effort > _TORQUE),
                (False, f"moves faster than {_SPEED:.0%} of its speed", pace > _SPEED),
            )
            for joint, name in enumerate(stand.joint_names):
                for of_reach, text, found in tables:
                    if found[joint]:
                        yield Danger(joint, of_reach, f"{word}: {name} {text}")


def _waves(stand: Stand, seconds: float, seed: int, shares: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return times, (T,), and each joint's waves, faded in and out, around a pose with enough room, (T, D)."""
    (slow_share, fast_share), rng = shares, np.random.default_rng(seed)
    time = np.arange(round(seconds / MOTOR_DT)) * MOTOR_DT
    count = stand.num_dof
    room = np.minimum(0.5 * (stand.limits[:, 1] - stand.limits[:, 0]) - _STOP, 10.0)
    slow = _SLOW[0] + (_SLOW[1] - _SLOW[0]) * (rng.permutation(count) + 0.5) / count
    fast = _FAST[0] * (_FAST[1] / _FAST[0]) ** ((rng.permutation(count * _NUM_FAST) + 0.5) / (count * _NUM_FAST))
    fast = np.sort(fast.reshape(count, _NUM_FAST), axis=1)
    # Slower waves may be larger. Light and heavy joints follow even the fastest.
    fast_size = fast_share[:, None] * np.interp(fast, _FAST, _FAST_SIZE[::-1]) * np.minimum(1.0, 3.0 / fast)
    phase = rng.uniform(0.0, 2.0 * np.pi, (count, _NUM_FAST + 1))
    moved = (fast_size[..., None] * np.sin(2.0 * np.pi * fast[..., None] * time + phase[:, 1:, None])).sum(1)
    slow_size = slow_share * np.clip(0.85 * room - np.abs(moved).max(1), 0.0, _SLOW_SIZE)
    moved = moved + slow_size[:, None] * np.sin(2.0 * np.pi * slow[:, None] * time + phase[:, :1])
    reach = np.abs(moved).max(1)
    # As near to the usual pose as the stops allow, with some room to sag.
    sag = 0.02
    low, high = stand.limits[:, 0] + _STOP + reach + sag, stand.limits[:, 1] - _STOP - reach - sag
    centre = np.where(low < high, np.clip(stand.default_angles, low, np.maximum(low, high)), 0.5 * (low + high))
    fade = np.clip(np.minimum(time, time[-1] - time) / _RAMP, 0.0, 1.0)
    return time, centre + (fade * fade * (3.0 - 2.0 * fade) * moved).T
