"""The exam as one HTML page that needs nothing beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from legged_gym.evaluation import figures
from legged_gym.evaluation.film import film_strip
from legged_gym.evaluation.html import Cell, Page
from legged_gym.evaluation.metrics import METRIC, METRICS, Metric
from legged_gym.evaluation.results import ExamResult, PolicyResult, versions
from legged_gym.evaluation.samples import Sample
from legged_gym.evaluation.suites import Suite
from legged_gym.evaluation.table import COLUMNS, COMPARED, LETTERS
from legged_gym.render.video import VideoUnavailableError

_PLOTTED = ("flat", "push_0.6", "start_stop", "drive")
"""Suites whose samples are plotted over time."""

_FILMED = ("flat", "rough_4cm", "stairs_2cm", "start_stop", "drive")
"""Suites with a film strip even if nobody fell."""

_MOST_FALLS_SHOWN = 4
"""Film strips of falls in other suites, for each policy."""

_HIGHER_IS_BETTER = ("contact_accuracy",)
_NO_RANKING = ("vx_bias", "yaw_bias")


def write_report(result: ExamResult, samples: Sequence[dict[str, Sample]], path: str) -> None:
    """Write the report.

    Args:
        result: What was found; suites that were not finished are left out.
        samples: Samples of each policy by suite.
        path: The HTML file.

    Raises:
        UserError: The file can't be written.
    """
    page = Page("Exam of " + ", ".join(policy.name for policy in result.policies))
    _introduce(page, result)
    if any(policy.suites for policy in result.policies):
        _overview(page, result)
        _plots(page, result, samples)
        _film_strips(page, result, samples)
        _all_figures(page, result)
    _explain(page, result)
    page.write(path)


def _introduce(page: Page, result: ExamResult) -> None:
    stopped = "" if result.finished else " Stopped before its end."
    page.text(
        f"Task {result.task} on {result.sim} ({result.device}), usually {result.trials} trials a suite, seed "
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


def _finished(result: ExamResult) -> list[str]:
    return [suite.name for suite in result.suites if any(suite.name in policy.suites for policy in result.policies)]


def _overview(page: Page, result: ExamResult) -> None:
    """Add the main table: a row for each suite, and columns for each policy if there are several."""
    page.heading("Overview")
    several = len(result.policies) > 1
    names = COMPARED if several else COLUMNS
    head: list[str | tuple[str, str]] = ["suite"]
    head += [
        (f"{METRIC[name].title} {LETTERS[index] if several else ''}", METRIC[name].unit)
        for name in names
        for index in range(len(result.policies))
    ]
    rows: list[list[str | Cell]] = [
        [suite, *(cell for name in names for cell in _cells(result.policies, suite, METRIC[name]))]
        for suite in _finished(result)
    ]
    page.table(head, rows, "Velocities and the estimator's errors are root mean squares. Definitions are below.")


def _cells(policies: Sequence[PolicyResult], suite: str, metric: Metric) -> list[Cell]:
    """Return a metric's cells, one for each policy, the best in bold, falls in colour."""
    values = [policy.suites[suite].metrics[metric.name] if suite in policy.suites else np.nan for policy in policies]
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


def _plots(page: Page, result: ExamResult, samples: Sequence[dict[str, Sample]]) -> None:
    policies, suites = result.policies, _finished(result)
    page.heading("Suites beside each other")
    page.figure(figures.bars(policies, suites, ("falls", "vx_rmse", "yaw_rmse", "estimator_rmse")))
    page.figure(figures.bars(policies, suites, ("torque", "cost_of_transport", "action_change", "foot_slip")))
    complete = [policy for policy in policies if "flat" in policy.suites]
    if complete:
        page.heading("Answers to commands")
        page.figure(figures.answers(complete, "flat"), "Suite flat: mean velocity of each command's trials.")
    standing = [(p.name, kept["stand"]) for p, kept in zip(policies, samples, strict=True) if "stand" in kept]
    if standing:
        page.heading("Standing")
        page.figure(figures.standing_path(standing))
    page.heading("Single trials over time")
    for policy, kept in zip(policies, samples, strict=True):
        for name in _PLOTTED:
            if name in kept:
                page.figure(figures.velocities(kept[name]), _sample_caption(policy, kept[name]))


def _film_strips(page: Page, result: ExamResult, samples: Sequence[dict[str, Sample]]) -> None:
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
    falls = f", the first of {policy.suites[sample.suite.name].falls} that fell" if sample.fell else ""
    return f"{policy.name}: {sample.suite.title} (suite {sample.suite.name}, trial {sample.trial}{falls})"


def _all_figures(page: Page, result: ExamResult) -> None:
    page.heading("All figures")
    several = len(result.policies) > 1
    head: list[str | tuple[str, str]] = ["suite", *(["policy"] if several else []), "trials"]
    head += [(metric.title, metric.unit) for metric in METRICS]
    rows: list[list[str | Cell]] = []
    groups = []
    for suite in _finished(result):
        groups.append(len(rows))
        cells = [_cells(result.policies, suite, metric) for metric in METRICS]
        for index, policy in enumerate(result.policies):
            if suite in policy.suites:
                letter = [LETTERS[index]] if several else []
                trials = str(policy.suites[suite].trials)
                rows.append([suite, *letter, trials, *(column[index] for column in cells)])
    page.table(head, rows, groups=groups if several else ())


def _explain(page: Page, result: ExamResult) -> None:
    page.heading("What is asked")
    page.text(
        "Unless stated otherwise a trial is 10 s on a plane with friction 1, under one of 18 commands (standing, "
        "straight, turning, both), with the task's sensor noise. Nothing else is random but the start: joints, base "
        "velocity and tilt differ by up to half of what they do in training. Trials depend on the suite and the seed "
        "alone, so every policy meets the same ones."
    )
    page.table(["suite", "what", "conditions"], [_conditions(suite) for suite in result.suites])
    page.heading("What is measured")
    page.text(
        "Over all rows before a fall and one second after the start and after each new command, unless stated "
        "otherwise."
    )
    page.table(
        ["name", "head", "unit", "meaning"],
        [[m.name, Cell(m.title, "text"), m.unit, Cell(m.meaning, "text")] for m in METRICS],
    )


def _conditions(suite: Suite) -> list[str | Cell]:
    usual = Suite("", "", ())
    changed = [
        f"{field.name} {_show(getattr(suite, field.name))}"
        for field in dataclasses.fields(suite)
        if field.name not in ("name", "title", "plans") and getattr(suite, field.name) != getattr(usual, field.name)
    ]
    return [suite.name, Cell(suite.title, "text"), Cell(", ".join(changed), "text")]


def _show(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    between = " and " if isinstance(value[0], str) else " to "
    return between.join(dict.fromkeys(map(str, value)))
