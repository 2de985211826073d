"""Metrics of made-up trials whose figures can be worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from qmini_training import QMINI_LABELS

from legged_gym.evaluation import metrics, motion
from legged_gym.evaluation.metrics import METRIC, METRICS, measure
from legged_gym.evaluation.rollout import Rollout

DT = 0.02
SECOND = 50
JOINTS, FEET = 2, 2


def rollout(steps: int = 200, trials: int = 3, **changes: Any) -> Rollout:
    """Return robots that stand still, upright and with both feet on the ground, at the command zero."""
    shape = (steps, trials)
    values: dict[str, Any] = {
        "dt": DT,
        "commands": np.zeros((*shape, 3)),
        "lin_vel": np.zeros((*shape, 3)),
        "yaw_rate": np.zeros(shape),
        "base_pos": np.zeros((*shape, 3)),
        "base_quat": np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*shape, 4)).copy(),
        "dof_pos": np.zeros((*shape, JOINTS)),
        "dof_vel": np.zeros((*shape, JOINTS)),
        "torques": np.zeros((*shape, JOINTS)),
        "actions": np.zeros((*shape, JOINTS)),
        "foot_contact": np.ones((*shape, FEET), dtype=bool),
        "foot_pos": np.zeros((*shape, FEET, 3)),
        "sole_vel": np.zeros((*shape, FEET, 2)),
        "rows": np.full(trials, steps),
        "mass": np.full(trials, 10.0),
        "dof_vel_limits": np.array([10.0, 30.0]),
        "estimate": np.concatenate((np.zeros((*shape, 3)), np.ones((*shape, FEET))), axis=-1),
        "labels": QMINI_LABELS,
    }
    return Rollout(**{**values, **changes})


def leaning(roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> list[float]:
    """Return the quaternion xyzw of a single turn about one axis."""
    axis = np.array([roll, pitch, yaw])
    angle = float(np.linalg.norm(axis))
    return [*(axis / max(angle, 1e-12) * math.sin(angle / 2)), math.cos(angle / 2)]


def test_perfect_standing() -> None:
    figures = measure(rollout())
    zero = ["falls", "protection_steps", "protection_trials", "vx_rmse", "vy_rmse", "yaw_rmse", "drift_max",
            "standing_steps", "estimator_rmse", "torque", "power", "action_change", "joint_speed_peak", "foot_slip",
            "sway"]  # fmt: skip
    assert {name: figures[name] for name in zero} == dict.fromkeys(zero, 0.0)
    assert figures["contact_accuracy"] == 100.0
    # Nobody walks.
    assert all(math.isnan(figures[name]) for name in ("cost_of_transport", "stance_asymmetry", "step_asymmetry"))
    assert list(figures) == [metric.name for metric in METRICS]


@pytest.mark.parametrize("angles", [(0.3, -0.2, 1.0), (-1.1, 0.7, -2.5), (0.0, 0.0, 0.0)])
def test_euler_angles_agree_with_those_of_the_task(angles: tuple[float, float, float]) -> None:
    import torch

    from legged_gym.common.rotations import quat_from_euler_xyz

    quat = quat_from_euler_xyz(*(torch.tensor([angle], dtype=torch.float64) for angle in angles)).numpy()
    assert np.concatenate(motion.roll_pitch_yaw(quat)) == pytest.approx(angles, abs=1e-9)


def test_a_fall_is_a_termination_or_a_tilt_past_sixty_degrees() -> None:
    lying = rollout()
    lying.rows[0] = 120
    lying.base_quat[150:, 1] = leaning(roll=math.radians(61.0))
    lying.base_quat[150:, 2] = leaning(pitch=math.radians(59.0))
    assert motion.fell(lying).tolist() == [True, True, False]
    assert motion.standing_rows(lying).tolist() == [120, 150, 200]
    assert metrics.falls(lying) == pytest.approx(2 / 3)


def test_fall_protection_counts_rows_before_a_fall_and_trials() -> None:
    leant = rollout()
    leant.base_quat[10:30, 0] = leaning(pitch=math.radians(-21.0))
    leant.base_quat[10:30, 1] = leaning(roll=math.radians(19.0))
    leant.rows[2] = 100
    leant.base_quat[100:, 2] = leaning(roll=1.5)
    assert metrics.protection_steps(leant) == pytest.approx(20 / 500)
    # The third fell without having been seen past the cut-out.
    assert metrics.protection_trials(leant) == pytest.approx(2 / 3)


def test_yaw_is_no_tilt() -> None:
    turned = rollout()
    turned.base_quat[:] = leaning(yaw=2.0)
    assert motion.tilt(turned).max() == pytest.approx(0.0, abs=1e-6)
    assert metrics.protection_steps(turned) == 0.0


def test_a_second_after_start_and_new_command_does_not_count() -> None:
    told = rollout(steps=200, trials=1)
    told.commands[100:, 0, 0] = 0.4
    rows = motion.settled(told)[:, 0]
    assert np.flatnonzero(rows).tolist() == [*range(50, 100), *range(150, 200)]
    told.lin_vel[150:, 0, 0] = 0.3
    assert metrics.tracking_rmse(told, 0) == pytest.approx(0.1 / math.sqrt(2.0))
    assert metrics.tracking_bias(told, 0) == pytest.approx(-0.05)


def test_tracking_per_axis_leaves_out_what_comes_after_a_fall() -> None:
    walk = rollout(trials=2)
    walk.commands[..., 0], walk.commands[..., 2] = 0.5, 0.3
    walk.lin_vel[..., 0], walk.lin_vel[..., 1], walk.yaw_rate[:] = 0.4, 0.05, 0.5
    walk.lin_vel[100:, 1, 0] = 99.0
    walk.rows[1] = 100
    assert [metrics.tracking_rmse(walk, axis) for axis in range(3)] == pytest.approx([0.1, 0.05, 0.2])
    assert metrics.tracking_bias(walk, 2) == pytest.approx(0.2)


def test_mean_error_is_blind_to_the_gaits_rhythm_but_not_to_opposite_biases() -> None:
    walk = rollout(steps=150, trials=2)
    walk.lin_vel[:, 0, 0] = 0.1 + 0.3 * np.resize([1.0, -1.0], 150)
    walk.lin_vel[:, 1, 0] = -0.1
    assert metrics.tracking_mean_error(walk, 0) == pytest.approx(0.1)
    assert metrics.tracking_bias(walk, 0) == pytest.approx(0.0)


def test_sway_is_about_each_trials_mean() -> None:
    walk = rollout(steps=150, trials=2)
    walk.lin_vel[:, 0, 1] = 0.5 + 0.2 * np.resize([1.0, -1.0], 150)
    walk.lin_vel[:, 1, 1] = -0.5 + 0.2 * np.resize([1.0, -1.0], 150)
    assert metrics.sway(walk) == pytest.approx(0.2)


def test_drift_is_the_farthest_of_standing_trials_from_where_they_settled() -> None:
    stand = rollout(trials=3)
    stand.base_pos[..., 0] = np.linspace(1.0, 2.0, 200)[:, None]
    stand.base_pos[50:, 0, 0] = 5.0
    stand.base_pos[120, 0, :2] = [5.03, 0.04]
    stand.base_pos[50:, 1, :2] = [7.0, 7.0]
    stand.commands[10:20, 2, 2] = 0.5  # No standing trial.
    figures = measure(stand)
    assert figures["drift_max"] == pytest.approx(5.0)
    assert figures["drift_mean"] == pytest.approx(2.5)


def test_drift_without_standing_trials_or_when_all_fell_at_once() -> None:
    walk = rollout(trials=2)
    walk.commands[..., 0] = 0.3
    assert math.isnan(metrics.drift(walk, np.max))
    fallen = rollout(trials=2, rows=np.array([10, 20]))
    assert math.isnan(metrics.drift(fallen, np.max))
    assert metrics.falls(fallen) == 1.0


def test_steps_are_swings_of_at_least_two_rows() -> None:
    stand = rollout(trials=2)
    stand.foot_contact[20:30, 0, 0] = False  # Before it counts.
    stand.foot_contact[60:70, 0, 0] = False
    stand.foot_contact[80:82, 0, 1] = False
    stand.foot_contact[100, 0, 1] = False  # A flicker.
    assert np.argwhere(motion.touchdowns(stand)).tolist() == [[30, 0, 0], [70, 0, 0], [82, 0, 1]]
    assert metrics.steps_while_standing(stand) == pytest.approx(1.0)


def test_estimator_errors_by_axis_and_together() -> None:
    guess = rollout(trials=1)
    assert guess.estimate is not None
    guess.lin_vel[:] = [0.3, 0.0, -0.1]
    guess.estimate[..., :3] = [0.33, -0.04, -0.1]
    guess.estimate[..., 3] = 0.4
    assert [metrics.estimator_rmse(guess, axis) for axis in range(3)] == pytest.approx([0.03, 0.04, 0.0])
    assert metrics.estimator_rmse(guess) == pytest.approx(0.05 / math.sqrt(3.0))
    assert metrics.contact_accuracy(guess) == pytest.approx(0.5)


def test_a_policy_without_an_estimator_has_no_estimator_errors() -> None:
    figures = measure(rollout(estimate=None))
    assert math.isnan(figures["estimator_rmse"])
    assert math.isnan(figures["contact_accuracy"])
    assert METRIC["estimator_rmse"].show(figures["estimator_rmse"]) == "-"


def test_torque_power_and_cost_of_transport() -> None:
    walk = rollout(trials=2)
    walk.torques[:] = [4.0, -2.0]
    walk.dof_vel[:] = [3.0, 5.0]  # The second joint brakes.
    walk.commands[:, 0, 0] = -0.5
    walk.lin_vel[:, 0, 0] = -0.4
    walk.lin_vel[:, 0, 1] = 3.0  # Sideways is no progress.
    walk.commands[:, 1, 0] = 0.1  # Too slow to count.
    figures = measure(walk)
    assert figures["torque"] == pytest.approx(3.0)
    assert figures["power"] == pytest.approx(12.0)
    assert figures["cost_of_transport"] == pytest.approx(12.0 / (10.0 * 9.81 * 0.4))
    walk.lin_vel[:, 0, 0] = 0.4
    assert math.isnan(metrics.cost_of_transport(walk))


def test_action_change_is_a_mean_over_joints() -> None:
    walk = rollout(trials=1)
    walk.actions[:, 0, 0] = np.arange(200) * 0.2
    assert metrics.action_change(walk) == pytest.approx(0.1)
    walk.actions[:] = 0.0
    settled = metrics.motion.settled(walk)[:, 0]
    # A change belongs to the step that brings it.
    walk.actions[settled.argmax() :, 0, 0] = 2.0 * settled.sum()
    assert metrics.action_change(walk) == pytest.approx(1.0)


def test_joint_speed_is_a_share_of_each_joints_limit() -> None:
    walk = rollout(trials=2, rows=np.array([200, 100]))
    walk.dof_vel[7, 0] = [-5.0, 12.0]
    walk.dof_vel[150, 1] = 1000.0
    assert measure(walk)["joint_speed_peak"] == pytest.approx(50.0)
    assert math.isnan(measure(rollout(dof_vel_limits=np.array([np.inf, np.inf])))["joint_speed_peak"])


def test_slip_counts_in_the_midst_of_contact_only() -> None:
    walk = rollout(trials=1)
    walk.sole_vel[...] = [0.03, 0.04]
    walk.foot_contact[100:120, 0, 0] = False
    for row in (99, *range(100, 120), 120):
        walk.sole_vel[row, 0, 0] = 9.0
    assert metrics.foot_slip(walk) == pytest.approx(0.05)


def gait(left: slice, right: slice) -> Rollout:
    """Return a robot that walks ahead, heading along world y, its feet off the ground in each second's given rows."""
    walk = rollout(steps=300, trials=1)
    walk.commands[..., 0] = 0.3
    walk.base_quat[:] = leaning(yaw=math.pi / 2)
    for second in range(6):
        for foot, swing in enumerate((left, right)):
            walk.foot_contact[SECOND * second + swing.start : SECOND * second + swing.stop, 0, foot] = False
    return walk


def test_an_even_gait_is_symmetric() -> None:
    walk = gait(slice(5, 20), slice(30, 45))
    rows = np.arange(300) % SECOND
    # Each foot lands 0.1 m ahead of the other.
    walk.foot_pos[:, 0, 0, 1] = np.where(rows < 30, 0.3, 0.1)
    walk.foot_pos[:, 0, 1, 1] = 0.2
    figures = measure(walk)
    assert figures["stance_asymmetry"] == pytest.approx(0.0)
    assert figures["step_asymmetry"] == pytest.approx(0.0, abs=1e-9)


def test_a_limp_is_not() -> None:
    walk = gait(slice(5, 20), slice(30, 35))
    walk.foot_pos[:, :, 0, 1] = 0.15  # The left one always lands ahead, along y; x does not count.
    walk.foot_pos[:, :, 0, 0] = 7.0
    figures = measure(walk)
    assert figures["stance_asymmetry"] == pytest.approx(100.0 * 10 / SECOND)
    assert figures["step_asymmetry"] == pytest.approx(30.0)


def test_steps_are_as_long_as_they_are_ahead_whatever_the_heading() -> None:
    walk = rollout(trials=1)
    walk.base_quat[:] = leaning(yaw=0.5)
    # 0.2 m ahead and 0.1 m to the left.
    walk.foot_pos[:, 0, 0, :2] = [0.2 * math.cos(0.5) - 0.1 * math.sin(0.5), 0.2 * math.sin(0.5) + 0.1 * math.cos(0.5)]
    np.testing.assert_allclose(motion.step_lengths(walk), np.broadcast_to([0.2, -0.2], (200, 1, 2)))


def test_every_figure_is_of_its_own_axis() -> None:
    robots = rollout()
    robots.lin_vel[:], robots.yaw_rate[:] = [0.1, -0.2, 0.3], 0.4
    robots.estimate[..., :3] = [0.2, 0.0, 0.8]
    robots.base_quat[:] = leaning(pitch=0.1)
    expected = {
        "vx_rmse": 0.1, "vy_rmse": 0.2, "yaw_rmse": 0.4, "vx_bias": 0.1, "yaw_bias": 0.4, "vx_mean_error": 0.1,
        "yaw_mean_error": 0.4, "estimator_vx": 0.1, "estimator_vy": 0.2, "estimator_vz": 0.5, "roll_mean": 0.0,
        "roll_max": 0.0, "pitch_mean": math.degrees(0.1), "pitch_max": math.degrees(0.1),
    }  # fmt: skip
    figures = measure(robots)
    assert {name: figures[name] for name in expected} == pytest.approx(expected)


def test_turning_is_no_limp() -> None:
    walk = gait(slice(5, 20), slice(30, 35))
    walk.commands[..., 2] = 0.3
    assert math.isnan(measure(walk)["stance_asymmetry"])


def test_select_keeps_what_belongs_together() -> None:
    some = rollout(trials=3, rows=np.array([10, 20, 30]))
    some.commands[:, 2] = 1.0
    part = some.select(np.array([False, False, True]))
    assert (part.trials, part.steps, part.rows.tolist()) == (1, 200, [30])
    assert part.commands.min() == 1.0
    assert part.dof_vel_limits.shape == (2,)
    assert part.estimate is not None
    assert part.estimate.shape == (200, 1, 5)
    without = rollout(estimate=None)
    assert without.select([0]).estimate is None
