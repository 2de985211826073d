"""From the command to a policy that passes: ``python legged_gym/scripts/speedrun.py --seeds 1 2 3 4 5``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from legged_gym import benchmarking, envs, evaluation, policies
from legged_gym.cli import types
from legged_gym.cli.arguments import add_set_argument, get_args, make_task_parser, run_main
from legged_gym.common.devices import learning_device, resolve_device
from legged_gym.common.errors import UserError
from legged_gym.common.threads import available_cores
from legged_gym.runners.runs import checkpoint_number, load_run_config

_EXAMPLES = (
    "python legged_gym/scripts/speedrun.py --task=qmini                    (one seed)",
    "python legged_gym/scripts/speedrun.py --seeds 1 2 3 4 5 --markdown    (a table for docs/performance.md)",
    "python legged_gym/scripts/speedrun.py --recipe=qmini --minutes 90    (on a processor, too, by the whole task)",
)

LIMITS = {"flat": {"falls": 0.0, "vx_rmse": 0.05, "yaw_rmse": 0.16}, "push_0.6": {"falls": 5.0}}
"""What passes: by scenario, the largest value of each metric, in the evaluation's units (%, m/s, rad/s)."""

_TRIALS = 72
_POLL = 0.02
"""Seconds between two looks for a new checkpoint."""
_JUDGES, _CORES_EACH = 4, 5
"""Most checkpoints that are evaluated at once, and cores of the machine for each of them."""


@dataclass(frozen=True)
class Outcome:
    """How one seed went."""

    seed: int
    passed: bool
    seconds: float
    """From the start of the training's process to the end of the evaluation that passed."""
    iterations: int
    samples: int
    metrics: str


def main() -> None:
    """Read the command line, train and evaluate each seed, and print the table."""
    parser = make_task_parser(
        "Measure how long a training takes until its policy passes: no falls and small errors on flat ground,\n"
        "few falls under pushes. The time includes start, compilation and evaluation.",
        _EXAMPLES,
    )
    add = parser.add_argument
    add("--seeds", type=types.seed, nargs="+", default=[1], metavar="N", help="one training each (default: 1)")
    add("--every", type=types.positive, default=25, metavar="N", help="iterations between evaluations (default: 25)")
    add("--minutes", type=types.seconds, default=30.0, metavar="M", help="give up on a seed after this (default: 30)")
    add("--recipe", metavar="TASK", help="task to train; --task judges (default: the quickest here)")
    add("--num_envs", type=types.positive, metavar="N", help="how many robots (default: the task's)")
    add("--sim", metavar="NAME", help="simulator of the training (default: as train.py chooses)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add_set_argument(parser)
    args = get_args(parser=parser)
    # A context of its own on the GPU would take a second and some memory.
    args.recipe = args.recipe or envs.QUICKEST.get(args.task, {}).get(learning_device("cpu"), args.task)
    for task in (args.task, args.recipe):
        envs.task_registry.get_cfgs(task)
    outcomes = []
    for seed in args.seeds:
        outcomes.append(_run(args, seed))
        print(_line(outcomes[-1]), flush=True)
    _show(args, outcomes)


def _run(args: argparse.Namespace, seed: int) -> Outcome:
    """Train one seed and evaluate its checkpoints until one passes."""
    with tempfile.TemporaryDirectory(prefix="speedrun_") as folder:
        start = time.perf_counter()
        with open(os.path.join(folder, "training.log"), "w+", encoding="utf-8") as log:
            training = subprocess.Popen(_command(args, seed, folder), stdout=log, stderr=subprocess.STDOUT)
            try:
                number = max(1, min(_JUDGES, available_cores() // _CORES_EACH))
                with _judges(number) as judges:
                    return _watch(args, seed, folder, training, judges, number, start)
            except BrokenProcessPool as error:
                raise UserError("a process that evaluates died: is there enough memory?") from error
            finally:
                training.send_signal(signal.SIGINT)
                try:
                    training.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    training.kill()


def _command(args: argparse.Namespace, seed: int, folder: str) -> list[str]:
    command = [sys.executable, os.path.join(os.path.dirname(os.path.realpath(__file__)), "train.py"), "--headless"]
    command += [f"--task={args.recipe}", f"--seed={seed}", f"--log_root={folder}", "--max_iterations=1000000"]
    command += [f"--num_envs={args.num_envs}"] if args.num_envs else []
    command += [f"--sim={args.sim}"] if args.sim else []
    for override in [f"runner.save_interval={args.every}", *args.overrides]:
        command += ["--set", override]
    return command


@contextlib.contextmanager
def _judges(number: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes that evaluate, which import what they need while the training starts, and end them."""
    with ProcessPoolExecutor(number, multiprocessing.get_context("spawn")) as judges:
        for _ in range(number):
            judges.submit(_get_ready)
        try:
            yield judges
        finally:
            for process in multiprocessing.active_children():
                process.terminate()


def _get_ready() -> None:
    """Import what an evaluation needs."""
    _ = evaluation.evaluator, policies.files


def _watch(
    args: argparse.Namespace,
    seed: int,
    folder: str,
    training: subprocess.Popen[bytes],
    judges: ProcessPoolExecutor,
    at_once: int,
    start: float,
) -> Outcome:
    """Evaluate new checkpoints until one passes, time is up or the training ended."""
    begun, deadline, outcome = 0, start + 60.0 * args.minutes, Outcome(seed, False, 0.0, 0, 0, "nothing was evaluated")
    pending: dict[Future[tuple[bool, str]], tuple[int, str]] = {}
    while pending or time.perf_counter() < deadline:
        for verdict in [future for future in pending if future.done()]:
            judged, path = pending.pop(verdict)
            passed, metrics = verdict.result()
            samples = _samples(args.recipe, os.path.dirname(path), judged)
            outcome = Outcome(seed, passed, time.perf_counter() - start, judged, samples, metrics)
            print(f"seed {seed}: {outcome.seconds:.1f} s, {judged} iterations: {metrics}", flush=True)
            if passed:
                return outcome
        # The number in a name is the index of the last iteration.
        paths = map(str, Path(folder).glob("*/*/model_*.pt"))
        checkpoints = {number + 1: path for path in paths if (number := checkpoint_number(path)) is not None}
        newest = max(checkpoints, default=0)
        if newest > begun and len(pending) < at_once and time.perf_counter() < deadline:
            begun, path = newest, checkpoints[newest]
            pending[judges.submit(_evaluate, args.task, path, _TRIALS, at_once)] = newest, path
        elif newest <= begun and not pending and training.poll() is not None:
            raise UserError(f"the training ended: {_last_words(folder)}")
        time.sleep(_POLL)
    return dataclasses.replace(outcome, seconds=time.perf_counter() - start)


def _samples(task: str, run: str, iterations: int) -> int:
    env_cfg, train_cfg = envs.task_registry.get_cfgs(task)
    load_run_config(run, task, env_cfg, train_cfg)
    return iterations * env_cfg.env.num_envs * train_cfg.runner.num_steps_per_env


def _evaluate(task: str, checkpoint: str, trials: int, judges: int = 1) -> tuple[bool, str]:
    """Return whether a checkpoint passes, and its metrics; pushes are only judged of a policy that walks.

    One of several ``judges`` has cores enough to simulate all scenarios side by side, in the time that one takes.
    """
    evaluator, shown = evaluation.evaluator, []
    settings = evaluator.EvaluationSettings(
        task=task, trials=trials, adjust=lambda cfg: cfg.set("sim.num_threads", max(1, available_cores() // judges))
    )
    policy = policies.finder.load_policy(checkpoint)
    # Physics of the task, whatever steps the training took.
    cfg = envs.task_registry.get_cfgs(task)[0]
    policy.contract["sim"]["dt"], policy.contract["control"]["decimation"] = cfg.sim.dt, cfg.control.decimation
    for names in [",".join(LIMITS)] if judges > 1 else LIMITS:
        scenarios = evaluation.scenarios.select_scenarios(names)
        (batch,) = evaluator.make_batches(scenarios, settings)
        for scenario, record in zip(scenarios, evaluator.evaluate_batch(policy, batch, settings)[0], strict=True):
            limits, metrics = LIMITS[scenario.name], evaluation.results.judge(scenario, record).metrics
            shown.append(f"{scenario.name} " + ", ".join(f"{key} {metrics[key]:.3g}" for key in limits))
            if not all(metrics[key] <= limit for key, limit in limits.items()):
                return False, "; ".join(shown)
    return True, "; ".join(shown)


def _last_words(folder: str) -> str:
    lines = Path(folder, "training.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _line(outcome: Outcome) -> str:
    word = "passed" if outcome.passed else "did not pass"
    return (
        f"seed {outcome.seed} {word} after {outcome.seconds:.1f} s, {outcome.iterations} iterations, "
        f"{outcome.samples / 1e6:.1f} M samples"
    )


def _show(args: argparse.Namespace, outcomes: list[Outcome]) -> None:
    """Print the table and the machine."""
    print(f"\ntask: {args.task}, trained by {args.recipe}")
    machine = benchmarking.machine.describe_machine(args.sim or "", resolve_device(None))
    print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    if args.markdown:
        print("\n| seed | passed | seconds | iterations | M samples | metrics |\n|---:|---|---:|---:|---:|---|")
        for one in outcomes:
            print(
                f"| {one.seed} | {'yes' if one.passed else 'no'} | {one.seconds:.1f} | {one.iterations} | "
                f"{one.samples / 1e6:.1f} | {one.metrics} |"
            )


if __name__ == "__main__":
    sys.exit(run_main(main))
