from __future__ import annotations

from pathlib import Path

import pytest

from legged_gym.runners.runs import shipped_policy
from legged_gym.scripts import speedrun


def test_the_shipped_policy_passes_and_is_told_by_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speedrun, "_TRIALS", 18)
    folder = shipped_policy("qmini")
    assert folder is not None
    passed, shown = speedrun._evaluate("qmini", str(Path(folder, "model.pt")))
    assert passed, shown
    assert shown.startswith("flat falls 0, vx_rmse 0.0") and "push_0.6 falls" in shown
    monkeypatch.setitem(speedrun.LIMITS, "flat", {"falls": 0.0, "vx_rmse": 0.001})
    passed, shown = speedrun._evaluate("qmini", str(Path(folder, "model.pt")))
    assert not passed and "push" not in shown, "pushes are only tried by a policy that walks"


def test_a_training_that_ends_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["speedrun.py", "--set", "algorithm.gamma=nothing"])
    assert speedrun.run_main(speedrun.main) == 2
    assert "algorithm.gamma" in capsys.readouterr().err
