"""Robots whose simulation diverges: noticed every time, ended, counted, and kept out of everything that is learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg
from qmini_training import make_env, make_runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensordict import TensorDict

from legged_gym.common.errors import TrainingStoppedError, UserError
from legged_gym.envs.base.divergence import DivergenceLog, Replay
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.simulators.simulator import CAUSES

_N = 4


def _not_finite(env: Qmini) -> None:
    env.sim._qvel[1, 0] = np.nan  # type: ignore[attr-defined]


def _thrown(env: Qmini) -> None:
    env.sim._qvel[1, 2] = 50.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(("cause", "spoil"), [("not_finite", _not_finite), ("linear_velocity", _thrown)])
def test_every_divergence_ends_the_episode_and_counts_for_nothing(
    make_qmini: QminiFactory, cause: str, spoil: Callable[[Qmini], None]
) -> None:
    env = make_qmini(small_cfg(_N))
    for time in range(3):
        for _ in range(5):
            env.step(torch.zeros(_N, 10))
        spoil(env)
        obs, rewards, dones, extras = env.step(torch.zeros(_N, 10))
        assert [CAUSES[int(i) - 1] for i in env.sim.diverged if i] == [cause]
        assert dones.tolist() == extras["diverged"].tolist() == [False, True, False, False]
        assert env.sim.lost.tolist() == dones.tolist(), "a name that others rely on"
        assert extras["time_outs"].tolist() == dones.tolist(), "the state's value stands in for what is not known"
        assert not env.time_out_buf.any()
        assert rewards[1] == 0.0 and (rewards[[0, 2, 3]] != 0.0).all()
        assert (env.reward_rates[1] == 0.0).all()
        assert all(group.isfinite().all() and group.abs().max() < 101.0 for group in obs.values())
        history = obs["policy"][1].view(5, -1)
        torch.testing.assert_close(history, history[:1].expand(5, -1), atol=0, rtol=0)
        assert env.divergence.counts()[1] == {name: (time + 1) * (name == cause) for name in CAUSES}


@pytest.mark.parametrize(
    ("limit", "value", "cause"),
    [
        ("max_linear_velocity", 1e-3, "linear_velocity"),
        ("max_angular_velocity", 1e-3, "angular_velocity"),
        ("max_joint_velocity", 1e-3, "joint_velocity"),
        ("max_contact_force", 1.0, "contact_force"),
    ],
)
def test_each_limit_can_be_set(make_qmini: QminiFactory, limit: str, value: float, cause: str) -> None:
    cfg = quiet(small_cfg(_N))
    setattr(cfg.sim.divergence, limit, value)
    env = make_qmini(cfg)
    for _ in range(10):
        env.step(torch.full((_N, 10), 0.5))
    counts = env.divergence.counts()[1]
    assert counts[cause] > 0 and sum(counts.values()) == counts[cause]


def test_no_friction_gives_no_senseless_labels(make_qmini: QminiFactory) -> None:
    """Seen before: labels of 4e8 m/s and rewards of -8e15, all of them finite."""
    cfg = small_cfg(16)
    cfg.domain_rand.randomize_friction, cfg.domain_rand.friction_range = True, [0.0, 0.0]
    env = make_qmini(cfg)
    for _ in range(60):
        obs, rewards, _, _ = env.step(torch.randn(16, 10))
        assert obs["label"].abs().max() <= 2.0 * cfg.sim.divergence.max_linear_velocity
        assert rewards.abs().max() < 1e3
    assert sum(env.divergence.counts()[1].values()) > 0


def test_the_curriculum_gives_nothing_for_a_divergence(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(_N, plane=False)
    cfg.terrain.level_change_probability = 1.0
    env = make_qmini(cfg)
    env.ground.set_levels(torch.ones(_N, dtype=torch.long))
    env.reset()
    env.commands[:] = torch.tensor([1.0, 0.0, 0.0])
    for _ in range(3):
        _not_finite(env)
        assert env.step(torch.zeros(_N, 10))[2].tolist() == [False, True, False, False]
        assert env.terrain_levels.tolist() == [1, 1, 1, 1], "neither up for the distance nor down for the fall"


def test_statistics_tell_divergences_from_falls(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(_N))
    cfg.env.log_interval = 2
    env = make_qmini(cfg)
    _not_finite(env)
    env.step(torch.zeros(_N, 10))
    log = env.step(torch.zeros(_N, 10))[3]["log"]
    assert log["Episode/diverged"] == 1.0 and log["Episode/falls"] == log["Episode/time_outs"] == 0.0
    env.step(torch.zeros(_N, 10))
    env.episode_length_buf[:] = env.max_episode_length
    over = env.step(torch.zeros(_N, 10))[3]["log"]
    assert over["Episode/time_outs"] == 1.0 and over["Episode/falls"] == over["Episode/diverged"] == 0.0
    assert all(value.isfinite() for value in log.values()) and log["Tracking/lin_vel_x_rmse"] < 2.0


def test_the_last_second_is_kept_until_it_is_fetched(tmp_path: Path) -> None:
    log = DivergenceLog(num_envs=3, num_dof=2, num_actions=2, dt=0.1, device="cpu")
    never = torch.zeros(3, dtype=torch.int32)

    def step(value: float, causes: list[int]) -> None:
        about = torch.full((3, 1), value) + torch.tensor([[0.0], [100.0], [200.0]])
        log.record([about.expand(3, width) for width in (13, 2, 2, 2, 3)])
        diverged = torch.tensor(causes, dtype=torch.int32)
        log.note(diverged > 0, diverged)

    assert log.take() is None
    for value in range(4):
        step(value, never.tolist())
    step(4.0, [0, 3, 0])
    for value in range(5, 30):
        step(value, [0, 0, 2] if value == 20 else [0, 0, 0])
    assert log.counts() == (2, {name: int(name in ("angular_velocity", "linear_velocity")) for name in CAUSES})
    replay = log.take()
    assert replay is not None and (replay.cause, replay.robot) == ("angular_velocity", 1)
    assert replay.dof_pos[:, 0].tolist() == [100.0, 101.0, 102.0, 103.0, 104.0], "what is older than the episode is not"
    assert log.take() is None
    log.note(torch.tensor([False, True, False]), never)
    step(30.0, never.tolist())
    step(31.0, [0, 1, 0])
    again = log.take()
    assert again is not None and again.dof_pos[:, 0].tolist() == [130.0, 131.0], "since its episode began"
    path = str(tmp_path / "diverged" / "a.npz")
    replay.write(path)
    again = Replay.read(path)
    assert vars(again).keys() == vars(replay).keys()
    assert all(np.array_equal(getattr(again, name), value) for name, value in vars(replay).items())
    for value in range(15):
        step(value, [2, 0, 0] if value == 14 else [0, 0, 0])
    replay = log.take()
    assert replay is not None and replay.commands[:, 0].tolist() == [float(value) for value in range(5, 15)]


def test_a_file_that_is_no_replay_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "objects.npz", cause=np.array([{"code": 1}]))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("other.npz", "objects.npz", "text.npz", "missing.npz"):
        with pytest.raises(UserError, match="--replay"):
            Replay.read(str(tmp_path / name))


class UnstableQmini(Qmini):
    """Blows up now and then."""

    share = 0.0

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Spoil some robots, and end the episodes of some others."""
        rows = torch.rand(self.num_envs) < self.share
        self.sim._qvel[rows.numpy(), 0] = np.nan  # type: ignore[attr-defined]
        self.episode_length_buf[torch.rand(self.num_envs) < 0.2] = self.max_episode_length
        return super().step(actions)


def test_a_training_counts_writes_and_goes_on(tmp_path: Path) -> None:
    env = make_env(task=UnstableQmini)
    env.share = 0.01
    runner = make_runner(env, tmp_path)
    runner.learn(2)
    assert all(value.isfinite().all() for value in runner.alg.actor.state_dict().values())
    log = EventAccumulator(str(tmp_path))
    log.Reload()
    counted = sum(event.value for event in log.Scalars("Diverged/not_finite"))
    assert counted == env.divergence.counts()[1]["not_finite"] > 0
    files = list((tmp_path / "diverged").iterdir())
    assert files and Replay.read(str(files[0])).cause == "not_finite"


def test_too_many_divergences_stop_the_training(tmp_path: Path) -> None:
    env = make_env(task=UnstableQmini)
    env.share = 0.2
    runner = make_runner(env, tmp_path)
    with pytest.raises(TrainingStoppedError, match=r"diverged, mostly by 'not_finite'.*'sim.divergence.max_share'"):
        runner.learn(20)
    last = runner.completed_iterations - 1
    assert last < 19 and (tmp_path / f"model_{last}.pt").exists()
