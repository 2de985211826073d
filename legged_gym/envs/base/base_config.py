"""Configurations as nested classes, as in legged_gym, but without its traps.

A configuration is written as a class with nested classes and used as an instance. Every value is copied, so two
configurations never share a list. Names are fixed, so a misspelled name is an error and not a new setting. The
annotation beside a setting defines its valid values (:mod:`legged_gym.envs.base.admissible`). A subclass that only
changes the value inherits the annotation.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Iterator
from typing import Any, TypeVar

import yaml

from legged_gym.common.errors import near_names
from legged_gym.common.yaml_text import parse_yaml
from legged_gym.envs.base.admissible import ConfigError, Factor, check, derive, entry, shown, takes_text

_Self = TypeVar("_Self", bound="BaseConfig")


class BaseConfig:
    """A section of settings whose names are fixed by its class.

    Public class attributes become values of the instance; nested classes become sections, themselves
    :class:`BaseConfig` instances. A subclass's nested class replaces the parent's. To change only some values, let it
    inherit from the parent's (``class rewards(LeggedRobotCfg.rewards)``). In both cases, settings of the same name keep
    the parent's valid values. A top-level section also keeps the settings that it leaves out.
    """

    _renamed: dict[str, tuple[str, ...]] = {}
    """Settings of older runs, and their new names."""

    def __init__(self, _path: str = "", _declared_by: tuple[type, ...] = ()) -> None:
        """Instantiate all nested sections, and copy all values."""
        classes = tuple(dict.fromkeys((*type(self).__mro__, *_declared_by)))
        self.__dict__["_path"], self.__dict__["_classes"] = _path, classes
        # These two have another meaning in a class that does not inherit them.
        whole = "." in _path or _path in ("algorithm", "obs_groups")
        for name in _public_names(type(self).__mro__ if whole else classes):
            if hasattr(BaseConfig, name):
                raise ConfigError(f"config key '{self.key(name)}' can't have this name: every section has a '{name}()'")
            value = self._default(name)
            if inspect.isclass(value):
                sections = [vars(cls)[name] for cls in classes if inspect.isclass(vars(cls).get(name))]
                parents = tuple(cls for section in sections for cls in section.__mro__)
                # A plain nested class becomes a section.
                kind = value if issubclass(value, BaseConfig) else type(value.__name__, (value, BaseConfig), {})
                self.__dict__[name] = kind(self.key(name), parents)
            else:
                self.__dict__[name] = _plain(copy.deepcopy(value))

    def __setattr__(self, name: str, value: Any) -> None:
        """Change a setting. Sections and unknown names can't be assigned."""
        self._require(name)
        if isinstance(self.__dict__[name], BaseConfig) and not isinstance(value, BaseConfig):
            raise ConfigError(f"config key '{self.key(name)}' is a section: set one of its values")
        self.__dict__[name] = _plain(value)

    def __getattr__(self, name: str) -> Any:
        """Raise an error for an unknown name (Python only calls this if it finds nothing)."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise ConfigError(self._unknown(name))

    def set(self, path: str, value: Any) -> None:
        """Change one value by its dotted name, such as ``rewards.scales.alive``. It may also be an entry of a dict.

        Text is read as YAML unless the setting is text. ``ConfigError`` if the setting does not exist or the value is
        not valid.
        """
        name, _, rest = path.partition(".")
        self._require(name)
        old = self.__dict__[name]
        if not isinstance(old, BaseConfig):
            self.__dict__[name] = _replaced(self.key(name), self.annotation(name), old, rest, value)
        elif rest:
            old.set(rest, value)
        else:
            raise ConfigError(f"config key '{self.key(name)}' is a section; {near_names('', old.names())}")

    def update(self, values: dict[str, Any]) -> None:
        """Change many values from a nested dict, with the checks of :meth:`set`."""
        values = {new: value for name, value in values.items() for new in self._renamed.get(name, (name,))}
        for name, value in values.items():
            self._require(str(name))
            old = self.__dict__[str(name)]
            if not isinstance(old, BaseConfig):
                self.set(name, value)
            elif isinstance(value, dict):
                old.update(value)
            else:
                raise ConfigError(f"config key '{self.key(name)}' is a section, got {shown(value)}")

    @property
    def classes(self) -> tuple[type, ...]:
        """The classes that declare settings of this section, the most derived one first."""
        return self.__dict__["_classes"]

    def annotation(self, name: str) -> Any:
        """Return a setting's valid values: its annotation or, without one, that derived from its default."""
        declared = _declared(self.classes).get(name)
        hint = derive(self.key(name), self._default(name)) if declared is None else declared
        return Factor if hint is float else hint

    def check(self) -> None:
        """Raise ``ConfigError`` for the first value that its setting's annotation does not allow."""
        for section, name, value in self.walk():
            check(section.key(name), section.annotation(name), value)

    def walk(self) -> Iterator[tuple[BaseConfig, str, Any]]:
        """Yield all settings: the section, the name in it, and the value."""
        for name in self.names():
            value = self.__dict__[name]
            if isinstance(value, BaseConfig):
                yield from value.walk()
            else:
                yield self, name, value

    def names(self) -> list[str]:
        """Return the names of all values and sections."""
        return [name for name in self.__dict__ if not name.startswith("_")]

    def to_dict(self) -> dict[str, Any]:
        """Return all values as a nested dict of plain Python values, suitable for YAML."""
        values = {name: self.__dict__[name] for name in self.names()}
        return {
            name: BaseConfig.to_dict(value) if isinstance(value, BaseConfig) else copy.deepcopy(value)
            for name, value in values.items()
        }

    def copy(self: _Self) -> _Self:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def key(self, name: str) -> str:
        """Return the dotted name of a setting in this section."""
        return f"{self._path}.{name}" if self._path else name

    def _default(self, name: str) -> Any:
        return next(vars(cls)[name] for cls in self.classes if name in vars(cls))

    def _unknown(self, name: str) -> str:
        left_out = any(name in vars(cls) for cls in self.classes)
        hint = "its section leaves it out: set it there, or let the section inherit from the base class's"
        return f"unknown config key '{self.key(name)}': {hint if left_out else near_names(name, self.names())}"

    def _require(self, name: str) -> None:
        if name not in self.__dict__:
            raise ConfigError(self._unknown(name))


def class_to_dict(obj: Any) -> dict[str, Any]:
    """Return a configuration, as an instance or as a class with nested classes, as a nested dict."""
    if hasattr(obj, "to_dict") and not inspect.isclass(obj):
        return obj.to_dict()
    values = {name: getattr(obj, name) for name in dir(obj) if not name.startswith("_")}
    return {name: class_to_dict(value) if inspect.isclass(value) else value for name, value in values.items()}


def _public_names(classes: tuple[type, ...]) -> list[str]:
    """List the settings of several classes, those of the last one first."""
    own = [cls for cls in reversed(classes) if cls not in (object, BaseConfig)]
    settings = {name: value for cls in own for name, value in vars(cls).items() if not name.startswith("_")}
    return [name for name, value in settings.items() if not (inspect.isfunction(value) or isinstance(value, property))]


def _plain(value: Any) -> Any:
    """Return a value with Python's numbers and lists instead of NumPy's, which settings files can't contain."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    # Checked by name, so that configurations and ``--help`` don't need NumPy.
    return value.tolist() if type(value).__module__ == "numpy" else value


@functools.cache
def _declared(classes: tuple[type, ...]) -> dict[str, Any]:
    """Return the annotations of classes. Those of the first classes override the others."""
    found: dict[str, Any] = {}
    for cls in reversed(classes):
        try:
            found.update(inspect.get_annotations(cls, eval_str=True))
        except NameError as error:
            raise ConfigError(f"an annotation in the section '{cls.__qualname__}' can't be read: {error}") from error
    return found


def _replaced(key: str, hint: Any, old: Any, rest: str, value: Any) -> Any:
    """Return a setting's new value. With ``rest``, change that entry of the old value, which is a dict."""
    if not rest:
        return check(key, hint, _read(key, hint, value))
    if not isinstance(old, dict):
        raise ConfigError(f"config key '{key}' is a value, it has no '{rest}'")
    name, _, rest = rest.partition(".")
    if name not in old:
        raise ConfigError(f"unknown config key '{key}.{name}': {near_names(name, map(str, old))}")
    return {**old, name: _replaced(f"{key}.{name}", entry(hint), old[name], rest, value)}


def _read(key: str, hint: Any, value: Any) -> Any:
    if not isinstance(value, str) or takes_text(hint):
        return value
    try:
        return parse_yaml(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"config key '{key}': {shown(value)} can't be read as YAML") from error
