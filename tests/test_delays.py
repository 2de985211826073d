"""Actions and sensor values that come late."""

from __future__ import annotations

import pytest
import torch
from conftest import QminiFactory, quiet, small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs import QminiCfg
from legged_gym.envs.registry import task_registry

SENSED = ("base_ang_vel", "projected_gravity", "dof_pos", "dof_vel")


def late(action: float = 0.0, observation: float = 0.0) -> QminiCfg:
    """Return a quiet configuration with the same delays, s, for all robots."""
    cfg = quiet(small_cfg(2))
    cfg.domain_rand.action_delay_range = [action, action]
    cfg.domain_rand.observation_delay_range = [observation, observation]
    return cfg


def actions() -> torch.Tensor:
    torch.manual_seed(5)
    return 0.3 * torch.randn(6, 2, 10)


def test_action_late_by_a_step_is_the_one_before(make_qmini: QminiFactory) -> None:
    delayed, prompt = make_qmini(late(action=0.02)), make_qmini(late())
    before = torch.zeros(2, 10)
    for action in actions():
        delayed.step(action)
        prompt.step(before)
        before = action
        torch.testing.assert_close(delayed.dof_pos, prompt.dof_pos, rtol=0, atol=0)
        torch.testing.assert_close(delayed.actions, action, rtol=0, atol=0)


@pytest.mark.parametrize(("delay", "late_steps"), [(0.0, 0), (0.002, 0), (0.005, 1), (0.01, 2), (0.014, 3), (0.02, 4)])
def test_action_arrives_with_the_nearest_physics_step(delay: float, late_steps: int, make_qmini: QminiFactory) -> None:
    env = make_qmini(late(action=delay))
    env.actions, env.last_actions = torch.ones(2, 10), torch.zeros(2, 10)
    arrived = [bool(env._arrived_actions(step).all()) for step in range(4)]
    assert arrived == [False] * late_steps + [True] * (4 - late_steps)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_sensors_lag_and_nothing_else_does(share: float, make_qmini: QminiFactory) -> None:
    delayed, prompt = make_qmini(late(observation=share * 0.02)), make_qmini(late())
    delayed.commands.copy_(prompt.commands)
    delayed._lead_offset.copy_(prompt._lead_offset)
    slices = prompt.obs_layout.slices
    history = [prompt.get_observations()["policy"][:, :43].clone()]
    for action in actions():
        delayed.step(action)
        prompt.step(action)
        now = prompt.get_observations()["policy"][:, :43].clone()
        seen = delayed.get_observations()["policy"][:, :43]
        for name, where in slices.items():
            expected = torch.lerp(now, history[-1], share) if name in SENSED else now
            torch.testing.assert_close(seen[:, where], expected[:, where])
        torch.testing.assert_close(delayed.get_observations()["privileged"], prompt.get_observations()["privileged"])
        history.append(now)


def test_new_episode_has_nothing_older_to_show(make_qmini: QminiFactory) -> None:
    env = make_qmini(late(observation=0.02))
    for action in actions():
        env.step(action)
    env.reset()
    obs = env.get_observations()
    torch.testing.assert_close(obs["policy"][:, :43], obs["privileged"][:, :43])


def test_delays_are_drawn_anew_for_those_that_start_again(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(64)
    cfg.domain_rand.action_delay_range = [0.005, 0.015]
    env = make_qmini(cfg)
    before = env.rand.action_delay.clone()
    assert 0.005 <= before.min() < 0.007 and 0.013 < before.max() <= 0.015
    env.reset_idx(torch.arange(32))
    assert (env.rand.action_delay[:32] != before[:32]).all()
    assert torch.equal(env.rand.action_delay[32:], before[32:])


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([0.0, 0.03], "up to a control step, 0.02 s, got 0.03 s"),
        ([-0.01, 0.0], "from 0 to 1, got -0.01"),
    ],
)
def test_delays_beyond_a_control_step_are_refused(bounds: list[float], message: str) -> None:
    cfg = QminiCfg()
    cfg.domain_rand.action_delay_range = bounds
    with pytest.raises(UserError, match=message):
        task_registry.make_env("qmini", env_cfg=cfg)
