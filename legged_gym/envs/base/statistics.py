"""Metrics of the running task, averaged over some steps before they are logged."""

from __future__ import annotations

import torch


class Statistics:
    """Sums metrics on the device, so that logging needs no synchronisation in a step.

    Metrics come in named groups. ``mean`` groups are averaged over robots and steps, ``rms`` groups are means of
    squares whose root is reported, ``share`` groups are counts reported as shares of their sum.
    """

    def __init__(self, interval: int, num_envs: int, device: str, groups: dict[str, tuple[str, list[str]]]) -> None:
        """Report every ``interval`` steps. ``groups`` has each group's kind and curves in the order of :meth:`add`."""
        self.interval, self._names = interval, groups
        self._steps = 0
        self._sums = {group: torch.zeros(num_envs, len(names), device=device) for group, (_, names) in groups.items()}

    def add(self, group: str, values: torch.Tensor) -> None:
        """Add a step's values of a group, (N, number of names). They are summed over robots only for a report."""
        self._sums[group] += values

    def step(self) -> dict[str, torch.Tensor]:
        """Count a step. Every ``interval`` steps, return all metrics by curve, 0-d tensors, and start again."""
        self._steps += 1
        figures: dict[str, torch.Tensor] = {}
        if self._steps < self.interval:
            return figures
        for group, (kind, names) in self._names.items():
            sums = self._sums[group]
            values = sums.sum(0) / sums.sum().clamp(min=1.0) if kind == "share" else sums.mean(0) / self._steps
            figures.update(zip(names, values.sqrt() if kind == "rms" else values, strict=True))
            sums.zero_()
        self._steps = 0
        return figures

    def unreported(self) -> dict[str, torch.Tensor]:
        """Return the sums since the last report, by curve, 0-d tensors."""
        return {
            name: value
            for group, (_, names) in self._names.items()
            for name, value in zip(names, self._sums[group].sum(0), strict=True)
        }
