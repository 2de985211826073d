"""Show a log beside a simulation with the same targets: ``python legged_gym/scripts/replay.py LOG``."""

from __future__ import annotations

import argparse
import os
import sys

import numpy as np

from legged_gym import render, this_robot
from legged_gym.cli.arguments import add_robot_argument, get_args, make_task_parser, run_main

_DESCRIPTION = """\
Show a log of a robot in its stand beside a simulated robot that is given the same targets: a plot of all joints and,
with --video, a video of both. identify.py finds the parameters that differ; --robot puts them into the simulation."""

_EXAMPLES = (
    "python legged_gym/scripts/replay.py upright.csv",
    "python legged_gym/scripts/replay.py upright.csv --robot my_robot.yaml --video both.mp4",
)


def replay(args: argparse.Namespace) -> None:
    """Simulate, plot and film.

    Raises:
        UserError: The log or the robot can't be read, or nothing can be written.
    """
    render.video.prepare_offscreen()

    log, stand = this_robot.log.read_log(args.log), this_robot.stand.Stand(args.task)
    this_robot.identify.require_stand(log)
    truth = stand.truth_of(this_robot.robot_file.read_robot(args.robot)) if args.robot else stand.nominal()
    pieces = this_robot.replay.simulated_pieces(stand, log, truth)
    print("RMS difference of angles, mrad")
    error = np.concatenate([shown - chunk.position for chunk, shown in pieces])
    for name, value in zip(stand.joint_names, 1e3 * np.sqrt(np.square(error).mean(0)), strict=True):
        print(f"  {name:16}{value:8.1f}")
    path = args.out or f"{os.path.splitext(args.log)[0]}_replay.png"
    this_robot.replay.plot(stand, pieces, path)
    print(f"plot       {path}")
    if args.video:
        this_robot.replay.film(stand, pieces, args.video)
        print(f"video      {args.video}")


def main() -> None:
    """Read the command line and show the log."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("log", metavar="LOG", help=".csv, .npz, .mcap or a ROS 2 bag (docs/robot_log.md)")
    add_robot_argument(parser, "the simulated robot (default: the task's nominal one)")
    add("--out", metavar="FILE.png", help="the plot (default: beside the log)")
    add("--video", metavar="FILE.mp4", help="film both, the log on the left")
    replay(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
