"""Margins of a policy: for each kind of disturbance, the size at which one trial in twenty ends in a fall."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import beta

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import write_text
from legged_gym.common.yaml_text import read_json
from legged_gym.evaluation import motion
from legged_gym.evaluation.axes import AXES, TERRAIN_AXES, Axis
from legged_gym.evaluation.evaluator import Batch, EvaluationSettings, evaluate_batch
from legged_gym.evaluation.plots import save_figure
from legged_gym.evaluation.scenarios import GRID, Scenario
from legged_gym.evaluation.terrain import steepness
from legged_gym.policies.finder import Policy

FALLS = 0.05
"""Share of trials that may end in a fall at the margin."""
_SURE = 0.95
"""Of intervals."""
_ROUNDS, _END_ROUNDS = 5, 3
_POPULATION, _ELITE, _GENERATIONS, _FEW_TRIALS = 24, 6, 5, 6
FORMAT = "qmini_margins/1"


@dataclass
class Margin:
    """The margin of one axis, in sizes of the disturbance."""

    axis: Axis
    tested: dict[float, tuple[int, int]] = field(default_factory=dict)
    """Falls and trials by size."""

    @property
    def low(self) -> float:
        """The lower end of the interval: at this size, surely less than 5 % fall."""
        sure = [size for size, (falls, trials) in self.tested.items() if bounds(falls, trials)[1] < FALLS]
        return max((size for size in sure if all(s <= size or s not in sure for s in sure)), default=0.0)

    @property
    def high(self) -> float:
        """The upper end of the interval: at this size, surely more than 5 % fall."""
        sure = [size for size, (falls, trials) in self.tested.items() if bounds(falls, trials)[0] > FALLS]
        return min(sure, default=float("inf"))

    @property
    def value(self) -> float:
        """The estimated margin: between the last size with fewer falls and the first with more."""
        borne = [
            size for size, (falls, trials) in self.tested.items() if falls <= FALLS * trials and size < self._first()
        ]
        return min(0.5 * (max(borne, default=0.0) + self._first()), self.axis.most)

    def _first(self) -> float:
        """Return the smallest size with too many falls, or the largest that can be tried."""
        fell = [size for size, (falls, trials) in self.tested.items() if falls > FALLS * trials]
        return min(fell, default=self.axis.most)


@dataclass
class Margins:
    """All margins of a policy."""

    policy: str
    digest: str
    trials: int
    margins: list[Margin]
    worst: dict[str, float] = field(default_factory=dict)
    """The smallest combination that made it fall, as a share of each axis's margin."""


def bounds(falls: int, trials: int) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) interval of a share of falls."""
    tail = 0.5 * (1.0 - _SURE)
    low = float(beta.ppf(tail, falls, trials - falls + 1)) if falls else 0.0
    return low, float(beta.ppf(1.0 - tail, falls + 1, trials - falls)) if falls < trials else 1.0


def chosen_axes(names: Sequence[str] | None) -> list[Axis]:
    """Return the axes of these names, by default all; ``UserError`` if there is no such axis."""
    for name in names or ():
        if name not in (known := [axis.name for axis in AXES]):
            raise UserError(f"unknown axis '{name}': {near_names(name, known)}")
    return [axis for axis in AXES if names is None or axis.name in names]


def find_margins(
    policy: Policy, settings: EvaluationSettings, names: Sequence[str] | None, say: Callable[[str], Any]
) -> Margins:
    """Find a policy's margins by bisection, then the smallest combination that makes it fall by cross-entropy search.

    Args:
        policy: The policy.
        settings: Settings of the evaluation. It takes at least 72 trials to show less than 5 % of falls.
        names: Names of the axes; None: all.
        say: Is called with the progress.

    Raises:
        UserError: The policy does not fit the task, or the back-end can't be used.
    """
    axes = chosen_axes(names)
    margins = [Margin(axis) for axis in axes]
    found = Margins(policy.name, policy.digest, settings.trials, margins)
    for number in range(_ROUNDS + _END_ROUNDS):
        say(f"margins, round {number + 1} of {_ROUNDS + _END_ROUNDS}")
        sizes = [_next_sizes(margin, at_ends=number >= _ROUNDS) for margin in margins]
        _test(policy, settings, margins, sizes)
    plain = [margin for margin in margins if margin.axis.name not in TERRAIN_AXES]
    if len(plain) > 1:
        say("margins, smallest combination")
        found.worst = _search(policy, settings, plain)
    return found


def _next_sizes(margin: Margin, at_ends: bool) -> list[float]:
    """Return the sizes to test next: in the middle first, then towards both ends of the interval."""
    first, value = margin._first(), margin.value
    if not margin.tested:
        return [0.0, 0.5 * margin.axis.most]
    if not at_ends:
        return [value] if value not in margin.tested and value < margin.axis.most else []
    ends = [0.5 * (margin.low + value), 0.5 * (value + min(margin.high, margin.axis.most))]
    return [size for size in ends if size not in margin.tested and first > 0.0]


def _test(
    policy: Policy, settings: EvaluationSettings, margins: Sequence[Margin], sizes: Sequence[list[float]]
) -> None:
    """Run all sizes of all axes, those on a plane side by side."""
    wanted = [(margin, size) for margin, chosen in zip(margins, sizes, strict=True) for size in chosen]
    plain = [(margin, size) for margin, size in wanted if margin.axis.name not in TERRAIN_AXES]
    groups = [plain] * bool(plain) + [[pair] for pair in wanted if pair[0].axis.name in TERRAIN_AXES]
    for group in groups:
        scenarios = tuple(_scenario(f"{m.axis.name}_{size:g}", m.axis.make(size)) for m, size in group)
        name, size = group[0][0].axis.name, group[0][1]
        with steepness(**{name: size} if name in TERRAIN_AXES else {}):
            falls = _falls(policy, settings, scenarios)
        for (margin, size), fell in zip(group, falls, strict=True):
            margin.tested[size] = (fell, settings.trials)


def _scenario(name: str, changes: dict[str, Any]) -> Scenario:
    return dataclasses.replace(Scenario(name, name, GRID, seconds=8.0), **changes)


def _falls(policy: Policy, settings: EvaluationSettings, scenarios: tuple[Scenario, ...]) -> list[int]:
    rollouts, _ = evaluate_batch(policy, Batch(scenarios, min(scenarios[0].seconds, settings.longest)), settings)
    return [int(motion.fell(rollout).sum()) for rollout in rollouts]


def _search(policy: Policy, settings: EvaluationSettings, margins: list[Margin]) -> dict[str, float]:
    """Search for the smallest combination, in shares of the margins, with which half of the trials fall."""
    rng, few = np.random.default_rng(settings.seed), dataclasses.replace(settings, trials=_FEW_TRIALS)
    scale = np.array([max(margin.value, 1e-9) for margin in margins])
    mean, spread = np.full(len(margins), 0.6), np.full(len(margins), 0.35)
    best, best_cost = mean, float("inf")
    for generation in range(_GENERATIONS):
        shares = np.clip(mean + spread * rng.standard_normal((_POPULATION, len(margins))), 0.0, 1.5)
        scenarios = []
        for number, row in enumerate(shares):
            changes: dict[str, Any] = {}
            for margin, size in zip(margins, np.minimum(row * scale, [m.axis.most for m in margins]), strict=True):
                changes |= margin.axis.make(float(size))
            scenarios.append(_scenario(f"combination_{generation}_{number}", changes))
        fell = np.array(_falls(policy, few, tuple(scenarios))) / _FEW_TRIALS
        # Combinations without falls cost more than any with falls.
        costs = np.linalg.norm(shares, axis=1) + 10.0 * np.maximum(0.5 - fell, 0.0)
        elite = shares[np.argsort(costs)[:_ELITE]]
        if costs.min() < best_cost:
            best, best_cost = shares[int(np.argmin(costs))], float(costs.min())
        mean, spread = elite.mean(0), np.maximum(elite.std(0), 0.05)
    return {margin.axis.name: float(share) for margin, share in zip(margins, best, strict=True)}


def table(found: Margins) -> str:
    """Return the margins as a text table."""
    lines = [f"{'5 % fall at':42}{'':>9}{'surely between':>22}{'in the worst':>14}"]
    for margin in found.margins:
        axis, ends = margin.axis, (margin.low, min(margin.high, margin.axis.most))
        low, high = (f"{axis.show(end):.3g}" for end in ends)
        further = "more" if axis.show(1.0) > axis.show(0.0) else "less"
        beyond = "" if np.isfinite(margin.high) else f" or {further}"
        share = f"{found.worst[axis.name]:.0%}" if axis.name in found.worst else ""
        title = f"{axis.title}, {axis.unit}" if axis.unit != "1" else axis.title
        lines.append(f"{title:42}{axis.show(margin.value):>9.3g}{f'{low} … {high}{beyond}':>22}{share:>14}")
    return "\n".join(lines)


def radar(found: Margins, path: str) -> None:
    """Plot the margins, as shares of the largest size of each disturbance."""
    angles = np.linspace(0.0, 2.0 * np.pi, len(found.margins), endpoint=False)
    figure = Figure(figsize=(6.5, 6.0))
    axes = figure.add_subplot(projection="polar")
    for name, style in (
        ("value", {"color": "#00798c", "linewidth": 2.0}),
        ("low", {"color": "#00798c", "linestyle": ":"}),
    ):
        sizes = [getattr(margin, name) / margin.axis.most for margin in found.margins]
        axes.plot([*angles, angles[0]], [*sizes, sizes[0]], **style)
    values = [margin.value / margin.axis.most for margin in found.margins]
    axes.fill(angles, values, color="#00798c", alpha=0.15)
    labels = [
        f"{m.axis.name}\n{m.axis.show(m.value):.3g} {m.axis.unit if m.axis.unit != '1' else ''}" for m in found.margins
    ]
    axes.set_xticks(angles, labels, fontsize=9)
    axes.tick_params(pad=18)
    axes.set_yticks([0.25, 0.5, 0.75, 1.0], [])
    axes.set_ylim(0.0, 1.0)
    axes.set_title(
        f"{found.policy}: at these sizes 5 % of {found.trials} trials fall (dotted: surely fewer)", fontsize=10
    )
    save_figure(figure, path, bbox_inches="tight")


def save(found: Margins, path: str) -> None:
    """Write the margins as JSON."""
    axes = {
        margin.axis.name: {
            "value": margin.value, "low": margin.low, "high": min(margin.high, margin.axis.most),
            "tested": [[size, *margin.tested[size]] for size in sorted(margin.tested)],
        }
        for margin in found.margins
    }  # fmt: skip
    content = {"format": FORMAT, "policy": found.policy, "digest": found.digest, "trials": found.trials, "axes": axes,
               "worst": found.worst}  # fmt: skip
    write_text(path, json.dumps(content, indent=1) + "\n")


def read_lows(path: str) -> dict[str, float]:
    """Return the lower ends of an earlier policy's margins, by axis, from its file.

    Raises:
        UserError: The file has no margins.
    """
    try:
        earlier = read_json(path)
        if earlier.get("format") != FORMAT:
            raise ValueError(f"format {earlier.get('format')!r} instead of '{FORMAT}'")
        return {name: float(axis["low"]) for name, axis in earlier["axes"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: no margins to compare with: {' '.join(str(error).split())}") from error


def shrunk(found: Margins, lows: dict[str, float]) -> list[str]:
    """Return a line for each margin that is surely smaller than the earlier one, by axis."""
    worse = [margin for margin in found.margins if margin.high < lows.get(margin.axis.name, 0.0)]
    ends = [(m.axis.title, m.axis.show(m.value), m.axis.show(lows[m.axis.name])) for m in worse]
    return [f"{title}: now {now:.3g}, surely beyond {before:.3g} before" for title, now, before in ends]
