"""EstimatorPPO against numbers computed by hand, on an environment small enough for that."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from qmini_training import QMINI_LABELS
from rsl_rl.algorithms import PPO
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from legged_gym.algorithms import EstimatorPPO

NUM_ENVS, NUM_STEPS, NUM_OBS, NUM_ACTIONS = 4, 3, 6, 2


class LinearEnv(VecEnv):
    """Draws observations at random; the label is a fixed linear function of them."""

    def __init__(self, device: str = "cpu") -> None:
        self.num_envs, self.num_actions, self.device, self.cfg = NUM_ENVS, NUM_ACTIONS, device, {}
        self.max_episode_length = 10
        self.episode_length_buf = torch.zeros(NUM_ENVS, dtype=torch.long)
        self.weights = torch.randn(NUM_OBS, 5)

    def get_observations(self) -> TensorDict:
        policy = torch.randn(NUM_ENVS, NUM_OBS)
        groups = {"policy": policy, "privileged": torch.randn(NUM_ENVS, 2), "label": policy @ self.weights}
        return TensorDict(groups, batch_size=[NUM_ENVS]).to(self.device)

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        done = torch.zeros(NUM_ENVS, dtype=torch.bool, device=self.device)
        return self.get_observations(), -actions.square().sum(dim=1), done, {"time_outs": done}


def make(
    estimator: dict[str, Any] | None = None, critic: dict[str, Any] | None = None, device: str = "cpu", **ppo: Any
) -> EstimatorPPO:
    torch.manual_seed(0)
    env = LinearEnv(device)
    mlp = {"class_name": "rsl_rl.models:MLPModel", "hidden_dims": [8]}
    gaussian = {"class_name": "legged_gym.algorithms.gaussian:Gaussian", "init_std": 1.0}
    cfg = {
        "num_steps_per_env": NUM_STEPS,
        "multi_gpu": None,
        "obs_groups": {
            "actor": ["policy", "estimate"],
            "critic": ["policy", "estimate", "privileged"],
            "estimator_input": ["policy"],
        },
        "actor": {**mlp, "distribution_cfg": gaussian},
        "critic": {**mlp, **(critic or {})},
        "algorithm": {
            "class_name": "legged_gym.algorithms:EstimatorPPO",
            "estimator_cfg": {"hidden_dims": [8], **(estimator or {})},
            **ppo,
        },
    }
    return EstimatorPPO.construct_algorithm(env.get_observations(), env, cfg, device)


def collect(alg: EstimatorPPO, env: LinearEnv | None = None) -> None:
    """Fill the storage with one rollout."""
    env = env or LinearEnv(alg.device)
    obs = env.get_observations()
    with torch.inference_mode():
        for _ in range(NUM_STEPS):
            obs, rewards, dones, extras = env.step(alg.act(obs))
            alg.process_env_step(obs, rewards, dones, extras)
        alg.compute_returns(obs)


def copies(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_returns_bootstrap_over_time_outs_and_stop_at_falls() -> None:
    identity = {"hidden_dims": [1], "activation": "identity"}
    alg = make(estimator=identity, critic=identity, gamma=0.9, lam=0.5)
    # The first estimate repeats the first observation and the value repeats the first estimate.
    for model in (alg.estimator, alg.critic):
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)
    alg.estimator.mlp[0].weight.data[0, 0] = alg.estimator.mlp[2].weight.data[0, 0] = 1.0
    alg.critic.mlp[0].weight.data[0, NUM_OBS] = alg.critic.mlp[2].weight.data[0, 0] = 1.0

    def observe(value: float) -> TensorDict:
        obs = LinearEnv().get_observations()
        obs["policy"][:, 0] = value
        return obs

    never, second = torch.tensor([0, 0, 0, 0]).bool(), torch.tensor([0, 1, 1, 0]).bool()
    with torch.inference_mode():
        for step, dones in enumerate((never, second, never)):
            alg.act(observe(1.0 + step))
            # Robot 1 runs out of time at the second step, robot 2 falls there.
            time_outs = dones & torch.tensor([0, 1, 0, 0]).bool()
            alg.process_env_step(observe(2.0 + step), torch.ones(NUM_ENVS), dones, {"time_outs": time_outs})
        alg.compute_returns(observe(4.0))
    torch.testing.assert_close(alg.storage.values[..., 0], torch.tensor([1.0, 2.0, 3.0]).repeat(NUM_ENVS, 1).T)
    # TD errors without an end: 1.8, 1.7, 1.6; at the time-out 1 + 0.9·2 - 2, at the fall 1 - 2.
    expected = torch.tensor([[3.889, 4.42, 4.6], [3.16, 2.8, 4.6], [2.35, 1.0, 4.6], [3.889, 4.42, 4.6]]).T
    torch.testing.assert_close(alg.storage.returns[..., 0], expected)
    advantages = expected - alg.storage.values[..., 0]
    expected_advantages = (advantages - advantages.mean()) / advantages.std()
    torch.testing.assert_close(alg.storage.advantages[..., 0], expected_advantages)
    with torch.inference_mode():
        alg.compute_returns(observe(9.0))
    torch.testing.assert_close(alg.storage.returns[-1, :, 0], torch.full((NUM_ENVS,), 1.0 + 0.9 * 9.0))


def test_ratio_starts_at_exactly_one_whatever_the_estimator_becomes() -> None:
    alg = make()
    collect(alg)
    for parameter in alg.estimator.parameters():
        parameter.data.add_(1.0)
    for step in range(NUM_STEPS):
        alg.actor(alg.storage.observations[step], stochastic_output=True)
        log_prob = alg.actor.get_output_log_prob(alg.storage.actions[step])
        ratio = torch.exp(log_prob - alg.storage.actions_log_prob[step, :, 0])
        assert torch.equal(ratio, torch.ones(NUM_ENVS))


def test_ppo_loss_does_not_reach_the_estimator() -> None:
    alg = make()
    collect(alg)
    estimator, actor = copies(alg.estimator), copies(alg.actor)
    PPO.update(alg)
    assert same(estimator, alg.estimator)
    assert all(parameter.grad is None for parameter in alg.estimator.parameters())
    assert not same(actor, alg.actor)


def test_estimator_update_leaves_actor_and_critic_alone() -> None:
    alg = make({"batch_size": 5})
    collect(alg)
    steps: list[None] = []
    alg.estimator_optimizer.register_step_pre_hook(lambda *_: steps.append(None))
    estimator, actor, critic = copies(alg.estimator), copies(alg.actor), copies(alg.critic)
    alg.policy_learns = False
    alg.update()
    assert len(steps) == 3, "12 samples in batches of 5 are 3 batches"
    assert same(actor, alg.actor)
    assert same(critic, alg.critic)
    assert not same(estimator, alg.estimator)


def test_both_updates_together_do_what_they_do_alone() -> None:
    apart, together = make({"batch_size": 5}), make({"batch_size": 5})
    for alg in (apart, together):
        torch.manual_seed(2)
        collect(alg)
    # The order of the samples is drawn by PPO first.
    torch.manual_seed(4)
    order = torch.get_rng_state()
    together.update()
    torch.set_rng_state(order)
    apart._update_policy()
    assert same(copies(apart.actor), together.actor)
    assert same(copies(apart.critic), together.critic)
    assert not same(copies(apart.estimator), together.estimator)


def test_estimator_loss_is_the_mean_squared_error_of_the_rollout() -> None:
    # Two batches of unequal size and next to no learning rate: the mean has to weigh them by their samples.
    alg = make({"batch_size": 8, "learning_rate": 1e-12, "final_learning_rate": 1e-12})
    collect(alg)
    obs = alg.storage.observations.flatten(0, 1)
    expected = (alg.estimator(obs) - obs["label"]).square().mean().item()
    assert alg.update()["estimator"] == pytest.approx(expected, rel=1e-5)


def test_estimator_learns_from_the_rollouts() -> None:
    alg = make({"batch_size": 4, "num_epochs": 10, "learning_rate": 1e-2}, num_learning_epochs=1, num_mini_batches=1)
    env = LinearEnv()
    losses = []
    for _ in range(15):
        collect(alg, env)
        losses.append(alg.update()["estimator"])
    assert sum(losses[-3:]) < 0.2 * sum(losses[:3])


def test_logged_errors_are_of_what_the_actor_saw() -> None:
    alg = make({"label_layout": QMINI_LABELS})
    collect(alg)
    estimate, label = alg.storage.observations["estimate"], alg.storage.observations["label"]
    label[:] = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0])
    estimate[:] = torch.tensor([1.2, 0.6, 1.0, 0.3, 0.6])
    estimate[0, :, 3] = 0.7
    losses = alg.update()
    assert losses["Estimator/vel_x_mae"] == pytest.approx(0.1, rel=1e-5)
    assert losses["Estimator/vel_y_mae"] == pytest.approx(0.2, rel=1e-5)
    assert losses["Estimator/vel_z_mae"] == 0.0
    # One of two feet is wrong in one of three steps.
    assert losses["Estimator/contact_accuracy"] == pytest.approx(5 / 6, rel=1e-5)


@pytest.mark.parametrize(("updates", "rate"), [(0, 2e-3), (500, 1.6e-3), (1000, 1.2e-3), (2000, 4e-4), (9999, 4e-4)])
def test_estimator_learning_rate_decays_linearly(updates: int, rate: float) -> None:
    alg = make()
    alg.num_updates = updates
    collect(alg)
    losses = alg.update()
    assert losses["Estimator/learning_rate"] == pytest.approx(rate, rel=1e-9)
    assert alg.estimator_optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-9)
    assert alg.num_updates == updates + 1


def test_estimator_starts_as_specified() -> None:
    alg = make({"hidden_dims": [128, 64, 32], "activation": "relu", "init_std": 0.1})
    layers = [module for module in alg.estimator.mlp if isinstance(module, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [128, 64, 32, 5]
    assert isinstance(alg.estimator.mlp[1], torch.nn.ReLU)
    assert all(not layer.bias.any() for layer in layers)
    weights = torch.cat([layer.weight.flatten() for layer in layers]).detach()
    assert weights.std().item() == pytest.approx(0.1, abs=0.005)
    assert weights.mean().item() == pytest.approx(0.0, abs=0.005)


def test_env_observations_stay_as_they_are() -> None:
    alg = make()
    obs = LinearEnv().get_observations()
    alg.act(obs)
    assert set(obs.keys()) == {"policy", "privileged", "label"}
    assert set(alg.storage.observations.keys()) == {"policy", "privileged", "label", "estimate"}


def test_critic_must_not_read_the_label() -> None:
    torch.manual_seed(0)
    alg = make()
    alg.critic.obs_groups = ["policy", "label"]
    with pytest.raises(ValueError, match="critic reads 'label'"):
        EstimatorPPO(alg.actor, alg.critic, alg.storage)


def mirror(
    env: VecEnv, obs: TensorDict | None, actions: torch.Tensor | None
) -> tuple[TensorDict | None, torch.Tensor | None]:
    """Append each sample with all signs changed."""
    if obs is not None:
        obs = torch.cat([obs, obs.apply(torch.neg)])
    return obs, None if actions is None else torch.cat([actions, -actions])


def test_symmetry_extension_sees_the_estimate() -> None:
    seen: list[set[str]] = []

    def spy(**arguments: Any) -> tuple[TensorDict | None, torch.Tensor | None]:
        if arguments["obs"] is not None:
            seen.append(set(arguments["obs"].keys()))
        return mirror(**arguments)

    alg = make(symmetry_cfg={"data_augmentation_func": spy, "use_data_augmentation": True, "use_mirror_loss": True,
                             "mirror_loss_coeff": 1.0}, num_mini_batches=2, num_learning_epochs=1)  # fmt: skip
    collect(alg)
    losses = alg.update()
    assert losses["symmetry"] > 0.0
    assert seen == [{"policy", "privileged", "estimate"}] * 2
