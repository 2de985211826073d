from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from legged_gym.runners.runs import shipped_policy
from legged_gym.scripts import speedrun

TRIALS = 18
SHIPPED = str(shipped_policy("qmini"))


def test_the_shipped_policy_passes_where_processes_evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speedrun, "_TRIALS", TRIALS)
    run = tmp_path / "qmini" / "run"
    shutil.copytree(SHIPPED, run)
    (run / "model.pt").rename(run / "model_4.pt")
    args = argparse.Namespace(task="qmini", recipe="qmini", minutes=5.0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as training:
        with speedrun._judges(1) as judges:
            outcome = speedrun._watch(args, 3, str(tmp_path), training, judges, 1, time.perf_counter())
        training.kill()
    assert outcome.passed and (outcome.seed, outcome.iterations) == (3, 5), outcome
    assert outcome.samples > 0 and outcome.metrics.startswith("flat falls 0, vx_rmse 0.0")
    assert "; push_0.6 falls" in outcome.metrics
    # Others judge by the same numbers, all scenarios side by side.
    monkeypatch.setitem(speedrun.LIMITS, "flat", {**speedrun.LIMITS["flat"], "vx_rmse": 0.001})
    for judges_at_once in (1, 2):
        passed, shown = speedrun._evaluate("qmini", f"{SHIPPED}/model.pt", TRIALS, judges_at_once)
        assert not passed and shown == outcome.metrics.partition(";")[0], "pushes are only told of a policy that walks"


def test_a_training_that_ends_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["speedrun.py", "--set", "algorithm.gamma=nothing"])
    assert speedrun.run_main(speedrun.main) == 2
    assert "algorithm.gamma" in capsys.readouterr().err
