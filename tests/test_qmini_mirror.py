"""The mirror against physics: a mirrored robot that acts mirrored lives through a mirrored world."""

from __future__ import annotations

import torch
from conftest import QminiFactory, quiet, small_cfg
from tensordict import TensorDict

from legged_gym.envs import Qmini
from legged_gym.envs.qmini.qmini_mirror import mirror

FLIP_Y = torch.tensor([1.0, -1.0, 1.0])
FLIP_XZ = torch.tensor([-1.0, 1.0, -1.0])


def mirrored_observations(env: Qmini, obs: TensorDict) -> TensorDict:
    both, _ = mirror(env, obs, None)
    assert both is not None and len(both) == 2 * len(obs)
    for name in obs.keys():  # noqa: SIM118  (iterating a TensorDict goes through its rows)
        torch.testing.assert_close(both[name][: len(obs)], obs[name], rtol=0, atol=0)
    return both[len(obs) :]


def mirrored_joints(env: Qmini, values: torch.Tensor) -> torch.Tensor:
    _, both = mirror(env, None, values)
    assert both is not None
    return both[len(values) :]


def make_mirrored_pair(env: Qmini) -> None:
    """Put robot 0 into any state, and robot 1 into its mirror image."""
    torch.manual_seed(3)
    root = env.root_states.clone()
    root[:, 2] = 0.46
    quat = torch.nn.functional.normalize(torch.tensor([0.05, -0.08, 0.2, 1.0]), dim=0)
    root[0, 3:7], root[1, 3:7] = quat, quat * torch.tensor([-1.0, 1.0, -1.0, 1.0])
    linear, angular = 0.3 * torch.randn(3), 0.3 * torch.randn(3)
    root[0, 7:13] = torch.cat((linear, angular))
    root[1, 7:13] = torch.cat((linear * FLIP_Y, angular * FLIP_XZ))
    dof_pos = env.default_dof_pos + 0.1 * torch.randn(1, 10)
    multipliers = 0.8 + 0.4 * torch.rand(1, 10)
    for values in (env.rand.stiffness_multiplier, env.rand.damping_multiplier, env.rand.torque_multiplier):
        values[:1] = multipliers
        values[1:] = -mirrored_joints(env, multipliers)
    env.rand.joint_offset[:1] = 0.02 * torch.randn(1, 10)
    env.rand.joint_offset[1:] = mirrored_joints(env, env.rand.joint_offset[:1])
    env._update_gains()
    both = torch.cat((dof_pos, mirrored_joints(env, dof_pos)))
    env.sim.set_state(torch.ones(2, dtype=torch.bool), root, both, torch.zeros(2, 10))
    env.commands[:] = torch.tensor([[0.3, 0.1, 0.4], [0.3, -0.1, -0.4]])
    env._lead_offset[:] = torch.tensor([0.0, env.cfg.gait.offset])


def test_mirrored_robots_observe_mirrored_worlds(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2)))
    make_mirrored_pair(env)
    for _ in range(12):
        action = 0.5 * torch.randn(1, 10)
        obs, *_ = env.step(torch.cat((action, mirrored_joints(env, action))))
    assert env.contact_forces.norm(dim=-1).sum() > 1.0, "the feet should have touched by now"
    # The robot itself is not quite symmetric: its base's centre of mass lies 0.06 mm to one side.
    seen = mirrored_observations(env, obs[:1])
    for name in ("policy", "label"):
        torch.testing.assert_close(obs[name][1:], seen[name], atol=0.03, rtol=0)
        assert (obs[name][1:] - obs[name][:1]).abs().max() > 0.2
    # Heights are equal on a plane, as long as the bases are.
    torch.testing.assert_close(obs["privileged"][1:], seen["privileged"], atol=0.03, rtol=0)


def test_heights_change_sides(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(1)))
    cfg = env.cfg.terrain
    x, y = torch.meshgrid(torch.tensor(cfg.measured_points_x), torch.tensor(cfg.measured_points_y), indexing="ij")
    obs = env.get_observations().clone()
    obs["privileged"][0, -187:] = (x + 10.0 * y).ravel()
    heights = mirrored_observations(env, obs)["privileged"][0, -187:]
    torch.testing.assert_close(heights, (x - 10.0 * y).ravel())


def test_twice_mirrored_is_as_before(make_qmini: QminiFactory) -> None:
    env = make_qmini(quiet(small_cfg(2)))
    groups = {name: torch.randn_like(value) for name, value in env.get_observations().items()}
    obs = TensorDict({**groups, "estimate": torch.randn(2, 5)}, batch_size=[2])
    twice = mirrored_observations(env, mirrored_observations(env, obs))
    for name, value in obs.items():
        torch.testing.assert_close(twice[name], value, rtol=0, atol=0)
    actions = torch.randn(2, 10)
    torch.testing.assert_close(mirrored_joints(env, mirrored_joints(env, actions)), actions, rtol=0, atol=0)
