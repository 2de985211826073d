"""Average checkpoints into a new run: ``python legged_gym/scripts/average.py A.pt B.pt``."""

from __future__ import annotations

import argparse
import os
import sys

from legged_gym import envs, runners
from legged_gym.cli import types
from legged_gym.cli.arguments import add_log_arguments, get_args, make_task_parser, run_main
from legged_gym.common.paths import relative

_DESCRIPTION = """\
Average the nets of several checkpoints of one training, or of trainings that began with the same checkpoint. The mean
often does well what each of them does well; evaluate.py shows whether it does. The result is a new run with the
configuration and the optimisers of the last checkpoint named. Play, evaluate, export or resume it like any other."""

_EXAMPLES = (
    "python legged_gym/scripts/average.py logs/qmini/RUN/model_3000.pt logs/qmini/RUN/model_4000.pt",
    "python legged_gym/scripts/average.py first/model_750.pt second/model_3400.pt --weights 0.3 0.7",
)


def average(args: argparse.Namespace) -> None:
    """Write a new run with one checkpoint, the mean of those that the command line names.

    Raises:
        UserError: A checkpoint can't be read or doesn't fit the others, the last one's run is another task's or has no
            configuration, or nothing can be written there.
    """
    weights = args.weights or [1.0] * len(args.checkpoints)
    checkpoint = runners.averaging.average_checkpoints(args.checkpoints, weights, args.estimator_weights)
    env_cfg, train_cfg = envs.task_registry.get_cfgs(args.task)
    root = runners.runs.experiment_root(args.experiment_name or train_cfg.runner.experiment_name, args.log_root)
    sim = runners.runs.load_run_config(
        os.path.dirname(args.checkpoints[-1]) or os.curdir, args.task, env_cfg, train_cfg
    )
    with runners.runs.new_run_folder(root, args.run_name) as folder:
        runners.runs.save_run_config(folder, args.task, env_cfg, train_cfg, sim)
        path = os.path.join(folder, f"model_{max(checkpoint['iter'] - 1, 0)}.pt")
        runners.checkpoint.write_checkpoint(path, checkpoint)
    print(f"checkpoint {relative(path)}")


def main() -> None:
    """Read the command line and average."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("checkpoints", nargs="+", metavar="MODEL.pt", help="checkpoints of the same nets")
    add("--weights", type=types.number, nargs="+", metavar="W", help="weight of each checkpoint (default: equal)")
    add(
        "--estimator_weights",
        type=types.number,
        nargs="+",
        metavar="W",
        help="weight of each checkpoint's estimator, if different",
    )
    add(
        "--run_name",
        type=types.name,
        default="average",
        metavar="NAME",
        help="added to the run's date (default: %(default)s)",
    )
    add_log_arguments(parser)
    average(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
