"""The one exception that means: the user can put this right."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class UserError(Exception):
    """A mistake that the user can correct. Scripts print its one line and exit with code 2, without a traceback."""


class TrainingStoppedError(UserError):
    """The training can't go on; what was learned so far is still good."""


class SimulatorLostError(TrainingStoppedError):
    """The simulation can't go on, for a reason outside of this project."""


class VideoUnavailableError(Exception):
    """Drawing or encoding is impossible on this machine."""


@contextlib.contextmanager
def file_errors(what: str) -> Iterator[None]:
    """Make a mistake of the user's of what the operating system refuses inside the block: ``what``, and why."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what}: {error.strerror or error}") from error


def near_names(name: str, valid: Iterable[str]) -> str:
    """Say ``"did you mean 'a' or 'b'?"`` where something valid is close, else ``"valid: a, b, …"``."""
    choices = sorted(valid)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return "valid: " + (", ".join(choices) or "nothing here")
