"""Writes the evaluation as one HTML page without other files. ``report.html.j2`` is its template."""

from __future__ import annotations

import base64
import dataclasses
import io
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from legged_gym.common.console import print_table
from legged_gym.common.errors import VideoUnavailableError
from legged_gym.common.paths import write_text
from legged_gym.evaluation import charts
from legged_gym.evaluation.metrics import METRIC, Metric
from legged_gym.evaluation.results import EvaluationResult, PolicyResult, versions
from legged_gym.evaluation.samples import Sample
from legged_gym.evaluation.scenarios import Scenario

COLUMNS = ("falls", "protection_steps", "vx_rmse", "vy_rmse", "yaw_rmse", "drift_max", "estimator_rmse",
           "contact_accuracy", "torque", "power", "cost_of_transport", "action_change", "foot_slip")  # fmt: skip
"""Metrics shown of a single policy."""

COMPARED = ("falls", "vx_rmse", "yaw_rmse", "drift_max", "estimator_rmse", "torque", "action_change")
"""Metrics shown of several policies side by side."""

_BARS = (("falls", "vx_rmse", "yaw_rmse", "estimator_rmse"),
         ("torque", "cost_of_transport", "action_change", "foot_slip"))  # fmt: skip
"""Metrics in each plot by scenario."""

_LETTERS = string.ascii_uppercase
"""Names of several policies in the titles of columns."""

_PLOTTED = ("flat", "push_0.6", "start_stop", "drive")
"""Scenarios whose samples are plotted over time."""

_FILMED = ("flat", "rough_4cm", "stairs_2cm", "start_stop", "drive")
"""Scenarios with a film strip even without falls."""

_MOST_FALLS_SHOWN = 4
"""Film strips of falls in other scenarios, for each policy."""

_HIGHER_IS_BETTER = ("contact_accuracy",)
_NO_RANKING = ("vx_bias", "yaw_bias")


FilmStrip = Callable[[Sample], tuple[list[np.ndarray], list[str]]]
"""Renders frames of a sample, uint8, (H, W, 3), with a label for each, or raises VideoUnavailableError."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    tone: str = ""
    """``good``, ``fair``, ``bad`` (colours), ``best`` (bold), ``text`` (a sentence), or several of them."""


@dataclass(frozen=True)
class Table:
    """A table of the report."""

    head: Sequence[tuple[str, str]]
    """Titles and units of the columns."""
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    groups: Sequence[int] = ()
    """Rows that start a group."""


@dataclass(frozen=True)
class Picture:
    """A plot or an image."""

    source: str
    """As a data URI."""
    caption: str = ""


def write_report(
    result: EvaluationResult, samples: Sequence[dict[str, Sample]], path: str, film_strip: FilmStrip
) -> None:
    """Write the report, an HTML file with a film strip of each sample. Unfinished scenarios are left out.

    Raises:
        UserError: The file can't be written.
    """
    found, measured = _finished(result), _measured(result, METRIC)
    strips, undrawn = _film_strips(result, samples, film_strip) if found else ([], "")
    write_text(
        path,
        render(
            Path(__file__).parent / "report.html.j2",
            title="Evaluation of " + ", ".join(policy.name for policy in result.policies),
            result=result, versions=versions(), policies=_policies(result),
            overview=_overview(result) if found else None, sections=_sections(result, samples) if found else [],
            strips=strips, undrawn=undrawn, metrics=_all_metrics(result, measured),
            scenarios=Table(_head("scenario", "what", "conditions"), list(map(_conditions, result.scenarios))),
            definitions=Table(
                _head("name", "head", "unit", "meaning"),
                [[Cell(m.name), Cell(m.title, "text"), Cell(m.unit), Cell(m.meaning, "text")] for m in measured],
            ),
        ),
    )  # fmt: skip


def render(template: Path, **context: object) -> str:
    """Fill a template."""
    folder = jinja2.FileSystemLoader(template.parent)
    environment = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template.name).render(**context) + "\n"


def print_results(result: EvaluationResult) -> None:
    """Print a row for each finished scenario. Several policies get their own columns."""
    policies = result.policies
    several = len(policies) > 1
    for letter, policy in zip(_LETTERS, policies, strict=False):
        print(f"{letter + '  ' if several else ''}{policy.name}  (sha256 {policy.digest}…)")
    table = _overview(result)
    head = ["\n".join(title).rstrip("\n") for title in table.head]
    print_table(head, [[cell.text for cell in row] for row in table.rows])


def svg(figure: Figure, caption: str = "") -> Picture:
    """Return a plot as SVG."""
    buffer = io.BytesIO()
    # Without a date and with fixed ids, the same plot gives the same file.
    with mpl.rc_context({"svg.hashsalt": "report"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Picture(_data_uri("svg+xml", buffer), caption)


def _jpeg(frame: np.ndarray, caption: str) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="jpeg", quality=85)
    return Picture(_data_uri("jpeg", buffer), caption)


def _data_uri(kind: str, content: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def _head(*titles: str) -> list[tuple[str, str]]:
    return [(title, "") for title in titles]


def _policies(result: EvaluationResult) -> Table:
    rows = [
        [Cell(letter), Cell(p.name, "text"), Cell(p.path, "text"), Cell(p.digest), Cell(f"{p.seconds:.0f}")]
        for letter, p in zip(_LETTERS, result.policies, strict=False)
    ]
    return Table([*_head("", "policy", "file", "sha256"), ("took", "s")], rows)


def _finished(result: EvaluationResult) -> list[str]:
    return [s.name for s in result.scenarios if any(s.name in policy.scenarios for policy in result.policies)]


def _overview(result: EvaluationResult) -> Table:
    """Return the main table: a row for each scenario, and columns for each policy if there are several."""
    several = len(result.policies) > 1
    metrics = _measured(result, COMPARED if several else COLUMNS)
    head = [("scenario", "")]
    head += [
        (f"{metric.title} {_LETTERS[index] if several else ''}".strip(), metric.unit)
        for metric in metrics
        for index in range(len(result.policies))
    ]
    rows = [
        [Cell(scenario), *(cell for metric in metrics for cell in _cells(result.policies, scenario, metric))]
        for scenario in _finished(result)
    ]
    return Table(head, rows, "Velocities are root mean squares of their errors. Definitions are below.")


def _measured(result: EvaluationResult, names: Iterable[str]) -> list[Metric]:
    """Return the metrics that were measured; for example, contacts need an estimator."""
    found = [scenario.metrics for policy in result.policies for scenario in policy.scenarios.values()]
    return [METRIC[name] for name in names if not np.isnan([metrics[name] for metrics in found]).all()]


def _cells(policies: Sequence[PolicyResult], scenario: str, metric: Metric) -> list[Cell]:
    """Return a metric's cells, one for each policy, the best in bold, falls in colour."""
    values = [policy.metric(scenario, metric.name) for policy in policies]
    # Rounded as shown: differences that are not shown don't count.
    seen = [round(value, metric.digits) for value in values]
    sign = -1.0 if metric.name in _HIGHER_IS_BETTER else 1.0
    ranked = len({value for value in seen if not np.isnan(value)}) > 1 and metric.name not in _NO_RANKING
    best = np.nanmin(sign * np.array(seen)) if ranked else np.nan
    return [
        Cell(metric.show(value), f"{_tone(metric.name, value)} {'best' if sign * rounded == best else ''}".strip())
        for value, rounded in zip(values, seen, strict=True)
    ]


def _tone(name: str, value: float) -> str:
    if name not in ("falls", "protection_trials") or np.isnan(value):
        return ""
    return "good" if value == 0.0 else "fair" if value <= 5.0 else "bad"


@dataclass(frozen=True)
class Section:
    """Pictures below a heading. A section without pictures is left out."""

    heading: str
    pictures: list[Picture]


def _sections(result: EvaluationResult, samples: Sequence[dict[str, Sample]]) -> list[Section]:
    policies, scenarios = result.policies, _finished(result)
    complete = [policy for policy in policies if "flat" in policy.scenarios]
    standing = [(p.name, kept["stand"]) for p, kept in zip(policies, samples, strict=True) if "stand" in kept]
    bars = [svg(charts.bars(policies, scenarios, panels)) for names in _BARS if (panels := _measured(result, names))]
    answers = "Scenario flat: mean velocity of each command's trials."
    trials = [
        svg(charts.velocities(kept[name]), _sample_caption(policy, kept[name]))
        for policy, kept in zip(policies, samples, strict=True)
        for name in _PLOTTED
        if name in kept
    ]
    return [
        Section("Scenarios compared", bars),
        Section("Answers to commands", [svg(charts.answers(complete, "flat"), answers)] if complete else []),
        Section("Standing", [svg(charts.standing_path(standing))] if standing else []),
        Section("Single trials over time", trials),
    ]


@dataclass(frozen=True)
class Strip:
    """Pictures side by side."""

    frames: list[Picture]
    caption: str


def _film_strips(
    result: EvaluationResult, samples: Sequence[dict[str, Sample]], film_strip: FilmStrip
) -> tuple[list[Strip], str]:
    """Return film strips, and the reason if this machine can't render them."""
    strips = []
    try:
        for policy, kept in zip(result.policies, samples, strict=True):
            for sample in _filmed(kept):
                frames, labels = film_strip(sample)
                strips.append(Strip(list(map(_jpeg, frames, labels)), _sample_caption(policy, sample)))
    except VideoUnavailableError as error:
        return [], str(error)
    return strips, ""


def _filmed(kept: dict[str, Sample]) -> list[Sample]:
    always = [kept[name] for name in _FILMED if name in kept]
    falls = [sample for name, sample in kept.items() if sample.fell and name not in _FILMED]
    return always + falls[:_MOST_FALLS_SHOWN]


def _sample_caption(policy: PolicyResult, sample: Sample) -> str:
    falls = f", the first of {policy.scenarios[sample.scenario.name].falls} that fell" if sample.fell else ""
    return f"{policy.name}: {sample.scenario.title} (scenario {sample.scenario.name}, trial {sample.trial}{falls})"


def _all_metrics(result: EvaluationResult, metrics: Sequence[Metric]) -> Table:
    several = len(result.policies) > 1
    head = _head("scenario", *(["policy"] if several else []), "trials")
    rows: list[list[Cell]] = []
    groups = []
    for scenario in _finished(result):
        groups.append(len(rows))
        cells = [_cells(result.policies, scenario, metric) for metric in metrics]
        for index, policy in enumerate(result.policies):
            if scenario in policy.scenarios:
                names = [scenario, *([_LETTERS[index]] if several else []), str(policy.scenarios[scenario].trials)]
                rows.append([*map(Cell, names), *(column[index] for column in cells)])
    return Table([*head, *((m.title, m.unit) for m in metrics)], rows, groups=groups if several else ())


def _conditions(scenario: Scenario) -> list[Cell]:
    usual = Scenario("", "", ())
    changed = [
        f"{field.name} {_show(getattr(scenario, field.name))}"
        for field in dataclasses.fields(scenario)
        if field.name not in ("name", "title", "plans") and getattr(scenario, field.name) != getattr(usual, field.name)
    ]
    return [Cell(scenario.name), Cell(scenario.title, "text"), Cell(", ".join(changed), "text")]


def _show(value: object) -> str:
    if not isinstance(value, tuple):
        return str(value)
    between = " and " if isinstance(value[0], str) else " to "
    return between.join(dict.fromkeys(map(str, value)))
