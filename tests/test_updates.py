"""The recorded updates against rsl_rl's own, and what they are made of."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rsl_rl.algorithms import PPO
from test_estimator_ppo import NUM_STEPS, LinearEnv, collect, make, mirror

from legged_gym.algorithms import EstimatorPPO
from legged_gym.algorithms.blow_up import LearningDivergedError
from legged_gym.algorithms.estimator_update import EstimatorUpdate
from legged_gym.algorithms.gpu import DeviceAdam
from legged_gym.algorithms.policy_update import PolicyUpdate
from legged_gym.algorithms.rollout_recorder import RolloutRecorder

SETTINGS: dict[str, dict[str, Any]] = {
    "Qmini's": {},
    "fixed rate": {"schedule": "fixed"},
    "falling rate": {"desired_kl": 1e-7, "learning_rate": 5e-3},
    "rising rate": {"desired_kl": 1e3},
    "plain value loss": {"use_clipped_value_loss": False},
    "normalised mini-batches": {"normalize_advantage_per_mini_batch": True},
    "mirrored samples": {"symmetry_cfg": {"data_augmentation_func": mirror, "use_data_augmentation": True}},
    "mirror loss": {
        "symmetry_cfg": {"data_augmentation_func": mirror, "use_mirror_loss": True, "mirror_loss_coeff": 0.5}
    },
}


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def both(device: str, **settings: Any) -> tuple[EstimatorPPO, EstimatorPPO]:
    """Make two algorithms with the same nets and the same rollout, in float32 all through."""
    ours = make(device=device, tf32=False, **copy.deepcopy(settings))
    collect(ours)
    theirs = make(device=device, **copy.deepcopy(settings))
    theirs.storage = copy.deepcopy(ours.storage)
    # rsl_rl's own optimiser, too.
    theirs.optimizer = torch.optim.Adam(
        [*theirs.actor.parameters(), *theirs.critic.parameters()], lr=theirs.learning_rate
    )
    return ours, theirs


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", SETTINGS)
def test_update_is_that_of_rsl_rl(name: str, device: str) -> None:
    # On a GPU, most mini-batches of the second update are replayed.
    ours, theirs = both(device, **SETTINGS[name])
    for _ in range(2):
        torch.manual_seed(1)
        with ours._matmul_precision():
            our_losses = {name: float(loss) for name, loss in ours._update_policy().items()}
        ours.learning_rate = float(ours.optimizer.param_groups[0]["lr"])
        torch.manual_seed(1)
        their_losses = PPO.update(theirs)
        assert our_losses.keys() == their_losses.keys()
        assert our_losses == pytest.approx(their_losses, rel=1e-4, abs=1e-6)
        assert ours.learning_rate == pytest.approx(theirs.learning_rate, rel=1e-6)
    for ours_net, their_net in ((ours.actor, theirs.actor), (ours.critic, theirs.critic)):
        for one, other in zip(ours_net.parameters(), their_net.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_values_count_where_they_moved_too_far_either_way() -> None:
    update = make(clip_param=0.2)._policy_update
    assert update is not None
    column = torch.tensor([[1.0], [-1.0]])
    batch = SimpleNamespace(values=0.0 * column, returns=column)
    assert update._value_loss(batch, 0.9 * column).item() == pytest.approx(0.8**2)  # type: ignore[arg-type]
    assert update._value_loss(batch, -0.9 * column).item() == pytest.approx(1.9**2)  # type: ignore[arg-type]


@pytest.fixture
def tracing_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU, let the compiler only trace: this is where it could go wrong, and C++ would take half a minute."""
    compile_ = torch.compile
    if not torch.cuda.is_available():
        monkeypatch.setattr(
            torch, "compile", lambda f, dynamic, options: compile_(f, dynamic=dynamic, backend="aot_eager")
        )


@torch.inference_mode()
def take_over_rollout(alg: EstimatorPPO, other: EstimatorPPO) -> None:
    """Copy another algorithm's rollout into the storage of one."""
    ours, theirs = alg.storage, other.storage
    for name in ("actions", "rewards", "dones", "values", "actions_log_prob", "returns", "advantages"):
        getattr(ours, name).copy_(getattr(theirs, name))
    ours.observations.copy_(theirs.observations)
    for one, another in zip(ours.distribution_params or (), theirs.distribution_params or (), strict=True):
        one.copy_(another)


@pytest.mark.usefixtures("tracing_only")
@pytest.mark.parametrize("device", DEVICES)
def test_compiled_learning_is_the_same_learning(device: str) -> None:
    """And so it stays with the next rollout, for which nothing is compiled anew."""
    settings = SETTINGS["mirrored samples"]
    plain, fused = (make(device=device, tf32=False, fuse=False, **copy.deepcopy(settings)) for _ in range(2))
    fused._policy_update = PolicyUpdate(fused, fused.optimizer, fuse=True)
    fused._estimator_update = EstimatorUpdate(fused, fused.estimator_optimizer, fuse=True)
    graphs = []
    for seed in range(3):
        losses = []
        for alg in (plain, fused):
            collect(alg)
        take_over_rollout(fused, plain)
        for alg in (plain, fused):
            torch.manual_seed(seed)
            losses.append(alg.update())
        assert losses[1] == pytest.approx(losses[0], rel=1e-4, abs=1e-6)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[1:] == [graphs[1]] * 2
    assert fused._policy_update._evaluate._fused is not None and fused._estimator_update._evaluate._fused is not None
    for ours, theirs in zip(fused.actor.parameters(), plain.actor.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(fused.estimator.parameters(), plain.estimator.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_what_can_not_be_compiled_learns_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(function: Any, **settings: Any) -> Any:
        def fail(*arguments: Any) -> None:
            raise RuntimeError("no C compiler\nand more")

        return fail

    monkeypatch.setattr(torch, "compile", failing)
    alg = make()
    alg._policy_update = PolicyUpdate(alg, alg.optimizer, fuse=True)
    collect(alg)
    with pytest.warns(UserWarning, match="the policy's update runs slower.* no C compiler$"):
        losses = alg.update()
    assert losses["surrogate"] != 0.0


@pytest.mark.usefixtures("tracing_only")
@pytest.mark.parametrize("device", DEVICES)
def test_compiled_acting_is_the_same_acting(device: str) -> None:
    plain, fused = (make(device=device, tf32=False, fuse=False) for _ in range(2))
    fused._recorder = RolloutRecorder(fused.storage, fused._begin_transition, fused.gamma, fuse=True)
    env = LinearEnv(device)
    with torch.inference_mode():
        for _ in range(NUM_STEPS):
            obs = env.get_observations()
            actions = fused.act(obs).clone()
            mean, deviation = fused.transition.distribution_params
            plain.act(obs)
            torch.testing.assert_close(mean, plain.transition.distribution_params[0])
            torch.testing.assert_close(fused.transition.values, plain.transition.values)
            drawn = torch.distributions.Normal(mean, deviation).log_prob(actions).sum(dim=1)
            torch.testing.assert_close(fused.transition.actions_log_prob, drawn)
            plain.transition.clear()
    assert fused._recorder._act._fused is not None


@pytest.mark.parametrize("device", DEVICES)
def test_recorded_rollout_is_that_of_rsl_rl(device: str) -> None:
    recorded, plain = make(device=device, tf32=False), make(device=device, tf32=False, cuda_graph=False)
    recorded._recorder = RolloutRecorder(recorded.storage, recorded._begin_transition, recorded.gamma)
    # On a GPU, the later rollouts are replayed.
    for seed in range(3):
        obs = [LinearEnv(device).get_observations() for _ in range(NUM_STEPS + 1)]
        ended = torch.tensor([False, True, True, False], device=device)
        timed_out = torch.tensor([False, True, False, False], device=device)
        for alg in (recorded, plain):
            torch.manual_seed(seed)
            with torch.inference_mode():
                for step in range(NUM_STEPS):
                    actions = alg.act(obs[step])
                    rewards = actions.sum(dim=1) + step
                    alg.process_env_step(obs[step + 1], rewards, ended, {"time_outs": timed_out})
                alg.compute_returns(obs[-1])
            assert alg.storage.step == NUM_STEPS
            alg.storage.clear()
        for name in ("actions", "rewards", "dones", "values", "actions_log_prob", "returns", "advantages"):
            torch.testing.assert_close(getattr(recorded.storage, name), getattr(plain.storage, name))
        for ours, theirs in zip(
            recorded.storage.distribution_params or (), plain.storage.distribution_params or (), strict=True
        ):
            torch.testing.assert_close(ours, theirs)
        for name in map(str, plain.storage.observations.keys()):
            torch.testing.assert_close(recorded.storage.observations[name], plain.storage.observations[name])


def test_recorded_rollout_does_not_overflow() -> None:
    alg = make()
    alg._recorder = RolloutRecorder(alg.storage, alg._begin_transition, alg.gamma)
    collect(alg)
    with pytest.raises(OverflowError, match="storage is full"):
        collect(alg)


def test_adaptive_rate_moves_both_ways() -> None:
    rates = {}
    for name in ("falling rate", "rising rate"):
        alg = make(**SETTINGS[name])
        before = alg.learning_rate
        collect(alg)
        alg.update()
        rates[name] = alg.learning_rate / before
    assert rates["falling rate"] < 1.0 < rates["rising rate"]


def test_curiosity_and_other_optimisers_are_left_to_rsl_rl() -> None:
    alg = make(optimizer="sgd")
    collect(alg)
    before = [parameter.detach().clone() for parameter in alg.actor.parameters()]
    losses = alg.update()
    assert {"value", "surrogate", "entropy", "estimator"} <= losses.keys()
    assert any(not torch.equal(a, b) for a, b in zip(before, alg.actor.parameters(), strict=True))


def test_adam_exchanges_its_state_with_a_plain_one() -> None:
    torch.manual_seed(0)
    nets = [torch.nn.Linear(3, 2) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    ours, plain = DeviceAdam(nets[0].parameters(), 0.01), torch.optim.Adam(nets[1].parameters(), lr=0.01)

    def step(net: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        net(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    for net, optimizer in zip(nets, (ours, plain), strict=True):
        step(net, optimizer)
    ours_before, plain_before = copy.deepcopy(ours.state_dict()), copy.deepcopy(plain.state_dict())
    plain_before["param_groups"][0]["lr"] = 0.02
    ours.load_state_dict(plain_before)
    plain.load_state_dict({**ours_before, "param_groups": plain_before["param_groups"]})
    assert float(ours.rate) == pytest.approx(0.02)
    for net, optimizer in zip(nets, (ours, plain), strict=True):
        step(net, optimizer)
    torch.testing.assert_close(nets[0].weight, nets[1].weight)


def test_adam_refuses_state_of_another_size() -> None:
    optimizer = DeviceAdam(torch.nn.Linear(3, 2).parameters(), 0.01)
    other = torch.nn.Linear(4, 2)
    foreign = torch.optim.Adam(other.parameters())
    other(torch.ones(1, 4)).sum().backward()
    foreign.step()
    with pytest.raises(ValueError, match="exp_avg is"):
        optimizer.load_state_dict(foreign.state_dict())


def test_divergence_is_told_in_a_sentence() -> None:
    alg = make()
    collect(alg)
    alg.storage.rewards.fill_(float("nan"))
    alg.storage.returns.fill_(float("nan"))
    before = copy.deepcopy(alg.save())
    with pytest.raises(LearningDivergedError, match="diverged in iteration 1: value"):
        alg.update()
    for net in ("actor_state_dict", "critic_state_dict", "estimator_state_dict"):
        for name, value in before[net].items():
            assert torch.equal(value, alg.save()[net][name]), name
