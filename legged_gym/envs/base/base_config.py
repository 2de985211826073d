"""Configurations as nested classes, legged_gym's way, without its traps.

A configuration is written as a class with nested classes and used as an instance: every value is copied, so two
configurations never share a list, and the names are locked, so a typing error is an error and not a new setting.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
from typing import Any, TypeVar

import yaml

from legged_gym.common.errors import UserError, near_names

_Self = TypeVar("_Self", bound="BaseConfig")


class ConfigError(UserError, AttributeError):
    """A setting that does not exist, or a value that does not fit it."""


class BaseConfig:
    """A section of settings whose names are fixed by its class.

    Public class attributes become values of the instance; nested classes become sections, themselves
    :class:`BaseConfig` instances. A subclass's nested class replaces the parent's, so let it inherit from it
    (``class rewards(LeggedRobotCfg.rewards)``) to change only some values.

    A list of numbers with fractions is a vector or a range: :meth:`set` and :meth:`update` keep its length. Lists of
    names and of integers may grow and shrink.
    """

    _free_length: tuple[str, ...] = ()
    """Lists of fractional numbers in this section that may have any length all the same."""

    def __init__(self, _path: str = "") -> None:
        """Instantiate all nested sections and copy all values. ``_path`` is the section's dotted name."""
        self.__dict__["_path"] = _path
        for name in _public_names(type(self)):
            value = getattr(type(self), name)
            if inspect.isclass(value):
                self.__dict__[name] = _section_class(value)(f"{_path}.{name}" if _path else name)
            else:
                self.__dict__[name] = copy.deepcopy(value)

    def __setattr__(self, name: str, value: Any) -> None:
        """Change a setting; sections and unknown names can't be assigned."""
        self._require(name)
        if isinstance(self.__dict__[name], BaseConfig) and not isinstance(value, BaseConfig):
            raise ConfigError(f"config key '{self._key(name)}' is a section: set one of its values")
        self.__dict__[name] = value

    def __getattr__(self, name: str) -> Any:
        """Explain a name that does not exist (Python only asks here when it found nothing)."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise ConfigError(self._unknown(name))

    def set(self, path: str, value: Any) -> None:
        """Change one value by its dotted name.

        Args:
            path: For example ``rewards.scales.alive``; entries of a dict value are reached the same way.
            value: The new value. Text is read as YAML unless the setting is text.

        Raises:
            ConfigError: No such setting, or a value of another type.
        """
        *sections, name = path.split(".")
        target: BaseConfig | dict[str, Any] = self
        for depth, section in enumerate(sections):
            target = _child(target, section, ".".join(sections[:depth]))
            if not isinstance(target, BaseConfig | dict):
                raise ConfigError(f"config key '{'.'.join(sections[: depth + 1])}' is a value, it holds no '{name}'")
        old = _child(target, name, ".".join(sections))
        if isinstance(old, BaseConfig):
            raise ConfigError(f"config key '{path}' is a section; {near_names('', old.names())}")
        if isinstance(target, dict):
            target[name] = _convert(path, old, value)
        else:
            target.__dict__[name] = _convert(path, old, value, name in target._free_length)

    def update(self, values: dict[str, Any]) -> None:
        """Change many values from a nested dict, with the checks of :meth:`set`."""
        for name, value in values.items():
            old = _child(self, str(name), self._path)
            if isinstance(old, BaseConfig):
                if not isinstance(value, dict):
                    raise ConfigError(f"config key '{self._key(name)}' is a section, got {value!r}")
                old.update(value)
            else:
                self.__dict__[name] = _convert(self._key(name), old, value, name in self._free_length)

    def names(self) -> list[str]:
        """Return the names of all values and sections in here."""
        return [name for name in self.__dict__ if not name.startswith("_")]

    def to_dict(self) -> dict[str, Any]:
        """Return all values as a nested dict of plain Python values, fit for YAML."""
        values = {name: self.__dict__[name] for name in self.names()}
        return {
            name: value.to_dict() if isinstance(value, BaseConfig) else copy.deepcopy(value)
            for name, value in values.items()
        }

    def copy(self: _Self) -> _Self:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def _key(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _unknown(self, name: str) -> str:
        return f"unknown config key '{self._key(name)}': {near_names(name, self.names())}"

    def _require(self, name: str) -> None:
        if name not in self.__dict__:
            raise ConfigError(self._unknown(name))


def class_to_dict(obj: Any) -> dict[str, Any]:
    """Return a configuration, as an instance or as a class with nested classes, as a nested dict."""
    if hasattr(obj, "to_dict") and not inspect.isclass(obj):
        return obj.to_dict()
    values = {name: getattr(obj, name) for name in dir(obj) if not name.startswith("_")}
    return {name: class_to_dict(value) if inspect.isclass(value) else value for name, value in values.items()}


def _public_names(cls: type) -> list[str]:
    """List a section's settings, the base class's first."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if base not in (object, BaseConfig):
            names.update(dict.fromkeys(name for name in vars(base) if not name.startswith("_")))
    methods = {n for n, v in inspect.getmembers(cls) if inspect.isfunction(v) or isinstance(v, property)}
    return [name for name in names if name not in methods]


def _section_class(cls: type) -> type[BaseConfig]:
    """Give a plain nested class the abilities of a section."""
    return cls if issubclass(cls, BaseConfig) else type(cls.__name__, (cls, BaseConfig), {})


def _child(parent: BaseConfig | dict[str, Any], name: str, path: str) -> Any:
    """Fetch an entry of a section or of a dict value, or explain what there is instead."""
    if isinstance(parent, BaseConfig):
        parent._require(name)
        return parent.__dict__[name]
    if name not in parent:
        raise ConfigError(f"unknown config key '{path}.{name}': {near_names(name, map(str, parent))}")
    return parent[name]


def _convert(path: str, old: Any, value: Any, free_length: bool = False) -> Any:
    """Return ``value`` as the type of the setting's present value, or say which type is needed."""
    if isinstance(value, str) and not isinstance(old, str):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"config key '{path}': {value!r} can't be read as YAML") from error
    if isinstance(old, float) and isinstance(value, str):
        # YAML reads 1e-3 (no dot) as text.
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if old is not None and type(old) is not type(value) and not _both_sequences(old, value):
        raise ConfigError(f"config key '{path}' takes {_type_name(old)} (such as {old!r}), got {value!r}")
    if isinstance(old, list | tuple) and old:
        return _convert_items(path, old, value, free_length)
    if isinstance(old, dict):
        return _convert_entries(path, old, value)
    return copy.deepcopy(value)


def _convert_items(path: str, old: list[Any] | tuple[Any, ...], values: Any, free_length: bool) -> Any:
    """Convert each item like the old one at its place, or like the last one."""
    if any(isinstance(item, float) for item in old) and not free_length and len(values) != len(old):
        raise ConfigError(f"config key '{path}' takes {len(old)} numbers (such as {old!r}), got {values!r}")
    return type(old)(_convert(f"{path}[{i}]", old[min(i, len(old) - 1)], item) for i, item in enumerate(values))


def _convert_entries(path: str, old: dict[str, Any], values: dict[Any, Any]) -> dict[str, Any]:
    """Convert each entry like the old one of its name, or like the first one."""
    for name in values:
        if not isinstance(name, str):
            raise ConfigError(f"config key '{path}' takes names in front of its values, got {name!r}")
    pattern = next(iter(old.values()), None)
    return {name: _convert(f"{path}.{name}", old.get(name, pattern), value) for name, value in values.items()}


def _both_sequences(old: Any, value: Any) -> bool:
    return isinstance(old, list | tuple) and isinstance(value, list | tuple)


def _type_name(value: Any) -> str:
    names = {bool: "true or false", int: "an integer", float: "a number", str: "text", list: "a list", dict: "a dict"}
    return names.get(type(value), type(value).__name__)
