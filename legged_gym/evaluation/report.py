"""The evaluation as one HTML page that needs nothing beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from legged_gym.evaluation import charts
from legged_gym.evaluation.film import film_strip
from legged_gym.evaluation.html import Cell, Page
from legged_gym.evaluation.metrics import METRIC, METRICS, Metric
from legged_gym.evaluation.results import EvaluationResult, PolicyResult, versions
from legged_gym.evaluation.samples import Sample
from legged_gym.evaluation.scenarios import Scenario
from legged_gym.evaluation.table import COLUMNS, COMPARED, LETTERS
from legged_gym.render.video import VideoUnavailableError

_PLOTTED = ("flat", "push_0.6", "start_stop", "drive")
"""Scenarios whose samples are plotted over time."""

_FILMED = ("flat", "rough_4cm", "stairs_2cm", "start_stop", "drive")
"""Scenarios with a film strip even if nobody fell."""

_MOST_FALLS_SHOWN = 4
"""Film strips of falls in other scenarios, for each policy."""

_HIGHER_IS_BETTER = ("contact_accuracy",)
_NO_RANKING = ("vx_bias", "yaw_bias")


def write_report(result: EvaluationResult, samples: Sequence[dict[str, Sample]], path: str) -> None:
    """Write the report.

    Args:
        result: What was found; scenarios that were not finished are left out.
        samples: Samples of each policy by scenario.
        path: The HTML file.

    Raises:
        UserError: The file can't be written.
    """
    page = Page("Evaluation of " + ", ".join(policy.name for policy in result.policies))
    _introduce(page, result)
    if any(policy.scenarios for policy in result.policies):
        _overview(page, result)
        _plots(page, result, samples)
        _film_strips(page, result, samples)
        _all_figures(page, result)
    _explain(page, result)
    page.write(path)


def _introduce(page: Page, result: EvaluationResult) -> None:
    stopped = "" if result.finished else " Stopped before its end."
    page.text(
        f"Task {result.task} on {result.sim} ({result.device}), usually {result.trials} trials a scenario, seed "
        f"{result.seed}, {result.created}.{stopped}"
    )
    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    changes = f" Changed: {', '.join(result.overrides)}." if result.overrides else ""
    page.text(f"Code {result.git_revision}; {used}.{changes}", faint=True)
    page.table(
        ["", "policy", "file", "sha256", ("took", "s")],
        [
            [letter, Cell(policy.name, "text"), Cell(policy.path, "text"), policy.digest, f"{policy.seconds:.0f}"]
            for letter, policy in zip(LETTERS, result.policies, strict=False)
        ],
    )


def _finished(result: EvaluationResult) -> list[str]:
    return [
        scenario.name
        for scenario in result.scenarios
        if any(scenario.name in policy.scenarios for policy in result.policies)
    ]


def _overview(page: Page, result: EvaluationResult) -> None:
    """Add the main table: a row for each scenario, and columns for each policy if there are several."""
    page.heading("Overview")
    several = len(result.policies) > 1
    names = COMPARED if several else COLUMNS
    head: list[str | tuple[str, str]] = ["scenario"]
    head += [
        (f"{METRIC[name].title} {LETTERS[index] if several else ''}", METRIC[name].unit)
        for name in names
        for index in range(len(result.policies))
    ]
    rows: list[list[str | Cell]] = [
        [scenario, *(cell for name in names for cell in _cells(result.policies, scenario, METRIC[name]))]
        for scenario in _finished(result)
    ]
    page.table(head, rows, "Velocities and the estimator's errors are root mean squares. Definitions are below.")


def _cells(policies: Sequence[PolicyResult], scenario: str, metric: Metric) -> list[Cell]:
    """Return a metric's cells, one for each policy, the best in bold, falls in colour."""
    values = [
        policy.scenarios[scenario].metrics[metric.name] if scenario in policy.scenarios else np.nan
        for policy in policies
    ]
    # As far as one can see: nobody is better by what is not shown.
    seen = [round(value, metric.digits) for value in values]
    sign = -1.0 if metric.name in _HIGHER_IS_BETTER else 1.0
    ranked = len({value for value in seen if not np.isnan(value)}) > 1 and metric.name not in _NO_RANKING
    best = np.nanmin(sign * np.array(seen)) if ranked else np.nan
    return [
        Cell(metric.show(value), f"{_tone(metric.name, value)} {'best' if sign * rounded == best else ''}".strip())
        for value, rounded in zip(values, seen, strict=True)
    ]


def _tone(name: str, value: float) -> str:
    if name not in ("falls", "cut_out_trials") or np.isnan(value):
        return ""
    return "good" if value == 0.0 else "fair" if value <= 5.0 else "bad"


def _plots(page: Page, result: EvaluationResult, samples: Sequence[dict[str, Sample]]) -> None:
    policies, scenarios = result.policies, _finished(result)
    page.heading("Scenarios beside each other")
    page.figure(charts.bars(policies, scenarios, ("falls", "vx_rmse", "yaw_rmse", "estimator_rmse")))
    page.figure(charts.bars(policies, scenarios, ("torque", "cost_of_transport", "action_change", "foot_slip")))
    complete = [policy for policy in policies if "flat" in policy.scenarios]
    if complete:
        page.heading("Answers to commands")
        page.figure(charts.answers(complete, "flat"), "Scenario flat: mean velocity of each command's trials.")
    standing = [(p.name, kept["stand"]) for p, kept in zip(policies, samples, strict=True) if "stand" in kept]
    if standing:
        page.heading("Standing")
        page.figure(charts.standing_path(standing))
    page.heading("Single trials over time")
    for policy, kept in zip(policies, samples, strict=True):
        for name in _PLOTTED:
            if name in kept:
                page.figure(charts.velocities(kept[name]), _sample_caption(policy, kept[name]))


def _film_strips(page: Page, result: EvaluationResult, samples: Sequence[dict[str, Sample]]) -> None:
    page.heading("Film strips")
    try:
        for policy, kept in zip(result.policies, samples, strict=True):
            for sample in _filmed(kept):
                frames, labels = film_strip(sample)
                page.film_strip(frames, labels, _sample_caption(policy, sample))
    except VideoUnavailableError as error:
        page.text(f"None: {error}.")


def _filmed(kept: dict[str, Sample]) -> list[Sample]:
    always = [kept[name] for name in _FILMED if name in kept]
    falls = [sample for name, sample in kept.items() if sample.fell and name not in _FILMED]
    return always + falls[:_MOST_FALLS_SHOWN]


def _sample_caption(policy: PolicyResult, sample: Sample) -> str:
    falls = f", the first of {policy.scenarios[sample.scenario.name].falls} that fell" if sample.fell else ""
    return f"{policy.name}: {sample.scenario.title} (scenario {sample.scenario.name}, trial {sample.trial}{falls})"


def _all_figures(page: Page, result: EvaluationResult) -> None:
    page.heading("All figures")
    several = len(result.policies) > 1
    head: list[str | tuple[str, str]] = ["scenario", *(["policy"] if several else []), "trials"]
    head += [(metric.title, metric.unit) for metric in METRICS]
    rows: list[list[str | Cell]] = []
    groups = []
    for scenario in _finished(result):
        groups.append(len(rows))
        cells = [_cells(result.policies, scenario, metric) for metric in METRICS]
        for index, policy in enumerate(result.policies):
            if scenario in policy.scenarios:
                letter = [LETTERS[index]] if several else []
                trials = str(policy.scenarios[scenario].trials)
                rows.append([scenario, *letter, trials, *(column[index] for column in cells)])
    page.table(head, rows, groups=groups if several else ())


def _explain(page: Page, result: EvaluationResult) -> None:
    page.heading("What is asked")
    page.text(
        "Unless stated otherwise a trial is 10 s on a plane with friction 1, under one of 18 commands (standing, "
        "straight, turning, both), with the task's sensor noise. Nothing else is random but the start: joints, base "
        "velocity and tilt differ by up to half of what they do in training. Trials depend on the scenario and the "
        "seed alone, so every policy meets the same ones."
    )
    page.table(["scenario", "what", "conditions"], [_conditions(scenario) for scenario in result.scenarios])
    page.heading("What is measured")
    page.text(
        "Over all rows before a fall and one second after the start and after each new command, unless stated "
        "otherwise."
    )
    page.table(
        ["name", "head", "unit", "meaning"],
        [[m.name, Cell(m.title, "text"), m.unit, Cell(m.meaning, "text")] for m in METRICS],
    )


def _conditions(scenario: Scenario) -> list[str | Cell]:
    usual = Scenario("", "", ())
    changed = [
        f"{field.name} {_show(getattr(scenario, field.name))}"
        for field in dataclasses.fields(scenario)
        if field.name not in ("name", "title", "plans") and getattr(scenario, field.name) != getattr(usual, field.name)
    ]
    return [scenario.name, Cell(scenario.title, "text"), Cell(", ".join(changed), "text")]


def _show(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    between = " and " if isinstance(value[0], str) else " to "
    return between.join(dict.fromkeys(map(str, value)))
