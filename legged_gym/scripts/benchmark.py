"""Measures where the time goes: physics alone, the environment's step, collection, learning, whole iterations."""

from __future__ import annotations

import argparse
import concurrent.futures.process
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from legged_gym import benchmarking, cli, envs, policies, runners
from legged_gym.cli import types
from legged_gym.cli.arguments import Parser, add_set_argument, add_sim_arguments, get_args, make_task_parser, run_main
from legged_gym.common.errors import UserError
from legged_gym.common.paths import write_text
from legged_gym.simulators.backend import choose_backend

if TYPE_CHECKING:
    from legged_gym.benchmarking.measure import Measurement
    from legged_gym.runners.build import Job

_DESCRIPTION = """\
Measure where the time of a training goes: physics alone, the environment's step, collection, learning and whole
iterations, with the task and the runner of train.py. All rows are measured by turns in one run, so a busy machine slows
all of them equally. To compare machines, use ratios, not rates.

  physics only       the simulator's physics steps of a control step, and nothing else
  env.step           all of the environment's step: physics, rewards, resets, observations
  collection         both nets acting, env.step, and storing
  update, both nets  PPO and the estimator, as in training
  whole iteration    as train.py runs it, with its bookkeeping and TensorBoard"""

_EXAMPLES = (
    "python legged_gym/scripts/benchmark.py --policy=logs/qmini/2026-01-31_12-00-00/model_500.pt",
    "python legged_gym/scripts/benchmark.py --sim=warp --num_envs 4096 16384 --rsl_rl --json=speed.json --markdown",
)


def make_parser() -> Parser:
    """Return the parser of the benchmark's command line."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add(
        "--num_envs",
        type=types.positive,
        nargs="+",
        metavar="N",
        dest="sizes",
        help="number of robots; you can give several numbers (default: as for a training)",
    )
    add_sim_arguments(parser)
    add("--policy", metavar="POLICY", help=f"which policy acts; without it robots soon fall: {policies.finder.POLICY}")
    add("--rounds", type=types.positive, default=10, metavar="N", help="number of measurements (default: %(default)s)")
    add("--steps", type=types.positive, default=24, metavar="N", help="control steps of each (default: %(default)s)")
    add("--rsl_rl", action="store_true", help="measure rsl_rl's own PPO update, too")
    add("--upstream", action="store_true", help="with --sim=warp, measure MuJoCo Warp without our own solver, too")
    add("--json", metavar="FILE", help="write all figures to this file")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    add_set_argument(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Measure and print a table for each number of robots, and write a file if the command line names one."""
    started = time.perf_counter()

    if os.getenv("WORLD_SIZE", "1") != "1":
        raise UserError("the benchmark measures one process: for several, train.py under torchrun prints the speed")
    choose_backend(args)
    if args.policy:
        args.policy = policies.finder.find_checkpoint(args.policy, args.task, cli.exporting.root_of(args)).path
    sizes = args.sizes or [runners.config.default_num_envs(envs.task_registry.get_cfgs(args.task)[0], args.sim_device)]
    results: list[dict[str, Any]] = []
    # Checked before the measurements, so that a wrong path is found early.
    _write_json(args, results)
    for measurement in _measurements(args, sizes, started):
        if not results:
            walking = f"walking by {args.policy}" if args.policy else "falling soon, without --policy"
            print(f"{getattr(args, 'note', '')}{args.task}, {walking}")
        print()
        benchmarking.report.print_measurement(measurement, args.markdown)
        results.append(benchmarking.report.as_values(measurement))
        _write_json(args, results)


def _write_json(args: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    if args.json is not None:
        write_text(args.json, json.dumps({"arguments": vars(args), "results": results}, indent=2) + "\n")


def _measurements(args: argparse.Namespace, sizes: list[int], started: float) -> Iterator[Measurement]:
    """Measure each number of robots. Several numbers get a process each, which frees all memory."""
    if len(sizes) == 1:
        yield benchmarking.measure.measure(training_of(args, sizes[0]), args, started)
        return
    context = multiprocessing.get_context("spawn")
    for size in sizes:
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                yield pool.submit(_measure_in_new_process, args, size).result()
            except concurrent.futures.process.BrokenProcessPool as error:
                raise UserError(f"measuring {size} robots ended without a result. Is there enough memory?") from error


def _measure_in_new_process(args: argparse.Namespace, num_envs: int) -> Measurement:
    started = time.perf_counter()

    return benchmarking.measure.measure(training_of(args, num_envs), args, started)


def training_of(args: argparse.Namespace, num_envs: int) -> Job:
    """Return a new training with this number of robots."""
    return cli.job.resolve(argparse.Namespace(**{**vars(args), "num_envs": num_envs}))


def main() -> None:
    """Read the command line, measure and print tables."""
    run(get_args(parser=make_parser()))


if __name__ == "__main__":
    sys.exit(run_main(main))
