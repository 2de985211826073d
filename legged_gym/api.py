"""A task and a policy in a few lines of Python, with NumPy arrays and Gymnasium's interface.

Make an environment, and let the shipped policy act in it:

    import legged_gym

    env = legged_gym.make_env("qmini", num_envs=16)
    policy = legged_gym.load_policy("shipped")
    obs, _ = env.reset(seed=1)
    for _ in range(500):
        obs, reward, terminated, truncated, info = env.step(policy(obs))
    picture = env.render()
    env.close()

Gymnasium makes the same environments with ``gymnasium.make_vec("legged_gym.api:Qmini-v0", num_envs=16)`` and
``gymnasium.make("legged_gym.api:Qmini-v0")``.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from legged_gym.common.devices import resolve_device, simulation_device
from legged_gym.common.errors import UserError
from legged_gym.common.seeds import set_seed
from legged_gym.envs.base.effects import require_effect
from legged_gym.envs.registry import task_registry
from legged_gym.policies.finder import Policy, find_policy
from legged_gym.policies.finder import load_policy as _load
from legged_gym.render.video import REACH, OffscreenCamera, VideoUnavailableError, prepare_offscreen
from legged_gym.runners.runs import experiment_root
from legged_gym.simulators.backend import DEFAULT_SIM

# This must be set before MuJoCo is imported, which then chooses how it renders.
prepare_offscreen()

from legged_gym.render.drawing import RobotDrawing, at_distance  # noqa: E402

_WIDTH, _HEIGHT = 960, 544
_ALL_AT_A_GLANCE = 2.0
"""The camera is this many times as far away as the task's viewer."""


class RobotVectorEnv(VectorEnv):
    """N robots of a task as a Gymnasium vector environment.

    Observations are the policy's inputs, (N, O), float32. Actions are (N, D), float32, in units of the task's
    ``action_scale``. A robot whose episode ended is reset in the same step: its observation is the new episode's first.
    ``info`` holds ``time_outs``, (N,), and every ``env.log_interval`` steps ``log``.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (as Gymnasium declares it)
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": 50,
    }

    def __init__(
        self,
        task: str = "qmini",
        num_envs: int = 1,
        sim: str = DEFAULT_SIM,
        device: str = "cpu",
        seed: int | None = None,
        settings: dict[str, Any] | None = None,
        render_mode: str | None = "rgb_array",
    ) -> None:
        """Create the simulation.

        Args:
            task: A registered task.
            num_envs: Number of robots, N.
            sim: Name of a simulator, as for ``--sim``.
            device: The device on which it runs.
            seed: Seed of the terrain and of all random numbers; by default the task's.
            settings: Changes of the task's configuration by dotted names: ``{"terrain.mesh_type": "plane"}``.
            render_mode: ``rgb_array`` or None.

        Raises:
            UserError: The task, simulator or setting does not exist, or a value is not valid.
        """
        env_cfg, train_cfg = task_registry.get_cfgs(task)
        env_cfg.env.num_envs = num_envs
        if not isinstance(settings, dict | None):
            raise UserError(f"settings must be a dict of dotted names and their values, got {settings!r}")
        for key, value in (settings or {}).items():
            env_cfg.set(str(key), value)
        task_class = task_registry.get_task_class(task)
        require_effect(env_cfg, settings or (), task_class)
        if seed is not None:
            train_cfg.seed = seed
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"render_mode must be 'rgb_array' or None, got {render_mode!r}")
        self.task = task_class(
            env_cfg, sim_name=sim, sim_device=simulation_device(str(device)), seed=set_seed(train_cfg.seed)
        )
        self.num_envs, self.render_mode = num_envs, render_mode
        normalization = env_cfg.normalization
        width = self.task.get_observations()["policy"].shape[1]
        self.single_observation_space = _box(normalization.clip_observations, width)
        self.single_action_space = _box(normalization.clip_actions, self.task.num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._camera: OffscreenCamera | None = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start new episodes of all robots.

        Args:
            seed: Seed of all random numbers from now on. It is one number, because all robots share one generator.
            options: Must be None or empty.

        Raises:
            UserError: There are several seeds, or options, or the environment is closed.
        """
        self._require_open()
        if options:
            raise UserError(f"reset takes no options, got {options}")
        if seed is not None:
            if isinstance(seed, list | tuple):
                raise UserError("reset takes one seed for all robots, not a list")
            set_seed(seed)
        return self._observe(self.task.reset()), {}

    def step(
        self, actions: ArrayLike | torch.Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Apply actions, (N, D), for one control step: numbers, an array, or a tensor on any device.

        Returns:
            Observations (N, O), rewards (N,), ended in a fall (N,), ended by a time-out (N,), and extras.

        Raises:
            UserError: The actions are not finite numbers of this shape, or the environment is closed.
        """
        self._require_open()
        given = _numbers("actions", actions, self.task.device)
        expected = (self.num_envs, self.task.num_actions)
        if given.shape != expected:
            raise UserError(f"actions must have the shape {expected}, got {tuple(given.shape)}")
        if not bool(given.isfinite().all()):
            raise UserError("actions must be finite numbers")
        obs, rewards, dones, extras = self.task.step(given)
        time_outs = extras["time_outs"]
        terminated, truncated = (_array(mask) for mask in (dones & ~time_outs, time_outs))
        info = {
            "time_outs": truncated,
            **({"log": {k: float(v) for k, v in extras["log"].items()}} if "log" in extras else {}),
        }
        return self._observe(obs), _array(rewards), terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """Return an RGB image of the first robot and its neighbours, (544, 960, 3), or None without a render mode.

        Raises:
            UserError: This machine can't render, or the environment is closed.
        """
        self._require_open()
        if self.render_mode is None:
            return None
        if self._camera is None:
            view = at_distance(self.task.cfg.viewer, _ALL_AT_A_GLANCE)
            try:
                self._camera = OffscreenCamera(lambda: RobotDrawing(self.task, view=view, reach=REACH), _WIDTH, _HEIGHT)
            except VideoUnavailableError as error:
                raise UserError(f"this machine can't render: {error}") from error
        return self._camera.picture()

    def close_extras(self, **kwargs: Any) -> None:
        """Free the simulation and the camera."""
        if self._camera is not None:
            self._camera.__exit__(None, None, None)
        self.task.close()

    def _require_open(self) -> None:
        if self.closed:
            raise UserError("this environment is closed: make a new one")

    def _observe(self, obs: Any) -> NDArray[np.float32]:
        return _array(obs["policy"])


class RobotEnv(gymnasium.Env):
    """One robot of a task as a Gymnasium environment: :class:`RobotVectorEnv` without the dimension N."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (as Gymnasium declares it)
        "render_modes": ["rgb_array"],
        "render_fps": 50,
    }

    def __init__(self, task: str = "qmini", render_mode: str | None = None, **kwargs: Any) -> None:
        """Create the simulation."""
        self.vector = RobotVectorEnv(task, num_envs=1, render_mode=render_mode, **kwargs)
        self.render_mode = render_mode
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        obs, info = self.vector.reset(seed=seed, options=options)
        return obs[0], info

    def step(self, action: ArrayLike | torch.Tensor) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply an action, (D,)."""
        obs, rewards, terminated, truncated, info = self.vector.step(_numbers("actions", action)[None])
        return obs[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture of the robot."""
        return self.vector.render()

    def close(self) -> None:
        """Free the simulation."""
        self.vector.close()


def make_env(task: str = "qmini", num_envs: int = 1, **kwargs: Any) -> RobotVectorEnv:
    """Make an environment with N robots of a task. The arguments are those of :class:`RobotVectorEnv`."""
    return RobotVectorEnv(task, num_envs, **kwargs)


class PolicyFunction:
    """A loaded policy. Call it with observations, (N, O) or (O,); it returns actions, (N, D) or (D,).

    A recurrent policy keeps its hidden state until :meth:`reset`.
    """

    def __init__(self, policy: Policy) -> None:
        """Wrap a loaded policy."""
        self._policy = policy

    def __call__(self, observation: ArrayLike | torch.Tensor) -> NDArray[np.float32]:
        """Return the actions.

        Raises:
            UserError: The observation has the wrong size.
        """
        given, width = _numbers("observations", observation), self._policy.num_observations
        if given.ndim not in (1, 2) or given.shape[-1] != width:
            raise UserError(f"{self._policy.name} takes {width} numbers a robot, got the shape {tuple(given.shape)}")
        actions = _array(self._policy.act(given.reshape(-1, width))[1])
        return actions if given.ndim > 1 else actions[0]

    def reset(self, dones: ArrayLike | None = None) -> None:
        """Clear a recurrent policy's hidden state for robots whose episodes ended, bool, (N,), or for all."""
        self._policy.reset(None if dones is None else torch.as_tensor(np.asarray(dones, dtype=bool)))


def load_policy(policy: str | None = None, task: str = "qmini", device: str = "cpu") -> PolicyFunction:
    """Load a policy. Call the result with observations to get actions.

    Args:
        policy: A run's folder or name, a checkpoint, a folder of exported networks, or ``shipped``. The default is the
            newest run or, if there is none, the shipped policy.
        task: The task that it was trained for.
        device: The device on which a checkpoint's networks run.

    Raises:
        UserError: The policy does not exist or can't be loaded.
    """
    train_cfg = task_registry.get_cfgs(task)[1]
    source = find_policy(policy, task, experiment_root(train_cfg.runner.experiment_name))
    return PolicyFunction(_load(source, resolve_device(str(device))))


def _box(clip: float, width: int) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-clip, clip, (width,), dtype=np.float32)


def _numbers(name: str, values: Any, device: str = "cpu") -> torch.Tensor:
    """Return numbers from any source as a tensor, float32."""
    try:
        if not isinstance(values, torch.Tensor):
            values = torch.from_numpy(np.asarray(values).astype(np.float64, casting="same_kind"))
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} must be an array of numbers: {error}") from None
    return values.detach().to(device, torch.float32)


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a copy on the CPU, because the task updates its tensors in place."""
    return tensor.detach().cpu().numpy().copy()


def _register() -> None:
    """Register all tasks with Gymnasium, for example ``qmini`` as ``Qmini-v0``."""
    for name in task_registry.names:
        title = "".join(part.capitalize() for part in name.split("_"))
        gymnasium.register(
            f"{title}-v0",
            entry_point="legged_gym.api:RobotEnv",
            vector_entry_point="legged_gym.api:RobotVectorEnv",
            kwargs={"task": name},
            order_enforce=False,
            disable_env_checker=True,
        )


_register()
