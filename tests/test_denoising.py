"""At the end of a training the actor learns to act as it would without its sensors' noise."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from qmini_training import make_env, make_runner
from test_checkpoint import assert_same

from legged_gym.common.errors import UserError
from legged_gym.runners.stages import Finish


def settings(denoising: int) -> dict[str, Any]:
    return {
        "runner__stages": {},
        "runner__averaged_iterations": 2,
        "runner__estimator_iterations": 1,
        "runner__denoising_iterations": denoising,
    }


def test_the_group_is_what_the_policy_observes_without_noise_and_as_late() -> None:
    env = make_env(16, domain_rand__observation_delay_range=[0.01, 0.02])
    noise = env.obs_layout.noise_vec.repeat(env.history_length)
    for _ in range(60):
        env.step(torch.zeros(16, env.num_actions))
        obs = env.get_observations()
        error = (obs["policy"] - obs["noise_free"]).abs()
        assert (error <= noise + 1e-5).all() and not error[:, noise == 0.0].any()
    assert (error.amax(0)[noise > 0.0] > 0.0).all()
    quiet = make_env(4, noise__add_noise=False)
    quiet.step(torch.zeros(4, quiet.num_actions))
    assert torch.equal(quiet.get_observations()["policy"], quiet.get_observations()["noise_free"])


def test_a_training_ends_with_a_policy_that_learned_from_itself_without_noise() -> None:
    runner = make_runner(make_env(), **settings(denoising=4))
    alg, seen = runner.alg, []
    update = alg.update

    def note() -> dict[str, float]:
        before = copy.deepcopy(alg.get_policy().state_dict())
        actions = alg.storage.actions.clone()
        means = alg.storage.distribution_params[0].clone()
        figures = update()
        after = alg.get_policy().mlp[0].weight.data.clone()
        seen.append((before, alg.denoising, (actions - means).abs().max(), figures, after))
        return figures

    alg.update = note  # type: ignore[method-assign]
    runner.learn(8)
    denoising = seen[4][1]
    assert [one is not None for _, one, *_ in seen] == [False] * 4 + [True] * 4
    assert all(one is denoising for _, one, *_ in seen[4:]) and alg.denoising is None
    # Its teacher is the policy that the iterations before had left, exploration included, and stays it.
    assert_same(denoising.teacher.state_dict(), seen[3][0])
    assert all("denoising" in figures for *_, figures, _ in seen[4:]) and "denoising" not in seen[3][3]
    assert seen[3][2] > 0.5 and max(explored for _, _, explored, *_ in seen[4:]) < 0.01
    last = alg.get_policy()
    assert torch.equal(last.distribution.std_param, denoising.teacher.distribution.std_param)
    torch.testing.assert_close(last.mlp[0].weight.data, (seen[6][4] + seen[7][4]) / 2.0)
    assert not torch.equal(last.mlp[0].weight.data, denoising.teacher.mlp[0].weight.data)


def test_regression_brings_actions_nearer_to_those_without_noise() -> None:
    env = make_env(64)
    runner = make_runner(env, policy__actor_hidden_dims=[64, 64], estimator__final_learning_rate=2e-3)
    alg = runner.alg
    alg.denoise(True)
    alg.policy_learns = False
    losses = []
    obs = env.get_observations()
    for _ in range(12):
        with torch.inference_mode():
            for _ in range(24):
                obs, rewards, dones, extras = env.step(alg.act(obs))
                alg.process_env_step(obs, rewards, dones, extras)
            alg.compute_returns(obs)
        losses.append(alg.update()["denoising"])
    assert losses[-1] < 0.8 * losses[0]


def test_where_it_can_not_be_it_is_refused_in_a_line() -> None:
    with pytest.raises(UserError, match=r"runner.denoising_iterations' is 3, .*env.noise_free_group=true"):
        make_runner(make_env(env__noise_free_group=False), **settings(denoising=3))
    with pytest.raises(UserError, match="without a memory"):
        changes = {"policy__class_name": "ActorCriticRecurrent", "symmetry__data_augmentation": False}
        make_runner(make_env(), **changes, symmetry__mirror_loss_coeff=0.0, **settings(denoising=3))


def test_its_stage_begins_with_it() -> None:
    env = make_env(terrain__mesh_type="heightfield", terrain__num_rows=3, terrain__num_cols=2)
    given = settings(denoising=4) | {"runner__stages": {1: {"terrain.max_level": 2}}}
    runner = make_runner(env, **given, runner__denoising_stage={"terrain.max_level": 1})
    levels, update = [], runner.alg.update

    def note() -> dict[str, float]:
        levels.append(int(env.ground.max_level))
        return update()

    runner.alg.update = note  # type: ignore[method-assign]
    runner.learn(8)
    assert levels == [env.cfg.terrain.max_level] + [2] * 3 + [1] * 4
    with pytest.raises(UserError, match=r"'runner.denoising_stage': 'terrain.max_levle' can't .* 'terrain.max_level'"):
        make_runner(env, **settings(denoising=4), runner__denoising_stage={"terrain.max_levle": 1})


def test_what_the_actor_drew_last_may_have_gradients() -> None:
    runner = make_runner(make_env(), **settings(denoising=4))
    actor = runner.alg.get_policy()
    before = copy.deepcopy(actor.state_dict())
    actor(runner.alg.with_estimate(runner.env.get_observations()), stochastic_output=True)
    assert actor.output_mean.grad_fn is not None
    runner.alg.denoise(True)
    assert_same(runner.alg.denoising.teacher.state_dict(), before)


def test_its_stage_begins_again_where_a_resumed_training_is_amid_it() -> None:
    alg = make_runner(make_env(), **settings(denoising=4)).alg
    begun: list[int] = []
    for completed in (3, 6, 8):
        alg.denoise(False)
        finish = Finish(alg, 8, 0, 0, denoising=4, begin_denoising=lambda at=completed: begun.append(at))
        finish.begin(completed, {})
        finish.after(completed)
    assert begun == [6]
