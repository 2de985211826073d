"""The controller's rules, one by one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from deploy_policies import KD, KP, POSE, write_policy

from legged_gym.common.controller_rules import STAND_UP_SECONDS, TILT_LIMIT
from legged_gym.deploy.controller import Controller, Sensors, projected_gravity, stand_up_command, tilt
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
        ((0.05, -0.05, 0.1), (0.0, 0.0, 0.0)),
        ((0.051, -0.051, 0.101), (0.051, -0.051, 0.101)),
    ],
)
def test_each_component_of_the_command_has_its_own_dead_band(
    tmp_path: Path, command: tuple[float, ...], left: tuple[float, ...]
) -> None:
    controller = make_controller(tmp_path)
    controller.update(sensors(), command)
    np.testing.assert_array_equal(controller.command, np.array(left, np.float32))
    observed = controller.observe(sensors())[0, 6:9]
    np.testing.assert_allclose(observed, np.array(left) * (2.0, 2.0, 0.25), atol=1e-7)


def phases(controller: Controller, commands: list[tuple[float, float, float]]) -> list[float]:
    """Return the clock's phase in each step."""
    seen = []
    for command in commands:
        controller.update(sensors(), command)
        seen.append(float(controller.phase))
    return seen


STOP = (0.0, 0.0, 0.0)


def test_clock_runs_while_walking_and_after_a_stop_to_the_end_of_its_period(tmp_path: Path) -> None:
    seen = phases(make_controller(tmp_path), [STOP] * 3 + [WALK] * 27 + [(0.04, 0.0, 0.0)] * 26 + [WALK] * 2)
    # The first step of a walk is one step into the period; 27 steps of walking are two steps into the second one.
    running = (0.04 * np.arange(1, 51)) % 1.0
    np.testing.assert_allclose(seen, [0.0] * 3 + running.tolist() + [0.0] * 3 + [0.04, 0.08], atol=1e-6)


def test_a_stop_right_after_the_first_step_holds_the_clock_at_once(tmp_path: Path) -> None:
    np.testing.assert_allclose(phases(make_controller(tmp_path), [WALK, STOP, STOP]), [0.04, 0.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(phases(make_controller(tmp_path), [WALK, WALK, STOP]), [0.04, 0.08, 0.12], atol=1e-7)


def test_robot_steps_on_the_spot_while_it_is_told_to(tmp_path: Path) -> None:
    controller = make_controller(tmp_path)
    phases(controller, [STOP] * 2)
    controller.steps_on_the_spot = True
    np.testing.assert_allclose(phases(controller, [STOP] * 30), (0.04 * np.arange(1, 31)) % 1.0, atol=1e-6)
    controller.steps_on_the_spot = False
    # It had come to rest before it was told to step, which the controller remembers.
    assert phases(controller, [STOP] * 2) == [0.0, 0.0]
    phases(controller, [WALK] * 5)
    controller.steps_on_the_spot = True
    phases(controller, [STOP] * 5)
    controller.steps_on_the_spot = False
    expected = [*(0.04 * np.arange(11, 25)), 0.0, 0.0]
    np.testing.assert_allclose(phases(controller, [STOP] * 16), expected, atol=1e-6)
    controller.steps_on_the_spot = True
    controller.start()
    assert phases(controller, [STOP] * 2) == [0.0, 0.0], "the button is for one walk"


def test_walking_again_begins_a_period_and_keeps_the_last_action(tmp_path: Path) -> None:
    controller = make_controller(tmp_path, actor=0.1)
    phases(controller, [WALK] * 7)
    action = controller.action.copy()
    controller.start()
    np.testing.assert_array_equal(controller.observe(sensors())[0, 29:39], action)
    controller.start()
    # The phase of the last walk counts, too: the clock runs until it has been seen near its beginning.
    np.testing.assert_allclose(phases(controller, [STOP] * 3), [0.04, 0.0, 0.0], atol=1e-7)


def test_sticks_smooth_the_command_when_asked(tmp_path: Path) -> None:
    controller = Controller(load_policy(write_policy(tmp_path)), low_pass=True)
    seen = []
    for step in range(200):
        controller.update(sensors(), (0.4, 0.0, 0.0) if step < 100 else STOP)
        seen.append(float(controller.command[0]))
    rising = 0.4 * (1.0 - 0.98 ** np.arange(1, 101))
    np.testing.assert_allclose(seen[:100], np.where(rising > 0.05, rising, 0.0), atol=1e-6)
    falling = rising[-1] * 0.98 ** np.arange(1, 101)
    np.testing.assert_allclose(seen[100:], np.where(falling > 0.05, falling, 0.0), atol=1e-6)


def test_drive_of_the_robots_own_controller_is_reproduced_in_every_step() -> None:
    folder = Path(__file__).parent / "data" / "controller_drive"
    drive = np.load(folder / "drive.npz")
    controller = Controller(load_policy(folder))
    observed, actions = [], []
    for row in range(len(drive["command"])):
        quat = drive["orientation_xyzw"][row, [3, 0, 1, 2]]
        measured = Sensors(quat, drive["angular_velocity"][row], drive["joint_position"][row],
                           drive["joint_velocity"][row])  # fmt: skip
        controller.update(measured, drive["command"][row])
        assert controller._history is not None
        observed.append(controller._history[0])
        actions.append(controller.action)
    np.testing.assert_allclose(observed, drive["observation"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(actions, drive["action"], atol=1e-5, rtol=0)


def test_legs_are_half_a_period_apart_and_the_left_one_leads(tmp_path: Path) -> None:
    controller = make_controller(tmp_path)
    np.testing.assert_allclose(controller.observe(sensors())[0, 39:43], [0.0, 0.0, 1.0, -1.0], atol=1e-6)
    phases(controller, [WALK] * 7)
    angle = 2.0 * math.pi * 7 * 0.04
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
    assert policy.estimator is not None
    estimate, _ = policy.estimator(observation)
    action, _ = policy.actor(np.hstack((observation, estimate)))
    np.testing.assert_array_equal(controller.action, action[0])
    np.testing.assert_allclose(controller.estimate[:3], estimate[0, :3] / 2.0)
    np.testing.assert_array_equal(controller.estimate[3:], estimate[0, 3:])


@pytest.mark.parametrize("axis", ["roll", "pitch"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_robot_is_damped_after_the_step_past_twenty_degrees(tmp_path: Path, axis: str, sign: float) -> None:
    controller = make_controller(tmp_path)
    almost = turned(**{axis: sign * math.radians(19.9)})
    assert controller.update(sensors(almost), WALK).kp.tolist() == KP
    assert not controller.damping
    over = turned(**{axis: sign * math.radians(20.1)})
    assert controller.update(sensors(over), WALK).kp.tolist() == KP, "it looks after the step"
    for attitude in (over, turned()):
        assert controller.damping
        command = controller.update(sensors(attitude), WALK)
        np.testing.assert_array_equal(command.torques(np.full(10, 1.0), np.full(10, 1.5)), np.full(10, -3.0))
    controller.start()
    assert controller.update(sensors(), WALK).kd.tolist() == KD


def test_tilt_is_the_larger_of_roll_and_pitch_whatever_the_heading() -> None:
    rng = np.random.default_rng(0)
    for roll, pitch, yaw in rng.uniform(-1.2, 1.2, (50, 3)) * (1.0, 1.0, 2.5):
        half = 0.5 * np.array([roll, pitch, yaw])
        (sr, sp, sy), (cr, cp, cy) = np.sin(half), np.cos(half)
        quat = np.array([cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy,
                         cr * sp * cy + sr * cp * sy, cr * cp * sy - sr * sp * cy])  # fmt: skip
        assert tilt(quat) == pytest.approx(max(abs(roll), abs(pitch)), abs=1e-6)
        down = [math.sin(pitch), -math.sin(roll) * math.cos(pitch), -math.cos(roll) * math.cos(pitch)]
        np.testing.assert_allclose(projected_gravity(quat), down, atol=1e-6)
    # Lying on its back, and hanging head down.
    assert tilt(np.array([0.0, 1.0, 0.0, 0.0])) > TILT_LIMIT


def test_robot_stands_up_on_a_straight_way_by_the_gains_of_the_file(tmp_path: Path) -> None:
    gains = {"joint_kp": [40.0, 80.0, 40.0, 40.0, 40.0] * 2, "joint_kd": [2.0, 4.0, 2.0, 2.0, 2.0] * 2}
    pose = [0.35, -0.05, -1.5, 1.2, -1.0, -0.35, 0.05, 1.5, -1.2, 1.0]
    changes = {f"FSMState_StandUp__{name}": value for name, value in {**gains, "joint_standup_q": pose}.items()}
    config = load_policy(write_policy(tmp_path, **changes)).config
    for seconds, share in ((0.0, 0.0), (1.0, 0.25), (STAND_UP_SECONDS, 1.0), (9.0, 1.0)):
        command = stand_up_command(config, np.zeros(10), seconds)
        np.testing.assert_allclose(command.target, share * np.array(pose))
    torques = command.torques(np.array(pose) - 2.0, np.full(10, 3.0))
    np.testing.assert_allclose(torques, 2.0 * np.array(gains["joint_kp"]) - 3.0 * np.array(gains["joint_kd"]))


def test_the_fall_protection_angle_is_the_policys(tmp_path: Path) -> None:
    published = make_controller(tmp_path / "published")
    published.update(sensors(turned(roll=math.radians(19.0))), WALK)
    careful = make_controller(tmp_path / "careful", Policy__fall_protection_tilt=0.2)
    careful.update(sensors(turned(roll=math.radians(11.0))), WALK)
    assert not published.damping and not careful.damping
    published.update(sensors(turned(roll=math.radians(21.0))), WALK)
    careful.update(sensors(turned(roll=math.radians(12.0))), WALK)
    assert published.damping and careful.damping
