"""A runner that writes down what each process of a training has, and can end one as fate would."""

from __future__ import annotations

import copy
import os
import signal
from pathlib import Path
from typing import Any

import torch

from legged_gym.runners import OnPolicyRunnerEE

FOLDER, FATE = "PROBE_FOLDER", "PROBE_FATE"
"""Environment variables: where to write; ``<rank> <iteration> <what>``, the last a method of :class:`ProbedRunner`."""


class ProbedRunner(OnPolicyRunnerEE):
    """Trains with normalised observations, to have something more to keep the same."""

    def __init__(self, env: Any, train_cfg: dict[str, Any], log_dir: str | None = None, device: str = "cpu") -> None:
        for net in ("actor", "critic"):
            train_cfg[net]["obs_normalization"] = True
        super().__init__(env, train_cfg, log_dir, device)
        if self._last_state is not None:
            self._last_state.interval = 0.0
        rank, iteration, what = os.environ.get(FATE, "-1 0 nothing").split()
        follow = self.logger.after_iteration

        def after_iteration(completed: int) -> None:
            if follow is not None:
                follow(completed)
            if (self.gpu_global_rank, completed) == (int(rank), int(iteration)):
                getattr(self, what)()

        self.logger.after_iteration = after_iteration

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        loaded = copy.deepcopy(self.alg.save())
        super().learn(num_learning_iterations, init_at_random_ep_len)
        found = {
            "learned": self.alg.save(),
            "rate": self.alg.learning_rate,
            "loaded": loaded,
            "steps": self.env.common_step_counter,
            "observed": self.alg.storage.observations["policy"],
        }
        torch.save(found, Path(os.environ[FOLDER], f"rank{self.gpu_global_rank}.pt"))

    def be_killed(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def fail(self) -> None:
        raise ValueError("no robot can do that")

    def interrupt_the_launcher(self) -> None:
        os.kill(os.getppid(), signal.SIGINT)
