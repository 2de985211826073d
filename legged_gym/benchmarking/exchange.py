"""Measures what it costs to have Isaac Gym in another process: ``python -m legged_gym.benchmarking.exchange``.

With Isaac Gym itself its physics is in the figures. With the stand-in of the tests and ``ISAACGYM_STANDIN_STILL=1``
nothing moves, and what remains is the exchange.
"""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING

from legged_gym.cli.arguments import add_set_argument, add_sim_arguments, get_args, make_task_parser, positive, run_main
from legged_gym.common.devices import resolve_device
from legged_gym.common.errors import UserError
from legged_gym.envs.base.overrides import update_cfg_from_args
from legged_gym.simulators.backend import ISAACGYM_SIM, choose_backend

if TYPE_CHECKING:
    import argparse

_EXAMPLES = (
    "python -m legged_gym.benchmarking.exchange --isaacgym_python=~/miniconda3/envs/isaacgym",
    "python -m legged_gym.benchmarking.exchange --num_envs=1024 --set sim.physx.velocities_of=link",
)
_WARM_UP = 20
"""Exchanges before the measurement, which build the scene, too."""


def measure(args: argparse.Namespace) -> None:
    """Exchange torques and states with Isaac Gym's process many times, and print how long that took.

    Raises:
        UserError: Another simulator was named, or Isaac Gym can't be used as it is asked for.
    """
    if args.sim != ISAACGYM_SIM:
        raise UserError(f"--sim must be '{ISAACGYM_SIM}' here, the one with a process of its own, got '{args.sim}'")
    import torch

    from legged_gym.benchmarking.stopwatch import Stopwatch
    from legged_gym.envs import task_registry
    from legged_gym.simulators import Drive
    from legged_gym.simulators.isaacgym_sim import IsaacGymSimulator

    choose_backend(args)
    cfg, train_cfg = task_registry.get_cfgs(args.task)
    update_cfg_from_args(cfg, train_cfg, args)
    num_envs, device = cfg.env.num_envs, resolve_device(args.sim_device)
    sim = IsaacGymSimulator(cfg, None, num_envs, device)
    watch = Stopwatch(device)
    gains = torch.ones(num_envs, sim.num_dof, device=device)
    drive = Drive([gains] * cfg.control.decimation, gains, gains, sim.torque_limits)
    try:
        for step in range(_WARM_UP + args.steps):
            with watch.measure("one physics step, all states"):
                sim.step(gains, refresh=True)
            with watch.measure("a control step by the PD law"):
                sim.follow(drive)
            # Before those that count, and after the scene was built.
            if step == _WARM_UP - 1:
                watch.read()
        print(f"{num_envs} robots, {sim.num_bodies} links each, median and least of {args.steps}")
        for name, spans in watch.read().items():
            print(f"  {name:<30} {1e3 * statistics.median(spans):.2f} ms, {1e3 * min(spans):.2f} ms")
    finally:
        sim.close()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this measurement's command line."""
    parser = make_task_parser("Measure what an exchange with Isaac Gym's process costs.", _EXAMPLES)
    add = parser.add_argument
    add("--num_envs", type=positive, default=4096, metavar="N", help="robots (default: %(default)s)")
    add("--steps", type=positive, default=200, metavar="N", help="exchanges of each kind (default: %(default)s)")
    add_sim_arguments(parser)
    add_set_argument(parser)
    parser.set_defaults(sim=ISAACGYM_SIM)
    return parser


def main() -> None:
    """Read the command line and measure."""
    measure(get_args(parser=make_parser()))


if __name__ == "__main__":
    sys.exit(run_main(main))
