"""What differs between one robot and the next: drawn once here, run by the simulator, read by the critic."""

from __future__ import annotations

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.latency import Latency
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.motors import Motors
from legged_gym.simulators import PhysicsParameters, Simulator


class DomainRand:
    """Holds each robot's randomised values.

    Physical parameters are drawn once, at creation: a robot keeps its body. What belongs to its motors and their
    drivers is drawn anew at every reset.

    ==================== ======= ===========================================
    tensor               shape   meaning
    ==================== ======= ===========================================
    physics              —       see :class:`PhysicsParameters`
    motors, latency      —       see :class:`Motors` and :class:`Latency`
    stiffness_multiplier (N, D)  of the P gain
    damping_multiplier   (N, D)  of the D gain
    torque_multiplier    (N, D)  of the torque that the gains give
    joint_offset         (N, D)  measured minus true joint angle, rad
    base_mass            (N,)    mass of the base link, kg
    action_delay         (N,)    time until an action reaches the motors, s
    observation_delay    (N,)    age of what the sensors tell, s
    ==================== ======= ===========================================
    """

    def __init__(self, cfg: LeggedRobotCfg, sim: Simulator) -> None:
        """Draw the physical parameters; motors are nominal until the first :meth:`redraw_motors`.

        Args:
            cfg: The task's configuration; ``domain_rand``, ``motors``, ``latency`` and ``terrain.friction`` are read.
            sim: The simulation, which knows what the robot's file tells of its base and its joints.

        Raises:
            ConfigError: ``added_mass_range`` could leave a base without mass, or a setting of ``motors`` or ``latency``
                can't be.
        """
        self.cfg = cfg.domain_rand
        num_envs, num_dof, base_mass, device = sim.num_envs, sim.num_dof, sim.base_mass, sim.device
        lightest = base_mass + min(self.cfg.added_mass_range)
        if self.cfg.randomize_base_mass and lightest <= 0.0:
            raise ConfigError(
                f"config key 'domain_rand.added_mass_range' is {self.cfg.added_mass_range}, "
                f"but the base weighs only {base_mass:.2f} kg"
            )
        self.device = device
        self.motors = Motors(cfg, num_envs, sim.dof_names, device)
        self.latency = Latency(cfg, num_envs, num_dof, cfg.control.decimation * cfg.sim.dt, device)
        self.physics = self._draw_physics(cfg, sim)
        self.base_mass = base_mass + self.physics.added_mass
        self.stiffness_multiplier = torch.ones(num_envs, num_dof, device=device)
        self.damping_multiplier = torch.ones(num_envs, num_dof, device=device)
        self.torque_multiplier = torch.ones(num_envs, num_dof, device=device)
        self.joint_offset = torch.zeros(num_envs, num_dof, device=device)
        self.action_delay = torch.zeros(num_envs, device=device)
        self.observation_delay = torch.zeros(num_envs, device=device)

    def redraw_motors(self, mask: torch.Tensor) -> None:
        """Give the robots in ``mask`` (bool, (N,)) other motors."""
        cfg = self.cfg
        if cfg.randomize_gains:
            self._redraw(self.stiffness_multiplier, cfg.stiffness_multiplier_range, mask)
            self._redraw(self.damping_multiplier, cfg.damping_multiplier_range, mask)
            self._redraw(self.torque_multiplier, cfg.torque_multiplier_range, mask)
        if cfg.randomize_joint_offset:
            self._redraw(self.joint_offset, cfg.joint_offset_range, mask)
        for name, values in (("strength", self.torque_multiplier), ("zero_offset", self.joint_offset)):
            if self.motors.ranges[name].given:
                values.copy_(torch.where(mask.unsqueeze(1), self.motors.ranges[name].draw(values), values))
        self.latency.reset(mask)
        if self.delays_actions:
            self._redraw(self.action_delay, cfg.action_delay_range, mask)
        if self.delays_observations:
            self._redraw(self.observation_delay, cfg.observation_delay_range, mask)

    @property
    def delays_actions(self) -> bool:
        """Whether any action may be late."""
        return max(self.cfg.action_delay_range) > 0.0 or self.latency.on_actions

    @property
    def delays_observations(self) -> bool:
        """Whether any sensor may be late."""
        return max(self.cfg.observation_delay_range) > 0.0 or self.latency.on_observations

    def privileged(self) -> torch.Tensor:
        """Return all randomised values as the critic sees them, (N, 8 + 4 D); of joint dynamics the first joint's."""
        physics = self.physics
        joints = (physics.joint_friction, physics.joint_damping, physics.joint_armature)
        return torch.cat(
            (
                physics.friction.unsqueeze(1),
                self.base_mass.unsqueeze(1) / 20.0,
                physics.added_com,
                torch.stack([values[:, 0] for values in joints], dim=1),
                self.stiffness_multiplier,
                self.damping_multiplier,
                self.torque_multiplier,
                self.joint_offset,
            ),
            dim=1,
        )

    def further_privileged(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return what the critic sees of ``motors``, each (N, D), and of ``latency``, each (N, 1): what is on."""
        joints = {
            "armature": self.physics.joint_armature,
            "dry_friction": self.physics.joint_friction,
            "viscous_friction": self.physics.joint_damping,
        }
        return self.motors.privileged(joints), self.latency.privileged()

    def _draw_physics(self, cfg: LeggedRobotCfg, sim: Simulator) -> PhysicsParameters:
        rand, motors, n = cfg.domain_rand, self.motors.ranges, sim.num_envs
        com = (rand.added_com_range_x, rand.added_com_range_y, rand.added_com_range_z)
        joints = rand.randomize_joint_dynamics
        friction = self._draw(n, rand.friction_range, rand.randomize_friction, cfg.terrain.friction)
        added_mass = self._draw(n, rand.added_mass_range, rand.randomize_base_mass)
        added_com = torch.stack([self._draw(n, axis, rand.randomize_base_com) for axis in com], dim=1)
        # Drawn: one value for all joints of a robot. Those that `motors` names get their own.
        told_by_file = (sim.joint_friction, sim.joint_damping, sim.joint_armature)
        ranges = (rand.joint_friction_range, rand.joint_damping_range, rand.joint_armature_range)
        dry, viscous, armature = (
            self._draw(n, bounds, joints).unsqueeze(1).repeat(1, sim.num_dof) if joints else told.repeat(n, 1)
            for bounds, told in zip(ranges, told_by_file, strict=True)
        )
        return PhysicsParameters(
            friction=friction,
            added_mass=added_mass,
            added_com=added_com,
            joint_friction=motors["dry_friction"].draw(dry),
            joint_damping=motors["viscous_friction"].draw(viscous),
            joint_armature=motors["armature"].draw(armature),
        )

    def _draw(self, n: int, bounds: list[float], enabled: bool, nominal: float = 0.0) -> torch.Tensor:
        if not enabled:
            return torch.full((n,), nominal, device=self.device)
        low, high = bounds
        return low + (high - low) * torch.rand(n, device=self.device)

    def _redraw(self, values: torch.Tensor, bounds: list[float], mask: torch.Tensor) -> None:
        low, high = bounds
        rows = mask.view(-1, *[1] * (values.dim() - 1))
        values.copy_(torch.where(rows, low + (high - low) * torch.rand_like(values), values))
