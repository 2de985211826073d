"""Adam whose learning rate and step count live on the device, so that nothing has to wait for the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

_PLACEMENT = ("lr", "fused", "foreach", "capturable")
"""Settings of a parameter group that depend on where it is run, not on what was learned."""


class DeviceAdam(torch.optim.Adam):
    """PyTorch's fused Adam, with one learning rate for all parameters, a tensor.

    Its state can be exchanged with a plain ``torch.optim.Adam``, also one on another device.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        """Set up the optimiser.

        Args:
            parameters: What it changes, all on one device.
            lr: The first learning rate.
        """
        parameters = list(parameters)
        device = parameters[0].device
        rate = torch.tensor(lr, dtype=torch.float32, device=device)
        super().__init__(parameters, lr=rate, fused=True, capturable=device.type == "cuda")

    @property
    def rate(self) -> torch.Tensor:
        """The learning rate, 0-d; change it in place."""
        return self.param_groups[0]["lr"]

    def state_dict(self) -> dict[str, Any]:
        """Return the state with the learning rate as a number, as a plain Adam has it."""
        state = super().state_dict()
        groups = [{**group, "lr": float(self.rate)} for group in state["param_groups"]]
        return {**state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of this or of a plain Adam; what was recorded with the old one no longer holds.

        Raises:
            ValueError: A tensor of the state has another size than its parameter: a fused kernel would not notice.
        """
        ours = {name: self.param_groups[0][name] for name in _PLACEMENT}
        rate, value = self.rate, float(state_dict["param_groups"][0]["lr"])
        groups = [{**group, **ours} for group in state_dict["param_groups"]]
        super().load_state_dict({**state_dict, "param_groups": groups})
        for group in self.param_groups:
            group["lr"] = rate.fill_(value)
        self._check_sizes()

    def _check_sizes(self) -> None:
        for parameter, entries in self.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                there = tuple(entries[name].shape)
                if there != tuple(parameter.shape):
                    raise ValueError(f"{name} is {there} where its parameter is {tuple(parameter.shape)}")
