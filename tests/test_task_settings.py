"""legged_gym's settings of the task: control types, actuator networks, headings, heights, pushes, limits, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import PlainCfg, QminiFactory, quiet, small_cfg

from legged_gym.common.errors import UserError
from legged_gym.common.rotations import get_euler_xyz, wrap_to_pi
from legged_gym.envs import LeggedRobot, Qmini


def plain_env(**changes: object) -> LeggedRobot:
    cfg = PlainCfg()
    cfg.env.num_envs, cfg.asset.fix_base_link, cfg.asset.terminate_after_contacts_on = 2, True, []
    for name, value in changes.items():
        cfg.set(name.replace("__", "."), value)
    return LeggedRobot(cfg)


def test_velocities_are_followed() -> None:
    env = plain_env(control__control_type="V", control__stiffness={"": 100.0}, control__damping={"": 0.0})
    env.reset()
    actions = torch.zeros(2, 10)
    actions[:, 3] = 1.0  # A knee, which has room to turn.
    for _ in range(25):
        env.step(actions)
    expected = 100.0 * (0.25 * actions - env.dof_vel)
    expected = expected.clamp(-env.torque_limits, env.torque_limits)
    torch.testing.assert_close(env._compute_torques(actions), expected, atol=1e-4, rtol=0)
    assert env.dof_vel[0, 3] == pytest.approx(0.25, abs=0.1)
    torch.testing.assert_close(env._drive_damping(), torch.full((2, 10), 100.0))
    env.close()


def test_a_velocity_drive_damps_accelerations() -> None:
    env = plain_env(control__control_type="V", control__stiffness={"": 1.0}, control__damping={"": 0.01})
    env.reset()
    env.dof_vel[:] = env.last_dof_vel = torch.zeros(2, 10)
    env.dof_vel[1] = 0.5
    torques = env._compute_torques(torch.zeros(2, 10))
    torch.testing.assert_close(torques, torch.tensor([[0.0], [-0.5 - 0.01 * 0.5 / 0.005]]).expand(2, 10))
    torch.testing.assert_close(env._drive_damping(), torch.full((2, 10), 1.0 + 0.01 / 0.005))
    env.close()


def test_torques_are_passed_on() -> None:
    env = plain_env(control__control_type="T", control__action_scale=2.0, control__stiffness={}, control__damping={})
    actions = torch.linspace(-1.0, 1.0, 10).repeat(2, 1)
    env.step(actions)
    torch.testing.assert_close(env.torques, 2.0 * actions)
    env.rand.torque_multiplier[:] = 0.8
    torch.testing.assert_close(env._compute_torques(actions), 1.6 * actions, msg="weak motors")
    assert not env._drive_damping().any()
    env.close()


class Mlp(torch.nn.Module):
    """A PD law over the last three physics steps."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(6, 1, bias=False)
        self.layer.weight.data = torch.tensor([[20.0, 0.0, 1.0, -0.5, 0.0, 0.0]])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs)


class Lstm(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(2, 4, num_layers=2, batch_first=True)
        self.out = torch.nn.Linear(4, 1)

    def forward(
        self, inputs: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        hidden, state = self.lstm(inputs, state)
        return 10.0 * self.out(hidden[:, 0]), state


def save(module: torch.nn.Module, path: Path) -> str:
    torch.jit.script(module).save(str(path))
    return str(path)


def test_an_mlp_drives_the_joints(tmp_path: Path) -> None:
    file = save(Mlp(), tmp_path / "mlp.pt")
    env = plain_env(control__actuator_network=file, control__stiffness={}, control__damping={})
    errors = []
    original = env._compute_torques

    def compute(actions: torch.Tensor) -> torch.Tensor:
        errors.append((env._target_angles(actions) - env.dof_pos).clone())
        return original(actions)

    env._compute_torques = compute  # type: ignore[method-assign]
    env.step(0.1 * torch.ones(2, 10))
    torques = env._compute_torques(env.actions)
    expected = 20.0 * errors[-1] + errors[-3] - 0.5 * env.dof_vel
    expected = expected.clamp(-env.torque_limits, env.torque_limits)
    torch.testing.assert_close(torques, expected, atol=1e-4, rtol=0)
    env.reset_idx(torch.tensor([1]))
    assert env._network is not None and env._network._past[0].any() and not env._network._past[1].any()
    env.close()


def test_an_lstm_keeps_its_state_until_a_reset(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Lstm()
    file = save(module, tmp_path / "lstm.pt")
    env = plain_env(control__actuator_network=file)
    network = env._network
    assert network is not None
    state = (torch.zeros(2, 20, 4), torch.zeros(2, 20, 4))
    for step in range(3):
        error, velocity = torch.full((2, 10), 0.1 * step), torch.full((2, 10), -0.2)
        with torch.no_grad():
            expected, state = module(torch.stack((error.ravel(), velocity.ravel()), dim=1).unsqueeze(1), state)
        torch.testing.assert_close(network.torques(error, velocity), expected.view(2, 10))
    env.step(torch.zeros(2, 10))
    env.reset_idx(torch.tensor([0]))
    for hidden in network._states:
        assert not hidden[:, 0].any() and hidden[:, 1].any()
    env.close()


def test_what_is_no_actuator_network_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("no network")
    odd = save(torch.nn.Sequential(torch.nn.Linear(3, 1)), tmp_path / "odd.pt")
    wide = save(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path / "wide.pt")
    for file, message in (
        ("/nowhere.pt", "no file at '/nowhere.pt'"), (str(tmp_path / "text.pt"), "is not a TorchScript file"),
        (odd, "nor an MLP with an even number of inputs"), (wide, "can't be called: "),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"'control.actuator_network'.*{message}"):
            env = plain_env(control__actuator_network=file)
            env.step(torch.zeros(2, 10))
    with pytest.raises(UserError, match=r"'motors\.backlash' needs target angles"):
        plain_env(control__control_type="T", motors__backlash={"hip": [0.01, 0.02]})


def test_headings_are_turned_to() -> None:
    cfg = PlainCfg()
    cfg.env.num_envs, cfg.commands.heading_command, cfg.commands.standing_share = 64, True, 0.3
    cfg.init_state.orientation_noise, cfg.asset.terminate_after_contacts_on = 0.5, []
    cfg.asset.terminate_past_tilt = 0.0
    env = LeggedRobot(cfg)
    assert env.commands.shape == (64, 4)
    standing = ~env.commands[:, :3].any(dim=1)
    assert 5 < standing.sum() < 35 and env.commands[standing, 3].any()
    for _ in range(3):
        env.step(torch.zeros(64, 10))
    yaw = get_euler_xyz(env.root_states[:, 3:7])[2]
    expected = (0.5 * wrap_to_pi(env.commands[:, 3] - yaw)).clamp(-1.0, 1.0).masked_fill(standing, 0.0)
    torch.testing.assert_close(env.commands[:, 2], expected, atol=1e-5, rtol=0)
    where = env.obs_layout.slices["commands"]
    assert where.stop - where.start == 3
    env.hold_command(torch.tensor([0]), torch.tensor([0.3, 0.0, 0.2]))
    env.step(torch.zeros(64, 10))
    assert env.commands[0, :3].tolist() == pytest.approx([0.3, 0.0, 0.2]), "who is driven is not turned"
    env.close()


def test_lateral_commands_and_columns_of_ones_own() -> None:
    env = plain_env(commands__num_commands=5, commands__ranges__lin_vel_y=[0.3, 0.4])
    assert env.commands.shape == (2, 5) and not env.commands[:, 3:].any()
    assert ((env.commands[:, 1] >= 0.3) & (env.commands[:, 1] <= 0.4)).all()
    env.close()


def test_the_policy_sees_heights_with_noise(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(4, plane=False))
    cfg.terrain.observe_heights = True
    env = make_qmini(cfg)
    env.ground.set_levels(torch.tensor([2, 2, 2, 2]))
    env.reset()
    where = env.obs_layout.slices["heights"]
    assert where.stop - where.start == 187 and env.num_privileged_obs == 281
    offset = env.root_states[:, 2:3] - 0.5
    expected = (offset - env.ground.heights_around(env.root_states)).clamp(-1.0, 1.0) * 5.0
    torch.testing.assert_close(env.obs_buf[:, where], expected)
    cfg.noise.add_noise, cfg.noise.noise_level = True, 1.0
    noisy = make_qmini(cfg)
    assert noisy.noise_scale_vec[where].tolist() == pytest.approx([0.5] * 187)
    assert noisy.obs_layout.sensed_vec[where].all(), "late as other sensors"


def test_one_push_speed_for_both_directions(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(64))
    cfg.domain_rand.push_robots, cfg.domain_rand.max_push_vel_xy = True, 1.5
    cfg.domain_rand.max_push_vel_x = cfg.domain_rand.max_push_vel_y = 0.0
    pushed = make_qmini(cfg)._pushes.push(torch.zeros(64, 6))
    assert (pushed[:, :2].abs().max(dim=0).values > 1.2).all() and pushed.abs().max() <= 1.5
    cfg.domain_rand.max_push_vel_x = 0.5
    with pytest.raises(UserError, match=r"'domain_rand\.max_push_vel_xy' is 1\.5 beside max_push_vel_x"):
        Qmini(cfg)


def test_soft_limits(make_qmini: QminiFactory) -> None:
    cfg = small_cfg(2)
    cfg.update({"rewards": {"soft_limit": 0.8}})
    assert cfg.rewards.soft_dof_vel_limit == cfg.rewards.soft_torque_limit == 0.8, "as older runs call them"
    env = make_qmini(cfg)
    low, high = env.sim.dof_pos_limits.unbind(1)
    reach = 0.1 * (high - low)
    torch.testing.assert_close(env.dof_pos_limits, torch.stack((low + reach, high - reach), dim=1))
    env.dof_pos[:] = high
    torch.testing.assert_close(env._reward_dof_pos_limits(), reach.sum().expand(2))


def test_sizes_that_are_given_are_compared() -> None:
    plain_env(env__num_observations=42, env__num_actions=10).close()
    message = r"'env.num_observations' is 235, but it is 42 \(base_lin_vel 3, .*terrain.observe_heights adds"
    with pytest.raises(UserError, match=message):
        plain_env(env__num_observations=235)
    with pytest.raises(UserError, match=r"'env\.num_actions' is 12, but it is 10: leave it out"):
        plain_env(env__num_actions=12)


def test_motors_may_be_kept_and_pushes_come_at_once(make_qmini: QminiFactory) -> None:
    cfg = quiet(small_cfg(16))
    rand = cfg.domain_rand
    rand.randomize_gains, rand.redraw_gains = True, False
    rand.push_robots, rand.push_together, rand.push_interval_s, rand.max_push_vel_x = True, True, 0.06, 2.0
    cfg.asset.terminate_after_contacts_on = []
    env = make_qmini(cfg)
    first = env.rand.stiffness_multiplier.clone()
    assert first.std() > 0.05
    env.reset()
    assert torch.equal(env.rand.stiffness_multiplier, first)
    pushed = []
    for _ in range(6):
        before = env.root_states[:, 7].clone()
        env.step(torch.zeros(16, 10))
        pushed.append(int(((env.root_states[:, 7] - before).abs() > 0.4).sum()))
    assert [count > 8 for count in pushed] == [False, False, True] * 2 and pushed[0] == pushed[1] == 0
