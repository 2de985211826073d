"""Results as a table, as JSON and as a page."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from test_evaluate_metrics import rollout

from legged_gym.common.errors import UserError, VideoUnavailableError
from legged_gym.envs import QminiCfg
from legged_gym.evaluation.metrics import METRICS, measure
from legged_gym.evaluation.report import print_results, svg, write_report
from legged_gym.evaluation.results import EvaluationResult, PolicyResult, as_dict, judge, load_policies, save_json
from legged_gym.evaluation.rollout import Rollout, Stage
from legged_gym.evaluation.samples import Sample, choose_sample
from legged_gym.evaluation.scenarios import select_scenarios

SCENARIOS = select_scenarios("flat,push_0.6,start_stop,stand")


def trials(count: int, fallen: int) -> Rollout:
    """Return trials of which so many ended in a fall."""
    rows = np.full(count, 200)
    rows[:fallen] = 120
    joints = np.zeros((200, count, 10), np.float32)
    changes = {name: joints for name in ("dof_pos", "dof_vel", "torques", "actions")}
    return rollout(steps=200, trials=count, rows=rows, dof_vel_limits=np.full(10, 30.0), **changes)


def evaluation(*names: str) -> tuple[EvaluationResult, list[dict[str, Sample]]]:
    """Return results of policies, each of which fell one time more than the one before it."""
    result = EvaluationResult("qmini", "mujoco", "cpu", 1, 20, None, [], SCENARIOS, finished=True, git_revision="abc")
    samples: list[dict[str, Sample]] = []
    stage = Stage(QminiCfg(), None, list(QminiCfg().init_state.default_joint_angles))
    for index, name in enumerate(names):
        policy = PolicyResult(name, f"{name}.pt", "0123456789ab", 1.25)
        kept = {}
        for scenario in SCENARIOS:
            found = trials(20, index)
            policy.scenarios[scenario.name] = judge(scenario, found)
            kept[scenario.name] = choose_sample(scenario, found, stage)
        result.policies.append(policy)
        samples.append(kept)
    return result, samples


def printed(result: EvaluationResult, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_results(result)
    return capsys.readouterr().out.splitlines()


def test_one_policy_gets_a_row_for_each_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(evaluation("walker")[0], capsys)
    assert lines[0].startswith("walker  (sha256 0123456789ab")
    assert lines[1].split()[:4] == ["falls", ">20°", "vx", "vy"]
    assert lines[2].split()[:3] == ["scenario", "%", "%"]
    assert [line.split()[0] for line in lines[3:]] == ["flat", "push_0.6", "start_stop", "stand"]
    assert lines[3].split()[1] == "0.0"
    assert len({len(line) for line in lines[3:]}) == 1


def test_several_policies_get_columns_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(evaluation("first", "second")[0], capsys)
    assert lines[0].startswith("A  first") and lines[1].startswith("B  second")
    assert lines[2].split()[:4] == ["falls", "A", "falls", "B"]
    assert lines[4].split()[:3] == ["flat", "0.0", "5.0"]


def test_scenarios_that_were_not_finished_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    result, samples = evaluation("first", "second")
    for policy, kept in zip(result.policies, samples, strict=True):
        del policy.scenarios["stand"], kept["stand"]
    del result.policies[1].scenarios["start_stop"]
    text = "\n".join(printed(result, capsys))
    assert "stand" not in text
    assert re.search(r"^start_stop +0\.0 +- +0\.000", text, re.M)
    assert list(as_dict(result)["policies"][1]["results"]) == ["flat", "push_0.6"]


def test_json_holds_what_its_module_promises(tmp_path: Path) -> None:
    save_json(evaluation("first", "second")[0], str(tmp_path / "evaluation.json"))
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert data["format"] == "qmini_evaluation/2"
    assert (data["task"], data["sim"], data["seed"], data["trials"], data["longest"]) == (
        "qmini",
        "mujoco",
        1,
        20,
        None,
    )
    assert data["git_revision"] == "abc" and data["finished"] is True
    assert {"python", "torch", "numpy", "mujoco"} <= data["versions"].keys()
    assert list(data["metrics"]) == [metric.name for metric in METRICS]
    assert data["scenarios"]["push_0.6"]["push"] == 0.6
    second = data["policies"][1]
    assert (second["name"], second["path"], second["digest"]) == ("second", "second.pt", "0123456789ab")
    flat = second["results"]["flat"]
    assert (flat["trials"], flat["falls"], flat["metrics"]["falls"]) == (20, 1, 5.0)
    # Nobody walked.
    assert flat["metrics"]["cost_of_transport"] is None
    assert len(flat["commands"]) == 18
    assert flat["commands"][1] == {"command": [-0.5, 0.0, 0.0], "trials": 2, "falls": 0, "vx": 0.0, "yaw": 0.0}
    assert flat["commands"][0]["falls"] == 1
    assert second["results"]["start_stop"]["commands"][0]["command"][0] == [0.0, [0.6, 0.0, 0.0]]


def test_plans_are_judged_on_their_own_trials() -> None:
    found = trials(36, 0)
    found.lin_vel[:, [5, 23], 0] = 0.55
    plan = judge(SCENARIOS[0], found).plans[5]
    assert plan.trials == 2 and plan.velocity is not None
    assert plan.velocity == pytest.approx((0.55, 0.0))
    assert judge(SCENARIOS[0], trials(18, 18)).plans[0].velocity == pytest.approx((0.0, 0.0))
    early = dataclasses.replace(trials(18, 0), rows=np.full(18, 10))
    assert judge(SCENARIOS[0], early).plans[0].velocity is None


def strip(sample: Sample) -> tuple[list[np.ndarray], list[str]]:
    return [np.full((20, 16, 3), 40 * index, np.uint8) for index in range(3)], ["1 s", "2 s", "3 s"]


def page_of(result: EvaluationResult, samples: list[dict[str, Sample]], tmp_path: Path) -> str:
    write_report(result, samples, str(tmp_path / "report.html"), strip)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report of two policies."""
    return page_of(*evaluation("first", "<second>"), tmp_path_factory.mktemp("report"))


def test_the_page_needs_no_other_file(page: str) -> None:
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "<script" not in page and "@import" not in page and "http" not in re.sub(r"base64,[^\"]+", "", page)
    for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", page):
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (16, 20)
    plots = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    assert len(plots) == 2 + 1 + 1 + 2 * 3
    assert all(b"<svg" in base64.b64decode(plot) for plot in plots)


def test_the_page_shows_every_metric_that_was_measured_and_says_what_it_means(page: str) -> None:
    measured = measure(trials(20, 0))
    # Nobody walked.
    assert np.isnan(measured["cost_of_transport"]) and np.isfinite(measured["estimator_rmse"])
    for metric in METRICS:
        meaning = f'<td class="text">{metric.meaning.replace(chr(39), "&#39;")}</td>'
        assert (meaning in page) == np.isfinite(measured[metric.name])
    for scenario in SCENARIOS:
        assert scenario.title in page
    # The better of two is bold, and falls have colours.
    assert '<td class="good best">0.0</td><td class="fair">5.0</td>' in page
    assert "the first of 1 that fell" in page
    assert "Stopped before its end" not in page


def test_a_stopped_evaluation_is_reported_as_such(tmp_path: Path) -> None:
    result, samples = evaluation("first")
    result.finished = False
    for name in ("push_0.6", "start_stop", "stand"):
        del result.policies[0].scenarios[name], samples[0][name]
    page = page_of(result, samples, tmp_path)
    assert "Stopped before its end" in page
    assert "Standing</h2>" not in page


def test_a_page_without_pictures_where_nothing_can_be_drawn(tmp_path: Path) -> None:
    def fail(sample: Sample) -> None:
        raise VideoUnavailableError("no OpenGL")

    result, samples = evaluation("first")
    write_report(result, samples, str(tmp_path / "report.html"), fail)  # type: ignore[arg-type]
    assert "None: no OpenGL." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_text_is_no_markup(page: str) -> None:
    assert "<second>" not in page
    assert "<title>Evaluation of first, &lt;second&gt;</title>" in page


def test_results_of_an_earlier_evaluation_stand_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_json(evaluation("first", "second")[0], str(tmp_path / "evaluation.json"))
    earlier = load_policies(str(tmp_path / "evaluation.json"), SCENARIOS)
    result, samples = evaluation("now")
    before = result.policies[0].scenarios["flat"]
    assert earlier[0].scenarios["flat"].metrics.keys() == before.metrics.keys()
    result.policies += earlier
    lines = printed(result, capsys)
    assert [line.split()[:2] for line in lines[:3]] == [["A", "now"], ["B", "first"], ["C", "second"]]
    assert "C  second" not in page_of(result, [*samples, {}, {}], tmp_path)
    (tmp_path / "other.json").write_text('{"format": "other"}')
    with pytest.raises(UserError, match="is of format 'other'"):
        load_policies(str(tmp_path / "other.json"), SCENARIOS)
    (tmp_path / "none.json").write_text("[1]")
    with pytest.raises(UserError, match="holds no results of an evaluation"):
        load_policies(str(tmp_path / "none.json"), SCENARIOS)


def test_a_plot_is_the_same_every_time() -> None:
    sources = []
    for _ in range(2):
        figure = Figure()
        figure.subplots().plot([1, 2])
        sources.append(svg(figure).source)
    assert sources[0] == sources[1]


def test_a_report_that_cant_be_written(tmp_path: Path) -> None:
    result, _ = evaluation()
    with pytest.raises(UserError, match="can't write"):
        write_report(result, [], str(tmp_path / "gone" / "x.html"), strip)


def test_numbers_are_shown_to_their_digits() -> None:
    assert METRICS[0].show(5.56) == "5.6"
    assert METRICS[3].show(0.12345) == "0.123"
    assert METRICS[3].show(None) == METRICS[3].show(math.inf) == "-"
