"""Where exported policies lie, and which robot they are for."""

from __future__ import annotations

import os
from pathlib import Path

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.runners.runs import experiment_root, shipped_policy

SHIPPED = "shipped"
"""What stands for the policy that comes with the project."""

_CONTROLLER = "_controller.yaml"


def find_exported(spec: str | None, task: str, log_root: str | None = None) -> str:
    """Find the folder of the exported policy that the user means.

    Args:
        spec: A folder with the exported files, a run's folder or name, or ``shipped``; None: the newest run whose
            policy was exported or, without any, the shipped policy.
        task: Name of the task, whose runs and shipped policy are meant.
        log_root: Where experiments lie; ``logs`` in the checkout if not given.

    Raises:
        UserError: There is no such policy; the message says how to get one.
    """
    root, shipped = experiment_root(task, log_root), shipped_policy(task)
    if spec == SHIPPED and shipped is None:
        raise UserError(f"no policy is shipped for the task '{task}'")
    if spec is None:
        runs = sorted(os.listdir(root), reverse=True) if os.path.isdir(root) else []
        folders = [os.path.join(root, run, "exported") for run in runs] + ([shipped] if shipped else [])
    elif spec == SHIPPED:
        folders = [str(shipped)]
    else:
        folders = [spec, *(os.path.join(folder, "exported") for folder in (spec, os.path.join(root, spec)))]
    for folder in folders:
        if _is_exported(folder):
            return folder
    if spec is None:
        raise UserError(f"no exported policy in '{root}' and none shipped: train and run export.py, or name a folder "
                        "with the exported files (--policy)")  # fmt: skip
    raise UserError(f"no exported policy in '{spec}' (--policy); export.py writes that of a run into its folder")


def find_urdf(folder: str) -> str:
    """Return the URDF of the robot that an exported policy is for, by its files' first part.

    Raises:
        UserError: The project has none of that name.
    """
    names = sorted(path.name for path in Path(folder).glob(f"*{_CONTROLLER}"))
    robot = names[0].removesuffix(_CONTROLLER)
    path = os.path.join(LEGGED_GYM_ROOT_DIR, "resources", "robots", robot, "urdf", f"{robot}.urdf")
    if not os.path.isfile(path):
        raise UserError(f"'{folder}' is for a robot '{robot}', of which there is no '{path}': name its URDF (--urdf)")
    return path


def _is_exported(folder: str) -> bool:
    return os.path.isdir(folder) and any(name.endswith(_CONTROLLER) for name in os.listdir(folder))
