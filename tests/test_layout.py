"""The package's size: lines of each folder, docstrings included, against what it may have."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from legged_gym import LEGGED_GYM_ROOT_DIR

_PACKAGE = Path(LEGGED_GYM_ROOT_DIR, "legged_gym")

_BUDGETS = {
    "common": 1741,
    "simulators": 5443,
    "envs": 6440,
    "algorithms": 1115,
    "runners": 2177,
    "policies": 1910,
    "evaluation": 3085,
    "render": 994,
    "viewers": 2106,
    "deploy": 1419,
    "benchmarking": 484,
    "cli": 785,
    "scripts": 1706,
    "this_robot": 2499,
    "utils": 102,
}
_CORE_BUDGET = 11272
_LONGEST_FILE = 400
_FILES = sorted(_PACKAGE.rglob("*.py"))
_IMPORTED_LATE = {"common": {"torch"}}
"""Modules that functions of a folder import, so that a command line is read and ``--help`` shown without them."""


def _lines(folder: Path, pattern: str = "**/*.py") -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.glob(pattern))


def test_every_folder_keeps_its_budget() -> None:
    folders = {path.name for path in _PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(_BUDGETS)
    sizes = {name: _lines(_PACKAGE / name) for name in _BUDGETS}
    core = sum(sizes[name] for name in ("envs", "algorithms", "runners")) + _lines(_PACKAGE / "simulators", "*.py")
    rows = [(name, sizes[name], budget) for name, budget in _BUDGETS.items()]
    rows += [("core", core, _CORE_BUDGET), ("sum", sum(sizes.values()), sum(_BUDGETS.values()))]
    print("\n".join(f"{name:12} {size:6} {budget:6}" for name, size, budget in rows))
    assert not [row for row in rows if row[1] > row[2]]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= _LONGEST_FILE


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_imports_stand_at_the_top(path: Path) -> None:
    inside = {
        (node.lineno, module.partition(".")[0])
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        for module in _modules(node)
    }
    allowed = _IMPORTED_LATE.get(path.relative_to(_PACKAGE).parts[0], set()) | _extras()
    # Isaac Gym's worker runs in another Python, where the order of imports matters.
    assert not [late for late in inside if late[1] not in allowed and path.name != "worker.py"]


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def _extras() -> set[str]:
    """Return the modules of packages that are only installed when asked for."""
    extras = importlib.metadata.metadata("qmini_rl_gym").get_all("Requires-Dist") or []
    names = [re.split(r"[^\w.-]", text)[0] for text in extras if "extra ==" in text]
    return {name.replace("-", "_") for name in names}


@pytest.mark.parametrize(
    "module",
    [
        "cli.arguments",
        "common.devices",
        "common.memory",
        "common.threads",
        "deploy.session",
        "envs.registry",
        "envs.qmini.qmini_config",
    ],
)
def test_command_line_and_configurations_load_no_torch(module: str) -> None:
    code = f"import sys, legged_gym.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
