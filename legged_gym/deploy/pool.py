"""Runs many trials at once, on all cores. Results don't depend on the number of processes."""

from __future__ import annotations

import functools
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker

from legged_gym.common.errors import UserError
from legged_gym.common.signals import SIGNALS
from legged_gym.deploy.plan import TrialPlan
from legged_gym.deploy.trial import Trial, TrialResult
from legged_gym.policies.exported import PolicyFiles, load_policy


def run_trials(folder: str, urdf: str, plans: Sequence[TrialPlan], workers: int) -> Iterator[TrialResult]:
    """Run trials and yield their results in order. A single worker is this process.

    Raises:
        UserError: The policy, the robot and a plan don't fit together, or a process died.
    """
    run = functools.partial(_run, folder, urdf)
    if workers == 1 or len(plans) < 2:
        yield from map(run, plans)
        return
    # Not forked, because a forked process lacks the threads of MuJoCo and ONNX Runtime.
    context, others = multiprocessing.get_context("spawn"), multiprocessing.active_children()
    _start_tracker()
    with ProcessPoolExecutor(min(workers, len(plans)), context, _leave_signals_to_the_parent) as pool:
        try:
            yield from pool.map(run, plans)
        except BrokenProcessPool as error:
            # The pool ends its workers with SIGTERM, which they ignore, and would wait for them forever.
            for process in set(multiprocessing.active_children()).difference(others):
                process.kill()
            raise UserError("a process with trials died: is there enough memory? Try fewer --workers") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run(folder: str, urdf: str, plan: TrialPlan) -> TrialResult:
    return Trial(_policy(folder), urdf, plan).run()


@functools.cache
def _policy(folder: str) -> PolicyFiles:
    """Load a policy once in each process."""
    return load_policy(folder)


def _start_tracker() -> None:
    """Start multiprocessing's resource tracker so that it ignores SIGHUP, which this process handles."""
    if threading.current_thread() is threading.main_thread():
        handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            resource_tracker.ensure_running()
        finally:
            signal.signal(signal.SIGHUP, handler)


def _leave_signals_to_the_parent() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
