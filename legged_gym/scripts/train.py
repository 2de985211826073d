"""Train a policy: ``python legged_gym/scripts/train.py --task=qmini --headless``."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from legged_gym import cli, envs, render, runners, viewers
from legged_gym.cli.arguments import (
    add_robot_argument,
    add_train_arguments,
    add_viewer_arguments,
    get_args,
    make_parser,
    run_main,
)
from legged_gym.common.devices import resolve_device
from legged_gym.common.errors import TrainingStoppedError, UserError
from legged_gym.common.lock import RunLock
from legged_gym.common.paths import python_command, relative, script_command
from legged_gym.common.processes import World, tidy_output, world

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.runners.build import Job

_EXAMPLES = (
    "python legged_gym/scripts/train.py --task=qmini --headless",
    "python legged_gym/scripts/train.py --task=qmini --num_envs=4096 --max_iterations=3000 --run_name=long",
    "python legged_gym/scripts/train.py --set rewards.scales.alive=0.5 --set commands.ranges.lin_vel_x=[0,0.6]",
    "python legged_gym/scripts/train.py --resume --max_iterations=2000     (continues the newest run)",
    "python legged_gym/scripts/train.py --headless --video_interval=100     (with videos in TensorBoard)",
    "python legged_gym/scripts/train.py --resume --load_run=shipped   (a new run that starts from the shipped policy)",
    "torchrun --nproc_per_node=4 legged_gym/scripts/train.py --sim=warp --num_envs=4096 --headless    (4 GPUs)",
)


def train(args: argparse.Namespace) -> None:
    """Train a new run or continue one; under ``torchrun`` together with the other processes.

    Raises:
        UserError: The command line is not valid. Then no files are left behind.
    """
    viewers.opening.check_host(args.host)
    with runners.distributed.joined(resolve_device(args.rl_device)) as here:
        _train(cli.job.resolve(args), args, here)


def _train(job: Job, args: argparse.Namespace, here: World) -> None:
    if args.video_interval:
        runner_class = runners.config.find_class("runner_class_name", job.train_cfg.runner_class_name)
        if not issubclass(runner_class, runners.OnPolicyRunner):
            # Other runners don't report their iterations.
            raise UserError("--video_interval needs one of this project's runners (see runner_class_name)")
    env = job.make_env()
    try:
        runner = job.make_runner(env, job.root)
        done = runners.runs.iterations_done(runner)
        total, folder = job.train_cfg.runner.max_iterations, str(runner.logger.log_dir)
        page = None
        try:
            if done >= total:
                raise UserError(f"'{folder}' already has {done} of {total} iterations: give a larger --max_iterations")
            if done > 0 and here.is_first:
                with RunLock(folder).held():
                    pass  # Errors come before any other output. Learning takes the lock again.
            if here.is_first:
                _write_config(
                    runner, lambda: runners.runs.save_run_config(folder, job.task, job.env_cfg, job.train_cfg, job.sim)
                )
            if args.video_interval and here.is_first:
                estimate = getattr(runner, "last_estimate", None)
                films = render.training_films.TrainingFilms(env, runner.logger, args.video_interval, estimate)
                runner.logger.observers.append(films)
            print(f"{job.notes}run: {relative(folder)}{_team(here, env.num_envs)}{_quicker(job, done)}")
            if done > 0 and getattr(runner, "new_episodes", None):
                print(f"the robots start new episodes, because {runner.new_episodes}")
            page = viewers.opening.show_training(runner, env, args) if here.is_first else None
            runner.learn(total - done, init_at_random_ep_len=True)
        except (KeyboardInterrupt, UserError) as reason:
            saved, stopped = runners.runs.list_checkpoints(folder), isinstance(reason, TrainingStoppedError)
            if saved and (stopped or isinstance(reason, KeyboardInterrupt)):
                print(f"\n{_next_steps(job.task, folder, total)}")
            elif here.is_first and done == 0 and not saved and not stopped:
                # If nothing was learned, no files are left behind.
                shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            if page is not None:
                page.close()
        print(f"\ntrained {total} iterations{_pace(runner, here)}\n{_next_steps(job.task, folder, 2 * total)}")
    finally:
        env.close()


def _write_config(runner: OnPolicyRunner, write: Callable[[], None]) -> None:
    """Write a new run's configuration at once; on ``--resume``, together with the first new checkpoint.

    Until then, the old configuration belongs to the run's checkpoints.
    """
    if getattr(runner, "completed_iterations", 0) == 0 or not isinstance(runner, runners.OnPolicyRunner):
        write()
        return

    def write_once() -> None:
        runner.after_save.remove(write_once)
        write()

    runner.after_save.append(write_once)


def _team(here: World, num_envs: int) -> str:
    """Return how many processes train, if there are several."""
    if here.size == 1:
        return ""
    machines = here.size // here.local_size
    where = f" on {machines} machines" if machines > 1 else ""
    return f"\n{here.size} processes{where}, {num_envs} robots each: {here.size * num_envs} robots"


def _quicker(job: Job, done: int) -> str:
    """Return which task's robot walks sooner if a new training has no GPU."""
    quick = envs.QUICKEST.get(job.task, {}).get("cpu") if job.rl_device == "cpu" and done == 0 else None
    return f"\nwithout a GPU it takes hours to learn to walk; --task={quick} takes about 15 minutes" if quick else ""


def _pace(runner: OnPolicyRunner, here: World) -> str:
    """Return the speed of the training; rsl_rl's own runner does not measure it."""
    speed = getattr(runner.logger, "steps_per_second", None)
    together = f" of all {here.size} processes together" if here.size > 1 else ""
    return "" if speed is None else f", {speed:.0f} steps/s{together} (median iteration, without the start)"


def _next_steps(task: str, folder: str, iterations: int) -> str:
    """Return the run's folder and the commands that play it, train it up to this many iterations, and watch it."""
    here, start = world(), None
    if here.size > 1:
        machines = f" --nnodes={here.size // here.local_size} …" if here.size > here.local_size else ""
        torchrun = os.path.join(os.path.dirname(shlex.split(python_command())[0]), "torchrun")
        start = f"{shlex.quote(torchrun)} --nproc_per_node={here.local_size}{machines}"
    root, run = (shlex.quote(relative(path)) for path in (os.path.dirname(os.path.dirname(folder)), folder))
    where = f"--task={task} --load_run={run}"
    return "\n".join(
        [
            f"  run    {relative(folder)}",
            f"  play   {script_command('play')} {where}",
            f"  go on  {script_command('train', start)} {where} --resume --headless --max_iterations={iterations}",
            f"  watch  {script_command('dashboard')} --logdir={root}",
        ]
    )


def main() -> None:
    """Read the command line and train."""
    tidy_output()
    parser = make_parser("Train a policy, or continue a training.", _EXAMPLES)
    add_train_arguments(parser)
    add_robot_argument(parser, "train for this robot, with parameters drawn from its intervals")
    add_viewer_arguments(parser, ("auto", "web", "none"), "a page in the browser, unless --headless")
    train(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
