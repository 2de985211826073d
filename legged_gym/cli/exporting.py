"""Finds the runs and the policy that a command line names, and makes folders for results."""

from __future__ import annotations

import argparse
import contextlib
import os

from legged_gym import cli, policies
from legged_gym.common.errors import UserError, file_errors
from legged_gym.common.paths import relative
from legged_gym.envs.registry import task_registry
from legged_gym.runners.runs import experiment_root, new_run_folder


def root_of(args: argparse.Namespace) -> str:
    """Return the folder of the runs for a command line: those of its experiment or, without one, of its task's."""
    name = getattr(args, "experiment_name", None) or task_registry.get_cfgs(args.task)[1].runner.experiment_name
    return experiment_root(name, getattr(args, "log_root", None))


def exported_policy(args: argparse.Namespace) -> str:
    """Return the folder of the policy that ``args.load_run`` names. A checkpoint is exported first.

    Raises:
        UserError: The policy does not exist or can't be exported.
    """
    source = policies.finder.find_exported(args.load_run, args.task, root_of(args))
    if os.path.isdir(source.path):
        return source.path
    options = vars(cli.arguments.get_args([f"--task={args.task}"], cli.arguments.make_parser("")))
    named = argparse.Namespace(**options | {"load_run": source.path, "log_root": getattr(args, "log_root", None)})
    trained = policies.trained.load_trained(cli.job.resolve_policy(named))
    print(f"exporting  {relative(source.path)} into its run's folder", flush=True)
    try:
        folder = os.path.join(trained.results, policies.finder.EXPORTED)
        policies.export.export_policy(trained.runner, trained.env, folder)
    finally:
        trained.env.close()
    return folder


def output_folder(given: str | None, kind: str, log_root: str | None) -> contextlib.AbstractContextManager[str]:
    """Return a context with the folder for a script's results. A new folder is removed if it stays empty.

    Args:
        given: The folder that the user gave with ``--out``; created if needed.
        kind: Without ``given``, a new folder is created in this one; its name is a time stamp.
        log_root: The folder of ``kind`` and of the experiments; see :func:`experiment_root`.

    Raises:
        UserError: The folder can't be created or written.
    """
    if not given:
        return new_run_folder(experiment_root(kind, log_root))
    with file_errors(f"can't create the folder '{given}' (--out)"):
        os.makedirs(given, exist_ok=True)
    if not os.access(given, os.W_OK):
        raise UserError(f"can't write into the folder '{given}' (--out)")
    return contextlib.nullcontext(given)
