"""Trainings that change on the way, and what their end makes of the nets."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from qmini_training import make_env, make_runner

from legged_gym.common.errors import UserError
from legged_gym.envs.qmini.qmini import Qmini
from legged_gym.runners.checkpoint import read_checkpoint
from legged_gym.runners.stages import Finish, NetAverage


@pytest.fixture(scope="module")
def env() -> Qmini:
    return make_env()


def test_stages_change_scales_and_coefficients_when_they_begin(env: Qmini) -> None:
    stages = {1: {"rewards.scales.torques": -7.0}, 2: {"algorithm.entropy_coef": 0.25, "rewards.scales.alive": 2.0}}
    runner = make_runner(env, runner__stages=stages)
    seen = []
    update = runner.alg.update

    def note() -> dict[str, float]:
        seen.append((env.reward_scales["torques"], env.reward_scales["alive"], float(runner.alg.entropy_coef)))
        return update()

    runner.alg.update = note  # type: ignore[method-assign]
    runner.learn(3)
    torques, alive, entropy = seen[0]
    assert seen[1:] == [
        (pytest.approx(-7.0 * env.dt), alive, entropy),
        (pytest.approx(-7.0 * env.dt), pytest.approx(2.0 * env.dt), 0.25),
    ]
    assert torques != seen[1][0] and entropy != 0.25
    # A resumed training begins with what held where it was stopped.
    resumed = make_runner(env, runner__stages=stages)
    resumed.logger.completed_iterations = 2
    env.reward_scales["alive"] = 0.0
    resumed.learn(1)
    assert env.reward_scales["alive"] == pytest.approx(2.0 * env.dt)
    assert float(resumed.alg.entropy_coef) == 0.25


def test_stages_change_pushes_and_widths_of_rewards(tmp_path: Path) -> None:
    env = make_env()
    before = env.cfg.domain_rand.max_push_vel_x
    later = {"domain_rand.max_push_vel_y": 3.0, "rewards.ang_vel_sigma": 0.7}
    runner = make_runner(env, tmp_path, runner__stages={1: later})
    runner.learn(2)
    strongest = env._pushes.push(torch.zeros(5000, 6)).abs().max(dim=0).values
    assert strongest[0] == pytest.approx(before, rel=0.01) and strongest[1] == pytest.approx(3.0, rel=0.01)
    error = env.commands[:, 2] - env.base_ang_vel[:, 2]
    torch.testing.assert_close(env._reward_tracking_ang_vel(), torch.exp(-error.square() / 0.7))
    # The run's own settings are those that it began with: a resumed training has the same.
    saved = read_checkpoint(tmp_path / "model_1.pt")["config"]["env"]["rewards"]["ang_vel_sigma"]
    assert saved == make_env().cfg.rewards.ang_vel_sigma != 0.7
    with pytest.raises(UserError, match=r"'rewards.ang_vel_sigma' .*-1"):
        make_runner(env, runner__stages={1: {"rewards.ang_vel_sigma": -1.0}})
    env.cfg.domain_rand.push_robots = False
    with pytest.raises(UserError, match=r"'domain_rand.max_push_vel_y' can't change on the way"):
        make_runner(env, runner__stages={1: later})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"rewards.scales.torqes": 1.0},
            r"'runner.stages.4': 'rewards.scales.torqes' can't .* 'rewards.scales.torques'",
        ),
        ({"rewards.scales.gait_feet_swing_height": 1.0}, r"'rewards.scales.gait_feet_swing_height' can't change"),
        ({"algorithm.gamma": 0.9}, r"'algorithm.gamma' can't change on the way"),
    ],
)
def test_what_can_not_change_on_the_way_is_refused(env: Qmini, settings: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_runner(env, runner__stages={4: settings})


def test_mean_of_a_net() -> None:
    net = torch.nn.Linear(2, 1)
    average, seen = NetAverage(net, 1, 4), []
    for completed in range(1, 7):
        torch.nn.init.normal_(net.weight)
        seen.append(copy.deepcopy(net.weight.data))
        average.after(completed)
        if completed == 4:
            torch.testing.assert_close(net.weight.data, torch.stack(seen[1:4]).mean(0))
    torch.testing.assert_close(net.weight.data, seen[-1])


def test_averages_go_on_where_a_training_was_stopped(env: Qmini, tmp_path: Path) -> None:
    settings = {"runner__averaged_iterations": 3, "runner__estimator_iterations": 2}
    whole = make_runner(env, **settings)
    whole._finish = Finish(whole.alg, 6, 3, 2)
    for stop in (3, 5):
        first = Finish(whole.alg, 6, 3, 2)
        second = Finish(whole.alg, 6, 3, 2)
        for completed in range(1, stop + 1):
            first.after(completed)
        second.begin(stop, first.state())
        assert whole.alg.policy_learns == (stop < 4)
        assert second.state().keys() == {"end", "policy", "estimator"}
        for name in ("policy", "estimator"):
            state = first.state()[name]
            assert second.state()[name].get("seen") == state.get("seen")
            torch.testing.assert_close(second.state()[name].get("mean", []), state.get("mean", []))
    path = tmp_path / "model.pt"
    for completed in range(1, 4):
        whole._finish.after(completed)
    whole.save(str(path))
    assert torch.load(path, weights_only=True)["averages"]["policy"]["seen"] == 2
    resumed = make_runner(env, **settings)
    resumed.load(str(path))
    assert resumed._averages["policy"]["begin"] == 1


def test_training_ends_with_the_mean_policy_and_an_estimator_that_knows_it(env: Qmini) -> None:
    runner = make_runner(env, runner__stages={}, runner__averaged_iterations=2, runner__estimator_iterations=2)
    policies, estimators = [], []
    update = runner.alg.update

    def note() -> dict[str, float]:
        figures = update()
        policies.append(runner.alg.get_policy().mlp[0].weight.data.clone())
        estimators.append(runner.alg.get_estimator().mlp[0].weight.data.clone())
        return figures

    runner.alg.update = note  # type: ignore[method-assign]
    runner.learn(5)
    mean = (policies[1] + policies[2]) / 2.0
    torch.testing.assert_close(runner.alg.get_policy().mlp[0].weight.data, mean)
    torch.testing.assert_close(policies[4], mean)
    assert not torch.equal(estimators[3], estimators[2])
    torch.testing.assert_close(runner.alg.get_estimator().mlp[0].weight.data, (estimators[3] + estimators[4]) / 2.0)
    assert runner.alg.policy_learns


def test_a_training_that_ends_before_its_last_stage_leaves_its_last_policy(env: Qmini) -> None:
    stages = {3: {"rewards.scales.alive": 1.0}}
    runner = make_runner(env, runner__stages=stages, runner__averaged_iterations=2, runner__estimator_iterations=1)
    assert runner._stages.last == 3
    for end, finishes in ((5, False), (6, True)):
        finish = Finish(runner.alg, end, 2, 1, runner._stages.last)
        finish.begin(end - 1, {})
        assert runner.alg.policy_learns != finishes


@pytest.mark.parametrize(("more", "learns"), [(3, True), (4, False)])
def test_a_finished_training_that_goes_on_learns_before_it_finishes_again(
    more: int, learns: bool, env: Qmini, tmp_path: Path
) -> None:
    settings = {"runner__stages": {}, "runner__averaged_iterations": 2, "runner__estimator_iterations": 2}
    finished = make_runner(env, tmp_path, **settings)
    finished.learn(5)
    resumed = make_runner(env, **settings)
    resumed.load(str(tmp_path / "model_4.pt"))
    before = resumed.alg.get_policy().mlp[0].weight.data.clone()
    learned = []
    update = resumed.alg.update

    def note() -> dict[str, float]:
        learned.append(resumed.alg.policy_learns)
        return update()

    resumed.alg.update = note  # type: ignore[method-assign]
    resumed.learn(more)
    assert learned == [True, True] + [learns] * (more - 2)
    assert not torch.equal(resumed.alg.get_policy().mlp[0].weight.data, before)
