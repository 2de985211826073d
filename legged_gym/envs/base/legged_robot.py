"""A legged robot that follows velocity commands: the base class of every robot's task."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any

import torch
from tensordict import TensorDict

from legged_gym.common import devices
from legged_gym.common.errors import UserError
from legged_gym.common.rotations import quat_rotate_inverse
from legged_gym.common.threads import single_threaded
from legged_gym.envs.base.effects import warn_without_effect
from legged_gym.envs.base.given import call, check_buffers, check_results, follow, tensor_of
from legged_gym.envs.base.hooks import TIMED, by_hand, check_class, overridden, stores, uncalled
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.legged_robot_episodes import LeggedRobotEpisodes
from legged_gym.envs.base.legged_robot_motors import LeggedRobotMotors
from legged_gym.envs.base.legged_robot_observations import LeggedRobotObservations
from legged_gym.envs.base.legged_robot_rewards import LeggedRobotRewards
from legged_gym.envs.base.own_settings import refuse_mistakes, warn_of_unread
from legged_gym.envs.base.step_graph import StepGraph
from legged_gym.envs.base.task_state import fits, put_state, take_state
from legged_gym.simulators import make_simulator


class LeggedRobot(LeggedRobotObservations, LeggedRobotRewards, LeggedRobotEpisodes, LeggedRobotMotors):
    """A task for any legged robot, from its URDF or MJCF file.

    A reward is a method ``_reward_<name>() -> (N,)`` and a number ``rewards.scales.<name>``.
    Overridden methods of legged_gym's ``LeggedRobot`` are called where legged_gym calls them, with the same arguments.
    Methods that would never be called are refused when the class is made. :class:`BaseTask` describes the tensors.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse methods that would never be called."""
        super().__init_subclass__(**kwargs)
        check_class(cls, LeggedRobot)

    def __init__(self, cfg: LeggedRobotCfg, sim_name: str = "mujoco", sim_device: str = "cpu", seed: int = 42) -> None:
        """Create the simulation and reset all robots.

        Args:
            cfg: The configuration, which is copied.
            sim_name: A key of ``legged_gym.simulators.SIMULATORS``.
            sim_device: Device of the simulation and the tensors.
            seed: Seed of the terrain and of all random numbers.

        Raises:
            UserError: A setting or the URDF is wrong.
        """
        if not isinstance(cfg, LeggedRobotCfg):
            raise UserError(f"{type(cfg).__name__} is not a LeggedRobotCfg: let it and its sections inherit from that")
        for name in uncalled(type(self), LeggedRobot):
            warnings.warn(f"{type(self).__name__}.{name}", stacklevel=2)
        torch.manual_seed(seed)
        self.cfg = cfg = cfg.copy()
        cfg.check()
        refuse_mistakes(cfg, (type(self),))
        warn_without_effect(cfg, type(self))
        unread_settings = warn_of_unread(cfg, (type(self),))
        self._overridden = overridden(type(self), LeggedRobot)
        self._callback_renews = type(self)._post_physics_step_callback is not LeggedRobot._post_physics_step_callback
        self._calls_back = self._callback_pushes = bool(self._overridden & TIMED)
        self._keeps_contacts = stores(type(self), LeggedRobot, "last_contacts")
        # ``feet_air_time`` is the class's own where one of its methods assigns it.
        self._air_timer = "_air_time" if stores(type(self), LeggedRobot, "feet_air_time") else "feet_air_time"
        self._in_step, self._looked, self._rewarded, self._own_privileged = False, False, False, None
        self._parse_cfg(cfg)
        self.terrain = self._make_terrain(cfg, seed) if cfg.terrain.mesh_type != "plane" else None
        super().__init__(cfg, sim_device)
        self.after_step.append(unread_settings)
        self.sim = make_simulator(sim_name, cfg=cfg, terrain=self.terrain, num_envs=cfg.env.num_envs, device=sim_device)
        self.num_actions = self.num_dof = self.sim.num_dof
        self._bind_simulator()
        self._find_bodies()
        self._init_buffers()
        check_buffers(self)
        self._prepare_reward_function()
        self._update_derived()
        # Observation terms may read everything that a step computes.
        self._update_feet()
        self._prepare_observations()
        self._prepare_noise()
        self.reset()
        self._check_sizes()
        if by_hand(type(self), LeggedRobot, "post_physics_step"):
            # Copies of legged_gym's know nothing of robots that diverged.
            follow(self, "check_termination", self._end_diverged)
            follow(self, "compute_reward", self._after_reward)
        if type(self).step is not LeggedRobot.step:
            check_results(self)
        self.init_done = True
        self._graph = self._step_graph()

    def _step_graph(self) -> StepGraph | None:
        """Prepare the CUDA graph of steps, if simulator, settings and the class's hooks allow it."""
        if not (self.sim.capturable and self.cfg.sim.cuda_graph):
            return None
        reason = f"{type(self).__name__} overrides {', '.join(sorted(self._overridden))}" if self._overridden else ""
        if self._network is not None:
            reason = "actuators are a network"
        if reason:
            warnings.warn(f"steps run slower, as {reason}: none is recorded", stacklevel=3)
            return None
        return StepGraph(self)

    # --- called by runners ⇒ ---------------------------------------------------------------------------------

    def get_observations(self) -> TensorDict:
        """Return the observations of the current state: ``policy`` (N, H·O) and ``privileged`` (N, P), and more."""
        return self._observations

    def reset(self) -> TensorDict:
        """Start new episodes of all robots and return their first observations."""
        self._commands.take_ranges(self.command_ranges)
        self._call("reset_idx", torch.ones_like(self.reset_buf, dtype=torch.bool))
        if self._calls_back:
            self._post_physics_step_callback()
        self._observe()
        return self._observations

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Apply actions for one control step.

        The order, and why:

        1. Pushes come first, so that everything observed afterwards includes them.
        2. Physics; the torque law runs before every physics step, on fresh joint angles.
        3. Derived quantities and timers, once, so that rewards only read.
        4. Termination before rewards, because falling is one of them. A robot that diverged ends its episode, too, but
           its state is not physical: it gets no reward, and statistics and curriculum ignore it.
        5. Resets before observations, so that observation, privileged observation and label are of the same state, the
           new episode's. The reward is still of the old one.
        6. Commands change last, but before observations: a reward never uses a command that was not observed.

        Args:
            actions: Target joint angles as deviations from the default, in units of ``action_scale``, (N, D).

        Returns:
            Observations; rewards (N,); dones (N,) bool; extras with ``time_outs`` (N,), the episodes that ended without
            a fall, ``diverged`` (N,), and, every ``env.log_interval`` steps, ``log``.
        """
        count = self.common_step_counter = self.common_step_counter + 1
        # legged_gym's reset_idx puts metrics of episodes in there.
        self.extras = {"episode": {}} if "reset_idx" in self._overridden else {}
        actions = tensor_of("step: actions", actions, (self.num_envs, self.num_actions)).float()
        self._commands.take_ranges(self.command_ranges)
        self._reward_sum.take_scales(self.reward_scales)
        if self._graph is not None:
            self._graph(actions)
            self._finish_step()
            return self._observations, self.rew_buf.clone(), self.reset_buf.clone(), self.extras
        with single_threaded(self.device):
            self._step(actions)
            # An overridden post_physics_step counts by itself, as in legged_gym.
            self.common_step_counter = count
            self._finish_step()
        return self._observations, self.rew_buf, self.reset_buf, self.extras

    def _step(self, actions: torch.Tensor) -> None:
        """Run the device's part of a step. On a GPU this is a CUDA graph."""
        clip = self.cfg.normalization.clip_actions
        self.last_last_actions, self.last_actions = self.last_actions, self.actions
        self.actions = actions.to(self.device).clamp(-clip, clip)
        self.last_dof_vel, self.last_root_vel = self.dof_vel.clone(), self.root_states[:, 7:13].clone()
        self.divergence.record([self.root_states, self.dof_pos, self.dof_vel, self.actions, self.commands[:, :3]])
        if self.cfg.commands.curriculum:
            self._device_steps += 1
        if not self._callback_pushes:
            self._push_robots()
        self._send_actions()
        if self._hands_over_drive:
            self.torques = self.sim.follow(self._drive())
        else:
            for step in range(self.cfg.control.decimation):
                torques, n, dofs = self._compute_torques(self._arrived_actions(step)), self.num_envs, self.num_dof
                self.torques = tensor_of("_compute_torques: its result", torques, (n, dofs), (n * dofs,)).view(n, dofs)
                self.sim.step(self.torques, refresh=step == self.cfg.control.decimation - 1)
        self._update_derived()
        self._update_feet()
        self._in_step, self._collected, self._looked, self._rewarded = True, False, False, False
        self.post_physics_step()
        if not self._looked:
            # It ended episodes without check_termination and compute_reward.
            self._after_reward()
            self._call("reset_idx", self.diverged)
        self._in_step = False
        if not self._collected:
            # An override did these parts itself.
            self._collect()

    def hold_command(self, robots: torch.Tensor, command: torch.Tensor) -> None:
        """Give robots, indices (n,), one fixed command, (3,), m/s, m/s, rad/s; 0 in the dead band."""
        self._commands.hold(robots, command)

    def release_command(self, robots: torch.Tensor) -> None:
        """Draw the commands of robots, indices (n,), at random again."""
        self._commands.release(robots)

    def full_state(self) -> dict[str, Any] | None:
        """Return everything that the next step depends on except its actions, or None if the simulator can't."""
        simulator = self.sim.state()
        return None if simulator is None else {"task": take_state(self), "simulator": simulator}

    def load_full_state(self, state: dict[str, Any]) -> bool:
        """Continue from the :meth:`full_state` of an equal task. If it does not fit, reset and return False."""
        # Some attributes are created in a step.
        self.step(torch.zeros(self.num_envs, self.num_actions, device=self.device))
        simulator = self.sim.state()
        shapes = [{name: t.shape for name, t in tensors.items()} for tensors in (simulator or {}, state["simulator"])]
        if shapes[0] != shapes[1] or not fits(self, state["task"]):
            return False
        put_state(self, state["task"])
        self.sim.set_parameters(self.rand.physics)
        self.sim.load_state(state["simulator"])
        return True

    def training_state(self) -> dict[str, Any]:
        """Return counters and curriculum for a checkpoint."""
        state = {"common_step_counter": self.common_step_counter, "terrain_levels": self.terrain_levels.clone()}
        return state | ({"command_ranges": self._commands.ranges()} if self.cfg.commands.curriculum else {})

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Load counters and curriculum, and start new episodes on the restored tiles."""
        self.common_step_counter = int(state["common_step_counter"])
        self._device_steps.fill_(self.common_step_counter)
        self.command_ranges |= state.get("command_ranges", {})
        self._commands.take_ranges(self.command_ranges)
        if self.ground.has_curriculum:
            self.ground.restore_levels(state["terrain_levels"])
        self.reset()

    @property
    def changeable(self) -> dict[str, Callable[[float], Any]]:
        """Settings that a training may change while it runs, besides reward scales, with functions that set them.

        These are pushes, the curriculum's highest level and the widths of rewards.
        """
        pushes = self._pushes.by_setting if self.cfg.domain_rand.push_robots else {}
        widths = [name for name in self.cfg.to_dict()["rewards"] if "_sigma" in name]
        return {
            **{f"domain_rand.{name}": strongest.fill_ for name, strongest in pushes.items()},
            "terrain.max_level": self.ground.max_level.fill_,
            **{f"rewards.{name}": partial(self._set_width, name) for name in widths},
        }

    def _set_width(self, name: str, value: float) -> None:
        if getattr(self.cfg.rewards, name) != value:
            self.cfg.set(f"rewards.{name}", value)
            if self._graph is not None:
                self._graph.forget()

    def close(self) -> None:
        """Free the simulation's resources."""
        self.sim.close()

    # --- the parts of a step -----------------------------------------------------------------------------------

    def post_physics_step(self) -> None:
        """Process the physics step: end episodes, compute rewards, start new episodes, observe."""
        self.episode_length_buf += 1
        if self._calls_back:
            self._call_back()
        call(self, "check_termination", "reset_buf")
        self._end_diverged()
        call(self, "compute_reward", "rew_buf")
        self._after_reward()
        self._begin_episodes()
        if not self._callback_renews:
            self._renew_commands()
        self._observe()

    def _call_back(self) -> None:
        """Call legged_gym's hook, and pass velocities that it wrote to ``root_states`` on to the simulator."""
        before = self.root_states[:, 7:13].clone()
        self._post_physics_step_callback()
        velocity = self.root_states[:, 7:13].clone()
        self.sim.set_root_velocity((velocity != before).any(dim=1), velocity)

    def _post_physics_step_callback(self) -> None:
        """Change commands and push at legged_gym's point. Only called if a class overrides this or the pushes.

        Otherwise commands change last and pushes come first, for the reasons in :meth:`step`.
        """
        if not self._in_step:
            # The first observation may need values that an override computes here.
            return
        if self._callback_renews:
            self._renew_commands()
        rand = self.cfg.domain_rand
        due = self.common_step_counter % max(1, round(rand.push_interval_s / self.dt)) == 0
        if self._callback_pushes and rand.push_robots and due:
            self._push_robots()

    def _renew_commands(self) -> None:
        self._call("_resample_commands", self._commands.due(self.episode_length_buf))
        self._commands.turn(self.root_states[:, 3:7])

    def _finish_step(self) -> None:
        """Do the host's part of a step."""
        # The value of the state before replaces the rewards that a diverged robot would have got, as after a time-out.
        self.extras |= {"time_outs": self.time_out_buf | self.diverged, "diverged": self.diverged.clone()}
        episode = self.extras.pop("episode", {})
        for name, figure in episode.items():
            if not isinstance(figure, Real | torch.Tensor):
                raise UserError(f"self.extras['episode']['{name}'] must be a number or a tensor, got {figure!r}")
        figures = {**episode, **self.statistics.step()}
        self.extras |= {"log": figures} if figures else {}
        self.extras |= {"episode": figures} if episode else {}
        if self.cfg.commands.curriculum and self.common_step_counter % self.max_episode_length == 0:
            self.command_ranges |= self._commands.ranges()
        self.sim.check()
        for listener in self.after_step:
            listener()

    def _push_robots(self) -> None:
        """Push the robots that are due. In legged_gym's order, all robots are due at once."""
        if not self.cfg.domain_rand.push_robots:
            return
        velocity = self.root_states[:, 7:13]
        if self._callback_pushes:
            velocity.copy_(self._pushes.push(velocity))
            return
        due = self._pushes.due(self.episode_length_buf)
        if devices.pays(due):
            self.sim.set_root_velocity(due, self._pushes.push(velocity))

    def _update_derived(self) -> None:
        """Compute the base's state in its own frame."""
        quat = self.root_states[:, 3:7]
        vectors = torch.stack((self.root_states[:, 7:10], self.root_states[:, 10:13], self.gravity_vec), dim=1)
        local = quat_rotate_inverse(quat.unsqueeze(1), vectors)
        self.base_lin_vel, self.base_ang_vel, self.projected_gravity = local.unbind(1)
        self.measured_dof_pos = self.dof_pos + self.rand.joint_offset
        if self.rand.motors.has_backlash:
            self.measured_dof_pos += self.rand.motors.play(self._aim, self.dof_pos)
        self.base_quat = quat
        self.base_height = self.root_states[:, 2] - self.ground.height_under(self.root_states)
        self._measured_heights = None

    def compute_reward(self) -> None:
        """Sum up the scaled rewards in ``rew_buf``."""
        self.rew_buf, self.reward_rates = self._reward_sum.compute()
        self._reward_totals += self.reward_rates * self.dt

    def _after_reward(self) -> None:
        """Take rewards back that were computed from states that are no physics, and record what the step was like."""
        if self._rewarded:
            return
        self._end_diverged()
        self._rewarded, rows = True, self.diverged.unsqueeze(1)
        self.rew_buf = self.rew_buf.masked_fill(self.diverged, 0.0)
        self.reward_rates = self.reward_rates.masked_fill(rows, 0.0)
        self._reward_totals.masked_fill_(rows, 0.0)
        self._record_statistics()
        self._ask_for_ground()

    def _velocity_error(self) -> torch.Tensor:
        """Return commanded minus true forward and lateral velocity, m/s, and yaw rate, rad/s, (N, 3)."""
        return self.commands[:, :3] - torch.cat((self.base_lin_vel[:, :2], self.base_ang_vel[:, 2:]), dim=1)

    def _record_statistics(self) -> None:
        self.statistics.add("rewards", self.reward_rates)
        errors = self._velocity_error().square_().masked_fill(self.diverged.unsqueeze(1), 0.0)
        self.statistics.add("tracking", errors)
        self.statistics.add("terrain", self.terrain_levels.unsqueeze(1))
        falls = self.reset_buf & ~self.time_out_buf & ~self.diverged
        self.statistics.add("episodes", torch.stack((falls, self.time_out_buf, self.diverged), dim=1))
