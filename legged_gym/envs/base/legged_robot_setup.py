"""How a legged robot's task is put together: its simulator, links, buffers and rewards."""

from __future__ import annotations

import warnings

import torch

from legged_gym.envs.base.actuator_network import ActuatorNetwork
from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.divergence import DivergenceLog
from legged_gym.envs.base.domain_rand import DomainRand
from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.legged_robot_motors import LeggedRobotMotors
from legged_gym.envs.base.name_matching import joint_values, link_indices
from legged_gym.envs.base.pushes import Pushes
from legged_gym.envs.base.reward_sum import RewardSum
from legged_gym.envs.base.start_states import StartStates
from legged_gym.envs.base.statistics import Statistics
from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.base.velocity_commands import VelocityCommands


class LeggedRobotSetup(LeggedRobotMotors):
    """The preparations of :class:`~legged_gym.envs.base.legged_robot.LeggedRobot`, in their order."""

    def _make_terrain(self, cfg: LeggedRobotCfg, seed: int) -> Terrain:
        return Terrain(cfg.terrain, seed)

    def _parse_cfg(self, cfg: LeggedRobotCfg) -> None:
        """Take over what is read of the configuration at every step; the simulation is not there yet."""
        if cfg.terrain.mesh_type == "trimesh":
            print("terrain.mesh_type 'trimesh': the ground is the height field, 'heightfield'")
            cfg.terrain.mesh_type = "heightfield"
        self.dt = cfg.control.decimation * cfg.sim.dt
        self.max_episode_length_s = cfg.env.episode_length_s
        self.max_episode_length = max(1, round(cfg.env.episode_length_s / self.dt))
        self.obs_scales = cfg.normalization.obs_scales
        values = cfg.to_dict()
        self.reward_scales, self.command_ranges = values["rewards"]["scales"], values["commands"]["ranges"]

    def _bind_simulator(self) -> None:
        """Keep references to the simulator's tensors, which it refreshes in place."""
        sim = self.sim
        self.dof_names, self.body_names = sim.dof_names, sim.body_names
        self.root_states, self.dof_pos, self.dof_vel = sim.root_states, sim.dof_pos, sim.dof_vel
        self.contact_forces, self.rigid_body_states = sim.contact_forces, sim.rigid_body_states
        self.dof_vel_limits = sim.dof_vel_limits
        # A joint without limits has no middle.
        middle = sim.dof_pos_limits.mean(dim=1, keepdim=True).nan_to_num(0.0)
        soft = middle + self.cfg.rewards.soft_dof_pos_limit * (sim.dof_pos_limits - middle)
        self.dof_pos_limits = sim.dof_pos_limits if self.cfg.rewards.soft_dof_pos_limit == 1.0 else soft
        self.torque_limits = sim.torque_limits
        # A robot's own task may have a torque law of its own, which only the task can apply.
        plain = self.cfg.control.control_type == "P" and not self.cfg.control.actuator_network
        same_law = type(self)._compute_torques is LeggedRobotMotors._compute_torques
        self.rand = DomainRand(self.cfg, sim)
        self._hands_over_drive = sim.follows_drives and same_law and self.rand.motors.ideal and plain
        sim.set_parameters(self.rand.physics)
        self.ground = Ground(self.cfg, self.terrain, self.num_envs, self.device)
        self.height_points = self._init_height_points()
        self.ground.measure_at(self.height_points)
        self.num_height_points = self.height_points.shape[1]
        self.env_origins, self.terrain_origins = self.ground.env_origins, self.ground.tile_origins
        self.terrain_levels, self.terrain_types = self.ground.levels, self.ground.types
        self.custom_origins, self.max_terrain_level = self.ground.has_terrain, self.cfg.terrain.num_rows
        self.friction_coeffs = self.rand.physics.friction.unsqueeze(1)
        self.num_bodies, self.num_dofs = sim.num_bodies, sim.num_dof

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
        """Allocate the tensors; the simulator's are there."""
        cfg, n, device = self.cfg, self.num_envs, self.device
        joints, key = self.dof_names, "init_state.default_joint_angles"
        angles = joint_values(key, self._moving(key, cfg.init_state.default_joint_angles), joints, exact=True)
        self.default_dof_pos = torch.tensor([angles], device=device)
        self._check_pose(key)
        self._prepare_motors()
        self._start_states = StartStates(cfg, self.ground, self.default_dof_pos, self.sim.dof_pos_limits, joints)
        self.base_init_state, self.add_noise = self._start_states.root, cfg.noise.add_noise
        self.gravity_vec = torch.tensor([0.0, 0.0, -1.0], device=device).expand(n, 3)
        self.forward_vec = torch.tensor([1.0, 0.0, 0.0], device=device).expand(n, 3)
        self.actions = self.last_actions = self.torques = torch.zeros(n, self.num_dof, device=device)
        self._start_positions = torch.zeros(n, 2, device=device)
        self.feet_air_time = torch.zeros(n, len(self.feet_indices), device=device)
        self._last_touching = torch.zeros_like(self.feet_air_time, dtype=torch.bool)
        self.feet_contact = self.feet_touchdown = self._has_touched = self.last_contacts = self._last_touching
        self._air_time = self.feet_air_time.clone()
        self._fresh = torch.zeros_like(self.reset_buf)
        self.diverged = torch.zeros_like(self.reset_buf)
        self.divergence = DivergenceLog(n, self.num_dof, self.num_actions, self.dt, device)
        self._aim = self.default_dof_pos.expand(n, -1)
        self._asked = torch.zeros(n, 3, device=device)
        self._device_steps = torch.zeros((), dtype=torch.long, device=device)
        self.last_dof_vel, self.last_root_vel = torch.zeros_like(self.actions), torch.zeros(n, 6, device=device)
        self.swing_time = self.feet_air_time
        self._commands = VelocityCommands(cfg, n, self.dt, device)
        self.commands, self.commands_scale = self._commands.values, torch.tensor(self._command_scales(), device=device)
        self._pushes = Pushes(cfg, n, self.dt, device)

    def _prepare_motors(self) -> None:
        """Read gains, and the network that stands in for them."""
        control, joints = self.cfg.control, self.dof_names
        if control.actuator_network:
            self._network = ActuatorNetwork(control.actuator_network, self.num_envs, self.num_dof, self.device)
        if self.rand.motors.has_backlash and not self.has_plain_law:
            raise ConfigError("config key 'motors.backlash' needs gains that aim at angles (control.control_type 'P')")
        needed = None if self._network is None and control.control_type != "T" else 0.0
        gains = {"control.stiffness": control.stiffness, "control.damping": control.damping}
        self.p_gains, self.d_gains = (
            torch.tensor(joint_values(key, values, joints, missing=needed), device=self.device)
            for key, values in gains.items()
        )

    def _moving(self, key: str, angles: dict[str, float]) -> dict[str, float]:
        """Return the angles without those of joints that are fixed in the robot's file; say so if they are not 0."""
        fixed = self.sim.scene.robot.fixed_joints
        bent = [f"{name} ({angle:g})" for name, angle in angles.items() if name in fixed and angle != 0.0]
        if bent:
            warnings.warn(
                f"config key '{key}': fixed in the robot's file, and stay at 0: {', '.join(bent)}", stacklevel=5
            )
        return {name: angle for name, angle in angles.items() if name not in fixed}

    def _check_pose(self, key: str) -> None:
        """Refuse a default pose that the joints can't take."""
        for name, angle, (low, high) in zip(
            self.dof_names, self.default_dof_pos[0].tolist(), self.sim.dof_pos_limits.tolist(), strict=True
        ):
            if not low - 1e-6 <= angle <= high + 1e-6:
                raise ConfigError(
                    f"config key '{key}.{name}' is {angle:g}, the joint's limits are {low:g} and {high:g}"
                )

    def _init_height_points(self) -> torch.Tensor:
        """Return where the ground's heights are measured, m, relative to the base in its yaw frame, (N, P, 3)."""
        axes = (self.cfg.terrain.measured_points_x, self.cfg.terrain.measured_points_y)
        grid = torch.meshgrid(*(torch.tensor(axis, device=self.device) for axis in axes), indexing="ij")
        x, y = (coordinate.ravel() for coordinate in grid)
        return torch.stack((x, y, torch.zeros_like(x)), dim=1).expand(self.num_envs, -1, 3)

    def _prepare_reward_function(self) -> None:
        """Find the method of every reward with a scale, and declare what is logged."""
        self._reward_sum = RewardSum(self, self.reward_scales, self.dt, self.cfg.rewards.only_positive_rewards)
        self.reward_names, self.reward_functions = self._reward_sum.names, self._reward_sum.functions
        self.reward_scales = self._reward_sum.step_scales()
        judged = self.cfg.commands.curriculum and "update_command_curriculum" not in self._overridden
        if judged and "tracking_lin_vel" not in self.reward_names:
            raise ConfigError(
                "config key 'commands.curriculum' judges by rewards.scales.tracking_lin_vel, which is not set"
            )
        self._reward_totals = torch.zeros(self.num_envs, len(self.reward_names), device=self.device)
        self.episode_sums = {name: self._reward_totals[:, i] for i, name in enumerate(self.reward_names)}
        self.reward_rates = torch.zeros(self.num_envs, len(self.reward_names), device=self.device)
        self.statistics = Statistics(self.cfg.env.log_interval, self.num_envs, self.device)
        self.statistics.declare("Reward", "mean", self.reward_names)
        self.statistics.declare("Tracking", "rms", ["lin_vel_x_rmse", "lin_vel_y_rmse", "ang_vel_rmse"])
        self.statistics.declare("Terrain", "mean", ["level"])
        self.statistics.declare("Episode", "share", ["falls", "time_outs", "diverged"])
