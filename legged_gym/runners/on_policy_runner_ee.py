"""Training loop for policies with an estimator: rsl_rl's, with whole checkpoints, a clean stop and both nets."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict
from torch import nn

from legged_gym.algorithms import EstimatorPPO
from legged_gym.algorithms.estimator_ppo import ESTIMATE
from legged_gym.runners.checkpoint import check_parameters, plain, read_checkpoint, write_checkpoint
from legged_gym.utils.logger import TrainingLogger


class EstimatorPolicy(nn.Module):
    """The nets as they act: the estimator's output goes to the actor, which acts without exploring."""

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

    @torch.no_grad()
    def estimate(self, obs: TensorDict) -> torch.Tensor:
        """Return what the estimator makes of the observations, in the label's scale ``(N, label size)``."""
        return self.estimator(obs)


class OnPolicyRunnerEE(OnPolicyRunner):
    """Trains, saves, loads and plays an explicit estimator and an actor together."""

    alg: EstimatorPPO

    def __init__(self, env: VecEnv, train_cfg: dict[str, Any], log_dir: str | None = None, device: str = "cpu") -> None:
        """Build the nets for the environment.

        Args:
            env: The environment.
            train_cfg: What :func:`legged_gym.runners.config.rsl_rl_config` returns. ``verbose`` (False) shows all
                of rsl_rl's output.
            log_dir: Where to write events and checkpoints; None: nowhere.
            device: Where to learn.
        """
        with _quiet_unless(train_cfg.get("verbose", False)):
            super().__init__(env, train_cfg, log_dir, device)
        self.logger = TrainingLogger(
            log_dir=log_dir,
            cfg=self.cfg,
            env_cfg=env.cfg,
            num_envs=env.num_envs,
            is_distributed=self.is_distributed,
            gpu_world_size=self.gpu_world_size,
            gpu_global_rank=self.gpu_global_rank,
            device=device,
        )

    @property
    def completed_iterations(self) -> int:
        """Iterations done so far, those before a resume included; also the index of the next one."""
        return self.alg.num_updates

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train for some more iterations, saving every ``save_interval`` and at the end.

        Args:
            num_learning_iterations: How many more.
            init_at_random_ep_len: Start the robots at random points of their episodes, so that they don't all end
                at once.

        Raises:
            KeyboardInterrupt: The user stopped it; ``model_<completed iterations>.pt`` was written.
            UserError: The run's folder can't be written.
        """
        self.current_learning_iteration = self.completed_iterations
        try:
            super().learn(num_learning_iterations, init_at_random_ep_len)
        except KeyboardInterrupt:
            if self.logger.writer is not None:
                self.save(os.path.join(str(self.logger.log_dir), f"model_{self.completed_iterations}.pt"))
            raise
        finally:
            self.logger.stop_logging_writer()

    def save(self, path: str, infos: dict[str, Any] | None = None) -> None:
        """Write a checkpoint with all that training needs to go on.

        Args:
            path: The file; it is replaced at once or not at all.
            infos: Further plain values to keep.

        Raises:
            UserError: The file can't be written.
        """
        env_cfg = self.env.cfg.to_dict() if hasattr(self.env.cfg, "to_dict") else self.env.cfg
        checkpoint = {
            **self.alg.save(),
            "iter": self.completed_iterations,
            "infos": infos,
            "env": self.env.training_state(),
            "logger": self.logger.state_dict(),
            "config": {"env": plain(env_cfg), "train": plain(self.cfg)},
        }
        write_checkpoint(path, checkpoint)
        self.logger.save_model(path, self.completed_iterations)

    def load(
        self,
        path: str,
        load_cfg: dict[str, bool] | None = None,
        strict: bool = True,
        map_location: str | None = None,
    ) -> dict[str, Any] | None:
        """Load a checkpoint. Nothing is changed unless all of it fits.

        Args:
            path: The file.
            load_cfg: Which of ``actor`` (with the estimator), ``critic``, ``optimizer`` (both), ``iteration`` and
                ``env`` (counters and curriculum) to load; None: all.
            strict: Whether the nets' layers must match exactly.
            map_location: Device for the tensors; None: the runner's.

        Returns:
            The ``infos`` that were saved.

        Raises:
            UserError: The file is missing, damaged, foreign, or made for other nets.
        """
        checkpoint = read_checkpoint(path, map_location or self.device)
        if strict:
            self._check_fit(path, checkpoint, load_cfg)
        if self.alg.load(checkpoint, load_cfg, strict):
            self.current_learning_iteration = self.completed_iterations
            self.logger.load_state_dict(checkpoint.get("logger", {}))
        if load_cfg is None or load_cfg.get("env"):
            self.env.load_training_state(checkpoint["env"])
        return checkpoint.get("infos")

    def get_inference_policy(self, device: str | None = None) -> EstimatorPolicy:
        """Return the callable that maps observations to actions ``(N, num_actions)`` through both nets."""
        self.alg.eval_mode()
        return EstimatorPolicy(self.alg.get_estimator(), self.alg.get_policy()).to(device)

    def estimate(self, obs: TensorDict) -> torch.Tensor:
        """Return the estimator's output ``(N, label size)``: velocity times its scale, then contacts."""
        return self.get_inference_policy().estimate(obs)

    def export_policy_to_jit(self, path: str, filename: str = "policy.pt") -> None:
        """Write ``<stem>_estimator.pt`` and ``<stem>_actor.pt`` as TorchScript, the stem being ``filename``'s."""
        from legged_gym.runners.net_files import write_torchscript

        for name, model in self._nets().items():
            write_torchscript(model, Path(path) / f"{Path(filename).stem}_{name}.pt")

    def export_policy_to_onnx(self, path: str, filename: str = "policy.onnx", verbose: bool = False) -> None:
        """Write ``<stem>_estimator.onnx`` and ``<stem>_actor.onnx``, the stem being ``filename``'s.

        Each has one input ``input`` and one output ``output``, float32, shape (batch, n) with a free batch size.
        """
        from legged_gym.runners.net_files import write_onnx

        for name, model in self._nets().items():
            write_onnx(model, Path(path) / f"{Path(filename).stem}_{name}.onnx", verbose=verbose)

    def _nets(self) -> dict[str, MLPModel]:
        return {"estimator": self.alg.get_estimator(), "actor": self.alg.get_policy()}

    def _check_fit(self, path: str, checkpoint: dict[str, Any], load_cfg: dict[str, bool] | None) -> None:
        """Compare the checkpoint's nets with this runner's before any is touched."""
        nets: dict[str, nn.Module] = dict(self._nets())
        wanted = {"actor", "estimator"} if load_cfg is None or load_cfg.get("actor") else set()
        if load_cfg is None or load_cfg.get("critic"):
            wanted.add("critic")
            nets["critic"] = self.alg._raw_critic
        for name in sorted(wanted):
            check_parameters(path, name, checkpoint[f"{name}_state_dict"], nets[name])

    def _configure_multi_gpu(self) -> None:
        """Join the other processes of a distributed training: over NCCL on GPUs, over gloo on CPUs."""
        world_size = int(os.getenv("WORLD_SIZE", "1"))
        if world_size == 1 or torch.device(self.device).type != "cpu":
            super()._configure_multi_gpu()
            return
        self.gpu_world_size, self.is_distributed = world_size, True
        self.gpu_local_rank = int(os.getenv("LOCAL_RANK", "0"))
        self.gpu_global_rank = int(os.getenv("RANK", "0"))
        self.cfg["multi_gpu"] = {
            "global_rank": self.gpu_global_rank,
            "local_rank": self.gpu_local_rank,
            "world_size": world_size,
        }
        torch.distributed.init_process_group(backend="gloo", rank=self.gpu_global_rank, world_size=world_size)


def _quiet_unless(verbose: bool) -> contextlib.AbstractContextManager[Any]:
    """Keep rsl_rl's listing of nets and observation sets off the screen."""
    return contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO())
