from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs import Qmini
from legged_gym.evaluation.plots import plot_rollout
from legged_gym.evaluation.recorder import FIELDS, Recorder
from legged_gym.evaluation.rollout import Rollout
from legged_gym.evaluation.tally import Tally


@pytest.fixture
def env(make_qmini: QminiFactory) -> Qmini:
    return make_qmini(quiet(small_cfg(2)))


def put(env: Qmini, velocity: list[list[float]], fell: list[bool]) -> torch.Tensor:
    """Give both robots a velocity (vx, vy, yaw rate) and the end of their episodes; return the dones."""
    env.base_lin_vel = torch.tensor([[vx, vy, 0.0] for vx, vy, _ in velocity])
    env.base_ang_vel = torch.tensor([[0.0, 0.0, rate] for _, _, rate in velocity])
    env.time_out_buf = torch.zeros(2, dtype=torch.bool)
    return torch.tensor(fell)


def test_tracking_errors_are_root_mean_squares_of_robots_still_in_their_episode(env: Qmini) -> None:
    tally, commands = Tally(env), torch.tensor([[0.5, 0.0, 0.2], [0.1, 0.0, -0.2]])
    tally.add(commands, put(env, [[0.4, 0.1, 0.2], [0.4, 0.0, 0.2]], [False, False]))
    tally.add(commands, put(env, [[0.3, 0.0, 0.2], [9.0, 9.0, 9.0]], [False, True]))
    metrics = tally.metrics()
    assert metrics["vx error, m/s"] == pytest.approx(np.sqrt((0.1**2 + 0.3**2 + 0.2**2) / 3), rel=1e-5)
    assert metrics["vy error, m/s"] == pytest.approx(np.sqrt(0.1**2 / 3), rel=1e-5)
    assert metrics["yaw rate error, rad/s"] == pytest.approx(np.sqrt(0.4**2 / 3), rel=1e-5)
    # One fall of two robots in two steps of 0.02 s.
    assert metrics["falls per robot and minute"] == pytest.approx(0.5 / (0.04 / 60))


def test_time_outs_are_no_falls(env: Qmini) -> None:
    tally = Tally(env)
    dones = put(env, [[0.0] * 3] * 2, [True, True])
    env.time_out_buf = torch.tensor([True, False])
    tally.add(env.commands, dones)
    assert tally.falls == 1


def test_estimates_are_compared_in_metres_per_second(env: Qmini) -> None:
    tally = Tally(env)
    truth = torch.tensor([[0.4, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0]])
    said = torch.tensor([[0.8, -0.2, 0.0, 0.9, 0.6], [0.0, 0.0, 0.4, 0.1, 0.8]])
    tally.add_estimate(said, truth)
    tally.add(env.commands, put(env, [[0.0] * 3] * 2, [False, False]))
    metrics = tally.metrics()
    # The label holds velocity times 2: 0.4 of it are 0.2 m/s, for one of two robots.
    assert metrics["estimated forward velocity error, m/s"] == pytest.approx(0.1)
    assert metrics["estimated lateral velocity error, m/s"] == pytest.approx(0.05)
    assert metrics["estimated vertical velocity error, m/s"] == pytest.approx(0.1)
    assert metrics["estimated contacts right, share"] == pytest.approx(0.5)


def recorded(env: Qmini, robots: list[int], steps: int = 3, longest: int | None = None) -> Rollout:
    recorder = Recorder(env, [name for name in FIELDS if name != "rewards"], torch.tensor(robots), longest)
    actions = torch.linspace(-1.0, 1.0, 20).reshape(2, 10)
    for step in range(steps):
        commands = env.commands.clone()
        env.step(actions)
        estimate = torch.full((len(robots), 5), float(step))
        recorder.add(commands=recorder.choose(commands), estimate=estimate, label=2.0 * estimate)
    return recorder.rollout()


def test_a_rollout_holds_what_the_task_shows(env: Qmini) -> None:
    rollout = recorded(env, [1, 0])
    assert (rollout.dt, rollout.steps, rollout.trials) == (pytest.approx(0.02), 3, 2)
    actions = torch.linspace(-1.0, 1.0, 20).reshape(2, 10)
    np.testing.assert_array_equal(rollout.dof_pos[-1], env.dof_pos[[1, 0]])
    np.testing.assert_allclose(rollout.dof_targets[0, 0], env.default_dof_pos[0] + 0.25 * actions[1], rtol=1e-6)
    np.testing.assert_allclose(rollout.foot_forces[-1, 0], env.contact_forces[1, env.feet_indices])
    np.testing.assert_allclose(rollout.velocity[-1, 0, 2], env.base_ang_vel[1, 2])
    np.testing.assert_array_equal(rollout.foot_contact[-1, 1], env.feet_contact[0])
    assert rollout.velocity.shape == rollout.commands.shape == (3, 2, 3)
    assert rollout.seconds[:, 0].tolist() == pytest.approx([0.02, 0.04, 0.06])
    assert rollout.rewards.size == 0
    # The label holds velocity times 2.
    assert rollout.estimate is not None and rollout.label is not None
    np.testing.assert_allclose(rollout.estimate[2, 0], [1.0, 1.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(rollout.label, 2.0 * rollout.estimate)


def test_a_recorder_forgets_what_is_too_old(env: Qmini) -> None:
    rollout = recorded(env, [0], steps=5, longest=2)
    assert rollout.seconds[:, 0].tolist() == pytest.approx([0.08, 0.1])


def test_rollouts_are_cut_and_joined(env: Qmini) -> None:
    rollout = recorded(env, [0, 1])
    counted = dataclasses.replace(rollout, rows=np.array([3, 1]), mass=np.array([1.0, 2.0]))
    one, other = counted.select([0]), counted.select([1])
    assert (one.trials, other.mass.tolist(), other.rows.tolist()) == (1, [2.0], [1])
    again = Rollout.join([one, other])
    for field in dataclasses.fields(Rollout):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(counted, field.name))
    cut = counted.cut(1, 3)
    assert cut.steps == 2 and cut.rows.tolist() == [2, 0]
    np.testing.assert_array_equal(cut.dof_pos, counted.dof_pos[1:])


def plot(rollout: Rollout, folder: Path) -> list[str]:
    return plot_rollout(rollout, [f"joint {i}" for i in range(10)], ["left", "right"], str(folder))


def test_plots_are_written_without_an_estimator_too(env: Qmini, tmp_path: Path) -> None:
    rollout = recorded(env, [1])
    names = ["joints.png", "velocities.png", "contact_forces.png"]
    assert [Path(path).name for path in plot(rollout, tmp_path / "play")] == [*names, "estimate.png"]
    paths = plot(dataclasses.replace(rollout, estimate=None), tmp_path / "other")
    assert [Path(path).name for path in paths] == names
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in paths)


def test_plots_tell_where_they_can_not_be_written(env: Qmini, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"can't write plots into '{tmp_path}/file"):
        plot(recorded(env, [0]), tmp_path / "file")
