"""Make a trajectory for identifying a robot: ``python legged_gym/scripts/excite.py [--out excite.csv]``."""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys

from legged_gym import this_robot
from legged_gym.cli import types
from legged_gym.cli.arguments import get_args, make_task_parser, run_main

_DESCRIPTION = """\
Make a trajectory for a robot in its stand. identify.py finds the robot's parameters from a log of it. The trajectory is
simulated on the nominal robot and on ones that are 50 % weaker, stronger, lighter and heavier. It is scaled down until
none comes within 0.05 rad of a stop, needs more than 60 % of its torque or moves at more than 50 % of its speed. Send
its rows and gains at 500 Hz, from the pose of the first row, and record a log as docs/robot_log.md says."""

_EXAMPLES = (
    "python legged_gym/scripts/excite.py --out excite.csv",
    "python legged_gym/scripts/excite.py --tilt 20 15 --seed 1 --out tilted.csv",
    "python legged_gym/scripts/excite.py --log upright.csv              (run it in simulation and write that log)",
    "python legged_gym/scripts/excite.py --robot my_robot.yaml --log again.npz",
)


def excite(args: argparse.Namespace) -> None:
    """Make the trajectory, write it, and run it in simulation if asked.

    Raises:
        UserError: The trajectory can't be made safe, a file can't be read or written, or a value is not valid.
    """
    for path in filter(None, (args.out, args.log)):
        this_robot.log.check_log_path(path)
    stand = this_robot.stand.Stand(args.task)
    robot = this_robot.robot_file.read_robot(args.robot, args.task) if args.robot else None
    trajectory = this_robot.excite.make_trajectory(
        stand, args.seconds, args.seed, (math.radians(args.tilt[0]), math.radians(args.tilt[1])), args.gentle
    )
    print(f"trajectory      {args.seconds:g} s, safe; its joints move over")
    for name, course in zip(stand.joint_names, trajectory["target"].T, strict=True):
        print(f"  {name:16}{course.max() - course.min():.2f} rad, from {course.min():+.2f} rad")
    this_robot.log.write_log(trajectory, args.out, ("time", "target", "kp", "kd"))
    print(f"written         {args.out}")
    if args.log:
        truth = stand.nominal() if robot is None else stand.truth_of(robot)
        truth = dataclasses.replace(truth, noise=this_robot.log.SENSOR_NOISE, imu_rate=100.0)
        this_robot.log.write_log(this_robot.stand.simulate(stand, trajectory, truth, args.seed, args.rate), args.log)
        print(f"simulated log   {args.log}")


def main() -> None:
    """Read the command line and make the trajectory."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--seconds", type=types.motion, default=25.0, metavar="S", help="duration (default: %(default)g)")
    add(
        "--tilt", type=types.angle, nargs=2, default=(0.0, 0.0), metavar=("ROLL", "PITCH"), help="of the stand, degrees"
    )
    add("--gentle", action="store_true", help="a first motion for check_log.py: half the size, with the usual gains")
    add("--seed", type=types.seed, default=0, metavar="N", help="seed of the motion (default: %(default)s)")
    add("--out", default="excite.csv", metavar="FILE", help="the trajectory, .csv or .npz (default: %(default)s)")
    add("--log", metavar="FILE", help="run it in simulation, too, and write the log to this file")
    add(
        "--rate", type=types.rate, default=500.0, metavar="HZ", help="rows of the log per second (default: %(default)g)"
    )
    add("--robot", metavar="FILE", help="the robot that is simulated (default: the task's nominal one)")
    parser.refuse("--robot --rate", lambda args: not args.log, "needs --log: only then the robot is simulated")
    excite(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
