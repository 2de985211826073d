"""The two kinds of files that a policy comes in: a training's checkpoint, and the exported networks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from legged_gym.common.errors import UserError, near_names
from legged_gym.policies.contract import exported_contract, trained_contract
from legged_gym.policies.finder import ACTOR_FILE, ESTIMATOR_FILE, Policy, PolicySource
from legged_gym.runners.checkpoint import check_part, read_checkpoint

_NETS = ("rsl_rl.models:MLPModel",)
_DISTRIBUTIONS = ("legged_gym.algorithms.gaussian:Gaussian", "rsl_rl.modules:GaussianDistribution")
"""What the actor of a checkpoint may be made of; nothing that a file names is imported."""


class CheckpointPolicy(Policy):
    """A policy from a training's checkpoint."""

    def __init__(self, source: PolicySource, device: str = "cpu") -> None:
        """Read the checkpoint and build its nets.

        Args:
            source: Where it lies.
            device: Where the nets run.

        Raises:
            UserError: The file is damaged, or holds nets of another kind.
        """
        self.name, self.path, self.digest = source.name, source.path, _digest([source.path])
        self._device = device
        checkpoint = read_checkpoint(source.path, device)
        try:
            self._build(checkpoint)
            self.contract = trained_contract(checkpoint["config"]["env"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{source.path} is damaged: its nets' configuration can't be read ({error!r})") from error

    def act(self, observation: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Estimate and act; see :meth:`Policy.act`."""
        with torch.no_grad():
            inputs = observation.to(self._device)
            if self._estimator is None:
                return None, self._actor(inputs).to(observation.device)
            estimate = self._estimator(inputs)
            actions = self._actor(torch.cat((inputs, estimate), dim=1))
        return estimate.to(observation.device), actions.to(observation.device)

    def _build(self, checkpoint: dict[str, Any]) -> None:
        train, actor_state = checkpoint["config"]["train"], checkpoint["actor_state_dict"]
        groups, settings = list(train["obs_groups"]["actor"]), dict(train["actor"])
        kinds = (settings.pop("class_name"), settings.pop("distribution_cfg")["class_name"])
        if kinds[0] not in _NETS or kinds[1] not in _DISTRIBUTIONS:
            raise UserError(f"{self.path}: only plain networks with Gaussian noise can be loaded, not {kinds}")
        # Without exploring, the distribution is its mean, the network's own output.
        actor_state = {name: value for name, value in actor_state.items() if not name.startswith("distribution.")}
        estimates = groups == ["policy", "estimate"]
        if not estimates and groups != ["policy"]:
            raise UserError(f"{self.path}: its actor reads {groups}, which robots can't measure")
        width, self.num_actions = _ends(actor_state)
        self._actor = self._net("actor", settings, actor_state, width, self.num_actions)
        self._estimator = None
        self.num_observations = width
        if estimates:
            state, estimator = checkpoint["estimator_state_dict"], train["algorithm"]["estimator_cfg"]
            settings = {name: estimator[name] for name in ("hidden_dims", "activation")}
            self.num_observations, size = _ends(state)
            self._estimator = self._net("estimator", settings, state, self.num_observations, size)
            if self.num_observations + size != width:
                raise UserError(f"{self.path} is damaged: its estimator does not fit its actor")

    def _net(
        self, name: str, settings: dict[str, Any], state: dict[str, Any], inputs: int, outputs: int
    ) -> torch.nn.Module:
        """Build a net and give it its weights."""
        example = TensorDict({"input": torch.zeros(1, inputs)}, batch_size=[1])
        net = MLPModel(example, {name: ["input"]}, name, outputs, **settings)
        check_part(self.path, f"{name}_state_dict", {f"{name}_state_dict": state}, net)
        net.load_state_dict(state)
        return net.as_jit().to(self._device).eval()


class OnnxPolicy(Policy):
    """The exported networks, run as the robot runs them."""

    def __init__(self, source: PolicySource) -> None:
        """Load both networks and what was written beside them.

        Args:
            source: The folder.

        Raises:
            UserError: A network is missing or unreadable, or they don't fit each other.
        """
        folder = Path(source.path)
        self.name, self.path = source.name, source.path
        files = [_only_file(folder, ending) for ending in (ESTIMATOR_FILE, ACTOR_FILE)]
        self.digest = _digest(files)
        self._estimator, self._actor = (_OnnxNet(file) for file in files)
        self.num_observations, self.num_actions = self._estimator.inputs, self._actor.outputs
        if self._actor.inputs != self.num_observations + self._estimator.outputs:
            raise UserError(
                f"'{folder}': {files[0].name} turns {self.num_observations} numbers into {self._estimator.outputs}, "
                f"but {files[1].name} reads {self._actor.inputs}: the two don't belong together"
            )
        self.contract = exported_contract(folder, files[1].name.removesuffix(ACTOR_FILE))

    def act(self, observation: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Estimate and act; see :meth:`Policy.act`."""
        inputs = observation.detach().cpu().numpy()
        estimate = self._estimator(inputs)
        actions = self._actor(np.concatenate((inputs, estimate), axis=1))
        return torch.from_numpy(estimate).to(observation.device), torch.from_numpy(actions).to(observation.device)


class _OnnxNet:
    """A network with one input and one output, (batch, n)."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        # Further threads would wait busily beside the simulator's.
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own errors share no base class.
            raise UserError(f"can't load '{path}': {str(error).splitlines()[0]}") from error
        ports = (self._session.get_inputs(), self._session.get_outputs())
        shapes = [port.shape for (port,) in ports] if all(len(port) == 1 for port in ports) else []
        if not shapes or any(len(shape) != 2 or not isinstance(shape[1], int) for shape in shapes):
            raise UserError(f"'{path}' must have one input and one output, each (batch, n)")
        self._input = ports[0][0].name
        self.inputs, self.outputs = (shape[1] for shape in shapes)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: inputs})[0]


def _ends(state: dict[str, Any]) -> tuple[int, int]:
    """Return the number of inputs and outputs of a net by its weights."""
    weights = [value for name, value in state.items() if name.startswith("mlp.") and name.endswith("weight")]
    return weights[0].shape[1], weights[-1].shape[0]


def _only_file(folder: Path, ending: str) -> Path:
    files = sorted(folder.glob(f"*{ending}"))
    if len(files) != 1:
        there = ", ".join(file.name for file in files) or near_names("", (file.name for file in folder.iterdir()))
        raise UserError(f"'{folder}' must hold one file *{ending}: {there}")
    return files[0]


def _digest(files: Sequence[str | Path]) -> str:
    """Return the first digits of the files' common SHA-256."""
    digest = hashlib.sha256()
    for path in files:
        try:
            digest.update(Path(path).read_bytes())
        except OSError as error:
            raise UserError(f"can't read '{path}': {error.strerror}") from error
    return digest.hexdigest()[:12]
