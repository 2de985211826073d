"""Export a trained policy for the robot: ``python legged_gym/scripts/export.py --task=qmini``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING

from legged_gym import cli, deploy, policies, runners
from legged_gym.cli.arguments import get_args, make_parser, run_main
from legged_gym.common import signals
from legged_gym.common.paths import relative, written

if TYPE_CHECKING:
    from legged_gym.policies.trained import Trained

_EXAMPLES = (
    "python legged_gym/scripts/export.py --task=qmini                                   (the newest run)",
    "python legged_gym/scripts/export.py --load_run=2026-01-31_12-00-00 --checkpoint=500 --output=policy",
    "python legged_gym/scripts/export.py --task=qmini --controller_yaml config.yaml     (the robot's file, merged)",
    "python legged_gym/scripts/export.py --load_run=shipped --web qmini.html            (a page to drive it on)",
)


def export(args: argparse.Namespace) -> None:
    """Write the networks and their files into the run's folder ``exported`` or into ``args.output``.

    Raises:
        UserError: The run or checkpoint does not exist, or the folder can't be written.
    """
    if args.web:
        deploy.web.check_page_path(args.web)
    trained = policies.trained.load_trained(cli.job.resolve_policy(args))
    try:
        folder = args.output or os.path.join(trained.results, policies.finder.EXPORTED)
        # A robot must not get an incomplete policy.
        with signals.deferred():
            files = policies.export.export_policy(trained.runner, trained.env, folder, merge_into=args.controller_yaml)
            print(f"checkpoint {relative(trained.checkpoint)}")
            for path in files.values():
                print(f"exported   {relative(str(path))}")
            if args.controller_yaml is None:
                print(
                    f"note       {files['controller'].name} holds sections for the controller's own file; with "
                    "--controller_yaml FILE they are put into a copy of it"
                )
            if args.web:
                urdf = trained.env.cfg.asset.file
                policy = "the shipped policy" if trained.shipped else os.path.basename(trained.run)
                deploy.web.write_page(folder, urdf, args.web, f"{args.task}: {policy}")
                print(f"page       {relative(args.web)}: open it in a browser")
            if args.with_checkpoint:
                for name in _copy_checkpoint(trained, folder):
                    print(f"copied     {relative(os.path.join(folder, name))}")
    finally:
        trained.env.close()


def _copy_checkpoint(trained: Trained, folder: str) -> list[str]:
    """Copy the checkpoint and its configuration, under the names that a shipped policy has; return these names."""
    runs = runners.runs
    files = {trained.checkpoint: runs.SHIPPED_CHECKPOINT, os.path.join(trained.run, runs.CONFIG_FILE): runs.CONFIG_FILE}
    for source, name in files.items():
        with written(os.path.join(folder, name)) as part:
            shutil.copyfile(source, part)
    return list(files.values())


def main() -> None:
    """Read the command line and export."""
    parser = make_parser("Export a trained policy as ONNX and TorchScript, with the controller's files.", _EXAMPLES)
    parser.add_argument("--output", metavar="DIR", help="folder for the files (default: exported in the run's folder)")
    parser.add_argument(
        "--controller_yaml",
        metavar="FILE",
        help="the robot's controller file: write a copy of it with this policy's pose, gains and gait",
    )
    parser.add_argument(
        "--web", metavar="FILE.html", help="also write one web page in which the policy walks; it needs no server"
    )
    parser.add_argument(
        "--with_checkpoint",
        action="store_true",
        help="add the checkpoint and its configuration: the folder then has all files of resources/policies/<task>",
    )
    export(get_args(parser=parser))


if __name__ == "__main__":
    sys.exit(run_main(main))
