"""Policies as they act: found by a run, a checkpoint or the exported files, and loaded without a simulation."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.runners.runs import SHIPPED, get_load_path, has_runs, shipped_policy

if TYPE_CHECKING:
    import torch

    from legged_gym.policies.contract import Contract

ESTIMATOR_FILE, ACTOR_FILE = "_estimator.onnx", "_actor.onnx"
"""Last parts of the exported networks' names."""


class Policy(ABC):
    """A policy that acts without exploring: the same observations always get the same answers.

    Attributes:
        name: For people.
        path: What was loaded: a checkpoint, or the folder of the exported files.
        digest: First digits of the SHA-256 of the loaded files.
        contract: What the policy is tied to: pose, gains, time steps, gait and scales.
        num_observations: O, the history included.
        num_actions: D.
    """

    name: str
    path: str
    digest: str
    contract: Contract
    num_observations: int
    num_actions: int

    @abstractmethod
    def act(self, observation: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Estimate and act.

        Args:
            observation: The group ``policy``, (N, O), float32, on any device.

        Returns:
            What it takes for its velocity (in the label's scale) and its contacts, (N, 3 + F), or None without an
            estimator; and its actions, (N, D). Both on the observation's device.
        """


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


def load_policy(source: PolicySource | str, device: str = "cpu") -> Policy:
    """Load a policy.

    Args:
        source: What :func:`find_policy` returned, or a path: a checkpoint, or a folder with both exported networks.
        device: Where a checkpoint's networks run. ONNX Runtime runs exported ones on the processor, as the robot does.

    Raises:
        UserError: The files are missing, damaged, or don't belong together.
    """
    from legged_gym.policies.files import CheckpointPolicy, OnnxPolicy

    if isinstance(source, str):
        source = _of_checkpoint(source) if os.path.isfile(source) else PolicySource(Path(source).name, source)
    if os.path.isdir(source.path):
        return OnnxPolicy(source)
    return CheckpointPolicy(source, device)
