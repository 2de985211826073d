"""Settings that a user's configuration adds: misspelled ones and legged_gym's are refused, unread ones are named.

A setting is the user's own if no class of this package has it and no annotation declares it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from legged_gym.common.processes import world
from legged_gym.envs.base.base_config import BaseConfig, ConfigError
from legged_gym.envs.base.hooks import names_in

LEGGED_GYM: dict[str, tuple[Any, ...]] = {
    "terrain.vertical_scale": ("leave it out: heights are numbers with fractions, not steps",),
    "terrain.static_friction": ("write 'terrain.friction'",),
    "terrain.dynamic_friction": ("write 'terrain.friction'",),
    "terrain.restitution": ("leave it out: ground and feet do not bounce", 0.0),
    "terrain.selected": ("write shares of one kind in 'terrain.terrain_proportions'", False),
    "terrain.terrain_kwargs": ("write shares of one kind in 'terrain.terrain_proportions'", None),
    "terrain.slope_treshold": ("leave it out: the ground is a height field, whose steep parts stay as they are",),
    "asset.disable_gravity": ("write 'sim.gravity = [0.0, 0.0, 0.0]'", False),
    "asset.default_dof_drive_mode": ("leave it out: torques drive all joints", 3),
    "sim.substeps": ("write a smaller 'sim.dt' and a larger 'control.decimation', or 'sim.physx.substeps'", 1),
    "sim.up_axis": ("leave it out: z points up", 1),
    "runner.algorithm_class_name": ("write 'algorithm.class_name'", "PPO"),
    "runner.resume_path": ("write 'runner.load_run' and 'runner.checkpoint'", None),
}
"""Settings of legged_gym that this package does not have: what to write instead, and a value that may stay, because it
asks for the usual behaviour."""

_LOOKED_UP = ("rewards.scales", "obs_groups")
"""Sections whose names are looked up one by one by code that refuses unknown ones."""


def refuse_mistakes(cfg: BaseConfig, readers: tuple[type, ...] = ()) -> None:
    """Refuse legged_gym's settings, and misspelled ones that are not in the code of ``readers``: ``ConfigError``."""
    read: set[str] | None = None
    for section, name in _own(cfg):
        key = section.key(name)
        if key in LEGGED_GYM:
            raise ConfigError(f"config key '{key}' is legged_gym's, and not here: {LEGGED_GYM[key][0]}")
        near = next((known for known in _known(section) if _mistyped(name, known)), None)
        if near is not None:
            read = _names_in_code(readers) if read is None else read
            if name not in read:
                raise ConfigError(f"config key '{key}' is not read anywhere: did you mean '{section.key(near)}'?")


def warn_of_unread(cfg: BaseConfig, readers: tuple[type, ...]) -> Callable[[], None]:
    """Return a function that warns, after a first step, of unread settings that are not in the code of ``readers``."""
    watched: dict[int, tuple[BaseConfig, type, set[str]]] = {}
    for section, name in _own(cfg):
        if not isinstance(section.__dict__[name], BaseConfig):
            watched.setdefault(id(section), (section, type(section), set()))[2].add(name)
    for section, kind, unread in watched.values():
        object.__setattr__(section, "__class__", _watched(kind, unread))

    def after_step() -> None:
        found = []
        for section, kind, unread in watched.values():
            object.__setattr__(section, "__class__", kind)
            found += [section.key(name) for name in sorted(unread - _names_in_code(readers))]
        watched.clear()
        if found and world().is_first:
            print(f"warning: nothing read these settings: {', '.join(found)}", file=sys.stderr)

    return after_step


def _watched(kind: Any, unread: set[str]) -> type:
    """Return a section's class whose instances remove read settings from a list. ``to_dict`` reads everything."""

    class Watched(kind):
        def __getattribute__(self, name: str) -> Any:
            unread.discard(name)
            return object.__getattribute__(self, name)

        def to_dict(self) -> dict[str, Any]:
            unread.clear()
            return BaseConfig.to_dict(self)

    Watched.__name__ = kind.__name__
    return Watched


def _own(section: BaseConfig) -> Iterator[tuple[BaseConfig, str]]:
    """Yield the added settings and sections of a section and, recursively, of its other sections."""
    known = set(_known(section))
    for name in section.names():
        value = section.__dict__[name]
        key = section.key(name)
        if key in _LOOKED_UP or value in LEGGED_GYM.get(key, ())[1:]:
            continue
        if name not in known:
            yield section, name
        if isinstance(value, BaseConfig):
            yield from _own(value)


def _known(section: BaseConfig) -> Iterator[str]:
    """Yield the names of this package's settings in a section, and of those with an annotation."""
    for cls in section.classes:
        yield from (name for name in inspect.get_annotations(cls) if not name.startswith("_"))
        if cls.__module__.startswith("legged_gym."):
            yield from (name for name in vars(cls) if not name.startswith("_"))


def _mistyped(name: str, meant: str) -> bool:
    """Return whether ``name`` is ``meant`` with one letter added, missing or wrong, or two letters swapped.

    Another last letter or digit is not a mistake: ``range_z`` beside ``range_y``.
    """
    if name[:-1] == meant[:-1] or min(len(name), len(meant)) < 4:
        return False
    same = 0
    while same < min(len(name), len(meant)) and name[same] == meant[same]:
        same += 1
    rest, wanted = name[same:], meant[same:]
    swapped = rest[1::-1] + rest[2:] == wanted
    return rest[1:] == wanted or rest == wanted[1:] or swapped or rest[1:] == wanted[1:]


def _names_in_code(classes: tuple[type, ...]) -> set[str]:
    """Return all attributes and texts in the functions of classes and of their modules."""
    bases = {base for cls in classes for base in cls.__mro__ if not base.__module__.startswith("legged_gym.")}
    modules = [vars(sys.modules[base.__module__]) for base in bases if base.__module__ in sys.modules]
    holders = [dict(vars(base)) for base in bases] + modules
    holders += [dict(vars(value)) for module in modules for value in module.values() if inspect.isclass(value)]
    return names_in(value for holder in holders for value in holder.values() if inspect.isfunction(value))
