"""Old checkpoints in tasks whose critic knows more: further inputs begin without influence."""

from __future__ import annotations

from typing import Any

import torch


def widen_critic(checkpoint: dict[str, Any], critic: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Add inputs to a checkpoint's critic, in place, behind its own; its values stay. Return by how many it grew.

    A task tells its critic of settings that are on, such as those of ``motors``, behind everything else.
    """
    saved = checkpoint["critic_state_dict"]
    grown = 0
    for name, here in critic.state_dict().items():
        there = saved.get(name)
        if _narrower(there, here):
            grown = here.shape[1] - there.shape[1]
            saved[name] = torch.nn.functional.pad(there, (0, grown))
            break
    if grown:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        state = checkpoint["optimizer_state_dict"].get("state", {})
        for index, parameter in enumerate(parameters):
            for key, value in state.get(index, {}).items():
                if _narrower(value, parameter) and parameter.shape[1] - value.shape[1] == grown:
                    state[index][key] = torch.nn.functional.pad(value, (0, grown))
    return grown


def _narrower(there: Any, here: torch.Tensor) -> bool:
    """Return whether a saved matrix has fewer columns than the one here, and as many rows."""
    alike = isinstance(there, torch.Tensor) and there.dim() == here.dim() == 2
    return alike and there.shape[0] == here.shape[0] and there.shape[1] < here.shape[1]
