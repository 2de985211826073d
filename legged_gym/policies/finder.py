"""Policies as they act: found by a run, a checkpoint or the exported files, and loaded without a simulation."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from legged_gym import LEGGED_GYM_ROOT_DIR, policies
from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.runners.runs import SHIPPED, experiment_root, get_load_path, has_runs, shipped_policy

if TYPE_CHECKING:
    import torch

    from legged_gym.policies.contract import Settings

ESTIMATOR_FILE, ACTOR_FILE, CONTROLLER_FILE = "_estimator.onnx", "_actor.onnx", "_controller.yaml"
"""Last parts of the exported files' names."""

Observed = Mapping[str, "torch.Tensor"]
"""Observation groups by name, each (N, n)."""


class Policy(ABC):
    """A policy that acts without exploring: the same observations always get the same answers.

    Attributes:
        name: For people.
        path: What was loaded: a checkpoint, or the folder of the exported files.
        digest: First digits of the SHA-256 of the loaded files.
        contract: What the policy is tied to: pose, gains, time steps, gait and scales.
        groups: Observation groups that it reads; ``policy`` in nearly all cases.
        num_observations: O, all components of these groups, the history included.
        num_actions: D.
    """

    name: str
    path: str
    digest: str
    contract: Settings
    groups: Sequence[str] = ("policy",)
    num_observations: int
    num_actions: int

    @abstractmethod
    def act(self, observation: torch.Tensor | Observed, block: int = 0) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Estimate and act; a recurrent policy remembers it.

        Args:
            observation: The groups that it reads or, where it is the only one, the group ``policy``, (N, O), float32,
                on any device.
            block: Which robots these are: memories of several blocks of robots are kept apart.

        Returns:
            What its estimator says, in the label's scale, (N, L), or None without an estimator; and its actions,
            (N, D). Both on the observation's device.
        """

    def reset(self, dones: torch.Tensor | None = None, block: int = 0) -> None:  # noqa: B027 (most remember nothing)
        """Let a recurrent policy forget the robots of a block whose episodes ended, bool, (N,), or all of it."""

    def start(self) -> None:  # noqa: B027
        """Begin new episodes of all robots in all blocks."""


@dataclass(frozen=True)
class PolicySource:
    """Where a policy lies."""

    name: str
    path: str
    """A checkpoint, or the folder of the exported files."""
    note: str = ""
    """What the user should be told about the choice, one line."""


def find_policy(spec: str | None, task: str, root: str, checkpoint: int = -1) -> PolicySource:
    """Find what the user means.

    Args:
        spec: A run's folder or its name, a checkpoint, a folder with both exported networks, or ``shipped``; None:
            the newest run or, without any, the shipped policy. ``NAME=`` in front gives it a name.
        task: Name of the task, which the shipped policy is for.
        root: Folder that holds the task's runs.
        checkpoint: Number of a run's checkpoint; -1 is the newest.

    Raises:
        UserError: There is no such policy.
    """
    label = ""
    if spec is not None and "=" in spec and not os.path.exists(spec):
        label, _, spec = spec.partition("=")
        if not label.strip() or not label.isprintable() or os.sep in label:
            raise UserError(f"a policy's name is text that can be part of a file's name, got '{label}={spec}'")
    source = _find(spec, task, root, checkpoint)
    return PolicySource(label, source.path, source.note) if label else source


def _find(spec: str | None, task: str, root: str, checkpoint: int) -> PolicySource:
    shipped = shipped_policy(task)
    if spec is None and shipped is not None and not has_runs(root):
        note = f"no run of your own in '{relative(root)}': taking the policy that came with the project"
        return PolicySource(SHIPPED, shipped, note)
    if spec == SHIPPED:
        if shipped is None:
            raise UserError(f"no policy came with the project for the task '{task}'")
        return PolicySource(SHIPPED, shipped)
    if spec is not None and os.path.isfile(spec):
        return _of_checkpoint(spec)
    if spec is not None and spec.endswith(".pt"):
        raise UserError(f"no checkpoint '{spec}'")
    if spec is not None and _exported(spec):
        folder = Path(spec).resolve()
        name = folder.parent.name if folder.name == "exported" else folder.name
        return PolicySource(f"{name} (ONNX)", spec)
    return _of_checkpoint(get_load_path(root, spec or "", checkpoint))


def _of_checkpoint(path: str) -> PolicySource:
    file = Path(path).resolve()
    return PolicySource(f"{file.parent.name}/{file.stem}", path)


def _exported(folder: str) -> bool:
    """Whether a folder holds exported networks."""
    return os.path.isdir(folder) and any(name.endswith((ESTIMATOR_FILE, ACTOR_FILE)) for name in os.listdir(folder))


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
        if _has_controller(folder):
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
    names = sorted(path.name for path in Path(folder).glob(f"*{CONTROLLER_FILE}"))
    robot = names[0].removesuffix(CONTROLLER_FILE)
    path = os.path.join(LEGGED_GYM_ROOT_DIR, "resources", "robots", robot, "urdf", f"{robot}.urdf")
    if not os.path.isfile(path):
        raise UserError(f"'{folder}' is for a robot '{robot}', of which there is no '{path}': name its URDF (--urdf)")
    return path


def _has_controller(folder: str) -> bool:
    return os.path.isdir(folder) and any(name.endswith(CONTROLLER_FILE) for name in os.listdir(folder))


def load_policy(source: PolicySource | str, device: str = "cpu") -> Policy:
    """Load a policy.

    Args:
        source: What :func:`find_policy` returned, or a path: a checkpoint, or a folder with both exported networks.
        device: Where a checkpoint's networks run. ONNX Runtime runs exported ones on the processor, as the robot does.

    Raises:
        UserError: The files are missing, damaged, or don't belong together.
    """
    if isinstance(source, str):
        source = _of_checkpoint(source) if os.path.isfile(source) else PolicySource(Path(source).name, source)
    if os.path.isdir(source.path):
        return policies.files.OnnxPolicy(source)
    return policies.files.CheckpointPolicy(source, device)
