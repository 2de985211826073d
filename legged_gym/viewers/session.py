"""What a viewer shows of a simulation, and what its user asks for: robot, speed, commands."""

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
"""Speeds to choose from, in multiples of real time; the last is as fast as the computer can."""
_ENDLESS = 2**30
"""Control steps of an episode that only a fall or the user ends."""
_IDLE = 0.02
"""Seconds between two looks at what is asked while the simulation is paused."""
_LAG = 0.2
"""A loop that fell further behind real time than this, s, does not try to catch up."""


class Session:
    """A simulation that other code steps, such as a training: a viewer can show it, but not change it."""

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
            estimator_device: Where it wants the observations.
        """
        self.env = env
        self.estimator, self.estimator_device = estimator, estimator_device
        self._robot = followed_robot(env)
        self.message = ""
        """What was last worth telling, one line."""

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return self.env.cfg.asset.name

    @property
    def robot(self) -> int:
        """Index of the robot that is shown and driven."""
        return self._robot

    def select_robot(self, robot: int) -> None:
        """Show another robot; indices beyond the last begin anew. Any thread may call this."""
        self._robot = robot % self.env.num_envs

    def next_robot(self, step: int = 1) -> None:
        """Show the next robot, or with ``step=-1`` the one before. Any thread may call this."""
        self.select_robot(self._robot + step)


class TrainingSession(Session):
    """A training, which a viewer can only show."""

    def __init__(self, env: LeggedRobot, runner: OnPolicyRunner) -> None:
        """Show the training that ``runner`` does in ``env``."""
        self._runner = runner
        estimates = hasattr(runner.alg, "get_estimator")
        super().__init__(env, (lambda obs: runner.alg.get_estimator()(obs)) if estimates else None, runner.device)

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return f"training, iteration {iterations_done(self._runner) + 1}"


@dataclass
class Step:
    """What a control step was asked and did, of all robots."""

    commands: torch.Tensor
    """What the step was asked to do, (N, 3); the environment may hold the next already."""
    dones: torch.Tensor
    """Which episodes ended, (N,)."""
    label: torch.Tensor | None
    """What the estimator should have said before the step, in the label's scale, (N, L)."""
    estimate: torch.Tensor | None
    """What it said, (N, L)."""


class TimedSession(Session):
    """A session that the user of a viewer can pause, step and speed up.

    Requests may come from any thread; they are carried out between two steps by :meth:`steps`.
    """

    def __init__(self, *args: Any) -> None:
        """Start at the speed of real time; arguments as in :class:`Session`."""
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
        """Stop the time or let it go on; None changes to the other."""
        self.paused = not self.paused if paused is None else paused

    def single_step(self) -> None:
        """Pause, and do one control step."""
        self.paused = True
        self._request(self._count_single_step)

    def reset(self) -> None:
        """Start anew."""
        self._request(self._begin_anew)

    def stop(self) -> None:
        """End :meth:`steps` before its next step."""
        self._stopped = True

    # --- the loop ------------------------------------------------------------------------------------------------

    def steps(self, limit: int | None = None, viewers: Sequence[Viewer] = ()) -> Iterator[Step]:
        """Step the robots, and do in between what was asked.

        With viewers time runs at :attr:`speed`, otherwise as fast as possible.

        Args:
            limit: Control steps; None: until the session is stopped.
            viewers: Are updated after each step; closing one ends the loop.

        Raises:
            KeyboardInterrupt: A signal asked for the end, between two steps where signals are deferred.
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
        """Do what was asked since the last time."""
        while not self._requests.empty():
            self._requests.get()()

    @abstractmethod
    def advance(self) -> Step:
        """Do one control step of all robots."""

    @abstractmethod
    def _begin_anew(self) -> None:
        """Carry out a request to start anew."""

    def _wait(self) -> None:
        now = time.monotonic()
        self._next = max(self._next, now - _LAG)
        time.sleep(max(0.0, self._next - now))

    def _request(self, action: Callable[[], None]) -> None:
        self._requests.put(action)

    def _count_single_step(self) -> None:
        self._single_steps += 1


class PlaySession(TimedSession):
    """A trained policy at play: the user can also drive the robots and change the checkpoint."""

    def __init__(self, trained: Trained) -> None:
        """Start with new episodes of all robots, at the speed of real time."""
        runner = trained.runner
        self._policy = runner.get_inference_policy(device=runner.device)
        super().__init__(trained.env, getattr(self._policy, "estimate", None), runner.device)
        self.trained = trained
        self.everyone = False
        """Whether drive, push, reset and terrain level are meant for all robots, not only for the one shown."""
        self.held_command: tuple[float, float, float] | None = None
        """The command that was last asked for with :meth:`drive`; None: commands are drawn at random."""
        self._observations = self.env.reset()
        self._policy.reset()

    @property
    def title(self) -> str:
        """What is shown, in a few words."""
        return os.path.basename(self.trained.checkpoint)

    @property
    def command_ranges(self) -> list[tuple[float, float]]:
        """Least and greatest command to drive with, m/s, m/s, rad/s: the task's range, and zero."""
        bounds = (getattr(self.env.cfg.commands.ranges, axis) for axis in AXES)
        return [(min(low, 0.0), max(high, 0.0)) for low, high in bounds]

    # --- requests, from any thread -------------------------------------------------------------------------------

    def drive(self, command: Sequence[float], everyone: bool = False) -> None:
        """Hold a command, m/s, m/s, rad/s, (3,), from now on; with ``everyone`` all robots do."""
        vx, vy, yaw_rate = (float(value) for value in command)
        self.held_command = (vx, vy, yaw_rate)
        wanted = torch.tensor(self.held_command)
        self._request(lambda: self.env.hold_command(self._meant(everyone), wanted))

    def nudge(self, change: Sequence[float]) -> None:
        """Change the held, or else the present, command by m/s, m/s, rad/s, (3,), within the range of the task's."""
        present = self.held_command or tuple(self.env.commands[self._robot, :3].tolist())
        self.drive(
            [
                # Rounded, so that as many steps back lead to zero.
                min(max(round(value + step, 6), low), high)
                for value, step, (low, high) in zip(present, change, self.command_ranges, strict=True)
            ]
        )

    def halt(self) -> None:
        """Hold the command to stand still."""
        self.drive((0.0, 0.0, 0.0))

    def release(self) -> None:
        """Let commands be drawn at random again."""
        self.held_command = None
        self._request(lambda: self.env.release_command(self._meant()))

    def push(self, velocity: Sequence[float] = (0.0, 0.5)) -> None:
        """Push the base.

        Args:
            velocity: Change of its velocity, m/s, to the front and to the left of the robot, (2,).
        """
        change = torch.tensor([*map(float, velocity), 0.0])
        self._request(lambda: self._push(change))

    def set_terrain_level(self, level: int) -> None:
        """Start anew on tiles of this difficulty, from 0 to ``terrain.num_rows - 1``; a plane has none."""
        self._request(lambda: self._set_terrain_level(level))

    def switch_checkpoint(self, number: int) -> None:
        """Go on with another checkpoint of the run; one that can't be loaded changes nothing but ``message``."""
        self._request(lambda: self._switch_checkpoint(number))

    # --- the loop ------------------------------------------------------------------------------------------------

    def steps(self, limit: int | None = None, viewers: Sequence[Viewer] = ()) -> Iterator[Step]:
        """Step the robots as any session does."""
        if viewers or self.held_command is not None:
            # Episodes are as long as the training's, which is no reason to reset a robot that somebody drives.
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
        """Return the indices of the robots that a request is meant for, (n,)."""
        if everyone or self.everyone:
            return torch.arange(self.env.num_envs, device=self.env.device)
        return torch.tensor([self._robot], device=self.env.device)

    def _begin_anew(self) -> None:
        self._restart(self._meant())

    def _restart(self, robots: torch.Tensor) -> None:
        """Start new episodes of robots, indices (n,), of which a recurrent policy forgets the old ones."""
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
        # The policy shares the runner's nets, which were changed in place.
        self.trained.checkpoint = path
        self.message = f"checkpoint {number}"
