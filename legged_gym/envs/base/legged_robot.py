"""A legged robot that follows velocity commands: the task every robot's own task inherits from."""

from __future__ import annotations

import math
from typing import Any

import torch
from tensordict import TensorDict

from legged_gym.common.rotations import quat_rotate_inverse
from legged_gym.common.threads import single_threaded
from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.base_task import BaseTask
from legged_gym.envs.base.divergence import DivergenceLog
from legged_gym.envs.base.domain_rand import DomainRand
from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.legged_robot_motors import LeggedRobotMotors
from legged_gym.envs.base.legged_robot_observations import LeggedRobotObservations
from legged_gym.envs.base.legged_robot_rewards import LeggedRobotRewards
from legged_gym.envs.base.name_matching import joint_values, link_indices
from legged_gym.envs.base.pushes import Pushes
from legged_gym.envs.base.reward_sum import RewardSum
from legged_gym.envs.base.start_states import StartStates
from legged_gym.envs.base.statistics import Statistics
from legged_gym.envs.base.step_graph import StepGraph
from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.base.velocity_commands import VelocityCommands
from legged_gym.simulators import make_simulator


class LeggedRobot(LeggedRobotObservations, LeggedRobotMotors, LeggedRobotRewards, BaseTask):
    """Any legged robot with a URDF.

    State tensors (``dof_pos``, ``dof_vel``, ``root_states``, ``contact_forces``, ``rigid_body_states``) are the
    simulator's own, refreshed in place; see :class:`~legged_gym.simulators.Simulator` for shapes and frames.
    A reward is a method ``_reward_<name>() -> (N,)`` and a number ``rewards.scales.<name>``.

    =================== ========= ==================================================================
    tensor              shape     meaning
    =================== ========= ==================================================================
    commands            (N, 3)    wanted forward and lateral velocity, m/s, and yaw rate, rad/s
    base_lin_vel        (N, 3)    m/s, base frame
    base_ang_vel        (N, 3)    rad/s, base frame
    projected_gravity   (N, 3)    unit vector of gravity, base frame
    measured_dof_pos    (N, D)    joint angles as the encoders see them, with their zero offsets, rad
    actions             (N, D)    last action; ``last_actions`` the one before
    last_dof_vel        (N, D)    joint velocities one control step ago, rad/s
    torques             (N, D)    of the last physics step, N·m
    contact_magnitudes  (N, B)    net contact force of each link, N
    diverged            (N,)      bool: the simulation of the robot diverged in the last step
    feet_contact        (N, F)    bool: the foot touches now or did one step ago
    feet_air_time       (N, F)    seconds since each foot last touched
    reward_rates        (N, R)    scaled reward terms of the last step, per second, as ``reward_names`` lists them
    =================== ========= ==================================================================
    """

    feet_air_time: torch.Tensor
    _start_positions: torch.Tensor
    _has_touched: torch.Tensor
    _last_touching: torch.Tensor

    def __init__(
        self,
        cfg: LeggedRobotCfg,
        sim_name: str = "mujoco",
        sim_device: str = "cpu",
        seed: int = 42,
    ) -> None:
        """Create the simulation and reset all robots.

        Args:
            cfg: The configuration; a copy is kept.
            sim_name: A key of ``legged_gym.simulators.SIMULATORS``.
            sim_device: Where the simulation runs and the tensors live.
            seed: Of the terrain and of every random draw.

        Raises:
            UserError: A setting or the URDF is wrong.
        """
        torch.manual_seed(seed)
        cfg = cfg.copy()
        cfg.check()
        self.terrain = self._make_terrain(cfg, seed) if cfg.terrain.mesh_type != "plane" else None
        super().__init__(cfg, sim_device)
        self.sim = make_simulator(sim_name, cfg=cfg, terrain=self.terrain, num_envs=cfg.env.num_envs, device=sim_device)
        self.num_actions = self.num_dof = self.sim.num_dof
        self.dt = cfg.control.decimation * cfg.sim.dt
        self.max_episode_length = max(1, round(cfg.env.episode_length_s / self.dt))
        self._bind_simulator()
        self._find_bodies()
        self._init_buffers()
        self._prepare_rewards()
        self._update_derived()
        self._prepare_observations()
        self.reset()
        self._graph = StepGraph(self) if self.sim.capturable and cfg.sim.cuda_graph else None

    # --- what a runner calls ---------------------------------------------------------------------------------

    def get_observations(self) -> TensorDict:
        """Return the observations of the present state: ``policy`` (N, H·O) and ``privileged`` (N, P), and more."""
        return self._observations

    def reset(self) -> TensorDict:
        """Start new episodes of all robots and return their first observations."""
        self._reset(torch.ones_like(self.reset_buf))
        self._compute_observations()
        return self._observations

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start new episodes of the robots ``env_ids``, (n,); observations follow with the next step."""
        mask = torch.zeros_like(self.reset_buf)
        mask[env_ids] = True
        self._reset(mask)

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Apply actions for one control step.

        The order, and why:

        1. Pushes come first, so that everything observed afterwards already holds them.
        2. Physics; the torque law runs before every physics step, on fresh joint angles.
        3. Derived quantities and timers, once, so that rewards only read.
        4. Termination before rewards, because falling is one of them. A robot that diverged ends its episode, too, but
           its state is no physics: it gets no reward, and neither statistics nor curriculum look at it.
        5. Resets before observations, so that observation, privileged observation and label are of one state, the
           new episode's. The reward is still the old one's.
        6. Commands change last but before observing: a reward never judges a command that was not observed.

        Args:
            actions: Wanted joint angles as deviations from the default, in units of ``action_scale``, (N, D).

        Returns:
            Observations; rewards (N,); dones (N,) bool; extras with ``time_outs`` (N,), which are the episodes that
            ended for no reason of their own, ``diverged`` (N,), and, every ``env.log_interval`` steps, ``log``.
        """
        if self._graph is not None:
            self._graph(actions)
            self._finish_step()
            return self._observations, self.rew_buf.clone(), self.reset_buf.clone(), self.extras
        with single_threaded(self.device):
            self._step(actions)
            self._finish_step()
        return self._observations, self.rew_buf, self.reset_buf, self.extras

    def _step(self, actions: torch.Tensor) -> None:
        """Do what a step does on the device; on a GPU this is recorded once and replayed."""
        clip = self.cfg.normalization.clip_actions
        self.last_actions, self.actions = self.actions, actions.to(self.device).clamp(-clip, clip)
        self.last_dof_vel = self.dof_vel.clone()
        self.divergence.record([self.root_states, self.dof_pos, self.dof_vel, self.actions, self.commands])
        self._push_robots()
        self._send_actions()
        if self._hands_over_drive:
            self.torques = self.sim.follow(self._drive())
        else:
            for step in range(self.cfg.control.decimation):
                self.torques = self._compute_torques(self._arrived_actions(step))
                self.sim.step(self.torques, refresh=step == self.cfg.control.decimation - 1)
        self._post_physics_step()

    def hold_command(self, robots: torch.Tensor, command: torch.Tensor) -> None:
        """Let somebody drive robots, indices (n,), by one command, (3,), m/s, m/s, rad/s; 0 inside the dead band."""
        self._commands.hold(robots, command)

    def release_command(self, robots: torch.Tensor) -> None:
        """Let commands of robots, indices (n,), be drawn at random again."""
        self._commands.release(robots)

    def training_state(self) -> dict[str, Any]:
        """Return counters and curriculum for a checkpoint."""
        return {"common_step_counter": self.common_step_counter, "terrain_levels": self.terrain_levels.clone()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over counters and curriculum, and start new episodes on the restored tiles."""
        self.common_step_counter = int(state["common_step_counter"])
        if self.ground.has_curriculum:
            self.ground.restore_levels(state["terrain_levels"])
        self.reset()

    def close(self) -> None:
        """Free what the simulation holds."""
        self.sim.close()

    # --- the parts of a step -----------------------------------------------------------------------------------

    def _post_physics_step(self) -> None:
        self._episode_length += 1
        self._update_derived()
        self._update_feet()
        self._check_termination()
        self._end_diverged()
        self._compute_reward()
        self._drop_diverged()
        self._record_statistics()
        if self._any(self.reset_buf):
            self._update_terrain_curriculum()
            self._reset(self.reset_buf)
        due = self._commands.due(self._episode_length)
        if self._any(due):
            self._commands.resample(due)
        self._compute_observations()

    def _finish_step(self) -> None:
        """Do what a step does on the host."""
        self.common_step_counter += 1
        # The value of the state before takes the place of what a diverged robot would have earned, as after a time-out.
        self.extras = {"time_outs": self.time_out_buf | self.diverged, "diverged": self.diverged.clone()}
        figures = self.statistics.step()
        if figures is not None:
            self.extras["log"] = figures
        self.sim.check()
        for listener in self.after_step:
            listener()

    def _any(self, mask: torch.Tensor) -> bool:
        """Whether it pays to look: on a GPU asking would cost more than the work that it saves."""
        return mask.is_cuda or bool(mask.any())

    def _push_robots(self) -> None:
        if self.cfg.domain_rand.push_robots:
            due = self._pushes.due(self._episode_length)
            if self._any(due):
                self.sim.set_root_velocity(due, self._pushes.kick(self.root_states[:, 7:13]))

    def _update_derived(self) -> None:
        """Express the base's state in its own frame."""
        quat = self.root_states[:, 3:7]
        vectors = torch.stack((self.root_states[:, 7:10], self.root_states[:, 10:13], self._gravity), dim=1)
        local = quat_rotate_inverse(quat.unsqueeze(1), vectors)
        self.base_lin_vel, self.base_ang_vel, self.projected_gravity = local.unbind(1)
        self.measured_dof_pos = self.dof_pos + self.rand.joint_offset
        if self.rand.motors.has_backlash:
            self.measured_dof_pos += self.rand.motors.play(self._aim, self.dof_pos)
        self.base_quat = quat
        self.base_height = self.root_states[:, 2] - self.ground.height_under(self.root_states)

    def _update_feet(self) -> None:
        """Update contacts and the timers that hang on them."""
        self.contact_magnitudes = self.contact_forces.norm(dim=-1)
        touching = self._feet_touching()
        self.feet_contact = touching | self._last_touching
        self._last_touching = touching
        self.feet_touchdown = (self.feet_air_time > 0.0) & self.feet_contact
        self.swing_time = self.feet_air_time + self.dt
        # The drop at an episode's start is no swing.
        self._has_touched = self._has_touched | self.feet_contact
        self.feet_air_time = torch.where(self.feet_contact | ~self._has_touched, 0.0, self.swing_time)

    def _feet_touching(self) -> torch.Tensor:
        """Return which feet touch now, bool, (N, F)."""
        forces = self.contact_forces[:, self.feet_indices].norm(dim=-1)
        return forces > self.cfg.rewards.foot_contact_force

    def _check_termination(self) -> None:
        forces = self.contact_magnitudes[:, self.termination_contact_indices]
        fallen = (forces > self.cfg.rewards.contact_force_threshold).any(dim=1)
        if self.cfg.asset.terminate_past_tilt > 0.0:
            fallen |= -self.projected_gravity[:, 2] < math.cos(math.radians(self.cfg.asset.terminate_past_tilt))
        self.time_out_buf = (self._episode_length >= self.max_episode_length) & ~fallen
        self.reset_buf = fallen | self.time_out_buf

    def _end_diverged(self) -> None:
        """End the episodes of robots that diverged, whatever else was found about them."""
        self.diverged = self.sim.diverged > 0
        self.reset_buf = self.reset_buf | self.diverged
        self.time_out_buf = self.time_out_buf & ~self.diverged
        self.divergence.note(self.reset_buf, self.sim.diverged)

    def _compute_reward(self) -> None:
        self.rew_buf, self.reward_rates = self._reward_sum.compute()

    def _drop_diverged(self) -> None:
        """Take back the rewards that were computed from states that are no physics."""
        self.rew_buf = self.rew_buf.masked_fill(self.diverged, 0.0)
        self.reward_rates = self.reward_rates.masked_fill(self.diverged.unsqueeze(1), 0.0)

    def _record_statistics(self) -> None:
        self.statistics.add("Reward", self.reward_rates)
        velocity = torch.cat((self.base_lin_vel[:, :2], self.base_ang_vel[:, 2:]), dim=1)
        errors = (self.commands - velocity).square_().masked_fill(self.diverged.unsqueeze(1), 0.0)
        self.statistics.add("Tracking", errors)
        self.statistics.add("Terrain", self.terrain_levels.unsqueeze(1))
        falls = self.reset_buf & ~self.time_out_buf & ~self.diverged
        self.statistics.add("Episode", torch.stack((falls, self.time_out_buf, self.diverged), dim=1))

    def _update_terrain_curriculum(self) -> None:
        """Move robots whose episode ended to harder or easier ground."""
        if self.ground.has_curriculum:
            distance = (self.root_states[:, :2] - self._start_positions).norm(dim=1)
            # A first episode may have been shortened to spread the robots; a fall always counts as a whole one.
            full = torch.full_like(distance, self.cfg.env.episode_length_s)
            seconds = torch.where(self.time_out_buf, self._steps_since_reset * self.dt, full)
            wanted = self.commands[:, :2].norm(dim=1) * seconds
            self.ground.update_curriculum(self.reset_buf & ~self.diverged, distance, wanted)

    def _reset(self, mask: torch.Tensor) -> None:
        """Start new episodes of the robots in ``mask``, bool, (N,)."""
        self.rand.redraw_motors(mask)
        self._update_gains()
        self.sim.set_state(mask, *self._start_states.draw())
        rows = mask.unsqueeze(1)
        self._start_positions = torch.where(rows, self.root_states[:, :2], self._start_positions)
        self.actions = torch.where(rows, 0.0, self.actions)
        self.last_actions = torch.where(rows, 0.0, self.last_actions)
        self.feet_air_time = torch.where(rows, 0.0, self.feet_air_time)
        self._last_touching = self._last_touching & ~rows
        self._has_touched = self._has_touched & ~rows
        self._episode_length.masked_fill_(mask, 0)
        self._steps_since_reset.masked_fill_(mask, 0)
        self._fresh |= mask
        self._commands.resample(mask)
        self._update_derived()
        self.feet_contact = torch.where(rows, self._feet_touching(), self.feet_contact)

    # --- preparation ---------------------------------------------------------------------------------------------

    def _make_terrain(self, cfg: LeggedRobotCfg, seed: int) -> Terrain:
        return Terrain(cfg.terrain, seed)

    def _bind_simulator(self) -> None:
        """Keep references to the simulator's tensors, which it refreshes in place."""
        sim = self.sim
        self.dof_names, self.body_names = sim.dof_names, sim.body_names
        self.root_states, self.dof_pos, self.dof_vel = sim.root_states, sim.dof_pos, sim.dof_vel
        self.contact_forces, self.rigid_body_states = sim.contact_forces, sim.rigid_body_states
        self.dof_pos_limits, self.dof_vel_limits = sim.dof_pos_limits, sim.dof_vel_limits
        self.torque_limits = sim.torque_limits
        # A robot's own task may have a torque law of its own, which only the task can apply.
        same_law = type(self)._compute_torques is LeggedRobot._compute_torques
        self.rand = DomainRand(self.cfg, sim)
        self._hands_over_drive = sim.follows_drives and same_law and self.rand.motors.ideal
        sim.set_parameters(self.rand.physics)
        self.ground = Ground(self.cfg, self.terrain, self.num_envs, self.device)
        self.env_origins, self.terrain_levels = self.ground.env_origins, self.ground.levels

    def _find_bodies(self) -> None:
        asset = self.cfg.asset
        feet = self._links("asset.foot_name", [asset.foot_name])
        # The base of many robots is called "base_footprint".
        self.feet_indices = feet[feet > 0] if len(feet) > 1 else feet
        self.penalised_contact_indices = self._links("asset.penalize_contacts_on", asset.penalize_contacts_on)
        key = "asset.terminate_after_contacts_on"
        self.termination_contact_indices = self._links(key, asset.terminate_after_contacts_on)
        for part in asset.terminate_after_contacts_on:
            self._must_touch(key, part, any(self._can_touch(self._links(key, [part]))))
        self._must_touch("asset.foot_name", asset.foot_name, all(self._can_touch(self.feet_indices)))

    def _can_touch(self, links: torch.Tensor) -> list[bool]:
        """Return which links have shapes that collide."""
        return [bool(self.sim.scene.touching[i]) for i in links.tolist()]

    def _must_touch(self, key: str, part: str, can_touch: bool) -> None:
        if not can_touch:
            blind = [name for name, can in zip(self.body_names, self.sim.scene.touching, strict=True) if not can]
            raise ConfigError(
                f"config key '{key}': '{part}' names links that can't touch; without shapes: {', '.join(blind)}"
            )

    def _links(self, key: str, parts: list[str]) -> torch.Tensor:
        """Return the indices of links by parts of their names, (n,)."""
        indices = link_indices(key, parts, self.body_names, self.sim.scene.merged)
        return torch.tensor(indices, dtype=torch.long, device=self.device)

    def _init_buffers(self) -> None:
        cfg, n, device = self.cfg, self.num_envs, self.device
        joints, key = self.dof_names, "init_state.default_joint_angles"
        still = self.sim.scene.robot.fixed_joints
        wanted = {name: a for name, a in cfg.init_state.default_joint_angles.items() if a != 0.0 or name not in still}
        angles = joint_values(key, wanted, joints, exact=True)
        self.default_dof_pos = torch.tensor([angles], device=device)
        self._check_pose(key)
        self.p_gains = torch.tensor(joint_values("control.stiffness", cfg.control.stiffness, joints), device=device)
        self.d_gains = torch.tensor(joint_values("control.damping", cfg.control.damping, joints), device=device)
        self._start_states = StartStates(cfg, self.ground, self.default_dof_pos, self.dof_pos_limits, joints)
        self._gravity = torch.tensor([0.0, 0.0, -1.0], device=device).expand(n, 3)
        self.actions = self.last_actions = self.torques = torch.zeros(n, self.num_dof, device=device)
        self._start_positions = torch.zeros(n, 2, device=device)
        self.feet_air_time = torch.zeros(n, len(self.feet_indices), device=device)
        self._last_touching = torch.zeros_like(self.feet_air_time, dtype=torch.bool)
        self.feet_contact = self.feet_touchdown = self._has_touched = self._last_touching
        self._fresh = torch.zeros_like(self.reset_buf)
        self.diverged = torch.zeros_like(self.reset_buf)
        self.divergence = DivergenceLog(n, self.num_dof, self.num_actions, self.dt, device)
        self._steps_since_reset = torch.zeros_like(self._episode_length)
        self.last_dof_vel = torch.zeros_like(self.actions)
        self._aim = self.default_dof_pos.expand(n, -1)
        self.swing_time = self.feet_air_time
        self._commands = VelocityCommands(cfg, n, self.dt, device)
        self.commands = self._commands.values
        self._pushes = Pushes(cfg, n, self.dt, device)

    def _check_pose(self, key: str) -> None:
        """Refuse a default pose that the joints can't take."""
        for name, angle, (low, high) in zip(
            self.dof_names, self.default_dof_pos[0].tolist(), self.dof_pos_limits.tolist(), strict=True
        ):
            if not low - 1e-6 <= angle <= high + 1e-6:
                raise ConfigError(
                    f"config key '{key}.{name}' is {angle:g}, the joint's limits are {low:g} and {high:g}"
                )

    def _prepare_rewards(self) -> None:
        """Find the method of every reward with a scale, and declare what is logged."""
        settings = self.cfg.rewards
        scales = self.cfg.to_dict()["rewards"]["scales"]
        self._reward_sum = RewardSum(self, scales, self.dt, self.device, settings.only_positive_rewards)
        self.reward_names = self._reward_sum.names
        self.reward_rates = torch.zeros(self.num_envs, len(self.reward_names), device=self.device)
        self.statistics = Statistics(self.cfg.env.log_interval, self.num_envs, self.device)
        self.statistics.declare("Reward", "mean", self.reward_names)
        self.statistics.declare("Tracking", "rms", ["lin_vel_x_rmse", "lin_vel_y_rmse", "ang_vel_rmse"])
        self.statistics.declare("Terrain", "mean", ["level"])
        self.statistics.declare("Episode", "share", ["falls", "time_outs", "diverged"])
