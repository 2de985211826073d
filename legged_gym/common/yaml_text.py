"""Reads YAML and JSON from any source: plain values only, with limits of size, depth and aliases."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from legged_gym.common.errors import UserError
from legged_gym.common.paths import plain_file

_MOST_BYTES = 4_000_000
_MOST_VALUES = 100_000
"""An alias counts as everything that it stands for."""
_DEEPEST = 50
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]*)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
    ),
}
"""Decimal numbers only. In YAML 1.1, 010 is 8, 0x10 is 16, 1:30 is 90, and 1e-3 is text because it has no dot."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which counts what it makes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node: an alias, a number, a text, or a node that holds others."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self._sizes:
                raise yaml.YAMLError(f"'{event.anchor}' holds itself")
            self._values += self._sizes.get(event.anchor, 0)
        before = self._values
        self._values += 1
        self._depth += 1
        if self._depth > _DEEPEST or self._values > _MOST_VALUES:
            limit = f"{_DEEPEST} levels" if self._depth > _DEEPEST else f"{_MOST_VALUES} values"
            raise yaml.YAMLError(f"it has more than {limit}")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
            self._sizes[event.anchor] = self._values - before
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Make a dict. Each key may appear only once."""
        counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, count in counts.items():
            if count > 1:
                raise yaml.MarkedYAMLError(problem=f"key '{key}' comes {count} times", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes every list in full, and quotes text that the loader would read as a number."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: nothing becomes an alias."""
        return True


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBERS]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
for _kind, (_tag, _pattern) in itertools.product((_Loader, _Dumper), _NUMBERS.items()):
    _kind.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))


def parse_yaml(text: str) -> Any:
    """Return the content of YAML text: numbers, texts, lists and dicts.

    Raises:
        yaml.YAMLError: It is not YAML, contains other things, or is larger or deeper than any of our files.
    """
    if len(text) > _MOST_BYTES:
        raise yaml.YAMLError(f"it has more than {_MOST_BYTES} characters")
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        # PyYAML fails on these with other errors: an impossible date, a number of 5000 digits, a list as a key.
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()


def read_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file, as :func:`parse_yaml` does.

    Raises:
        UserError: The file can't be read, is not YAML, or exceeds the limits.
    """
    try:
        with open(plain_file(path), encoding="utf-8") as file:
            text = file.read(_MOST_BYTES + 1)
        return parse_yaml(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"can't read '{path}': {yaml_fault(error)}") from error


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file. Each key may appear only once in its object, and numbers must be finite.

    Raises:
        OSError: The file can't be read.
        ValueError: It is anything else.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise ValueError(f"key '{key}' comes {count} times")
        return dict(pairs)

    def no_number(text: str) -> Any:
        raise ValueError(f"{text} is no number")

    with open(plain_file(path), encoding="utf-8") as file:
        try:
            return json.load(file, object_pairs_hook=once, parse_constant=no_number)
        except RecursionError as error:
            raise ValueError("it nests too deep") from error


def yaml_fault(error: Exception) -> str:
    """Return in one line why a file could not be read as YAML."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"it is not a YAML file: line {error.problem_mark.line + 1}: {error.problem or error.context}"
    return f"it is not a YAML file: {' '.join(str(error).split())[:200]}"


def dump_yaml(values: Any, **style: Any) -> str:
    """Return values as YAML text that :func:`parse_yaml` can read. ``style`` goes to ``yaml.dump``."""
    return yaml.dump(values, Dumper=_Dumper, **{"sort_keys": False, **style})
