"""The installed commands: ``qmini-train`` is ``legged_gym/scripts/train.py``, and so on for each script here."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path

from legged_gym.cli.arguments import run_main


def __getattr__(name: str) -> Callable[[], int]:
    """Return the function that runs the script ``name``, which returns its exit code. Only that script is imported."""
    if name.startswith("_") or not Path(__file__).with_name(f"{name}.py").is_file():
        raise AttributeError(f"there is no script '{name}'")
    return functools.partial(_run, name)


def _run(name: str) -> int:
    return run_main(importlib.import_module(f"legged_gym.scripts.{name}").main)
