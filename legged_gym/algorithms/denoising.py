"""Teaches an actor to act with noisy sensors as it would without noise."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict
from torch import nn

from legged_gym.algorithms.gpu import DeviceAdam
from legged_gym.envs.base.observations import NOISE_FREE

if TYPE_CHECKING:
    from legged_gym.algorithms.estimator_ppo import EstimatorPPO

_STILL = 1e-3
"""Standard deviation of the actions without exploration."""


class Denoising:
    """Teaches the actor of an :class:`EstimatorPPO` to act on noisy observations as on noise-free ones.

    The reward hardly depends on the sensor noise that an actor passes on to the motors. A copy of the actor with
    noise-free observations is a better signal: regression on its actions gives the mean action for each observation,
    with the least error. Robots don't explore meanwhile, because past actions reveal much of what the noise hides.
    """

    def __init__(self, alg: EstimatorPPO) -> None:
        """Start with the present actor as its own teacher."""
        self._alg = alg
        # The last sampled distribution may hang on an autograd graph, which can't be copied; the teacher needs none.
        sampled = vars(alg._raw_actor.distribution).values()
        without = {id(one): None for one in sampled if isinstance(one, torch.Tensor | torch.distributions.Distribution)}
        self.teacher = copy.deepcopy(alg._raw_actor, without).requires_grad_(False)
        self.optimizer = DeviceAdam(alg._raw_actor.mlp.parameters(), alg.estimator_learning_rate)
        self.groups = (*alg.actor.obs_groups, NOISE_FREE)
        """Observation groups that :meth:`loss` needs."""
        for name, deviation in alg._raw_actor.distribution.named_parameters():
            deviation.data.fill_(math.log(_STILL) if "log" in name else _STILL)

    def loss(self, samples: TensorDict) -> torch.Tensor:
        """Return the mean squared error of the actor's actions on stored observations, 0-d."""
        with torch.no_grad():
            quiet = samples.copy()
            quiet["policy"] = samples[NOISE_FREE]
            wanted = self.teacher(self._alg.with_estimate(quiet))
        return nn.functional.mse_loss(self._alg.actor(samples), wanted)

    def end(self) -> None:
        """Let the actor explore again as before."""
        distribution = self._alg._raw_actor.distribution
        distribution.load_state_dict(self.teacher.distribution.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"teacher": self.teacher.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state_dict`."""
        self.teacher.load_state_dict(state["teacher"])
        self.optimizer.load_state_dict(state["optimizer"])
