"""Matches settings to joints and links by parts of their names."""

from __future__ import annotations

from legged_gym.envs.base.base_config import ConfigError


def joint_values(
    key: str, values: dict[str, float], dof_names: list[str], exact: bool = False, missing: float | None = None
) -> list[float]:
    """Return a setting's value for each joint, from names of joints, or parts of them unless ``exact``.

    The last matching name counts, as in legged_gym. A joint without a match gets ``missing``, or it is an error.

    Raises:
        ConfigError: A joint has no value, a name matches no joint, or a value is not a number.
    """
    for part, value in values.items():
        if not isinstance(value, int | float):
            raise ConfigError(f"config key '{key}.{part}' takes a number, got {value!r}")
        if not any(part == joint if exact else part in joint for joint in dof_names):
            raise ConfigError(f"config key '{key}': no joint is called '{part}'; joints: {', '.join(dof_names)}")
    result = []
    for joint in dof_names:
        found = [value for part, value in values.items() if (part == joint if exact else part in joint)]
        if not found and missing is None:
            raise ConfigError(f"config key '{key}' has no value for joint '{joint}'; it has {sorted(values)}")
        result.append(found[-1] if found else float(missing or 0.0))
    return result


def link_indices(key: str, parts: list[str], body_names: list[str], merged: dict[str, str] | None = None) -> list[int]:
    """Return the indices of links with one of ``parts`` in their names, ascending. A part that matches none is refused.

    A part may also match a link in ``merged``, which maps links to those into which they were merged.
    """
    found: set[str] = set()
    for part in parts:
        names = {name for name in body_names if part in name}
        names = names or {kept for name, kept in (merged or {}).items() if part in name}
        if not names:
            raise ConfigError(f"config key '{key}': no link has '{part}' in its name; links: {', '.join(body_names)}")
        found |= names
    return [i for i, name in enumerate(body_names) if name in found]
