"""PPO with an estimator: a net that guesses what the robot can't measure and hands it to the actor.

The estimator reads the policy's observation and is trained by regression on labels from the simulation. Its output
joins the observations as the group ``estimate`` *before* they are stored. So PPO's updates see exactly the numbers
that the actor acted on (the probability ratio starts at 1) and PPO's loss never reaches the estimator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from rsl_rl.utils import compile_model, reduce_gradients_in_buckets
from tensordict import TensorDict
from torch import nn

ESTIMATE = "estimate"
"""Name of the observation group that holds the estimator's output."""

_VELOCITY_AXES = ("x", "y", "z")
_CONTACT_THRESHOLD = 0.5


@dataclass
class EstimatorCfg:
    """Settings of the estimator.

    The label's first three columns are the base's linear velocity times ``velocity_scale``; any further columns are
    contacts, 0 or 1.
    """

    input_groups: list[str] = field(default_factory=lambda: ["policy"])
    """Observation groups that the estimator reads."""
    label: str = "label"
    """Observation group that it learns to predict. Neither actor nor critic may read it."""
    hidden_dims: list[int] = field(default_factory=lambda: [128, 64, 32])
    activation: str = "relu"
    init_std: float = 0.1
    """Standard deviation of the first weights; biases start at zero."""
    learning_rate: float = 2e-3
    final_learning_rate: float = 4e-4
    decay_iterations: int = 2000
    """Updates over which the learning rate falls linearly to its final value."""
    batch_size: int = 1024
    """Samples in a mini-batch."""
    num_epochs: int = 1
    """Passes over the rollout in each update."""
    velocity_scale: float = 1.0
    """Factor between m/s and the label's velocity columns. It only serves the logged errors."""


class EstimatorPPO(PPO):
    """rsl_rl's PPO, with an estimator trained beside it on the same rollouts."""

    estimator: MLPModel
    """The estimator, compiled if that was asked for."""

    num_updates: int
    """Completed updates, which are the completed iterations; the estimator's learning rate follows it."""

    def __init__(
        self,
        actor: MLPModel,
        critic: MLPModel,
        storage: RolloutStorage,
        estimator_cfg: EstimatorCfg | dict[str, Any] | None = None,
        **ppo_cfg: Any,
    ) -> None:
        """Set up PPO, then the estimator with its optimiser.

        Args:
            actor: Policy; its observation groups may contain ``estimate``.
            critic: Value function; likewise.
            storage: Rollout storage whose observations hold the estimator's input groups, its label and ``estimate``.
            estimator_cfg: Settings of the estimator.
            ppo_cfg: Arguments of :class:`rsl_rl.algorithms.PPO`.
        """
        super().__init__(actor, critic, storage, **ppo_cfg)
        cfg = estimator_cfg if isinstance(estimator_cfg, EstimatorCfg) else EstimatorCfg(**(estimator_cfg or {}))
        for name, model in (("actor", actor), ("critic", critic)):
            if cfg.label in model.obs_groups:
                raise ValueError(f"The {name} reads '{cfg.label}', which holds the answers to the estimator's task.")
        self.estimator_cfg = cfg
        self._raw_estimator = _make_estimator(storage.observations[0], cfg).to(self.device)
        self.estimator = self._raw_estimator
        self.estimator_optimizer = torch.optim.Adam(self.estimator.parameters(), lr=cfg.learning_rate)
        self.num_updates = 0

    @staticmethod
    def construct_algorithm(obs: TensorDict, env: VecEnv, cfg: dict[str, Any], device: str) -> EstimatorPPO:
        """Build the nets, the storage and the algorithm from rsl_rl's nested configuration.

        Args:
            obs: Observations of the environment, without ``estimate``.
            env: The environment. The scale of its label is read from ``cfg.normalization.obs_scales.lin_vel``.
            cfg: rsl_rl's training configuration, with ``algorithm.estimator_cfg`` and ``obs_groups.estimator_input``.
            device: Where to learn.
        """
        estimator_cfg = dict(cfg["algorithm"].get("estimator_cfg") or {})
        estimator_cfg.setdefault("input_groups", cfg["obs_groups"].get("estimator_input", ["policy"]))
        estimator_cfg.setdefault("velocity_scale", _label_velocity_scale(env))
        algorithm_cfg = {**cfg["algorithm"], "estimator_cfg": estimator_cfg}
        obs = obs.copy()
        obs[ESTIMATE] = torch.zeros_like(obs[EstimatorCfg(**estimator_cfg).label])
        return PPO.construct_algorithm(obs, env, {**cfg, "algorithm": algorithm_cfg}, device)

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Estimate, then sample actions ``(N, num_actions)``; the estimate is stored with the transition."""
        return super().act(self.with_estimate(obs))

    def compute_returns(self, obs: TensorDict) -> None:
        """Compute returns and advantages; ``obs`` are those after the last step."""
        super().compute_returns(self.with_estimate(obs))

    def with_estimate(self, obs: TensorDict) -> TensorDict:
        """Return the observations with the group ``estimate`` added; ``obs`` itself stays as it is."""
        obs = obs.copy()
        obs[ESTIMATE] = self.estimator(obs).detach()
        return obs

    def update(self) -> dict[str, float]:
        """Update actor and critic, then the estimator, from the stored rollout.

        Returns:
            rsl_rl's mean losses, ``estimator`` (mean squared error), and the errors of the estimates that the actor
            was given in this rollout: ``Estimator/vel_{x,y,z}_mae`` in m/s, ``Estimator/contact_accuracy`` in 0…1;
            ``Estimator/learning_rate``.
        """
        # PPO.update only rewinds the storage, so the rollout is still there for the estimator.
        losses = super().update()
        losses["estimator"] = self._update_estimator()
        losses.update(self._estimate_errors())
        losses["Estimator/learning_rate"] = self.estimator_learning_rate
        self.num_updates += 1
        return losses

    @property
    def estimator_learning_rate(self) -> float:
        """Learning rate of the estimator's next update."""
        cfg = self.estimator_cfg
        progress = min(self.num_updates / cfg.decay_iterations, 1.0)
        return cfg.learning_rate + progress * (cfg.final_learning_rate - cfg.learning_rate)

    def train_mode(self) -> None:
        """Set all nets to training mode."""
        super().train_mode()
        self.estimator.train()

    def eval_mode(self) -> None:
        """Set all nets to evaluation mode."""
        super().eval_mode()
        self.estimator.eval()

    def save(self) -> dict[str, Any]:
        """Return the nets and optimisers. The runner adds ``iter``, the number of completed updates."""
        return {
            **super().save(),
            "estimator_state_dict": self._raw_estimator.state_dict(),
            "estimator_optimizer_state_dict": self.estimator_optimizer.state_dict(),
        }

    def load(self, loaded_dict: dict[str, Any], load_cfg: dict[str, bool] | None, strict: bool) -> bool:
        """Load what :meth:`save` returned and the runner added.

        Args:
            loaded_dict: The saved values.
            load_cfg: Which of ``actor`` (with the estimator, whose output it was trained on), ``critic``,
                ``optimizer`` (both) and ``iteration`` to load; None: all.
            strict: Whether the parameters' names must match exactly.

        Returns:
            Whether the iteration is to be loaded.
        """
        if load_cfg is None:
            load_cfg = dict.fromkeys(("actor", "critic", "optimizer", "iteration", "rnd"), True)
        load_iteration = super().load(loaded_dict, load_cfg, strict)
        if load_cfg.get("actor"):
            self._raw_estimator.load_state_dict(loaded_dict["estimator_state_dict"], strict=strict)
        if load_cfg.get("optimizer"):
            self.estimator_optimizer.load_state_dict(loaded_dict["estimator_optimizer_state_dict"])
        if load_iteration:
            self.num_updates = loaded_dict["iter"]
        return load_iteration

    def get_estimator(self) -> MLPModel:
        """Return the estimator, never the compiled one."""
        return self._raw_estimator

    def compile(self, mode: str | None = None) -> None:
        """Compile all nets with ``torch.compile`` unless ``mode`` is None."""
        super().compile(mode)
        self.estimator = compile_model(self._raw_estimator, mode)

    def broadcast_parameters(self) -> None:
        """Give all processes the first one's parameters."""
        super().broadcast_parameters()
        for tensor in self._raw_estimator.state_dict().values():
            torch.distributed.broadcast(tensor, src=0)

    def _update_estimator(self) -> float:
        """Run the estimator's epochs over the stored rollout and return the mean squared error."""
        cfg = self.estimator_cfg
        for group in self.estimator_optimizer.param_groups:
            group["lr"] = self.estimator_learning_rate
        samples = self.storage.observations.select(*cfg.input_groups, cfg.label).flatten(0, 1)
        # Summed where it is computed: reading each batch's loss would make a GPU wait for every batch.
        squared_error = torch.zeros((), device=self.device)
        for _ in range(cfg.num_epochs):
            for indices in torch.randperm(len(samples), device=self.device).split(cfg.batch_size):
                batch = samples[indices]
                loss = nn.functional.mse_loss(self.estimator(batch), batch[cfg.label])
                self.estimator_optimizer.zero_grad()
                loss.backward()
                if self.is_multi_gpu:
                    parameters = self.estimator.parameters()
                    reduce_gradients_in_buckets(parameters, self.gpu_world_size, self.grad_reduce_bucket_mb)
                self.estimator_optimizer.step()
                squared_error += loss.detach() * len(indices)
        return float(squared_error) / (cfg.num_epochs * len(samples))

    def _estimate_errors(self) -> dict[str, float]:
        """Compare the estimates that the actor was given with the truth, over the stored rollout."""
        cfg = self.estimator_cfg
        estimate = self.storage.observations[ESTIMATE].flatten(0, 1)
        label = self.storage.observations[cfg.label].flatten(0, 1)
        axes = len(_VELOCITY_AXES)
        errors = (estimate - label)[:, :axes].abs().mean(dim=0) / cfg.velocity_scale
        names = [f"Estimator/vel_{axis}_mae" for axis in _VELOCITY_AXES]
        if label.shape[1] > axes:
            contacts = (estimate[:, axes:] > _CONTACT_THRESHOLD) == (label[:, axes:] > _CONTACT_THRESHOLD)
            errors = torch.cat((errors, contacts.float().mean().reshape(1)))
            names.append("Estimator/contact_accuracy")
        return dict(zip(names, errors.tolist(), strict=True))


def _make_estimator(obs: TensorDict, cfg: EstimatorCfg) -> MLPModel:
    """Build the estimator for observations like ``obs`` and draw its weights."""
    model = MLPModel(
        obs,
        {"estimator": list(cfg.input_groups)},
        "estimator",
        output_dim=obs[cfg.label].shape[-1],
        hidden_dims=list(cfg.hidden_dims),
        activation=cfg.activation,
    )
    for module in model.mlp:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=cfg.init_std)
            nn.init.zeros_(module.bias)
    return model


def _label_velocity_scale(env: VecEnv) -> float:
    """Read the scale of the label's velocity from a legged_gym configuration; other environments have none."""
    normalization = getattr(env.cfg, "normalization", None)
    return float(normalization.obs_scales.lin_vel) if normalization is not None else 1.0
