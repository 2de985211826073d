"""The configuration reference is what the configuration classes say."""

from __future__ import annotations

from pathlib import Path

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli.reference import configuration_reference
from legged_gym.envs import task_registry

PAGE = Path(LEGGED_GYM_ROOT_DIR, "docs", "configuration.md")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_reference(), "make reference writes it anew"


def test_every_setting_of_qmini_is_there_with_its_meaning() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    names = {row[0].removeprefix("| ").strip("`") for row in rows}
    for cfg in task_registry.get_cfgs("qmini"):
        assert {name for _, name, _ in cfg.walk()} <= names
    unexplained = [row[0] for row in rows if not row[-1].removesuffix("|").strip()]
    assert not unexplained
