"""What somebody who looks on can ask of a running simulation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playing import make_trained
from qmini_training import make_env, make_runner

from legged_gym.policies.trained import Trained
from legged_gym.viewers.actions import ACTIONS
from legged_gym.viewers.session import PlaySession, Session


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Return a run with two checkpoints of different nets and three robots on uneven ground."""
    trained = make_trained(
        tmp_path_factory.mktemp("run"), 3, terrain__mesh_type="heightfield", terrain__num_rows=3, terrain__num_cols=3,
        terrain__border_size=3.0, commands__resampling_time=0.06,
    )  # fmt: skip
    yield trained
    trained.env.close()


@pytest.fixture
def session(trained: Trained) -> PlaySession:
    session = PlaySession(trained)
    session.env.release_command(torch.arange(3))
    session.switch_checkpoint(5)
    session.carry_out_requests()
    return session


class Looker:
    """A viewer that counts its looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.is_open = True

    def update(self) -> None:
        self.looks += 1

    def close(self) -> None:
        self.is_open = False


def advance(session: PlaySession, steps: int) -> None:
    assert len(list(session.steps(steps))) == steps


def test_a_held_command_survives_the_redrawing_and_the_reset(session: PlaySession) -> None:
    session.select_robot(1)
    session.drive((0.3, 0.0, -0.4))
    before = session.env.commands.clone()
    advance(session, 7)
    session.reset()
    advance(session, 1)
    commands = session.env.commands
    assert commands[1].tolist() == pytest.approx([0.3, 0.0, -0.4])
    assert not torch.equal(commands[[0, 2]], before[[0, 2]])
    session.release()
    advance(session, 4)
    assert commands[1].tolist() != pytest.approx([0.3, 0.0, -0.4])


def test_a_driven_robot_is_not_reset_when_a_training_would(
    session: PlaySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.env, "max_episode_length", 4)
    advance(session, 6)
    assert session.env.episode_length_buf.max() < 4, "nobody drives"
    session.reset()
    session.drive((0.0, 0.0, 0.0))
    steps = list(session.steps(6))
    assert not session.env.time_out_buf.any() and len(steps) == 6
    assert session.env.max_episode_length > 1_000_000


def test_commands_inside_the_dead_band_become_zero(session: PlaySession) -> None:
    session.everyone = True
    session.drive((0.04, 0.0, 0.09))
    session.carry_out_requests()
    assert not session.env.commands.any()
    session.drive((0.04, 0.0, 0.11))
    session.carry_out_requests()
    assert session.env.commands[:, 0].tolist() == [0.0] * 3
    assert session.env.commands[:, 2].tolist() == pytest.approx([0.11] * 3)


def test_keys_change_the_command_within_its_range(session: PlaySession) -> None:
    keys = {action.key: action.do for action in ACTIONS}
    keys["X"](session)
    for _ in range(3):
        keys["J"](session)
    keys["L"](session)
    assert session.held_command == (0.0, 0.0, 0.4)
    for _ in range(50):
        keys["I"](session)
        keys["O"](session)
    highest = session.env.cfg.commands.ranges.lin_vel_x[1]
    assert session.held_command == pytest.approx((highest, session.command_ranges[1][0], 0.4))
    session.carry_out_requests()
    assert session.env.commands[0].tolist() == pytest.approx(session.held_command)
    keys["G"](session)
    assert session.held_command is None


def test_a_push_moves_the_shown_robot_in_its_own_directions(session: PlaySession) -> None:
    env = session.env
    session.select_robot(2)
    half_turn = env.root_states.clone()
    half_turn[:, 3:7] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    half_turn[:, 7:13] = 0.0
    env.sim.set_state(torch.ones(3, dtype=torch.bool), half_turn, env.dof_pos.clone(), torch.zeros_like(env.dof_vel))
    session.push((1.0, 0.0))
    advance(session, 1)
    assert env.root_states[2, 7] < -0.5
    assert env.root_states[:2, 7].abs().max() < 0.3


def test_reset_starts_a_new_episode_of_one_or_of_all(session: PlaySession) -> None:
    advance(session, 3)
    session.reset()
    session.carry_out_requests()
    lengths = session.env.episode_length_buf
    assert lengths[0] == 0 and (lengths[1:] > 0).all()
    session.everyone = True
    session.reset()
    session.carry_out_requests()
    assert not lengths.any()


def test_terrain_level_moves_the_robot_there(session: PlaySession) -> None:
    env = session.env
    session.set_terrain_level(99)
    session.carry_out_requests()
    assert env.terrain_levels[0] == 2
    assert (env.root_states[0, :2] - env.env_origins[0, :2]).norm() < 2.0
    session.set_terrain_level(0)
    session.carry_out_requests()
    assert env.terrain_levels[0] == 0


def test_the_time_stops_and_goes_on_by_single_steps(session: PlaySession) -> None:
    start = session.env.common_step_counter
    session.pause()
    for _ in range(2):
        session.single_step()

    class Stopper(Looker):
        def update(self) -> None:
            super().update()
            if self.looks == 6:
                session.stop()

    stopper = Stopper()
    assert len(list(session.steps(None, [stopper]))) == 2
    assert session.paused and stopper.looks == 6
    assert session.env.common_step_counter == start + 2


def test_closing_a_viewer_ends_the_session(session: PlaySession) -> None:
    session.speed = float("inf")
    looker = Looker()
    for number, _ in enumerate(session.steps(50, [looker])):
        if number == 2:
            looker.close()
    assert looker.looks == 3


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_time_runs_at_the_speed_asked_for(session: PlaySession, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("legged_gym.viewers.session.time", clock)
    session.speed = 0.5
    list(session.steps(6, [Looker()]))
    assert clock.now - 100.0 == pytest.approx(6 * session.env.dt / 0.5)


def test_another_checkpoint_acts_at_once(session: PlaySession, trained: Trained) -> None:
    obs = session.env.get_observations()
    before = session._policy(obs)
    session.switch_checkpoint(0)
    session.carry_out_requests()
    assert Path(trained.checkpoint).name == "model_0.pt"
    assert session.message == "checkpoint 0"
    assert not torch.equal(session._policy(obs), before)


def test_a_missing_checkpoint_is_only_told(session: PlaySession, trained: Trained) -> None:
    session.switch_checkpoint(77)
    advance(session, 1)
    assert "model_77.pt" in session.message
    assert Path(trained.checkpoint).name == "model_5.pt"


def test_robots_are_picked_around_the_end(trained: Trained) -> None:
    session = Session(trained.env)
    session.next_robot(-1)
    assert session.robot == 2
    session.next_robot()
    assert session.robot == 0


def test_a_recurrent_policy_forgets_the_episodes_that_end(tmp_path: Path) -> None:
    env = make_env(3)
    runner = make_runner(
        env, policy__class_name="ActorCriticRecurrent", policy__rnn_type="gru", symmetry__data_augmentation=False
    )
    session = PlaySession(Trained(env, runner, str(tmp_path / "model_0.pt"), str(tmp_path)))
    session.select_robot(1)
    advance(session, 3)
    memory = runner.alg.get_policy().get_hidden_state()
    assert isinstance(memory, torch.Tensor) and bool((memory != 0.0).any(dim=2).all())
    session.reset()
    session.carry_out_requests()
    memory = runner.alg.get_policy().get_hidden_state()
    assert isinstance(memory, torch.Tensor)
    assert [bool(memory[:, robot].any()) for robot in range(3)] == [True, False, True]
    env.close()
