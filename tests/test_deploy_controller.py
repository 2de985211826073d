"""The controller's rules, one by one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from deploy_policies import KD, KP, POSE, write_policy

from legged_gym.deploy.controller import TILT_LIMIT, Controller, Sensors, projected_gravity, stand_command, tilt
from legged_gym.policies.exported import load_policy

WALK = (0.4, 0.0, 0.3)


def make_controller(folder: Path, **changes: object) -> Controller:
    return Controller(load_policy(write_policy(folder, **changes)))  # type: ignore[arg-type]


def turned(roll: float = 0.0, pitch: float = 0.0) -> np.ndarray:
    """Return the attitude wxyz of a roll or a pitch, rad."""
    angle = roll + pitch
    assert roll == 0.0 or pitch == 0.0
    return np.array([math.cos(angle / 2), math.sin(roll / 2), math.sin(pitch / 2), 0.0])


def sensors(quat: np.ndarray | None = None, value: float = 0.0) -> Sensors:
    quat = turned() if quat is None else quat
    return Sensors(quat, np.full(3, value), np.array(POSE) + value, np.full(10, value))


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ((0.04, 0.0, 0.3), (0.0, 0.0, 0.3)),
        ((-0.04, 0.049, -0.3), (0.0, 0.0, -0.3)),
        ((0.4, 0.06, 0.09), (0.4, 0.06, 0.0)),
        ((-0.4, -0.06, -0.11), (-0.4, -0.06, -0.11)),
        ((0.05, 0.05, 0.1), (0.05, 0.05, 0.1)),
        ((0.049, -0.049, 0.099), (0.0, 0.0, 0.0)),
    ],
)
def test_each_component_of_the_command_has_its_own_dead_band(
    tmp_path: Path, command: tuple[float, ...], left: tuple[float, ...]
) -> None:
    controller = make_controller(tmp_path)
    controller.update(sensors(), command)
    np.testing.assert_array_equal(controller.command, left)
    observed = controller.observe(sensors())[0, 6:9]
    np.testing.assert_allclose(observed, np.array(left) * (2.0, 2.0, 0.25), atol=1e-7)


def test_clock_runs_while_walking_and_is_held_at_zero_while_standing(tmp_path: Path) -> None:
    controller = make_controller(tmp_path)
    phases = []
    for command in [(0.0, 0.0, 0.0)] * 3 + [WALK] * 27 + [(0.04, 0.0, 0.0)] * 2 + [WALK] * 2:
        controller.update(sensors(), command)
        phases.append(controller.phase)
    walking = (0.04 * np.arange(27)) % 1.0
    np.testing.assert_allclose(phases, [0.0, 0.0, 0.0, *walking, 0.0, 0.0, 0.0, 0.04], atol=1e-9)


def test_legs_are_half_a_period_apart_and_the_left_one_leads(tmp_path: Path) -> None:
    controller = make_controller(tmp_path)
    np.testing.assert_allclose(controller.observe(sensors())[0, 39:43], [0.0, 0.0, 1.0, -1.0], atol=1e-6)
    for _ in range(7):
        controller.update(sensors(), WALK)
    angle = 2.0 * math.pi * 6 * 0.04
    expected = [math.sin(angle), math.sin(angle + math.pi), math.cos(angle), math.cos(angle + math.pi)]
    np.testing.assert_allclose(controller.observe(sensors())[0, 39:43], expected, atol=1e-6)


def test_history_is_filled_with_the_first_step_and_then_moves_on_newest_first(tmp_path: Path) -> None:
    controller = make_controller(tmp_path)
    first = controller.observe(sensors(value=1.0)).reshape(5, 43)
    assert (first == first[0]).all()
    second = controller.observe(sensors(value=2.0)).reshape(5, 43)
    np.testing.assert_array_equal(second[1:], first[:4])
    np.testing.assert_allclose(second[0, 19:29], 2.0 * 0.05)
    third = controller.observe(sensors(value=3.0)).reshape(5, 43)
    np.testing.assert_array_equal(third[1:], second[:4])
    controller.start()
    again = controller.observe(sensors(value=3.0)).reshape(5, 43)
    assert (again == again[0]).all()


def test_observation_holds_every_term_in_its_place_and_scale(tmp_path: Path) -> None:
    controller = make_controller(tmp_path, actor=0.1)
    controller.update(sensors(value=0.3), WALK)
    quat = turned(pitch=0.2)
    step = controller.observe(Sensors(quat, np.array([1.0, 2.0, 3.0]), np.arange(10.0), np.arange(10.0, 20.0)))[0, :43]
    np.testing.assert_allclose(step[0:3], [0.25, 0.5, 0.75])
    # Leaning forward, the base's x axis points down a little: gravity has a part along it.
    np.testing.assert_allclose(step[3:6], [math.sin(0.2), 0.0, -math.cos(0.2)], atol=1e-7)
    np.testing.assert_allclose(step[6:9], [0.8, 0.0, 0.075], atol=1e-7)
    np.testing.assert_allclose(step[9:19], np.arange(10.0) - POSE, atol=1e-6)
    np.testing.assert_allclose(step[19:29], 0.05 * np.arange(10.0, 20.0), atol=1e-6)
    np.testing.assert_array_equal(step[29:39], controller.action)
    assert np.abs(controller.action).max() > 0.0


def test_nothing_is_clipped(tmp_path: Path) -> None:
    controller = make_controller(tmp_path, actor=10.0)
    quick = Sensors(turned(), np.full(3, 1e4), np.array(POSE), np.zeros(10))
    command = controller.update(quick, WALK)
    assert controller.observe(quick)[0, 0] == 2500.0
    assert np.abs(controller.action).max() > 1000.0
    np.testing.assert_allclose(command.target, np.array(POSE) + 0.25 * controller.action, rtol=1e-6)


def test_estimator_feeds_the_actor_and_its_velocity_is_in_metres_per_second(tmp_path: Path) -> None:
    policy = load_policy(write_policy(tmp_path, actor=0.1, estimator=0.1))
    controller = Controller(policy)
    measured = sensors(value=0.2)
    observation = Controller(policy).observe(measured)
    controller.update(measured, (0.0, 0.0, 0.0))
    estimate = policy.estimator.run(None, {"input": observation})[0]
    action = policy.actor.run(None, {"input": np.hstack((observation, estimate))})[0]
    np.testing.assert_array_equal(controller.action, action[0])
    np.testing.assert_allclose(controller.velocity, estimate[0, :3] / 2.0)
    np.testing.assert_array_equal(controller.contacts, estimate[0, 3:])


@pytest.mark.parametrize("axis", ["roll", "pitch"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_robot_goes_limp_past_twenty_degrees_and_stays_so(tmp_path: Path, axis: str, sign: float) -> None:
    controller = make_controller(tmp_path)
    almost = turned(**{axis: sign * math.radians(19.9)})
    assert controller.update(sensors(almost), WALK).kp.tolist() == KP
    assert not controller.limp
    over = turned(**{axis: sign * math.radians(20.1)})
    for attitude in (over, turned()):
        command = controller.update(sensors(attitude), WALK)
        assert controller.limp
        assert not command.torques(np.full(10, 1.0), np.full(10, 1.0)).any()
    controller.start()
    assert controller.update(sensors(), WALK).kd.tolist() == KD


def test_tilt_is_the_larger_of_roll_and_pitch_whatever_the_heading() -> None:
    rng = np.random.default_rng(0)
    for roll, pitch, yaw in rng.uniform(-1.2, 1.2, (50, 3)) * (1.0, 1.0, 2.5):
        half = 0.5 * np.array([roll, pitch, yaw])
        (sr, sp, sy), (cr, cp, cy) = np.sin(half), np.cos(half)
        quat = np.array([cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy,
                         cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy])  # fmt: skip
        assert tilt(quat) == pytest.approx(max(abs(roll), abs(pitch)), abs=1e-9)
        down = [math.sin(pitch), -math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch)]
        np.testing.assert_allclose(projected_gravity(quat), down, atol=1e-12)
    # Lying on its back, and hanging head down.
    assert tilt(np.array([0.0, 1.0, 0.0, 0.0])) > TILT_LIMIT


def test_motors_answer_by_the_pd_law_without_limits(tmp_path: Path) -> None:
    config = load_policy(write_policy(tmp_path)).config
    command = stand_command(config)
    assert not command.torques(np.array(POSE), np.zeros(10)).any()
    torques = command.torques(np.array(POSE) - 2.0, np.full(10, 3.0))
    np.testing.assert_allclose(torques, 2.0 * np.array(KP) - 3.0 * np.array(KD))
