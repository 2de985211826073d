"""Classes and functions that settings name: only those of the kind that is wanted, from packages that are known.

A run's configuration may come from a stranger, and importing a module runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from typing import Any

from rsl_rl.algorithms import PPO, Distillation
from rsl_rl.runners import OnPolicyRunner
from rsl_rl.utils import resolve_callable

from legged_gym.common.errors import UserError
from legged_gym.envs.registry import task_registry

_BASES: dict[str, tuple[type, ...]] = {
    "runner_class_name": (OnPolicyRunner,),
    "algorithm.class_name": (PPO, Distillation),
}
"""What a setting's class has to be derived from."""
_OURS = ("legged_gym", "rsl_rl")


def find_class(key: str, name: str) -> Any:
    """Return the class that the setting ``key`` names, of the right kind, or raise ``UserError``.

    It must belong to the package of a registered task, or to a module that has been imported already.
    """
    found = _find(key, name, sys.modules)
    if not (isinstance(found, type) and issubclass(found, _BASES[key])):
        kinds = " or ".join(base.__name__ for base in _BASES[key])
        raise UserError(f"config key '{key}' is '{name}', which is no {kinds} of rsl_rl")
    return found


def check_function(key: str, name: str) -> None:
    """Check that a setting names a function of a known package, or raise ``UserError``."""
    found = _find(key, name)
    # A module of ours holds others, which hold all kinds of functions.
    if isinstance(found, type) or not callable(found) or not _is_known(getattr(found, "__module__", None) or ""):
        raise UserError(f"config key '{key}' is '{name}', which is no function of such a package")


def _find(key: str, name: str, also: Container[str] = ()) -> Any:
    """Import what a setting names, from a known package or one of the modules ``also``."""
    module = name.partition(":")[0] if ":" in name else name.rpartition(".")[0]
    if module and not _is_known(module) and module not in also:
        raise UserError(
            f"config key '{key}' is '{name}': it has to lie in one of {', '.join(_packages())}"
            f"{', or be imported before' if also else ''}"
        )
    try:
        return resolve_callable(name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UserError(f"config key '{key}' is '{name}': {error}") from error


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in _packages()


def _packages() -> list[str]:
    return sorted({*_OURS, *task_registry.packages()})
