"""PPO's update without a host that waits: the mini-batch of :meth:`rsl_rl.algorithms.PPO.update`, recorded.

What rsl_rl asks the device for in every mini-batch (the KL divergence for the adaptive learning rate, three losses)
stays there until the end, and on a GPU a mini-batch is one recorded CUDA graph. The arithmetic is rsl_rl's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import nn

from legged_gym.algorithms.gpu import DeviceAdam, GradientAverage, MiniBatchStep
from legged_gym.common.compiling import Fused

if TYPE_CHECKING:
    from rsl_rl.algorithms import PPO

_RATE_FACTOR = 1.5
"""By which the adaptive learning rate rises and falls."""
_RATE_RANGE = (1e-5, 1e-2)
"""Between which it stays."""


class PolicyUpdate:
    """Updates actor and critic of a :class:`rsl_rl.algorithms.PPO` from its storage.

    It knows feed-forward nets, Adam, mixed precision, symmetry and several processes; not RND.
    """

    def __init__(self, alg: PPO, optimizer: DeviceAdam, record: bool = True, fuse: bool = False) -> None:
        """Prepare for one storage; the algorithm's settings are read when a mini-batch is computed or recorded."""
        self._alg, self._optimizer = alg, optimizer
        storage = alg.storage
        self._batch_size = storage.num_envs * storage.num_transitions_per_env // alg.num_mini_batches
        self._indices = torch.zeros(self._batch_size, dtype=torch.long, device=alg.device)
        read = {*alg.actor.obs_groups, *alg.critic.obs_groups}
        self._groups = [name for name in map(str, storage.observations.keys()) if name in read]
        self.names = ["value", "surrogate", "entropy"] + (["symmetry"] if alg.symmetry else [])
        """Names of the losses."""
        self._losses = torch.zeros(len(self.names), device=alg.device)
        self._kl = torch.zeros((), device=alg.device)
        self._average: GradientAverage | None = None
        if alg.is_multi_gpu:
            parameters = [*alg.actor.parameters(), *alg.critic.parameters()]
            self._average = GradientAverage(parameters, alg.gpu_world_size)
        self._evaluate = Fused(self._batch_loss, "the policy's update", fuse)
        self._step = MiniBatchStep(self._differentiate, self._apply, self._average, alg.device, record)

    @property
    def losses(self) -> torch.Tensor:
        """Mean losses of the last update, in the order of :attr:`names`; on a GPU they may still be being computed."""
        return self._losses / (self._alg.num_learning_epochs * self._alg.num_mini_batches)

    def batches(self) -> Iterator[None]:
        """Go through all mini-batches and epochs, with a pause after each."""
        alg = self._alg
        self._losses.zero_()
        self._optimizer.rate.fill_(alg.learning_rate)
        order = torch.randperm(alg.num_mini_batches * self._batch_size, device=alg.device)
        for _ in range(alg.num_learning_epochs):
            for indices in order.split(self._batch_size):
                self._indices.copy_(indices)
                self._step()
                yield

    def _differentiate(self) -> None:
        loss = self._evaluate()
        self._optimizer.zero_grad()
        loss.backward()
        if self._average is not None:
            self._average.pack(self._kl)

    def _apply(self) -> None:
        alg = self._alg
        kl = self._kl if self._average is None else self._average.unpack()
        if self._adapts:
            self._adapt_rate(kl)
        nn.utils.clip_grad_norm_(alg.actor.parameters(), alg.max_grad_norm)
        nn.utils.clip_grad_norm_(alg.critic.parameters(), alg.max_grad_norm)
        self._optimizer.step()

    @property
    def _adapts(self) -> bool:
        return self._alg.desired_kl is not None and self._alg.schedule == "adaptive"

    def _batch_loss(self) -> torch.Tensor:
        alg = self._alg
        batch = self._gather()
        if alg.symmetry:
            alg.symmetry.augment_batch(batch, self._batch_size)
        device_type = torch.device(alg.device).type
        # Recording and the cache of converted weights exclude each other.
        with torch.amp.autocast(device_type, torch.bfloat16, alg.use_mixed_precision, cache_enabled=False):
            return self._loss(batch)

    def _gather(self) -> RolloutStorage.Batch:
        storage, indices = self._alg.storage, self._indices
        observations = {name: storage.observations[name].flatten(0, 1)[indices] for name in self._groups}
        advantages = storage.advantages.flatten(0, 1)[indices]
        if self._alg.normalize_advantage_per_mini_batch:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        return RolloutStorage.Batch(
            observations=TensorDict(observations, batch_size=[self._batch_size]),
            actions=storage.actions.flatten(0, 1)[indices],
            values=storage.values.flatten(0, 1)[indices],
            advantages=advantages,
            returns=storage.returns.flatten(0, 1)[indices],
            old_actions_log_prob=storage.actions_log_prob.flatten(0, 1)[indices],
            old_distribution_params=tuple(p.flatten(0, 1)[indices] for p in storage.distribution_params or ()),
        )

    def _loss(self, batch: RolloutStorage.Batch) -> torch.Tensor:
        """Return PPO's loss of a mini-batch and add its parts up."""
        alg, size = self._alg, self._batch_size
        alg.actor(batch.observations, stochastic_output=True)
        log_prob = alg.actor.get_output_log_prob(batch.actions)
        values = self._values(batch.observations)
        entropy = alg.actor.output_entropy[:size].mean()
        if self._adapts:
            with torch.no_grad():
                present = tuple(p[:size] for p in alg.actor.output_distribution_params)
                self._kl.copy_(alg.actor.get_kl_divergence(batch.old_distribution_params, present).mean())
        losses = [self._value_loss(batch, values), self._surrogate_loss(batch, log_prob), entropy]
        loss = losses[1] + alg.value_loss_coef * losses[0] - alg.entropy_coef * entropy
        if alg.symmetry:
            losses.append(self._symmetry_loss(batch))
            if alg.symmetry.use_mirror_loss:
                loss = loss + alg.symmetry.mirror_loss_coeff * losses[-1]
        self._losses += torch.stack([part.detach().float() for part in losses])
        return loss

    def _values(self, observations: TensorDict) -> torch.Tensor:
        # The actor's rounding would count as a change of the policy: a third of the KL divergence that is desired.
        device_type = torch.device(self._alg.device).type
        rounded = self._alg.use_mixed_precision or (self._alg.critic_bf16 and device_type == "cuda")
        with torch.amp.autocast(device_type, torch.bfloat16, rounded, cache_enabled=False):
            return self._alg.critic(observations).float()

    def _surrogate_loss(self, batch: RolloutStorage.Batch, log_prob: torch.Tensor) -> torch.Tensor:
        ratio = torch.exp(log_prob - batch.old_actions_log_prob.squeeze(-1))
        clipped = ratio.clamp(1.0 - self._alg.clip_param, 1.0 + self._alg.clip_param)
        gain = -batch.advantages.squeeze(-1)
        return torch.max(gain * ratio, gain * clipped).mean()

    def _value_loss(self, batch: RolloutStorage.Batch, values: torch.Tensor) -> torch.Tensor:
        errors = (values - batch.returns).pow(2)
        if not self._alg.use_clipped_value_loss:
            return errors.mean()
        clip = self._alg.clip_param
        near = batch.values + (values - batch.values).clamp(-clip, clip)
        return torch.max(errors, (near - batch.returns).pow(2)).mean()

    def _symmetry_loss(self, batch: RolloutStorage.Batch) -> torch.Tensor:
        symmetry, size = self._alg.symmetry, self._batch_size
        if symmetry.use_mirror_loss or not symmetry.use_data_augmentation:
            return symmetry.compute_loss(self._alg.actor, batch, size)
        # Only for the log: the actor has just seen the mirrored samples, so it need not be asked again.
        means = self._alg.actor.output_mean.detach()
        _, mirrored = symmetry.data_augmentation_func(env=symmetry.env, obs=None, actions=means[:size])
        return nn.functional.mse_loss(means[size:], mirrored[size:])

    def _adapt_rate(self, kl: torch.Tensor) -> None:
        """Lower the learning rate where the policy moved too far, raise it where it hardly moved."""
        rate, desired = self._optimizer.rate, self._alg.desired_kl
        slower = (rate / _RATE_FACTOR).clamp(min=_RATE_RANGE[0])
        faster = (rate * _RATE_FACTOR).clamp(max=_RATE_RANGE[1])
        still = (kl < desired / 2.0) & (kl > 0.0)
        rate.copy_(torch.where(kl > desired * 2.0, slower, torch.where(still, faster, rate)))
