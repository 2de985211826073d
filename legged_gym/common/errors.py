"""The package's exceptions."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class UserError(Exception):
    """A mistake that the user can correct. Scripts print its one line and exit with code 2, without a traceback."""


class TrainingStoppedError(UserError):
    """The training can't continue. What it has learned so far is still valid."""


class SimulatorLostError(TrainingStoppedError):
    """The simulation can't continue, for a reason outside this project."""


class VideoUnavailableError(Exception):
    """Rendering or encoding fails on this machine."""


@contextlib.contextmanager
def file_errors(what: str) -> Iterator[None]:
    """Turn an ``OSError`` inside the block into a :class:`UserError`: ``what``, and the reason."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what}: {error.strerror or error}") from error


def near_names(name: str, valid: Iterable[str]) -> str:
    """Return ``"did you mean 'a' or 'b'?"`` if a valid name is close, otherwise ``"valid: a, b, …"``."""
    choices = sorted(valid)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return "valid: " + (", ".join(choices) or "nothing here")
