"""Faults of a line that once went unnoticed by all other tests."""

from __future__ import annotations

import cmath
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.mirror import mirror
from legged_gym.envs.base.pushes import Pushes
from legged_gym.envs.base.reward_sum import RewardSum
from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.runners.checkpoint import write_tensors


def term(env: Qmini, group: str, name: str) -> slice:
    """Return where a term lies in an observation group, the first time that it is there."""
    start = 0
    for part, size in env.mirrored_groups()[group]:
        if part.name == name:
            return slice(start, start + size)
        start += size
    raise AssertionError(f"{group} has no term {name}")


def test_every_noisy_term_is_noisy_and_no_other(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(64))
    cfg.noise.add_noise = True
    env = make_qmini(cfg)
    obs = env.step(torch.zeros(64, 10))[0]
    newest, clean = obs["policy"][:, : env.obs_layout.size], obs["privileged"][:, : env.obs_layout.size]
    noise, largest = newest - clean, env.obs_layout.noise_vec
    noisy = largest > 0.0
    assert noisy.sum() == 26, "rates, gravity, angles and velocities of joints"
    assert (noise[:, ~noisy] == 0.0).all()
    assert (noise.abs() <= largest * 1.001).all()
    assert (noise[:, noisy].abs().mean(0) > 0.3 * largest[noisy]).all()
    assert (noise[:, noisy].mean(0).abs() < 0.4 * largest[noisy]).all()


def test_the_label_tells_left_from_right(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2)))
    left, right = (env.body_names.index(f"ankle_pitch_{side}") for side in "lr")
    env._last_touching.zero_()
    env.contact_forces.zero_()
    env.contact_forces[0, left, 2] = 50.0
    # Against a wall.
    env.contact_forces[1, right, 0] = -50.0
    env._update_feet()
    env._observe()
    label = env.get_observations()["label"]
    assert label[:, 3:].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_new_episode_knows_nothing_of_the_old_one(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(2))
    cfg.init_state.pos = [0.0, 0.0, 1.0]
    env = make_qmini(cfg)
    for _ in range(3):
        env.step(torch.ones(2, 10))
    env._last_touching[:], env._has_touched[:], env.feet_contact[:] = True, True, True
    env.feet_air_time[:] = 0.3
    env.contact_forces[:, env.feet_indices, 2] = 50.0
    env.reset_idx(torch.tensor([0]))
    for name in ("actions", "last_actions", "last_last_actions", "feet_air_time"):
        value = getattr(env, name)
        assert not value[0].any(), name
        assert value[1].any(), name
    for name in ("_last_touching", "_has_touched", "feet_contact"):
        assert getattr(env, name).tolist() == [[False, False], [True, True]], name
    assert env.episode_length_buf.tolist() == [0, 3]
    assert env.episode_sums["alive"][0] == 0.0 < env.episode_sums["alive"][1]
    obs = env.step(torch.zeros(2, 10))[0]
    assert obs["label"][0, 3:].tolist() == [0.0, 0.0], "it hangs in the air"


def test_what_was_a_step_ago_is_kept_apart(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2)))
    past: list[list[torch.Tensor]] = []
    for _ in range(4):
        past.append([env.actions.clone(), env.dof_vel.clone(), env.root_states[:, 7:13].clone()])
        obs = env.step(torch.randn(2, 10))[0]
    assert torch.equal(obs["policy"][:, env.obs_layout.slices["actions"]], env.actions), "the last one"
    (older, _, _), newer = past[-2:]
    for kept, was, now in (
        (env.last_actions, newer[0], env.actions),
        (env.last_last_actions, older, env.last_actions),
        (env.last_dof_vel, newer[1], env.dof_vel),
        (env.last_root_vel, newer[2], env.root_states[:, 7:13]),
    ):
        assert torch.equal(kept, was) and not torch.equal(kept, now)


def test_encoders_show_angles_with_their_zeros_off(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(4))
    cfg.domain_rand.randomize_joint_offset, cfg.domain_rand.joint_offset_range = True, [0.02, 0.05]
    env = make_qmini(cfg)
    obs = env.step(torch.zeros(4, 10))[0]
    shown = obs["policy"][:, env.obs_layout.slices["dof_pos"]]
    torch.testing.assert_close(shown, env.dof_pos - env.default_dof_pos + env.rand.joint_offset)
    assert env.rand.joint_offset.min() >= 0.02


def test_the_height_of_the_base_is_above_the_ground(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(30, plane=False))
    cfg.init_state.position_noise, cfg.terrain.terrain_proportions = 0.3, [0.5, 0.0, 0.5, 0.0, 0.0]
    cfg.terrain.platform_size = 0.5
    env = make_qmini(cfg)
    env.ground.set_levels(torch.full_like(env.ground.levels, 2))
    env.reset()
    assert env.env_origins[:, 2].abs().min() > 0.1, "all start on hills and in pits"
    beside = (env.root_states[:, :2] - env.env_origins[:, :2]).abs().amax(0)
    assert beside.min() > 0.2 and beside.max() <= 0.3, "and around the middles of their tiles"
    above = env.root_states[:, 2] - env.ground.height_at(env.root_states)
    torch.testing.assert_close(above, torch.full((30,), cfg.init_state.pos[2]))
    corners = torch.tensor([[-0.15, -0.15], [-0.15, 0.15], [0.15, -0.15], [0.15, 0.15]])
    around = env.ground.height_at(env.root_states[:, None, :2] + corners)
    assert around.std(dim=1).max() > 0.01
    torch.testing.assert_close(env.base_height, env.root_states[:, 2] - around.mean(1))


def test_the_ground_is_measured_where_a_new_episode_begins(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(8, plane=False))
    cfg.rewards.heights_above_mean = True
    env = make_qmini(cfg)
    env.step(torch.zeros(8, 10))
    env.ground.set_levels(torch.full_like(env.ground.levels, 2))
    env.episode_length_buf[:] = env.max_episode_length
    obs = env.step(torch.zeros(8, 10))[0]
    seen = obs["privileged"][:, term(env, "privileged", "heights")]
    offset = env.root_states[:, 2:3] - cfg.terrain.height_offset
    expected = (offset - env.ground.heights_around(env.root_states)).clamp(-1.0, 1.0)
    torch.testing.assert_close(seen, expected * cfg.normalization.obs_scales.height_measurements)
    env.root_states[:, 2] += 5.0
    assert (env._height_samples() == 1.0).all(), "as far as they are seen"


def test_start_angles_stay_within_the_joints_limits(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(200))
    cfg.init_state.joint_noise = {"": 1.5}
    env = make_qmini(cfg)
    low, high = env.sim.dof_pos_limits.unbind(1)
    assert ((env.dof_pos >= low - 1e-6) & (env.dof_pos <= high + 1e-6)).all()
    assert ((env.dof_pos - low).abs() < 1e-5).any() and ((env.dof_pos - high).abs() < 1e-5).any()


def test_robots_on_a_plane_have_places_of_their_own(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(7)))
    apart = torch.cdist(env.env_origins, env.env_origins) + 9.0 * torch.eye(7)
    assert apart.min() == pytest.approx(env.cfg.env.env_spacing)


@pytest.mark.parametrize(("curriculum", "first"), [(True, {0, 1}), (False, {0, 1, 2})])
def test_where_robots_start_at_first(curriculum: bool, first: set[int]) -> None:
    cfg = small_cfg(100, plane=False)
    cfg.terrain.curriculum, cfg.terrain.max_init_terrain_level = curriculum, 1
    assert set(Ground(cfg, Terrain(cfg.terrain, seed=3), 100, "cpu").levels.tolist()) == first


def test_the_clock_begins_with_the_episode(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(3))
    cfg.asset.terminate_after_contacts_on, cfg.commands.standing_share = [], 0.0
    cfg.commands.ranges.lin_vel_x = [0.3, 0.6]
    env = make_qmini(cfg)
    for _ in range(5):
        env.step(torch.zeros(3, 10))
    first, period = env.dt / cfg.gait.period, cfg.gait.period
    env.episode_length_buf[0] = env.max_episode_length
    env.step(torch.zeros(3, 10))
    assert env.gait_phase.tolist() == pytest.approx([first, 7.0 * first, 7.0 * first]), (
        "of the new episode's first sight"
    )
    env.reset_idx(torch.tensor([1]))
    env.step(torch.zeros(3, 10))
    assert env.gait_phase.tolist() == pytest.approx([2.0 * first, first, 8.0 * env.dt / period]), (
        "as after a push of a key"
    )


def test_what_is_asked_of_the_ground_follows_the_heading(make_qmini: QminiFactory) -> None:
    """A command that turns left by a right angle leads first ahead and to the left, then left and back."""
    env = make_qmini(quiet(small_cfg(2, plane=False)))
    env.reset()
    way = 0.0 + 0.0j
    for step in range(150):
        env.commands[:] = torch.tensor([0.4, 0.3, 0.5 * math.pi / 3.0])
        env._ask_for_ground()
        way += 0.02 * (0.4 + 0.3j) * cmath.exp(0.02j * step * 0.5 * math.pi / 3.0)
    assert env._asked[0].tolist() == pytest.approx([way.real, way.imag, 0.5 * math.pi], abs=1e-4)
    env.reset_idx(torch.tensor([1]))
    assert env._asked[0].all() and not env._asked[1].any()


def test_observations_are_clamped_after_the_noise(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(16))
    cfg.noise.add_noise, cfg.normalization.clip_observations = True, 0.3
    env = make_qmini(cfg)
    for _ in range(3):
        obs = env.step(torch.ones(16, 10))[0]
    assert obs["policy"].abs().max() == pytest.approx(0.3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_as_many_stand_as_are_told_to(make_qmini: QminiFactory, share: float) -> None:
    cfg = quiet(small_cfg(16))
    cfg.commands.standing_share, cfg.commands.dead_band = share, [0.0, 0.0, 0.0]
    standing = (make_qmini(cfg).commands == 0.0).all(dim=1)
    assert standing.float().mean() == share


def test_actions_are_clipped(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(2))
    cfg.normalization.clip_actions = 0.5
    env = make_qmini(cfg)
    env.step(torch.tensor([[3.0], [-3.0]]).expand(2, 10))
    assert env.actions.tolist() == [10 * [0.5], 10 * [-0.5]]


def test_heights_are_those_of_the_nearest_point() -> None:
    cfg = small_cfg(1, plane=False)
    terrain = Terrain(cfg.terrain, seed=3)
    ground, scale = Ground(cfg, terrain, 1, "cpu"), cfg.terrain.horizontal_scale
    rows, cols = terrain.heights.shape
    i = torch.randint(1, rows - 1, (200,), generator=torch.Generator().manual_seed(1))
    j = torch.randint(1, cols - 1, (200,), generator=torch.Generator().manual_seed(2))
    expected = torch.as_tensor(terrain.heights)[i, j]
    assert expected.unique().numel() > 20
    for x, y in ((0.0, 0.0), (0.45, -0.45), (-0.45, 0.45)):
        points = torch.stack((i + x, j + y), dim=1) * scale + torch.as_tensor(terrain.origin[:2])
        torch.testing.assert_close(ground.height_at(points.float()), expected.float())


def test_the_mirror_turns_the_sign_of_what_points_left(make_qmini: QminiFactory) -> None:
    """The critic's centre of mass is a vector: its second component alone changes sign."""
    env = make_qmini(small_cfg(4))
    obs = env.step(torch.randn(4, 10))[0]
    for name, signs in (
        ("added_com", [1, -1, 1]),
        ("base_lin_vel", [1, -1, 1]),
        ("projected_gravity", [1, -1, 1]),
        ("base_ang_vel", [-1, 1, -1]),
        ("commands", [1, -1, -1]),
    ):
        part = term(env, "privileged", name)
        both, _ = mirror(env, obs, None)
        assert both is not None
        seen, mirrored = both["privileged"][:4, part], both["privileged"][4:, part]
        torch.testing.assert_close(mirrored, seen * torch.tensor(signs))
    assert env.rand.physics.added_com.abs().min() > 0.0, "a sign of zero would show nothing"


def test_a_file_is_on_the_disk_before_it_takes_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Any]] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (done.append(("sync", os.fstat(file).st_size)), sync(file))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append(("replace", Path(b).name)), replace(a, b))[1])
    write_tensors(tmp_path / "model_1.pt", {"values": torch.ones(100)})
    size = (tmp_path / "model_1.pt").stat().st_size
    assert done == [("sync", size), ("replace", "model_1.pt")]


def test_pushes_stay_within_their_range_and_reach_its_ends() -> None:
    cfg = small_cfg()
    cfg.domain_rand.max_push_vel_x, cfg.domain_rand.max_push_vel_y = 0.4, 0.2
    torch.manual_seed(0)
    pushed = Pushes(cfg, 2000, 0.02, "cpu").push(torch.zeros(2000, 6))
    torch.testing.assert_close(pushed.abs().amax(0)[:2], torch.tensor([0.4, 0.2]), atol=0.005, rtol=0.0)
    assert (pushed[:, 2:] == 0.0).all()


class _Paid:
    num_envs, device = 2, "cpu"

    def _reward_good(self) -> float:
        return 1.0

    def _reward_bad(self) -> float:
        return 2.0

    def _reward_termination(self) -> torch.Tensor:
        return torch.tensor([0.0, 1.0])


def test_rewards_are_rates_and_the_price_of_a_fall_outlasts_the_clipping() -> None:
    scales = {"termination": -200.0, "good": 3.0, "bad": -1.0}
    reward, _ = RewardSum(_Paid(), scales, 0.02, only_positive=True).compute()
    torch.testing.assert_close(reward, torch.tensor([0.02, 0.02 - 4.0]))
    reward, _ = RewardSum(_Paid(), {**scales, "bad": -5.0}, 0.02, only_positive=True).compute()
    torch.testing.assert_close(reward, torch.tensor([0.0, -4.0]))
