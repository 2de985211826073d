"""Play a trained policy: ``python legged_gym/scripts/play.py --task=qmini``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from legged_gym.cli.arguments import add_viewer_arguments, get_args, make_parser, positive, run_main
from legged_gym.common import signals
from legged_gym.common.paths import relative

if TYPE_CHECKING:
    from legged_gym.evaluation.rollout import Rollout
    from legged_gym.policies.trained import Trained
    from legged_gym.render.film import RobotFilm
    from legged_gym.viewers import Viewer
    from legged_gym.viewers.session import PlaySession

_EXAMPLES = (
    "python legged_gym/scripts/play.py --task=qmini                                     (the newest run)",
    "python legged_gym/scripts/play.py --viewer web                                     (in the browser)",
    "python legged_gym/scripts/play.py --headless --video out.mp4 --command 0.4 0 0 --steps 500",
    "python legged_gym/scripts/play.py --replay logs/qmini/2026-01-31_12-00-00/diverged/iteration_7_not_finite.npz",
    "python legged_gym/scripts/play.py --load_run=2026-01-31_12-00-00 --checkpoint=500 --set terrain.mesh_type=plane",
)

_STEPS = 1000
"""Control steps where nobody looks on who could end it."""


def play(args: argparse.Namespace) -> None:
    """Step robots with a trained policy, show how well they do, and export the networks.

    Raises:
        UserError: No such run or checkpoint, or a folder that can't be written.
    """
    from legged_gym.render.video import check_video_path, prepare_offscreen

    if args.video:
        check_video_path(args.video)
        prepare_offscreen()
    from legged_gym.cli.job import resolve_policy
    from legged_gym.policies.trained import load_trained
    from legged_gym.viewers.opening import open_viewer
    from legged_gym.viewers.session import PlaySession

    if args.replay:
        _replay(args)
        return
    trained = load_trained(resolve_policy(args))
    try:
        print(f"checkpoint {relative(trained.checkpoint)}")
        with contextlib.ExitStack() as stack:
            film = _open_video(trained, args, stack)
            session = PlaySession(trained)
            if args.command is not None:
                session.drive_everyone(args.command)
            viewer = open_viewer(session, args)
            if viewer is not None:
                stack.callback(viewer.close)
            rollout = _roll_out(session, _limit(args.steps, viewer), film, viewer)
        if film is not None:
            print(f"video      {args.video}")
        _report(trained, rollout)
        if args.no_export:
            return
        if trained.shipped:
            print(f"networks   {relative(trained.run)}")
        elif args.overrides:
            print("not exported, because --set changed what the run was trained with: use export.py")
        else:
            _export(trained)
    finally:
        trained.env.close()


def _replay(args: argparse.Namespace) -> None:
    """Show the last second of a robot that diverged."""
    from legged_gym.cli.job import resolve_policy
    from legged_gym.viewers.opening import open_viewer
    from legged_gym.viewers.replay import describe, open_replay, run_of_replay

    args.load_run = args.load_run or run_of_replay(args.replay)
    session = open_replay(args.replay, resolve_policy(args, on_its_ground=True))
    try:
        print("\n".join(describe(session.replay, session.env.dof_names)))
        with contextlib.ExitStack() as stack:
            film = _open_video(session.trained, args, stack)
            viewer = open_viewer(session, args)
            if viewer is not None:
                stack.callback(viewer.close)
            # Where nobody looks on, once is enough.
            limit = args.steps or (None if viewer is not None and sys.stdin.isatty() else len(session.replay.actions))
            with signals.deferred():
                for step in session.steps(limit, [] if viewer is None else [viewer]):
                    if film is not None:
                        film.add_step(step.commands, step.estimate)
        if film is not None:
            print(f"video      {args.video}")
    finally:
        session.env.close()


def _open_video(trained: Trained, args: argparse.Namespace, stack: contextlib.ExitStack) -> RobotFilm | None:
    from legged_gym.render.drawing import followed_robot
    from legged_gym.render.film import RobotFilm, nearest_robots
    from legged_gym.render.video import VideoUnavailableError

    if not args.video:
        return None
    env = trained.env
    robots = nearest_robots(env, followed_robot(env), args.video_robots)
    env.ground.share_tile(robots)
    title = f"{os.path.basename(trained.run)}, {os.path.basename(trained.checkpoint)}"
    try:
        return stack.enter_context(RobotFilm(env, args.video, robots, title))
    except VideoUnavailableError as error:
        print(f"no video: {error}")
        return None


def _limit(steps: int | None, viewer: Viewer | None) -> int | None:
    """Return the number of control steps; None: until somebody stops it, who has to be there for that."""
    if steps is None and (viewer is None or not sys.stdin.isatty()):
        return _STEPS
    return steps


def _roll_out(session: PlaySession, limit: int | None, film: RobotFilm | None, viewer: Viewer | None) -> Rollout:
    """Step the robots, until the window is closed if there is one, or until Ctrl-C."""
    from legged_gym.common.console import progress_bar
    from legged_gym.evaluation.rollout import Rollout

    rollout = Rollout(session.env, session.robot)
    steps = session.steps(limit, [] if viewer is None else [viewer])
    if film is not None:
        # Without a GPU a frame takes half a second.
        steps = progress_bar(limit, "film {percentage:3.0f}%", items=steps)
    try:
        with signals.deferred():
            for step in steps:
                if step.estimate is not None and step.label is not None:
                    rollout.add_estimate(step.estimate, step.label)
                rollout.add(step.commands, step.dones)
                if film is not None:
                    film.add_step(step.commands, step.estimate)
    except KeyboardInterrupt:
        if rollout.seconds == 0.0:
            raise
        print("\nstopped")
    return rollout


def _report(trained: Trained, rollout: Rollout) -> None:
    """Print the figures and draw the plots into the run's folder."""
    from legged_gym.evaluation.plots import plot_rollout

    series = rollout.series()
    print(f"{trained.env.num_envs} robots for {rollout.seconds:.1f} s each; velocity errors are root mean squares:")
    for name, value in rollout.figures().items():
        print(f"  {name:<32} {value:8.3f}")
    for path in plot_rollout(series, os.path.join(trained.results, "play")):
        print(f"plot       {relative(path)}")


def _export(trained: Trained) -> None:
    from legged_gym.policies.export import export_policy

    for path in export_policy(trained.runner, trained.env, os.path.join(trained.run, "exported")).values():
        print(f"exported   {relative(str(path))}")


def main() -> None:
    """Read the command line and play."""
    parser = make_parser("Play a trained policy: figures, plots, video, and export of its networks.", _EXAMPLES)
    add = parser.add_argument
    add(
        "--steps",
        type=positive,
        metavar="N",
        help=f"control steps (default: until the window is closed or Ctrl-C; without a viewer {_STEPS})",
    )
    add("--command", type=float, nargs=3, metavar=("VX", "VY", "WZ"), help="one command for all, m/s, m/s, rad/s")
    add("--video", metavar="FILE.mp4", help="film a robot and its neighbours, also without a screen")
    add("--video_robots", type=positive, default=4, metavar="N", help="robots in the film (default: %(default)s)")
    add("--replay", metavar="FILE", help="show the last second of a robot that diverged: <run>/diverged/….npz")
    add("--no_export", action="store_true", help="do not export the networks")
    add_viewer_arguments(
        parser, ("auto", "native", "web", "none"), "a window, or without a screen a page in the browser"
    )
    play(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
