"""One Go2, from a log of its stand to a policy that was trained for it, by the guide's commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from legged_gym.cli.arguments import run_main
from legged_gym.scripts import check_log, evaluate, excite, identify, sim2sim, train
from legged_gym.this_robot.robot_file import ThisRobot, read_robot, write_robot
from legged_gym.this_robot.stand import Stand

STRENGTH, DELAY = 0.85, 0.004


def test_a_go2_is_logged_checked_identified_trained_for_and_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    hidden, found, log = (str(tmp_path / name) for name in ("hidden.yaml", "my_robot.yaml", "upright.npz"))
    joints = {name: {"strength": (STRENGTH,) * 3} for name in Stand("go2").joint_names}
    write_robot(ThisRobot("go2", joints, delay=(DELAY,) * 3), hidden)  # type: ignore[arg-type]

    def run(script: object, *arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["script.py", "--task=go2", *arguments])
        assert run_main(script.main) == 0, capsys.readouterr()  # type: ignore[attr-defined]
        return capsys.readouterr().out

    monkeypatch.chdir(tmp_path)
    run(excite, "--seconds=8", f"--robot={hidden}", f"--log={log}", "--rate=250")
    assert "0 of 27 checks failed" in run(check_log, log)
    run(identify, log, f"--out={found}", "--workers=1")
    robot = read_robot(found, "go2")
    assert robot.delay is not None and robot.delay[1] == pytest.approx(DELAY, abs=5e-4)
    for values in robot.joints.values():
        low, likeliest, high = values["strength"]
        assert low < STRENGTH < high and likeliest == pytest.approx(STRENGTH, abs=0.05)

    few = ("--num_envs=4", "--set=terrain.mesh_type=plane", "--set=algorithm.num_learning_epochs=1")
    run(train, f"--robot={found}", "--headless", "--max_iterations=2", f"--log_root={tmp_path}", *few)
    (config,) = tmp_path.rglob("config.yaml")
    assert str(round(robot.joints["FL_calf_joint"]["strength"][0], 3)) in config.read_text(encoding="utf-8")
    told = run(evaluate, "shipped", f"--robot={found}", "--trials=2", "--quick", "--scenarios=this_robot",
               f"--out={tmp_path / 'evaluation'}")  # fmt: skip
    assert "this_robot" in told
    run(sim2sim, "--policy=shipped", f"--robot={found}", "--vx=0.4", "--seconds=2", f"--log={tmp_path / 'walk.npz'}",
        f"--out={tmp_path / 'sim2sim'}")  # fmt: skip
    with np.load(tmp_path / "walk.npz") as walk:
        assert np.isfinite(walk["position"]).all() and len(walk["time"]) == 100
    assert "checks failed" in run(check_log, str(tmp_path / "walk.npz"), "--standing", "--policy=shipped")
