"""Whether the guide's command teaches: ``nice python tests/adapted_robots.py [--robots 5] [--max_iterations 4700]``.

Robots at the edge of the range are drawn, odd ones weak and even ones strong. For each the shipped policy goes on
learning with the command of docs/this_robot.md, then both walk on that robot. The table is the guide's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from legged_gym.this_robot.robot_file import ThisRobot, write_robot
from legged_gym.this_robot.stand import Stand

_SCRIPTS = Path(__file__).parents[1] / "legged_gym" / "scripts"
_HALF = {"strength": 0.055, "armature": 4.4e-4, "viscous_friction": 0.0064, "dry_friction": 0.0092,
         "zero_offset": 0.0175}  # fmt: skip
"""Half the intervals that identify.py tells."""
_SCENARIOS = {"this_robot": "", "this_robot_pushed": "pushed by 0.6 m/s every 2 s"}
_METRICS = ("vx_rmse", "yaw_rmse", "estimator_rmse", "drift_max")


def edge_robot(seed: int) -> ThisRobot:
    """Return a robot at the edge of the range: weak if its number is odd, else strong."""
    rng, stand, count = np.random.default_rng(seed), Stand(), 10
    values = {
        "strength": np.full(count, 0.8 if seed % 2 else 1.2),
        "armature": stand.nominal().armature * rng.uniform(1.0, 1.3, count),
        "viscous_friction": rng.uniform(0.05, 0.15, count),
        "dry_friction": rng.uniform(0.1, 0.3, count),
        "zero_offset": rng.choice([-0.026, 0.026], count),
    }
    joints = {
        name: {what: (v[i] - _HALF[what], v[i], v[i] + _HALF[what]) for what, v in values.items()}
        for i, name in enumerate(stand.joint_names)
    }
    return ThisRobot("qmini", joints, delay=(0.0115, 0.012, 0.0125))


def run(script: str, *arguments: str) -> None:
    """Run a script of the project, and show what it says."""
    subprocess.run([sys.executable, str(_SCRIPTS / script), *arguments], check=True)


def main() -> None:
    """Adapt, evaluate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", type=int, default=5, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=1, help="number of the first (default: %(default)s)")
    parser.add_argument("--max_iterations", type=int, default=4700, help="in all (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("logs/adapted"), help="folder (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for train.py")
    args = parser.parse_args()
    rows = []
    for seed in range(args.first, args.first + args.robots):
        folder = args.out / f"robot_{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        file = str(folder / "my_robot.yaml")
        write_robot(edge_robot(seed), file)
        run("train.py", "--resume", "--load_run=shipped", f"--robot={file}", "--headless", f"--log_root={folder}",
            f"--max_iterations={args.max_iterations}", *(f"--set={setting}" for setting in args.set))  # fmt: skip
        newest = max(folder.glob("qmini/*"))
        run("evaluate.py", "shipped=shipped", f"adapted={newest}", f"--robot={file}", f"--out={folder / 'evaluation'}",
            f"--scenarios={','.join(_SCENARIOS)}")  # fmt: skip
        found = json.loads((folder / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
        both = [policy["results"] for policy in found["policies"]]
        for scenario, words in _SCENARIOS.items():
            before, after = (policy[scenario]["metrics"] for policy in both)
            cells = [f"{before[m]:.{d}f} → {after[m]:.{d}f}" for m, d in zip(_METRICS, (3, 3, 3, 1), strict=True)]
            falls = f"{before['falls']:.0f} → {after['falls']:.0f}"
            rows.append(f"| {seed}, {'weak' if seed % 2 else 'strong'} | {words} | {' | '.join((*cells, falls))} |")
            print(rows[-1], flush=True)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
