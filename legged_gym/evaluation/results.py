"""The results of an evaluation, and their JSON file.

The file's keys:

=================== =================================================================================================
key                 meaning
=================== =================================================================================================
format              ``qmini_evaluation/2``; a change that readers must know of raises the number. :func:`load_policies`
                    reads ``qmini_exam/1``, too, whose scenarios were called ``suites``
created             date and time, ISO 8601
finished            false if the user stopped the evaluation; what had been finished is in the file
task, sim, device   what was evaluated, on which back-end, and where it ran
seed, trials        of the whole evaluation; the usual number of trials in a scenario
longest             most seconds of a trial; null: as each scenario says
overrides           what the user changed with ``--set``
git_revision        of the code that evaluated
versions            of Python and the packages that take part
metrics             by name: ``unit`` and ``meaning``
scenarios           by name: title, seconds, trials and all conditions, as in :class:`~.scenarios.Scenario`
policies            a list: ``name``, ``path``, ``digest`` (SHA-256, first digits), ``seconds`` (what its evaluation
                    took), and ``results``
policies[].results  by scenario: ``trials``, ``falls`` (their number), ``metrics`` (by name, in their units; null where
                    there was nothing to measure) and ``commands``: by plan, ``command`` (its vx, vy and yaw rate, or
                    the list of those with their seconds), ``trials``, ``falls``, and ``vx`` and ``yaw`` (mean
                    velocity, m/s and rad/s) where there is only one command
=================== =================================================================================================
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from legged_gym.common.errors import UserError
from legged_gym.common.paths import git_revision, write_text
from legged_gym.common.yaml_text import read_json
from legged_gym.evaluation import motion
from legged_gym.evaluation.metrics import METRICS, measure
from legged_gym.evaluation.rollout import Rollout
from legged_gym.evaluation.scenarios import Plan, Scenario

FORMAT = "qmini_evaluation/2"
_OLD_FORMAT = "qmini_exam/1"
_OLD_METRICS = {"cut_out_steps": "protection_steps", "cut_out_trials": "protection_trials"}
_PACKAGES = ("torch", "numpy", "mujoco", "mujoco-warp", "onnxruntime", "rsl-rl-lib")


@dataclass(frozen=True)
class PlanResult:
    """How the trials of one plan of commands went."""

    plan: Plan
    trials: int
    falls: int
    velocity: tuple[float, float] | None
    """Mean forward velocity, m/s, and yaw rate, rad/s, where the plan is a single command."""


@dataclass(frozen=True)
class ScenarioResult:
    """How a policy did in one scenario."""

    scenario: Scenario
    seconds: float
    """How long each trial was."""
    trials: int
    falls: int
    metrics: dict[str, float]
    plans: list[PlanResult]


@dataclass
class PolicyResult:
    """How a policy did."""

    name: str
    path: str
    digest: str
    seconds: float = 0.0
    """What its evaluation took."""
    scenarios: dict[str, ScenarioResult] = field(default_factory=dict)

    def metric(self, scenario: str, name: str) -> float:
        """Return a metric of a scenario, in its shown unit; NaN where it was not measured."""
        return self.scenarios[scenario].metrics[name] if scenario in self.scenarios else math.nan


@dataclass
class EvaluationResult:
    """How all policies did, and under what circumstances."""

    task: str
    sim: str
    device: str
    seed: int
    trials: int
    longest: float | None
    overrides: list[str]
    scenarios: tuple[Scenario, ...]
    policies: list[PolicyResult] = field(default_factory=list)
    finished: bool = False
    created: str = field(default_factory=lambda: datetime.datetime.now().astimezone().isoformat("T", "seconds"))
    git_revision: str = field(default_factory=git_revision)


def judge(scenario: Scenario, rollout: Rollout) -> ScenarioResult:
    """Measure the rollout of a scenario."""
    return ScenarioResult(
        scenario=scenario,
        seconds=rollout.steps * rollout.dt,
        trials=rollout.trials,
        falls=int(motion.fell(rollout).sum()),
        metrics=measure(rollout),
        plans=[_judge_plan(rollout, plan, index, len(scenario.plans)) for index, plan in enumerate(scenario.plans)],
    )


def _judge_plan(rollout: Rollout, plan: Plan, index: int, plans: int) -> PlanResult:
    part = rollout.select(np.arange(rollout.trials) % plans == index)
    rows = motion.settled(part)
    velocity = None
    if len(plan) == 1 and rows.any():
        velocity = (float(part.lin_vel[..., 0][rows].mean()), float(part.yaw_rate[rows].mean()))
    return PlanResult(plan, part.trials, int(motion.fell(part).sum()), velocity)


def save_json(result: EvaluationResult, path: str, **more: Any) -> None:
    """Write the results, and further keys if there are any; the file is complete or as it was before.

    Raises:
        UserError: The file can't be written.
    """
    write_text(path, json.dumps(as_dict(result) | more, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def as_dict(result: EvaluationResult) -> dict[str, Any]:
    """Return the results as plain values; the module says which."""
    return {
        "format": FORMAT,
        **{name: getattr(result, name) for name in ("created", "finished", "task", "sim", "device", "seed", "trials",
                                                    "longest", "overrides", "git_revision")},
        "versions": versions(),
        "metrics": {metric.name: {"unit": metric.unit, "meaning": metric.meaning} for metric in METRICS},
        "scenarios": {scenario.name: _describe(scenario) for scenario in result.scenarios},
        "policies": [_policy(policy) for policy in result.policies],
    }  # fmt: skip


def load_policies(path: str, scenarios: Sequence[Scenario]) -> list[PolicyResult]:
    """Return what an earlier evaluation, perhaps of the old format, found in scenarios asked in the same way.

    Raises:
        UserError: It is no such file.
    """
    try:
        values = read_json(path)
        if values["format"] not in (FORMAT, _OLD_FORMAT):
            raise UserError(f"'{path}' is of format '{values['format']}': valid: {FORMAT}, {_OLD_FORMAT}")
        return [_loaded(policy, scenarios) for policy in _POLICIES.validate_python(values["policies"])]
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"'{path}' holds no results of an evaluation: 'policies.{key}': {first['msg']}") from error
    except OSError as error:
        raise UserError(f"can't read '{path}': {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"'{path}' holds no results of an evaluation: {type(error).__name__}: {error}") from error


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _PlanEntry(_Part):
    trials: int = Field(ge=0)
    falls: int = Field(ge=0)
    vx: float | None = None
    yaw: float | None = None


class _ScenarioEntry(_Part):
    trials: int = Field(ge=0)
    falls: int = Field(ge=0)
    metrics: dict[str, float | None]
    commands: list[_PlanEntry]


class _PolicyEntry(_Part):
    name: str = Field(pattern=r"^[^\n]{1,200}$")
    path: str
    digest: str
    seconds: float
    results: dict[str, _ScenarioEntry]


_POLICIES = TypeAdapter(list[_PolicyEntry])


def _loaded(entry: _PolicyEntry, scenarios: Sequence[Scenario]) -> PolicyResult:
    policy = PolicyResult(entry.name, entry.path, entry.digest, entry.seconds)
    for scenario in (scenario for scenario in scenarios if scenario.name in entry.results):
        found = entry.results[scenario.name]
        metrics = {metric.name: math.nan for metric in METRICS}
        named = {_OLD_METRICS.get(name, name): value for name, value in found.metrics.items()}
        metrics |= {name: value for name, value in named.items() if name in metrics and value is not None}
        plans = [
            PlanResult(plan, e.trials, e.falls, None if e.vx is None or e.yaw is None else (e.vx, e.yaw))
            for plan, e in zip(scenario.plans, found.commands, strict=True)
        ]
        policy.scenarios[scenario.name] = ScenarioResult(
            scenario, scenario.seconds, found.trials, found.falls, metrics, plans
        )
    return policy


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that matter."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _describe(scenario: Scenario) -> dict[str, Any]:
    values = dataclasses.asdict(scenario)
    del values["name"], values["plans"]
    return values


def _policy(policy: PolicyResult) -> dict[str, Any]:
    return {
        "name": policy.name,
        "path": policy.path,
        "digest": policy.digest,
        "seconds": round(policy.seconds, 1),
        "results": {
            name: {
                "trials": result.trials,
                "falls": result.falls,
                "metrics": {metric: _number(value) for metric, value in result.metrics.items()},
                "commands": [_plan(plan) for plan in result.plans],
            }
            for name, result in policy.scenarios.items()
        },
    }


def _plan(plan: PlanResult) -> dict[str, Any]:
    single = len(plan.plan) == 1
    values: dict[str, Any] = {
        "command": plan.plan[0][1] if single else plan.plan,
        "trials": plan.trials,
        "falls": plan.falls,
    }
    if plan.velocity is not None:
        values |= {"vx": _number(plan.velocity[0]), "yaw": _number(plan.velocity[1])}
    return values


def _number(value: float) -> float | None:
    """Return a number as JSON knows it, to six significant digits."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
