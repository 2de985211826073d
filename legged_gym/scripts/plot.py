"""Draw a run's learning curves: ``python legged_gym/scripts/plot.py --output=curves.png``."""

from __future__ import annotations

import argparse
import os
import sys

from legged_gym import cli, evaluation, runners
from legged_gym.cli.arguments import add_log_arguments, get_args, make_task_parser, run_main
from legged_gym.common.paths import relative

_EXAMPLES = (
    "python legged_gym/scripts/plot.py                                          (the newest run)",
    "python legged_gym/scripts/plot.py --load_run=2026-01-31_12-00-00 --output=curves.png --title='first try'",
    "python legged_gym/scripts/plot.py --load_run=2026-01-31_12-00-00 --compare 2026-02-01_09-00-00",
)


def plot(args: argparse.Namespace) -> None:
    """Plot the learning curves of a run.

    Raises:
        UserError: The run does not exist, or the picture can't be written.
    """
    root = cli.exporting.root_of(args)
    run = runners.runs.find_run(root, args.load_run or "")
    path = args.output or os.path.join(run, "curves.png")
    evaluation.curves.plot_curves(run, path, args.title, [runners.runs.find_run(root, other) for other in args.compare])
    print(f"plot       {relative(path)}")


def main() -> None:
    """Read the command line and plot."""
    parser = make_task_parser("Draw a run's learning curves, also while it trains.", _EXAMPLES)
    add_log_arguments(parser)
    parser.add_argument("--load_run", metavar="RUN", help="a run's name or folder (default: the newest)")
    parser.add_argument("--output", metavar="FILE.png", help="the picture (default: curves.png in the run's folder)")
    parser.add_argument("--compare", nargs="+", metavar="RUN", default=[], help="up to three more runs to plot")
    parser.add_argument("--title", default="", help="title of the picture")
    plot(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
