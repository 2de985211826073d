"""Whether identify.py's intervals tell the truth: ``python tests/hidden_robots.py [--robots 30]``.

Each robot is drawn at random, with noise, clocks that jitter, backlash, more friction at rest than in motion and links
of other masses. It is logged in its stand and identified. The table shows errors and how many intervals hold the truth.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from robot_logs import some_robot

from legged_gym.this_robot.excite import make_trajectory
from legged_gym.this_robot.identify import identify
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.robot_file import IDENTIFIED
from legged_gym.this_robot.stand import Stand, simulate

_NAMES = (*IDENTIFIED, "delay")


def measure(
    stand: Stand, trajectories: list[RobotLog], args: argparse.Namespace, seed: int
) -> dict[str, list[list[float]]]:
    """Return error and half width of the interval of each value of a hidden robot; those that are refused left out."""
    truth = some_robot(stand, seed, real=not args.ideal)
    logs = [simulate(stand, t, truth, seed + 1000 * i, 500.0 / args.every) for i, t in enumerate(trajectories)]
    robot, _ = identify(stand, logs)
    found: dict[str, list[list[float]]] = {}
    for name in IDENTIFIED:
        true = np.broadcast_to(getattr(truth, name), stand.num_dof)
        told = [(robot.joints[joint].get(name), true[i]) for i, joint in enumerate(stand.joint_names)]
        found[name] = [[interval[1] - t, interval[0] - t, interval[2] - t] for interval, t in told if interval]
    assert robot.delay is not None
    found["delay"] = [[end - truth.delay for end in (robot.delay[1], robot.delay[0], robot.delay[2])]]
    return found


def main() -> None:
    """Identify hidden robots and print how near and how sure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", type=int, default=30, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=300, help="seed of the first (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each log (default: %(default)g)")
    parser.add_argument("--every", type=int, default=1, help="log one of so many of the motors' ticks")
    parser.add_argument("--tilted", action="store_true", help="a second log with the stand tilted")
    parser.add_argument("--ideal", action="store_true", help="nothing but noise that the fit does not know")
    parser.add_argument("--out", help="write each robot's figures there, one JSON object a line")
    args = parser.parse_args()
    stand, rows = Stand(), []
    tilts = [(0.0, 0.0), (0.35, 0.26)][: 1 + args.tilted]
    trajectories = [make_trajectory(stand, args.seconds, i, tilt) for i, tilt in enumerate(tilts)]
    for seed in range(args.first, args.first + args.robots):
        begin = time.process_time()
        rows.append(measure(stand, trajectories, args, seed))
        print(f"robot {seed}: {time.process_time() - begin:.0f} s", flush=True)
        if args.out:
            with open(args.out, "a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": seed, **rows[-1]}) + "\n")
    print(f"{'':18}{'told':>10}{'median error':>14}{'largest':>10}{'half width':>12}{'covered':>9}")
    for name in _NAMES:
        values = np.array([value for row in rows for value in row[name]]).reshape(-1, 3)
        error, half = np.abs(values[:, 0]), 0.5 * (values[:, 2] - values[:, 1])
        covered = (values[:, 1] <= 1e-12) & (values[:, 2] >= -1e-12)
        asked = args.robots * (1 if name == "delay" else stand.num_dof)
        print(f"{name:18}{f'{len(values)}/{asked}':>10}{np.median(error):14.5f}{error.max():10.5f}"
              f"{np.median(half):12.5f}{covered.mean():9.1%}")  # fmt: skip


if __name__ == "__main__":
    main()
