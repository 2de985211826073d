# ruff: noqa: E501 (a table of faults)
"""Simulated logs of hanging robots, and what may be wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from legged_gym.envs import QminiCfg
from legged_gym.this_robot.excite import make_trajectory
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.stand import Stand, Truth

Fault = Callable[[RobotLog], None]
"""Spoils a log in place."""


def first_motion(stand: Stand) -> RobotLog:
    """Return the trajectory of a first motion, while somebody turns the stand at its start."""
    trajectory = make_trajectory(stand, 6.0, 3, gentle=True)
    time = trajectory.time
    fade = np.clip(np.minimum(time, 2.5 - time) / 0.4, 0.0, 1.0)
    waves = [
        size * np.sin(2.0 * np.pi * hertz * time + shift)
        for size, hertz, shift in ((0.2, 0.8, 0), (0.25, 0.5, 1), (0.2, 0.6, 0))
    ]
    return _turned(trajectory, fade[:, None] * np.stack(waves, axis=1))


def held_leaning(stand: Stand) -> RobotLog:
    """Return the trajectory of a first motion; the stand is held nose down, then leaning to its left."""
    trajectory = make_trajectory(stand, 8.0, 3, gentle=True)
    time = trajectory.time
    share = [np.clip(np.minimum(time - begin, begin + 2.4 - time) / 0.7, 0.0, 1.0) for begin in (0.1, 2.7)]
    nose, side = (x * x * (3.0 - 2.0 * x) for x in share)
    return _turned(trajectory, np.stack((-0.3 * side, 0.3 * nose, np.zeros_like(time)), axis=1))


def _turned(trajectory: RobotLog, attitude: np.ndarray) -> RobotLog:
    """Turn the stand of a trajectory by roll, pitch and yaw, rad, (T, 3)."""
    (roll, pitch, _), rates = attitude.T, np.gradient(attitude, trajectory.time, axis=0)
    trajectory.values["gravity"] = np.stack(
        [np.sin(pitch), -np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch)], axis=1
    )
    across = np.sin(roll) * np.cos(pitch), np.cos(roll) * np.cos(pitch)
    trajectory.values["gyro"] = np.stack(
        [
            rates[:, 0] - np.sin(pitch) * rates[:, 2],
            np.cos(roll) * rates[:, 1] + across[0] * rates[:, 2],
            -np.sin(roll) * rates[:, 1] + across[1] * rates[:, 2],
        ],
        axis=1,
    )
    return trajectory


def some_robot(stand: Stand, seed: int, real: bool = True) -> Truth:
    """Return a robot as it may come out of a workshop; ``real`` ones have what a fit does not know, too."""
    rng, count = np.random.default_rng(seed), stand.num_dof
    rolls = np.array(["roll" in name for name in stand.joint_names])
    robot = Truth(
        strength=rng.uniform(0.8, 1.2, count), armature=np.where(rolls, 0.0403, 0.0045) * rng.uniform(0.7, 1.3, count),
        viscous_friction=rng.uniform(0.01, 0.12, count), dry_friction=rng.uniform(0.02, 0.2, count),
        zero_offset=rng.uniform(-0.025, 0.025, count), delay=float(rng.uniform(0.0, 0.01)),
        noise={"position": 5e-4, "velocity": 0.05, "gyro": 0.02, "gravity": 0.004},
    )  # fmt: skip
    if not real:
        return robot
    return dataclasses.replace(
        robot, backlash=rng.uniform(0.0, 0.005, count), clock_jitter=2e-4,
        stribeck=rng.uniform(0.0, 0.5, count), stribeck_speed=float(rng.uniform(0.06, 0.15)),
        link_mass=rng.uniform(0.95, 1.05, len(stand.scene.body_ids)), imu_rate=float(rng.uniform(70.0, 100.0)),
    )  # fmt: skip


def _swap(signal: str, one: int, two: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        log[signal][:, [one, two]] = log[signal][:, [two, one]]

    return spoil


def _all(*faults: Fault) -> Fault:
    def spoil(log: RobotLog) -> None:
        for fault in faults:
            fault(log)

    return spoil


def _times(signal: str, factor: float, *columns: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        log[signal][:, list(columns) if columns else slice(None)] *= factor

    return spoil


def _plus(signal: str, amount: float, column: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        log[signal][:, column] += amount

    return spoil


def _set(signal: str, make: Callable[[RobotLog], np.ndarray]) -> Fault:
    def spoil(log: RobotLog) -> None:
        log.values[signal] = make(log)

    return spoil


def _late(seconds: float) -> Fault:
    def spoil(log: RobotLog) -> None:
        rows = round(seconds / log.dt)
        for signal in ("position", "velocity"):
            log.values[signal] = np.concatenate((np.repeat(log[signal][:1], rows, 0), log[signal][:-rows]))

    return spoil


def _shift(signal: str, rows: int, *joints: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        values, which = log[signal].copy(), list(joints) if joints else slice(None)
        values[:, which] = np.roll(values, rows, axis=0)[:, which]
        ends = slice(None, rows) if rows > 0 else slice(rows, None)
        values[ends] = log[signal][ends]
        log.values[signal] = values

    return spoil


def _quaternion(order: tuple[int, ...], signs: tuple[int, ...] = (1, 1, 1, 1)) -> Fault:
    def spoil(log: RobotLog) -> None:
        down = log.values.pop("gravity")
        half = np.stack([1.0 - down[:, 2], -down[:, 1], down[:, 0], np.zeros(len(down))], axis=1)
        log.values["quaternion"] = (signs * half / np.linalg.norm(half, axis=1, keepdims=True))[:, order]

    return spoil


def _clip(reach: float) -> Fault:
    return _set("target", lambda log: np.clip(log["target"], log["target"][0] - reach, log["target"][0] + reach))


def _noise(signal: str, size: float) -> Fault:
    return _set(signal, lambda log: log[signal] + size * np.random.default_rng(0).standard_normal(log[signal].shape))


def _rounded(signal: str, step: float) -> Fault:
    return _set(signal, lambda log: step * np.round(log[signal] / step))


def _counted_from(pose: dict[str, float], *signals: str) -> Fault:
    return _all(
        *(_set(name, lambda log, name=name: log[name] - [pose[j] for j in log.joint_names]) for name in signals)  # type: ignore[misc]
    )


def _freeze(joint: int, row: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        log["position"][row:, joint], log["velocity"][row:, joint] = log["position"][row, joint], 0.0

    return spoil


def _hold(signal: str, column: int | slice) -> Fault:
    def spoil(log: RobotLog) -> None:
        log[signal][:, column] = log[signal][0, column]

    return spoil


def _drop(first: int, last: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        for name, values in log.values.items():
            log.values[name] = np.delete(values, slice(first, last), axis=0)

    return spoil


def _thin(every: int) -> Fault:
    def spoil(log: RobotLog) -> None:
        for name, values in log.values.items():
            log.values[name] = values[::every]

    return spoil


def _axes(signal: str, order: tuple[int, int, int], signs: tuple[int, int, int] = (1, 1, 1)) -> Fault:
    def spoil(log: RobotLog) -> None:
        log.values[signal] = log[signal][:, order] * signs

    return spoil


def _tilt(degrees: float) -> Fault:
    def spoil(log: RobotLog) -> None:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        log.values["gravity"], log.values["gyro"] = log["gravity"] @ turn.T, log["gyro"] @ turn.T

    return spoil


def _sag(log: RobotLog) -> np.ndarray:
    return 24.0 - 5.0 * np.clip((log.time - log.time[0]) / 4.0, 0.0, 1.0)


def _jitter(log: RobotLog) -> np.ndarray:
    return np.sort(log.time + np.random.default_rng(0).uniform(-3.0, 3.0, len(log.time)) * log.dt)


def _again(log: RobotLog) -> np.ndarray:
    return np.repeat(log["position"][::4], 4, axis=0)[: len(log.time)]


def _both(factor: float, joint: int) -> Fault:
    return _all(*(_times(signal, factor, joint) for signal in ("target", "position", "velocity")))


POSE = QminiCfg.init_state.default_joint_angles
YAW_L, ROLL_L, PITCH_L, KNEE_L, ANKLE_L, YAW_R, ROLL_R, PITCH_R, KNEE_R, ANKLE_R = range(10)

FAULTS: dict[str, tuple[str, str, Fault]] = {
    # Name: topic of the finding, a part of its text, and what spoils the log.
    "encoders swapped, knee and ankle": ("order and sign", "knee_pitch_l shows the motor of ankle_pitch_l", _swap("position", KNEE_L, ANKLE_L)),
    "encoders swapped, left and right": ("order and sign", "hip_pitch_l shows the motor of hip_pitch_r", _swap("position", PITCH_L, PITCH_R)),
    "encoders swapped, yaw and roll": ("order and sign", "hip_yaw_r shows the motor of hip_roll_r", _swap("position", YAW_R, ROLL_R)),
    "targets swapped": ("order and sign", "swapped", _swap("target", KNEE_R, PITCH_R)),
    "sign of an encoder, knee": ("order and sign", "sign: knee_pitch_r", _times("position", -1, KNEE_R)),
    "sign of an encoder, roll": ("order and sign", "sign: hip_roll_l", _times("position", -1, ROLL_L)),
    "sign of an encoder, ankle": ("order and sign", "sign: ankle_pitch_l", _times("position", -1, ANKLE_L)),
    "stuck knee": ("order and sign", "stuck: knee_pitch_l", _hold("position", KNEE_L)),
    "stuck yaw": ("order and sign", "stuck: hip_yaw_r", _hold("position", YAW_R)),
    "all in degrees": ("scale", "it is in degrees", _all(*(_times(signal, 57.29578) for signal in ("target", "position", "velocity")))),
    "degrees": ("scale", "degrees", _times("position", 57.29578, PITCH_L)),
    "rotor side": ("scale", "rotor's side", _times("position", 6.33, ANKLE_R)),
    "gear of the roll left out": ("scale", "3:1", _times("position", 3.0, ROLL_R)),
    "zero in the log, knee": ("zero", "zero of knee_pitch_l is off by about +0.1", _plus("position", 0.1, KNEE_L)),
    "zero in the log, yaw": ("zero", "zero of hip_yaw_l is off by about -0.1", _plus("position", -0.12, YAW_L)),
    "zero in the log, pitch": ("zero", "zero of hip_pitch_r is off by about +0.", _plus("position", 0.15, PITCH_R)),
    "velocity in degrees": ("velocity", "degrees", _times("velocity", 57.29578)),
    "velocity of the rotor": ("velocity", "hip_pitch_l is 6", _times("velocity", 6.33, PITCH_L)),
    "velocity in rpm": ("velocity", "minute", _times("velocity", 9.549, KNEE_R)),
    "velocity's sign": ("velocity", "velocity of ankle_pitch_r has the wrong sign", _times("velocity", -1, ANKLE_R)),
    "velocities swapped": ("velocity", "hip_yaw_l has the velocity of", _swap("velocity", YAW_L, PITCH_L)),
    "no velocity": ("velocity", "knee_pitch_r has no velocity", _times("velocity", 0, KNEE_R)),
    "gyro's x and y": ("gyro", "exchanged", _axes("gyro", (1, 0, 2))),
    "gyro's sign": ("gyro", "sign of x", _axes("gyro", (0, 1, 2), (-1, 1, 1))),
    "gyro turned about z": ("gyro", "exchanged", _axes("gyro", (1, 0, 2), (1, -1, 1))),
    "gyro in degrees": ("gyro", "degrees", _times("gyro", 57.29578)),
    "gravity's sign": ("IMU mount", "points up", _times("gravity", -1)),
    "gravity along x": ("IMU mount", "along x", _axes("gravity", (2, 1, 0))),
    "gravity in m/s2": ("IMU units of gravity", "9.81", _times("gravity", 9.81)),
    "leaning IMU": ("IMU mount", "leans by", _tilt(8.0)),
    "slow log": ("sample rate", "25 rows", _thin(10)),
    "milliseconds": ("sample rate", "are in milliseconds", _set("time", lambda log: 1e3 * log.time)),
    "jitter": ("jitter", "varies", _set("time", _jitter)),
    "spikes": ("spikes", "knee_pitch_l", lambda log: log["position"].__setitem__((slice(500, 2000, 500), KNEE_L), 0.0)),
    "frozen gravity": ("gyro", "gravity stays constant", _hold("gravity", slice(None))),
    "gap": ("gaps", "1 gaps", _drop(700, 750)),
    "repeated samples": ("repeated samples", "repeat", _set("position", _again)),
    "old IMU": ("IMU age", "ms old", _set("imu_time", lambda log: log["imu_time"] - 0.05)),
    "slow IMU": ("IMU age", "samples per second", _set("imu_time", lambda log: np.floor(log.time * 30.0) / 30.0)),
    "late joints": ("latency", "later", _late(0.04)),
    "P gain of a joint": ("gains", "kp of hip_roll_l is 20", _set("kp", lambda log: np.where(np.arange(10) == ROLL_L, 20.0, log["kp"]))),
    "D gains": ("gains", "kd of all joints", _times("kd", 0.1)),
    "battery": ("battery", "sags", _set("voltage", _sag)),
    "turned motor": ("wiring", "hip_pitch_l turns the wrong way", _both(-1.0, PITCH_L)),
    "late velocity": ("velocity", "all joints are 40 ms later", _shift("velocity", 10)),
    "early velocity of a joint": ("velocity", "velocities of hip_roll_r are 40 ms earlier", _shift("velocity", -10, ROLL_R)),
    "large velocity": ("velocity", "all velocities are 1.3", _times("velocity", 1.3)),
    "large velocity of a joint": ("velocity", "velocity of knee_pitch_l is 1.", _times("velocity", 1.3, KNEE_L)),
    "clock twice as fast": ("velocity", "or that of the time stamps", _set("time", lambda log: 0.5 * log.time)),
    "targets of earlier rows": ("latency", "before their targets", _shift("target", 10)),
    "targets of later rows": ("latency", "later than they should", _shift("target", -10)),
    "one target of an earlier row": ("timing of joints", "knee_pitch_l follows its target", _shift("target", 10, KNEE_L)),
    "gyro's axis is dead": ("IMU axes", "gyro of y never changes", _hold("gyro", 1)),
    "gyro's vertical axis is dead": ("IMU axes", "gyro of z never changes", _times("gyro", 0.0, 2)),
    "gravity's axis is dead": ("IMU axes", "gravity of x never changes", _hold("gravity", 0)),
    "late gyro": ("gyro", "ms later than gravity", _shift("gyro", 25)),
    "late gravity": ("gyro", "ms earlier than gravity", _shift("gravity", 50)),
    "large gyro": ("gyro", "it turns 1.3", _times("gyro", 1.3)),
    "gyro's axis in degrees": ("gyro", "its x turns 57", _times("gyro", 57.29578, 0)),
    "gyro's bias": ("gyro", "at rest", _plus("gyro", 0.2, 1)),
    "x, y, z, w": ("gyro", "write w first", _quaternion((1, 2, 3, 0))),
    "inverse quaternion": ("gyro", "turns the world into the base", _quaternion((0, 1, 2, 3), (1, -1, -1, -1))),
    "gravity of another size": ("IMU units of gravity", "normalise", _times("gravity", 2.0)),
    "a joint in degrees": ("scale", "target of ankle_pitch_l lies far beyond", _both(57.29578, ANKLE_L)),
    "targets from the usual pose": ("scale", "target are relative to the usual pose", _counted_from(POSE, "target")),
    "angles from the usual pose": ("scale", "position are relative to the usual pose", _counted_from(POSE, "position")),
    "a whole turn": ("range", "whole turns off", _plus("position", 2.0 * np.pi, KNEE_R)),
    "gains of two joints swapped": ("gains", "kp of hip_roll_l is 30", _all(_swap("kp", ROLL_L, PITCH_L), _swap("kd", ROLL_L, PITCH_L))),
    "gains exchanged": ("gains", "kp and kd are exchanged", lambda log: log.values.update(kp=log["kd"], kd=log["kp"])),
    "clipped targets": ("clipping", "clipped", _clip(0.05)),
    "a target that is not logged": ("order and sign", "moves though its target stands still", _hold("target", PITCH_L)),
    "angles with two digits": ("resolution", "position comes in steps of 0.02", _rounded("position", 0.02)),
    "rounded velocities": ("resolution", "velocity comes in steps of 0.5", _rounded("velocity", 0.5)),
    "noisy angles": ("noise", "position has noise", _noise("position", 0.03)),
    "noisy velocities": ("noise", "velocity has noise", _noise("velocity", 2.0)),
    "noisy gyro": ("noise", "gyro has noise", _noise("gyro", 1.0)),
    "stuck later": ("order and sign", "knee_pitch_r stands still from 4.0 s", _freeze(KNEE_R, 1000)),
    "flat battery": ("battery", "has 12.0 V", _set("voltage", lambda log: np.full(len(log.time), 12.0))),
    "millivolts": ("battery", "millivolts", _set("voltage", lambda log: np.full(len(log.time), 24000.0))),
    "turned knee": ("wiring", "knee_pitch_r turns the wrong way", _both(-1.0, KNEE_R)),
    "legs exchanged in what is read": ("order and sign", "hip_pitch_l shows the motor of hip_pitch_r", _all(*(_set(name, lambda log, name=name: np.roll(log[name], 5, axis=1)) for name in ("position", "velocity")))),
    "legs exchanged in all": ("scale", "legs are exchanged", _all(*(_set(name, lambda log, name=name: np.roll(log[name], 5, axis=1)) for name in ("target", "position", "velocity")))),
    "an encoder's whole turn, later": ("spikes", "knee_pitch_r jumps by a whole turn at", lambda log: log["position"].__setitem__((slice(700, None), KNEE_R), log["position"][700:, KNEE_R] + 2.0 * np.pi)),
    "zeros in five rows": ("spikes", "jumps 2 times", lambda log: log["position"].__setitem__(slice(900, 905), 0.0)),
    "a joint's scale": ("scale", "knee_pitch_l shows 1.1", _times("position", 1.2, KNEE_L)),
    "every seventh row is lost": ("gaps", "single rows are missing", lambda log: log.values.update({k: v[np.arange(len(v)) % 7 != 6] for k, v in log.values.items()})),
    "rows written twice": ("rows", "rows are written twice", lambda log: log.values.update({k: np.repeat(v, np.where(np.arange(len(v)) % 50, 1, 2), axis=0) for k, v in log.values.items()})),
    "a velocity that stops": ("velocity", "velocity of knee_pitch_l stands still", lambda log: log["velocity"].__setitem__((slice(800, 925), KNEE_L), log["velocity"][800, KNEE_L])),
    "an IMU that pauses": ("IMU axes", "gyro and gravity stay constant from", lambda log: [log[name].__setitem__(slice(200, 325), log[name][200]) for name in ("gyro", "gravity")]),
    "gravity's x": ("gyro", "or of gravity's x", _times("gravity", -1.0, 0)),
    "z, w, x, y": ("gyro", "numbers of a quaternion", _quaternion((3, 0, 1, 2))),
}  # fmt: skip
"""Faults that can be put into a healthy log."""
