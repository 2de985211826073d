"""What a class of its own gives a task: tensors that hooks set or return, and methods that have to be called."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict

from legged_gym.envs.base.base_config import ConfigError

if TYPE_CHECKING:
    from legged_gym.envs.base.base_task import BaseTask


def tensor_of(what: str, value: object, *shapes: tuple[int, ...]) -> torch.Tensor:
    """Return a tensor of numbers that has one of some shapes, in which -1 stands for any size.

    Raises:
        ConfigError: It is something else; ``what`` says what it should have been.
    """
    if isinstance(value, torch.Tensor) and not value.is_complex():
        sizes = tuple(value.shape)
        if any(len(s) == len(sizes) and all(a in (-1, b) for a, b in zip(s, sizes, strict=True)) for s in shapes):
            return value
    wanted = " or ".join(str(shape).replace("-1", "any") for shape in shapes)
    got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
    raise ConfigError(f"{what} must be a tensor {wanted}, got {got}")


def robots_of(env_ids: Any, count: int, device: str) -> torch.Tensor:
    """Return some of ``count`` robots as indices, (n,), or as a mask, bool, (N,). ``ConfigError`` for anything else."""
    if not isinstance(env_ids, torch.Tensor):
        try:
            env_ids = torch.as_tensor(env_ids, device=device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"env_ids are indices of robots, or a mask, got {env_ids!r}") from error
    if env_ids.dtype == torch.bool:
        return tensor_of("env_ids, a mask,", env_ids, (count,))
    if env_ids.numel() and (env_ids.is_floating_point() or env_ids.is_complex()):
        raise ConfigError(f"env_ids are indices of robots, or a mask, got {env_ids.dtype}")
    robots = env_ids.flatten().long()
    beyond = (robots < -count) | (robots >= count)
    if bool(beyond.any()):
        raise ConfigError(f"env_ids are indices of {count} robots, got {robots[beyond][0].item()}")
    return robots


def check_buffers(task: BaseTask) -> None:
    """Refuse buffers of a wrong shape or device that a class's ``_init_buffers`` assigns: ``ConfigError``."""
    n, d, feet = task.num_envs, task.num_dof, len(task.feet_indices)
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {
        **dict.fromkeys(("rew_buf", "reset_buf", "time_out_buf"), ((n,),)),
        **dict.fromkeys(("p_gains", "d_gains", "torque_limits"), ((d,), (1, d), (n, d))),
        **dict.fromkeys(("torques", "last_dof_vel"), ((n, d),)),
        **dict.fromkeys(("actions", "last_actions", "last_last_actions"), tuple({(n, d), (n, task.num_actions)})),
        "feet_air_time": ((n, feet if task._air_timer == "feet_air_time" else -1),),
    }
    for name, valid in shapes.items():
        what = f"{type(task).__name__}: self.{name}"
        found = tensor_of(what, task.__dict__.get(name), *valid).device
        if found.type != torch.device(task.device).type:
            raise ConfigError(f"{what} must be on the device {task.device}, got {found}")


def _kept(name: str) -> str:
    # Not the property's own name: PyTorch 2.11's compiler would take it for the property, without end.
    return f"_held_{name}"


def hold(task: BaseTask, name: str, tensor: torch.Tensor) -> None:
    """Let a task hold this tensor itself under a name that is :func:`held`, instead of copying its values."""
    task.__dict__[_kept(name)] = tensor


def held(name: str) -> Any:
    """Return a property for a tensor that others hold, too: what a class assigns is written into it."""
    kept = _kept(name)

    def read(task: BaseTask) -> torch.Tensor:
        if kept not in task.__dict__:
            raise AttributeError(name)
        tensor: torch.Tensor = task.__dict__[kept]
        return tensor

    def write(task: BaseTask, value: torch.Tensor) -> None:
        tensor = task.__dict__.setdefault(kept, value)
        if value is not tensor:
            shapes = [tuple(tensor.shape)[first:] for first in range(tensor.dim()) if set(tensor.shape[:first]) <= {1}]
            tensor.copy_(tensor_of(f"{type(task).__name__}: self.{name}", value, *shapes))

    return property(read, write)


def follow(task: BaseTask, hook: str, after: Callable[[], None]) -> None:
    """Call a method after each call of a task's hook, from any caller."""
    method = getattr(task, hook)

    @wraps(method)
    def both() -> None:
        method()
        after()

    setattr(task, hook, both)


def check_results(task: BaseTask) -> None:
    """Check from now on the return value of a task's own ``step``, for any caller."""
    method, where, n = task.step, f"{type(task).__name__}.step", task.num_envs

    @wraps(method)
    def step(actions: torch.Tensor) -> Any:
        result: Any = method(actions)
        kinds = [type(part) for part in result] if isinstance(result, tuple) else [type(result)]
        if len(kinds) != 4 or not issubclass(kinds[0], TensorDict) or not issubclass(kinds[3], dict):
            got = ", ".join(kind.__name__ for kind in kinds)
            raise ConfigError(f"{where} must return observations (a TensorDict), rewards, dones and extras, got {got}")
        tensor_of(f"{where}: its rewards", result[1], (n,))
        tensor_of(f"{where}: its dones", result[2], (n,))
        return result

    task.step = step


def call(task: BaseTask, hook: str, buffer: str) -> None:
    """Call a hook that sets a buffer; ``ConfigError`` if it returns something else instead."""
    result = getattr(task, hook)()
    if result is not None and result is not getattr(task, buffer):
        raise ConfigError(f"{type(task).__name__}.{hook} must set self.{buffer}, not return it")
