"""Margins: found by bisection against a made-up share of falls, and for real on a small evaluation."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from legged_gym.cli.arguments import run_main
from legged_gym.common.errors import UserError
from legged_gym.envs import Qmini, QminiCfg
from legged_gym.evaluation import margins
from legged_gym.evaluation.evaluator import EvaluationSettings, evaluation_config
from legged_gym.evaluation.margins import (
    AXES,
    Margin,
    Margins,
    bounds,
    find_margins,
    radar,
    read_lows,
    save,
    shrunk,
    table,
)
from legged_gym.evaluation.scenarios import Scenario
from legged_gym.evaluation.task import evaluation_class
from legged_gym.evaluation.terrain import TERRAINS, steepness
from legged_gym.evaluation.trials import StartNoise, draw_trials
from legged_gym.policies.finder import Policy, find_policy, load_policy
from legged_gym.scripts import evaluate

TRIALS = 72


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(find_policy("shipped", "qmini", "nowhere"), "cpu")


def test_intervals_are_exact() -> None:
    assert bounds(0, 72)[0] == 0.0 and bounds(0, 72)[1] == pytest.approx(1.0 - 0.025 ** (1 / 72))
    assert bounds(72, 72)[1] == 1.0
    low, high = bounds(7, 50)
    tail = sum(math.comb(50, k) * low**k * (1 - low) ** (50 - k) for k in range(7, 51))
    assert tail == pytest.approx(0.025) and low < 0.14 < high


@pytest.mark.parametrize("edge", [0.3, 1.1, 2.6])
def test_bisection_finds_the_edge(edge: float) -> None:
    """Falls rise steeply at the edge."""
    margin = Margin(AXES[0])
    for number in range(margins._ROUNDS + margins._END_ROUNDS):
        for size in margins._next_sizes(margin, number >= margins._ROUNDS):
            share = 1.0 / (1.0 + math.exp(-(size - edge) / 0.02)) if size else 0.0
            margin.tested[size] = (round(share * TRIALS), TRIALS)
    true = edge - 0.02 * math.log(19.0)
    assert abs(margin.value - true) < 0.06
    assert margin.low <= true <= margin.high and margin.high - margin.low < 0.5


def test_a_margin_that_surely_shrank_is_told(tmp_path: Path) -> None:
    def found(edge: float) -> Margins:
        tested = {size: ((0, 72) if size < edge else (60, 72)) for size in np.linspace(0.0, 3.0, 13).tolist()}
        return Margins("p", "0", 72, [Margin(AXES[0], tested)])

    path = str(tmp_path / "margins.json")
    save(found(1.6), path)
    lows = read_lows(path)
    assert shrunk(found(1.6), lows) == [] and shrunk(found(2.0), lows) == []
    assert "push every 2 s: now" in shrunk(found(0.8), lows)[0]
    with pytest.raises(UserError, match="no margins to compare with"):
        read_lows(__file__)


def test_a_policy_bears_something(policy: Policy, tmp_path: Path) -> None:
    settings = EvaluationSettings(trials=3, longest=1.5)
    found = find_margins(policy, settings, ["push", "payload"], lambda line: None)
    assert [margin.axis.name for margin in found.margins] == ["push", "payload"]
    assert all(margin.tested[0.0][0] == 0 for margin in found.margins)
    push = found.margins[0]
    assert 0.2 < push.value <= 3.0 and set(found.worst) == {"push", "payload"}
    assert "payload, kg" in table(found)
    save(found, str(tmp_path / "margins.json"))
    radar(found, str(tmp_path / "margins.png"))
    assert json.loads((tmp_path / "margins.json").read_text())["axes"]["push"]["value"] == push.value
    assert (tmp_path / "margins.png").stat().st_size > 10_000


def test_steps_and_slopes_are_as_high_as_wanted() -> None:
    def height(name: str) -> float:
        return float(np.ptp(TERRAINS[name](np.random.default_rng(0), (161, 161))))

    before = height("stairs_up"), height("slope_up")
    with steepness(step=0.06, slope=0.2):
        assert height("stairs_up") == pytest.approx(3.0 * before[0], rel=1e-3)
        assert height("slope_up") == pytest.approx(before[1] * math.tan(0.2) / math.tan(0.1), rel=1e-3)
    assert (height("stairs_up"), height("slope_up")) == before


def test_a_tilted_imu_turns_what_the_policy_feels(policy: Policy) -> None:
    cfg: QminiCfg = evaluation_config("qmini", policy, 4, on_plane=True)
    cfg.noise.noise_level = 0.0
    env = evaluation_class(Qmini)(cfg, seed=1)
    start = StartNoise(np.zeros(10, np.float32), 0.0, 0.0)
    scenario = Scenario("tilted", "", (((0.0, (0.0, 0.0, 0.0)),),), seconds=1.0, imu_tilt=0.1)
    env.begin([draw_trials(dataclasses.replace(scenario, noise=0.0), 4, 1, env.dt, 1.0, start)])
    gravity = env.get_observations()["policy"][:, 3:6]
    angles = torch.arccos((-gravity[:, 2]).clamp(max=1.0))
    torch.testing.assert_close(angles, torch.full((4,), 0.1), atol=2e-3, rtol=0)
    assert len(torch.unique((1e3 * gravity[:, 0]).round())) == 4, "each trial's IMU leans another way"
    env.close()


def test_the_command_needs_margins_for_a_baseline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    call: Callable[[], None] = evaluate.main
    monkeypatch.setattr("sys.argv", ["evaluate.py", "--baseline", "x.json"])
    assert run_main(call) == 2 and "--baseline needs --margins" in capsys.readouterr().err


@pytest.mark.parametrize(("borne", "code"), [(0.3, 0), (2.9, 1)])
def test_the_command_fails_if_a_margin_shrank(
    borne: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """An earlier policy surely bore pushes of so many m/s; five trials of the shipped one surely fall before 2.9."""
    path = tmp_path / "earlier.json"
    tested = {size: ((0, 72) if size <= borne else (60, 72)) for size in (0.0, borne, 3.0)}
    save(Margins("earlier", "0", 72, [Margin(AXES[0], tested)]), str(path))
    arguments = ["shipped", "--margins", "--axes", "push", "--trials", "5", "--quick", "--baseline", str(path)]
    monkeypatch.setattr("sys.argv", ["evaluate.py", *arguments, "--out", str(tmp_path / "out")])
    if code:
        with pytest.raises(SystemExit) as ended:
            evaluate.main()
        assert ended.value.code == code
    else:
        evaluate.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shrunk")]
    assert len(lines) == code and all("push every 2 s: now" in line for line in lines)
