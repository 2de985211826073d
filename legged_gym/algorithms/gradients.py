"""Averages over the processes of a distributed training."""

from __future__ import annotations

from collections.abc import Iterable

import torch


class GradientAverage:
    """Averages gradients, and one number beside them, in a single exchange per mini-batch."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], world_size: int) -> None:
        """Allocate the message.

        Args:
            parameters: Whose gradients are averaged.
            world_size: Number of processes.
        """
        self._parameters = list(parameters)
        self._world_size = world_size
        size = sum(parameter.numel() for parameter in self._parameters) + 1
        self._message = torch.zeros(size, device=self._parameters[0].device)

    def pack(self, number: torch.Tensor | None = None) -> None:
        """Write all gradients, and the number (0-d), into the message."""
        gradients = [self._gradient(parameter).reshape(-1) for parameter in self._parameters]
        last = self._message.new_zeros(1) if number is None else number.reshape(1)
        torch.cat([*gradients, last], out=self._message)

    def exchange(self) -> None:
        """Average the message over all processes; all of them have to call this."""
        torch.distributed.all_reduce(self._message)
        self._message /= self._world_size

    def unpack(self) -> torch.Tensor:
        """Put the averaged gradients in place of this process's own and return the averaged number, 0-d."""
        parts = self._message[:-1].split([parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            self._gradient(parameter).copy_(part.view_as(parameter))
        return self._message[-1]

    @staticmethod
    def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        return parameter.grad
