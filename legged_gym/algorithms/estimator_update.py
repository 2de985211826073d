"""The estimator's regression on a stored rollout, with mini-batches in CUDA graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from tensordict import TensorDict
from torch import nn

from legged_gym.algorithms.gpu import DeviceAdam, GradientAverage, MiniBatchStep
from legged_gym.common.compiling import Fused

if TYPE_CHECKING:
    from legged_gym.algorithms.estimator_ppo import EstimatorPPO


class EstimatorUpdate:
    """Fits the estimator of an :class:`EstimatorPPO` to the labels in its storage."""

    def __init__(self, alg: EstimatorPPO, optimizer: DeviceAdam, record: bool = True, fuse: bool = False) -> None:
        """Prepare for one storage. On a GPU mini-batches may run as CUDA graphs, and their loss may be compiled."""
        self._alg = alg
        self._num_samples = alg.storage.num_envs * alg.storage.num_transitions_per_env
        self._label = alg.estimator_cfg.label
        self._batch_size = min(alg.estimator_cfg.batch_size, self._num_samples)
        self.num_batches = alg.estimator_cfg.num_epochs * -(-self._num_samples // self._batch_size)
        """Number of mini-batches in an update, of all epochs."""
        self._indices = torch.zeros(self._batch_size, dtype=torch.long, device=alg.device)
        self._squared_error = torch.zeros((), device=alg.device)
        self._denoising = alg.denoising
        self._action_error = torch.zeros_like(self._squared_error)
        self._optimizers = [optimizer] + ([self._denoising.optimizer] if self._denoising is not None else [])
        self._average: GradientAverage | None = None
        if alg.is_multi_gpu:
            learning = [p for one in self._optimizers for group in one.param_groups for p in group["params"]]
            self._average = GradientAverage(learning, alg.gpu_world_size)
        self._evaluate = Fused(self._batch_loss, "the estimator's update", fuse)
        self._step = MiniBatchStep(
            lambda: self._differentiate(self._evaluate(self._indices)), self._apply, self._average, alg.device, record
        )

    @property
    def losses(self) -> dict[str, torch.Tensor]:
        """Mean squared errors of the last update by name, 0-d. A GPU may still be computing them."""
        sums = {"estimator": self._squared_error}
        if self._denoising is not None:
            sums["denoising"] = self._action_error
        return {name: total / (self._alg.estimator_cfg.num_epochs * self._num_samples) for name, total in sums.items()}

    def batches(self) -> Iterator[None]:
        """Go through all mini-batches and epochs, with a pause after each."""
        self._squared_error.zero_()
        self._action_error.zero_()
        for optimizer in self._optimizers:
            optimizer.rate.fill_(self._alg.estimator_learning_rate)
        for _ in range(self._alg.estimator_cfg.num_epochs):
            for indices in torch.randperm(self._num_samples, device=self._alg.device).split(self._batch_size):
                self._run_batch(indices)
                yield

    def _run_batch(self, indices: torch.Tensor) -> None:
        if len(indices) == self._batch_size:
            self._indices.copy_(indices)
            self._step()
            return
        # The last one, which a recording of whole batches does not fit.
        self._differentiate(self._batch_loss(indices))
        if self._average is not None:
            self._average.exchange()
        self._apply()

    def _batch_loss(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of some samples, that of their actions included, and add both up."""
        stored, label, denoising = self._alg.storage.observations, self._label, self._denoising
        names = dict.fromkeys((*self._alg.estimator_input, label, *(denoising.groups if denoising is not None else ())))
        samples = TensorDict({n: stored[n].flatten(0, 1)[indices] for n in names}, batch_size=[len(indices)])
        loss = nn.functional.mse_loss(self._alg.estimator(samples), samples[label])
        self._squared_error += loss.detach() * len(indices)
        if denoising is not None:
            action_loss = denoising.loss(samples)
            self._action_error += action_loss.detach() * len(indices)
            loss = loss + action_loss
        return loss

    def _differentiate(self, loss: torch.Tensor) -> None:
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        loss.backward()
        if self._average is not None:
            self._average.pack()

    def _apply(self) -> None:
        if self._average is not None:
            self._average.unpack()
        for optimizer in self._optimizers:
            optimizer.step()
