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

from legged_gym.common.errors import TrainingStoppedError
from legged_gym.common.paths import relative
from legged_gym.runners import distributed
from legged_gym.runners.checkpoint import check_alike, check_part, plain, read_checkpoint, read_file, write_checkpoint
from legged_gym.runners.divergence import DivergenceWatch
from legged_gym.runners.last_state import LastState
from legged_gym.runners.logger import TrainingLogger

Parts = dict[str, dict[str, torch.nn.Module | torch.optim.Optimizer]]
"""What a checkpoint is loaded into: by name in ``load_cfg``, by name in the checkpoint."""


class OnPolicyRunner(RslRlRunner):
    """Trains, saves, loads and plays a policy of a legged_gym task.

    The loop is rsl_rl's; what differs is what is kept. Checkpoints hold the environment's counters and curriculum, too,
    are written whole or not at all, and reading one never runs code. A resumed run starts with the iteration after
    the last completed one, and Ctrl-C leaves a checkpoint. ``model_<i>.pt`` is the state after iteration i, counted
    from 0, as rsl_rl names it.

    Under ``torchrun`` every process has a runner, which joins the others, and the first one logs and saves. If one is
    lost, another one saves the state after the last completed iteration.
    """

    def __init__(self, env: VecEnv, train_cfg: dict[str, Any], log_dir: str | None = None, device: str = "cpu") -> None:
        """Build the nets for the environment.

        Args:
            env: The environment.
            train_cfg: What :func:`legged_gym.runners.config.rsl_rl_config` returns. ``verbose`` (False) shows all
                of rsl_rl's output.
            log_dir: Where to write events and checkpoints; None: nowhere.
            device: Where to learn.

        Raises:
            UserError: The other processes of a distributed training can't be found.
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
        self._last_state = LastState()
        self._newest: tuple[int, str] | None = None
        self.logger.after_iteration = self._after_iteration
        self._divergence: DivergenceWatch | None = None
        if log_dir is not None and hasattr(env, "divergence"):
            self._divergence = DivergenceWatch(env, log_dir)
            self.logger.sources.append(self._divergence.look)
        if self.is_distributed and log_dir is not None:
            distributed.on_end(self._save_last_state)

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
            TrainingStoppedError: The simulation can't go on, or diverges too often; a checkpoint was written.
            UserError: The run's folder can't be written.
        """
        self.current_learning_iteration = self.completed_iterations
        try:
            super().learn(num_learning_iterations, init_at_random_ep_len)
        except (KeyboardInterrupt, TrainingStoppedError):
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
        with self._last_state.writing:
            write_checkpoint(path, self._checkpoint(infos))
        self._newest = self.completed_iterations, path
        self.logger.save_model(path, self.completed_iterations)

    def _checkpoint(self, infos: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        env_cfg = self.env.cfg.to_dict() if hasattr(self.env.cfg, "to_dict") else self.env.cfg
        return {
            **self.alg.save(),
            "iter": self.completed_iterations,
            "infos": infos,
            "env": self.env.training_state(),
            "logger": self.logger.state_dict(),
            "config": {"env": plain(env_cfg), "train": plain(self.cfg)},
        }

    def _after_iteration(self, iteration: int) -> None:
        """Look after what may keep the training from going on."""
        if self._divergence is not None:
            self._divergence.check(iteration)
        if self.is_distributed and self.logger.log_dir is not None:
            distributed.note_progress()
            self._last_state.keep(iteration, self._checkpoint)

    def _save_last_state(self) -> str:
        """Save what can be saved when the training ends unawares, from another thread, and say what that is."""
        iteration, folder = self._last_state.iteration, str(self.logger.log_dir)
        if iteration is None:
            return "  no iteration was completed, so there is nothing to save"
        completed, path = self._newest or (0, "")
        if completed <= iteration:
            completed, path = iteration + 1, os.path.join(folder, f"model_{iteration}.pt")
            self._last_state.write(path)
        self.logger.flush()
        return f"  saved  {relative(path)}, the state after {completed} iterations"

    def load(
        self,
        path: str,
        load_cfg: dict[str, bool] | None = None,
        strict: bool = True,
        map_location: str | None = None,
    ) -> dict[str, Any] | None:
        """Load a checkpoint. Nothing is changed unless all of it fits.

        In a distributed training all processes have to call it: they get what the first one reads, its environment's
        counters and curriculum included.

        Args:
            path: The file, which only the first process needs to have.
            load_cfg: Which of ``actor`` (with its estimator), ``critic``, ``optimizer`` (all), ``iteration``, ``rnd``
                and ``env`` (counters and curriculum) to load; None: all.
            strict: Whether the nets' layers must match exactly.
            map_location: Device for the tensors; None: the runner's.

        Returns:
            The ``infos`` that were saved.

        Raises:
            UserError: The file is missing, damaged, foreign, or made for other nets or another task.
        """
        contents = distributed.bytes_from_first(lambda: read_file(path))
        checkpoint = read_checkpoint(path, map_location or self.device, contents)
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
        """Join the other processes of a distributed training: rsl_rl knows no other way than NCCL."""
        here = distributed.join(self.device)
        self.is_distributed = here.size > 1
        self.gpu_world_size, self.gpu_local_rank, self.gpu_global_rank = here.size, here.local_rank, here.rank
        self.cfg["multi_gpu"] = None
        if self.is_distributed:
            self.cfg["multi_gpu"] = {
                "global_rank": here.rank,
                "local_rank": here.local_rank,
                "world_size": here.size,
            }


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
