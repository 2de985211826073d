"""Argument checks of the kind that pybind11's functions make."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

Float32Array = UInt32Array = Int16Array = UInt8Array = np.ndarray
"""What annotations call arrays that are converted to this type."""

Function = TypeVar("Function", bound=Callable[..., Any])


def as_float(value: Any) -> float:
    """Convert what pybind11 takes for a float, one-element tensors and arrays too, and round it as a C float does.

    Raises:
        TypeError: Anything else.
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        # NumPy 2 no longer converts these itself; the NumPy that the real one runs with does.
        value = value.item()
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError
    return float(np.float32(float(value)))


def as_int(value: Any) -> int:
    """Convert what pybind11 takes for an int, one-element tensors too; a float is none.

    Raises:
        TypeError: Anything else.
    """
    if isinstance(value, (float, np.floating, str)) or not (hasattr(value, "__index__") or hasattr(value, "__int__")):
        raise TypeError
    return int(value.item() if isinstance(value, np.ndarray) and value.size == 1 else value)


def as_bool(value: Any) -> bool:
    """Convert what pybind11 takes for a bool: None and all that Python's numbers answer ``bool()`` with.

    Raises:
        TypeError: Anything else, such as a string or a list.
    """
    if value is None or hasattr(value, "__bool__"):
        return bool(value)
    raise TypeError


def as_str(value: Any) -> str:
    """Return a string.

    Raises:
        TypeError: Not a string; a path object is none.
    """
    if not isinstance(value, str):
        raise TypeError
    return value


def _array(dtype: type) -> Callable[[Any], np.ndarray]:
    def convert(value: Any) -> np.ndarray:
        if isinstance(value, (str, bytes)) or hasattr(value, "data_ptr"):
            raise TypeError
        return np.ascontiguousarray(value, dtype=dtype)

    return convert


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "float": as_float,
    "int": as_int,
    "bool": as_bool,
    "str": as_str,
    "Float32Array": _array(np.float32),
    "UInt32Array": _array(np.uint32),
    "Int16Array": _array(np.int16),
    "UInt8Array": _array(np.uint8),
    "Any": lambda value: value,
}


def _of_class(name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        # PyTorch has a Tensor too.
        if not any(cls.__name__ == name and cls.__module__.startswith("isaacgym.") for cls in type(value).__mro__):
            raise TypeError
        return value

    return check


def _list_of(name: str) -> Callable[[Any], Any]:
    check = CONVERTERS.get(name) or _of_class(name)

    def check_all(value: Any) -> list[Any]:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise TypeError
        return [check(item) for item in value]

    return check_all


def converter(annotation: str) -> Callable[[Any], Any]:
    """Return the check for one annotation: a name, ``list[name]``, or either ``| None``."""
    name, _, optional = annotation.partition(" | ")
    if name.startswith("list["):
        convert = _list_of(name[5:-1])
    elif name in CONVERTERS:
        convert = CONVERTERS[name]
    else:
        convert = _of_class(name)
    if not optional:
        return convert
    return lambda value: None if value is None else convert(value)


def gymcall(function: Function) -> Function:
    """Check a method's arguments against its annotations before it runs, as pybind11 does.

    Parameters before ``/`` have no names in the real API, so they can't be given by name.
    """
    signature = inspect.signature(function)
    checks = {
        name: converter(str(parameter.annotation)) for name, parameter in signature.parameters.items() if name != "self"
    }
    named = ", ".join(f"{name}: {p.annotation}" for name, p in signature.parameters.items() if name != "self")
    expected = f"{function.__name__}({named})"

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
            for name, value in bound.arguments.items():
                if name != "self":
                    bound.arguments[name] = checks[name](value)
        except (TypeError, ValueError, OverflowError) as error:
            given = ", ".join([repr(a) for a in args[1:]] + [f"{k}={v!r}" for k, v in kwargs.items()])
            raise TypeError(
                f"{function.__name__}(): incompatible function arguments. The following argument types are supported:\n"
                f"    1. {expected}\n\nInvoked with: {given[:2000]}"
            ) from error
        return function(*bound.args, **bound.kwargs)

    return checked  # type: ignore[return-value]
