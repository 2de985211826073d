"""Checkpoint files: written whole or not at all, read without running code, checked before anything is loaded."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from legged_gym.utils.errors import UserError

FORMAT = "qmini_rl_gym/1"
"""Value of a checkpoint's key ``format``."""

_KEYS: dict[str, type | tuple[type, ...]] = {
    "actor_state_dict": Mapping,
    "critic_state_dict": Mapping,
    "estimator_state_dict": Mapping,
    "optimizer_state_dict": Mapping,
    "estimator_optimizer_state_dict": Mapping,
    "learning_rate": float,
    "iter": int,
    "num_updates": int,
    "env": Mapping,
    "config": Mapping,
}
"""What every checkpoint holds, and as what."""


def write_checkpoint(path: str | os.PathLike[str], checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint so that ``path`` holds the old file or the whole new one, whatever happens.

    Args:
        path: The file. Its folder must exist.
        checkpoint: Tensors and plain values, keys as strings.

    Raises:
        UserError: The file can't be written there.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **checkpoint}, buffer)
    path = Path(path)
    # In the same folder, because a file can only be renamed atomically within its file system.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write checkpoint {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_checkpoint(path: str | os.PathLike[str], map_location: str | torch.device | None = None) -> dict[str, Any]:
    """Read a checkpoint that :func:`write_checkpoint` wrote.

    Args:
        path: The file.
        map_location: Device for the tensors; None: where they were.

    Raises:
        UserError: There is no such file, it is damaged, or it is not a checkpoint of this project.
    """
    try:
        with open(path, "rb") as file:
            data = torch.load(file, map_location=map_location, weights_only=True)
    except OSError as error:
        raise UserError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} is damaged, or no checkpoint of this project: it holds more than numbers") from error
    except (RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        # What torch.load raises depends on where the file breaks off; its first line says most.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} is damaged, or no checkpoint: {reason}") from error
    _check_content(path, data)
    return data


def check_parameters(path: str | os.PathLike[str], net: str, saved: Mapping[str, Any], module: torch.nn.Module) -> None:
    """Check that saved parameters fit a net.

    Args:
        path: Where they come from, for the message.
        net: Name of the net, for the message.
        saved: Saved parameters by name.
        module: The net.

    Raises:
        UserError: A parameter is missing, unknown or of another shape.
    """
    expected = module.state_dict()
    if saved.keys() != expected.keys():
        names = ", ".join(sorted(saved.keys() ^ expected.keys()))
        raise UserError(f"{path} does not fit this task: the {net}'s layers differ ({names})")
    for name, parameter in expected.items():
        there, here = tuple(saved[name].shape), tuple(parameter.shape)
        if there != here:
            raise UserError(f"{path} does not fit this task: the {net}'s {name} is {there} there and {here} here")


def plain(value: Any) -> Any:
    """Return nested settings as dicts, lists, numbers and strings, which a checkpoint may hold; others as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _check_content(path: str | os.PathLike[str], data: Any) -> None:
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise UserError(f"{path} is no checkpoint of this project (format {found!r} instead of '{FORMAT}')")
    for key, kind in _KEYS.items():
        if not isinstance(data.get(key), kind):
            raise UserError(f"{path} is damaged: its entry '{key}' is missing or of the wrong type")
