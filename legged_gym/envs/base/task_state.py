"""Saves and restores a task's state, except its settings and its simulator, by the names of attributes.

This includes attributes of a robot's own class, because all attributes are searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from tensordict import TensorDict

from legged_gym.envs.base.base_config import BaseConfig
from legged_gym.envs.base.divergence import DivergenceLog
from legged_gym.envs.base.step_graph import StepGraph
from legged_gym.simulators import Simulator

_LEFT_OUT = (BaseConfig, DivergenceLog, Simulator, StepGraph)
"""Settings don't change, the simulator has its own state, and the rest only observes."""

State = dict[str, Any]
_NO_STATE = {"ground._heights", "extras"}
"""The first is large and made again from the seed, the second is made again in every step."""
_Place = tuple[Any, Any]
"""An object with an attribute's name, or a dict or list with a key."""


def take_state(task: object) -> State:
    """Return copies of all tensors, and all numbers, by their paths of attributes and keys."""
    return {path: value.clone() if isinstance(value, torch.Tensor) else value for path, _, value in _walk(task)}


def fits(task: object, state: Mapping[str, Any]) -> bool:
    """Return whether a state is from a task like this one: with the same paths, and values of the same sizes."""
    here = {path: value for path, _, value in _walk(task)}
    return state.keys() <= here.keys() and all(_alike(here[path], value) for path, value in state.items())


def put_state(task: object, state: State) -> None:
    """Restore a state that :func:`fits`.

    Tensors get their values in place, because other code may hold them. If several attributes share a tensor but now
    differ, each gets its own.
    """
    values: dict[tuple[Any, ...], list[torch.Tensor]] = {}
    places = [(path, place, value) for path, place, value in _walk(task) if path in state]
    for path, _, tensor in places:
        if isinstance(tensor, torch.Tensor):
            values.setdefault(_memory(tensor), []).append(state[path].to(tensor.device))
    for _, _, tensor in places:
        if isinstance(tensor, torch.Tensor):
            wanted = values[_memory(tensor)]
            agreed = all(torch.equal(one, wanted[0]) for one in wanted[1:])
            if agreed and not torch.equal(tensor, wanted[0]) and not tensor.is_inference():
                tensor.copy_(wanted[0])
    for path, (owner, key), value in places:
        if isinstance(value, torch.Tensor):
            wanted_here = state[path].to(value.device)
            if not torch.equal(value, wanted_here):
                _assign(owner, key, wanted_here.clone())
        elif value != state[path]:
            _assign(owner, key, state[path])


def _memory(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _alike(here: Any, saved: Any) -> bool:
    if isinstance(here, torch.Tensor):
        return isinstance(saved, torch.Tensor) and saved.shape == here.shape and saved.dtype == here.dtype
    return type(saved) is type(here)


def _assign(owner: Any, key: Any, value: Any) -> None:
    if isinstance(owner, tuple):
        with torch.inference_mode():
            owner[key].copy_(value)
    elif isinstance(owner, dict | list | TensorDict):
        owner[key] = value
    else:
        setattr(owner, key, value)


def _walk(task: object) -> Iterator[tuple[str, _Place, Any]]:
    """Yield path, place and value of every tensor and number, in a fixed order."""
    packages = {kind.__module__.partition(".")[0] for kind in type(task).__mro__} - {"builtins", "abc", "rsl_rl"}
    seen: set[int] = set()

    def visit(owner: Any, items: list[tuple[Any, Any]], prefix: str) -> Iterator[tuple[str, _Place, Any]]:
        for key, value in items:
            path = f"{prefix}{key}"
            if isinstance(value, torch.Tensor | bool | int | float):
                # An expanded tensor is a constant.
                if path not in _NO_STATE and not (isinstance(value, torch.Tensor) and 0 in value.stride()):
                    yield path, (owner, key), value
            elif id(value) not in seen and path not in _NO_STATE:
                below = _items(value, packages)
                if below is not None:
                    seen.add(id(value))
                    yield from visit(value, below, f"{path}.")

    seen.add(id(task))
    yield from visit(task, list(vars(task).items()), "")


def _items(value: Any, packages: set[str]) -> list[tuple[Any, Any]] | None:
    """Return the content of a container, or of an object of a task's own packages; None for everything else."""
    if isinstance(value, dict | TensorDict):
        return [(key, item) for key, item in value.items() if isinstance(key, str)]
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if isinstance(value, (*_LEFT_OUT, type)) or not hasattr(value, "__dict__"):
        return None
    own = type(value).__module__.partition(".")[0] in packages and not callable(value)
    return list(vars(value).items()) if own else None
