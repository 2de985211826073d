"""Files and folders, and the code's own revision."""

from __future__ import annotations

import os
import subprocess
import sys

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError


def relative(path: str) -> str:
    """Return a path as seen from the working directory if it lies below it, for messages."""
    seen = os.path.relpath(path)
    return path if seen.startswith(os.pardir) else seen


def python_command() -> str:
    """Return how the user starts this Python, for messages that name a next command."""
    return "python" if os.environ.get("VIRTUAL_ENV") else relative(sys.executable)


def write_text(path: str, text: str) -> None:
    """Write a text file in one go: it is complete or as it was before.

    Raises:
        UserError: The file can't be written.
    """
    try:
        with open(f"{path}.tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.tmp", path)
    except OSError as error:
        raise UserError(f"can't write '{path}': {error.strerror}") from error


def git_revision() -> str:
    """Return the code's commit, with ``-dirty`` added if files were changed since; ``unknown`` outside git."""
    commit = git("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return f"{commit}-dirty" if git("status", "--porcelain", "--untracked-files=no") else commit


def git(*arguments: str) -> str:
    """Return what a git command prints, or nothing where there is no git."""
    command = ["git", "-C", LEGGED_GYM_ROOT_DIR, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
