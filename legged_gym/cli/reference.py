"""The configuration reference, made from the configuration classes: ``python -m legged_gym.cli.reference PAGE.md``."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from typing import Any

from legged_gym.common.paths import write_text
from legged_gym.common.yaml_text import dump_yaml
from legged_gym.envs.base.admissible import describe
from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO
from legged_gym.envs.registry import task_registry

_HEAD = """\
# Configuration

This page lists each setting with its default, Qmini's value, the valid values, its meaning and its unit. `make
reference` writes it from the configuration classes. `--set KEY=VALUE`, the files of runs, and the check before a
training use the same limits. A class that only changes a value inherits the limits. All numbers must be finite.
"""
_LONGEST = 60
"""Most characters of a value; the middle of a longer one is left out."""


def configuration_reference() -> str:
    """Return the page as Markdown."""
    lines = [_HEAD]
    parts = (("Task and simulation", LeggedRobotCfg()), ("Training", LeggedRobotCfgPPO()))
    for (title, base), qmini in zip(parts, task_registry.get_cfgs("qmini"), strict=True):
        lines.append(f"## {title}\n")
        defaults, own = _rows(base), _rows(qmini)
        sections = dict.fromkeys(key.rpartition(".")[0] for key in {**defaults, **own})
        for section in sections:
            lines += [
                f"### `{section or 'seed and runner'}`\n",
                "| key | default | Qmini | takes | meaning |",
                "|---|---|---|---|---|",
            ]
            for key in {**defaults, **own}:
                if key.rpartition(".")[0] == section:
                    lines.append(_line(key, defaults.get(key), own.get(key)))
            lines.append("")
    return "\n".join(lines)


def _rows(cfg: BaseConfig) -> dict[str, tuple[BaseConfig, str, Any]]:
    """Return the section, name and value of each setting, by its dotted name."""
    return {section.key(name): (section, name, value) for section, name, value in cfg.walk()}


def _line(key: str, default: Any, own: Any) -> str:
    section, name, _ = default or own
    values = [_shown(row[2]) if row else "" for row in (default, own)]
    cells = [f"`{name}`", values[0], "" if values[0] == values[1] else values[1] or "-",
             describe(section.annotation(name)), _meaning(key, own or default)]  # fmt: skip
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _meaning(key: str, row: tuple[BaseConfig, str, Any]) -> str:
    """Return the docstring below a setting or, for a reward's scale, that of the reward."""
    section, name, _ = row
    if key.startswith("rewards.scales."):
        reward = getattr(task_registry.get_task_class("qmini"), f"_reward_{name}", None)
        return (inspect.getdoc(reward) or "").split("\n")[0].replace("``", "`")
    found = (_docstrings(cls).get(name) for cls in section.classes if cls.__module__ != "builtins")
    return next((text for text in found if text), "").replace("``", "`")


@functools.cache
def _docstrings(cls: type) -> dict[str, str]:
    """Return the docstrings below a class's settings. One docstring may cover several settings above it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except OSError:
        return {}
    found: dict[str, str] = {}
    above: list[tuple[str, str]] = []
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above.append((node.target.id, ast.unparse(node.annotation)))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and above:
            text = " ".join(str(node.value.value).split())
            found.update({name: text for name, hint in above if hint == above[-1][1]})
            above = []
        else:
            above = []
    return found


def _shown(value: Any) -> str:
    """Return a value as ``--set`` takes it."""
    text = value or "(empty)" if isinstance(value, str) else dump_yaml(value, default_flow_style=True, width=10**6)
    text = " ".join(text.removesuffix("...\n").split())
    return f"`{text if len(text) <= _LONGEST else f'{text[:40]} … {text[-15:]}'}`"


if __name__ == "__main__":
    write_text(sys.argv[1], configuration_reference())
