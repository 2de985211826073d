"""Checks of logs: every fault is named, alone and in pairs, and healthy robots raise no alarm."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
from robot_logs import FAULTS, first_motion, held_leaning, some_robot

from legged_gym.this_robot.checks import check
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.signal_checks import Finding
from legged_gym.this_robot.stand import Stand, simulate

HEALTHY = 10
"""Fifty were tried, with seeds from 100, and none raised an alarm."""


@pytest.fixture(scope="module")
def stand() -> Stand:
    return Stand()


@pytest.fixture(scope="module")
def logs(stand: Stand) -> list[RobotLog]:
    trajectory = first_motion(stand)
    return [simulate(stand, trajectory, some_robot(stand, seed), seed, rate=250.0) for seed in range(4)]


Failed = Callable[..., list[Finding]]


@pytest.fixture
def failed(stand: Stand, logs: list[RobotLog]) -> Failed:
    """Return what fails of a healthy log with some faults."""

    def run(robot: int, *faults: str) -> list[Finding]:
        log = copy.deepcopy(logs[robot % len(logs)])
        for fault in faults:
            FAULTS[fault][2](log)
        return [finding for finding in check(log, stand) if finding.passed is False]

    return run


def named(fault: str, found: list[Finding]) -> bool:
    topic, text, _ = FAULTS[fault]
    return any(finding.topic == topic and text in finding.text for finding in found)


def test_there_are_enough_faults() -> None:
    assert len(FAULTS) >= 40


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str, failed: Failed) -> None:
    found = failed(list(FAULTS).index(fault), fault)
    assert named(fault, found), found


PAIRS = [
    ("stuck knee", "velocity in degrees"), ("sign of an encoder, roll", "gyro in degrees"), ("degrees", "leaning IMU"),
    ("encoders swapped, knee and ankle", "gravity in m/s2"), ("velocity's sign", "battery"), ("gap", "old IMU"),
    ("zero in the log, yaw", "zero in the log, pitch"), ("sign of an encoder, knee", "sign of an encoder, ankle"),
    ("gyro's sign", "gravity in m/s2"), ("stuck yaw", "no velocity"), ("targets swapped", "gyro's x and y"),
    ("rotor side", "velocity of the rotor"), ("late joints", "slow IMU"), ("P gain of a joint", "gyro in degrees"),
    ("encoders swapped, left and right", "velocity in rpm"), ("zero in the log, knee", "velocities swapped"),
    ("turned knee", "old IMU"), ("sign of an encoder, ankle", "encoders swapped, yaw and roll"),
    ("gear of the roll left out", "stuck knee"), ("battery", "zero in the log, pitch"),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_both_of_two_faults_are_named(pair: tuple[str, str], failed: Failed) -> None:
    found = failed(PAIRS.index(pair), *pair)
    assert all(named(fault, found) for fault in pair), found


def test_signals_without_numbers_show_nothing(stand: Stand, logs: list[RobotLog]) -> None:
    log = copy.deepcopy(logs[0])
    log.values |= {"voltage": np.full(len(log.time), np.nan), "imu_time": np.full(len(log.time), np.nan)}
    assert {f.topic for f in check(log, stand) if f.passed is None} >= {"battery", "IMU age"}
    log.values["imu_time"][::2] = log.time[::2] - 0.05
    assert any("50 ms old" in finding.text for finding in check(log, stand) if finding.topic == "IMU age")


def test_healthy_robots_raise_no_alarm(stand: Stand) -> None:
    trajectory = first_motion(stand)
    alarms = []
    for seed in range(100, 100 + HEALTHY):
        log = simulate(stand, trajectory, some_robot(stand, seed), seed, rate=250.0)
        alarms += [finding for finding in check(log, stand) if finding.passed is False]
    assert not alarms


def test_a_weak_motor_is_named(stand: Stand) -> None:
    robot = some_robot(stand, 1)
    robot.strength[2], robot.strength[8] = 0.4, 0.45
    log = simulate(stand, first_motion(stand), robot, 1, rate=250.0)
    text = next(finding.text for finding in check(log, stand) if finding.topic == "strength")
    assert "hip_pitch_l gives" in text and "knee_pitch_r gives" in text and text.count("too weak") == 2


def test_a_zero_that_the_motor_has_wrong_is_named(stand: Stand) -> None:
    robot = some_robot(stand, 2)
    robot.zero_offset[2] = 0.25
    log = simulate(stand, first_motion(stand), robot, 2, rate=250.0)
    assert "hip_pitch_l" in next(finding.text for finding in check(log, stand) if finding.topic == "zero")


def test_motors_that_are_swapped_with_their_encoders_are_named(stand: Stand) -> None:
    """What is called hip pitch is the ankle, and the other way round: each follows the target of its name."""
    trajectory, pair, turned = first_motion(stand), [2, 4], [4, 2]
    for signal in ("target", "kp", "kd"):
        trajectory[signal][:, pair] = trajectory[signal][:, turned]
    log = simulate(stand, trajectory, some_robot(stand, 0), 0, rate=250.0)
    for signal in ("target", "position", "velocity", "kp", "kd"):
        log[signal][:, pair] = log[signal][:, turned]
    text = " ".join(finding.text for finding in check(log, stand) if finding.passed is False)
    assert "hip_pitch_l and ankle_pitch_l are swapped" in text


@pytest.mark.parametrize("degrees", [0, 60, 90, 180, 270])
def test_an_imu_that_is_turned_about_the_vertical_is_named(degrees: int, stand: Stand) -> None:
    """Gravity pulls at the joints of a base that leans, from another side than the IMU shows."""
    log = simulate(stand, held_leaning(stand), some_robot(stand, degrees), degrees, rate=250.0)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    for signal in ("gravity", "gyro"):
        log.values[signal] = log[signal] @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    failed = [finding for finding in check(log, stand) if finding.passed is False]
    if degrees:
        assert [finding.topic for finding in failed] == ["IMU heading"] and f"by {degrees}°" in failed[0].text
    else:
        assert not failed and next(f for f in check(log, stand) if f.topic == "IMU heading").passed
