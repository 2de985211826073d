"""Curves of a training have their names in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common import tags

_PACKAGE = Path(LEGGED_GYM_ROOT_DIR, "legged_gym")


def _texts(value: object) -> list[str]:
    return list(value.values()) if isinstance(value, dict) else [value] if isinstance(value, str) else []


TAGS = [text for name, value in vars(tags).items() if name.isupper() for text in _texts(value)]
GROUPS = tuple({f"{tag.partition('/')[0]}/" for tag in TAGS})


@pytest.mark.parametrize("path", sorted(_PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(_PACKAGE)))
def test_nobody_else_writes_a_name_down(path: Path) -> None:
    texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    written = [text for text in texts if isinstance(text, str) and text.startswith(GROUPS)]
    assert written == [] or path.name == "tags.py"


def test_names_differ_and_each_is_in_a_group() -> None:
    assert len(set(TAGS)) == len(TAGS) > 10
    assert all(tag.count("/") == 1 for tag in TAGS)
