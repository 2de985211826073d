"""The package's size: lines of each folder, docstrings included, against what it may have."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from legged_gym import LEGGED_GYM_ROOT_DIR

_PACKAGE = Path(LEGGED_GYM_ROOT_DIR, "legged_gym")

_BUDGETS = {
    "common": 1420,
    "simulators": 5372,
    "envs": 6464,
    "algorithms": 1150,
    "runners": 2950,
    "policies": 1746,
    "evaluation": 3070,
    "render": 1060,
    "viewers": 2000,
    "deploy": 1550,
    "benchmarking": 475,
    "cli": 670,
    "scripts": 1730,
    "this_robot": 2798,
    "utils": 200,
}
_CORE_BUDGET = 12171
_LONGEST_FILE = 400


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


@pytest.mark.parametrize("path", sorted(_PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= _LONGEST_FILE


@pytest.mark.parametrize("path", sorted((_PACKAGE / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_scripts_import_at_their_top(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    inside = [node for function in functions for node in ast.walk(function)]
    assert not [node.lineno for node in inside if isinstance(node, ast.Import | ast.ImportFrom)]
