"""The valid values of a setting: its type annotation, as a check and in words."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, MaxLen, MinLen, Predicate
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from legged_gym.common.errors import UserError, near_names


class ConfigError(UserError, AttributeError):
    """A setting does not exist, or its value is not valid."""


@dataclasses.dataclass(frozen=True)
class Rule(Predicate):
    """A rule that bounds can't express."""

    words: str = ""
    """Its text, as in "takes 2 numbers, <words>"."""


def _name(text: str) -> bool:
    return text not in {".", ".."} and re.fullmatch(r"[^/\\\0-\x1f]*", text) is not None and text == text.strip()


Count = Annotated[int, Ge(1), Le(10**9)]
Positive = Annotated[float, Gt(0), Le(1e6)]
"""For settings without a better type below: float32 is still precise for numbers of this size."""
Factor = Annotated[float, Ge(-1e6), Le(1e6)]
"""The type for ``float`` without bounds, as in scales of rewards."""
Share = Annotated[float, Ge(0), Le(1)]
Sign = Annotated[float, Ge(-1), Le(1), Rule(lambda value: abs(value) == 1.0, "1 or -1")]
Seconds = Annotated[float, Gt(0), Le(1e6)]
Vector = Annotated[list[Annotated[float, Ge(-1e4), Le(1e4)]], Len(3, 3)]
Quaternion = Annotated[list[float], Len(4, 4), Rule(lambda q: abs(math.hypot(*q) - 1.0) < 1e-2, "of length 1")]
RISING = Rule(lambda values: values == sorted(values), "[lowest, highest]")
Item = TypeVar("Item")
Range = Annotated[list[Item], Len(2, 2), RISING]
"""A range of any quantity: ``Range[Delay]``."""

# Physical quantities. The bounds fit a robot of 500 kg whose legs are 2 m long: it weighs 5 kN, holding that at a leg's
# length takes 1e4 N·m, and landing on it ten times as much. A value beyond is a mistake or in another unit.
Torque = Annotated[float, Ge(0), Le(1e5)]
"""N·m."""
Stiffness = Annotated[float, Ge(0), Le(1e5)]
"""N·m/rad: the full torque for one radian. The same for a velocity's P gain, N·m·s/rad."""
Damping = Annotated[float, Ge(0), Le(1e4)]
"""N·m·s/rad: a tenth of that."""
Inertia = Annotated[float, Ge(0), Le(100)]
"""kg·m²: a rotor of 0.01 behind gears of 100:1."""
Force = Annotated[float, Ge(0), Le(1e6)]
"""N: 200 times the weight."""
Friction = Annotated[float, Ge(0), Le(10)]
"""Coulomb friction: rubber on concrete has 1."""
Speed = Annotated[float, Ge(0), Le(100)]
"""m/s, or rad/s for rotation: no legged robot comes near."""
Length = Annotated[float, Ge(0), Le(100)]
"""m, of terrain and poses."""
Angle = Annotated[float, Ge(-100), Le(100)]
"""rad, also several turns; m for sliding joints."""
AngleNoise = Annotated[float, Ge(0), Le(2 * math.pi)]
"""± rad: a full turn covers all angles."""
Delay = Annotated[float, Ge(0), Le(1)]
"""s: no robot can walk with a delay of a second."""
Multiplier = Annotated[float, Ge(0), Le(100)]
"""Relative to the nominal value."""
ComRange = Range[Annotated[float, Ge(-10), Le(10)]]
"""m, of a centre of mass."""
SpeedRange = Range[Annotated[float, Ge(-100), Le(100)]]
Name = Annotated[str, MaxLen(100), Rule(_name, "which can be part of a file's name")]
AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
"""For choices: upper case counts as lower case."""

Layers = Annotated[list[Annotated[int, Ge(1), Le(65536)]], MinLen(1), MaxLen(20)]
"""Widths of a network's hidden layers."""
Points = Annotated[list[Annotated[float, Ge(-100), Le(100)]], MinLen(1), MaxLen(1000)]
_Nonlinearity = Literal[
    "elu", "selu", "relu", "crelu", "lrelu", "tanh", "sigmoid", "softplus", "gelu", "swish", "mish", "identity"
]
Activation = Annotated[_Nonlinearity, AnyCase]
"""Those of rsl_rl."""

_NOUNS = {bool: ("true or false", "true or false"), int: ("an integer", "integers"), float: ("a number", "numbers"),
          str: ("text", "texts"), list: ("a list", "lists"), dict: ("a dict", "dicts")}  # fmt: skip
_BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def derive(key: str, default: Any) -> Any:
    """Return the annotation of a setting that has none, derived from its default value.

    Numbers must be finite. A list of floats is a vector or a range and keeps its length. Lists of names and of integers
    may have any length.
    """
    if isinstance(default, bool | int | float | str):
        return type(default)
    if isinstance(default, dict):
        return dict[str, _common([derive(key, value) for value in default.values()])]  # type: ignore[misc]
    if not isinstance(default, list | tuple):
        return Any
    item = _common([derive(key, value) for value in default])
    if item is not float:
        return list[item]  # type: ignore[valid-type]
    called_range = ".ranges." in key or "_range" in key.rpartition(".")[2]
    rules = (RISING,) if called_range and len(default) == 2 else ()
    return Annotated[(list[float], Len(len(default), len(default)), *rules)]


def _common(hints: list[Any]) -> Any:
    if set(hints) == {int, float}:
        return float
    return hints[0] if len(set(map(str, hints))) == 1 else Any


def check(key: str, hint: Any, value: Any) -> Any:
    """Return a valid value in its setting's type, with tuples as lists. ``ConfigError`` names the valid values."""
    value = _plain(value)
    if not _finite(value):
        raise ConfigError(f"config key '{key}' takes {describe(hint)}, got {shown(value)}")
    try:
        return _adapter(hint).validate_python(value)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
    raise _refusal(key, hint, wrong)


def _refusal(key: str, hint: Any, wrong: Any) -> ConfigError:
    """Return the error for a value or for one inside it, from pydantic's error."""
    if wrong["loc"] and wrong["loc"][-1] == "[key]":
        names = get_args(base_type(hint))[0] if len(wrong["loc"]) == 2 else str
        what = "values by name" if base_type(names) is str else f"{describe(names)} as a name"
        return ConfigError(f"config key '{key}' takes {what}, got {shown(wrong['input'])}")
    for place in wrong["loc"]:
        if get_origin(base_type(hint)) not in (list, dict):
            break
        key += f"[{place}]" if isinstance(place, int) else f".{place}"
        hint = get_args(base_type(hint))[-1]
    given, choices = wrong["input"], [str(choice) for choice in _choices(hint)]
    if choices and isinstance(given, str):
        return ConfigError(f"config key '{key}' can't be {shown(given)}: {near_names(given, choices)}")
    return ConfigError(f"config key '{key}' takes {describe(hint)}, got {shown(given)}")


def takes_text(hint: Any) -> bool:
    """Return whether a setting takes text unchanged. For all others, text is read as YAML."""
    bare = base_type(hint)
    parts = get_args(bare) if get_origin(bare) in (Union, type(int | str)) else (bare,)
    return any(part is str or any(isinstance(choice, str) for choice in _choices(part)) for part in parts)


def entry(hint: Any) -> Any:
    """Return the annotation of a dict's entry."""
    arguments = get_args(base_type(hint))
    return arguments[-1] if arguments else Any


def describe(hint: Any, plural: bool = False) -> str:
    """Return the valid values of an annotation in words: ``a number above 0 and at most 0.05``."""
    bare, rules = base_type(hint), getattr(hint, "__metadata__", ())
    arguments, origin = get_args(bare), get_origin(bare)
    if origin is Literal:
        choices = [str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in arguments]
        return f"one of {', '.join(choices)}" if len(choices) > 1 else f"{choices[0]} only"
    if arguments and origin not in (list, dict):
        return " or ".join(describe(part) for part in arguments)
    length = next((rule for rule in rules if isinstance(rule, Len)), None)
    if length is not None and length.min_length == length.max_length:
        words = f"{length.min_length} {describe(arguments[0], plural=True)}"
    elif origin is list:
        some = "one or more " if any(isinstance(rule, MinLen) for rule in rules) else ""
        words = f"a list of {some}{describe(arguments[0], plural=True)}"
    elif origin is dict:
        words = f"{describe(arguments[1], plural=True)} by name"
    else:
        words = "null" if bare is type(None) else _NOUNS.get(bare, ("any value", "values"))[plural]
    words += _bounds(rules)
    return ", ".join([words, *(rule.words for rule in rules if isinstance(rule, Rule))])


def _bounds(rules: tuple[Any, ...]) -> str:
    """Return an annotation's bounds in words, with a leading space."""
    found = {name: getattr(rule, name) for rule in rules for name in _BOUNDS if hasattr(rule, name)}
    if {"ge", "le"} <= found.keys():
        return f" from {_number(found['ge'])} to {_number(found['le'])}"
    words = " and ".join(f"{text} {_number(found[name])}" for name, text in _BOUNDS.items() if name in found)
    return f" {words}" if words else ""


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}".replace("e+0", "e")


def _choices(hint: Any) -> tuple[Any, ...]:
    bare = base_type(hint)
    return get_args(bare) if get_origin(bare) is Literal else ()


def base_type(hint: Any) -> Any:
    """Return an annotation's type without its bounds."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


@functools.cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=_STRICT)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value


def _finite(value: Any) -> bool:
    """Return whether all numbers in a value are finite and fit into a float, and no text is binary."""
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, list):
        return all(map(_finite, value))
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return not isinstance(value, int | float) or abs(value) < 1e300


def shown(value: Any) -> str:
    """Return a value as one short line for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return "an integer of more than 20 digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
