"""Run folders: ``logs/<experiment>/<date>_<time>[_<name>]`` with checkpoints, configuration and git revision."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import time
from collections.abc import Collection, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from legged_gym import LEGGED_GYM_ROOT_DIR, runners
from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import git, git_revision, log_folder, plain_file, relative, write_text
from legged_gym.common.yaml_text import dump_yaml, read_yaml

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.base_config import BaseConfig

CONFIG_FILE = "config.yaml"
NEWEST = (None, "", -1, "-1")
"""Names for the newest run, as in legged_gym."""
SHIPPED = "shipped"
"""Name for the shipped policy, instead of a run's name."""
SHIPPED_CHECKPOINT = "model.pt"
"""Its checkpoint, in the folder that :func:`shipped_policy` returns."""
_FRESH_START = {"runner": {"resume": False, "load_run": "", "checkpoint": -1}}
"""Settings that only describe how a run was started. They may be paths on one machine."""
_STAMP = "%Y-%m-%d_%H-%M-%S"
_RUN_NAME = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_.+)?$")
_LEFTOVER = re.compile(r".+\.part\.(pt|state|yaml|txt)$")
_CHECKPOINT = re.compile(r"model_(\d+)\.pt$")


def experiment_root(experiment_name: str, log_root: str | None = None) -> str:
    """Return the folder of an experiment's runs, in ``log_root`` or :func:`~legged_gym.common.paths.log_folder`."""
    return os.path.join(log_root or log_folder(), experiment_name)


def get_load_path(root: str, load_run: str | int = "", checkpoint: int = -1) -> str:
    """Return the path of a checkpoint, or raise a ``UserError`` that lists the existing ones.

    Args:
        root: Folder that holds the runs.
        load_run: Name of a run in ``root`` or path of a run's folder; ``""`` or ``-1``: the newest with a checkpoint.
        checkpoint: Number in the file's name, the index of its last iteration; -1: the newest.
    """
    run = find_run(root, load_run)
    numbers = list_checkpoints(run)
    shipped = os.path.join(run, SHIPPED_CHECKPOINT)
    if not numbers and checkpoint < 0 and os.path.isfile(shipped):
        return shipped
    if not numbers:
        raise UserError(f"no checkpoint (model_<iteration>.pt) in '{run}'")
    if checkpoint < 0:
        checkpoint = numbers[-1]
    if checkpoint not in numbers:
        raise UserError(f"no checkpoint {checkpoint} in '{run}': there are {', '.join(map(str, numbers))}")
    return checkpoint_path(run, checkpoint)


def find_run(root: str, load_run: str | int = "") -> str:
    """Find a run's folder; arguments and errors as in :func:`get_load_path`."""
    if load_run in NEWEST:
        runs = finished_runs(root)
        if not runs:
            raise UserError(f"no run with a checkpoint in '{root}': train first, or name the run with --load_run")
        return os.path.join(root, runs[-1])
    for folder in (os.path.join(root, str(load_run)), str(load_run)):
        if os.path.isdir(folder):
            return folder
    # This is reached if there is no shipped policy, or if it must be a run.
    valid = set(_names(root)) | (set() if load_run == SHIPPED else {SHIPPED})
    raise UserError(f"no run '{load_run}' in '{root}': {near_names(str(load_run), valid)}")


def finished_runs(root: str) -> list[str]:
    """Return the names of the runs in a folder that have a checkpoint, the newest last."""
    return [name for name in _names(root) if _RUN_NAME.match(name) and list_checkpoints(os.path.join(root, name))]


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def shipped_policy(task: str) -> str | None:
    """Return the folder of the policy that comes with the project, ``resources/policies/<task>``, if there is one.

    It holds the exported networks with their metadata and the controller's file, and as a run's folder does, the
    checkpoint (``model.pt``) with its ``config.yaml``.
    """
    folder = os.path.join(LEGGED_GYM_ROOT_DIR, "resources", "policies", task)
    return folder if os.path.isdir(folder) else None


@contextlib.contextmanager
def new_run_folder(root: str, run_name: str = "") -> Generator[str, None, None]:
    """Create a run's folder in ``root``, named by the time and ``run_name``, and yield its path.

    It is removed if the block fails before anything was written to it. ``UserError`` if it can't be written.
    """
    there = os.path.abspath(root)
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    folder = _create_run_folder(root, run_name)
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):
            while folder != there:
                os.rmdir(folder)
                folder = os.path.dirname(folder)
        raise


def _create_run_folder(root: str, run_name: str) -> str:
    while True:
        stamp = datetime.datetime.now().strftime(_STAMP)
        folder = os.path.join(os.path.abspath(root), f"{stamp}_{run_name}" if run_name else stamp)
        try:
            os.makedirs(folder)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise UserError(f"can't create the run folder '{folder}': a file is in its way") from None
            time.sleep(0.2)  # Another run started within this second.
        except OSError as error:
            raise UserError(f"can't create the run folder '{folder}': {error.strerror}") from error
        else:
            return folder


def save_run_config(folder: str, task: str, env_cfg: BaseConfig, train_cfg: BaseConfig, sim: str) -> None:
    """Write a run's configuration, without what it was started from, and note the code's git revision beside it."""
    train_cfg = train_cfg.copy()
    train_cfg.update(_FRESH_START)
    config = {"task": task, "sim": sim, "env": env_cfg.to_dict(), "train": train_cfg.to_dict()}
    write_text(os.path.join(folder, CONFIG_FILE), dump_yaml(config))
    history = os.path.join(folder, "git.txt")
    before = Path(plain_file(history)).read_text(encoding="utf-8", errors="replace") if os.path.exists(history) else ""
    now = datetime.datetime.now().isoformat(" ", "seconds")
    changes = f"{git('status', '--short')}\n{git('diff', 'HEAD')}"
    write_text(history, f"{before}{now} commit {git_revision()}\n{changes}\n")


def load_run_config(folder: str, task: str, env_cfg: BaseConfig, train_cfg: BaseConfig) -> str:
    """Change both configurations to those that a run of ``task`` was trained with, and return its simulator's name."""
    path = os.path.join(folder, CONFIG_FILE)
    saved = read_yaml(path)
    if not isinstance(saved, dict) or saved.keys() != {"task", "sim", "env", "train"}:
        raise UserError(f"'{path}' is not a run's configuration: it needs task, sim, env and train, and no more")
    for section in ("env", "train"):
        if not isinstance(saved[section], dict):
            raise UserError(f"'{path}' is damaged: its section '{section}' has no settings")
    if saved["task"] != task:
        raise UserError(f"'{folder}' is a run of the task '{saved['task']}', not of '{task}'")
    try:
        env_cfg.update(saved["env"])
        train_cfg.update(saved["train"])
        # Older runs wrote it.
        train_cfg.update(_FRESH_START)
    except UserError as error:
        raise UserError(f"'{path}' does not fit this version of the code: {error}") from error
    return str(saved["sim"])


def iterations_done(runner: OnPolicyRunner) -> int:
    """Return a runner's completed iterations. rsl_rl's own runner also counts the current one."""
    return getattr(runner, "completed_iterations", runner.current_learning_iteration)


def newest_whole_checkpoint(folder: str) -> str:
    """Return a run's newest readable checkpoint. Damaged ones are reported and renamed."""
    path = get_load_path("", folder)
    while True:
        try:
            runners.checkpoint.read_checkpoint(path, "cpu")
            return path
        except UserError as error:
            number = checkpoint_number(path)
            if number is None:
                raise
            older = [other for other in list_checkpoints(folder) if other < number]
            if not older:
                raise
            os.replace(path, f"{path}.damaged")
            path = checkpoint_path(folder, older[-1])
            print(f"{error}; it is now called model_{number}.pt.damaged, and {relative(path)} is used", flush=True)


def remove_leftovers(folder: str) -> None:
    """Remove unfinished files of a killed process from a run's folder. No other process may be writing there."""
    for name in os.listdir(folder):
        if _LEFTOVER.match(name):
            os.unlink(os.path.join(folder, name))


def drop_old_checkpoints(folder: str, keep: int, others: Collection[int]) -> None:
    """Remove all of a run's checkpoints but the last ``keep`` and those with the numbers ``others``."""
    for number in list_checkpoints(folder)[:-keep]:
        if number not in others:
            os.unlink(checkpoint_path(folder, number))


def list_checkpoints(folder: str) -> list[int]:
    """List a run's checkpoints by the number in their names, rising."""
    return sorted(number for name in _names(folder) if (number := checkpoint_number(name)) is not None)


def checkpoint_path(folder: str, number: int) -> str:
    """Return the path of a run's checkpoint with this number."""
    return os.path.join(folder, f"model_{number}.pt")


def checkpoint_number(path: str) -> int | None:
    """Return the number in a checkpoint's name; None for a policy that is called otherwise."""
    match = _CHECKPOINT.match(os.path.basename(path))
    return int(match.group(1)) if match else None
