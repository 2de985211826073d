"""What a runner sees of a task: rsl_rl's ``VecEnv`` with the buffers that legged_gym users know."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg


class BaseTask(VecEnv):
    """N robots that act, observe and are rewarded together.

    ================== ============ ======= ==================================================
    buffer             shape        type    meaning
    ================== ============ ======= ==================================================
    obs_buf            (N, …)       float   the policy's observation
    rew_buf            (N,)         float   reward of the last step
    reset_buf          (N,)         bool    the episode ended in the last step
    time_out_buf       (N,)         bool    … because its time was up
    episode_length_buf (N,)         int     control steps since the reset
    ================== ============ ======= ==================================================
    """

    cfg: LeggedRobotCfg
    dt: float
    """Seconds of a control step."""
    max_episode_length: int
    """Control steps of an episode."""

    def __init__(self, cfg: LeggedRobotCfg, device: str) -> None:
        """Allocate the buffers.

        Args:
            cfg: The task's configuration.
            device: Where the tensors live.
        """
        self.cfg = cfg
        self.num_envs, self.device = cfg.env.num_envs, device
        self.rew_buf = torch.zeros(self.num_envs, device=device)
        self.reset_buf = torch.zeros(self.num_envs, dtype=torch.bool, device=device)
        self.time_out_buf = torch.zeros(self.num_envs, dtype=torch.bool, device=device)
        self._episode_length = torch.zeros(self.num_envs, dtype=torch.long, device=device)
        self.common_step_counter = 0
        self.extras: dict[str, Any] = {}
        self.after_step: list[Callable[[], None]] = []
        """Called after every control step, by who looks on; they may read the buffers, not change them."""

    @property
    def unwrapped(self) -> BaseTask:
        """The task itself, as rsl_rl's extensions ask for it."""
        return self

    @property
    def step_dt(self) -> float:
        """Seconds of a control step, by the name that rsl_rl's extensions know."""
        return self.dt

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """Control steps since each robot's reset, (N,)."""
        return self._episode_length

    @episode_length_buf.setter
    def episode_length_buf(self, value: torch.Tensor) -> None:
        # rsl_rl assigns a new tensor to spread the first episodes; keep ours, others may hold a reference.
        self._episode_length.copy_(value)

    @abstractmethod
    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start new episodes of the robots ``env_ids``, (n,)."""

    @abstractmethod
    def reset(self) -> TensorDict:
        """Start new episodes of all robots and return their first observations."""

    @abstractmethod
    def training_state(self) -> dict[str, Any]:
        """Return the counters and the curriculum, for a checkpoint: tensors and numbers only."""

    @abstractmethod
    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`training_state` returned."""

    def close(self) -> None:
        """Free what the simulation holds."""
