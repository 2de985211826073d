"""Acting and storing on a GPU as two CUDA graphs, instead of some hundred small kernels in each step."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict

from legged_gym.algorithms.gpu import Recorded
from legged_gym.common.compiling import Fused


class RolloutRecorder:
    """Does what ``PPO.act`` and ``PPO.process_env_step`` do, from fixed memory into fixed memory.

    The step at which a transition is stored is also counted on the device.
    """

    def __init__(
        self,
        storage: RolloutStorage,
        act: Callable[[TensorDict], RolloutStorage.Transition],
        gamma: float,
        fuse: bool = False,
    ) -> None:
        """Prepare for one storage, whose distribution parameters may not exist yet.

        ``act``, compiled if ``fuse``, fills a transition's part from before the step; ``gamma`` counts at time-outs.
        """
        self._storage, self._act, self._gamma = storage, Fused(act, "acting", fuse), gamma
        self._step = torch.zeros(1, dtype=torch.long, device=storage.device)
        self._rewards = torch.zeros(storage.num_envs, device=storage.device)
        self._dones = torch.zeros(storage.num_envs, dtype=torch.bool, device=storage.device)
        self._time_outs = torch.zeros_like(self._dones)
        self._obs: TensorDict | None = None
        self._transition = RolloutStorage.Transition()
        self._acting = Recorded(self._fill, storage.device)
        self._storing = Recorded(self._store, storage.device)

    @torch.inference_mode(False)
    @torch.no_grad()
    def act(self, obs: TensorDict) -> torch.Tensor:
        """Return actions for observations, (N, A), in memory that the next call overwrites.

        Whoever calls it in inference mode or not, what it makes may be overwritten in the other.
        """
        if self._obs is None:
            self._obs = obs.clone()
        names = list(self._obs.keys())
        torch._foreach_copy_([self._obs[name] for name in names], [obs[name] for name in names])
        self._acting()
        assert self._transition.actions is not None
        return self._transition.actions

    def store(self, rewards: torch.Tensor, dones: torch.Tensor, time_outs: torch.Tensor | None) -> None:
        """Store the transition that :meth:`act` began, all (N,); ``time_outs`` are those that time alone ended."""
        storage = self._storage
        if storage.step >= storage.num_transitions_per_env:
            raise OverflowError("the rollout storage is full; clear() it before storing more")
        if storage.step == 0:
            self._step.zero_()
        self._rewards.copy_(rewards)
        self._dones.copy_(dones)
        if time_outs is None:
            self._time_outs.zero_()
        else:
            self._time_outs.copy_(time_outs)
        self._storing()
        storage.step += 1

    def _fill(self) -> None:
        assert self._obs is not None
        # A copy: replayed, these tensors are filled again, whatever became of the algorithm's own transition.
        self._transition = copy.copy(self._act(self._obs))

    def _store(self) -> None:
        storage, transition = self._storage, self._transition
        bootstrapped = self._rewards + self._gamma * transition.values.squeeze(1) * self._time_outs
        if storage.distribution_params is None:
            shape = storage.num_transitions_per_env
            storage.distribution_params = tuple(
                torch.zeros(shape, *p.shape, device=p.device) for p in transition.distribution_params
            )
        observed = transition.observations
        pairs = [(storage.observations[name], observed[name]) for name in map(str, observed.keys())]
        pairs += [
            (storage.actions, transition.actions),
            (storage.rewards, bootstrapped.unsqueeze(1)),
            (storage.dones, self._dones.unsqueeze(1).to(storage.dones.dtype)),
            (storage.values, transition.values),
            (storage.actions_log_prob, transition.actions_log_prob.view(-1, 1)),
            *zip(storage.distribution_params, transition.distribution_params, strict=True),
        ]
        for memory, values in pairs:
            memory.index_copy_(0, self._step, values.unsqueeze(0))
        self._step += 1
