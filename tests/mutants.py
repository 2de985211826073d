"""Faults of a line, made one at a time in a copy of the code: each has to make its tests fail.

``python tests/mutants.py [--only PART] [--list]``; ``make mutants`` makes all of ``data/mutants.yaml``. The exit code
is 1 if one survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parent.parent
_TABLE = Path(__file__).parent / "data" / "mutants.yaml"
_LIMIT = 300
"""Seconds that a fault's tests may take: one that hangs is noticed, too."""


@dataclass(frozen=True)
class Mutant:
    """A fault."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str
    """Arguments of pytest."""

    def make(self, root: Path) -> str:
        """Make the fault below ``root`` and return the file's text from before.

        Raises:
            ValueError: The right line isn't there exactly once.
        """
        path = root / "legged_gym" / self.file
        text = path.read_text()
        if text.count(self.right) != 1:
            raise ValueError(f"{self.name}: {self.file} has {text.count(self.right)} times: {self.right!r}")
        path.write_text(text.replace(self.right, self.wrong))
        return text


def run_tests(root: Path, tests: str) -> bool:
    """Return whether the tests pass, run on the code below ``root``."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests.split()]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return False
    # 1: a test failed; 2: pytest stopped at the first failure, or could not import what was broken.
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(f"pytest could not run '{tests}': {(done.stdout + done.stderr).decode()[-2000:]}")
    return done.returncode == 0


def main() -> int:
    """Read the command line, make the faults and tell which survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="PART", help="faults whose name or file contains this")
    parser.add_argument("--list", action="store_true", help="only look whether every fault can be made")
    args = parser.parse_args()
    mutants = [
        mutant
        for mutant in (Mutant(**row) for row in yaml.safe_load(_TABLE.read_text()))
        if args.only in f"{mutant.name} {mutant.file}"
    ]
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("legged_gym", "tests", "resources"):
            shutil.copytree(_ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "logs"))
        for name in ("pyproject.toml", "setup.py", "README.md"):
            shutil.copy(_ROOT / name, root / name)
        for number, mutant in enumerate(mutants, 1):
            before = mutant.make(root)
            killed = args.list or not run_tests(root, mutant.tests)
            (root / "legged_gym" / mutant.file).write_text(before)
            print(f"{number:3}/{len(mutants)}  {'killed  ' if killed else 'SURVIVED'}  {mutant.name}", flush=True)
            survivors += [] if killed else [mutant.name]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} faults {'can be made' if args.list else 'were noticed'}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
