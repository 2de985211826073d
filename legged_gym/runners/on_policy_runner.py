"""Training loop for any policy: rsl_rl's runner with whole checkpoints, a clean stop and one line of progress."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner as RslRlRunner

from legged_gym.runners.checkpoint import check_alike, check_part, plain, read_checkpoint, write_checkpoint
from legged_gym.utils.logger import TrainingLogger

Parts = dict[str, dict[str, torch.nn.Module | torch.optim.Optimizer]]
"""What a checkpoint is loaded into: by name in ``load_cfg``, by name in the checkpoint."""


class OnPolicyRunner(RslRlRunner):
    """Trains, saves, loads and plays a policy of a legged_gym task.

    The loop is rsl_rl's; what differs is what is kept. Checkpoints hold the environment's counters and curriculum, too,
    are written whole or not at all, and reading one never runs code. A resumed run starts with the iteration after
    the last completed one, and Ctrl-C leaves a checkpoint. ``model_<i>.pt`` is the state after iteration i, counted
    from 0, as rsl_rl names it.
    """

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
        return self.logger.completed_iterations

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train for some more iterations, with a checkpoint every ``save_interval`` and at the end.

        Args:
            num_learning_iterations: How many more.
            init_at_random_ep_len: Start the robots at random points of their episodes, so that they don't all end
                at once.

        Raises:
            KeyboardInterrupt: The user stopped it; a checkpoint was written.
            UserError: The run's folder can't be written.
        """
        self.current_learning_iteration = self.completed_iterations
        try:
            super().learn(num_learning_iterations, init_at_random_ep_len)
        except KeyboardInterrupt:
            if self.logger.writer is not None:
                last = max(self.completed_iterations - 1, 0)
                with _ignoring_ctrl_c():
                    self.save(os.path.join(str(self.logger.log_dir), f"model_{last}.pt"))
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
            load_cfg: Which of ``actor`` (with its estimator), ``critic``, ``optimizer`` (all), ``iteration``, ``rnd``
                and ``env`` (counters and curriculum) to load; None: all.
            strict: Whether the nets' layers must match exactly.
            map_location: Device for the tensors; None: the runner's.

        Returns:
            The ``infos`` that were saved.

        Raises:
            UserError: The file is missing, damaged, foreign, or made for other nets or another task.
        """
        checkpoint = read_checkpoint(path, map_location or self.device)
        for name, parts in self._parts().items():
            if load_cfg is None or load_cfg.get(name):
                for key, part in parts.items():
                    check_part(path, key, checkpoint, part, strict)
        check_alike(path, "logger", checkpoint["logger"], self.logger.state_dict())
        load_env = load_cfg is None or load_cfg.get("env", False)
        if load_env:
            check_alike(path, "env", checkpoint["env"], self.env.training_state())
        if self.alg.load(checkpoint, load_cfg, strict):
            self.logger.load_state_dict(checkpoint["logger"])
            self.logger.completed_iterations = self.current_learning_iteration = checkpoint["iter"]
        if load_env:
            self.env.load_training_state(checkpoint["env"])
        return checkpoint.get("infos")

    def _parts(self) -> Parts:
        """Return the nets and optimisers that a checkpoint is loaded into."""
        parts: Parts = {
            "actor": {"actor_state_dict": self.alg._raw_actor},
            "critic": {"critic_state_dict": self.alg._raw_critic},
            "optimizer": {"optimizer_state_dict": self.alg.optimizer},
        }
        if self.alg.rnd:
            rnd = self.alg.rnd
            parts["rnd"] = {"rnd_state_dict": rnd, "rnd_optimizer_state_dict": rnd.optimizer}
        return parts

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


@contextlib.contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Let an impatient second Ctrl-C not spoil what the first one saves; threads can't, and need not, do this."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _quiet_unless(verbose: bool) -> contextlib.AbstractContextManager[Any]:
    """Keep rsl_rl's listing of nets and observation sets off the screen."""
    return contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO())
