"""Training loop for policies with an estimator: both networks are saved, loaded, played and exported together."""

from __future__ import annotations

import torch
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel
from tensordict import TensorDict
from torch import nn

from legged_gym.algorithms import EstimatorPPO
from legged_gym.algorithms.estimator_ppo import ESTIMATE
from legged_gym.runners.config import TrainCfg
from legged_gym.runners.on_policy_runner import OnPolicyRunner, Parts


class EstimatorPolicy(nn.Module):
    """The networks for acting: the estimator's output goes to the actor, which acts without exploration."""

    def __init__(self, estimator: MLPModel, actor: MLPModel) -> None:
        """Share the given nets, without copying them."""
        super().__init__()
        self.estimator = estimator
        self.actor = actor

    @torch.no_grad()
    def forward(self, obs: TensorDict) -> torch.Tensor:
        """Return the actions ``(N, num_actions)`` for observations with the group ``policy`` ``(N, num_obs)``."""
        obs = obs.copy()
        obs[ESTIMATE] = self.estimator(obs)
        return self.actor(obs)

    def reset(self, dones: torch.Tensor | None = None) -> None:
        """Clear a recurrent actor's hidden state of all robots, or of those in ``dones``, (N,)."""
        self.actor.reset(dones)

    @torch.no_grad()
    def estimate(self, obs: TensorDict) -> torch.Tensor:
        """Return the estimates for the observations, in the label's scale ``(N, label size)``."""
        return self.estimator(obs)


class OnPolicyRunnerEE(OnPolicyRunner):
    """Trains, saves, loads and plays an explicit estimator and an actor together."""

    alg: EstimatorPPO

    def __init__(self, env: VecEnv, train_cfg: TrainCfg, log_dir: str | None = None, device: str = "cpu") -> None:
        """Build the nets; see :class:`OnPolicyRunner`."""
        super().__init__(env, train_cfg, log_dir, device)
        self.logger.label_layout = self.alg.label_layout
        if log_dir is not None and not self.alg.is_compiled_update_possible:
            print("actor and critic learn by rsl_rl's own update, which is slower on a GPU: memories and curiosity are "
                  "not recorded as CUDA graphs", flush=True)  # fmt: skip

    def get_inference_policy(self, device: str | None = None) -> EstimatorPolicy:
        """Return the callable that maps observations to actions ``(N, num_actions)`` through both nets."""
        self.alg.eval_mode()
        return EstimatorPolicy(self.alg.get_estimator(), self.alg.get_policy()).to(device)

    def last_estimate(self) -> torch.Tensor:
        """Return the estimate before the step that was stored last, in the label's scale (N, label size)."""
        storage = self.alg.storage
        return storage.observations[ESTIMATE][storage.step - 1]

    def _parts(self) -> Parts:
        """Add the estimator, which belongs to the actor that was trained on its output."""
        parts = super()._parts()
        parts["actor"]["estimator_state_dict"] = self.alg.get_estimator()
        parts["optimizer"]["estimator_optimizer_state_dict"] = self.alg.estimator_optimizer
        return parts
