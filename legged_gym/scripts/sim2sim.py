"""Run an exported policy as on the robot: ``python legged_gym/scripts/sim2sim.py [--policy POLICY]``."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from legged_gym import cli, deploy, evaluation, policies, render, this_robot
from legged_gym.cli import types
from legged_gym.cli.arguments import (
    add_log_arguments,
    add_policy_argument,
    add_robot_argument,
    get_args,
    make_task_parser,
    run_main,
)
from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.common.threads import available_cores
from legged_gym.evaluation.scenarios import fixed

if TYPE_CHECKING:
    from legged_gym.deploy.session import Session
    from legged_gym.evaluation.scenarios import Plan, Scenario
    from legged_gym.policies.exported import ControllerConfig

_DESCRIPTION = """\
Run an exported policy as on the robot: ONNX Runtime at 50 Hz and motors at 500 Hz in plain MuJoCo at 1 ms, by the rules
of the robot's controller, without PyTorch and without the training environment. By default the robot stands, walks
forward, turns, walks backward and stops. It can also follow your commands, or run the scenarios of evaluate.py, so that
you can compare both results. The same policy, seed and number of trials give the same results."""

_EXAMPLES = (
    "python legged_gym/scripts/sim2sim.py                                               (the newest run)",
    "python legged_gym/scripts/sim2sim.py --policy logs/qmini/2026-01-31_12-00-00 --video out.mp4",
    "python legged_gym/scripts/sim2sim.py --vx 0.4 --yaw 0.3 --seconds 20 --trials 10 --push 0.3 --friction 0.5",
    "python legged_gym/scripts/sim2sim.py --drive drive.csv --action_delay 20 --noise 1",
    "python legged_gym/scripts/sim2sim.py --scenarios flat,push_0.6,action_delay",
)

_SCENARIO_TRIALS = 18
_COMMANDS = ("vx", "vy", "yaw", "drive", "seconds")
"""Arguments that define a drive."""


class _Condition(NamedTuple):
    """An argument that makes a drive more difficult."""

    scenario_field: str
    metavar: str
    help: str
    kind: Callable[[str], Any]
    convert: Callable[[Any], Any] = lambda value: value
    """Converts the argument's value to that of the scenario's field."""


def _milliseconds(value: float) -> tuple[float, float]:
    return fixed(1e-3 * value)


_CONDITIONS = {
    "friction": _Condition("friction", "F", "friction of the ground (default: 1)", types.friction, fixed),
    "payload": _Condition("payload", "KG", "mass added to the base", types.mass, fixed),
    "ground": _Condition("terrains", "NAME", "rough_2cm, stairs_up, … (default: plane)", str, lambda name: (name,)),
    "push": _Condition("push", "M/S", "each push changes the velocity by this, in a random direction", types.speed),
    "push_interval": _Condition("push_interval", "S", "time between pushes (default: 2)", types.seconds),
    "action_delay": _Condition("action_delay", "MS", "delay of the actions", types.milliseconds, _milliseconds),
    "observation_delay": _Condition("observation_delay", "MS", "delay of the sensors", types.milliseconds,
                                    _milliseconds),
    "noise": _Condition("noise", "X", "sensor noise, as a multiple of training's (default: 0)", types.multiplier),
    "kp": _Condition("p_gain", "X", "factor on the motors' real P gains", types.multiplier, fixed),
    "kd": _Condition("d_gain", "X", "factor on the motors' real D gains", types.multiplier, fixed),
    "zero_offset": _Condition("zero_offset", "RAD", "largest error of the joints' zeros", types.zero_offset),
}  # fmt: skip
"""Arguments for a drive. The scenarios of evaluate.py have their own values."""


def sim2sim(args: argparse.Namespace) -> None:
    """Run trials, print a table, and write figures, report and video.

    Raises:
        UserError: The policy does not exist, a value is not valid, or a file can't be written.
        KeyboardInterrupt: The user stopped it. Finished trials are written.
    """
    if args.video:
        render.video.check_video_path(args.video)
    if args.log:
        this_robot.log.check_log_path(args.log)
    # Before MuJoCo is imported.
    render.video.prepare_offscreen()

    folder = cli.exporting.exported_policy(args)
    config = policies.exported.load_policy(folder).config
    if args.steps_on_the_spot and "gait_clock" not in config.observation_terms:
        raise UserError("--steps_on_the_spot needs a gait clock, and this policy has none")
    result = evaluation.results.EvaluationResult(
        task=args.task, sim=deploy.session.SIMULATION, device="cpu", seed=args.seed,
        trials=args.trials or (_SCENARIO_TRIALS if args.scenarios else 1), longest=None, overrides=[], scenarios=(),
    )  # fmt: skip
    session = deploy.session.Session(
        folder, args.urdf or policies.finder.find_urdf(folder), result, args.workers or available_cores(),
        low_pass=args.low_pass, steps_on_the_spot=args.steps_on_the_spot,
        robot=this_robot.robot_file.read_robot(args.robot, args.task) if args.robot else None,
    )  # fmt: skip
    scenarios, notes = _scenarios(args, config)
    with cli.exporting.output_folder(args.out, "sim2sim", args.log_root) as out:
        print(f"{notes}policy     {relative(folder)}", flush=True)
        if args.log:
            this_robot.log.write_log(session.log(scenarios[0], args.log_motors), args.log)
            print(f"log        {args.log}", flush=True)
        try:
            session.run(scenarios)
        except KeyboardInterrupt:
            print("\nkeeping the finished trials", file=sys.stderr)
        if result.scenarios:
            _report(session, out, args.video)
    if not result.finished:
        raise KeyboardInterrupt


def _scenarios(args: argparse.Namespace, config: ControllerConfig) -> tuple[tuple[Scenario, ...], str]:
    """Return the drive or the scenarios of evaluate.py, and notes about it."""
    given = [name for name in (*_COMMANDS, *_CONDITIONS) if getattr(args, name) is not None]
    if args.scenarios is not None:
        if given:
            raise UserError(f"--{given[0]} is for a drive: --scenarios have their own conditions")
        return evaluation.scenarios.select_scenarios(None if args.scenarios == "all" else args.scenarios), ""
    if args.ground is not None:
        deploy.world.check_ground(args.ground)
    plan, seconds = _drive(args)
    if seconds - plan[-1][0] < 0.99 * config.control_dt:
        raise UserError(
            f"--seconds is too short: the last command gets less than a control step, {config.control_dt:g} s"
        )
    notes = "".join(f"note       {line}\n" for line in deploy.drive.out_of_range(plan, config.trained_ranges))
    conditions = {"noise": 0.0}
    for name, condition in _CONDITIONS.items():
        if name in given:
            conditions[condition.scenario_field] = condition.convert(getattr(args, name))
    return (deploy.session.drive_scenario(plan, seconds, **conditions),), notes


def _drive(args: argparse.Namespace) -> tuple[Plan, float]:
    """Return the drive and its duration, s."""
    command = (args.vx, args.vy, args.yaw)
    if args.drive and command != (None, None, None):
        raise UserError("give either --drive, or --vx, --vy and --yaw")
    if args.drive:
        plan = deploy.drive.read_drive(args.drive)
    elif command != (None, None, None):
        plan = ((0.0, (args.vx or 0.0, args.vy or 0.0, args.yaw or 0.0)),)
    else:
        plan = deploy.drive.DEFAULT_DRIVE
    seconds = deploy.drive.drive_seconds(plan) if args.seconds is None else args.seconds
    if not plan[-1][0] < seconds < math.inf:
        raise UserError(f"--seconds must be more than {plan[-1][0]:g}, when the last command begins, got {seconds:g}")
    return plan, seconds


def _report(session: Session, folder: str, video: str | None) -> None:
    print()
    evaluation.report.print_results(session.result)
    print()
    print("\n".join([*session.describe_ends(10), ""]) if session.ends else "no falls, no damping mode\n")
    path, longest = os.path.join(folder, "sim2sim.json"), math.inf if deploy.session.DRIVE in session.samples else 4.0
    ends = [dataclasses.asdict(end) for end in session.ends]
    render.results.write_results(session.result, [session.samples], path, video, longest, ends=ends)


def main() -> None:
    """Read the command line and run the trials."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add_policy_argument(parser, "--policy")
    add("--vx", type=types.velocity, metavar="M/S", help="forward velocity, instead of the default drive")
    add("--vy", type=types.velocity, metavar="M/S", help="velocity to the left")
    add("--yaw", type=types.velocity, metavar="RAD/S", help="yaw rate, to the left")
    add("--seconds", type=types.non_negative, metavar="S", help="duration of the drive")
    add("--drive", metavar="FILE", help="file with rows of time, vx, vy, yaw: a .csv, or a list in a .yaml")
    add("--scenarios", "--suites", metavar="A,B", help="scenarios of evaluate.py instead of a drive, or 'all'")
    for name, condition in _CONDITIONS.items():
        add(f"--{name}", type=condition.kind, metavar=condition.metavar, help=condition.help)
    add("--low_pass", action="store_true", help="commands rise and fall slowly, as on the robot's sticks")
    add("--steps_on_the_spot", action="store_true", help="keep the gait clock running while the command is zero")
    add(
        "--trials",
        type=types.trials,
        metavar="N",
        help=f"trials of the drive (default: 1), or of each scenario ({_SCENARIO_TRIALS})",
    )
    add("--seed", type=types.seed, default=1, metavar="N", help="seed of all random numbers (default: %(default)s)")
    add(
        "--workers",
        type=types.positive,
        metavar="N",
        help="processes (default: one per core); results don't depend on it",
    )
    add_robot_argument(parser, "simulate this robot")
    add("--log", metavar="FILE", help="write the first trial's log to this file, .csv or .npz (docs/robot_log.md)")
    add("--log_motors", action="store_true", help="log the motors at 500 rows a second, without the policy's data")
    add("--urdf", metavar="FILE", help="use this URDF for the robot")
    add("--video", metavar="FILE.mp4", help="record the drive, or a trial of each scenario")
    add("--out", metavar="DIR", help="where the results go (default: a new folder in logs/sim2sim)")
    add_log_arguments(parser, experiment=False)
    parser.refuse("--log_motors", lambda args: not args.log, "needs --log")
    parser.refuse("--push_interval", lambda args: not args.push, "needs --push above 0")
    sim2sim(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
