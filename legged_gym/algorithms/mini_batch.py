"""One mini-batch's step of a net or two: gradients, their average over all processes, new parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch

from legged_gym.algorithms.gradients import GradientAverage
from legged_gym.algorithms.recorded import Recorded


class MiniBatchStep:
    """Does the two halves of a step, recorded on a GPU: as one piece, or in two around what processes exchange."""

    def __init__(
        self,
        differentiate: Callable[[], None],
        apply: Callable[[], None],
        average: GradientAverage | None,
        device: str | torch.device,
        record: bool = True,
    ) -> None:
        """Prepare.

        Args:
            differentiate: Computes gradients and, with several processes, packs them into ``average``.
            apply: Unpacks what was averaged and changes the parameters.
            average: Exchanges the gradients; None: this is the only process.
            device: Where all of this works.
            record: Whether to record it on a GPU.
        """

        def whole() -> None:
            differentiate()
            apply()

        self._average = average
        parts = [whole] if average is None else [differentiate, apply]
        self._parts = [Recorded(part, device, record) for part in parts]

    def __call__(self) -> None:
        """Do the step; on a GPU it may go on after the return."""
        self._parts[0]()
        if self._average is not None:
            self._average.exchange()
            self._parts[1]()
