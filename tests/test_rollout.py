from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs import Qmini
from legged_gym.evaluation.plots import plot_rollout
from legged_gym.evaluation.rollout import Rollout


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
    rollout, commands = Rollout(env), torch.tensor([[0.5, 0.0, 0.2], [0.1, 0.0, -0.2]])
    rollout.add(commands, put(env, [[0.4, 0.1, 0.2], [0.4, 0.0, 0.2]], [False, False]))
    rollout.add(commands, put(env, [[0.3, 0.0, 0.2], [9.0, 9.0, 9.0]], [False, True]))
    figures = rollout.figures()
    assert figures["vx error, m/s"] == pytest.approx(np.sqrt((0.1**2 + 0.3**2 + 0.2**2) / 3), rel=1e-5)
    assert figures["vy error, m/s"] == pytest.approx(np.sqrt(0.1**2 / 3), rel=1e-5)
    assert figures["yaw rate error, rad/s"] == pytest.approx(np.sqrt(0.4**2 / 3), rel=1e-5)
    # One fall of two robots in two steps of 0.02 s.
    assert figures["falls per robot and minute"] == pytest.approx(0.5 / (0.04 / 60))


def test_time_outs_are_no_falls(env: Qmini) -> None:
    rollout = Rollout(env)
    dones = put(env, [[0.0] * 3] * 2, [True, True])
    env.time_out_buf = torch.tensor([True, False])
    rollout.add(env.commands, dones)
    assert rollout.falls == 1


def test_estimates_are_compared_in_metres_per_second(env: Qmini) -> None:
    rollout = Rollout(env)
    truth = torch.tensor([[0.4, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0]])
    said = torch.tensor([[0.8, -0.2, 0.0, 0.9, 0.6], [0.0, 0.0, 0.4, 0.1, 0.8]])
    rollout.add_estimate(said, truth)
    rollout.add(env.commands, put(env, [[0.0] * 3] * 2, [False, False]))
    figures = rollout.figures()
    # The label holds velocity times 2: 0.4 of it are 0.2 m/s, for one of two robots.
    assert figures["estimated forward velocity off, m/s"] == pytest.approx(0.1)
    assert figures["estimated lateral velocity off, m/s"] == pytest.approx(0.05)
    assert figures["estimated vertical velocity off, m/s"] == pytest.approx(0.1)
    assert figures["estimated contacts right, share"] == pytest.approx(0.5)
    series = rollout.series()
    assert series.label is not None
    assert series.estimate is not None
    np.testing.assert_allclose(series.label, [[0.2, 0.0, 0.0, 1.0, 0.0]])
    np.testing.assert_allclose(series.estimate, [[0.4, -0.1, 0.0, 0.9, 0.6]])


def test_series_are_of_the_chosen_robot(env: Qmini) -> None:
    rollout = Rollout(env, robot=1)
    actions = torch.linspace(-1.0, 1.0, 20).reshape(2, 10)
    for _ in range(3):
        commands = env.commands.clone()
        dones = env.step(actions)[2]
        rollout.add(commands, dones)
    series = rollout.series()
    assert (series.dt, series.foot_names) == (pytest.approx(0.02), ["ankle_pitch_l", "ankle_pitch_r"])
    np.testing.assert_array_equal(series.dof_pos[-1], env.dof_pos[1])
    np.testing.assert_allclose(series.dof_targets[0], env.default_dof_pos[0] + 0.25 * actions[1], rtol=1e-6)
    np.testing.assert_allclose(series.foot_forces[-1], env.contact_forces[1, env.feet_indices].norm(dim=-1))
    assert series.velocity.shape == series.commands.shape == (3, 3)


def test_plots_are_written_without_an_estimator_too(env: Qmini, tmp_path: Path) -> None:
    rollout = Rollout(env)
    rollout.add(env.commands, env.step(torch.zeros(2, 10))[2])
    paths = plot_rollout(rollout.series(), str(tmp_path / "play"))
    assert [Path(path).name for path in paths] == ["joints.png", "velocities.png", "contact_forces.png"]
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in paths)


def test_plots_tell_where_they_can_not_be_written(env: Qmini, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    rollout = Rollout(env)
    rollout.add(env.commands, env.step(torch.zeros(2, 10))[2])
    with pytest.raises(UserError, match=f"can't write plots into '{tmp_path}/file"):
        plot_rollout(rollout.series(), str(tmp_path / "file"))
