"""The buffers of a legged robot's task, with legged_gym's names, and their creation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from legged_gym.common import devices, tags
from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.divergence import DivergenceLog
from legged_gym.envs.base.domain_rand import DomainRand
from legged_gym.envs.base.given import held, robots_of
from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.hooks import FreshTensors, missing
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.name_matching import joint_values, link_indices
from legged_gym.envs.base.observations import ObservationLayout
from legged_gym.envs.base.pushes import Pushes
from legged_gym.envs.base.reward_sum import RewardSum
from legged_gym.envs.base.start_states import StartStates
from legged_gym.envs.base.statistics import Statistics
from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.base.velocity_commands import VelocityCommands
from legged_gym.simulators import Simulator
from legged_gym.simulators.robot.robot_file import check_ties


def _counted(setting: str, size: Callable[[Any], int]) -> Any:
    """Return a property for a size. A value that a class assigns is checked like the setting's."""
    return property(size, lambda task, value: setattr(task.cfg.env, setting, value))


class BaseTask(VecEnv):
    """N robots of a task, as rsl_rl's ``VecEnv`` with legged_gym's tensors.

    State tensors (``dof_pos``, ``dof_vel``, ``root_states``, ``contact_forces``, ``rigid_body_states``) are the
    simulator's own, refreshed in place; see :class:`~legged_gym.simulators.Simulator` for shapes and frames.

    =================== ========= ==================================================================
    tensor              shape     meaning
    =================== ========= ==================================================================
    obs_buf             (N, …)    the policy's observation
    rew_buf             (N,)      reward of the last step
    reset_buf           (N,)      bool: the episode ended in the last step
    time_out_buf        (N,)      bool: … by a time-out
    episode_length_buf  (N,)      control steps since the reset
    commands            (N, 3)    commanded forward and lateral velocity, m/s, and yaw rate, rad/s
    base_lin_vel        (N, 3)    m/s, base frame
    base_ang_vel        (N, 3)    rad/s, base frame
    projected_gravity   (N, 3)    unit vector of gravity, base frame
    measured_dof_pos    (N, D)    joint angles from the encoders, with their zero offsets, rad
    actions             (N, D)    last action; the ones before: ``last_actions``, ``last_last_actions``
    last_dof_vel        (N, D)    joint velocities one control step ago, rad/s
    last_root_vel       (N, 6)    linear and angular velocity of the base one control step ago, world frame
    torques             (N, D)    of the last physics step, N·m
    contact_magnitudes  (N, B)    net contact force of each link, N
    diverged            (N,)      bool: the simulation of the robot diverged in the last step
    feet_contact        (N, F)    bool: the foot is in contact now or was one step ago
    feet_air_time       (N, F)    time since each foot's last contact, s
    measured_heights    (N, P)    heights of the ground around the base, m
    reward_rates        (N, R)    scaled reward terms of the last step, per second, as ``reward_names`` lists them
    p_gains, d_gains    (D,)      nominal gains, N·m/rad and N·m·s/rad
    torque_limits       (D,)      N·m
    dof_pos_limits      (D, 2)    rad; ``soft_dof_pos_limit`` of the full range, ``sim.dof_pos_limits``
    =================== ========= ==================================================================

    Attributes:
        dt: Control step, s.
        unwrapped, step_dt: The task itself and ``dt``, for rsl_rl's extensions.
        max_episode_length: Length of an episode in control steps.
        after_step: Functions that are called after every control step. They may read the buffers, not change them.
        command_ranges: Lowest and highest command by name, as ``commands.ranges``. Changes take effect in the next
            step.
        reward_scales: Scale of each reward times the control step, without zeros. Changes also take effect.
        episode_sums: Sum of each scaled reward in the episode, by name, each (N,).
        reward_functions: The methods of ``reward_names``, without ``termination``, which is the last name.
        base_init_state: Start state of the base without noise, relative to the middle of a tile, (13,).
        terrain_levels, terrain_types: Row and column of each robot's tile, (N,).
        terrain_origins: Middle of every tile, m, world frame, (rows, columns, 3).
        friction_coeffs: Friction of each robot's ground, (N, 1).
    """

    cfg: LeggedRobotCfg
    sim: Simulator
    init_done = False
    debug_viz = enable_viewer_sync = False
    viewer, headless = None, True
    up_axis_idx = 2
    base_lin_vel: torch.Tensor
    base_ang_vel: torch.Tensor
    base_height: torch.Tensor
    projected_gravity: torch.Tensor
    measured_dof_pos: torch.Tensor
    p_gains: torch.Tensor
    d_gains: torch.Tensor
    contact_magnitudes: torch.Tensor
    obs_buf: torch.Tensor
    obs_layout: ObservationLayout
    noise_scale_vec: torch.Tensor
    _overridden: frozenset[str]
    _observations: TensorDict
    _measured_heights: torch.Tensor | None = None
    gym = FreshTensors()
    root_states, dof_pos, dof_vel = held("root_states"), held("dof_pos"), held("dof_vel")
    contact_forces, rigid_body_states = held("contact_forces"), held("rigid_body_states")
    default_dof_pos, base_init_state = held("default_dof_pos"), held("base_init_state")
    env_origins, commands = held("env_origins"), held("commands")
    episode_length_buf = held("episode_length_buf")  # rsl_rl assigns a new one to spread the first episodes.

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise an error that names a replacement (Python only calls this if it finds nothing)."""
            found = getattr(type(self), name, None)
            if isinstance(found, property):
                return found.fget(self)  # The missing attribute is inside the property.
            raise AttributeError(missing(type(self), name))

    def __init__(self, cfg: LeggedRobotCfg, device: str) -> None:
        """Allocate the buffers."""
        self.cfg, self.num_envs, self.device = cfg, cfg.env.num_envs, device
        self.rew_buf = torch.zeros(self.num_envs, device=device)
        self.reset_buf = torch.zeros(self.num_envs, dtype=torch.bool, device=device)
        self.time_out_buf = torch.zeros(self.num_envs, dtype=torch.bool, device=device)
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long, device=device)
        self.common_step_counter = 0
        self.extras: dict[str, Any] = {}
        self.after_step: list[Callable[[], None]] = []

    @property
    def measured_heights(self) -> torch.Tensor:
        """Heights of the ground at ``height_points``, m, (N, P), computed when they are first read in a state."""
        if self._measured_heights is None:
            self._measured_heights = self._get_heights()
        return self._measured_heights

    @measured_heights.setter
    def measured_heights(self, heights: torch.Tensor) -> None:
        self._measured_heights = heights

    def _get_heights(self, env_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Return the ground's heights at ``height_points`` of all robots or of ``env_ids``, (n,), m, (n, P)."""
        heights = self.ground.heights_around(self.root_states)
        return heights if env_ids is None else heights[env_ids]

    def _mask(self, env_ids: torch.Tensor) -> torch.Tensor:
        """Return robots, given as indices or as a mask, as a mask, bool, (N,)."""
        robots = robots_of(env_ids, self.num_envs, self.device)
        if robots.dtype == torch.bool:
            return robots
        mask = torch.zeros_like(self.reset_buf, dtype=torch.bool)
        mask[robots] = True
        return mask

    def _call(self, hook: str, mask: torch.Tensor) -> None:
        """Call a hook for the robots in a mask, bool, (N,). An override gets indices, our own hook the mask."""
        if hook in self._overridden:
            getattr(self, hook)(mask.nonzero().flatten())
        elif devices.pays(mask):
            getattr(self, hook)(mask)

    @property
    def privileged_obs_buf(self) -> torch.Tensor | None:
        """The critic's privileged observation, (N, P), None at first. :meth:`compute_observations` may set it."""
        observed = self.__dict__.get("_observations")
        return None if observed is None else observed["privileged"]

    @privileged_obs_buf.setter
    def privileged_obs_buf(self, value: torch.Tensor | None) -> None:
        self._own_privileged = value

    unwrapped, step_dt = property(lambda task: task), property(lambda task: task.dt)
    num_obs = _counted("num_observations", lambda task: task.obs_buf.shape[1])
    num_privileged_obs = _counted("num_privileged_obs", lambda task: task._observations["privileged"].shape[1])

    # --- creation -------------- ------------------------------------------------------------------------------------

    def _make_terrain(self, cfg: LeggedRobotCfg, seed: int) -> Terrain:
        return Terrain(cfg.terrain, seed)

    def _parse_cfg(self, cfg: LeggedRobotCfg) -> None:
        """Store settings that every step reads. The simulation does not exist yet."""
        if cfg.terrain.mesh_type == "trimesh":
            print("terrain.mesh_type 'trimesh': the ground is the height field, 'heightfield'")
            cfg.terrain.mesh_type = "heightfield"
        if cfg.terrain.observe_heights is None:
            cfg.terrain.observe_heights = cfg.terrain.measure_heights
        self.dt, self.max_episode_length_s = cfg.control.decimation * cfg.sim.dt, cfg.env.episode_length_s
        self.max_episode_length = max(1, round(cfg.env.episode_length_s / self.dt))
        self.obs_scales = cfg.normalization.obs_scales
        values = cfg.to_dict()
        self.reward_scales, self.command_ranges = values["rewards"]["scales"], values["commands"]["ranges"]

    def _bind_simulator(self) -> None:
        """Keep references to the simulator's tensors, which it updates in place."""
        sim = self.sim
        self.dof_names, self.body_names = sim.dof_names, sim.body_names
        self.root_states, self.dof_pos, self.dof_vel = sim.root_states, sim.dof_pos, sim.dof_vel
        self.contact_forces, self.rigid_body_states = sim.contact_forces, sim.rigid_body_states
        self.dof_vel_limits, self.torque_limits = sim.dof_vel_limits, sim.torque_limits
        # A joint without limits has no middle.
        middle = sim.dof_pos_limits.mean(dim=1, keepdim=True).nan_to_num(0.0)
        soft = middle + self.cfg.rewards.soft_dof_pos_limit * (sim.dof_pos_limits - middle)
        self.dof_pos_limits = sim.dof_pos_limits if self.cfg.rewards.soft_dof_pos_limit == 1.0 else soft
        self.rand = DomainRand(self.cfg, sim)
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
        asset, key = self.cfg.asset, "asset.terminate_after_contacts_on"
        feet = self._links("asset.foot_name", [asset.foot_name])
        # The base of many robots is called "base_footprint".
        self.feet_indices = feet[feet > 0] if len(feet) > 1 else feet
        self.foot_names = [self.body_names[index] for index in self.feet_indices.tolist()]
        """Links of the feet, F, in the order of contacts."""
        self.penalised_contact_indices = self._links("asset.penalize_contacts_on", asset.penalize_contacts_on)
        self.termination_contact_indices = self._links(key, asset.terminate_after_contacts_on)
        for part in asset.terminate_after_contacts_on:
            self._require_shapes(key, part, self._links(key, [part]), any)
        self._require_shapes("asset.foot_name", asset.foot_name, self.feet_indices, all)

    def _require_shapes(self, key: str, part: str, links: torch.Tensor, enough: Callable[[Any], bool]) -> None:
        touching = self.sim.scene.touching
        if not enough(touching[links.tolist()]):
            blind = ", ".join(name for name, touches in zip(self.body_names, touching, strict=True) if not touches)
            raise ConfigError(f"config key '{key}': '{part}' names links without collision shapes: {blind}")

    def _links(self, key: str, parts: list[str]) -> torch.Tensor:
        """Return the indices of links with these parts in their names, (n,)."""
        indices = link_indices(key, parts, self.body_names, self.sim.scene.merged)
        return torch.tensor(indices, dtype=torch.long, device=self.device)

    def _init_buffers(self) -> None:
        """Allocate the tensors. The simulator's exist already."""
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
        self.actions = self.last_actions = self.last_last_actions = torch.zeros(n, self.num_dof, device=device)
        self.torques = torch.zeros_like(self.actions)
        self._start_positions = torch.zeros(n, 2, device=device)
        self.feet_air_time = torch.zeros(n, len(self.feet_indices), device=device)
        self._last_touching = torch.zeros_like(self.feet_air_time, dtype=torch.bool)
        self.feet_contact = self.feet_touchdown = self._has_touched = self.last_contacts = self._last_touching
        self.swing_time, self._air_time = self.feet_air_time, self.feet_air_time.clone()
        self._fresh, self.diverged = torch.zeros_like(self.reset_buf), torch.zeros_like(self.reset_buf)
        self.divergence = DivergenceLog(n, self.num_dof, self.num_actions, self.dt, device)
        self._aim = self.default_dof_pos.expand(n, -1)
        self._asked = torch.zeros(n, 3, device=device)
        self._device_steps = torch.zeros((), dtype=torch.long, device=device)
        self.last_dof_vel, self.last_root_vel = torch.zeros_like(self.actions), torch.zeros(n, 6, device=device)
        self._commands = VelocityCommands(cfg, n, self.dt, device)
        self.commands, self.commands_scale = self._commands.values, torch.tensor(self._command_scales(), device=device)
        self._pushes = Pushes(cfg, n, self.dt, device)

    def _moving(self, key: str, angles: dict[str, float]) -> dict[str, float]:
        """Return the angles without those of joints that are fixed in the robot's file. Warn if these are not 0."""
        fixed = self.sim.scene.robot.fixed_joints
        bent = [f"{name} ({angle:g})" for name, angle in angles.items() if name in fixed and angle != 0.0]
        if bent:
            text = f"config key '{key}': these joints are fixed in the robot's file and stay at 0: {', '.join(bent)}"
            warnings.warn(text, stacklevel=5)
        return {name: angle for name, angle in angles.items() if name not in fixed}

    def _check_pose(self, key: str) -> None:
        """Refuse a default pose that the joints can't reach."""
        pose, scene = dict(zip(self.dof_names, self.default_dof_pos[0].tolist(), strict=True)), self.sim.scene
        check_ties(scene.model, scene.robot.path, pose)
        for (name, angle), (low, high) in zip(pose.items(), self.sim.dof_pos_limits.tolist(), strict=True):
            if not low - 1e-6 <= angle <= high + 1e-6:
                limits = f"{low:g} and {high:g}"
                raise ConfigError(f"config key '{key}.{name}' is {angle:g}, the joint's limits are {limits}")

    def _init_height_points(self) -> torch.Tensor:
        """Return the points at which heights are measured, m, relative to the base in its yaw frame, (N, P, 3)."""
        axes = (self.cfg.terrain.measured_points_x, self.cfg.terrain.measured_points_y)
        grid = torch.meshgrid(*(torch.tensor(axis, device=self.device) for axis in axes), indexing="ij")
        x, y = (coordinate.ravel() for coordinate in grid)
        return torch.stack((x, y, torch.zeros_like(x)), dim=1).expand(self.num_envs, -1, 3)

    def _prepare_reward_function(self) -> None:
        """Find the method of every reward with a scale, and declare the logged metrics."""
        self._reward_sum = RewardSum(self, self.reward_scales, self.dt, self.cfg.rewards.only_positive_rewards)
        self.reward_names, self.reward_functions = self._reward_sum.names, self._reward_sum.functions
        self.reward_scales = dict(self._reward_sum.given)
        judged = self.cfg.commands.curriculum and "update_command_curriculum" not in self._overridden
        if judged and "tracking_lin_vel" not in self.reward_names:
            raise ConfigError(
                "config key 'commands.curriculum' needs rewards.scales.tracking_lin_vel, which is not set"
            )
        self._reward_totals = torch.zeros(self.num_envs, len(self.reward_names), device=self.device)
        self.episode_sums = {name: self._reward_totals[:, i] for i, name in enumerate(self.reward_names)}
        self.reward_rates = torch.zeros(self.num_envs, len(self.reward_names), device=self.device)
        groups = {
            "rewards": ("mean", [tags.REWARD + name for name in self.reward_names]),
            "tracking": ("rms", list(tags.VELOCITY_ERRORS.values())),
            "terrain": ("mean", [tags.TERRAIN_LEVEL]),
            "episodes": ("share", [tags.FALLS, tags.TIME_OUTS, tags.DIVERGED]),
        }
        self.statistics = Statistics(self.cfg.env.log_interval, self.num_envs, self.device, groups)
