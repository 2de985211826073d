"""The generic task: steps, resets, time-outs, commands, curriculum, and a robot of the user's own."""

from __future__ import annotations

import importlib
import itertools

import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, Qmini, QminiCfg, task_registry
from legged_gym.envs.base.base_config import ConfigError


def act(env: Qmini, scale: float = 0.3) -> torch.Tensor:
    return scale * torch.randn(env.num_envs, env.num_actions)


@pytest.mark.parametrize("task", task_registry.names)
def test_every_task_steps_and_resets(task: str) -> None:
    cfg, _ = task_registry.get_cfgs(task)
    cfg.env.num_envs, cfg.env.episode_length_s = 6, 0.6
    cfg.terrain.num_rows, cfg.terrain.num_cols, cfg.terrain.border_size = 3, 5, 5.0
    env, _ = task_registry.make_env(task, env_cfg=cfg)
    sizes = {name: value.shape for name, value in env.get_observations().items()}
    ended = torch.zeros(6, dtype=torch.bool)
    for _ in range(60):
        obs, rewards, dones, extras = env.step(0.3 * torch.randn(6, env.num_actions))
        assert {name: value.shape for name, value in obs.items()} == sizes
        assert all(torch.isfinite(value).all() for value in obs.values())
        assert torch.isfinite(rewards).all() and rewards.shape == dones.shape == extras["time_outs"].shape == (6,)
        ended |= dones
    assert ended.all()
    env.close()


def test_observation_and_label_are_of_the_new_episode_after_a_reset(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(plane=False)))
    env.step(act(env))
    for _ in range(200):
        obs, _, dones, _ = env.step(act(env, 1.0))
        if dones.any() and not dones.all():
            break
    assert dones.any()
    slices = env.obs_layout.slices
    history = obs["policy"].view(env.num_envs, 5, -1)
    fresh = history[dones]
    # Standing at rest in the default pose: nothing of the fall that ended the old episode may be seen.
    assert fresh[..., slices["base_ang_vel"]].abs().max() < 1e-5
    assert fresh[..., slices["dof_vel"]].abs().max() == 0.0
    assert fresh[..., slices["actions"]].abs().max() == 0.0
    torch.testing.assert_close(
        fresh[..., slices["projected_gravity"]],
        torch.tensor([0.0, 0.0, -1.0]).expand(len(fresh), 5, 3),
        atol=1e-5,
        rtol=0,
    )
    torch.testing.assert_close(fresh, fresh[:, :1].expand_as(fresh))
    assert obs["label"][dones, :3].abs().max() < 1e-5
    # The others go on: their history moves by one step.
    going = history[~dones]
    assert not torch.equal(going[:, 0], going[:, 1])


def test_history_is_newest_first(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2)))
    steps = [env.get_observations()["policy"][:, :43].clone()]
    for _ in range(4):
        obs, _, dones, _ = env.step(0.1 * act(env))
        assert not dones.any()
        steps.append(obs["policy"][:, :43].clone())
    torch.testing.assert_close(obs["policy"], torch.cat(steps[::-1], dim=1), atol=0, rtol=0)


def test_observations_are_new_tensors_every_step(make_qmini: QminiFactory) -> None:
    env = make_qmini()
    first = env.get_observations()
    copies = {name: value.clone() for name, value in first.items()}
    env.step(act(env))
    for name, value in first.items():
        torch.testing.assert_close(value, copies[name], atol=0, rtol=0)


def test_time_outs_are_told_once(make_qmini: QminiFactory) -> None:
    cfg = small_cfg()
    cfg.env.episode_length_s = 0.2
    cfg.asset.terminate_after_contacts_on, cfg.asset.terminate_past_tilt = [], 0.0
    env = make_qmini(cfg)
    told = [env.step(act(env))[3]["time_outs"].clone() for _ in range(21)]
    assert [bool(t.all()) for t in told] == [step % 10 == 9 for step in range(21)]
    assert [bool(t.any()) for t in told] == [step % 10 == 9 for step in range(21)]


def test_episode_length_can_be_spread_without_losing_references(make_qmini: QminiFactory) -> None:
    env = make_qmini()
    buffer = env.episode_length_buf
    env.episode_length_buf = torch.randint_like(buffer, int(env.max_episode_length))
    assert env.episode_length_buf is buffer
    assert buffer.max() > 0


def test_the_same_seed_gives_the_same_rollout(make_qmini: QminiFactory) -> None:
    results = []
    for seed in (5, 5, 6):
        env = make_qmini(small_cfg(4, plane=False), seed=seed)
        for step in range(20):
            obs, rewards, _, _ = env.step(torch.full((4, 10), 0.1 * (step % 3)))
        results.append((obs["policy"], rewards))
    torch.testing.assert_close(results[0], results[1], atol=0, rtol=0)
    assert not torch.equal(results[0][0], results[2][0])


def test_commands_in_the_dead_band_become_zero(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(512)
    cfg.commands.ranges.lin_vel_x, cfg.commands.ranges.lin_vel_y = [-0.1, 0.1], [0.0, 0.0]
    cfg.commands.ranges.ang_vel_yaw = [-0.2, 0.2]
    cfg.commands.standing_share = 0.0
    env = make_qmini(cfg)
    band = torch.tensor([0.05, 0.05, 0.1])
    assert ((env.commands == 0.0) | (env.commands.abs() > band)).all()
    zero = (env.commands == 0.0).float().mean(0)
    assert 0.4 < zero[0] < 0.6 and 0.4 < zero[2] < 0.6 and zero[1] == 1.0


def test_commands_change_when_due(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(4))
    cfg.commands.resampling_time = 0.1
    cfg.asset.terminate_after_contacts_on = []
    env = make_qmini(cfg)
    seen = [env.commands.clone()]
    for _ in range(10):
        env.step(torch.zeros(4, 10))
        seen.append(env.commands.clone())
    changed = [not torch.equal(a, b) for a, b in itertools.pairwise(seen)]
    assert changed == [False, False, False, False, True] * 2
    assert env._commands.due(torch.tensor([0, 4, 5])).tolist() == [False, False, True], "nor twice at the start"


def test_pushes_come_to_each_robot_in_its_own_step(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(64))
    cfg.domain_rand.push_robots, cfg.domain_rand.push_interval_s = True, 0.2
    cfg.domain_rand.max_push_vel_x, cfg.domain_rand.max_push_vel_y = 2.0, 0.0
    cfg.asset.terminate_after_contacts_on = []
    env = make_qmini(cfg)
    pushed = torch.zeros(10, 64, dtype=torch.bool)
    for step in range(10):
        before = env.root_states[:, 7].clone()
        env.step(torch.zeros(64, 10))
        pushed[step] = (env.root_states[:, 7] - before).abs() > 0.4
    assert (pushed.sum(0) <= 1).all(), "once an interval"
    assert pushed.any(1).sum() >= 8, "spread over the steps"
    assert 0.5 < pushed.any(0).float().mean() < 1.0, "four in five draws are above the test's threshold"


def test_reset_idx_resets_only_those(make_qmini: QminiFactory) -> None:
    env = make_qmini()
    for _ in range(5):
        env.step(0.1 * act(env))
    lengths = env.episode_length_buf.clone()
    height = env.root_states[:, 2].clone()
    env.reset_idx(torch.tensor([0, 3]))
    changed = env.episode_length_buf != lengths
    assert changed.nonzero().ravel().tolist() == [0, 3]
    assert torch.equal(env.root_states[~changed, 2], height[~changed])
    torch.testing.assert_close(env.root_states[changed, 2], torch.full((2,), 0.48), atol=1e-5, rtol=0)
    env.reset_idx(torch.tensor([], dtype=torch.long))
    obs, *_ = env.step(0.1 * act(env))
    history = obs["policy"].view(8, 5, 43)
    torch.testing.assert_close(history[changed], history[changed, :1].expand(2, 5, 43), atol=0, rtol=0)
    assert not torch.equal(history[1, 0], history[1, 1]), "the others keep their history"


def test_a_diverged_robot_starts_anew(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(3)))
    env.step(torch.zeros(3, 10))
    env.sim.batch.qvel[1] = 1e30
    obs, _, dones, extras = env.step(torch.zeros(3, 10))
    assert dones.tolist() == [False, True, False]
    assert extras["diverged"].tolist() == dones.tolist()
    assert all(torch.isfinite(group).all() for group in obs.values())
    torch.testing.assert_close(env.dof_pos[1], env.default_dof_pos[0], atol=1e-5, rtol=0)


def test_curriculum_promotes_and_demotes(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(4, plane=False)
    cfg.terrain.level_change_probability = 1.0
    env = make_qmini(cfg)
    env.ground.set_levels(torch.tensor([0, 1, 1, 2]))
    everyone = torch.tensor([True, True, True, True])
    distance, wanted = torch.tensor([2.6, 0.1, 2.0, 2.6]), torch.tensor([4.0, 4.0, 3.0, 4.0])
    env.ground.update_curriculum(everyone, distance, wanted)
    assert env.terrain_levels[:3].tolist() == [1, 0, 1]
    past_the_top = set()
    for _ in range(30):
        past_the_top.add(int(env.terrain_levels[3]))
        env.ground.set_levels(torch.tensor([1, 0, 1, 2]))
        env.ground.update_curriculum(torch.tensor([False, False, False, True]), distance, wanted)
    assert past_the_top == {0, 1, 2}, "anywhere"
    expected = torch.as_tensor(env.terrain.env_origins, dtype=torch.float32)[env.terrain_levels, env.ground.types]
    torch.testing.assert_close(env.env_origins, expected)
    env.ground.update_curriculum(~everyone, torch.full((4,), 9.0), wanted)
    assert env.terrain_levels[:3].tolist() == [1, 0, 1]
    # With fewer levels, who stands too high goes to one of them at the end of its episode.
    env.ground.set_levels(torch.tensor([2, 0, 2, 1]))
    env.changeable["terrain.max_level"](1.0)
    last = torch.tensor([True, True, False, True])
    env.ground.update_curriculum(last, torch.tensor([2.0, 2.6, 2.0, 2.6]), wanted)
    assert env.terrain_levels[0] <= 1 and env.terrain_levels[1:3].tolist() == [1, 2] and env.terrain_levels[3] <= 1


def test_heights_are_those_of_the_field(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(4, plane=False)))
    env.ground.set_levels(torch.tensor([2, 2, 2, 2]))
    env.reset()
    heights = env.ground.heights_around(env.root_states).view(4, 17, 11)
    for i, ix, iy in ((0, 8, 5), (1, 0, 0), (2, 16, 10), (3, 3, 9)):
        # Unturned robots: the points lie along the world's axes.
        x = env.root_states[i, 0] + 0.1 * ix - 0.8
        y = env.root_states[i, 1] + 0.1 * iy - 0.5
        cell = ((torch.stack((x, y)) - torch.tensor(env.terrain.origin)) / 0.1).round().long()
        assert heights[i, ix, iy] == pytest.approx(float(env.terrain.heights[cell[0], cell[1]]), abs=1e-6)
    assert env.terrain.heights.max() > 0.01


def test_turned_robots_see_turned_heights(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(1, plane=False)))
    env.ground._heights = (
        torch.arange(env.ground._heights.shape[0]).float().unsqueeze(1).expand_as(env.ground._heights).contiguous()
    )
    state = env.root_states.clone()
    ahead = env.ground.heights_around(state).view(17, 11)
    assert torch.equal(ahead[16, 5] - ahead[0, 5], torch.tensor(16.0)), "heights rise along x"
    state[0, 3:7] = torch.tensor([0.0, 0.0, 0.70710678, 0.70710678])
    left = env.ground.heights_around(state).view(17, 11)
    assert left[16, 5] == left[0, 5], "turned left, ahead is along y"
    assert left[8, 10] - left[8, 0] == -10.0, "and left is backwards in x"


def test_training_state_restores_counters_and_levels(make_qmini: QminiFactory) -> None:
    first = make_qmini(small_cfg(8, plane=False))
    first.ground.set_levels(torch.tensor([0, 1, 2, 2, 1, 0, 2, 1]))
    first.common_step_counter = 123
    second = make_qmini(small_cfg(8, plane=False), seed=2)
    second.load_training_state(first.training_state())
    assert second.common_step_counter == 123
    assert torch.equal(second.terrain_levels, first.terrain_levels)
    taller = first.training_state() | {"terrain_levels": torch.full((8,), 9)}
    second.load_training_state(taller)
    assert second.terrain_levels.tolist() == 8 * [2], "of a field with more rows"
    larger = make_qmini(small_cfg(40, plane=False))
    larger.load_training_state(first.training_state() | {"terrain_levels": torch.tensor([1, 2, 1])})
    assert set(larger.terrain_levels.tolist()) == {1, 2}, "drawn from the robots of before"
    assert torch.equal(larger.env_origins, larger.ground.tile_origins[larger.terrain_levels, larger.ground.types])


def test_logged_figures_are_means_over_the_interval(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg())
    cfg.env.log_interval = 4
    env = make_qmini(cfg)
    errors, alive = [], []
    for step in range(8):
        command = env.commands[:, 0].clone()
        _, _, _, extras = env.step(0.1 * act(env))
        if not env.reset_buf.any():
            errors.append((command - env.base_lin_vel[:, 0]).square().mean())
        alive.append("log" in extras)
    assert alive == [False, False, False, True] * 2
    log = extras["log"]
    assert log["Reward/alive"].item() == pytest.approx(0.3)
    assert log["Tracking/lin_vel_x_rmse"].item() == pytest.approx(
        torch.stack(errors[4:]).mean().sqrt().item(), rel=1e-5
    )
    assert set(log) >= {"Terrain/level", "Episode/falls", "Episode/time_outs", "Reward/termination"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("env.num_envs", 0, "takes an integer from 1 to 1000000"),
        ("domain_rand.added_mass_range", [-9.0, 1.0], "added_mass_range.*the base weighs only 4.78 kg"),
        ("asset.file", "/nowhere.urdf", "no URDF at '/nowhere.urdf'"),
        ("asset.foot_name", "toe", "'asset.foot_name': no link has 'toe'"),
        ("control.stiffness", {"hip": 20.0}, "no value for joint 'knee_pitch_l'"),
        ("init_state.default_joint_angles", {"hip_yaw_l": 0.0}, "no value for joint 'hip_roll_l'"),
    ],
)
def test_impossible_settings_are_told(key: str, value: object, message: str) -> None:
    cfg = small_cfg(2)
    section, name = key.split(".")
    setattr(getattr(cfg, section), name, value)
    with pytest.raises(UserError, match=message):
        Qmini(cfg)


def test_a_scale_without_a_reward_is_an_error() -> None:
    class Misspelt(QminiCfg):
        class rewards(QminiCfg.rewards):
            class scales(QminiCfg.rewards.scales):
                base_hight = -1.0

    cfg = Misspelt()
    cfg.env.num_envs, cfg.terrain.mesh_type = 1, "plane"
    with pytest.raises(ConfigError, match=r"rewards.scales.base_hight.*did you mean 'base_height'"):
        Qmini(cfg)


def test_promotion_counts_from_where_the_robot_started(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(2, plane=False)
    cfg.terrain.level_change_probability = 1.0
    env = make_qmini(cfg)
    env.ground.set_levels(torch.tensor([1, 1]))
    env.reset()
    env.commands[:] = torch.tensor([0.1, 0.0, 0.0])
    start = env.root_states[:, :2].clone()
    env.root_states[:, 0] = start[:, 0] + torch.tensor([2.6, 2.4])
    env.reset_buf = torch.tensor([True, True])
    env._update_terrain_curriculum(env.reset_buf)
    assert env.terrain_levels.tolist() == [2, 1]


def test_a_shortened_first_episode_does_not_demote(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(2, plane=False)
    cfg.terrain.level_change_probability = 1.0
    env = make_qmini(cfg)
    env.ground.set_levels(torch.tensor([2, 2]))
    env.reset()
    env.commands[:] = torch.tensor([0.5, 0.0, 0.0])
    env._asked[:, 0] = 0.1
    env.root_states[:, 0] += 0.09
    env.reset_buf, env.time_out_buf = torch.tensor([True, True]), torch.tensor([True, False])
    env._update_terrain_curriculum(env.reset_buf)
    assert env.terrain_levels.tolist() == [2, 1], "0.09 m in 0.2 s is enough at 0.5 m/s; a fall is not"


def test_tilting_too_far_ends_the_episode_where_asked_for(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(num_envs=3))
    cfg.asset.terminate_past_tilt = 20.0
    env = make_qmini(cfg)
    root = env.root_states.clone()
    half_angle = torch.deg2rad(torch.tensor([0.0, 15.0, 25.0])) / 2.0
    root[:, 2], root[:, 3], root[:, 4:6], root[:, 6] = 1.0, half_angle.sin(), 0.0, half_angle.cos()
    env.sim.set_state(torch.ones(3, dtype=torch.bool), root, env.dof_pos.clone(), env.dof_vel.clone())
    _, _, dones, extras = env.step(torch.zeros(3, env.num_actions))
    assert dones.tolist() == [False, False, True]
    assert not extras["time_outs"].any()


def test_who_falls_through_the_field_is_out_of_time(make_qmini: QminiFactory) -> None:
    env = make_qmini(small_cfg(2, plane=False))
    root = env.root_states.clone()
    root[0, 2] = float(env.terrain.heights.min()) - 0.3
    env.sim.set_state(torch.tensor([True, False]), root, env.dof_pos.clone(), env.dof_vel.clone())
    for _ in range(25):
        _, _, dones, extras = env.step(torch.zeros(2, 10))
        if dones[0]:
            break
    assert dones.tolist() == extras["time_outs"].tolist() == [True, False]
    assert env.root_states[0, 2] > 0.3, "it starts anew on the ground"


def test_who_leaves_the_field_is_out_of_time(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(3, plane=False))
    cfg.terrain.border_size, cfg.init_state.position_noise = 0.0, 0.0
    env = make_qmini(cfg)
    root = env.root_states.clone()
    root[0, 0], root[1, 1] = -0.05, 25.0
    env.sim.set_state(torch.ones(3, dtype=torch.bool), root, env.dof_pos.clone(), env.dof_vel.clone())
    _, _, dones, extras = env.step(torch.zeros(3, 10))
    assert dones.tolist() == extras["time_outs"].tolist() == [True, False, False]
    root[1, 1] = 25.1
    env.sim.set_state(torch.ones(3, dtype=torch.bool), root, env.dof_pos.clone(), env.dof_vel.clone())
    assert env.step(torch.zeros(3, 10))[2].tolist() == [True, True, False]


def test_a_mesh_is_the_height_field(make_qmini: QminiFactory, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = small_cfg(1, plane=False)
    cfg.terrain.mesh_type = "trimesh"
    env = make_qmini(cfg)
    assert env.terrain is not None and env.ground.has_terrain
    assert capsys.readouterr().out.count("'heightfield'") == 1


def test_a_robot_that_does_as_it_is_told_is_not_demoted(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(2, plane=False))
    cfg.terrain.level_change_probability, cfg.commands.resampling_time = 1.0, 5.0
    env = make_qmini(cfg)
    env.ground.set_levels(torch.tensor([2, 2]))
    env.reset()
    # 20 s of circles of 0.5 m/s and 0.5 rad/s lead hardly anywhere; the second robot stands still all the same.
    for _ in range(1000):
        env.commands[:] = torch.tensor([0.5, 0.0, 0.5])
        env._ask_for_ground()
    asked = env._asked[0, :2].norm()
    assert asked == pytest.approx(2.0 * abs(np.sin(0.5 * 20.0 / 2.0)), abs=0.05), "a chord of a circle of radius 1 m"
    env.root_states[0, :2] += 0.9 * env._asked[0, :2]
    env.episode_length_buf.fill_(1000)
    env.reset_buf = env.time_out_buf = torch.tensor([True, True])
    env._update_terrain_curriculum(env.reset_buf)
    assert env.terrain_levels.tolist() == [2, 1]


def test_legged_gyms_modules_of_a_task_are_there() -> None:
    for module, name in (
        ("base_task", "BaseTask"), ("legged_robot", "LeggedRobot"), ("legged_robot_config", "LeggedRobotCfg"),
        ("base_config", "BaseConfig"),
    ):  # fmt: skip
        assert name in vars(importlib.import_module(f"legged_gym.envs.base.{module}"))
    assert issubclass(LeggedRobot, importlib.import_module("legged_gym.envs.base.base_task").BaseTask)
