"""Sessions: what viewers show of a simulation, and the requests of their users."""

from __future__ import annotations

import math
import os
import queue
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict

from legged_gym.common import signals
from legged_gym.common.controller_rules import AXES
from legged_gym.common.errors import UserError
from legged_gym.common.rotations import quat_apply_yaw
from legged_gym.render.drawing import followed_robot
from legged_gym.runners.runs import checkpoint_path, iterations_done

if TYPE_CHECKING:
    from rsl_rl.runners import OnPolicyRunner

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.policies.trained import Trained
    from legged_gym.viewers import Viewer

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, math.inf)
"""Speeds to choose from, in multiples of real time; the last is as fast as possible."""
_ENDLESS = 2**30
"""Length of an episode that only a fall or the user ends, in control steps."""
_IDLE = 0.02
"""Time between two checks for requests while the simulation is paused, s."""
_LAG = 0.2
"""A loop that is further behind real time than this, s, does not catch up."""


class Session:
    """A simulation that other code steps, such as a training. A viewer can show it, but not change it."""

    def __init__(
        self,
        env: LeggedRobot,
        estimator: Callable[[TensorDict], torch.Tensor] | None = None,
        estimator_device: str = "cpu",
    ) -> None:
        """Show the robot ``viewer.ref_env`` of the configuration first.

        Args:
            env: The simulation.
            estimator: Maps observations to estimates in the label's scale, (n, L), without changing anything.
            estimator_device: The device on which it needs the observations.
        """
        self.env = env
        self.estimator, self.estimator_device = estimator, estimator_device
        self._robot = followed_robot(env)
        self.message = ""
        """The last message, one line."""

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return self.env.cfg.asset.name

    @property
    def robot(self) -> int:
        """Index of the robot that is shown and driven."""
        return self._robot

    def select_robot(self, robot: int) -> None:
        """Show another robot. Indices beyond the last one wrap around. Any thread may call this."""
        self._robot = robot % self.env.num_envs

    def next_robot(self, step: int = 1) -> None:
        """Show the next robot or, with ``step=-1``, the previous one. Any thread may call this."""
        self.select_robot(self._robot + step)


class TrainingSession(Session):
    """A session of a training, which a viewer can only show."""

    def __init__(self, env: LeggedRobot, runner: OnPolicyRunner) -> None:
        """Show the training of ``runner`` in ``env``."""
        self._runner = runner
        estimates = hasattr(runner.alg, "get_estimator")
        super().__init__(env, (lambda obs: runner.alg.get_estimator()(obs)) if estimates else None, runner.device)

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return f"training, iteration {iterations_done(self._runner) + 1}"


@dataclass
class Step:
    """The commands and results of a control step, for all robots."""

    commands: torch.Tensor
    """Commands of the step, (N, 3). The environment may already have the next ones."""
    dones: torch.Tensor
    """Which episodes ended, (N,)."""
    label: torch.Tensor | None
    """True values of the estimator's output before the step, in the label's scale, (N, L)."""
    estimate: torch.Tensor | None
    """The estimator's output, (N, L)."""


class TimedSession(Session):
    """A session whose time the user of a viewer can pause, step and speed up.

    Requests may come from any thread. :meth:`steps` carries them out between two steps.
    """

    def __init__(self, *args: Any) -> None:
        """Start in real time. Arguments are as in :class:`Session`."""
        super().__init__(*args)
        self.paused = False
        self.speed = 1.0
        """Multiple of real time; ``inf`` is as fast as possible."""
        self._requests: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._single_steps = 0
        self._stopped = False
        self._next = time.monotonic()

    # --- requests, from any thread -------------------------------------------------------------------------------

    def pause(self, paused: bool | None = None) -> None:
        """Pause or continue; None toggles."""
        self.paused = not self.paused if paused is None else paused

    def single_step(self) -> None:
        """Pause, and do one control step."""
        self.paused = True
        self._request(self._count_single_step)

    def reset(self) -> None:
        """Start again."""
        self._request(self._begin_anew)

    def stop(self) -> None:
        """End :meth:`steps` before the next step."""
        self._stopped = True

    # --- the loop ------------------------------------------------------------------------------------------------

    def steps(self, limit: int | None = None, viewers: Sequence[Viewer] = ()) -> Iterator[Step]:
        """Step the robots, and carry out requests in between.

        With viewers, time runs at :attr:`speed`; without, as fast as possible.

        Args:
            limit: Number of control steps; None: until the session is stopped.
            viewers: Viewers to update after each step. Closing one ends the loop.

        Raises:
            KeyboardInterrupt: A signal asked for the end. It is raised between two steps if signals are deferred.
        """
        done = 0
        self._next = time.monotonic()
        while not self._stopped and all(viewer.is_open for viewer in viewers) and (limit is None or done < limit):
            signals.check()
            self.carry_out_requests()
            if self.paused and not self._single_steps:
                self._next = time.monotonic() + _IDLE
            else:
                self._single_steps = max(0, self._single_steps - 1)
                yield self.advance()
                done += 1
                self._next += self.env.dt / self.speed
            for viewer in viewers:
                viewer.update()
            if viewers:
                self._wait()

    @torch.inference_mode()
    def carry_out_requests(self) -> None:
        """Carry out all new requests."""
        while not self._requests.empty():
            self._requests.get()()

    @abstractmethod
    def advance(self) -> Step:
        """Do one control step of all robots."""

    @abstractmethod
    def _begin_anew(self) -> None:
        """Carry out a request to start again."""

    def _wait(self) -> None:
        now = time.monotonic()
        self._next = max(self._next, now - _LAG)
        time.sleep(max(0.0, self._next - now))

    def _request(self, action: Callable[[], None]) -> None:
        self._requests.put(action)

    def _count_single_step(self) -> None:
        self._single_steps += 1


class PlaySession(TimedSession):
    """A session with a trained policy: the user can also drive the robots and change the checkpoint."""

    def __init__(self, trained: Trained) -> None:
        """Start new episodes of all robots, in real time."""
        runner = trained.runner
        self._policy = runner.get_inference_policy(device=runner.device)
        super().__init__(trained.env, getattr(self._policy, "estimate", None), runner.device)
        self.trained = trained
        self.everyone = False
        """Whether drive, push, reset and terrain level apply to all robots, not only to the shown one."""
        self.held_command: tuple[float, float, float] | None = None
        """The last command of :meth:`drive`; None: commands are drawn at random."""
        self._observations = self.env.reset()
        self._policy.reset()

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return os.path.basename(self.trained.checkpoint)

    @property
    def command_ranges(self) -> list[tuple[float, float]]:
        """Lowest and highest command for driving, m/s, m/s, rad/s: the task's range, extended to zero."""
        bounds = (getattr(self.env.cfg.commands.ranges, axis) for axis in AXES)
        return [(min(low, 0.0), max(high, 0.0)) for low, high in bounds]

    # --- requests, from any thread -------------------------------------------------------------------------------

    def drive(self, command: Sequence[float], everyone: bool = False) -> None:
        """Hold a command, m/s, m/s, rad/s, (3,), from now on; with ``everyone`` for all robots."""
        vx, vy, yaw_rate = (float(value) for value in command)
        self.held_command = (vx, vy, yaw_rate)
        wanted = torch.tensor(self.held_command)
        self._request(lambda: self.env.hold_command(self._meant(everyone), wanted))

    def nudge(self, change: Sequence[float]) -> None:
        """Change the held or, without one, the present command by m/s, m/s, rad/s, (3,), within the task's range."""
        present = self.held_command or tuple(self.env.commands[self._robot, :3].tolist())
        self.drive(
            [
                # Rounded, so that the same number of steps back gives zero.
                min(max(round(value + step, 6), low), high)
                for value, step, (low, high) in zip(present, change, self.command_ranges, strict=True)
            ]
        )

    def halt(self) -> None:
        """Hold the zero command."""
        self.drive((0.0, 0.0, 0.0))

    def release(self) -> None:
        """Draw commands at random again."""
        self.held_command = None
        self._request(lambda: self.env.release_command(self._meant()))

    def push(self, velocity: Sequence[float] = (0.0, 0.5)) -> None:
        """Push the base.

        Args:
            velocity: Change of its velocity, m/s, forward and to the left, (2,).
        """
        change = torch.tensor([*map(float, velocity), 0.0])
        self._request(lambda: self._push(change))

    def set_terrain_level(self, level: int) -> None:
        """Start again on tiles of this difficulty, from 0 to ``terrain.num_rows - 1``. A plane has no levels."""
        self._request(lambda: self._set_terrain_level(level))

    def switch_checkpoint(self, number: int) -> None:
        """Continue with another checkpoint of the run. If it can't be loaded, only ``message`` changes."""
        self._request(lambda: self._switch_checkpoint(number))

    # --- the loop ------------------------------------------------------------------------------------------------

    def steps(self, limit: int | None = None, viewers: Sequence[Viewer] = ()) -> Iterator[Step]:
        """Step the robots; see :meth:`TimedSession.steps`."""
        if viewers or self.held_command is not None:
            # A robot that is driven must not be reset at the end of the training's episode length.
            self.env.max_episode_length = _ENDLESS
        return super().steps(limit, viewers)

    @torch.inference_mode()
    def advance(self) -> Step:
        """Do one control step of all robots."""
        obs = self._observations.to(self.trained.runner.device)
        label = estimate = None
        if self.estimator is not None:
            label, estimate = obs["label"], self.estimator(obs)
        commands = self.env.commands[:, :3].clone()
        self._observations, _, dones, _ = self.env.step(self._policy(obs).to(self.env.device))
        self._policy.reset(dones.to(self.trained.runner.device))
        return Step(commands, dones, label, estimate)

    # --- how requests are carried out ----------------------------------------------------------------------------

    def _meant(self, everyone: bool = False) -> torch.Tensor:
        """Return the indices of the robots to which a request applies, (n,)."""
        if everyone or self.everyone:
            return torch.arange(self.env.num_envs, device=self.env.device)
        return torch.tensor([self._robot], device=self.env.device)

    def _begin_anew(self) -> None:
        self._restart(self._meant())

    def _restart(self, robots: torch.Tensor) -> None:
        """Start new episodes of robots, indices (n,), and clear a recurrent policy's hidden states of them."""
        self.env.reset_idx(robots)
        self._policy.reset(self.env._mask(robots).to(self.trained.runner.device))

    def _push(self, change: torch.Tensor) -> None:
        env, robots = self.env, self._meant()
        velocity = env.root_states[:, 7:13].clone()
        turned = quat_apply_yaw(env.root_states[robots, 3:7], change.to(velocity).expand(len(robots), 3))
        velocity[robots, :3] += turned
        env.sim.set_root_velocity(env._mask(robots), velocity)

    def _set_terrain_level(self, level: int) -> None:
        env, robots = self.env, self._meant()
        if not env.ground.has_terrain:
            self.message = "a plane has no terrain levels"
            return
        levels = env.ground.levels.clone()
        levels[robots] = min(max(level, 0), env.cfg.terrain.num_rows - 1)
        env.ground.set_levels(levels)
        self._restart(robots)

    def _switch_checkpoint(self, number: int) -> None:
        path = checkpoint_path(self.trained.run, number)
        try:
            self.trained.runner.load(path, {"actor": True, "critic": True, "iteration": True})
        except UserError as error:
            self.message = str(error)
            return
        # The policy shares the runner's networks, which were changed in place.
        self.trained.checkpoint = path
        self.message = f"checkpoint {number}"
