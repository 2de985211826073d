"""Policies from their two kinds of files: a training's checkpoint, and exported networks."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from rsl_rl.models import MLPModel, RNNModel
from tensordict import TensorDict

from legged_gym.algorithms.estimator_ppo import ESTIMATE
from legged_gym.common.errors import UserError
from legged_gym.policies.contract import exported_contract, groups, read_contract, trained_contract
from legged_gym.policies.exported import has_estimator
from legged_gym.policies.finder import ACTOR_FILE, ESTIMATOR_FILE, Observed, Policy, PolicySource
from legged_gym.policies.net_files import empty_memory
from legged_gym.policies.networks import OnnxNet, digest, only_file
from legged_gym.runners.checkpoint import check_part, read_checkpoint

_NETS: dict[str, type[MLPModel]] = {"rsl_rl.models:MLPModel": MLPModel, "rsl_rl.models:RNNModel": RNNModel}
_DISTRIBUTIONS = ("legged_gym.algorithms.gaussian:Gaussian", "rsl_rl.modules:GaussianDistribution")
"""Allowed classes for the actor of a checkpoint. No name from a file is imported."""


class _NetPolicy(Policy):
    """A policy made of an actor and, perhaps, an estimator."""

    _actor: Any
    _estimator: Any = None
    _actor_groups: list[str]
    _estimator_groups: list[str]

    def __init__(self) -> None:
        """Start without hidden states."""
        self._memory: dict[int, list[torch.Tensor]] = {}

    def act(self, observation: torch.Tensor | Observed, block: int = 0) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Estimate and act; see :meth:`Policy.act`."""
        observed = {"policy": observation} if isinstance(observation, torch.Tensor) else dict(observation)
        estimate = None
        if self._estimator is not None:
            estimate, _ = self._run(self._estimator, _join(observed, self._estimator_groups), None)
            observed[ESTIMATE] = estimate
        inputs, known = _join(observed, self._actor_groups), self._memory.get(block)
        if known is not None and known[0].shape[1] != len(inputs):
            raise UserError(f"{self.name} knows {known[0].shape[1]} robots, got {len(inputs)}: reset it first")
        actions, memory = self._run(self._actor, inputs, known)
        if memory:
            self._memory[block] = memory
        return estimate, actions

    def reset(self, dones: torch.Tensor | None = None, block: int = 0) -> None:
        """Clear hidden states; see :meth:`Policy.reset`."""
        if dones is None:
            self._memory.pop(block, None)
            return
        for state in self._memory.get(block, []):
            state[:, dones.to(state.device).bool()] = 0.0

    def start(self) -> None:
        """Begin new episodes of all robots in all blocks."""
        self._memory.clear()

    @abstractmethod
    def _run(self, net: Any, inputs: torch.Tensor, memory: list[Any] | None) -> tuple[torch.Tensor, list[Any]]:
        """Return a network's outputs, on the inputs' device, and its new hidden state."""

    def _read_groups(self, actor: list[str], estimator: list[str], inputs: int, estimates: int) -> None:
        """Store the observation groups of both networks."""
        self._actor_groups, self._estimator_groups = actor, estimator
        self.groups = list(dict.fromkeys((*(estimator if estimates else ()), *actor)))
        if ESTIMATE in self.groups:
            self.groups.remove(ESTIMATE)
        self.num_observations = inputs - estimates

    def _check_pair(self, reads: int, says: int, actor_reads: int, names: tuple[str, str]) -> None:
        """Check that the actor's inputs are the estimator's inputs and outputs, if it has no others."""
        if self.groups == self._estimator_groups and reads + says != actor_reads:
            raise UserError(
                f"'{self.path}': {names[0]} turns {reads} numbers into {says}, but {names[1]} reads {actor_reads}: the "
                "two don't belong together"
            )


class CheckpointPolicy(_NetPolicy):
    """A policy from a training's checkpoint."""

    def __init__(self, source: PolicySource, device: str = "cpu") -> None:
        """Read the checkpoint and build its networks on a device.

        Raises:
            UserError: The file is damaged, or has networks of another kind.
        """
        super().__init__()
        self.name, self.path, self.digest = source.name, source.path, digest([source.path])
        self._device = device
        checkpoint = read_checkpoint(source.path, device)
        try:
            self._build(checkpoint)
            self.contract = trained_contract(checkpoint["config"]["env"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{source.path} is damaged: its nets' configuration can't be read ({error!r})") from error

    def _run(self, net: Any, inputs: torch.Tensor, memory: list[Any] | None) -> tuple[torch.Tensor, list[Any]]:
        with torch.no_grad():
            memory = empty_memory(net, len(inputs)) if memory is None else memory
            answer = net(inputs.to(self._device), *(state.to(self._device) for state in memory))
        outputs, *remembered = answer if memory else (answer,)
        return outputs.to(inputs.device), [state for state in remembered if state is not None]

    def _build(self, checkpoint: dict[str, Any]) -> None:
        train = checkpoint["config"]["train"]
        which = "student" if "student_state_dict" in checkpoint else "actor"
        settings, state = dict(train[which]), checkpoint[f"{which}_state_dict"]
        kind, noise = settings.pop("class_name"), settings.pop("distribution_cfg")["class_name"]
        if kind not in _NETS or noise not in _DISTRIBUTIONS:
            raise UserError(
                f"{self.path}: only rsl_rl's networks with Gaussian noise can be loaded, not {kind} with {noise}"
            )
        # Without exploration, the action is the distribution's mean, the network's output.
        state = {name: value for name, value in state.items() if not name.startswith("distribution.")}
        reads, self.num_actions = _ends(state)
        self._actor = self._net(_NETS[kind], "actor", settings, state)
        groups = train["obs_groups"]
        estimates, inputs = 0, 0
        if ESTIMATE in groups[which]:
            state, estimator = checkpoint["estimator_state_dict"], train["algorithm"]["estimator_cfg"]
            settings = {name: estimator[name] for name in ("hidden_dims", "activation")}
            inputs, estimates = _ends(state)
            self._estimator = self._net(MLPModel, "estimator", settings, state)
        self._read_groups(list(groups[which]), list(groups.get("estimator_input", ["policy"])), reads, estimates)
        if estimates:
            self._check_pair(inputs, estimates, reads, ("its estimator", "its actor"))

    def _net(self, kind: type[MLPModel], name: str, settings: dict[str, Any], state: dict[str, Any]) -> torch.nn.Module:
        """Build a network and load its weights."""
        inputs, outputs = _ends(state)
        example = TensorDict({"input": torch.zeros(1, inputs)}, batch_size=[1])
        net = kind(example, {name: ["input"]}, name, outputs, **settings)
        check_part(self.path, f"{name}_state_dict", {f"{name}_state_dict": state}, net)
        net.load_state_dict(state)
        return net.as_onnx(verbose=False).to(self._device).eval()


class OnnxPolicy(_NetPolicy):
    """The exported networks, run by ONNX Runtime as on the robot."""

    def __init__(self, source: PolicySource) -> None:
        """Load the networks and their metadata.

        Raises:
            UserError: A network is missing or unreadable, or they don't fit each other.
        """
        super().__init__()
        folder = Path(source.path)
        self.name, self.path = source.name, source.path
        actor = only_file(folder, ACTOR_FILE)
        prefix = actor.name.removesuffix(ACTOR_FILE)
        told = read_contract(folder, prefix)
        estimates = told.estimator is not None if told is not None else has_estimator(folder)
        files = [*([only_file(folder, ESTIMATOR_FILE)] if estimates else []), actor]
        self.digest = digest(files)
        nets = [OnnxNet(file) for file in files]
        self._actor, self._estimator = nets[-1], nets[0] if estimates else None
        self.num_actions = self._actor.outputs
        read = groups(told.actor.input) if told is not None else ["policy", *([ESTIMATE] if estimates else [])]
        estimator = groups(told.estimator.input) if told is not None and told.estimator is not None else ["policy"]
        self._read_groups(read, estimator, self._actor.inputs, nets[0].outputs if estimates else 0)
        if estimates:
            reads = (nets[0].inputs, nets[0].outputs, self._actor.inputs)
            self._check_pair(*reads, (files[0].name, files[1].name))
        self.contract = exported_contract(folder, prefix)

    def _run(self, net: Any, inputs: torch.Tensor, memory: list[Any] | None) -> tuple[torch.Tensor, list[Any]]:
        remembered = None if memory is None else [state.numpy() for state in memory]
        outputs, remembered = net(inputs.detach().cpu().numpy(), remembered)
        return torch.from_numpy(outputs).to(inputs.device), [torch.from_numpy(state) for state in remembered]


def _join(observed: dict[str, torch.Tensor], names: list[str]) -> torch.Tensor:
    parts = [observed[name] for name in names]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _ends(state: dict[str, Any]) -> tuple[int, int]:
    """Return the number of inputs and outputs of a network, from its weights."""
    weights = [value for name, value in state.items() if name.startswith("mlp.") and name.endswith("weight")]
    first = state.get("rnn.rnn.weight_ih_l0", weights[0])
    return first.shape[1], weights[-1].shape[0]
