"""Play a trained policy: ``python legged_gym/scripts/play.py --task=qmini``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from legged_gym.utils.helpers import get_args, make_parser, positive, relative, run_main

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
    from legged_gym.utils.rollout import Rollout
    from legged_gym.utils.trained import Trained
    from legged_gym.utils.viewer import Viewer
    from legged_gym.viewers.film import RobotFilm

_EXAMPLES = (
    "python legged_gym/scripts/play.py --task=qmini                                     (the newest run)",
    "python legged_gym/scripts/play.py --headless --video out.mp4 --command 0.4 0 0 --steps 500",
    "python legged_gym/scripts/play.py --load_run=2026-01-31_12-00-00 --checkpoint=500 --set terrain.mesh_type=plane",
)


def play(args: argparse.Namespace) -> None:
    """Step robots with a trained policy, show how well they do, and export the networks.

    Raises:
        UserError: No such run or checkpoint, or a folder that can't be written.
    """
    from legged_gym.utils.video import check_video_path, prepare_offscreen

    if args.video:
        check_video_path(args.video)
        prepare_offscreen()
    import legged_gym.envs  # noqa: F401 (registers the tasks)
    from legged_gym.utils.trained import load_trained

    trained = load_trained(args, lambda env_cfg: _fix_command(env_cfg, args.command))
    try:
        print(f"checkpoint {relative(trained.checkpoint)}")
        with contextlib.ExitStack() as stack:
            video, viewer = _open_video(trained, args, stack), _open_viewer(trained.env, args, stack)
            rollout = _roll_out(trained, args.steps, video, viewer)
        if video is not None:
            print(f"video      {args.video}")
        _report(trained, rollout)
        if args.no_export:
            return
        if trained.shipped:
            print(f"networks   {relative(trained.run)}")
        elif args.overrides or args.command:
            print("not exported, because --set or --command changed what the run was trained with: use export.py")
        elif not hasattr(trained.runner, "estimate"):
            print("not exported: only policies with an estimator can be")
        else:
            _export(trained)
    finally:
        trained.env.close()


def _fix_command(env_cfg: LeggedRobotCfg, command: list[float] | None) -> None:
    """Ask all robots for one command throughout, if there is one: vx, vy in m/s, yaw rate in rad/s."""
    if command is None:
        return
    for name, value in zip(("lin_vel_x", "lin_vel_y", "ang_vel_yaw"), command, strict=True):
        env_cfg.set(f"commands.ranges.{name}", [value, value])
    env_cfg.commands.standing_share = 0.0


def _open_video(trained: Trained, args: argparse.Namespace, stack: contextlib.ExitStack) -> RobotFilm | None:
    from legged_gym.utils.drawing import followed_robot
    from legged_gym.utils.video import VideoUnavailableError
    from legged_gym.viewers.film import RobotFilm, nearest_robots

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


def _open_viewer(env: LeggedRobot, args: argparse.Namespace, stack: contextlib.ExitStack) -> Viewer | None:
    from legged_gym.utils.viewer import Viewer, screen_available

    if args.headless:
        return None
    if not screen_available():
        print("no screen here: going on without a window (--headless --video out.mp4 records what it would show)")
        return None
    try:
        viewer = Viewer(env)
    except RuntimeError as error:
        # On macOS MuJoCo's viewer wants mjpython in place of python.
        print(f"no window: {error}")
        return None
    stack.callback(viewer.close)
    return viewer


def _roll_out(trained: Trained, steps: int, film: RobotFilm | None, viewer: Viewer | None) -> Rollout:
    """Step the robots, until the window is closed if there is one."""
    import torch

    from legged_gym.utils.rollout import Rollout

    env, policy = trained.env, trained.runner.get_inference_policy(device=trained.runner.device)
    rollout = Rollout(env, min(env.cfg.viewer.ref_env, env.num_envs - 1))
    obs = env.reset()
    with torch.inference_mode():
        for _ in range(steps):
            obs = obs.to(trained.runner.device)
            estimate = policy.estimate(obs) if hasattr(policy, "estimate") else None
            if estimate is not None:
                rollout.add_estimate(estimate, obs["label"])
            commands = env.commands.clone()
            obs, _, dones, _ = env.step(policy(obs).to(env.device))
            rollout.add(commands, dones)
            if film is not None:
                film.add_step(commands, estimate)
            if viewer is not None:
                viewer.render()
                if not viewer.is_open:
                    break
    return rollout


def _report(trained: Trained, rollout: Rollout) -> None:
    """Print the figures and draw the plots into the run's folder."""
    from legged_gym.utils.plots import plot_rollout

    series = rollout.series()
    seconds = len(series.dof_pos) * series.dt
    print(f"{trained.env.num_envs} robots for {seconds:.1f} s each; velocity errors are root mean squares:")
    for name, value in rollout.figures().items():
        print(f"  {name:<32} {value:8.3f}")
    for path in plot_rollout(series, os.path.join(trained.results, "play")):
        print(f"plot       {relative(path)}")


def _export(trained: Trained) -> None:
    from legged_gym.utils.export import export_policy

    for path in export_policy(trained.runner, trained.env, os.path.join(trained.run, "exported")).values():
        print(f"exported   {relative(str(path))}")


def main() -> None:
    """Read the command line and play."""
    parser = make_parser("Play a trained policy: figures, plots, video, and export of its networks.", _EXAMPLES)
    add = parser.add_argument
    add("--steps", type=positive, default=1000, metavar="N", help="control steps (default: %(default)s)")
    add("--command", type=float, nargs=3, metavar=("VX", "VY", "WZ"), help="one command for all, m/s, m/s, rad/s")
    add("--video", metavar="FILE.mp4", help="film a robot and its neighbours, also without a screen")
    add("--video_robots", type=positive, default=4, metavar="N", help="robots in the film (default: %(default)s)")
    add("--no_export", action="store_true", help="do not export the networks")
    play(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
