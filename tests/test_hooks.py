"""legged_gym's hooks: a class that overrides every one of them, and what is refused when a class is made."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PlainCfg, QminiFactory, small_cfg
from isaacgym_process import python_with
from quadruped import urdf

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, Qmini
from legged_gym.envs.base import legged_gym_config
from legged_gym.envs.base.hooks import GONE, INDEXED, REFUSED, TIMED
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.own_settings import LEGGED_GYM
from legged_gym.envs.base.step_graph import StepGraph
from legged_gym.envs.base.velocity_commands import VelocityCommands
from legged_gym.simulators.backend import ISAACGYM_PYTHON

N = 4


class Every(LeggedRobot):
    """Overrides every hook by one that writes down its name and its arguments and goes on."""

    calls: list[tuple[str, tuple[Any, ...]]]


def _record(name: str) -> Any:
    def method(self: Every, *args: Any) -> Any:
        self.__dict__.setdefault("calls", []).append((name, args))
        return getattr(super(Every, self), name)(*args)

    return method


HOOKS = [
    "step",
    "reset",
    "reset_idx",
    "post_physics_step",
    "check_termination",
    "compute_reward",
    "compute_observations",
    "get_observations",
    "_post_physics_step_callback",
    "_resample_commands",
    "_compute_torques",
    "_reset_dofs",
    "_reset_root_states",
    "_push_robots",
    "_update_terrain_curriculum",
    "update_command_curriculum",
    "_get_noise_scale_vec",
    "_init_buffers",
    "_prepare_reward_function",
    "_parse_cfg",
    "_init_height_points",
    "_get_heights",
    "_reward_tracking_lin_vel",
    "_reward_termination",
]
for hook in HOOKS:
    setattr(Every, hook, _record(hook))


def hooked_cfg() -> PlainCfg:
    cfg = PlainCfg()
    cfg.env.num_envs, cfg.env.episode_length_s = N, 0.1
    cfg.terrain.mesh_type, cfg.terrain.measure_heights = "heightfield", True
    cfg.terrain.num_rows, cfg.terrain.num_cols, cfg.terrain.border_size = 2, 5, 1.0
    cfg.commands.resampling_time, cfg.commands.curriculum = 0.06, True
    cfg.rewards.scales.termination = -1.0
    cfg.domain_rand.push_robots, cfg.domain_rand.push_interval_s = True, 0.04
    cfg.domain_rand.max_push_vel_x = 1.0
    return cfg


@pytest.fixture(params=["mujoco", "warp", "isaacgym"])
def sim_name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "warp":
        pytest.importorskip("mujoco_warp")
    elif request.param == "isaacgym":
        monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path)))
    return str(request.param)


def names(calls: list[tuple[str, tuple[Any, ...]]], *left_out: str) -> list[str]:
    return [name for name, _ in calls if name not in left_out]


def test_every_hook_is_called_in_its_place(sim_name: str) -> None:
    env = Every(hooked_cfg(), sim_name=sim_name)
    made = names(env.calls)
    assert made[0] == "_parse_cfg" and env.calls[0][1] == (env.cfg,)
    order = ["_init_height_points", "_init_buffers", "_prepare_reward_function", "_get_noise_scale_vec", "reset"]
    assert [name for name in made if name in order] == order
    assert made[made.index("reset") :] == [
        "reset", "reset_idx", "_reset_dofs", "_reset_root_states", "_resample_commands", "_post_physics_step_callback",
        "compute_observations", "_get_heights",
    ]  # fmt: skip
    rewards = ("_reward_tracking_lin_vel", "_reward_termination")
    ordinary = [
        "step", *["_compute_torques"] * 4, "post_physics_step", "_post_physics_step_callback", "_resample_commands",
        "check_termination", "compute_reward", *rewards, "reset_idx", "compute_observations", "_get_heights",
    ]  # fmt: skip
    last = ordinary.copy()
    at = last.index("reset_idx") + 1
    last[at:at] = [
        "_update_terrain_curriculum", "update_command_curriculum", "_reset_dofs", "_reset_root_states",
        "_resample_commands",
    ]  # fmt: skip
    everyone = torch.arange(N)
    env.cfg.asset.terminate_after_contacts_on = []
    env.termination_contact_indices = env.termination_contact_indices[:0]
    for step in range(1, 6):
        env.calls.clear()
        env.step(torch.zeros(N, env.num_actions))
        called = names(env.calls, "_push_robots")
        assert called == (last if step == 5 else ordinary), step
        assert ("_push_robots" in names(env.calls)) == (step % 2 == 0)
        robots = [(name, args[0]) for name, args in env.calls if name in INDEXED]
        assert all(ids.dtype == torch.long and ids.dim() == 1 for _, ids in robots)
        expected = {3: [N, 0], 5: [0, *[N] * 6]}.get(step, [0, 0])
        assert [len(ids) for _, ids in robots] == expected, robots
    assert torch.equal(dict(env.calls)["reset_idx"][0], everyone)
    assert (env.episode_length_buf == 0).all()
    env.close()


class Standing(LeggedRobot):
    """Hooks as a legged_gym user writes them, without calling the base class."""

    def check_termination(self) -> None:
        self.time_out_buf = self.episode_length_buf > 3
        self.reset_buf = self.time_out_buf.clone()

    def _resample_commands(self, env_ids: torch.Tensor) -> None:
        self.commands[env_ids, 0] = 0.25 * torch.ones(len(env_ids))

    def _reset_dofs(self, env_ids: torch.Tensor) -> None:
        self.dof_pos[env_ids] = self.default_dof_pos + 0.1
        self.dof_vel[env_ids] = 0.0

    def _reset_root_states(self, env_ids: torch.Tensor) -> None:
        self.root_states[env_ids] = self.base_init_state
        self.root_states[env_ids, :3] += self.env_origins[env_ids]
        self.root_states[env_ids, 2] += 1.0

    def _push_robots(self) -> None:
        self.root_states[:, 7:9] = 3.0

    def _compute_torques(self, actions: torch.Tensor) -> torch.Tensor:
        return torch.zeros(self.num_envs * self.num_dof)

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        super().reset_idx(env_ids)
        if len(env_ids):
            self.extras["episode"] = {"length": 7.0}

    def compute_observations(self) -> None:
        self.obs_buf = torch.cat((self.commands * self.commands_scale, 1e3 * torch.ones(self.num_envs, 1)), dim=-1)
        self.privileged_obs_buf = self.obs_buf[:, :2] + 1.0

    def _reward_tracking_lin_vel(self) -> float:  # type: ignore[override]
        return 1.0

    def _reward_feet_air_time(self) -> torch.Tensor:
        contact = self.contact_forces[:, self.feet_indices, 2] > 1.0
        touches = torch.logical_or(contact, self.last_contacts)
        self.last_contacts = contact
        first = (self.feet_air_time > 0.0) * touches
        self.feet_air_time += self.dt
        reward = torch.sum((self.feet_air_time - 0.5) * first, dim=1)
        self.feet_air_time *= ~touches
        return reward


def test_overrides_that_call_nothing_take_effect(sim_name: str) -> None:
    cfg = PlainCfg()
    cfg.env.num_envs, cfg.domain_rand.push_robots, cfg.domain_rand.push_interval_s = N, True, 0.06
    env = Standing(cfg, sim_name=sim_name)
    torch.testing.assert_close(env.dof_pos, (env.default_dof_pos + 0.1).expand(N, -1), atol=1e-5, rtol=0)
    torch.testing.assert_close(env.root_states[:, 2], torch.full((N,), 1.48), atol=1e-5, rtol=0)
    for step in range(1, 5):
        obs, _rewards, dones, extras = env.step(torch.ones(N, env.num_actions))
        assert bool(dones.all()) == (step == 4)
        assert obs["policy"].tolist() == [[0.5, 0.0, 0.0, 100.0]] * N, "as computed, and clipped"
        assert obs["privileged"].tolist() == [[1.5, 1.0]] * N
        assert (extras["log"]["length"] == 7.0) if step == 4 else "log" not in extras
        assert not env.torques.any()
        if step < 4:
            torch.testing.assert_close(env.feet_air_time, torch.full_like(env.feet_air_time, step * 0.02))
        if step == 3:
            pushed = env.sim.root_states[:, 7:9].clone()
            torch.testing.assert_close(pushed, torch.full((N, 2), 3.0))
    torch.testing.assert_close(env.dof_pos, (env.default_dof_pos + 0.1).expand(N, -1), atol=1e-5, rtol=0)
    assert env.num_obs == 4 and env.num_privileged_obs == 2
    env.close()


def test_counts_and_conditions_are_rewards() -> None:
    class Counting(Qmini):
        def _reward_alive(self) -> torch.Tensor:
            return self.feet_contact.sum(1)

        def _reward_termination(self) -> torch.Tensor:
            return self.reset_buf * ~self.time_out_buf

        def _reward_action(self) -> torch.Tensor:
            return self.actions.double().sum(1)

    env = Counting(small_cfg(2))
    _, rewards, _, _ = env.step(torch.ones(2, 10))
    assert rewards.dtype == torch.float32
    alive = env.reward_rates[:, env.reward_names.index("alive")]
    torch.testing.assert_close(alive, 0.3 * env.feet_contact.sum(1))
    env.close()


class Climbing(LeggedRobot):
    """Promotes by a rule of its own, which it writes to the tensors as legged_gym's users do."""

    def _update_terrain_curriculum(self, env_ids: torch.Tensor) -> None:
        walked = (self.root_states[env_ids, :2] - self.env_origins[env_ids, :2]).norm(dim=1)
        up = walked < self.terrain.env_length / 2.0
        self.terrain_levels[env_ids] = (self.terrain_levels[env_ids] + up.long()).clamp(max=self.max_terrain_level - 1)
        tiles = self.terrain_levels[env_ids], self.terrain_types[env_ids]
        self.env_origins[env_ids] = self.terrain_origins[tiles]


def test_levels_of_ones_own_are_where_robots_start(sim_name: str) -> None:
    cfg = hooked_cfg()
    cfg.commands.curriculum, cfg.asset.terminate_after_contacts_on = False, []
    env = Climbing(cfg, sim_name=sim_name)
    for _ in range(5):
        env.step(torch.zeros(N, env.num_actions))
    assert env.terrain_levels.tolist() == [1] * N
    assert ((env.root_states[:, 0] - 7.5).abs() < 1.1).all(), "the middle of the second row of 5 m tiles, ± 1 m"
    env.close()


def test_a_number_is_a_reward_and_a_matrix_is_none() -> None:
    class Wrong(LeggedRobot):
        def _reward_tracking_lin_vel(self) -> torch.Tensor:
            return self.commands

    cfg = PlainCfg()
    cfg.env.num_envs = 2
    env = Wrong(cfg)
    with pytest.raises(
        UserError, match=r"_reward_tracking_lin_vel: its result must be a tensor \(2,\) or \(\), got \(2, 3\)"
    ):
        env.step(torch.zeros(2, 10))
    env.close()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_method_that_nothing_would_call_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"^Own\.{name} would never be called: \w+[^\n]+$"):
        type("Own", (LeggedRobot,), {name: lambda self: None})
    with pytest.raises(UserError, match=f"{name} would never be called"):
        type("Own", (type("Mixin", (), {name: lambda self: None}), Qmini), {})


def test_a_private_method_that_nothing_calls_is_named() -> None:
    class Fork(LeggedRobot):
        @property
        def _gait(self) -> torch.Tensor:
            return self._phase()

        def _phase(self) -> torch.Tensor:
            return self.episode_length_buf * self.dt

        def _reward_gait(self) -> torch.Tensor:
            return self._gait

        def _disturb_robots(self) -> None:
            raise AssertionError("a fork's base class called it")

    with pytest.warns(UserWarning, match=r"^Fork\._disturb_robots: nothing calls it$") as told:
        Fork(PlainCfg()).close()
    assert len([warning for warning in told if "nothing calls" in str(warning.message)]) == 1


def test_calls_of_isaac_gym_are_refused() -> None:
    with pytest.raises(UserError, match=r"Own\._reset_dofs calls Isaac Gym \(self\.gym\): write to self\.root_states"):

        class Own(LeggedRobot):
            def _reset_dofs(self, env_ids: torch.Tensor) -> None:
                self.gym.set_dof_state_tensor_indexed(self.sim, env_ids)

    class Fresh(Qmini):
        def _post_physics_step_callback(self) -> None:
            self.gym.refresh_rigid_body_state_tensor(self.sim)

    with pytest.raises(AttributeError, match=r"self\.gym has no 'simulate': write to self\.root_states"):
        _ = LeggedRobot.gym.simulate
    assert Fresh.gym.refresh_dof_state_tensor(None) is None

    with pytest.raises(UserError, match=r"Old\.__init__ takes legged_gym's arguments"):

        class Old(LeggedRobot):
            def __init__(self, cfg: Any, sim_params: Any, physics_engine: Any, sim_device: str, headless: bool) -> None:
                super().__init__(cfg)


def test_the_documentation_names_all_of_them() -> None:
    text = Path(LEGGED_GYM_ROOT_DIR, "docs", "legged_gym.md").read_text()
    own = {name for name in REFUSED if f"called {name.removeprefix('_')}" in REFUSED[name]} | {"_prepare_rewards"}
    names = {*INDEXED, *TIMED, *REFUSED, *GONE} - own - {"enable_viewer_sync", "graphics_device_id", "robot_asset"}
    names |= {key.rpartition(".")[2] for key in LEGGED_GYM}
    assert not [name for name in sorted(names) if name not in text]


ATTRIBUTES = [
    "cfg",
    "num_envs",
    "num_obs",
    "num_privileged_obs",
    "num_actions",
    "device",
    "obs_buf",
    "rew_buf",
    "reset_buf",
    "episode_length_buf",
    "time_out_buf",
    "privileged_obs_buf",
    "extras",
    "debug_viz",
    "init_done",
    "dt",
    "obs_scales",
    "reward_scales",
    "command_ranges",
    "max_episode_length_s",
    "max_episode_length",
    "up_axis_idx",
    "terrain",
    "root_states",
    "dof_pos",
    "dof_vel",
    "base_quat",
    "contact_forces",
    "common_step_counter",
    "noise_scale_vec",
    "add_noise",
    "gravity_vec",
    "forward_vec",
    "torques",
    "p_gains",
    "d_gains",
    "actions",
    "last_actions",
    "last_last_actions",
    "last_dof_vel",
    "last_root_vel",
    "commands",
    "commands_scale",
    "feet_air_time",
    "last_contacts",
    "base_lin_vel",
    "base_ang_vel",
    "projected_gravity",
    "height_points",
    "measured_heights",
    "default_dof_pos",
    "reward_functions",
    "reward_names",
    "episode_sums",
    "num_dof",
    "num_dofs",
    "num_bodies",
    "dof_names",
    "feet_indices",
    "penalised_contact_indices",
    "termination_contact_indices",
    "dof_pos_limits",
    "dof_vel_limits",
    "torque_limits",
    "base_init_state",
    "friction_coeffs",
    "custom_origins",
    "env_origins",
    "terrain_levels",
    "terrain_types",
    "max_terrain_level",
    "terrain_origins",
    "num_height_points",
    "sim",
]


def test_attributes_of_legged_gym_are_there() -> None:
    env = Qmini(small_cfg(3, plane=False))
    env.step(torch.zeros(3, 10))
    assert not [name for name in ATTRIBUTES if not hasattr(env, name)]
    assert env.num_obs == env.obs_buf.shape[1] == 215 and env.num_privileged_obs == 291
    assert env.num_bodies == 11 and env.num_dofs == 10 and env.num_height_points == env.measured_heights.shape[1] == 187
    assert env.noise_scale_vec.shape == (43,) and env.commands_scale.tolist() == [2.0, 2.0, 0.25]
    assert env.last_root_vel.shape == (3, 6) and env.height_points.shape == (3, 187, 3)
    rates = dict(zip(env.reward_names, env.reward_rates.unbind(1), strict=True))
    torch.testing.assert_close(env.episode_sums["alive"], rates["alive"] * env.dt)
    assert env.reward_scales["alive"] == pytest.approx(0.3 * 0.02)
    assert len(env.reward_functions) == len(env.reward_names) - 1 and env.reward_names[-1] == "termination"
    env.close()


@pytest.mark.parametrize("name", sorted(GONE))
def test_attributes_that_are_gone_name_what_to_use(make_qmini: QminiFactory, name: str) -> None:
    with pytest.raises(AttributeError, match=f"'Qmini' has no attribute '{name}': [^\n]+$"):
        getattr(make_qmini(small_cfg(1)), name)


class Copied(LeggedRobot):
    """Assigns and reads what a copy of legged_gym's own code does."""

    def _parse_cfg(self, cfg: LeggedRobotCfg) -> None:
        super()._parse_cfg(cfg)
        self.num_obs, self.num_privileged_obs = 42, None

    def _init_buffers(self) -> None:
        super()._init_buffers()
        self.reset_buf = torch.ones(self.num_envs, dtype=torch.long)

    def post_physics_step(self) -> None:
        super().post_physics_step()
        if self.viewer and self.enable_viewer_sync and self.debug_viz and not self.headless:
            raise AssertionError("there is no viewer")

    def _get_heights(self, env_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.height_samples


def test_a_copy_of_legged_gyms_code_runs_or_names_what_is_missing() -> None:
    cfg = PlainCfg()
    cfg.env.num_envs = 2
    with contextlib.closing(Copied(cfg)) as env:
        env.step(torch.zeros(env.num_envs, env.num_actions))
        assert env.reset_buf.dtype == torch.bool and env.num_obs == 42
        with pytest.raises(AttributeError, match=r"'height_samples': call self\.ground\.height_at"):
            print(env.measured_heights)

    class Counted(Copied):
        def _parse_cfg(self, cfg: LeggedRobotCfg) -> None:
            super()._parse_cfg(cfg)
            self.num_obs = 40

    class Flat(Copied):
        def compute_observations(self) -> None:
            self.obs_buf = torch.zeros(self.num_envs)

    for cls, message in ((Counted, "num_observations' is 40, but it is 42"), (Flat, "self.obs_buf must be a tensor")):
        with pytest.raises(UserError, match=message):
            cls(cfg)


def test_scales_and_ranges_may_be_changed_while_running() -> None:
    env = Qmini(small_cfg(3))
    env.reward_scales["alive"] *= 2.0
    env.command_ranges["lin_vel_x"] = [0.4, 0.4]
    env.step(torch.zeros(3, 10))
    assert env.reward_rates[0, env.reward_names.index("alive")] == pytest.approx(0.6)
    env.reset()
    moving = env.commands.any(dim=1)
    assert (env.commands[moving, 0] == 0.4).all() and moving.any()
    env.close()


def test_a_step_with_hooks_is_not_recorded_which_is_said() -> None:
    cfg = small_cfg(2)
    plain, own = Qmini(cfg), type("Own", (Qmini,), {"_reset_dofs": lambda self, ids: Qmini._reset_dofs(self, ids)})(cfg)
    for env in (plain, own):
        env.sim.capturable = True
    assert isinstance(plain._step_graph(), StepGraph)
    with pytest.warns(UserWarning, match="steps run slower, as Own overrides _reset_dofs: none is recorded"):
        assert own._step_graph() is None
    for env in (plain, own):
        env.close()


def test_the_curriculum_of_commands_widens_their_range() -> None:
    for share, widest in ((0.9, [-1.5, 1.5]), (0.5, [-1.0, 1.0])):
        cfg = PlainCfg()
        cfg.env.num_envs, cfg.env.episode_length_s, cfg.asset.terminate_after_contacts_on = 4, 0.2, []
        cfg.commands.curriculum, cfg.commands.max_curriculum = True, 1.8
        own = {"_reward_tracking_lin_vel": lambda self, share=share: share}
        env = type("Own", (LeggedRobot,), own)(cfg)
        for _ in range(10):
            env.step(torch.zeros(4, 10))
        assert env.command_ranges["lin_vel_x"] == widest == env.training_state()["command_ranges"]["lin_vel_x"]
        if share == 0.9:
            for _ in range(10):
                env.step(torch.zeros(4, 10))
            assert env.command_ranges["lin_vel_x"] == pytest.approx([-1.8, 1.8])
            other = LeggedRobot(cfg)
            other.load_training_state(env.training_state())
            assert other.command_ranges == env.command_ranges
            other.close()
        env.close()


def test_the_curriculum_of_commands_never_narrows_a_range() -> None:
    cfg = PlainCfg()
    cfg.commands.curriculum, cfg.commands.max_curriculum, cfg.commands.ranges.lin_vel_x = True, 1.8, [-2.5, 1.0]
    commands = VelocityCommands(cfg, 2, 0.02, "cpu")
    for widest in ([-2.5, 1.5], [-2.5, 1.8], [-2.5, 1.8]):
        commands.widen(torch.tensor(True))
        assert commands.ranges()["lin_vel_x"] == pytest.approx(widest)


class ByHand(LeggedRobot):
    """Goes through the parts of a step and of a reset by itself, as copies of legged_gym's code do."""

    def _post_physics_step_callback(self) -> None:
        self.phase = self.episode_length_buf * self.dt
        super()._post_physics_step_callback()

    def post_physics_step(self) -> None:
        self.episode_length_buf += 1
        self.common_step_counter += 1
        self._post_physics_step_callback()
        self.check_termination()
        self.compute_reward()
        env_ids = self.reset_buf.nonzero(as_tuple=False).flatten()
        self.reset_idx(env_ids)
        self.compute_observations()
        self.last_actions[:] = self.actions[:]

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        super().reset_idx(env_ids)
        self.extras["episode"]["phase"] = self.phase.mean() if hasattr(self, "phase") else 0.0

    def _get_noise_scale_vec(self, cfg: Any) -> torch.Tensor:
        noise_vec = torch.zeros_like(self.obs_buf[0])
        self.add_noise = self.cfg.noise.add_noise
        noise_vec[:1] = 0.5
        return noise_vec

    def compute_observations(self) -> None:
        self.obs_buf = torch.stack((self.phase, 1e3 * torch.ones(self.num_envs)), dim=-1)
        if self.add_noise:
            self.obs_buf += (2 * torch.rand_like(self.obs_buf) - 1) * self.noise_scale_vec


def test_a_step_by_hand_is_observed(sim_name: str) -> None:
    cfg = PlainCfg()
    cfg.env.num_envs, cfg.env.num_observations, cfg.env.episode_length_s = N, 2, 0.06
    cfg.asset.terminate_after_contacts_on, cfg.noise.add_noise = [], False
    env = ByHand(cfg, sim_name=sim_name)
    for step in range(1, 4):
        obs, _, dones, extras = env.step(torch.zeros(N, env.num_actions))
        assert env.common_step_counter == step
        assert bool(dones.all()) == (step == 3)
        torch.testing.assert_close(obs["policy"], torch.tensor([[0.02 * step, 100.0]]).expand(N, 2))
        if step == 3:
            assert extras["log"]["phase"] == pytest.approx(0.06) and "rew_action_rate" in extras["episode"]
    env.close()


def test_legged_gyms_defaults(tmp_path: Path) -> None:
    (tmp_path / "quadruped.urdf").write_text(urdf())

    class Cfg(legged_gym_config.LeggedRobotCfg):
        class init_state(legged_gym_config.LeggedRobotCfg.init_state):
            pos = [0.0, 0.0, 0.4]
            default_joint_angles = {
                f"{leg}_{j}": a for leg in ("fl", "fr", "rl", "rr") for j, a in (("hip", 0.6), ("knee", -1.2))
            }

        class control(legged_gym_config.LeggedRobotCfg.control):
            stiffness = {"hip": 25.0, "knee": 25.0}
            damping = {"hip": 0.6, "knee": 0.6}

        class rewards(legged_gym_config.LeggedRobotCfg.rewards):
            class scales(legged_gym_config.LeggedRobotCfg.rewards.scales):
                feet_stumble = -0.1

    cfg = Cfg()
    cfg.asset.file, cfg.asset.terminate_after_contacts_on = str(tmp_path / "quadruped.urdf"), ["trunk"]
    cfg.env.num_envs, cfg.env.num_observations, cfg.terrain.border_size = 2, 12 + 3 * 8 + 187, 5.0
    cfg.terrain.num_rows, cfg.terrain.num_cols = 2, 5
    env = LeggedRobot(cfg)
    obs, *_ = env.step(torch.zeros(2, 8))
    assert obs["policy"].shape == (2, 223) and env.commands.shape == (2, 4) and env.terrain.env_length == 8.0
    assert "feet_stumble" in env.reward_names
    legged_gym_config.LeggedRobotCfgPPO().check()
    env.close()
    cfg.terrain.measure_heights, cfg.env.num_observations = False, 12 + 3 * 8
    LeggedRobot(cfg).close()
