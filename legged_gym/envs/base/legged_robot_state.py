"""What a legged robot's task holds, by legged_gym's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict

from legged_gym.envs.base.base_task import BaseTask
from legged_gym.envs.base.domain_rand import DomainRand
from legged_gym.envs.base.ground import Ground
from legged_gym.envs.base.hooks import FreshTensors, missing
from legged_gym.envs.base.observations import ObservationLayout
from legged_gym.envs.base.reward_sum import RewardSum
from legged_gym.envs.base.start_states import StartStates
from legged_gym.envs.base.velocity_commands import VelocityCommands
from legged_gym.simulators import Simulator


class LeggedRobotState(BaseTask):
    """The tensors of a task.

    State tensors (``dof_pos``, ``dof_vel``, ``root_states``, ``contact_forces``, ``rigid_body_states``) are the
    simulator's own, refreshed in place; see :class:`~legged_gym.simulators.Simulator` for shapes and frames.

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
    last_root_vel       (N, 6)    linear and angular velocity of the base one control step ago, world frame
    torques             (N, D)    of the last physics step, N·m
    contact_magnitudes  (N, B)    net contact force of each link, N
    diverged            (N,)      bool: the simulation of the robot diverged in the last step
    feet_contact        (N, F)    bool: the foot touches now or did one step ago
    feet_air_time       (N, F)    seconds since each foot last touched
    measured_heights    (N, P)    of the ground around the base, m
    reward_rates        (N, R)    scaled reward terms of the last step, per second, as ``reward_names`` lists them
    p_gains, d_gains    (D,)      nominal gains, N·m/rad and N·m·s/rad
    torque_limits       (D,)      N·m
    dof_pos_limits      (D, 2)    rad; ``soft_dof_pos_limit`` of the range, the whole is ``sim.dof_pos_limits``
    =================== ========= ==================================================================

    Attributes:
        command_ranges: Lowest and highest command by name, as ``commands.ranges``; changes count from the next step.
        reward_scales: Scale of each reward times the control step, without those that are 0; changes count as well.
        episode_sums: Sum of each scaled reward in the episode, by name, each (N,).
        reward_functions: The methods of ``reward_names``, without ``termination``, which is the last of these.
        base_init_state: Start state of the base without noise, relative to the middle of a tile, (13,).
        terrain_levels, terrain_types: Row and column of each robot's tile, (N,).
        terrain_origins: Middle of every tile, m, world frame, (rows, columns, 3).
        friction_coeffs: Friction of each robot's ground, (N, 1).
    """

    sim: Simulator
    rand: DomainRand
    ground: Ground
    dt: float
    max_episode_length_s: float
    init_done = False
    debug_viz = False
    up_axis_idx = 2
    obs_scales: Any
    command_ranges: dict[str, list[float]]
    reward_scales: dict[str, float]
    root_states: torch.Tensor
    rigid_body_states: torch.Tensor
    contact_forces: torch.Tensor
    dof_pos: torch.Tensor
    dof_vel: torch.Tensor
    dof_pos_limits: torch.Tensor
    dof_vel_limits: torch.Tensor
    torque_limits: torch.Tensor
    base_lin_vel: torch.Tensor
    base_ang_vel: torch.Tensor
    base_height: torch.Tensor
    projected_gravity: torch.Tensor
    measured_dof_pos: torch.Tensor
    default_dof_pos: torch.Tensor
    commands: torch.Tensor
    commands_scale: torch.Tensor
    actions: torch.Tensor
    last_actions: torch.Tensor
    last_dof_vel: torch.Tensor
    last_root_vel: torch.Tensor
    torques: torch.Tensor
    p_gains: torch.Tensor
    d_gains: torch.Tensor
    feet_indices: torch.Tensor
    penalised_contact_indices: torch.Tensor
    contact_magnitudes: torch.Tensor
    diverged: torch.Tensor
    feet_contact: torch.Tensor
    feet_air_time: torch.Tensor
    feet_touchdown: torch.Tensor
    last_contacts: torch.Tensor
    swing_time: torch.Tensor
    obs_buf: torch.Tensor
    obs_layout: ObservationLayout
    noise_scale_vec: torch.Tensor
    height_points: torch.Tensor
    reward_rates: torch.Tensor
    _overridden: frozenset[str]
    _commands: VelocityCommands
    _start_states: StartStates
    _reward_sum: RewardSum
    _reward_totals: torch.Tensor
    episode_sums: dict[str, torch.Tensor]
    add_noise: bool
    _observations: TensorDict
    _fresh: torch.Tensor
    _measured_heights: torch.Tensor | None = None
    gym = FreshTensors()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say what to use instead of what is not there (Python only asks here when it found nothing)."""
            raise AttributeError(missing(type(self), name))

    @property
    def measured_heights(self) -> torch.Tensor:
        """Heights of the ground at ``height_points``, m, (N, P), looked up when they are first read in a state."""
        if self._measured_heights is None:
            self._measured_heights = self._get_heights()
        return self._measured_heights

    @measured_heights.setter
    def measured_heights(self, heights: torch.Tensor) -> None:
        self._measured_heights = heights

    def _get_heights(self, env_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Look up the ground's heights around robots, all or ``env_ids``, (n,), at ``height_points``, m, (n, P)."""
        heights = self.ground.heights_around(self.root_states)
        return heights if env_ids is None else heights[env_ids]

    def _mask(self, env_ids: torch.Tensor) -> torch.Tensor:
        """Return robots given by their indices, or already by a mask, as a mask, bool, (N,)."""
        if env_ids.dtype == torch.bool:
            return env_ids
        mask = torch.zeros_like(self.reset_buf)
        mask[env_ids] = True
        return mask

    def _call(self, hook: str, mask: torch.Tensor) -> None:
        """Call a hook for the robots in a mask, bool, (N,): an override gets their indices, our own the mask."""
        if hook in self._overridden:
            getattr(self, hook)(mask.nonzero().flatten())
        elif self._any(mask):
            getattr(self, hook)(mask)

    def _any(self, mask: torch.Tensor) -> bool:
        """Whether it pays to look: on a GPU asking would cost more than the work that it saves."""
        return mask.is_cuda or bool(mask.any())

    @property
    def privileged_obs_buf(self) -> torch.Tensor | None:
        """What only the critic sees, (N, P), None at first; :meth:`compute_observations` may set it."""
        observed = self.__dict__.get("_observations")
        return None if observed is None else observed["privileged"]

    @privileged_obs_buf.setter
    def privileged_obs_buf(self, value: torch.Tensor | None) -> None:
        self._own_privileged = value

    @property
    def num_obs(self) -> int:
        """Size of the policy's observation."""
        return self.obs_buf.shape[1]

    @property
    def num_privileged_obs(self) -> int:
        """Size of what only the critic sees."""
        return self._observations["privileged"].shape[1]
