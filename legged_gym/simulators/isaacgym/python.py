"""The user's Python that has Isaac Gym: found, looked at, and what it says put into words that help."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from legged_gym.common.errors import UserError
from legged_gym.simulators.backend import ISAACGYM_PYTHON

_PROBE = (
    "import json, sys, sysconfig; "
    "print(json.dumps([list(sys.version_info[:3]), sys.prefix, sysconfig.get_config_var('LIBDIR')]))"
)
_PROBE_SECONDS = 60.0
_OLDEST, _NEWEST = (3, 6), (3, 8)
"""Versions of Python that Isaac Gym has binaries for."""
_NAME_ONE = f"name its Python with --isaacgym_python=PATH or {ISAACGYM_PYTHON}"
_EXAMPLE = "such as ~/miniconda3/envs/isaacgym/bin/python"
_TAIL = 2000
"""Bytes at the end of its output that are looked at for the last words."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that can be started."""

    path: str
    version: tuple[int, ...]
    prefix: str
    libraries: str
    """Folder of its own shared library, ``libpython3.8.so``; empty if that is where the system looks anyway."""

    def environment(self) -> dict[str, str]:
        """Return the environment to start it in: with its library and its programs (``ninja``) where it finds them."""
        values = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        values["PATH"] = os.pathsep.join((os.path.join(self.prefix, "bin"), values.get("PATH", os.defpath)))
        if self.libraries:
            known = values.get("LD_LIBRARY_PATH")
            values["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, (known, self.libraries)))
        return values

    def describe(self) -> str:
        """Return path and version, for messages."""
        return f"'{self.path}' (Python {'.'.join(map(str, self.version))})"


def find_interpreter() -> Interpreter:
    """Find the Python that the user named, and see that it is one.

    Raises:
        UserError: None was named, or what was named is no Python 3.
    """
    named = os.environ.get(ISAACGYM_PYTHON, "")
    if not named:
        raise UserError(f"--sim=isaacgym needs the Python 3.8 that has NVIDIA's Isaac Gym: {_NAME_ONE}, {_EXAMPLE}")
    path = os.path.expanduser(named)
    if os.path.isdir(path):
        path = os.path.join(path, "bin", "python")
    found = shutil.which(path)
    if found is None:
        reason = "can't be executed" if os.path.exists(path) else "does not exist"
        raise UserError(f"'{path}' {reason}: --isaacgym_python or {ISAACGYM_PYTHON} has to name a Python, {_EXAMPLE}")
    version, prefix, folder = _probe(os.path.abspath(found))
    if tuple(version) < _OLDEST:
        raise UserError(f"'{path}' is Python {'.'.join(map(str, version))}, and Isaac Gym needs 3.8: {_NAME_ONE}")
    return Interpreter(os.path.abspath(found), tuple(version), prefix, _library_folder(folder))


def _probe(path: str) -> tuple[list[int], str, str | None]:
    """Ask a Python for its version, its environment's folder, and its library's."""
    try:
        output = subprocess.run(
            [path, "-c", _PROBE], capture_output=True, text=True, errors="replace", timeout=_PROBE_SECONDS
        )
        version, prefix, folder = json.loads(output.stdout.strip().splitlines()[-1])
    except OSError as error:
        raise UserError(f"'{path}' can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"'{path}' has not answered for {_PROBE_SECONDS:g} s: is it a Python?") from error
    except (ValueError, IndexError, TypeError) as error:
        words = _one_line(output.stderr or output.stdout)
        raise UserError(f"'{path}' does not run as Python does{f': {words}' if words else ''}") from error
    return version, prefix, folder


def _library_folder(folder: str | None) -> str:
    """Return where ``libpython`` lies, unless the system looks there by itself."""
    if not folder or folder.startswith(("/usr/lib", "/lib")):
        return ""
    return folder if any(Path(folder).glob("libpython3*.so*")) else ""


def explain(python: Interpreter, stage: str, failure: dict[str, Any]) -> str:
    """Say in one line what went wrong in Isaac Gym's process, and what to do about it.

    Args:
        python: What ran it.
        stage: ``start``, ``build`` or ``step``.
        failure: What the process told: ``error``, the kind; ``text``; ``name``, of what could not be imported.
    """
    kind, text = str(failure["error"]), _one_line(str(failure["text"]))
    if stage != "start":
        return f"Isaac Gym failed: {text or kind}"
    who, folder = python.describe(), python.prefix
    supported = _OLDEST <= python.version[:2] <= _NEWEST
    if kind == "ModuleNotFoundError" and failure.get("name") == "isaacgym":
        install = f"install it there ('{python.path}' -m pip install -e isaacgym/python) or {_NAME_ONE}"
        return f"no Isaac Gym in {who}: {install if supported else _too_new()}"
    if kind == "ModuleNotFoundError" and failure.get("name") in ("torch", "numpy"):
        return f"no package '{failure['name']}' in {who}, which Isaac Gym needs: '{python.path}' -m pip install torch"
    if "libpython" in text:
        return f"Isaac Gym in {who} misses its Python's library ({text}): LD_LIBRARY_PATH has to name its folder"
    if "imported before isaacgym" in text:
        cause = f"look for a .pth file or a sitecustomize.py in '{folder}' that does"
        return f"{who} imports PyTorch as it starts, and Isaac Gym has to come first: {cause}"
    if "has no attribute" in text and "numpy" in text:
        return f"Isaac Gym does not work with the NumPy of {who} ({text}): '{python.path}' -m pip install 'numpy<1.24'"
    if "inja" in text and "required" in text:
        return f"Isaac Gym in {who} compiles at its first start and needs ninja: '{python.path}' -m pip install ninja"
    if text.startswith("no GPU"):
        return f"Isaac Gym can't use a GPU in {who} ({text}): --sim_device=cpu needs none"
    return f"Isaac Gym can't be imported in {who}: {text or kind}" + ("" if supported else f"; {_too_new()}")


def _too_new() -> str:
    return f"its binaries load in Python 3.6 to 3.8 only: {_NAME_ONE}, {_EXAMPLE}"


def last_words(output: int) -> str:
    """Return the last lines that a process wrote to a file, by its descriptor, joined to one."""
    size = os.fstat(output).st_size
    tail = os.pread(output, _TAIL, max(0, size - _TAIL)).decode(errors="replace")
    lines = [" ".join(line.split()) for line in tail.splitlines() if line.strip()]
    return " | ".join(lines[-3:])


def first_error(output: int) -> str:
    """Return the first line that a process wrote to a file and that speaks of an error; empty if there is none."""
    text = os.pread(output, os.fstat(output).st_size, 0).decode(errors="replace")
    return next((_one_line(line) for line in text.splitlines() if "error" in line.lower()), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
