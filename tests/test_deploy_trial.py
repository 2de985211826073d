"""Trials: how controller, motors and physics are wired, what disturbs them, and how trials are shared out."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from deploy_policies import write_policy
from test_deploy_world import URDF

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import Controller, MotorCommand, Sensors, projected_gravity
from legged_gym.deploy.plan import TrialPlan, draw_plans
from legged_gym.deploy.pool import run_trials
from legged_gym.deploy.trial import Trial
from legged_gym.deploy.world import WorldSettings
from legged_gym.envs import QminiCfg
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.evaluation import motion
from legged_gym.evaluation.metrics import measure
from legged_gym.evaluation.rollout import Rollout
from legged_gym.evaluation.scenarios import Scenario, select_scenarios
from legged_gym.evaluation.trials import StartNoise, draw_trials
from legged_gym.policies.exported import PolicyFiles, load_policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a policy that answers with something, whatever it sees."""
    return write_policy(tmp_path_factory.mktemp("policy"), actor=0.02, estimator=0.1)


@pytest.fixture(scope="module")
def policy(folder: Path) -> PolicyFiles:
    return load_policy(folder)


def make_plan(policy: PolicyFiles, seconds: float = 0.3, **changes: object) -> TrialPlan:
    """Return a trial of one command without noise; changes are of the plan."""
    scenario = Scenario("test", "", (((0.0, (0.3, 0.0, 0.0)),),), seconds=seconds, noise=0.0)
    (plan,) = draw_plans(scenario, policy.config, 1, 1)
    return dataclasses.replace(plan, **changes)


class Wires:
    """Notes what goes over a trial's wires: every torque of the physics, every sensor reading of the controller."""

    def __init__(self, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
        self.torques: list[np.ndarray] = []
        self.encoders: list[tuple[np.ndarray, np.ndarray]] = []
        self.seen: list[Sensors] = []
        self.told: list[MotorCommand] = []
        step, update = trial.world.step, trial.controller.update

        def note_step(torques: np.ndarray) -> None:
            self.encoders.append(trial.world.encoders())
            self.torques.append(torques.copy())
            step(torques)

        def note_update(sensors: Sensors, command: np.ndarray) -> MotorCommand:
            self.seen.append(sensors)
            self.told.append(update(sensors, command))
            return self.told[-1]

        monkeypatch.setattr(trial.world, "step", note_step)
        monkeypatch.setattr(trial.controller, "update", note_update)


def test_policy_runs_at_50_hz_motors_at_500_hz_and_physics_at_1000_hz(
    policy: PolicyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(policy, URDF, make_plan(policy))
    wires = Wires(trial, monkeypatch)
    trial.run()
    assert (len(wires.told), len(wires.torques)) == (15, 300)
    config = policy.config
    for tick, torques in enumerate(wires.torques):
        told = wires.told[tick // 20]
        dof_pos, dof_vel = wires.encoders[tick - tick % 2]
        expected = config.kp * (told.target - dof_pos) - config.kd * dof_vel
        np.testing.assert_allclose(torques, trial.world.limit(expected), atol=1e-12)
    assert len({command.target.tobytes() for command in wires.told}) == 15


@pytest.mark.parametrize("milliseconds", [7, 20])
def test_action_delay_makes_motors_hold_the_old_target(
    policy: PolicyFiles, monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    trial = Trial(policy, URDF, make_plan(policy, seconds=0.1, action_delay=1e-3 * milliseconds))
    wires = Wires(trial, monkeypatch)
    trial.run()
    config = policy.config
    for tick in range(0, 100, 2):
        due = [number for number in range(5) if 20 * number + milliseconds <= tick]
        target = wires.told[due[-1]].target if due else policy.config.stand_angles
        dof_pos, dof_vel = wires.encoders[tick]
        expected = trial.world.limit(config.kp * (target - dof_pos) - config.kd * dof_vel)
        np.testing.assert_allclose(wires.torques[tick], expected, atol=1e-12, err_msg=f"tick {tick}")


@pytest.mark.parametrize("milliseconds", [0, 7, 20])
def test_observation_delay_shows_the_policy_what_was_true_earlier(
    policy: PolicyFiles, monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    trial = Trial(policy, URDF, make_plan(policy, seconds=0.1, observation_delay=1e-3 * milliseconds))
    wires = Wires(trial, monkeypatch)
    trial.run()
    for number, seen in enumerate(wires.seen):
        dof_pos, dof_vel = wires.encoders[max(0, 20 * number - milliseconds)]
        np.testing.assert_array_equal(seen.dof_pos, dof_pos)
        np.testing.assert_array_equal(seen.dof_vel, dof_vel)


def test_wrong_gains_and_zero_offsets_are_the_motors_not_the_controllers(
    policy: PolicyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = np.linspace(-0.02, 0.02, 10)
    trial = Trial(policy, URDF, make_plan(policy, seconds=0.04, p_gain=0.9, d_gain=1.1, zero_offset=offset))
    wires = Wires(trial, monkeypatch)
    trial.run()
    config, (dof_pos, dof_vel) = policy.config, wires.encoders[20]
    np.testing.assert_allclose(wires.seen[1].dof_pos, dof_pos + offset)
    told = wires.told[1]
    assert told.kp.tolist() == config.kp.tolist()
    expected = 0.9 * config.kp * (told.target - dof_pos - offset) - 1.1 * config.kd * dof_vel
    np.testing.assert_allclose(wires.torques[20], trial.world.limit(expected))


def test_noise_is_as_wide_as_in_training_and_leaves_the_physics_alone(policy: PolicyFiles) -> None:
    plan = make_plan(policy, noise=2.0)
    trial = Trial(policy, URDF, plan)
    clean = trial.world.sense()
    noisy = [trial._measured(clean) for _ in range(400)]
    for name, width in (("gyro", 0.4), ("dof_pos", 0.02), ("dof_vel", 3.0)):
        error = np.array([getattr(reading, name) for reading in noisy]) - getattr(clean, name)
        assert 0.98 * width < np.abs(error).max() <= width, name
        assert np.abs(error.mean()) < 0.1 * width, name
    assert all((reading.quat == clean.quat).all() for reading in noisy), "the fall protection is not to be fooled"
    errors = np.array([reading.gravity_error for reading in noisy])
    assert 0.098 < np.abs(errors).max() <= 0.1
    reading = noisy[0]
    observed = trial.controller.observe(reading)[0, 3:6]
    np.testing.assert_allclose(observed, projected_gravity(clean.quat) + reading.gravity_error, atol=1e-7)


def test_pushes_come_after_the_observation_of_their_row(policy: PolicyFiles) -> None:
    plan = make_plan(policy)
    pushes = plan.pushes.copy()
    pushes[3] = (0.5, 0.0)
    calm, pushed = (
        Trial(policy, URDF, dataclasses.replace(plan, pushes=k)).run().record for k in (plan.pushes, pushes)
    )
    np.testing.assert_array_equal(calm.lin_vel[:4], pushed.lin_vel[:4])
    assert np.abs(calm.lin_vel[4] - pushed.lin_vel[4]).max() > 0.1


def test_robot_that_tilts_is_damped_and_its_trial_ends_there(policy: PolicyFiles) -> None:
    plan = make_plan(policy, seconds=5.0, velocity=np.array([0.0, 0.0, 0.0, 4.0, 0.0, 0.0]))
    trial = Trial(policy, URDF, plan)
    result = trial.run()
    assert result.damped is not None and result.fall is not None
    assert result.damped < result.fall < 2.0
    row = round(result.damped / 0.02)
    record = result.record
    assert (record.steps, record.rows.tolist()) == (250, [row + 1])
    roll, pitch, _ = motion.roll_pitch_yaw(record.base_quat[:, 0])
    tilted = np.maximum(np.abs(roll), np.abs(pitch)) > np.deg2rad(20.0)
    assert tilted.argmax() == row
    # A step later all joints are damped and nothing else.
    assert trial._motors.kd.tolist() == [2.0] * 10 and not trial._motors.kp.any()
    assert trial.time == pytest.approx(result.damped + 1.0, abs=0.05)
    figures = measure(record)
    assert (figures["falls"], figures["protection_trials"]) == (100.0, 100.0)


def test_motors_with_backlash_do_nothing_until_they_have_turned_through_it(
    policy: PolicyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(policy, URDF, make_plan(policy, backlash=np.linspace(0.0, 0.2, 10)))
    wires, config = Wires(trial, monkeypatch), policy.config
    trial.run()
    for tick, torques in enumerate(wires.torques):
        dof_pos, dof_vel = wires.encoders[tick - tick % 2]
        error = wires.told[tick // 20].target - dof_pos
        felt = np.sign(error) * np.maximum(np.abs(error) - np.linspace(0.0, 0.1, 10), 0.0)
        np.testing.assert_allclose(torques, trial.world.limit(config.kp * felt - config.kd * dof_vel), atol=1e-12)


def test_record_is_what_happened(policy: PolicyFiles) -> None:
    plan = make_plan(policy, seconds=0.2)
    trial = Trial(policy, URDF, plan)
    rows = []
    record = trial.run(lambda t: rows.append((t.truth, t.controller.action, t.controller.estimate[:3]))).record
    assert (record.steps, record.trials, record.dt) == (10, 1, 0.02)
    for row, (truth, action, velocity) in enumerate(rows):
        np.testing.assert_array_equal(record.lin_vel[row, 0], truth.lin_vel)
        np.testing.assert_array_equal(record.base_quat[row, 0], truth.quat[[1, 2, 3, 0]])
        np.testing.assert_array_equal(record.actions[row, 0], action)
        assert record.estimate is not None
        np.testing.assert_array_equal(record.estimate[row, 0, :3], velocity)
        before = rows[max(0, row - 1)][0].foot_forces
        np.testing.assert_array_equal(record.foot_contact[row, 0], np.maximum(truth.foot_forces, before) > 2.0)
    assert not record.torques[0].any() and record.torques[1].any()
    assert record.mass.tolist() == pytest.approx([11.145], abs=1e-3)


def test_plans_are_those_of_an_evaluation(policy: PolicyFiles) -> None:
    (scenario,) = select_scenarios("mixed")
    plans = draw_plans(scenario, policy.config, 5, 7)
    joints = np.array([0.05, 0.05, 0.1, 0.1, 0.1] * 2, np.float32)
    drawn = draw_trials(scenario, 5, 7, 0.02, scenario.seconds, StartNoise(joints, velocity=0.05, tilt=0.05))
    for index, plan in enumerate(plans):
        np.testing.assert_array_equal(plan.commands, drawn.commands[:-1, index])
        np.testing.assert_array_equal(plan.pushes, drawn.pushes[:, index])
        np.testing.assert_array_equal(plan.zero_offset, drawn.zero_offset[index])
        np.testing.assert_array_equal(plan.dof_pos, drawn.dof_pos[index])
        assert (plan.ground, plan.friction) == (drawn.terrains[index], drawn.friction[index])
        assert plan.observation_delay == pytest.approx(drawn.observation_delay[index])
    assert len({plan.friction for plan in plans}) == 5


def test_noise_is_that_of_the_tasks_configuration(policy: PolicyFiles) -> None:
    cfg = QminiCfg()
    scales = cfg.noise.noise_scales
    names = ("base_ang_vel", "projected_gravity", "dof_pos", "dof_vel")
    sensors = [policy.config.observation_noise[name] for name in names]
    assert sensors == [scales.ang_vel, scales.gravity, scales.dof_pos, scales.dof_vel]
    init = cfg.init_state
    noise = joint_values("init_state.joint_noise", init.joint_noise, policy.config.joint_names, missing=0.0)
    start = StartNoise.of_training(**policy.config.start_noise)
    assert start.dof_pos.tolist() == pytest.approx([0.5 * value for value in noise])
    assert start.velocity == 0.5 * init.velocity_noise
    assert start.tilt == 0.5 * init.orientation_noise
    rand, body = cfg.domain_rand, WorldSettings(URDF)
    # The rotors' inertia at the joints, and the hip roll's behind its further gear.
    armature = {part: sum(bounds) / 2.0 for part, bounds in cfg.motors.armature.items()}
    expected = joint_values("motors.armature", armature, policy.config.joint_names)
    assert policy.config.joint_dynamics == {"joint_armature": tuple(expected)}
    for name in ("joint_damping", "joint_friction"):
        assert getattr(body, name) == pytest.approx(sum(getattr(rand, f"{name}_range")) / 2.0)


def test_results_do_not_depend_on_the_number_of_workers(folder: Path, policy: PolicyFiles) -> None:
    (scenario,) = select_scenarios("mixed")
    plans = [
        dataclasses.replace(plan, commands=plan.commands[:12]) for plan in draw_plans(scenario, policy.config, 3, 1)
    ]
    alone, together = (list(run_trials(str(folder), URDF, plans, workers)) for workers in (1, 2))
    for one, other in zip(alone, together, strict=True):
        for field in dataclasses.fields(one.record):
            np.testing.assert_array_equal(getattr(one.record, field.name), getattr(other.record, field.name))
    assert len({float(one.record.lin_vel[5, 0, 0]) for one in alone}) == 3


def test_errors_of_workers_reach_the_user(folder: Path, policy: PolicyFiles) -> None:
    plans = [make_plan(policy, seconds=0.1, payload=-9.0)] * 2
    with pytest.raises(UserError, match="a payload of -9 kg: the base has only"):
        list(run_trials(str(folder), URDF, plans, 2))


class Deadly(TrialPlan):
    """A plan that ends the process which is given it, as a lack of memory would."""

    def __setstate__(self, state: dict[str, object]) -> None:
        os._exit(9)


def test_processes_that_die_are_one_clear_error(folder: Path, policy: PolicyFiles) -> None:
    plan = make_plan(policy, seconds=0.1)
    deadly = Deadly(**{field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)})
    with pytest.raises(UserError, match=r"a process with trials died: .* Try fewer --workers"):
        list(run_trials(str(folder), URDF, [plan, deadly], 2))


def test_records_are_joined_and_cut(policy: PolicyFiles) -> None:
    records = [
        Trial(policy, URDF, make_plan(policy, seconds=0.2, payload=payload)).run().record for payload in (0.0, 1.0)
    ]
    records[1] = dataclasses.replace(records[1], rows=np.array([7]))
    joined = Rollout.join(records)
    assert (joined.steps, joined.trials, joined.rows.tolist()) == (10, 2, [10, 7])
    np.testing.assert_array_equal(joined.select([1]).lin_vel, records[1].lin_vel)
    part = joined.cut(4, 9)
    assert (part.steps, part.rows.tolist()) == (5, [5, 3])
    np.testing.assert_array_equal(part.dof_pos, joined.dof_pos[4:9])
    np.testing.assert_array_equal(part.mass, joined.mass)


def test_time_steps_that_do_not_fit_are_one_clear_error(tmp_path: Path) -> None:
    policy = load_policy(write_policy(tmp_path, Policy__control_dt=0.015))
    with pytest.raises(UserError, match=r"the policy's step must be a multiple of 0.002 s, it is 0.015 s"):
        Trial(policy, URDF, make_plan(policy))


def test_controller_can_be_given_another_robot_only_if_its_joints_fit(policy: PolicyFiles, tmp_path: Path) -> None:
    urdf = tmp_path / "other.urdf"
    urdf.write_text(Path(URDF).read_text().replace("hip_yaw_l", "hip_turn_l"))
    with pytest.raises(UserError, match=r"other.urdf: its joints are hip_turn_l, .*, the policy's hip_yaw_l"):
        Trial(policy, str(urdf), make_plan(policy))
    assert Controller(policy).config is policy.config
