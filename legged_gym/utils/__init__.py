"""Helpers under legged_gym's names, imported on first use so that no part pulls in those above it."""

from __future__ import annotations

import importlib
from typing import Any

# Not lazy like the others: once imported, the module of the same name would hide it.
from legged_gym.utils.task_registry import task_registry

_HOME = {
    "TaskRegistry": "task_registry",
    "get_args": "helpers",
    "class_to_dict": "helpers",
    "get_load_path": "helpers",
    "set_seed": "helpers",
    "update_cfg_from_args": "helpers",
    "Terrain": "terrain",
    "TrainingLogger": "logger",
    "UserError": "errors",
    "quat_apply_yaw": "math",
    "wrap_to_pi": "math",
}


def __getattr__(name: str) -> Any:
    """Import ``name`` from the module that holds it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the names that can be imported from here."""
    return sorted([*_HOME, "task_registry"])
