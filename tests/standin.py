"""Running scripts under the stand-in of Isaac Gym, which PyTorch must not precede."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STANDIN = HERE / "isaacgym_standin"


def run(*arguments: str, timeout: float = 120.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the stand-in as ``isaacgym``; ``environment`` is added to this process's."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env={**os.environ, "PYTHONPATH": f"{STANDIN}:{HERE}", "OMP_NUM_THREADS": "1", **environment},
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


def measure(script: str, *arguments: str, **environment: str) -> Any:
    """Run one of the tests' scripts and return what its last line holds, as JSON."""
    done = run(str(HERE / script), *arguments, **environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
