"""The exam as a whole: all policies, suite by suite, with what was found kept if it is stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tqdm import tqdm

from legged_gym.common.console import progress_bar
from legged_gym.common.paths import relative
from legged_gym.evaluation.examiner import Batch, ExamSettings, examine, make_batches
from legged_gym.evaluation.results import ExamResult, PolicyResult, judge
from legged_gym.evaluation.samples import Sample, choose_sample
from legged_gym.evaluation.suites import Suite
from legged_gym.policies.finder import Policy

Samples = dict[str, Sample]
"""A policy's samples by suite."""


def hold_exam(
    policies: Sequence[Policy], suites: Sequence[Suite], settings: ExamSettings, result: ExamResult
) -> list[Samples]:
    """Let policies take suites, one policy after the other.

    Args:
        policies: Who is examined.
        suites: What is asked.
        settings: How.
        result: Gets what is found, as soon as it is found; Ctrl-C leaves it with what was finished.

    Returns:
        Samples of each policy.

    Raises:
        UserError: A policy does not fit the task, or the back-end can't be used.
    """
    batches = make_batches(suites, settings)
    samples: list[Samples] = []
    with _progress(batches, settings, len(policies)) as bar:
        try:
            for policy in policies:
                result.policies.append(PolicyResult(policy.name, relative(policy.path), policy.digest))
                samples.append({})
                for batch in batches:
                    _take(policy, batch, settings, result.policies[-1], samples[-1], bar)
            result.finished = True
        except KeyboardInterrupt:
            bar.write("stopped: keeping what was finished")
    return samples


def _take(
    policy: Policy, batch: Batch, settings: ExamSettings, result: PolicyResult, samples: Samples, bar: tqdm
) -> None:
    names = [suite.name for suite in batch.suites]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    bar.set_postfix_str(f"{policy.name}: {', '.join(names[:2])}{more}")
    start = time.perf_counter()
    records, stage = examine(policy, batch, settings, lambda seconds: bar.update(min(seconds, bar.total - bar.n)))
    for suite, record in zip(batch.suites, records, strict=True):
        result.suites[suite.name] = judge(suite, record)
        samples[suite.name] = choose_sample(suite, record, stage)
    result.seconds += time.perf_counter() - start


def _progress(batches: Sequence[Batch], settings: ExamSettings, policies: int) -> tqdm:
    """Return a bar that counts seconds of robots' time."""
    total = sum(batch.seconds * suite.trials(settings.trials) for batch in batches for suite in batch.suites)
    return progress_bar(policies * total)
