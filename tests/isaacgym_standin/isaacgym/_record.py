"""Base of the API's structures: fixed attributes of fixed types, as pybind11's classes have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ._calls import converter


class Struct:
    """Attributes named and typed by ``FIELDS``; any other name raises AttributeError, any other type TypeError."""

    FIELDS: ClassVar[dict[str, tuple[str, Any]]] = {}
    """Name: (annotation as of :func:`~isaacgym._calls.converter`, default)."""
    READ_ONLY: ClassVar[tuple[str, ...]] = ()
    __slots__ = ("_values",)
    _checks: ClassVar[dict[str, Callable[[Any], Any]]] = {}

    def __init_subclass__(cls) -> None:
        cls._checks = {name: converter(kind) for name, (kind, _) in cls.FIELDS.items()}

    def __init__(self) -> None:
        """Set every attribute to its default."""
        values = {name: _copy(default) for name, (_, default) in self.FIELDS.items()}
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).FIELDS:
            return self._values[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.FIELDS:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        if name in self.READ_ONLY:
            raise AttributeError(f"can't set attribute '{name}'")
        try:
            # Structures hold values of their own, as in C++.
            self._values[name] = _copy(self._checks[name](value))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{type(self).__name__}.{name} takes {self.FIELDS[name][0]}, not {type(value).__name__}"
            ) from error

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self.FIELDS])

    def __getstate__(self) -> dict[str, Any]:
        return self._values

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(state))

    def __deepcopy__(self, memo: dict[int, Any]) -> Struct:
        other = type(self).__new__(type(self))
        other.__setstate__({name: _copy(value) for name, value in self._values.items()})
        return other

    def __copy__(self) -> Struct:
        return self.__deepcopy__({})

    def __repr__(self) -> str:
        return f"<isaacgym.gymapi.{type(self).__name__} {self._values}>"


def _copy(value: Any) -> Any:
    """Copy a structure; everything else in one never changes."""
    return value.__deepcopy__({}) if isinstance(value, Struct) else value
