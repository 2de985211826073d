"""The files behind the pins of ``constraints.txt``, by their SHA-256, in ``constraints.lock``.

``lock.py write`` asks the package index for them. ``lock.py check`` looks whether both files pin the same versions and,
with ``--index``, whether the index still serves the same files. They are those for CPython 3.11 on Linux with x86-64.
PyTorch is left out: it comes from one of two indices, which have different builds.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PINS, _LOCK = _ROOT / "constraints.txt", _ROOT / "constraints.lock"
_LEFT_OUT = {"torch"}


def pins() -> dict[str, str]:
    """Return the pinned versions by name."""
    lines = [line for line in _PINS.read_text().splitlines() if line and not line.startswith("#")]
    found = dict(line.split(";")[0].strip().split("==") for line in lines)
    return {_plain(name): version for name, version in found.items() if _plain(name) not in _LEFT_OUT}


def lock() -> dict[str, tuple[str, str]]:
    """Return version and hash by name, as they are written."""
    lines = [line.split() for line in _LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {pin.split("==")[0]: (pin.split("==")[1], digest) for pin, digest in lines}


def index() -> dict[str, tuple[str, str]]:
    """Return version and hash of what pip would install; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in pins().items()))
        command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--no-deps"]
        subprocess.run([*command, "--report", str(report), "-r", str(wanted)], check=True)
        items = json.loads(report.read_text())["install"]
    return {
        _plain(item["metadata"]["name"]): (
            item["metadata"]["version"],
            "sha256:" + item["download_info"]["archive_info"]["hashes"]["sha256"],
        )
        for item in items
    }


def write() -> int:
    """Write the lock."""
    head = "# Written by .ci/lock.py: what constraints.txt pins, for CPython 3.11 on Linux with x86-64.\n"
    _LOCK.write_text(head + "".join(f"{n}=={version} {digest}\n" for n, (version, digest) in sorted(index().items())))
    return 0


def check(with_index: bool) -> int:
    """Compare, and return the exit code."""
    locked = lock()
    versions = {name: version for name, (version, _) in locked.items()}
    wrong = [f"{name}: pinned {pins().get(name)}, locked {versions.get(name)}" for name in _unlike(pins(), versions)]
    if with_index and (sys.version_info[:2], platform.system(), platform.machine()) == ((3, 11), "Linux", "x86_64"):
        served = index()
        wrong += [f"{name}: locked {locked.get(name)}, served {served.get(name)}" for name in _unlike(locked, served)]
    for line in wrong:
        print(f"constraints.lock: {line}", file=sys.stderr)
    if wrong:
        print("after a change of pins: python .ci/lock.py write", file=sys.stderr)
    return 1 if wrong else 0


def _unlike(one: dict[str, object], other: dict[str, object]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(write() if sys.argv[1:] == ["write"] else check("--index" in sys.argv))
