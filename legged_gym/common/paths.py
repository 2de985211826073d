"""Files, folders, and the revision of the code."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator

from legged_gym import IS_CHECKOUT, LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError, file_errors


def relative(path: str) -> str:
    """Return a path for messages: relative to the working directory if it lies below it."""
    seen = os.path.relpath(path)
    return path if seen.startswith(os.pardir) else seen


def python_command() -> str:
    """Return the command that starts this Python, for messages that suggest a next command."""
    return "python" if os.environ.get("VIRTUAL_ENV") else shlex.quote(relative(sys.executable))


def script_command(name: str, python: str | None = None) -> str:
    """Return the command that starts a script from the working directory: ``qmini-play``, or Python and the file.

    Args:
        name: Name of the script, such as ``play``.
        python: A program that starts it instead of this Python, such as ``torchrun``.
    """
    if python is None and os.path.basename(sys.argv[0]).startswith("qmini-"):
        return f"qmini-{name.replace('_', '-')}"
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "scripts", f"{name}.py")
    return f"{python or python_command()} {shlex.quote(relative(script))}"


def log_folder() -> str:
    """Return the default folder of experiments: ``logs`` in the checkout or, if installed, in the working directory."""
    return os.path.join(LEGGED_GYM_ROOT_DIR if IS_CHECKOUT else os.getcwd(), "logs")


def plain_file(path: str | os.PathLike[str]) -> str:
    """Return a path as text. Pipes and devices are refused, because reading them may never end.

    Raises:
        OSError: It is a pipe or a device, or it does not exist.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
    return os.fspath(path)


def check_writable(path: str) -> None:
    """Check early whether a file can be written.

    Raises:
        UserError: Its folder is missing or not writable, it exists and is not a file, or its name is not allowed.
    """
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise UserError(f"can't write '{path}': no writable folder '{folder}'")
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"can't write '{path}': a folder or a device has that name")
    for name in (path, _part(path)):
        with file_errors(f"can't write '{path}'"), contextlib.suppress(FileNotFoundError):
            os.stat(name)


def _part(path: str) -> str:
    """Return the temporary path of a file that is being written. It keeps the file's ending, also behind a link."""
    ending = os.path.splitext(path)[1]
    return f"{os.path.realpath(path).removesuffix(ending)}.{os.getpid()}.part{ending}"


@contextlib.contextmanager
def written(path: str) -> Iterator[str]:
    """Yield the path to write to. After an error the old file is unchanged. A failed write is a ``UserError``."""
    check_writable(path)
    part = _part(path)
    try:
        with file_errors(f"can't write '{path}'"):
            yield part
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            os.replace(part, os.path.realpath(path))
    finally:
        with contextlib.suppress(OSError):
            os.remove(part)


def write_text(path: str, text: str) -> None:
    """Write a text file as :func:`written` does."""
    with written(path) as part, open(part, "w", encoding="utf-8") as file:
        file.write(text)


def git_revision() -> str:
    """Return the code's commit, with ``-dirty`` added if files were changed since; ``unknown`` outside git."""
    commit = git("rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return f"{commit}-dirty" if git("status", "--porcelain", "--untracked-files=no") else commit


def git(*arguments: str) -> str:
    """Return the output of a git command, or an empty text if git is missing."""
    if not IS_CHECKOUT:
        return ""
    command = ["git", "-C", LEGGED_GYM_ROOT_DIR, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
