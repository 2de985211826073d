"""The evaluation as a whole: all policies, scenario by scenario, with what was found kept if it is stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from legged_gym.common.console import Progress
from legged_gym.common.paths import relative
from legged_gym.evaluation.evaluator import Batch, EvaluationSettings, evaluate_batch, make_batches
from legged_gym.evaluation.results import EvaluationResult, PolicyResult, judge
from legged_gym.evaluation.samples import Sample, choose_sample
from legged_gym.evaluation.scenarios import Scenario
from legged_gym.policies.finder import Policy

Samples = dict[str, Sample]
"""A policy's samples by scenario."""


def evaluate_policies(
    policies: Sequence[Policy], scenarios: Sequence[Scenario], settings: EvaluationSettings, result: EvaluationResult
) -> list[Samples]:
    """Let policies take scenarios, one policy after the other.

    Args:
        policies: Who is evaluated.
        scenarios: What is asked.
        settings: How.
        result: Gets what is found, as soon as it is found; Ctrl-C leaves it with what was finished.

    Returns:
        Samples of each policy.

    Raises:
        UserError: A policy does not fit the task, or the back-end can't be used.
    """
    batches = make_batches(scenarios, settings)
    samples: list[Samples] = []
    with Progress("evaluating", _seconds(batches, settings, len(policies))) as bar:
        try:
            for policy in policies:
                result.policies.append(PolicyResult(policy.name, relative(policy.path), policy.digest))
                samples.append({})
                for batch in batches:
                    _take(policy, batch, settings, result.policies[-1], samples[-1], bar)
            result.finished = True
        except KeyboardInterrupt:
            print("stopped: keeping what was finished", file=sys.stderr)
    return samples


def _take(
    policy: Policy, batch: Batch, settings: EvaluationSettings, result: PolicyResult, samples: Samples, bar: Progress
) -> None:
    names = [scenario.name for scenario in batch.scenarios]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    bar.update(detail=f"{policy.name}: {', '.join(names[:2])}{more}")
    start = time.perf_counter()
    rollouts, stage = evaluate_batch(policy, batch, settings, bar.advance)
    for scenario, rollout in zip(batch.scenarios, rollouts, strict=True):
        result.scenarios[scenario.name] = judge(scenario, rollout)
        samples[scenario.name] = choose_sample(scenario, rollout, stage)
    result.seconds += time.perf_counter() - start


def _seconds(batches: Sequence[Batch], settings: EvaluationSettings, policies: int) -> float:
    """Return how many seconds of robots' time are simulated."""
    total = sum(batch.seconds * scenario.trials(settings.trials) for batch in batches for scenario in batch.scenarios)
    return policies * total
