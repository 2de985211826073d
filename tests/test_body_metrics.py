"""How upright robots walk, what their motors have left and how feet come down, on motions worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_evaluate_metrics import DT, leaning, rollout

from legged_gym.evaluation import body_metrics as body
from legged_gym.evaluation.metrics import measure

SETTLED = round(1.0 / DT)


def test_lean_is_each_trials_mean_and_the_largest_angle_counts_only_once_settled() -> None:
    robots = rollout(trials=2)
    robots.base_quat[:, 0] = leaning(pitch=0.1)
    robots.base_quat[:, 1] = leaning(pitch=-0.1)
    robots.base_quat[0, 0] = leaning(pitch=0.9)
    robots.base_quat[-1, 1] = leaning(pitch=0.3)
    figures = measure(robots)
    rows = robots.steps - SETTLED
    assert figures["pitch_mean"] == pytest.approx(math.degrees((0.1 + 0.1 - 0.4 / rows) / 2.0), rel=1e-6)
    assert figures["pitch_max"] == pytest.approx(math.degrees(0.3))
    assert (figures["roll_mean"], figures["roll_max"]) == (0.0, 0.0)
    robots.base_quat[-1, 0] = leaning(roll=-0.2)
    assert measure(robots)["roll_max"] == pytest.approx(math.degrees(0.2))


def test_turning_error_is_of_trials_that_turn_on_the_spot() -> None:
    robots = rollout(trials=3)
    robots.commands[:, 0, 2], robots.yaw_rate[:, 0] = 0.5, 0.45
    robots.commands[:, 1, 2], robots.yaw_rate[:, 1] = -0.5, -0.55
    robots.commands[:, 2, 0], robots.commands[:, 2, 2] = 0.3, 0.5
    assert body.turning_error(robots) == pytest.approx(0.1)
    assert math.isnan(body.turning_error(rollout()))


def test_motors_are_compared_with_their_line_of_torque_and_speed() -> None:
    robots = rollout(torque_limits=np.array([20.0, 60.0]))
    robots.torques[..., 0], robots.torques[..., 1] = 4.0, -3.0
    assert body.torque_rms(robots) == pytest.approx(4.0)
    robots.torques[50, 0, 0], robots.dof_vel[50, 0, 0] = 10.0, 4.0
    assert body.motor_load(robots) == pytest.approx(0.5 + 0.4)
    # A motor that brakes can give all of its torque.
    robots.dof_vel[50, 0, 0] = -4.0
    assert body.motor_load(robots) == pytest.approx(0.5)
    assert math.isnan(body.motor_load(rollout()))


def test_steps_have_a_frequency_a_height_and_an_impact() -> None:
    robots = rollout(steps=SETTLED + 200, trials=1)
    robots.commands[..., 0] = 0.4
    # A step of the left foot every 25 rows: 10 of them in the air, half up to 5 cm, half down to a stair of 2 cm.
    swing = np.concatenate((np.linspace(0.01, 0.05, 5), np.linspace(0.05, 0.03, 5)))
    for number, first in enumerate(range(SETTLED + 5, SETTLED + 180, 25)):
        ground = 0.02 * number
        robots.foot_contact[first : first + 10, 0, 0] = False
        robots.foot_pos[first : first + 10, 0, 0, 2] = ground + swing
        robots.foot_pos[first + 10 :, 0, 0, 2] = ground + 0.02
    assert body.step_frequency(robots) == pytest.approx(0.5 * 7 / (200 * DT))
    assert body.step_height(robots) == pytest.approx(0.03)
    assert body.foot_impact(robots) == pytest.approx(0.005 / DT), "of the row before it touches"
    assert math.isnan(body.step_frequency(rollout()))
    flat = rollout(steps=SETTLED + 60, trials=1)
    for first, height in ((SETTLED + 5, 0.1), (SETTLED + 35, 0.05)):
        flat.foot_contact[first : first + 10, 0, 0] = False
        flat.foot_pos[first : first + 10, 0, 0, 2] = height
    assert body.step_height(flat) == pytest.approx(0.075), "each from its own highest point"
