"""Types of arguments, made from the same annotations and with the same messages as for settings."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt
from yaml import YAMLError

from legged_gym.common.errors import UserError
from legged_gym.common.yaml_text import parse_yaml
from legged_gym.envs.base import admissible
from legged_gym.envs.base.admissible import base_type, check, describe, shown
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO


def takes(hint: Any) -> Callable[[str], Any]:
    """Return an argparse ``type`` that takes the values which an annotation allows. Its docstring lists them."""
    kind, words = base_type(hint), describe(hint)

    def read(text: str) -> Any:
        try:
            return check("", hint, parse_yaml(text) if kind in (int, float) else text)
        except (YAMLError, UserError):
            raise argparse.ArgumentTypeError(f"takes {words}, got {shown(text)}") from None

    read.__doc__ = words
    return read


def setting(key: str) -> Callable[[str], Any]:
    """Return an argparse ``type`` for an argument that stands for a setting of every task, by its dotted name."""
    *sections, name = key.split(".")
    section: Any = LeggedRobotCfg() if hasattr(LeggedRobotCfg, sections[0]) else LeggedRobotCfgPPO()
    for part in sections:
        section = getattr(section, part)
    return takes(section.annotation(name))


def seed(text: str) -> int:
    """Read a seed; -1 draws one."""
    given = _seed(text)
    return random.SystemRandom().randrange(10_000) if given == -1 else given


_seed = takes(Annotated[int, Ge(-1), Lt(2**32)])
# Drawn here, once, so that all files show the drawn number.
seed.__doc__ = f"{_seed.__doc__}; -1 draws one"


positive = takes(admissible.Count)
seconds = takes(admissible.Seconds)
velocity = takes(Annotated[float, Ge(-100), Le(100)])
motion = takes(Annotated[float, Gt(0), Le(600)])
milliseconds = takes(Annotated[float, Ge(0), Le(1000)])
zero_offset = takes(Annotated[float, Ge(0), Le(3.2)])
rate = takes(Annotated[float, Ge(10), Le(10_000)])
angle = takes(Annotated[float, Ge(-180), Le(180)])
non_negative = takes(Annotated[float, Ge(0), Le(1e6)])
number = takes(Annotated[float, Ge(-1e6), Le(1e6)])
mass = takes(Annotated[float, Ge(-1000), Le(1000)])
multiplier = takes(admissible.Multiplier)
friction = takes(admissible.Friction)
speed = takes(admissible.Speed)
few = takes(Annotated[int, Ge(1), Le(1024)])
trials = takes(Annotated[int, Ge(1), Le(100_000)])
port = takes(Annotated[int, Ge(1), Le(65535)])
any_port = takes(Annotated[int, Ge(0), Le(65535)])
name = takes(admissible.Name)
