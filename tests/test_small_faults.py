"""Faults of a line that once went unnoticed by all other tests."""

from __future__ import annotations

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
    env.contact_forces[0, left, 2] = env.contact_forces[1, right, 2] = 50.0
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
    obs = env.step(torch.zeros(2, 10))[0]
    assert obs["label"][0, 3:].tolist() == [0.0, 0.0], "it hangs in the air"


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
