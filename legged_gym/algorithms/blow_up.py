"""Detects updates that diverge, and undoes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from legged_gym.common.errors import TrainingStoppedError


class LearningDivergedError(TrainingStoppedError):
    """An update gave infinite values or NaN."""


def check_losses(losses: Mapping[str, float], iteration: int) -> None:
    """Raise ``LearningDivergedError`` unless all of an update's losses, by name, are finite."""
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        raise LearningDivergedError(
            f"the learning diverged in iteration {iteration + 1}: {', '.join(broken)} became infinite or not a number"
        )


class Snapshot:
    """A copy of networks and optimisers before an update, on their own device."""

    def __init__(self, nets: Sequence[torch.nn.Module], optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Prepare for these."""
        self._nets, self._optimizers = nets, optimizers
        self._memory: list[torch.Tensor] = []

    @torch.no_grad()
    def take(self) -> None:
        """Copy the present values."""
        present = self._tensors()
        if len(present) != len(self._memory):
            # An optimiser has no state before its first step.
            self._memory = [torch.empty_like(tensor) for tensor in present]
        torch._foreach_copy_(self._memory, present)

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the values of the last :meth:`take`."""
        # Optimisers may have got a state since then, which comes last.
        torch._foreach_copy_(self._tensors()[: len(self._memory)], self._memory)

    def size(self) -> torch.Tensor:
        """Return the sum of the norms of all parameters, 0-d. It is finite if they are."""
        parameters = [parameter.detach() for net in self._nets for parameter in net.parameters()]
        return torch.stack(torch._foreach_norm(parameters)).sum()

    def _tensors(self) -> list[torch.Tensor]:
        values = [tensor for net in self._nets for tensor in net.state_dict().values()]
        values += [group["lr"] for optimizer in self._optimizers for group in optimizer.param_groups]
        states = [state for optimizer in self._optimizers for state in optimizer.state.values()]
        values += [value for state in states for value in state.values()]
        return [value for value in values if isinstance(value, torch.Tensor)]
