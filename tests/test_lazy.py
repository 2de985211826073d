"""Modules that are loaded when they are used."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

import legged_gym
from legged_gym.common.lazy import load


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("command", [False, True])
@pytest.mark.parametrize("enabled", [False, True])
def test_nobody_looks_for_garbage_while_a_module_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: bool, enabled: bool
) -> None:
    name = f"loaded_{command}_{enabled}".lower()
    (tmp_path / f"{name}.py").write_text("import gc\nsearched = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(legged_gym, "IS_COMMAND", command)
    if not enabled:
        gc.disable()
    gc.unfreeze()
    frozen = gc.get_freeze_count()
    assert load(name).searched is False
    assert gc.isenabled() is enabled, "as it was"
    assert (gc.get_freeze_count() > frozen) is (command and enabled), "others' objects are none of our business"


def test_what_can_not_be_loaded_leaves_it_as_it_was() -> None:
    with pytest.raises(ModuleNotFoundError):
        load("legged_gym.nothing_here")
    assert gc.isenabled()
