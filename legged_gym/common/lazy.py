"""Packages that import their modules, and what they re-export, only when it is used."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import legged_gym


def load(module: str) -> ModuleType:
    """Import a module while garbage collection is paused: PyTorch then loads in a quarter less time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if enabled:
            if legged_gym.IS_COMMAND:
                # Modules stay loaded, so later collections can skip their objects.
                gc.freeze()
            gc.enable()


def lazy_attributes(package: str, homes: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports its modules only when they are used.

    The package's modules are its attributes: after ``from legged_gym import evaluation``, the first use of
    ``evaluation.margins`` imports that module. Scripts import packages in this way, so that their ``--help`` is quick.

    Args:
        package: The package's ``__name__``.
        homes: For each name that the package re-exports, the module that defines it.
    """

    def get(name: str) -> Any:
        if homes is not None and name in homes:
            return getattr(load(homes[name]), name)
        module = f"{package}.{name}"
        try:
            return load(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
