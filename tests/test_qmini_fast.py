"""The training for a processor makes a policy for the same robot, and goes on in the whole task's scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_distillation import only_run, run

from legged_gym.envs import task_registry
from legged_gym.evaluation import evaluator
from legged_gym.policies.contract import trained_contract
from legged_gym.policies.finder import Policy, load_policy
from legged_gym.scripts import speedrun

SMALL = ("--headless", "--num_envs=8", "--set=runner.num_steps_per_env=4")


def test_the_robot_can_not_tell_the_policies_apart() -> None:
    quick, whole = (task_registry.get_cfgs(task)[0] for task in ("qmini_fast", "qmini"))
    assert quick.sim.dt * quick.control.decimation == pytest.approx(whole.sim.dt * whole.control.decimation)
    quick.sim.dt, quick.control.decimation = whole.sim.dt, whole.control.decimation
    assert trained_contract(quick.to_dict()) == trained_contract(whole.to_dict())


def test_it_goes_on_in_the_whole_scene(tmp_path: Path) -> None:
    logs = f"--log_root={tmp_path}"
    run("train", "--task=qmini_fast", *SMALL, "--max_iterations=1", logs)
    folder = only_run(tmp_path / "qmini_fast")
    scene = {
        "terrain.mesh_type": "heightfield", "terrain.num_rows": 2, "terrain.num_cols": 5, "terrain.border_size": 5,
        "terrain.measure_heights": True, "sim.dt": 0.005, "control.decimation": 4,
        "domain_rand.action_delay_range": "[0,0.02]", "domain_rand.observation_delay_range": "[0,0.02]",
    }  # fmt: skip
    told = run("train", "--task=qmini_fast", "--headless", "--resume", "--max_iterations=2", logs,
               *(f"--set={key}={value}" for key, value in scene.items()))  # fmt: skip
    assert "trained 1 iterations" in told or "iteration 2/2" in told
    policy = load_policy(str(folder / "model_1.pt"))
    assert (policy.num_observations, policy.num_actions) == (215, 10)


def test_it_is_judged_by_the_physics_of_the_whole_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("train", "--task=qmini_fast", *SMALL, "--max_iterations=1", f"--log_root={tmp_path}")
    (checkpoint,) = tmp_path.glob("*/*/model_0.pt")
    steps, whole = [], evaluator.evaluate_batch

    def note(policy: Policy, *others: Any) -> Any:
        steps.append((policy.contract["sim"]["dt"], policy.contract["control"]["decimation"]))
        return whole(policy, *others)

    monkeypatch.setattr(evaluator, "evaluate_batch", note)
    passed, shown = speedrun._evaluate("qmini", str(checkpoint), 2)
    assert not passed and shown.startswith("flat falls")
    assert steps == [(0.005, 4)]


@pytest.mark.parametrize(("device", "recipe"), [("cpu", "qmini_fast"), ("cuda", "qmini_fast_gpu")])
def test_speedrun_takes_the_quick_one_of_the_device(monkeypatch: pytest.MonkeyPatch, device: str, recipe: str) -> None:
    asked: list[str] = []

    def note(args: object, seed: int) -> speedrun.Outcome:
        asked.extend(speedrun._command(args, seed, "logs"))  # type: ignore[arg-type]
        return speedrun.Outcome(seed, False, 0.0, 0, 0, "")

    monkeypatch.setattr(speedrun, "learning_device", lambda _: device)
    monkeypatch.setattr(speedrun, "_run", note)
    monkeypatch.setattr(speedrun, "_show", lambda args, outcomes: None)
    monkeypatch.setattr("sys.argv", ["speedrun.py"])
    speedrun.main()
    assert f"--task={recipe}" in asked
    monkeypatch.setattr("sys.argv", ["speedrun.py", "--recipe=go2"])
    asked.clear()
    speedrun.main()
    assert "--task=go2" in asked
