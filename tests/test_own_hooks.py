"""What classes of one's own set, return and assign: it takes effect, or one line says what is wrong with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import PlainCfg
from test_hooks import ByHand

from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, Qmini
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg

N = 3


class OwnCfg(PlainCfg):
    class env(PlainCfg.env):
        num_envs = N

    class asset(PlainCfg.asset):
        terminate_after_contacts_on: list[str] = []

    class noise(PlainCfg.noise):
        add_noise = False

    class rewards(PlainCfg.rewards):
        class scales(PlainCfg.rewards.scales):
            own = 1.0


def make(methods: dict[str, Any], base: type[LeggedRobot] = LeggedRobot) -> LeggedRobot:
    return type("Own", (base,), {"_reward_own": lambda self: 1.0} | methods)(OwnCfg())


def setting(name: str, value: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda self: setattr(self, name, value(self))


def buffers(change: Callable[[Any], None]) -> dict[str, Any]:
    def _init_buffers(self: LeggedRobot) -> None:
        LeggedRobot._init_buffers(self)
        change(self)

    return {"_init_buffers": _init_buffers}


def scales(change: Callable[[Any], None]) -> dict[str, Any]:
    def _prepare_reward_function(self: LeggedRobot) -> None:
        LeggedRobot._prepare_reward_function(self)
        change(self)

    return {"_prepare_reward_function": _prepare_reward_function}


ENDS = {
    "no tensor": (setting("reset_buf", lambda self: False), r"self\.reset_buf must be a tensor \(3,\), got bool"),
    "indices": (setting("reset_buf", lambda self: torch.tensor([0])), r"self\.reset_buf .* got \(1,\)"),
    "columns": (setting("time_out_buf", lambda self: torch.ones(N, 1)), r"self\.time_out_buf .* got \(3, 1\)"),
    "a list": (setting("reset_buf", lambda self: [0, 0, 0]), r"self\.reset_buf .* got list"),
    "returned": (lambda self: torch.ones(N), r"Own\.check_termination must set self\.reset_buf, not return it"),
}
SEEN = {
    "returned": (lambda self: torch.ones(N, 4), r"compute_observations must set self\.obs_buf, not return it"),
    "growing": (
        setting("obs_buf", lambda self: torch.ones(N, 4 + self.common_step_counter)),
        r"\(3, 4\), got \(3, 5\)",
    ),
    "robots": (setting("obs_buf", lambda self: torch.ones(N + 1, 4)), r"self\.obs_buf .* \(3, any\), got \(4, 4\)"),
    "privileged": (setting("privileged_obs_buf", lambda self: torch.ones(N)), r"privileged_obs_buf .* got \(3,\)"),
}
NOISE = {
    "a number": (lambda self, cfg: 0.1, r"_get_noise_scale_vec: its result must be a tensor \(any,\), got float"),
    "negative": (lambda self, cfg: -self.obs_layout.noise_vec, r"must return finite numbers, 0 or more"),
    "NaN": (lambda self, cfg: self.obs_layout.noise_vec * torch.nan, r"must return finite numbers, 0 or more"),
}
TORQUES = {
    "nothing": (lambda self, actions: None, r"_compute_torques: .* \(3, 10\) or \(30,\), got NoneType"),
    "a joint less": (lambda self, actions: actions[:, 1:], r"got \(3, 9\)"),
    "turned": (lambda self, actions: actions.T, r"got \(10, 3\)"),
}
REWARDS = {
    "nothing": (lambda self: None, r"_reward_own: its result must be a tensor \(3,\) or \(\), got NoneType"),
    "text": (lambda self: "1", "got str"),
    "complex": (lambda self: torch.ones(N, dtype=torch.complex64), r"_reward_own: its result"),
    "property": (property(lambda self: torch.ones(N)), "_reward_own is no method"),
}
WRONG = [
    (hook, name, *case)
    for hook, cases in (
        ("check_termination", ENDS), ("compute_observations", SEEN), ("_get_noise_scale_vec", NOISE),
        ("_compute_torques", TORQUES), ("_reward_own", REWARDS),
    )
    for name, case in cases.items()
]  # fmt: skip


@pytest.mark.parametrize(
    ("hook", "method", "message"), [(h, m, t) for h, _, m, t in WRONG], ids=[f"{c[:2]}" for c in WRONG]
)
def test_what_a_hook_gives_is_right_or_named(hook: str, method: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused, contextlib.closing(make({hook: method})) as env:
        env.step(torch.zeros(N, env.num_actions))
    assert "\n" not in str(refused.value)


BUFFERS = {
    "short": ("torques", lambda self: torch.zeros(3), r"Own: self\.torques must be a tensor \(3, 10\), got \(3,\)"),
    "nothing": ("feet_air_time", lambda self: None, r"Own: self\.feet_air_time must be .* got NoneType"),
    "gains": ("p_gains", lambda self: [1.0] * 10, r"Own: self\.p_gains must be a tensor \(10,\) or .* got list"),
    "columns": ("commands", lambda self: torch.zeros(N, 2), r"Own: self\.commands must be .* got \(3, 2\)"),
    "device": ("actions", lambda self: torch.zeros(N, 10, device="meta"), r"Own: self\.actions .* cpu, got meta"),
}


@pytest.mark.parametrize(("name", "value", "message"), BUFFERS.values(), ids=BUFFERS)
def test_a_buffer_of_a_wrong_shape_or_device_is_named(name: str, value: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(buffers(setting(name, value)))


def test_gains_of_each_robot_are_taken() -> None:
    with contextlib.closing(make(buffers(setting("p_gains", lambda self: torch.full((N, 10), 7.0))))) as env:
        env.step(torch.ones(N, 10))
        assert env.torques.abs().max() > 0.0


@pytest.mark.parametrize(
    ("robots", "begun"),
    [(0, [0]), (-1, [2]), ([0, 2], [0, 2]), ([], []), ([False, True, False], [1]), (torch.tensor(1), [1]),
     (torch.tensor([1, 1]), [1]), (torch.tensor([2], dtype=torch.int32), [2])],
)  # fmt: skip
def test_reset_idx_takes_robots_in_every_form(robots: Any, begun: list[int]) -> None:
    with contextlib.closing(make({})) as env:
        env.episode_length_buf[:] = 7
        env.reset_idx(robots)
        assert (env.episode_length_buf == 0).nonzero().flatten().tolist() == begun


@pytest.mark.parametrize(
    ("robots", "message"),
    [(N, "indices of 3 robots, got 3"), (torch.tensor([0, -4]), "indices of 3 robots, got -4"), (None, "got None"),
     ("all", "got 'all'"), (torch.ones(1), "got torch.float32"), (torch.ones(1, dtype=torch.bool), r"got \(1,\)")],
)  # fmt: skip
def test_reset_idx_refuses_what_is_no_robot(robots: Any, message: str) -> None:
    with contextlib.closing(make({})) as env, pytest.raises(UserError, match=message):
        env.reset_idx(robots)


@pytest.mark.parametrize("number", [torch.float64, torch.int64])
def test_other_kinds_of_numbers_are_numbers(number: torch.dtype) -> None:
    methods = {
        "check_termination": setting("reset_buf", lambda self: (self.episode_length_buf > 1).to(number)),
        "_compute_torques": lambda self, actions: torch.zeros(N * 10, dtype=number),
        "_reward_own": lambda self: torch.ones(N, dtype=number),
        "compute_observations": setting("obs_buf", lambda self: torch.ones(N, 4, dtype=number)),
    }
    with contextlib.closing(make(methods)) as env:
        for last in (False, True):
            observed, rewards, dones, _ = env.step(torch.zeros(N, 10, dtype=number))
            assert dones.tolist() == [last] * N and observed["policy"].dtype == rewards.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "method", "message"),
    [
        ("_reset_dofs", lambda self, ids, cfg: None, r"\._reset_dofs\(self, ids, cfg\) can't .*_reset_dofs\(env_ids\)"),
        ("_push_robots", lambda self, env_ids: None, r"self\._push_robots\(\)"),
        ("step", lambda self: None, r"self\.step\(actions\)"),
        ("_reward_own", lambda self, scale: 1.0, r"self\._reward_own\(\)"),
        ("_init_buffers", lambda self: None, r"_init_buffers must call super\(\)\._init_buffers"),
        ("_prepare_reward_function", lambda self: None, "must call super"),
    ],
)  # fmt: skip
def test_methods_that_could_not_be_called_are_refused_with_their_class(name: str, method: Any, message: str) -> None:
    for base in (LeggedRobot, Qmini):
        with pytest.raises(UserError, match=message):
            type("Own", (base,), {name: method})


def test_more_arguments_with_defaults_and_any_arguments_are_fine() -> None:
    methods = {"_push_robots": lambda self, env_ids=None: None, "_reset_dofs": lambda self, *args, **kwargs: None}
    assert issubclass(type("Own", (LeggedRobot,), methods), LeggedRobot)


@pytest.mark.parametrize(("name", "meant"), [("compute_rewards", "compute_reward"), ("_reset_dof", "_reset_dofs")])
def test_a_mistyped_hook_is_named(name: str, meant: str) -> None:
    with pytest.warns(UserWarning, match=rf"^Own\.{name}: nothing calls it \(did you mean {meant}\?\)$"):
        make({name: lambda self: None}).close()


ASSIGNED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "commands": (lambda env: torch.full((N, 3), 0.25), lambda env: env._commands.values == 0.25),
    "default_dof_pos": (lambda env: torch.zeros(10), lambda env: env.dof_pos.abs() < 0.25),
    "env_origins": (lambda env: torch.full((N, 3), 7.0), lambda env: (env.root_states[:, 0] - 7.0).abs() < 1.0),
    "base_init_state": (lambda env: torch.ones(13), lambda env: env.root_states[:, 2] > 0.9),
    "command_ranges": (
        lambda env: {axis: [0.5, 0.5] for axis in env.command_ranges},
        lambda env: env.commands == 0.5,
    ),
}


@pytest.mark.parametrize("name", ASSIGNED)
def test_tensors_that_a_class_assigns_are_the_ones_that_count(name: str) -> None:
    value, seen = ASSIGNED[name]
    stand = {"_resample_commands": lambda self, env_ids: None} if name == "commands" else {}
    with contextlib.closing(make(buffers(setting(name, value)) | stand)) as env:
        assert bool(seen(env).all())


def test_assigned_tensors_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match=r"Own: self\.commands must be a tensor \(3, 3\), got \(3, 4\)"):
        make(buffers(setting("commands", lambda self: torch.zeros(N, 4))))


@pytest.mark.parametrize(("name", "scale"), [("nothing", 1.0), ("own", float("nan")), ("own", "1")])
def test_scales_of_rewards_that_are_none_are_refused(name: str, scale: object) -> None:
    change = scales(lambda self: self.reward_scales.update({name: scale}))
    with contextlib.closing(make(change)) as env, pytest.raises(UserError, match=rf"self\.reward_scales\['{name}'\]"):
        env.step(torch.zeros(N, 10))


@pytest.mark.parametrize("actions", [torch.zeros(N, 11), torch.zeros(10), [[0.0] * 10] * N, None])
def test_actions_of_another_size_are_refused(actions: Any) -> None:
    with contextlib.closing(make({})) as env, pytest.raises(UserError, match=r"actions must be a tensor \(3, 10\)"):
        env.step(actions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda o, r, d, e: (o["policy"], None, r, d, e),
            "observations .*, rewards, .* got Tensor, NoneType, Tensor, Tensor",
        ),
        (
            lambda o, r, d, e: (o["policy"], r, d, e),
            r"Own\.step must return observations .* got Tensor, Tensor, Tensor",
        ),
        (lambda o, r, d, e: None, "got NoneType"),
        (lambda o, r, d, e: (o, r[:, None], d, e), r"Own\.step: its rewards must be a tensor \(3,\), got \(3, 1\)"),
        (lambda o, r, d, e: (o, r, d[0], e), r"Own\.step: its dones must be a tensor \(3,\), got \(\)"),
    ],
)
def test_what_a_step_returns_is_what_a_runner_takes(change: Callable[..., Any], message: str) -> None:
    own = {"step": lambda self, actions: change(*LeggedRobot.step(self, actions))}
    with contextlib.closing(make(own)) as env, pytest.raises(UserError, match=message):
        env.step(torch.zeros(N, 10))


def test_what_is_logged_of_episodes_are_numbers() -> None:
    def reset_idx(self: LeggedRobot, env_ids: torch.Tensor) -> None:
        LeggedRobot.reset_idx(self, env_ids)
        self.extras["episode"] = {"kind": "walking"}

    with (
        contextlib.closing(make({"reset_idx": reset_idx})) as env,
        pytest.raises(UserError, match=r"self\.extras\['episode'\]\['kind'\] must be a number or a tensor, got 'wal"),
    ):
        env.step(torch.zeros(N, 10))


def test_a_step_by_hand_is_recorded_and_asks_for_ground() -> None:
    plain, hand = make({}), make({}, ByHand)
    for env in (plain, hand):
        env.ground.has_curriculum, env.commands[:] = True, torch.tensor([0.5, 0.0, 0.0])
        for _ in range(3):
            env.step(torch.zeros(N, 10))
    torch.testing.assert_close(hand._asked, plain._asked)
    assert plain._asked[0, 0] == pytest.approx(0.03)
    torch.testing.assert_close(hand.statistics.unreported(), plain.statistics.unreported())
    for env in (plain, hand):
        env.close()


@pytest.mark.parametrize("ids", [[1], torch.tensor([1], dtype=torch.int32), torch.tensor([False, True, False])])
def test_robots_are_given_by_indices_or_a_mask(ids: Any) -> None:
    with contextlib.closing(make({})) as env:
        env.step(torch.zeros(N, 10))
        env.reset_idx(ids)
        assert env.episode_length_buf.tolist() == [1, 0, 1]


@pytest.mark.parametrize("ids", [torch.tensor([1.0]), torch.tensor([True])])
def test_what_are_no_robots_is_refused(ids: torch.Tensor) -> None:
    with contextlib.closing(make({})) as env, pytest.raises(UserError, match=r"^env_ids"):
        env.reset_idx(ids)


class ByItself(ByHand):
    """Decides without ``check_termination``."""

    def post_physics_step(self) -> None:
        self.episode_length_buf += 1
        self._post_physics_step_callback()
        self.reset_buf = self.episode_length_buf > 100
        self.compute_reward()
        self.reset_idx(self.reset_buf.nonzero(as_tuple=False).flatten())
        self.compute_observations()


class Means(LeggedRobot):
    def reset_idx(self, env_ids: torch.Tensor) -> None:
        super().reset_idx(env_ids)

    def _reward_tracking_lin_vel(self) -> torch.Tensor:
        return torch.where(self.sim.diverged > 0, torch.nan, 0.5)


@pytest.mark.parametrize("kind", [LeggedRobot, ByHand, ByItself, Means])
def test_every_divergence_ends_an_episode_whoever_goes_through_the_step(kind: type[LeggedRobot]) -> None:
    cfg: LeggedRobotCfg = PlainCfg()
    cfg.env.num_envs, cfg.asset.terminate_after_contacts_on = N, []
    cfg.noise.add_noise = cfg.noise.add_noise and kind is LeggedRobot
    with contextlib.closing(kind(cfg)) as env:
        for blow_ups in (1, 2, 3):
            env.step(torch.zeros(N, 10))
            env.sim._qvel[0, 0] = torch.nan  # type: ignore[attr-defined]
            _, rewards, dones, extras = env.step(torch.zeros(N, 10))
            assert dones.tolist() == extras["diverged"].tolist() == extras["time_outs"].tolist() == [True, False, False]
            assert rewards[0] == 0.0 and env.episode_length_buf.tolist() == [0, 2 * blow_ups, 2 * blow_ups]
            assert env.divergence.counts()[1]["not_finite"] == blow_ups
            sums = torch.stack([*env.episode_sums.values()])
            assert sums.isfinite().all() and not sums[:, 0].any()
            assert all(torch.as_tensor(figure).isfinite() for figure in extras.get("episode", {}).values())
