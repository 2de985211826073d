"""Export a trained policy for the robot: ``python legged_gym/scripts/export.py --task=qmini``."""

from __future__ import annotations

import argparse
import os
import sys

from legged_gym.utils.helpers import get_args, make_parser, relative, run_main

_EXAMPLES = (
    "python legged_gym/scripts/export.py --task=qmini                                   (the newest run)",
    "python legged_gym/scripts/export.py --load_run=2026-01-31_12-00-00 --checkpoint=500 --output=policy",
)


def export(args: argparse.Namespace) -> None:
    """Write both networks and what belongs to them into the run's folder ``exported`` or into ``args.output``.

    Raises:
        UserError: No such run or checkpoint, or a folder that can't be written.
    """
    import legged_gym.envs  # noqa: F401 (registers the tasks)
    from legged_gym.utils.export import export_policy
    from legged_gym.utils.trained import load_trained

    trained = load_trained(args)
    try:
        print(f"checkpoint {relative(trained.checkpoint)}")
        folder = args.output or os.path.join(trained.run, "exported")
        for path in export_policy(trained.runner, trained.env, folder).values():
            print(f"exported   {relative(str(path))}")
    finally:
        trained.env.close()


def main() -> None:
    """Read the command line and export."""
    parser = make_parser("Export a trained policy as ONNX and TorchScript, with the controller's files.", _EXAMPLES)
    parser.add_argument("--output", metavar="DIR", help="where to (default: exported in the run's folder)")
    export(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
