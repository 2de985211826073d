"""Configurations: copied, locked, checked."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest
import yaml
from annotated_types import Ge

from legged_gym.envs.base.admissible import Layers
from legged_gym.envs.base.base_config import BaseConfig, ConfigError
from legged_gym.envs.qmini.qmini_config import QminiCfg, QminiCfgPPO


class Parent(BaseConfig):
    class section:
        number = 1.0
        count = 3
        items = [1.0, 2.0]
        points: list[float] = [0.5]
        layers = [8, 4]

    flag = True
    name = "a"
    table = {"left": 1.0}
    runs: dict[Annotated[int, Ge(0)], float] = {}
    widths: Layers = [8]


class Child(Parent):
    class section(Parent.section):
        number = 2.0


def test_sections_inherit_and_override() -> None:
    assert Child().section.number == 2.0
    assert Child().section.count == 3
    assert Parent().section.number == 1.0


def test_sections_that_inherit_nothing_keep_what_they_leave_out() -> None:
    class Bare(QminiCfg):
        class rewards:
            base_height_target = 0.3
            own = 2.0

            class scales:
                alive = 1.0

        class noise:
            class noise_scales:
                dof_pos = 0.1

    class BarePPO(QminiCfgPPO):
        class runner:
            save_interval = 7

        class algorithm:
            class_name = "mine:Algorithm"

    cfg, train_cfg = Bare(), BarePPO()
    cfg.check()
    assert (cfg.rewards.base_height_target, cfg.rewards.own) == (0.3, 2.0)
    assert cfg.rewards.max_contact_force == QminiCfg().rewards.max_contact_force
    assert cfg.rewards.scales.to_dict() == {"alive": 1.0}
    with pytest.raises(ConfigError, match=r"'noise.noise_scales.gravity': its section leaves it out: set it there"):
        _ = cfg.noise.noise_scales.gravity
    assert train_cfg.runner.save_interval == 7 and train_cfg.runner.logger == "tensorboard"
    assert train_cfg.algorithm.names() == ["class_name"], "another algorithm has other settings"


def test_instances_share_nothing() -> None:
    first, second = Parent(), Parent()
    first.section.items.append(3.0)
    first.table["right"] = 2.0
    copied = first.copy()
    copied.section.items.append(4.0)
    assert second.section.items == [1.0, 2.0] == Parent.section.items
    assert first.section.items == [1.0, 2.0, 3.0]
    assert "right" not in second.table


def test_numbers_and_arrays_of_numpy_become_python_s() -> None:
    class Numbers(Parent):
        table = {"left": np.deg2rad(180.0), "right": np.float32(0.5)}

        class section(Parent.section):
            items = np.linspace(0.0, 1.0, 3)

    cfg = Numbers()
    cfg.section.number = np.float64(4.0)
    assert yaml.safe_load(yaml.safe_dump(cfg.to_dict())) == cfg.to_dict()
    assert cfg.table == {"left": np.pi, "right": 0.5} and cfg.section.items == [0.0, 0.5, 1.0]
    assert type(cfg.section.number) is float and Numbers.section.items.shape == (3,)


def test_unknown_names_are_errors_with_near_ones() -> None:
    cfg = Parent()
    with pytest.raises(ConfigError, match=r"'section.numbr'.*did you mean 'number'"):
        cfg.section.numbr = 1.0
    with pytest.raises(ConfigError, match=r"'section.numbr'.*did you mean 'number'"):
        _ = cfg.section.numbr
    with pytest.raises(ConfigError, match="valid: count, items, layers, number, points"):
        cfg.set("section.zzz", 1)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("section.number", "3", 3.0),
        ("section.number", "1e-3", 1e-3),
        ("section.count", "7", 7),
        ("section.items", "[4, 5.5]", [4.0, 5.5]),
        ("section.points", "[4, 5.5, 6]", [4.0, 5.5, 6.0]),
        ("section.layers", "[2]", [2]),
        ("table", "{left: 2, right: 3}", {"left": 2.0, "right": 3.0}),
        ("flag", "false", False),
        ("name", "7", "7"),
        ("table.left", "2.5", 2.5),
    ],
)
def test_text_becomes_the_settings_type(path: str, text: str, expected: object) -> None:
    cfg = Parent()
    cfg.set(path, text)
    value: object = cfg
    for name in path.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("section.count", "1.5", "takes an integer"),
        ("section.number", "fast", "takes a number"),
        ("section.items", "[a, b]", r"items\[0\]' takes a number"),
        ("section.items", "5", "takes 2 numbers, got 5"),
        ("section.items", "[1]", r"'section.items' takes 2 numbers, got \[1\]"),
        ("section.items", "[1, 2, 3]", "takes 2 numbers"),
        ("section.layers", "[2.5]", r"layers\[0\]' takes an integer"),
        ("table", "{left: lots}", "'table.left' takes a number"),
        ("table", "{right: lots}", "'table.right' takes a number"),
        ("table", "{1: 2.0}", "takes values by name"),
        ("runs", "{-1: 2.0}", "'runs' takes an integer of at least 0 as a name, got -1"),
        ("runs", "{1.5: 2.0}", "'runs' takes an integer of at least 0 as a name, got 1.5"),
        ("widths", "[]", r"'widths' takes a list of one or more integers from 1 to 65536, got \[\]"),
        ("flag", "1", "takes true or false"),
        ("section", "1", "is a section"),
        ("section.count.deep", "1", "is a value"),
        ("table.middle", "1", "valid: left"),
        ("section.number", "[", "can't be read as YAML"),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(path: str, value: str, message: str) -> None:
    cfg = Parent()
    with pytest.raises(ConfigError, match=message):
        cfg.set(path, value)
    assert cfg.to_dict() == Parent().to_dict()


@pytest.mark.parametrize("cfg_class", [QminiCfg, QminiCfgPPO])
def test_yaml_round_trip(cfg_class: type[BaseConfig]) -> None:
    cfg = cfg_class()
    restored = cfg_class()
    restored.update(yaml.safe_load(yaml.safe_dump(cfg.to_dict())))
    assert restored.to_dict() == cfg.to_dict()


def test_update_checks_like_set() -> None:
    with pytest.raises(ConfigError, match="did you mean 'number'"):
        Parent().update({"section": {"numbr": 1.0}})
    with pytest.raises(ConfigError, match="takes 2 numbers"):
        Parent().update({"section": {"items": [1.0]}})
    cfg = Parent()
    cfg.update({"section": {"points": [1.0, 2.0]}})
    assert cfg.section.points == [1.0, 2.0]
