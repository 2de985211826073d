"""Checkpoint files: written completely or not at all, read without running code, checked before loading."""

from __future__ import annotations

import copy
import io
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from legged_gym.common.errors import TrainingStoppedError, UserError, file_errors
from legged_gym.common.paths import plain_file, written

FORMAT = "qmini_rl_gym/1"
"""Value of a checkpoint's key ``format``."""

_NETS = (("actor_state_dict", "critic_state_dict"), ("student_state_dict", "teacher_state_dict"))
"""Entries of a checkpoint for each kind of training."""

_KEYS: dict[str, type] = {
    "optimizer_state_dict": Mapping,
    "iter": int,
    "env": Mapping,
    "logger": Mapping,
    "config": Mapping,
}
"""Entries of every checkpoint, and their types. Algorithms with more networks add to them."""

TORCH_ERRORS = (RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError, AssertionError)
"""Errors of torch for bad content, which depend on where the content ends."""


class NotFiniteError(TrainingStoppedError):
    """A checkpoint's networks or optimisers contain infinite values or NaN."""


def write_checkpoint(path: str | os.PathLike[str], checkpoint: dict[str, Any]) -> None:
    """Write tensors and plain values so that ``path`` always has the old file or the complete new one.

    ``NotFiniteError`` if values are not finite, ``UserError`` if the file can't be written.
    """
    _check_finite(f"checkpoint {path} was not written", checkpoint)
    write_tensors(path, {"format": FORMAT, **checkpoint})


def write_tensors(path: str | os.PathLike[str], contents: dict[str, Any]) -> None:
    """Write any tensors and plain values as :func:`write_checkpoint` does, or raise ``UserError``."""
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    with written(str(path)) as part:
        Path(part).write_bytes(buffer.getbuffer())


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a checkpoint's file, or raise ``UserError``."""
    with file_errors(f"cannot read checkpoint {path}"):
        return Path(plain_file(path)).read_bytes()


def read_checkpoint(
    path: str | os.PathLike[str], map_location: str | torch.device | None = None, contents: bytes | None = None
) -> dict[str, Any]:
    """Read a checkpoint of :func:`write_checkpoint`, from the file or from its ``contents``."""
    contents = read_file(path) if contents is None else contents
    try:
        data = torch.load(io.BytesIO(contents), map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} is damaged, or not a checkpoint of this project: it has more than numbers") from error
    except TORCH_ERRORS as error:
        raise UserError(f"{path} is damaged, or not a checkpoint: {_first_line(error)}") from error
    check_contents(path, data)
    return data


def check_contents(path: str | os.PathLike[str], checkpoint: Any) -> None:
    """Raise ``UserError`` unless loaded data is a checkpoint of this project with all required entries."""
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        found = checkpoint.get("format") if isinstance(checkpoint, dict) else type(checkpoint).__name__
        raise UserError(f"{path} is not a checkpoint of this project (format {found!r} instead of '{FORMAT}')")
    nets = _NETS["student_state_dict" in checkpoint]
    for key, kind in (_KEYS | dict.fromkeys(nets, Mapping)).items():
        if not isinstance(checkpoint.get(key), kind):
            raise UserError(f"{path} is damaged: its entry '{key}' is missing or of the wrong type")
    if isinstance(checkpoint["iter"], bool) or checkpoint["iter"] < 0:
        raise UserError(f"{path} is damaged: its entry 'iter' is {checkpoint['iter']}, no number of iterations")
    _check_plain(f"{path} is damaged", checkpoint)
    _check_finite(f"{path} is damaged", checkpoint)


def check_part(
    path: str | os.PathLike[str],
    key: str,
    checkpoint: Mapping[str, Any],
    part: torch.nn.Module | torch.optim.Optimizer,
    strict: bool = True,
) -> None:
    """Raise ``UserError`` unless the entry ``key`` of a checkpoint fits the network or optimiser that loads it.

    ``part`` stays as it is. ``strict``: a net's layers must be exactly those of the entry. ``path`` is for the message.
    """
    saved = checkpoint.get(key)
    if not isinstance(saved, Mapping):
        raise UserError(f"{path} is damaged or another task's: its entry '{key}' is missing or of the wrong type")
    if isinstance(part, torch.optim.Optimizer):
        _check_optimizer(path, key, saved, part)
    else:
        _check_parameters(path, key.removesuffix("_state_dict"), saved, part, strict)


def check_alike(path: str | os.PathLike[str], name: str, saved: Any, here: Any) -> None:
    """Raise ``UserError`` unless a saved state, such as nested dicts of tensors, has the structure of the present one.

    Tensors may have other sizes, but not another number of dimensions. ``path`` and ``name`` are for the message.
    """
    if isinstance(here, Mapping):
        alike = isinstance(saved, Mapping)
        for key, value in here.items() if alike else ():
            check_alike(path, f"{name}.{key}", saved.get(key), value)
    elif isinstance(here, torch.Tensor):
        alike = isinstance(saved, torch.Tensor) and saved.dim() == here.dim() and saved.numel() > 0
        alike = alike and saved.is_floating_point() == here.is_floating_point()
    else:
        alike = isinstance(saved, int | float if isinstance(here, float) else type(here))
    if not alike:
        raise UserError(f"{path} is damaged or another task's: its entry '{name}' is missing or of the wrong kind")


def widen_critic(checkpoint: dict[str, Any], critic: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Append inputs with zero weights to an old checkpoint's critic, in place. Return their number.

    Some settings, such as those of ``motors``, give the critic more to observe once they are on.
    """
    saved = checkpoint["critic_state_dict"]
    grown = 0
    for name, here in critic.state_dict().items():
        there = saved.get(name)
        if _narrower(there, here):
            grown = here.shape[1] - there.shape[1]
            saved[name] = torch.nn.functional.pad(there, (0, grown))
            break
    if grown:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        state = checkpoint["optimizer_state_dict"].get("state", {})
        for index, parameter in enumerate(parameters):
            for key, value in state.get(index, {}).items():
                if _narrower(value, parameter) and parameter.shape[1] - value.shape[1] == grown:
                    state[index][key] = torch.nn.functional.pad(value, (0, grown))
    return grown


def plain(value: Any) -> Any:
    """Return nested settings as dicts, lists, numbers and strings for a checkpoint; other values as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _check_finite(message: str, checkpoint: Mapping[str, Any]) -> None:
    """Raise NotFiniteError, which begins with ``message``, unless all numbers of nets and optimisers are finite."""
    states = {name: state for name, state in checkpoint.items() if name.endswith("_state_dict")}
    tensors = {name: tensor for name, tensor in _tensors(states) if tensor.is_floating_point()}
    if not tensors:
        return
    device = next(iter(tensors.values())).device
    # Asked for all at once: a GPU answers each question only after all that was asked of it before.
    finite = torch.stack([tensor.isfinite().all().to(device) for tensor in tensors.values()]).tolist()
    broken = [name for name, good in zip(tensors, finite, strict=True) if not good]
    if broken:
        raise NotFiniteError(f"{message}: '{broken[0]}' contains values that are infinite or not a number")


def _check_plain(message: str, checkpoint: Mapping[str, Any]) -> None:
    """Raise UserError, which begins with ``message``, unless all tensors are plain ones and as large as they say."""
    for name, tensor in _tensors(checkpoint):
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_complex():
            raise UserError(f"{message}: '{name}' is no plain tensor")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise UserError(f"{message}: '{name}' says that it is larger than what is there")


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _tensors(item, f"{name}.{key}" if name else str(key))


def _check_parameters(
    path: str | os.PathLike[str], net: str, saved: Mapping[str, Any], module: torch.nn.Module, strict: bool
) -> None:
    expected = module.state_dict()
    if strict and saved.keys() != expected.keys():
        names = ", ".join(sorted(map(str, saved.keys() ^ expected.keys())))
        raise UserError(f"{path} does not fit this task: the {net}'s layers differ ({names})")
    for name, parameter in expected.items():
        if name not in saved:
            continue
        there, here = getattr(saved[name], "shape", "no tensor"), parameter.shape
        if there != here:
            sizes = f"{there if isinstance(there, str) else tuple(there)} there and {tuple(here)} here"
            raise UserError(f"{path} does not fit this task: the {net}'s {name} is {sizes}")


def _check_optimizer(
    path: str | os.PathLike[str], key: str, saved: Mapping[str, Any], optimizer: torch.optim.Optimizer
) -> None:
    # Torch finds out only while loading or at the next step what is wrong, so both are tried, on copies.
    trial = copy.deepcopy(optimizer)
    try:
        trial.load_state_dict(copy.deepcopy(dict(saved)))
        for group in trial.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        trial.step()
    except TORCH_ERRORS as error:
        raise UserError(f"{path} is damaged or another task's: '{key}' does not fit: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """Say what is wrong: of torch's messages, the first line says most."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _narrower(there: Any, here: torch.Tensor) -> bool:
    """Return whether a saved matrix has fewer columns than the one here, and as many rows."""
    alike = isinstance(there, torch.Tensor) and there.dim() == here.dim() == 2
    return alike and there.shape[0] == here.shape[0] and there.shape[1] < here.shape[1]
