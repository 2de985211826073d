"""Every example runs, as a user runs it, from a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from legged_gym import LEGGED_GYM_ROOT_DIR

EXAMPLES = Path(LEGGED_GYM_ROOT_DIR, "examples")
EXPECTED = {
    "random_actions.py": ([], "observations (16, 215)"),
    "drive_policy.py": ([], " falls"),
    "own_reward.py": (["1"], "soft_landing"),
    "own_robot.py": (["1"], "12 joints: FL_hip_joint"),
    "compare_policies.py": (["shipped"], "forward velocity error 0."),
    "run_without_pytorch.py": ([], "contacts [0. 0.]"),
}


def test_every_example_is_tried() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_it_runs(name: str, tmp_path: Path) -> None:
    arguments, expected = EXPECTED[name]
    code = f"import sys, legged_gym.common.paths as paths; paths.log_folder = lambda: {str(tmp_path / 'logs')!r}"
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    if name.startswith("own_"):
        # Runs belong into the test's folder, not into the checkout's logs.
        run = f"{code}; import runpy; sys.argv = {command[1:]!r}; import legged_gym.runners.runs as runs; "
        run += "runs.log_folder = paths.log_folder; runpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-c", run]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERATIONS", "2")
    notebook = nbformat.read(EXAMPLES / "train.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "of 100 steps without a fall" in said
    assert list(tmp_path.glob("logs/notebook/*/model_1.pt"))
