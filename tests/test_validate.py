"""Configurations that can't be used are refused before anything is made."""

from __future__ import annotations

import math
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt
from rsl_rl.utils import resolve_nn_activation

from legged_gym.common.errors import UserError
from legged_gym.common.yaml_text import dump_yaml
from legged_gym.envs import QminiCfg, QminiCfgPPO, task_registry
from legged_gym.envs.base.admissible import RISING, Activation, Name, describe
from legged_gym.envs.base.base_config import BaseConfig, ConfigError, _declared
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.base.overrides import validate


def test_what_is_registered_is_valid() -> None:
    validate(QminiCfg(), QminiCfgPPO())
    validate(LeggedRobotCfg(), LeggedRobotCfgPPO())


def all_keys() -> list[tuple[str, int, str]]:
    """List every key of both configurations of every registered task: task, which configuration, key."""
    return [
        (task, which, section.key(name))
        for task in task_registry.names
        for which, cfg in enumerate(task_registry.get_cfgs(task))
        for section, name, _ in cfg.walk()
    ]


def place(cfg: BaseConfig, key: str) -> tuple[BaseConfig, str]:
    """Return the section that holds a key, and its name in there."""
    *sections, name = key.split(".")
    for section in sections:
        cfg = getattr(cfg, section)
    return cfg, name


def rules(hint: Any, kind: type | tuple[type, ...]) -> list[Any]:
    return [rule for rule in getattr(hint, "__metadata__", ()) if isinstance(rule, kind)]


def bare(hint: Any) -> Any:
    return get_args(hint)[0] if rules(hint, object) else hint


def wrong_values(hint: Any) -> list[Any]:
    """Return values that a setting must not take, one for each thing that its annotation asks for."""
    kind = bare(hint)
    wrong: list[Any] = [math.nan, math.inf, -math.inf, [[[]]], {"a": {"b": {}}}]
    if get_origin(kind) in (Union, UnionType):
        return wrong
    wrong += [None]
    wrong += [rule.ge - 1 for rule in rules(hint, Ge)] + [rule.gt for rule in rules(hint, Gt)]
    wrong += [rule.le * 2 + 1 for rule in rules(hint, Le)] + [rule.lt for rule in rules(hint, Lt)]
    wrong += ["x", True] if kind in (int, float) else []
    wrong += [1.5] if kind is int else []
    wrong += ["nonsense"] if get_origin(kind) is not list and kind is not str and str not in get_args(kind) else []
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        few = max([1, *(rule.min_length for rule in rules(hint, Len))])
        wrong += [[value] * few for value in wrong_values(item)]
        wrong += [[0.5] * (few + 1), [0.5] * (few - 1)] if rules(hint, Len) else []
        wrong += [[1.0, 0.5]] if RISING in getattr(hint, "__metadata__", ()) else []
    if get_origin(kind) is dict:
        wrong += [{"joint": value} for value in wrong_values(get_args(kind)[1])] + [{1: 1.0}]
    if hint is Name:
        wrong += ["/etc/x", "..", "a\nb", " a"]
    return wrong


@pytest.mark.parametrize("task", task_registry.names)
def test_every_key_declares_what_it_takes_and_refuses_the_rest(task: str) -> None:
    configs = task_registry.get_cfgs(task)
    for _, which, key in [row for row in all_keys() if row[0] == task]:
        section, name = place(configs[which], key)
        hint, value = section.annotation(name), getattr(section, name)
        assert name in _declared(section.classes), f"{key} says nothing of what it takes"
        assert describe(hint) not in {"any value", "values"}, key
        text = value if isinstance(value, str) else dump_yaml(value, default_flow_style=True)
        configs[which].set(key, text)
        assert getattr(section, name) == value, key
        for wrong in wrong_values(hint):
            with pytest.raises(ConfigError, match=rf"^config key '{key}[^']*' (takes|can't be) "):
                configs[which].set(key, wrong)
            assert getattr(section, name) == value
            setattr(section, name, wrong)
            with pytest.raises(ConfigError, match=rf"^config key '{key}[^']*' (takes|can't be) [^\n]*$"):
                validate(*configs)
            setattr(section, name, value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sim.dt", 0.0, "takes a number above 0 and at most 0.05, got 0.0"),
        ("env.num_envs", 0, "takes an integer from 1 to 1000000, got 0"),
        (
            "commands.ranges.lin_vel_x",
            [0.5, 0.4],
            "2 numbers from -100 to 100, [lowest, highest], got [0.5, 0.4]",
        ),
        ("sim.physx.solver_type", 2, "takes one of 0, 1, got 2"),
        ("sim.physx.velocities_of", "LINK", "can't be 'LINK': valid: com, link"),
        ("init_state.rot", [0.0, 0.0, 0.0, 0.0], "takes 4 numbers, of length 1, got [0.0, 0.0, 0.0, 0.0]"),
        ("control.stiffness", {"hip": -1.0}, "hip' takes a number from 0 to 100000, got -1.0"),
        ("commands.standing_share", 2.0, "takes a number from 0 to 1, got 2.0"),
        ("domain_rand.action_delay_range", [0.0, 0.03], "takes delays up to a control step, 0.02 s, got 0.03 s"),
    ],
)
def test_environments_that_cannot_be(key: str, value: object, message: str) -> None:
    cfg = QminiCfg()
    section, name = place(cfg, key)
    setattr(section, name, value)
    with pytest.raises(UserError) as error:
        validate(cfg, QminiCfgPPO())
    assert str(error.value).startswith(f"config key '{key}")
    assert str(error.value).endswith(message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("policy.actor_hidden_dims", [8, 0], "[1]' takes an integer from 1 to 65536, got 0"),
        ("policy.init_noise_std", 0.0, "takes a number above 0 and at most 100, got 0.0"),
        ("algorithm.gamma", 2.0, "takes a number above 0 and at most 1, got 2.0"),
        ("algorithm.schedule", "Adaptive", "can't be 'Adaptive': did you mean 'adaptive'?"),
        ("policy.activation", "rely", "did you mean 'relu' or 'lrelu' or 'crelu'?"),
        ("runner.logger", "tensorbord", "did you mean 'tensorboard'?"),
        ("runner.experiment_name", "/etc/x", "takes text, which can be part of a file's name, got '/etc/x'"),
        ("algorithm.num_mini_batches", 256 * 24 + 1, "runner.num_steps_per_env = 6144, got 6145"),
    ],
)
def test_trainings_that_cannot_be(key: str, value: object, message: str) -> None:
    cfg = QminiCfgPPO()
    section, name = place(cfg, key)
    setattr(section, name, value)
    with pytest.raises(UserError) as error:
        validate(QminiCfg(), cfg)
    assert str(error.value).startswith(f"config key '{key}")
    assert str(error.value).endswith(message)


def numbers(hint: Any) -> list[Any]:
    """Return the annotations of the fractions that a setting's annotation has in it."""
    kind = bare(hint)
    if kind is float:
        return [hint]
    return [found for part in get_args(kind) for found in numbers(part)]


def test_every_number_with_a_fraction_has_bounds_that_make_sense() -> None:
    # Quaternions have a length. A limit on forces may be far above any force.
    loose = {"init_state.rot", "sim.divergence.max_contact_force"}
    for task, which, key in all_keys():
        section, name = place(task_registry.get_cfgs(task)[which], key)
        for hint in numbers(section.annotation(name)):
            highest = [rule.le for rule in rules(hint, Le)] + [rule.lt for rule in rules(hint, Lt)]
            assert key in loose or (highest and highest[0] <= 1e6 and rules(hint, (Ge, Gt))), key


def test_a_robot_of_half_a_tonne_is_no_mistake() -> None:
    class BigCfg(LeggedRobotCfg):
        class init_state(LeggedRobotCfg.init_state):
            pos = [0.0, 0.0, 2.5]

        class control(LeggedRobotCfg.control):
            stiffness, damping = {"hip": 6e4, "knee": 4e4}, {"hip": 3e3, "knee": 2e3}

        class domain_rand(LeggedRobotCfg.domain_rand):
            added_mass_range, added_com_range_x = [-100.0, 400.0], [-0.5, 0.5]
            joint_armature_range, joint_friction_range = [5.0, 40.0], [10.0, 300.0]

        class motors(LeggedRobotCfg.motors):
            stall_torque, no_load_speed = {"": [2e4, 5e4]}, {"": [3.0, 20.0]}

        class rewards(LeggedRobotCfg.rewards):
            base_height_target, max_contact_force = 2.2, 3e4

    validate(BigCfg(), LeggedRobotCfgPPO())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("control.stiffness", {"hip": 1e9}),
        ("control.damping", {"hip": 1e9}),
        ("control.action_scale", 0.0),
        ("control.action_scale", -0.25),
        ("domain_rand.friction_range", [0.5, 1e3]),
        ("domain_rand.added_mass_range", [0.0, 1e6]),
        ("domain_rand.added_com_range_x", [-1e3, 1e3]),
        ("domain_rand.max_push_vel_x", 1e4),
        ("motors.armature", {"hip": [0.0, 1e4]}),
        ("motors.backlash", {"hip": [0.0, 10.0]}),
        ("latency.imu_age_range", [0.0, 60.0]),
        ("commands.ranges.lin_vel_x", [-1e6, 1e6]),
        ("init_state.orientation_noise", 1e3),
        ("asset.mirrored_joints", {"hip": 0.5}),
        ("rewards.scales.alive", 1e9),
        ("sim.divergence.max_linear_velocity", 1e9),
        ("sim.gravity", [0.0, 0.0, -1e4]),
    ],
)
def test_what_no_robot_has_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^config key '{key}[^']*' takes [^\n]*$"):
        QminiCfg().set(key, value)


def test_a_subclass_that_only_writes_a_value_inherits_what_it_may_be() -> None:
    class MyCfg(LeggedRobotCfg):
        class sim:
            dt = 0.1

        class commands(LeggedRobotCfg.commands):
            class ranges:
                lin_vel_x = [1.0, -1.0]

    cfg = MyCfg()
    with pytest.raises(UserError, match=r"'commands.ranges.lin_vel_x' takes 2 numbers.* got \[1.0, -1.0\]"):
        cfg.commands.check()
    with pytest.raises(UserError, match=r"'sim.dt' takes a number above 0 and at most 0.05, got 0.1"):
        cfg.sim.check()


def test_a_setting_of_ones_own_is_checked_by_its_default() -> None:
    class MyCfg(LeggedRobotCfg):
        class rewards(LeggedRobotCfg.rewards):
            my_range = [0, 0.5]
            my_count = 3
            my_names = ["a"]

    cfg = MyCfg()
    cfg.set("rewards.my_range", "[1, 2]")
    assert cfg.rewards.my_range == [1.0, 2.0]
    for key, value in (("my_range", "[2, 1]"), ("my_range", "[1]"), ("my_count", "1.5"), ("my_names", "[1]")):
        with pytest.raises(UserError, match=rf"'rewards.{key}"):
            cfg.set(f"rewards.{key}", value)


def test_a_logging_service_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    cfg = QminiCfgPPO()
    cfg.runner.logger = "wandb"
    with pytest.raises(UserError, match="package 'wandb' is not installed: pip install wandb"):
        validate(QminiCfg(), cfg)


def test_names_are_taken_as_their_readers_take_them() -> None:
    train_cfg = QminiCfgPPO()
    train_cfg.policy.activation, train_cfg.runner.logger = "ELU", "TensorBoard"
    validate(QminiCfg(), train_cfg)


def test_activations_are_those_of_rsl_rl() -> None:
    for name in get_args(bare(Activation)):
        resolve_nn_activation(name)
