"""Adapts any task to the evaluation: everything that the task would draw at random comes from the trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from legged_gym.common.controller_rules import apply_dead_band
from legged_gym.common.rotations import quat_from_euler_xyz, quat_mul, quat_rotate_inverse
from legged_gym.envs.base.given import hold
from legged_gym.envs.base.legged_robot import LeggedRobot
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.observations import ObservationLayout
from legged_gym.envs.base.pushes import Pushes
from legged_gym.envs.base.start_states import StartStates
from legged_gym.envs.base.terrain import Terrain
from legged_gym.envs.base.velocity_commands import VelocityCommands
from legged_gym.evaluation.scenarios import PLANE
from legged_gym.evaluation.terrain import TERRAINS, EvaluationTerrain
from legged_gym.evaluation.trials import Trials


class PlannedCommands(VelocityCommands):
    """Commands that are given: every step ends with those in ``next``, (N, 3)."""

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, dt: float, device: str) -> None:
        """Take the arguments of :class:`VelocityCommands`."""
        super().__init__(cfg, num_envs, dt, device)
        self.next = torch.zeros_like(self.values[:, :3])

    def due(self, episode_length: torch.Tensor) -> torch.Tensor:
        """Return True for all robots, (N,)."""
        return torch.ones_like(episode_length, dtype=torch.bool)

    def resample(self, mask: torch.Tensor) -> None:
        """Set the commands of the robots in ``mask``. Components in the dead band become zero."""
        planned, present = apply_dead_band(self.next, self._dead_band), self.values[:, :3]
        present.copy_(torch.where(mask.unsqueeze(1), planned, present))

    def turn(self, quat: torch.Tensor) -> None:
        """Keep the planned yaw rate, without a heading."""


class PlannedPushes(Pushes):
    """Pushes that are given: those in ``next``, m/s, (N, 2)."""

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, dt: float, device: str) -> None:
        """Take the arguments of :class:`Pushes`."""
        super().__init__(cfg, num_envs, dt, device)
        self.next = torch.zeros(num_envs, 2, device=device)

    def due(self, episode_length: torch.Tensor) -> torch.Tensor:
        """Return the robots that are pushed, (N,)."""
        return (self.next != 0.0).any(dim=1)

    def push(self, velocity: torch.Tensor) -> torch.Tensor:
        """Return base velocities, (N, 6), with the pushes."""
        return torch.cat((velocity[:, :2] + self.next, velocity[:, 2:]), dim=1)


class PlannedStarts(StartStates):
    """Start states that are given."""

    def __init__(self, *args: Any) -> None:
        """Take the arguments of :class:`StartStates`. At first all robots start in the default pose."""
        super().__init__(*args)
        n = self.ground.num_envs
        self._planned_root = self.root.repeat(n, 1)
        self._planned_dof_pos = self._default.repeat(n, 1)

    def plan(
        self, position: torch.Tensor, attitude: torch.Tensor, velocity: torch.Tensor, dof_pos: torch.Tensor
    ) -> None:
        """Set all starts: x and y, m; roll, pitch, yaw, rad; velocities; deviations from the default angles, rad."""
        root = self.root.repeat(len(position), 1)
        root[:, :2] = position
        root[:, 2] += self.ground.height_at(root)
        root[:, 3:7] = quat_mul(quat_from_euler_xyz(*attitude.unbind(1)), root[:, 3:7])
        root[:, 7:13] += velocity
        self._planned_root = root
        self._planned_dof_pos = torch.clamp(self._default + dof_pos, self._limits[:, 0], self._limits[:, 1])

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the start states of all robots; see :meth:`StartStates.draw`."""
        return self._planned_root, self._planned_dof_pos, torch.zeros_like(self._planned_dof_pos)


class PlannedNoise(ObservationLayout):
    """Observation terms whose noise is given: ``next``, (N, O), within ±1 or more."""

    def __init__(self, *args: Any, num_envs: int) -> None:
        """Take the arguments of :class:`ObservationLayout`, and the number of robots."""
        super().__init__(*args)
        self.next = torch.zeros(num_envs, self.size, device=self.noise_vec.device)
        self.mounts: torch.Tensor | None = None
        """Rotation from the base's axes to the IMU's, (N, 3, 3)."""

    def add_noise(self, clean: torch.Tensor) -> torch.Tensor:
        """Return the observation with noise, (N, O)."""
        if self.mounts is not None:
            clean = clean.clone()
            for term, where in zip(self.terms, self.slices.values(), strict=True):
                if term.imu:
                    clean[:, where] = torch.einsum("nij,nj->ni", self.mounts, clean[:, where])
        return clean + self.next * self.noise_vec


class EvaluationTask(LeggedRobot):
    """A task whose blocks of robots run different scenarios. :func:`evaluation_class` mixes it into a task's class.

    Call :meth:`begin` once, then :meth:`prepare_step` before each step.
    """

    _commands: PlannedCommands
    _pushes: PlannedPushes
    _start_states: PlannedStarts
    obs_layout: PlannedNoise
    _right_leads: torch.Tensor

    def begin(self, blocks: Sequence[Trials]) -> None:
        """Give all robots their trials, and move them to the start.

        Args:
            blocks: Trials, one for each robot in total. Each block gets the next robots.
        """
        self._blocks = list(blocks)
        self._commands_plan, self._pushes_plan = (self._side_by_side(name, dim=1) for name in ("commands", "pushes"))
        self._set_robots()
        self._set_starts()
        self._mount_imus()
        self._draw_noise()
        self._commands.next.copy_(self._commands_plan[0])
        self.reset()

    def prepare_step(self, step: int) -> None:
        """Set the pushes of a step, counted from 0, and the command and noise after it."""
        self._pushes.next.copy_(self._pushes_plan[step])
        self._commands.next.copy_(self._commands_plan[step + 1])
        self._draw_noise()

    def _set_robots(self) -> None:
        """Set the parameters that differ between robots."""
        rand = self.rand
        rand.physics = dataclasses.replace(
            rand.physics, friction=self._side_by_side("friction"), added_mass=self._side_by_side("payload")
        )
        rand.base_mass = self.sim.base_mass + rand.physics.added_mass
        self.sim.set_parameters(rand.physics)
        rand.stiffness_multiplier.copy_(self._side_by_side("p_gain").unsqueeze(1))
        rand.damping_multiplier.copy_(self._side_by_side("d_gain").unsqueeze(1))
        # In addition to the robot's own, identified values.
        known = rand.motors.ranges["zero_offset"].draw(torch.zeros_like(rand.joint_offset))
        self._joint_offset.copy_(known + self._side_by_side("zero_offset"))
        self._action_delay.copy_(self._side_by_side("action_delay"))
        self._observation_delay.copy_(self._side_by_side("observation_delay"))

    def _set_starts(self) -> None:
        terrains = [ground for block in self._blocks for ground in block.terrains]
        position = self._side_by_side("position")
        if self.ground.has_terrain:
            names = list(TERRAINS)
            self.ground.types.copy_(torch.tensor([names.index(ground) for ground in terrains]))
            self.ground.set_levels(torch.zeros_like(self.ground.levels))
            position = position + self.ground.env_origins[:, :2]
        elif any(ground != PLANE for ground in terrains):
            raise ValueError(f"a plane has no {set(terrains) - {PLANE}}")
        attitude, velocity, dof_pos = (self._side_by_side(name) for name in ("attitude", "velocity", "dof_pos"))
        self._start_states.plan(position, attitude, velocity, dof_pos)
        self._right_leads = self._side_by_side("right_leads")

    def _mount_imus(self) -> None:
        """Tilt each robot's IMU by its scenario's angle, about a horizontal axis that changes with the trial."""
        angles = [(block.scenario.imu_tilt, 2.4 * trial) for block in self._blocks for trial in range(block.count)]
        if not any(tilt for tilt, _ in angles):
            return
        tilt, about = torch.tensor(angles, device=self.device).unbind(1)
        axis = torch.stack((about.cos(), about.sin(), torch.zeros_like(about)), dim=1)
        turns = torch.cat((axis * (0.5 * tilt).sin().unsqueeze(1), (0.5 * tilt).cos().unsqueeze(1)), dim=1)
        columns = [quat_rotate_inverse(turns, unit.expand(len(turns), 3)) for unit in torch.eye(3, device=self.device)]
        self.obs_layout.mounts = torch.stack(columns, dim=2)

    def _draw_noise(self) -> None:
        noise = np.concatenate([block.sensor_noise(self.obs_layout.size) for block in self._blocks])
        self.obs_layout.next.copy_(torch.from_numpy(noise))

    def _side_by_side(self, name: str, dim: int = 0) -> torch.Tensor:
        """Return an array of all trials, joined along the robots' dimension."""
        arrays = [getattr(block, name) for block in self._blocks]
        return torch.from_numpy(np.concatenate(arrays, axis=dim)).to(self.device)

    # --- what the task would draw ------------------------------------------------------------------------------------

    def _make_terrain(self, cfg: LeggedRobotCfg, seed: int) -> Terrain:
        return EvaluationTerrain(cfg.terrain, seed)

    # A task's own class must not draw anything here.
    _reset_dofs = LeggedRobot._reset_dofs
    _reset_root_states = LeggedRobot._reset_root_states
    _resample_commands = LeggedRobot._resample_commands
    _push_robots = LeggedRobot._push_robots

    def _init_buffers(self) -> None:
        super()._init_buffers()
        # A task's own callback is still called, because it may do other things.
        self._callback_renews = self._callback_pushes = False
        cfg, n, device = self.cfg, self.num_envs, self.device
        self._commands = PlannedCommands(cfg, n, self.dt, device)
        hold(self, "commands", self._commands.values)
        self._pushes = PlannedPushes(cfg, n, self.dt, device)
        self._start_states = PlannedStarts(
            cfg, self.ground, self.default_dof_pos, self.sim.dof_pos_limits, self.dof_names
        )
        self._right_leads = torch.zeros(n, dtype=torch.bool, device=device)
        self._joint_offset = torch.zeros(n, self.num_dof, device=device)
        self._action_delay, self._observation_delay = torch.zeros(n, device=device), torch.zeros(n, device=device)

    def _place(self, mask: torch.Tensor) -> None:
        # Replaces the values that were just drawn, before anything is measured.
        self.rand.joint_offset.copy_(self._joint_offset)
        self.rand.action_delay.copy_(self._action_delay)
        self.rand.observation_delay.copy_(self._observation_delay)
        super()._place(mask)

    def _prepare_observations(self) -> None:
        super()._prepare_observations()
        self.obs_layout = PlannedNoise(
            self._observation_terms(), self.device, self.cfg.noise.noise_level, num_envs=self.num_envs
        )


def evaluation_class(task: type[LeggedRobot]) -> type[EvaluationTask]:
    """Return a task's class with :class:`EvaluationTask` mixed in; a gait clock begins as planned, with no stepper."""
    leads = {"_draw_leads": lambda t: t._right_leads, "_draw_steppers": lambda t: torch.zeros_like(t._right_leads)}
    return type(f"Evaluation{task.__name__}", (EvaluationTask, task), leads if hasattr(task, "_draw_leads") else {})
