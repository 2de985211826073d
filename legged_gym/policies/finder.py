"""Finds policies by run, checkpoint or exported files, and loads them without a simulation."""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from legged_gym import LEGGED_GYM_ROOT_DIR, envs, policies
from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.runners.runs import (
    NEWEST,
    SHIPPED,
    SHIPPED_CHECKPOINT,
    checkpoint_number,
    checkpoint_path,
    find_run,
    finished_runs,
    get_load_path,
    list_checkpoints,
    shipped_policy,
)

if TYPE_CHECKING:
    import torch

    from legged_gym.policies.contract import Settings

ESTIMATOR_FILE, ACTOR_FILE, CONTROLLER_FILE = "_estimator.onnx", "_actor.onnx", "_controller.yaml"
"""Ends of the exported files' names."""
EXPORTED = "exported"
"""Their folder inside the run's folder."""
POLICY = "a run's name or folder, a checkpoint, a folder with exported networks, or 'shipped'"
"""Ways to name a policy, for ``--help``."""

Observed = Mapping[str, "torch.Tensor"]
"""Observation groups by name, each (N, n)."""


class Policy(ABC):
    """A policy that acts without exploration: the same observations always give the same actions.

    Attributes:
        name: Name for tables and messages.
        path: The loaded checkpoint, or the folder of the exported files.
        digest: First digits of the SHA-256 of the loaded files.
        contract: The settings that the policy needs: pose, gains, time steps, gait and scales.
        groups: Observation groups that it reads; usually only ``policy``.
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
        """Return estimates and actions. A recurrent policy updates its hidden state.

        Args:
            observation: The groups that it reads or, if there is only the group ``policy``, that one, (N, O), float32,
                on any device.
            block: Number of this block of robots; each block has its own hidden states.

        Returns:
            The estimator's output, in the label's scale, (N, L), or None without an estimator; and the actions, (N, D).
            Both are on the observation's device.
        """

    def reset(self, dones: torch.Tensor | None = None, block: int = 0) -> None:  # noqa: B027 (most remember nothing)
        """Clear hidden states of a block's robots whose episodes ended, bool, (N,), or of all its robots."""

    def start(self) -> None:  # noqa: B027
        """Begin new episodes of all robots in all blocks."""


@dataclass(frozen=True)
class PolicySource:
    """The location of a policy."""

    name: str
    path: str
    """The checkpoint, or the folder of the exported files."""
    note: str = ""
    """A line for the user about the choice."""


def find_policy(spec: str | int | None, task: str, root: str, checkpoint: int = -1) -> PolicySource:
    """Find a policy by its name or path.

    Args:
        spec: See :data:`POLICY`. None, ``""`` or -1 is the newest run or, if there is none, the shipped policy.
            ``NAME=`` in front gives it a name.
        task: Name of the task of the shipped policy.
        root: Folder of the task's runs.
        checkpoint: Number of a run's checkpoint; -1 is the newest.

    Raises:
        UserError: The policy does not exist.
    """
    label, spec = "", "" if spec in NEWEST else str(spec)
    if "=" in spec and not os.path.exists(spec):
        label, _, spec = spec.partition("=")
        if not label.strip() or not label.isprintable() or os.sep in label or not spec.strip():
            raise UserError(
                f"NAME=POLICY takes a policy and a name that can be part of a file's name, got '{label}={spec}'"
            )
    source = _find(spec, task, root, checkpoint)
    if checkpoint >= 0 and checkpoint_number(source.path) != checkpoint:
        raise UserError(f"--checkpoint={checkpoint} needs a run, and '{spec}' is a single policy")
    return PolicySource(label, source.path, source.note) if label else source


def _find(spec: str, task: str, root: str, checkpoint: int) -> PolicySource:
    shipped = shipped_policy(task)
    if not spec and checkpoint < 0 and shipped is not None and not finished_runs(root):
        note = f"no run of your own in '{relative(root)}': using the policy that comes with the project"
        return PolicySource(SHIPPED, shipped, note)
    if spec == SHIPPED:
        if shipped is None:
            tasks = ", ".join(filter(shipped_policy, envs.task_registry.names)) or "none"
            raise UserError(f"no policy of the task '{task}' comes with the project, only of: {tasks}")
        return PolicySource(SHIPPED, shipped)
    if spec.endswith(".onnx"):
        raise UserError(f"'{spec}' is one network: name the folder of the exported policy")
    if os.path.isfile(spec):
        return _of_checkpoint(spec)
    if spec.endswith(".pt"):
        raise UserError(f"no checkpoint '{spec}'")
    if _exported(spec):
        return _of_exported(spec)
    exported = os.path.join(find_run(root, spec), EXPORTED)
    if _exported(exported) and not list_checkpoints(os.path.dirname(exported)):
        return _of_exported(exported)
    return _of_checkpoint(get_load_path(root, spec, checkpoint))


def _of_checkpoint(path: str) -> PolicySource:
    file = Path(path).resolve()
    return PolicySource(f"{file.parent.name}/{file.stem}", path)


def _of_exported(path: str) -> PolicySource:
    return PolicySource(f"{exported_name(path)} (ONNX)", path)


def exported_name(path: str) -> str:
    """Return the name of an exported policy: its run's, or its folder's."""
    folder = Path(path).resolve()
    return folder.parent.name if folder.name == EXPORTED else folder.name


def _exported(folder: str) -> bool:
    """Whether a folder holds exported networks."""
    return os.path.isdir(folder) and any(name.endswith((ESTIMATOR_FILE, ACTOR_FILE)) for name in os.listdir(folder))


def find_checkpoint(spec: str | int | None, task: str, root: str, checkpoint: int = -1) -> PolicySource:
    """Find a policy's checkpoint as :func:`find_policy` does, also for exported networks, which name theirs.

    Raises:
        UserError: The policy does not exist, or has only exported networks.
    """
    source = find_policy(spec, task, root, checkpoint)
    folder, number = source.path, _exported_number(source.path)
    above = os.path.normpath(f"{folder}/..")
    paths = (folder, f"{folder}/{SHIPPED_CHECKPOINT}", checkpoint_path(folder, number), checkpoint_path(above, number))
    path = next((path for path in paths if os.path.isfile(path)), None)
    if path is None:
        others = "has no checkpoint, only exported networks for evaluate.py and sim2sim.py"
        raise UserError(f"'{folder}' {'is no file' if folder.endswith('.pt') else others}")
    return dataclasses.replace(source, path=path if os.path.dirname(path) else os.path.join(os.curdir, path))


def find_exported(spec: str | int | None, task: str, root: str) -> PolicySource:
    """Find a policy as :func:`find_policy` does, but prefer its exported networks."""
    source = find_policy(spec, task, root)
    folder = os.path.join(os.path.dirname(source.path), EXPORTED)
    exported = os.path.isfile(source.path) and _exported_number(folder) == checkpoint_number(source.path)
    return dataclasses.replace(source, path=folder) if exported else source


def _exported_number(folder: str) -> int:
    """Return the number of the checkpoint from which networks were exported, by their metadata; -1 if unknown."""
    suffix = policies.contract.METADATA_FILE
    for path in Path(folder).glob(f"*{suffix}"):
        contract = policies.contract.read_contract(path.parent, path.name.removesuffix(suffix))
        return -1 if contract is None else contract.iterations - 1
    return -1


def find_urdf(folder: str) -> str:
    """Return the URDF of an exported policy's robot, by the prefix of its files' names.

    Raises:
        UserError: The project has no robot of that name, or the name is unknown.
    """
    robot = policies.exported.only_file(Path(folder), CONTROLLER_FILE).name.removesuffix(CONTROLLER_FILE)
    path = os.path.join(LEGGED_GYM_ROOT_DIR, "resources", "robots", robot, "urdf", f"{robot}.urdf")
    if not os.path.isfile(path):
        raise UserError(f"'{folder}' is for a robot '{robot}', of which there is no '{path}': name its URDF (--urdf)")
    return path


def load_policy(source: PolicySource | str, device: str = "cpu") -> Policy:
    """Load a policy.

    Args:
        source: The result of :func:`find_policy`, or the path of a checkpoint or of a folder with exported networks.
        device: The device of a checkpoint's networks. ONNX Runtime runs exported ones on the CPU, as on the robot.

    Raises:
        UserError: The files are missing, damaged, or don't belong together.
    """
    if isinstance(source, str):
        source = _of_checkpoint(source) if os.path.isfile(source) else PolicySource(Path(source).name, source)
    if os.path.isdir(source.path):
        return policies.files.OnnxPolicy(source)
    return policies.files.CheckpointPolicy(source, device)
