"""Check whether a robot is wired correctly: ``python legged_gym/scripts/check_log.py LOG``."""

from __future__ import annotations

import argparse
import sys

from legged_gym import cli, policies, this_robot
from legged_gym.cli.arguments import LOG, add_policy_argument, get_args, make_task_parser, run_main

_DESCRIPTION = """\
Check whether a new robot is wired correctly, from a log of its first motion: order, sign, scale and zero of joints,
motors and encoders; the IMU's axes, sign, mount and units; times, delay, gains, saturation, stuck and weak motors; and
the policy's input. Hang the robot up, send it the rows of excite.py --gentle, tilt its base by hand during the first
seconds, and record a log. The exit code is 1 if a check failed."""

_EXAMPLES = (
    "python legged_gym/scripts/excite.py --gentle --out first.csv",
    "python legged_gym/scripts/check_log.py first_motion.csv",
    "python legged_gym/scripts/check_log.py walk.npz --standing --policy shipped",
)
_MARKS = {True: "ok", False: "FAILED", None: "-"}


def check_log(args: argparse.Namespace) -> bool:
    """Print every check. Return whether none failed.

    Raises:
        UserError: The log or the policy can't be read.
    """
    stand, log = this_robot.stand.Stand(args.task), this_robot.log.read_log(args.log)
    found = this_robot.checks.check(log, stand, args.standing, args.tilted)
    if args.load_run:
        exported = policies.exported.load_policy(cli.exporting.exported_policy(args))
        found += this_robot.policy_checks.check_policy(log, exported)
    print(f"{log.name}: {len(log.time)} rows, {log.seconds:.1f} s")
    for finding in found:
        print(f"{_MARKS[finding.passed]:7} {finding.topic:22} {finding.text}")
    failed = sum(finding.passed is False for finding in found)
    untold = sum(finding.passed is None for finding in found)
    print(f"{failed} of {len(found)} checks failed" + (f"; {untold} not possible with this log" if untold else ""))
    return failed == 0


def main() -> None:
    """Read the command line and check."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("log", metavar="LOG", help=LOG)
    add("--standing", action="store_true", help="the robot stood or walked (default: it hung)")
    add("--tilted", action="store_true", help="the stand was tilted on purpose")
    add_policy_argument(parser, "--policy", "check this policy's input, too")
    if not check_log(get_args(parser=parser)):
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(run_main(main))
