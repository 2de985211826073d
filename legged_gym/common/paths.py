"""Files and folders, and the code's own revision."""

from __future__ import annotations

import os
import subprocess
import sys

from legged_gym import IS_CHECKOUT, LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import file_errors


def relative(path: str) -> str:
    """Return a path as seen from the working directory if it lies below it, for messages."""
    seen = os.path.relpath(path)
    return path if seen.startswith(os.pardir) else seen


def python_command() -> str:
    """Return how the user starts this Python, for messages that name a next command."""
    return "python" if os.environ.get("VIRTUAL_ENV") else relative(sys.executable)


def script_command(name: str, python: str | None = None) -> str:
    """Return how the user starts a script from the working directory: ``qmini-play``, or the Python and its file.

    Args:
        name: The script, such as ``play``.
        python: What starts it in place of this Python, such as ``torchrun``.
    """
    if python is None and os.path.basename(sys.argv[0]).startswith("qmini-"):
        return f"qmini-{name.replace('_', '-')}"
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "scripts", f"{name}.py")
    return f"{python or python_command()} {relative(script)}"


def log_folder() -> str:
    """Return where experiments lie by default: ``logs`` in the checkout, or in the working directory if installed."""
    return os.path.join(LEGGED_GYM_ROOT_DIR if IS_CHECKOUT else os.getcwd(), "logs")


def write_text(path: str, text: str) -> None:
    """Write a text file in one go: it is complete or as it was before.

    Raises:
        UserError: The file can't be written.
    """
    with file_errors(f"can't write '{path}'"):
        with open(f"{path}.tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{path}.tmp", path)


def git_revision() -> str:
    """Return the code's commit, with ``-dirty`` added if files were changed since; ``unknown`` outside git."""
    commit = git("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return f"{commit}-dirty" if git("status", "--porcelain", "--untracked-files=no") else commit


def git(*arguments: str) -> str:
    """Return what a git command prints, or nothing where there is no git."""
    if not IS_CHECKOUT:
        return ""
    command = ["git", "-C", LEGGED_GYM_ROOT_DIR, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
