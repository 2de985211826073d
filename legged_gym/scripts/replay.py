"""Show a log beside a simulation with the same targets: ``python legged_gym/scripts/replay.py LOG``."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from typing import TYPE_CHECKING

from legged_gym import evaluation, render, this_robot, viewers
from legged_gym.cli.arguments import LOG, add_robot_argument, add_viewer_arguments, get_args, make_task_parser, run_main

if TYPE_CHECKING:
    from legged_gym.viewers.replay import RecordedSession

_DESCRIPTION = """\
Compare a log of a robot in its stand with a simulated robot that gets the same targets. This plots all joints and shows
both robots in a window, on a page in the browser, or in a video. identify.py finds the parameters that differ; with
--robot the simulation uses them."""

_EXAMPLES = (
    "python legged_gym/scripts/replay.py upright.csv",
    "python legged_gym/scripts/replay.py upright.csv --robot my_robot.yaml --video both.mp4",
)


def replay(args: argparse.Namespace) -> None:
    """Simulate, plot, show and film.

    Raises:
        UserError: The log or the robot can't be read, or a file can't be written.
    """
    if args.video:
        render.video.check_video_path(args.video)
        render.video.prepare_offscreen()
    viewers.opening.check_host(args.host)
    log, stand = this_robot.log.read_log(args.log), this_robot.stand.Stand(args.task)
    this_robot.identify.require_stand(log)
    truth = stand.truth_of(this_robot.robot_file.read_robot(args.robot, args.task)) if args.robot else stand.nominal()
    pieces = this_robot.replay.simulated_pieces(stand, log, truth)
    print("RMS difference of angles, mrad")
    squares = sum(((shown - chunk.position) ** 2).sum(0) for chunk, shown in pieces)
    rows = sum(len(shown) for _, shown in pieces)
    for name, value in zip(stand.joint_names, 1e3 * (squares / rows) ** 0.5, strict=True):
        print(f"  {name:16}{value:8.1f}")
    path = args.out or f"{os.path.splitext(args.log)[0]}_replay.png"
    this_robot.replay.plot(stand, pieces, path)
    print(f"plot       {path}")
    if args.video or not args.headless:
        _show(args, this_robot.replay.session(stand, pieces, log.name))


def _show(args: argparse.Namespace, session: RecordedSession) -> None:
    """Show both robots in a viewer or in the film."""
    env = session.env
    try:
        if not args.video:
            viewers.opening.watch(session, args, None, 0, lambda step: None)
            return
        recorder = evaluation.recorder.Recorder(env)
        for _ in session.steps(session.length):
            recorder.add()
        title = "left: the log, right: the simulation"
        stage = evaluation.recorder.stage_of(env)
        scene = render.film.Scene(title, recorder.rollout(), stage, explained=False)
        render.film.film([scene], args.video, dataclasses.replace(render.film.PLAY, distance=0.6))
    finally:
        env.close()


def main() -> None:
    """Read the command line and show the log."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("log", metavar="LOG", help=LOG)
    add_robot_argument(parser, "the simulated robot (default: the task's nominal one)")
    add("--out", metavar="FILE.png", help="file for the plot (default: beside the log)")
    add("--video", metavar="FILE.mp4", help="write a video of both, the log on the left, instead of showing them")
    add("--headless", action="store_true", help="only plot")
    add_viewer_arguments(parser, ("auto", "native", "web"), "a window, or without a screen a page in the browser")
    parser.refuse("--viewer --host --port", lambda args: args.video, "has no effect with --video")
    replay(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
