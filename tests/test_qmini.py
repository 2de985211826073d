"""Qmini's task against the facts and against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.envs import Qmini

STANCE, SWING = 0.2, 0.8


@pytest.fixture
def env(make_qmini: QminiFactory) -> Qmini:
    """Return two quiet robots, the first walking, the second standing."""
    task = make_qmini(quiet(small_cfg(2)))
    task.commands[:] = torch.tensor([[0.3, 0.0, 0.2], [0.0, 0.0, 0.0]])
    task._update_clock()
    task._update_attitudes()
    return task


def test_sizes_follow_from_the_terms(env: Qmini) -> None:
    assert [(t.name, size) for t, size in zip(env.obs_layout.terms, env.obs_layout.sizes, strict=True)] == [
        ("base_ang_vel", 3),
        ("projected_gravity", 3),
        ("commands", 3),
        ("dof_pos", 10),
        ("dof_vel", 10),
        ("actions", 10),
        ("gait_clock", 4),
    ]
    obs = env.get_observations()
    assert obs["policy"].shape == (2, 215)
    assert obs["label"].shape == (2, 5)
    assert env.num_actions == 10
    # Noise-free step, velocity, friction, mass, com, joint dynamics, gains and offsets, heights.
    assert obs["privileged"].shape == (2, 43 + 3 + 1 + 1 + 3 + 3 + 40 + 187)


def test_privileged_heights(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2, plane=False)))
    env.ground._heights += 0.03
    env._observe()
    heights = env._observations["privileged"][:, -187:]
    expected = (env.root_states[:, 2:3] - 0.5 - env.ground.heights_around(env.root_states)) * 5.0
    torch.testing.assert_close(heights, expected)
    torch.testing.assert_close(heights.mean(), torch.tensor((0.48 - 0.5 - 0.03) * 5.0), atol=0.02, rtol=0)


def test_scales_and_noise(env: Qmini) -> None:
    layout = env.obs_layout
    expected = [0.25] * 3 + [1.0] * 3 + [2.0, 2.0, 0.25] + [1.0] * 10 + [0.05] * 10 + [1.0] * 14
    torch.testing.assert_close(layout.scale_vec, torch.tensor(expected))
    noise = [0.05] * 3 + [0.05] * 3 + [0.0] * 3 + [0.01] * 10 + [0.075] * 10 + [0.0] * 14
    torch.testing.assert_close(layout.noise_vec, torch.tensor(noise))
    clean = torch.zeros(4000, 43)
    noisy = layout.add_noise(clean)
    assert (noisy.abs() <= layout.noise_vec + 1e-7).all()
    torch.testing.assert_close(noisy.std(0), layout.noise_vec / math.sqrt(3.0), rtol=0.05, atol=1e-6)


def test_torque_law(env: Qmini) -> None:
    env.dof_pos[:] = env.default_dof_pos + 0.1
    env.dof_vel[:] = 2.0
    action = torch.zeros(2, 10)
    action[:, 0] = 1.0
    torques = env._compute_torques(action)
    kp, kd = torch.tensor([20.0, 60.0, 30.0, 30.0, 20.0] * 2), torch.tensor([0.75, 2.0, 1.0, 1.0, 0.75] * 2)
    expected = kp * (0.25 * action[0] - 0.1) - kd * 2.0
    torch.testing.assert_close(torques[0], expected)
    torch.testing.assert_close(
        env._compute_torques(100.0 * torch.ones(2, 10))[0], torch.tensor([20.0, 60.0, 20.0, 20.0, 20.0] * 2)
    )


def test_motor_randomisation_enters_the_torque_law(env: Qmini) -> None:
    rand = env.rand
    rand.stiffness_multiplier[0], rand.damping_multiplier[0], rand.torque_multiplier[0] = 1.2, 0.8, 0.9
    rand.joint_offset[0] = 0.02
    env._update_gains()
    env.dof_pos[:], env.dof_vel[:] = env.default_dof_pos, 1.0
    torques = env._compute_torques(torch.zeros(2, 10))
    kp, kd = env.p_gains, env.d_gains
    torch.testing.assert_close(torques[0], 0.9 * (1.2 * kp * -0.02 - 0.8 * kd))
    torch.testing.assert_close(torques[1], -kd)


@pytest.mark.parametrize("name", ["stiffness_multiplier", "damping_multiplier", "torque_multiplier", "joint_offset"])
def test_motors_are_drawn_for_each_joint_in_their_range(make_qmini: QminiFactory, name: str) -> None:
    env = make_qmini(small_cfg(400))
    values = getattr(env.rand, name)
    low, high = getattr(env.cfg.domain_rand, f"{name}_range")
    assert low <= values.min() < low + 0.02 * (high - low)
    assert high >= values.max() > high - 0.02 * (high - low)
    assert abs(torch.corrcoef(values[:, :2].T)[0, 1]) < 0.2
    before = values.clone()
    env.reset_idx(torch.tensor([7]))
    assert (values != before).any(1).nonzero().ravel().tolist() == [7]


def test_physics_ranges_and_what_the_critic_sees(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(400))
    physics, privileged = env.rand.physics, env.get_observations()["privileged"]
    for values, low, high in (
        (physics.friction, 0.1, 1.25),
        (physics.added_mass, -1.0, 3.0),
        (physics.added_com[:, 0], -0.02, 0.03),
        (physics.added_com[:, 1], -0.01, 0.01),
        (physics.added_com[:, 2], -0.01, 0.01),
        (physics.joint_friction, 1e-4, 1e-2),
        (physics.joint_damping, 1e-3, 1e-2),
        (physics.joint_armature[:, 0], 0.0035, 0.0055),
        (physics.joint_armature[:, 1], 0.031, 0.05),
    ):
        assert low <= values.min() < low + 0.02 * (high - low) and high - 0.02 * (high - low) < values.max() <= high
    for i in (0, 399):
        model = env.sim.batch.get_model(i)
        seen = privileged[i, 46:54]
        ran = [
            model.geom_friction[env.sim.scene.ground_id, 0],
            model.body_mass[1] / 20.0,
            *(model.body_ipos[1] - env.sim.scene.model.body_ipos[1]),
            model.dof_frictionloss[6],
            model.dof_damping[6] - env.sim._drive_damping[i, 0],
            model.dof_armature[6],
        ]
        torch.testing.assert_close(seen, torch.tensor(ran, dtype=torch.float32), atol=1e-6, rtol=1e-5)


def test_gait_clock(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(64))
    cfg.commands.ranges.lin_vel_x = [0.3, 0.6]
    cfg.commands.standing_share = 0.0
    env = make_qmini(cfg)
    right_leads = env._lead_offset == 0.5
    torch.testing.assert_close(env.gait_phase, torch.full((64,), 0.04))
    assert 0.2 < right_leads.float().mean() < 0.8
    torch.testing.assert_close((env.leg_phases[:, 1] - env.leg_phases[:, 0]) % 1.0, torch.full((64,), 0.5))
    start = env.leg_phases.clone()
    for _ in range(5):
        env.step(torch.zeros(64, 10))
    going = env.episode_length_buf == 5
    torch.testing.assert_close(env.leg_phases[going], (start[going] + 5 * 0.02 / 0.5) % 1.0)
    assert torch.equal(env.feet_stance, env.leg_phases < 0.55)
    clock = env.get_observations()["policy"][:, 39:43]
    angle = 2 * math.pi * env.leg_phases
    torch.testing.assert_close(clock, torch.cat((angle.sin(), angle.cos()), dim=1))


def test_clock_runs_on_after_a_stop_and_is_then_held(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(3)))
    env._steps_on_the_spot = torch.tensor([False, False, True])
    env.commands[:] = torch.tensor([[0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    env._clock = torch.zeros(3, 3)
    seen = []
    for step in range(20):
        if step == 10:
            env.commands.zero_()
        env._last_clock = env._clock
        env._update_clock()
        seen.append(env.gait_phase.tolist())
    for step, (walking, standing, stepping) in enumerate(seen):
        assert walking == pytest.approx(0.04 * (step + 1), abs=1e-5)
        assert (standing, stepping) == (0.0, walking)
    # The one that stopped still has to put a foot down; the one that stands has both on the ground.
    assert env.clock_held.tolist() == [False, True, False]
    assert env.feet_stance[1].all() and not env.feet_stance[0].all()
    for _ in range(6):
        env._last_clock = env._clock
        env._update_clock()
    assert env.clock_held.tolist() == [True, True, False]
    assert env.gait_phase.tolist()[:2] == [0.0, 0.0]
    env._steps_on_the_spot[1] = True
    env._last_clock = env._clock
    env._update_clock()
    assert env.clock_held.tolist() == [True, False, False], "told to step while it stood"


def test_contact_is_seen_one_step_longer(env: Qmini) -> None:
    feet = env.feet_indices
    env._last_touching[:] = False
    seen = []
    for force in (3.0, 0.0, 0.0, 1.9, 2.1):
        env.contact_forces[:, feet] = 0.0
        env.contact_forces[0, feet[0], 2] = force
        env._update_feet()
        seen.append(bool(env.feet_contact[0, 0]))
    assert seen == [True, True, False, False, True]


def test_air_time_is_rewarded_on_touch_down_up_to_the_cap(env: Qmini) -> None:
    feet = env.feet_indices
    env.feet_air_time[:], env._last_touching[:], env._has_touched[:] = 0.0, False, True
    for airborne_steps, expected in ((5, 0.12), (30, 1.2 * 0.45 * 0.5)):
        env.contact_forces[:, feet] = 0.0
        env._last_touching[:] = False
        rewards = []
        for _ in range(airborne_steps):
            env._update_feet()
            rewards.append(env._reward_gait_feet_air_time()[0].item())
        assert max(rewards) == 0.0
        env.contact_forces[0, feet[1], 2] = 50.0
        env._update_feet()
        assert env._reward_gait_feet_air_time()[0].item() == pytest.approx(expected)
        env._update_feet()
        assert env._reward_gait_feet_air_time()[0].item() == 0.0


def test_the_drop_at_the_start_is_no_swing(env: Qmini) -> None:
    env.contact_forces[:] = 0.0
    for _ in range(5):
        env._update_feet()
    env.contact_forces[:, env.feet_indices, 2] = 50.0
    env._update_feet()
    assert env._reward_gait_feet_air_time().tolist() == [0.0, 0.0]


def test_tracking_rewards(env: Qmini) -> None:
    env.base_lin_vel = torch.tensor([[0.1, 0.5, 0.0], [0.0, -0.1, 0.0]])
    env.base_ang_vel = torch.tensor([[0.0, 0.0, 0.6], [0.0, 0.0, 0.0]])
    env.cfg.rewards.lin_vel_y_tolerance = 0.2
    assert env._reward_tracking_lin_vel_x().tolist() == pytest.approx([math.exp(-1.0), 1.0])
    assert env._reward_tracking_lin_vel_x_fine().tolist() == pytest.approx([math.exp(-0.04 / 0.005), 1.0], rel=1e-4)
    assert env._reward_tracking_ang_vel_fine().tolist() == pytest.approx([math.exp(-0.16 / 0.03), 1.0], rel=1e-4)
    assert env._reward_tracking_lin_vel_y().tolist() == pytest.approx([math.exp(-0.09 / 0.04), 1.0])
    assert env._reward_tracking_ang_vel().tolist() == pytest.approx([math.exp(-1.0), 1.0])


def test_gait_rewards(env: Qmini) -> None:
    env.feet_stance = torch.tensor([[True, False], [True, True]])
    env.feet_contact = torch.tensor([[True, True], [True, True]])
    assert env._reward_gait_match().tolist() == pytest.approx([0.5, 1.0])
    env.feet_height = torch.tensor([[0.2, 0.125], [0.2, 0.2]])
    assert env._reward_gait_feet_swing_height().tolist() == pytest.approx([0.02**2, 0.0])
    env.leg_phases = torch.tensor([[STANCE, SWING], [0.0, 0.5]])
    wanted = 0.095 + 0.05 * math.sin(math.pi * (SWING - 0.55) / 0.45)
    assert env._reward_gait_feet_swing_profile().tolist() == pytest.approx([(0.125 - wanted) ** 2, 0.0], rel=1e-4)
    env.feet_states[:] = 0.0
    env.feet_states[0, 0, 7:10] = torch.tensor([0.1, 0.2, 0.2])
    env.feet_contact = torch.tensor([[True, False], [False, False]])
    assert env._reward_contact_no_vel().tolist() == pytest.approx([0.09, 0.0])


def test_posture_rewards(env: Qmini) -> None:
    env.feet_roll, env.feet_pitch = torch.tensor([[0.1, 0.0], [0.0, 0.0]]), torch.tensor([[0.2, 0.3], [0.0, 0.0]])
    assert env._reward_feet_orientation().tolist() == pytest.approx([0.14, 0.0])
    env.base_height = torch.tensor([0.41, 0.31])
    assert env._reward_base_height().tolist() == pytest.approx([0.0, 0.01], abs=1e-7)
    half = 0.1
    env.root_states[:, 3:7] = torch.tensor(
        [[math.sin(half), 0.0, 0.0, math.cos(half)], [0.0, math.sin(half), 0.0, math.cos(half)]]
    )
    env._update_attitudes()
    assert env._reward_base_orientation().tolist() == pytest.approx([0.04, 0.04], rel=1e-4)
    assert env._reward_base_pitch().tolist() == pytest.approx([0.0, 0.04], rel=1e-4, abs=1e-6)
    env.dof_pos[:] = env.default_dof_pos
    env.dof_pos[:, 0] += 0.1
    env.dof_pos[:, 2] += 0.5
    env.dof_pos[:, 6] -= 0.2
    assert env._reward_hip_close_to_default().tolist() == pytest.approx([0.05, 0.05], rel=1e-4)
    assert env._reward_stand_still().tolist() == pytest.approx([0.0, 0.8], rel=1e-4)
    env.cfg.rewards.base_pitch_target = 0.05
    assert env._reward_base_orientation().tolist() == pytest.approx([0.0425, 0.0225], rel=1e-4)
    assert env._reward_base_pitch().tolist() == pytest.approx([0.0025, 0.0225], rel=1e-4)
    env.cfg.rewards.base_pitch_target = 0.0
    env.rigid_body_states[:, env.feet_indices, 3:7] = env.root_states[:, None, 3:7]
    env._update_attitudes()
    torch.testing.assert_close(env.feet_roll, torch.tensor([[0.2, 0.2], [0.0, 0.0]]))
    torch.testing.assert_close(env.feet_pitch, torch.tensor([[0.0, 0.0], [0.2, 0.2]]))


def test_effort_and_contact_rewards(env: Qmini) -> None:
    env.actions, env.last_actions = torch.full((2, 10), -0.5), torch.zeros(2, 10)
    assert env._reward_action().tolist() == pytest.approx([5.0, 5.0])
    assert env._reward_action_rate().tolist() == pytest.approx([2.5, 2.5])
    env.last_last_actions = torch.full((2, 10), 0.25)
    assert env._reward_action_smoothness().tolist() == pytest.approx([0.625, 0.625])
    env.contact_forces[:] = 0.0
    env.contact_forces[0, env.feet_indices[0]] = torch.tensor([0.0, 120.0, 160.0])
    env.contact_magnitudes = env.contact_forces.norm(dim=-1)
    assert env._reward_feet_contact_forces().tolist() == pytest.approx([60.0, 0.0])
    env.contact_forces[1, env.body_names.index("knee_pitch_l"), 2] = 1.1
    env.contact_forces[1, env.body_names.index("hip_pitch_r"), 2] = 0.9
    env.contact_magnitudes = env.contact_forces.norm(dim=-1)
    assert env._reward_collision().tolist() == pytest.approx([0.0, 1.0])
    env.base_lin_vel = torch.tensor([[0.0, 0.0, 0.2], [0.0, 0.0, 0.0]])
    env.base_ang_vel = torch.tensor([[0.1, 0.2, 9.0], [0.0, 0.0, 0.0]])
    assert env._reward_lin_vel_z().tolist() == pytest.approx([0.04, 0.0])
    assert env._reward_ang_vel_xy().tolist() == pytest.approx([0.05, 0.0])


def test_total_is_the_scaled_sum_times_the_step(env: Qmini) -> None:
    env._update_feet()
    env.reset_buf, env.time_out_buf = torch.tensor([True, True]), torch.tensor([False, True])
    env.compute_reward()
    scales = env.cfg.rewards.scales.to_dict()
    total = sum(scale * getattr(env, f"_reward_{name}")() for name, scale in scales.items()) * 0.02
    torch.testing.assert_close(env.rew_buf, total)
    assert env._reward_termination().tolist() == [1.0, 0.0]
    assert env.rew_buf[0] < -3.0 < env.rew_buf[1], "a fall costs 4, and rewards may be negative"


@pytest.mark.parametrize(
    ("link", "ends"), [("base_link", True), ("hip_pitch_l", True), ("knee_pitch_r", True), ("ankle_pitch_l", False)]
)
def test_what_ends_an_episode(env: Qmini, link: str, ends: bool) -> None:
    env.contact_forces[:] = 0.0
    env.contact_forces[0, env.body_names.index(link), 0] = 1.5
    env.contact_forces[1, env.body_names.index(link), 0] = 0.5
    env.contact_magnitudes = env.contact_forces.norm(dim=-1)
    env.check_termination()
    assert env.reset_buf.tolist() == [ends, False]


def test_start_states_are_in_their_ranges(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(500)
    cfg.init_state.stand_up_share = 0.0
    env = make_qmini(cfg)
    root, dof_pos, dof_vel = env._start_states.draw()
    deviation = (dof_pos - env.default_dof_pos).abs().amax(0)
    expected = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.2] * 2)
    assert (deviation <= expected + 1e-6).all() and (deviation > 0.95 * expected).all()
    assert (dof_vel == 0.0).all()
    assert 0.09 < root[:, 7:13].abs().amax() <= 0.1 + 1e-6
    torch.testing.assert_close(root[:, 2], torch.full((500,), 0.48))
    assert (root[:, 3:7].norm(dim=1) - 1.0).abs().max() < 1e-5
    tilt = 2.0 * root[:, 3:7][:, :3].norm(dim=1)
    assert 0.1 < tilt.max() < 0.19


def test_label_is_the_truth_of_the_observed_state(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(4))
    for _ in range(10):
        obs, *_ = env.step(0.3 * torch.randn(4, 10))
    torch.testing.assert_close(obs["label"][:, :3], 2.0 * env.base_lin_vel)
    torch.testing.assert_close(obs["label"][:, 3:], env.foot_contacts.float())
    torch.testing.assert_close(obs["privileged"][:, 43:46], 2.0 * env.base_lin_vel)


def test_episodes_start_between_the_default_pose_and_that_of_standing_up(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(400))
    cfg.init_state.stand_up_share = 0.5
    env = make_qmini(cfg)
    _, dof_pos, _ = env._start_states.draw()
    stand_up = torch.tensor([cfg.init_state.stand_up_joint_angles[name] for name in env.dof_names])
    way = stand_up - env.default_dof_pos[0]
    share = (dof_pos - env.default_dof_pos)[:, way != 0.0] / way[way != 0.0]
    torch.testing.assert_close(share, share[:, :1].expand_as(share), atol=1e-5, rtol=0)
    assert 0.0 <= share.min() < 0.02 and 0.48 < share.max() <= 0.5 + 1e-5


def test_a_share_of_commands_is_lateral_and_steps_on_the_spot(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(600)
    cfg.commands.lateral_share, cfg.gait.stepping_share, cfg.commands.standing_share = 0.4, 0.25, 0.0
    env = make_qmini(cfg)
    assert 0.2 < (env.commands[:, 1] != 0.0).float().mean() < 0.4
    assert 0.18 < env._steps_on_the_spot.float().mean() < 0.32


def test_a_share_of_commands_has_one_velocity_alone(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(900)
    cfg.commands.lateral_share, cfg.commands.standing_share, cfg.commands.dead_band = 0.0, 0.0, [0.0, 0.0, 0.0]
    cfg.commands.single_axis_share = 0.6
    given = make_qmini(cfg).commands != 0.0
    alone = given.sum(1) == 1
    assert 0.53 < alone.float().mean() < 0.67
    shares = given[alone].float().mean(0)
    assert (shares > 0.26).all() and (shares < 0.41).all()
    assert not given[~alone, 1].any()
    cfg.commands.ranges.lin_vel_y, cfg.commands.single_axis_share = [0.0, 0.0], 1.0
    given = make_qmini(cfg).commands != 0.0
    assert (given.sum(1) == 1).all() and not given[:, 1].any(), "an axis without a range is not chosen"


def test_prices_on_lateral_errors_and_on_motion_while_standing(env: Qmini) -> None:
    env.commands[0, 1], env.base_lin_vel[:, 1] = 0.1, torch.tensor([-0.2, 0.3])
    assert env._reward_lin_vel_y_error().tolist() == pytest.approx([0.09, 0.09])
    env.dof_vel[:] = 0.2
    assert env._reward_stand_motion().tolist() == pytest.approx([0.0, 0.4])


def test_lasting_velocity_errors_cost_and_sway_within_a_period_does_not(env: Qmini) -> None:
    env.mean_velocity_error[0] = torch.tensor([0.02, -0.1, 0.06])
    assert env._reward_mean_velocity_error().tolist() == pytest.approx([0.15, 0.0])
    wanted, share = env.mean_velocity_error.clone(), env.dt / env.cfg.gait.period
    for _ in range(3):
        env.step(torch.zeros(2, env.num_actions))
        velocity = torch.cat((env.base_lin_vel[:, :2], env.base_ang_vel[:, 2:]), dim=1)
        wanted += (env.commands[:, :3] - velocity - wanted) * share
    torch.testing.assert_close(env.mean_velocity_error, wanted)
    env.reset_idx(torch.tensor([1]))
    assert env.mean_velocity_error[0].abs().sum() > 0.0 and not env.mean_velocity_error[1].any()


def test_the_mean_velocity_error_is_kept_only_where_it_costs(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(2)
    cfg.rewards.scales.mean_velocity_error = 0.0
    task = make_qmini(cfg)
    task.step(torch.zeros(2, task.num_actions))
    assert not hasattr(task, "mean_velocity_error")


def test_power_counts_what_joints_give_and_what_they_take(env: Qmini) -> None:
    env.torques[:], env.dof_vel[:] = 2.0, 0.0
    env.dof_vel[0, :2] = torch.tensor([1.5, -0.5])
    assert env._reward_power().tolist() == pytest.approx([4.0, 0.0])


def test_heights_may_be_taken_above_the_mean_of_the_measured_ones(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(6, plane=False))
    cfg.terrain.max_init_terrain_level, cfg.rewards.heights_above_mean = 2, True
    cfg.terrain.level_change_probability = 0.0
    env = make_qmini(cfg)
    for _ in range(3):
        env.step(torch.zeros(6, 10))
        mean = env._get_heights().mean(dim=1)
        torch.testing.assert_close(env.base_height, env.root_states[:, 2] - mean)
        feet = env.rigid_body_states[:, env.feet_indices, 2]
        torch.testing.assert_close(env.feet_height, feet - mean.unsqueeze(1))
    assert not torch.allclose(env.ground.height_under(env.root_states), mean, atol=1e-4)
