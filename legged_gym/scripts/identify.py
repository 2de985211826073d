"""Identify one robot's parameters: ``python legged_gym/scripts/identify.py LOG… [--out my_robot.yaml]``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from legged_gym import this_robot
from legged_gym.cli import types
from legged_gym.cli.arguments import LOG, add_robot_argument, get_args, make_task_parser, run_main
from legged_gym.common.errors import UserError
from legged_gym.common.paths import check_writable, write_text
from legged_gym.common.threads import available_cores

if TYPE_CHECKING:
    from legged_gym.this_robot.log import RobotLog
    from legged_gym.this_robot.stand import Stand

_DESCRIPTION = """\
Identify a robot's parameters from logs in its stand: strength, armature, viscous and dry friction, zero offset and
backlash of each joint, and the delay. Record the logs with trajectories of excite.py, one upright and one tilted. This
writes my_robot.yaml, for --robot of train.py, evaluate.py, play.py and sim2sim.py, and a report beside it. With
--robot, it finds that robot's payload from a log of a walk, and writes the robot with it."""

_EXAMPLES = (
    "python legged_gym/scripts/identify.py upright.csv tilted.csv --out my_robot.yaml",
    "python legged_gym/scripts/identify.py walk.npz --robot my_robot.yaml --out loaded.yaml      (its payload)",
)


def identify_robot(args: argparse.Namespace) -> None:
    """Identify the robot. Write its parameters and a report.

    Raises:
        UserError: A log can't be read or shows nothing, or a file can't be written.
    """
    if not args.out.endswith((".yaml", ".yml")):
        raise UserError(f"--out takes the name of a .yaml file, got '{args.out}'")
    check_writable(args.out)
    logs = [this_robot.log.read_log(path) for path in args.logs]
    stand = this_robot.stand.Stand(args.task)
    if args.robot:
        _payload(args, stand, logs)
        return
    robot, found = this_robot.identify.identify(stand, logs, args.workers or available_cores())
    this_robot.robot_file.write_robot(robot, args.out)
    report = os.path.splitext(args.out)[0] + ".html"
    write_text(report, this_robot.report.identified_page(robot, found, logs[0]))
    short, names = this_robot.report.short, sorted({name for values in robot.joints.values() for name in values})
    print(f"{'':16}" + "".join(f"{name:>30}" for name in names))
    for joint, values in robot.joints.items():
        cells = [
            f"{short(v[1])} ({short(v[0])} … {short(v[2])})" if (v := values.get(name)) else "not told"
            for name in names
        ]
        print(f"{joint:16}" + "".join(f"{cell:>30}" for cell in cells))
    assert robot.delay is not None
    print("{:16}{:.1f} ms ({:.1f} … {:.1f})".format("delay", *(1e3 * robot.delay[i] for i in (1, 0, 2))))
    for line in this_robot.report.advice(robot, found):
        print(f"next            {line}")
    print(f"robot           {args.out}\nreport          {report}")


def _payload(args: argparse.Namespace, stand: Stand, logs: list[RobotLog]) -> None:
    """Find the payload of a robot whose joints are known."""
    if len(logs) != 1:
        raise UserError(f"the payload is found from one log of a walk, got {len(logs)} logs")
    robot = this_robot.robot_file.read_robot(args.robot, args.task)
    robot.payload = this_robot.payload.find_payload(stand, robot, logs[0])
    robot.not_told.pop("payload", None)
    robot.made_from.append(logs[0].name)
    this_robot.robot_file.write_robot(robot, args.out)
    low, value, high = robot.payload
    print(f"payload         {value:.2f} kg ({low:.2f} … {high:.2f})\nrobot           {args.out}")


def main() -> None:
    """Read the command line and identify."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    parser.add_argument("logs", nargs="+", metavar="LOG", help=LOG)
    parser.add_argument("--out", default="my_robot.yaml", metavar="FILE", help="where to write (default: %(default)s)")
    add_robot_argument(parser, "find the payload of this robot from a walk")
    parser.add_argument("--workers", type=types.few, metavar="N", help="threads (default: one per core)")
    parser.refuse("--workers", lambda args: args.robot, "has no effect with --robot, which uses one thread")
    identify_robot(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
