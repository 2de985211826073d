"""What an exam found, and the JSON file that keeps it.

The file's keys:

=================== =================================================================================================
key                 meaning
=================== =================================================================================================
format              ``qmini_exam/1``; a change that readers must know of raises the number
created             date and time, ISO 8601
finished            false if the user stopped the exam; what had been finished is in the file
task, sim, device   what was examined, on which back-end, and where it ran
seed, trials        of the whole exam; the usual number of trials in a suite
longest             most seconds of a trial; null: as each suite says
overrides           what the user changed with ``--set``
git_revision        of the code that held the exam
versions            of Python and the packages that take part
metrics             by name: ``unit`` and ``meaning``
suites              by name: title, seconds, trials and all conditions, as in :class:`~.suites.Suite`
policies            a list: ``name``, ``path``, ``digest`` (SHA-256, first digits), ``seconds`` (what its exam took),
                    and ``results``
policies[].results  by suite: ``trials``, ``falls`` (their number), ``metrics`` (by name, in their units; null where
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
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from legged_gym.common.paths import git_revision, write_text
from legged_gym.evaluation import motion
from legged_gym.evaluation.metrics import METRICS, measure
from legged_gym.evaluation.record import Record
from legged_gym.evaluation.suites import Plan, Suite

FORMAT = "qmini_exam/1"
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
class SuiteResult:
    """How a policy did in one suite."""

    suite: Suite
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
    """What its exam took."""
    suites: dict[str, SuiteResult] = field(default_factory=dict)


@dataclass
class ExamResult:
    """How all policies did, and under what circumstances."""

    task: str
    sim: str
    device: str
    seed: int
    trials: int
    longest: float | None
    overrides: list[str]
    suites: tuple[Suite, ...]
    policies: list[PolicyResult] = field(default_factory=list)
    finished: bool = False
    created: str = field(default_factory=lambda: datetime.datetime.now().astimezone().isoformat("T", "seconds"))
    git_revision: str = field(default_factory=git_revision)


def judge(suite: Suite, record: Record) -> SuiteResult:
    """Measure the record of a suite."""
    return SuiteResult(
        suite=suite,
        seconds=record.steps * record.dt,
        trials=record.trials,
        falls=int(motion.fell(record).sum()),
        metrics=measure(record),
        plans=[_judge_plan(record, plan, index, len(suite.plans)) for index, plan in enumerate(suite.plans)],
    )


def _judge_plan(record: Record, plan: Plan, index: int, plans: int) -> PlanResult:
    part = record.select(np.arange(record.trials) % plans == index)
    rows = motion.settled(part)
    velocity = None
    if len(plan) == 1 and rows.any():
        velocity = (float(part.lin_vel[..., 0][rows].mean()), float(part.yaw_rate[rows].mean()))
    return PlanResult(plan, part.trials, int(motion.fell(part).sum()), velocity)


def save_json(result: ExamResult, path: str, **more: Any) -> None:
    """Write the results, and further keys if there are any; the file is complete or as it was before.

    Raises:
        UserError: The file can't be written.
    """
    write_text(path, json.dumps(as_dict(result) | more, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def as_dict(result: ExamResult) -> dict[str, Any]:
    """Return the results as plain values; the module says which."""
    return {
        "format": FORMAT,
        **{name: getattr(result, name) for name in ("created", "finished", "task", "sim", "device", "seed", "trials",
                                                    "longest", "overrides", "git_revision")},
        "versions": versions(),
        "metrics": {metric.name: {"unit": metric.unit, "meaning": metric.meaning} for metric in METRICS},
        "suites": {suite.name: _describe(suite) for suite in result.suites},
        "policies": [_policy(policy) for policy in result.policies],
    }  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that take part, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _describe(suite: Suite) -> dict[str, Any]:
    values = dataclasses.asdict(suite)
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
            for name, result in policy.suites.items()
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
