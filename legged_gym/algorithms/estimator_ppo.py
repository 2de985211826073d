"""PPO with an estimator: a net that guesses what the robot can't measure and hands it to the actor.

The estimator reads the policy's observation and is trained by regression on labels from the simulation. Its output
joins the observations as the group ``estimate`` *before* they are stored. So PPO's updates see exactly the numbers
that the actor acted on (the probability ratio starts at 1) and PPO's loss never reaches the estimator.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from rsl_rl.utils import compile_model
from tensordict import TensorDict
from torch import nn

from legged_gym.algorithms.blow_up import LearningDivergedError, Snapshot, check_losses
from legged_gym.algorithms.denoising import Denoising
from legged_gym.algorithms.estimator_update import EstimatorUpdate
from legged_gym.algorithms.gpu import DeviceAdam, Recorded, beside, matmul_precision
from legged_gym.algorithms.policy_update import PolicyUpdate
from legged_gym.algorithms.rollout_recorder import RolloutRecorder
from legged_gym.common import tags
from legged_gym.common.labels import LabelLayout, label_errors
from legged_gym.envs.base.legged_robot_ppo_config import EstimatorCfg

ESTIMATE = "estimate"
"""Name of the observation group that holds the estimator's output."""


class EstimatorPPO(PPO):
    """rsl_rl's PPO, with an estimator trained beside it on the same rollouts."""

    estimator: MLPModel
    """The estimator, compiled if that was asked for."""

    entropy_coef: Any
    """Weight of the entropy, 0-d."""
    optimizer: torch.optim.Optimizer
    learning_rate: float
    policy_learns: bool
    """Whether updates change actor and critic, not only the estimator."""
    num_updates: int
    """Completed updates, which are the completed iterations; the estimator's learning rate follows it."""

    def __init__(
        self,
        actor: MLPModel,
        critic: MLPModel,
        storage: RolloutStorage,
        estimator_cfg: dict[str, Any] | None = None,
        tf32: bool = True,
        cuda_graph: bool = True,
        fuse: bool = True,
        critic_bf16: bool = False,
        **ppo_cfg: Any,
    ) -> None:
        """Set up PPO, then the estimator with its optimiser.

        Args:
            actor: Policy; its observation groups may contain ``estimate``.
            critic: Value function; likewise.
            storage: Rollout storage whose observations hold the estimator's input groups, its label and ``estimate``.
            estimator_cfg: Values of :class:`EstimatorCfg`; ``input_groups``, which the estimator reads; and
                ``label_layout``, what the label's columns mean, for the logged errors; None: nobody says.
            tf32: Let a GPU multiply matrices in TF32, with ten bits of mantissa, instead of float32.
            cuda_graph: Record mini-batches on a GPU and replay them.
            fuse: Compile acting (if it is recorded) and learning on a GPU, where they are many small kernels.
            critic_bf16: Let a GPU multiply the critic's matrices in an update in bfloat16.
            ppo_cfg: Arguments of :class:`rsl_rl.algorithms.PPO`.
        """
        super().__init__(actor, critic, storage, **ppo_cfg)
        # A tensor, so that recorded updates see when it changes.
        self.entropy_coef = torch.tensor(float(self.entropy_coef), device=self.device)
        self.policy_learns = True
        self.denoising: Denoising | None = None
        """While the actor learns to see through its sensors' noise; see :meth:`denoise`."""
        given = dict(estimator_cfg or {})
        self.estimator_input: list[str] = given.pop("input_groups", ["policy"])
        label_layout = given.pop("label_layout", None)
        self.estimator_cfg = cfg = EstimatorCfg("estimator")
        cfg.update(given)
        for name, model in (("actor", actor), ("critic", critic)):
            if cfg.label in model.obs_groups:
                raise ValueError(f"The {name} reads '{cfg.label}', which holds the answers to the estimator's task.")
        size = storage.observations[cfg.label].shape[-1]
        self.label_layout = label_layout or LabelLayout.unnamed(size)
        if self.label_layout.size != size:
            raise ValueError(f"The label '{cfg.label}' has {size} columns, its layout {self.label_layout.size}.")
        self._raw_estimator = _make_estimator(storage.observations[0], self.estimator_input, cfg).to(self.device)
        self.estimator = self._raw_estimator
        self.estimator_optimizer = DeviceAdam(self.estimator.parameters(), cfg.learning_rate)
        self.is_compiled_update_possible = not (self.rnd or actor.is_recurrent or critic.is_recurrent)
        """Whether actor and critic can be updated by our recorded mini-batches: not with a memory or curiosity."""
        if self.is_compiled_update_possible and type(self.optimizer) is torch.optim.Adam:
            self.optimizer = DeviceAdam((*self.actor.parameters(), *self.critic.parameters()), self.learning_rate)
        self.num_updates = 0
        self._tf32, self._cuda_graph, self.critic_bf16 = tf32, cuda_graph, critic_bf16
        self._side_stream = torch.cuda.Stream(self.device) if torch.device(self.device).type == "cuda" else None
        self._fuse = fuse and self._side_stream is not None
        self._last_obs: TensorDict | None = None
        self._prepare_updates()

    @staticmethod
    def construct_algorithm(obs: TensorDict, env: VecEnv, cfg: dict[str, Any], device: str) -> EstimatorPPO:
        """Build the nets, the storage and the algorithm from rsl_rl's nested configuration.

        ``obs`` come without ``estimate``. ``env.label_layout``, if there is one, says what the label means, and
        ``obs_groups.estimator_input`` what the estimator reads.
        """
        estimator_cfg = dict(cfg["algorithm"].get("estimator_cfg") or {})
        estimator_cfg.setdefault("input_groups", cfg["obs_groups"].get("estimator_input", ["policy"]))
        estimator_cfg.setdefault("label_layout", getattr(env, "label_layout", None))
        algorithm_cfg = {**cfg["algorithm"], "estimator_cfg": estimator_cfg}
        obs = obs.copy()
        obs[ESTIMATE] = torch.zeros_like(obs[estimator_cfg.get("label", EstimatorCfg.label)])
        return PPO.construct_algorithm(obs, env, {**cfg, "algorithm": algorithm_cfg}, device)

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Estimate, then sample actions ``(N, num_actions)``; the estimate is stored with the transition."""
        with self._matmul_precision():
            if self._recorder is not None:
                return self._recorder.act(obs)
            return super().act(self.with_estimate(obs))

    def process_env_step(
        self, obs: TensorDict, rewards: torch.Tensor, dones: torch.Tensor, extras: dict[str, torch.Tensor]
    ) -> None:
        """Store a step; see :meth:`rsl_rl.algorithms.PPO.process_env_step`."""
        if self._recorder is not None:
            self._recorder.store(rewards, dones, extras.get("time_outs"))
            return
        super().process_env_step(self.with_estimate(obs) if self.rnd else obs, rewards, dones, extras)

    def compute_returns(self, obs: TensorDict) -> None:
        """Compute returns and advantages; ``obs`` are those after the last step."""
        if self._last_obs is None:
            self._last_obs = obs.clone()
        self._last_obs.copy_(obs)
        with self._matmul_precision():
            self._returns()

    def with_estimate(self, obs: TensorDict) -> TensorDict:
        """Return the observations with the group ``estimate`` added; ``obs`` itself stays as it is."""
        obs = obs.copy()
        obs[ESTIMATE] = self.estimator(obs).detach()
        return obs

    def update(self) -> dict[str, float]:
        """Update actor and critic, and the estimator, from the stored rollout.

        Returns rsl_rl's mean losses, ``estimator`` and, while the actor is denoised, ``denoising`` (mean squared
        errors), ``Estimator/learning_rate``, and the errors of the estimates that the actor was given: for each column
        of the label the mean absolute error, as ``Estimator/vel_x_mae``, m/s, or the share that is right, as
        ``Estimator/contact_accuracy``.

        Raises:
            LearningDivergedError: A loss or a parameter is not finite. Nets and optimisers are as they were before.
        """
        self._before.take()
        errors = self._estimate_errors()
        estimator = self._estimator_update
        parts = estimator.batches()
        share = -(-estimator.num_batches // (self.num_learning_epochs * self.num_mini_batches))
        with self._matmul_precision(), beside(self._side_stream) as aside:

            def between() -> None:
                # Its many small kernels find room between PPO's large ones, and several processes exchange the
                # gradients of both by turns.
                with aside:
                    list(itertools.islice(parts, share))

            losses = self._update_policy(between)
            with aside:
                list(parts)
        figures = _read({**losses, **estimator.losses, **errors, "parameters": self._before.size()})
        figures[tags.ESTIMATOR_RATE] = self.estimator_learning_rate
        self._finish_update(figures)
        return figures

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
            **({"denoising": self.denoising.state_dict()} if self.denoising is not None else {}),
        }

    def load(self, loaded_dict: dict[str, Any], load_cfg: dict[str, bool] | None, strict: bool) -> bool:
        """Load what :meth:`save` returned and the runner added; return whether the iteration is to be loaded."""
        if load_cfg is None:
            load_cfg = dict.fromkeys(("actor", "critic", "optimizer", "iteration", "rnd"), True)
        load_iteration = super().load(loaded_dict, load_cfg, strict)
        self.learning_rate = float(self.learning_rate)
        if load_cfg.get("actor"):
            self._raw_estimator.load_state_dict(loaded_dict["estimator_state_dict"], strict=strict)
        if load_cfg.get("optimizer"):
            self.estimator_optimizer.load_state_dict(loaded_dict["estimator_optimizer_state_dict"])
            self.denoising = Denoising(self) if "denoising" in loaded_dict else None
            if self.denoising is not None:
                self.denoising.load_state_dict(loaded_dict["denoising"])
        if load_iteration:
            self.num_updates = loaded_dict["iter"]
        self._prepare_updates()
        return load_iteration

    def denoise(self, on: bool) -> None:
        """Let the actor learn from a copy of itself what it does without its sensors' noise, or end that."""
        if on == (self.denoising is not None):
            return
        if self.denoising is not None:
            self.denoising.end()
        self.denoising = Denoising(self) if on else None
        self._prepare_updates()

    def snapshot(self) -> Snapshot:
        """Return a copy of all that updates change, to be taken and put back."""
        own = [self.denoising.optimizer] if self.denoising is not None else []
        nets = [self._raw_actor, self._raw_critic, self._raw_estimator]
        return Snapshot(nets, [self.optimizer, self.estimator_optimizer, *own])

    def get_estimator(self) -> MLPModel:
        """Return the estimator, never the compiled one."""
        return self._raw_estimator

    def compile(self, mode: str | None = None) -> None:
        """Compile all nets with ``torch.compile`` unless ``mode`` is None."""
        super().compile(mode)
        self.estimator = compile_model(self._raw_estimator, mode)
        self._prepare_updates()

    def broadcast_parameters(self) -> None:
        """Give all processes the first one's parameters."""
        super().broadcast_parameters()
        for tensor in self._raw_estimator.state_dict().values():
            torch.distributed.broadcast(tensor, src=0)

    def _prepare_updates(self) -> None:
        """Start new recordings: nets or optimisers have moved."""
        self._before = self.snapshot()
        self._estimator_update = EstimatorUpdate(self, self.estimator_optimizer, self._cuda_graph, self._fuse)
        self._policy_update = None
        if isinstance(self.optimizer, DeviceAdam):
            self._policy_update = PolicyUpdate(self, self.optimizer, self._cuda_graph, self._fuse)
        recorded = self._cuda_graph and self._policy_update is not None
        self._returns = Recorded(self._compute_returns, self.device, recorded)
        self._recorder = None
        if self._policy_update is not None and self._side_stream is not None and self._cuda_graph:
            self._recorder = RolloutRecorder(self.storage, self._begin_transition, self.gamma, self._fuse)

    def _begin_transition(self, obs: TensorDict) -> RolloutStorage.Transition:
        super().act(self.with_estimate(obs))
        return self.transition

    def _compute_returns(self) -> None:
        # rsl_rl binds the advantages to a new tensor; recorded mini-batches look for them where they were.
        assert self._last_obs is not None
        memory = self.storage.advantages
        super().compute_returns(self.with_estimate(self._last_obs))
        self.storage.advantages = memory.copy_(self.storage.advantages)

    def _update_policy(self, between: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Update actor and critic, calling ``between`` after each mini-batch; a GPU may still be at it afterwards."""
        policy = self._policy_update
        if not self.policy_learns:
            # The estimator learns alone.
            self.storage.clear()
            return {}
        if policy is None:
            return super().update()
        for _ in policy.batches():
            between()
        self._update_normalizers()
        self.storage.clear()
        return dict(zip(policy.names, policy.losses, strict=True))

    def _update_normalizers(self) -> None:
        obs = self.storage.observations.flatten(0, 1)
        for model in (self.actor, self.critic):
            deviation = getattr(model.obs_normalizer, "_std", None)
            model.update_normalization(obs)
            if deviation is not None:
                # rsl_rl binds it to a new tensor; recordings look for it where it was.
                model.obs_normalizer._std = deviation.copy_(model.obs_normalizer._std)

    def _finish_update(self, figures: dict[str, float]) -> None:
        try:
            check_losses(figures, self.num_updates)
        except LearningDivergedError:
            self._before.restore()
            raise
        del figures["parameters"]
        self.num_updates += 1
        if self._policy_update is not None:
            self.learning_rate = float(self.optimizer.param_groups[0]["lr"])

    def _matmul_precision(self) -> contextlib.AbstractContextManager[None]:
        """Return a context that multiplies as configured, in here only: a task's own matrices may need all digits."""
        if self._side_stream is None:
            return contextlib.nullcontext()
        return matmul_precision("high" if self._tf32 else "highest")

    def _estimate_errors(self) -> dict[str, torch.Tensor]:
        """Compare the estimates that the actor was given with the truth, over the stored rollout."""
        estimate = self.storage.observations[ESTIMATE].flatten(0, 1)
        label = self.storage.observations[self.estimator_cfg.label].flatten(0, 1)
        errors = label_errors(self.label_layout, estimate, label)
        return {figure.tag: errors[figure.columns].mean() for figure in self.label_layout.figures()}


def _read(figures: dict[str, Any]) -> dict[str, float]:
    """Bring 0-d tensors (and numbers) from the device, all at once."""
    tensors = {name: value for name, value in figures.items() if isinstance(value, torch.Tensor)}
    values = torch.stack([value.float() for value in tensors.values()]).tolist()
    return {**figures, **dict(zip(tensors, values, strict=True))}


def _make_estimator(obs: TensorDict, groups: list[str], cfg: EstimatorCfg) -> MLPModel:
    model = MLPModel(
        obs,
        {"estimator": groups},
        "estimator",
        output_dim=obs[cfg.label].shape[-1],
        hidden_dims=cfg.hidden_dims,
        activation=cfg.activation,
    )
    for module in model.mlp:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=cfg.init_std)
            nn.init.zeros_(module.bias)
    return model
