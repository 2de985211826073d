"""Play a trained policy: ``python legged_gym/scripts/play.py --task=qmini``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from legged_gym import cli, evaluation, policies, render, viewers
from legged_gym.cli import types
from legged_gym.cli.arguments import add_robot_argument, add_viewer_arguments, get_args, make_parser, run_main
from legged_gym.common.paths import relative

if TYPE_CHECKING:
    from legged_gym.evaluation.recorder import Recorder
    from legged_gym.evaluation.tally import Tally
    from legged_gym.policies.trained import Trained
    from legged_gym.viewers.replay import ReplaySession
    from legged_gym.viewers.session import PlaySession, Step, TimedSession

_EXAMPLES = (
    "python legged_gym/scripts/play.py --task=qmini                                     (the newest run)",
    "python legged_gym/scripts/play.py --viewer web                                     (in the browser)",
    "python legged_gym/scripts/play.py --headless --video out.mp4 --command 0.4 0 0 --steps 500",
    "python legged_gym/scripts/play.py --replay logs/qmini/2026-01-31_12-00-00/diverged/iteration_7_not_finite.npz",
    "python legged_gym/scripts/play.py --load_run=2026-01-31_12-00-00 --checkpoint=500 --set terrain.mesh_type=plane",
)

_STEPS = 1000
"""Number of control steps without a viewer."""
_PLOTTED_STEPS = 3000
"""Number of control steps in the plots."""
_PLOTTED = ("dof_targets", "foot_forces")
"""Further signals for the plots."""


def play(args: argparse.Namespace) -> None:
    """Play a trained policy, show metrics, and export the networks.

    Raises:
        UserError: The run or checkpoint does not exist, or the folder can't be written.
    """
    if args.video:
        render.video.check_video_path(args.video)
        render.video.prepare_offscreen()

    viewers.opening.check_host(args.host)
    if args.replay:
        _replay(args)
        return
    trained = policies.trained.load_trained(cli.job.resolve_policy(args))
    try:
        print(f"checkpoint {relative(trained.checkpoint)}")
        robots = _film_robots(trained, args)
        session = viewers.session.PlaySession(trained)
        if args.command is not None:
            session.drive(args.command, everyone=True)
        tally = evaluation.tally.Tally(trained.env)
        recorder = _run(session, args, robots, _STEPS, tally)
        _report(trained, tally, recorder)
        _film(session, args, recorder)
        if not args.no_export:
            _export(trained, args)
    finally:
        trained.env.close()


def _replay(args: argparse.Namespace) -> None:
    """Show the last second of a robot that diverged."""
    args.load_run = args.load_run or viewers.replay.run_of_replay(args.replay)
    session = viewers.replay.open_replay(args.replay, cli.job.resolve_policy(args, on_its_ground=True))
    try:
        print("\n".join(viewers.replay.describe(session.replay, session.env.dof_names)))
        # Without a viewer, once is enough.
        recorder = _run(session, args, [session.robot], len(session.replay.actions))
        _film(session, args, recorder)
    finally:
        session.env.close()


def _film_robots(trained: Trained, args: argparse.Namespace) -> list[int]:
    """Return the recorded robots, the followed one first. For a film they all start together."""
    env = trained.env
    count = args.video_robots if args.video else 1
    robots = render.drawing.nearest_robots(env, render.drawing.followed_robot(env), count)
    if args.video:
        env.ground.share_tile(robots)
    return robots


def _run(
    session: TimedSession, args: argparse.Namespace, robots: list[int], unwatched: int, tally: Tally | None = None
) -> Recorder:
    """Step the robots until the session ends, or for ``unwatched`` steps without a viewer. Record some of them."""
    recorder = evaluation.recorder.Recorder(session.env, _PLOTTED, robots, None if args.video else _PLOTTED_STEPS)
    viewers.opening.watch(session, args, args.steps, unwatched, lambda step: _take(step, recorder, tally))
    return recorder


def _take(step: Step, recorder: Recorder, tally: Tally | None) -> None:
    values = {"commands": step.commands, "estimate": step.estimate, "label": step.label}
    recorder.add(**{name: None if value is None else recorder.choose(value) for name, value in values.items()})
    if tally is not None:
        if step.estimate is not None and step.label is not None:
            tally.add_estimate(step.estimate, step.label)
        tally.add(step.commands, step.dones)


def _film(session: PlaySession | ReplaySession, args: argparse.Namespace, recorder: Recorder) -> None:
    """Render the film of the recorded robots, if ``--video`` is given."""
    if not args.video:
        return
    run, checkpoint = os.path.split(session.trained.checkpoint)
    scene = render.film.Scene(
        f"{os.path.basename(run)}, {checkpoint}", recorder.rollout(), evaluation.recorder.stage_of(session.env)
    )
    render.film.film([scene], args.video, render.film.PLAY)


def _report(trained: Trained, tally: Tally, recorder: Recorder) -> None:
    """Print the metrics and draw the plots into the run's folder."""
    env = trained.env
    print(f"{env.num_envs} robots for {tally.seconds:.1f} s each, terrain and randomisation as in training; "
          "velocity errors are root mean squares:")  # fmt: skip
    metrics = tally.metrics()
    width = max(map(len, metrics))
    for name, value in metrics.items():
        print(f"  {name:<{width}} {value:8.3f}")
    folder = os.path.join(trained.results, "play")
    for path in evaluation.plots.plot_rollout(recorder.rollout(), env.dof_names, env.foot_names, folder):
        print(f"plot       {relative(path)}")


def _export(trained: Trained, args: argparse.Namespace) -> None:
    """Export the networks into the run's folder, or print why not."""
    if trained.shipped:
        print(f"networks   {relative(trained.run)}")
    elif args.overrides:
        print("not exported, because --set changed settings of the training: use export.py")
    else:
        folder = os.path.join(trained.run, policies.finder.EXPORTED)
        for path in policies.export.export_policy(trained.runner, trained.env, folder).values():
            print(f"exported   {relative(str(path))}")


def main() -> None:
    """Read the command line and play."""
    parser = make_parser("Play a trained policy: metrics, plots, video, and export of its networks.", _EXAMPLES)
    add = parser.add_argument
    add_robot_argument(parser, "simulate this robot")
    add(
        "--steps",
        type=types.positive,
        metavar="N",
        help=f"control steps (default: until the window is closed or Ctrl-C; without a viewer {_STEPS})",
    )
    add("--command", type=types.velocity, nargs=3, metavar=("VX", "VY", "WZ"),
        help="one command for all, m/s, m/s, rad/s")  # fmt: skip
    add("--video", metavar="FILE.mp4", help="record a video of a robot and its neighbours, also without a screen")
    add("--video_robots", type=types.few, default=4, metavar="N", help="robots in the video (default: %(default)s)")
    add("--replay", metavar="FILE", help="show the last second of a robot that diverged: <run>/diverged/….npz")
    add("--no_export", action="store_true", help="do not export the networks")
    add_viewer_arguments(
        parser, ("auto", "native", "web", "none"), "a window, or without a screen a page in the browser"
    )
    parser.refuse("--video_robots", lambda args: not args.video, "needs --video")
    shown = "has no effect with --replay, which shows one robot's recorded motion"
    parser.refuse("--command --no_export --num_envs --robot --video_robots", lambda args: args.replay, shown)
    play(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
