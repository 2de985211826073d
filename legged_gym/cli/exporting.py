"""The exported policy that a command line names; nothing here needs PyTorch as long as nothing has to be exported."""

from __future__ import annotations

import argparse
import os

from legged_gym import cli, policies
from legged_gym.common.paths import relative
from legged_gym.runners.runs import experiment_root


def exported_policy(args: argparse.Namespace) -> str:
    """Return the folder of the policy that ``args.load_run`` names, having exported its checkpoint if need be.

    Raises:
        UserError: There is no such policy, or it can't be exported.
    """
    log_root = getattr(args, "log_root", None)
    source = policies.finder.find_exported(args.load_run, args.task, experiment_root(args.task, log_root))
    if os.path.isdir(source.path):
        return source.path
    options = vars(cli.arguments.get_args([f"--task={args.task}"], cli.arguments.make_parser("")))
    named = argparse.Namespace(**options | {"load_run": source.path, "log_root": log_root})
    trained = policies.trained.load_trained(cli.job.resolve_policy(named))
    print(f"exporting  {relative(source.path)} into its run's folder", flush=True)
    try:
        folder = os.path.join(trained.results, policies.finder.EXPORTED)
        policies.export.export_policy(trained.runner, trained.env, folder)
    finally:
        trained.env.close()
    return folder
