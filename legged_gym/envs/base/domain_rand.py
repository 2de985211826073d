"""What differs between one robot and the next: drawn once here, run by the simulator, read by the critic."""

from __future__ import annotations

from functools import partial

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.latency import Latency
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.motors import Motors
from legged_gym.envs.base.observations import ObsTerm
from legged_gym.simulators import PhysicsParameters, Simulator

_JOINT_DYNAMICS = {"joint_friction": "dry_friction", "joint_damping": "viscous_friction", "joint_armature": "armature"}
"""What :class:`PhysicsParameters` holds of the joints, and the settings of ``motors`` that take its place."""

_MULTIPLIERS = ("stiffness_multiplier", "damping_multiplier", "torque_multiplier")


class DomainRand:
    """Holds each robot's randomised values.

    Physical parameters, ``physics``, are drawn once, at creation: a robot keeps its body. What belongs to its motors
    and their drivers is drawn anew at every reset: ``stiffness_multiplier``, ``damping_multiplier``,
    ``torque_multiplier`` and ``joint_offset``, rad, all (N, D), ``action_delay`` and ``observation_delay``, s, (N,).
    ``base_mass`` is that of the base link, kg, (N,). The section ``domain_rand`` says what they mean.
    """

    def __init__(self, cfg: LeggedRobotCfg, sim: Simulator) -> None:
        """Draw the physical parameters, or refuse what can't be; motors are nominal until :meth:`redraw_motors`."""
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
        ones = torch.ones(num_envs, num_dof, device=device)
        self.stiffness_multiplier, self.damping_multiplier, self.torque_multiplier = (ones.clone() for _ in range(3))
        self.joint_offset = torch.zeros(num_envs, num_dof, device=device)
        self._drawn = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self.action_delay = torch.zeros(num_envs, device=device)
        self.observation_delay = torch.zeros(num_envs, device=device)

    def redraw_motors(self, mask: torch.Tensor) -> None:
        """Give the robots in ``mask`` (bool, (N,)) other motors, and other delays."""
        if self.cfg.redraw_gains:
            self._redraw_drives(mask)
        else:
            self._redraw_drives(mask & ~self._drawn)
            self._drawn |= mask
        self.latency.reset(mask)
        if self.delays_actions:
            self._redraw(self.action_delay, self.cfg.action_delay_range, mask)
        if self.delays_observations:
            self._redraw(self.observation_delay, self.cfg.observation_delay_range, mask)

    def _redraw_drives(self, mask: torch.Tensor) -> None:
        cfg = self.cfg
        for name in _MULTIPLIERS if cfg.randomize_gains else ():
            self._redraw(getattr(self, name), getattr(cfg, f"{name}_range"), mask)
        if cfg.randomize_joint_offset:
            self._redraw(self.joint_offset, cfg.joint_offset_range, mask)
        for name, values in (("strength", self.torque_multiplier), ("zero_offset", self.joint_offset)):
            if self.motors.ranges[name].given:
                values.copy_(torch.where(mask.unsqueeze(1), self.motors.ranges[name].draw(values), values))

    @property
    def delays_actions(self) -> bool:
        """Whether any action may be late."""
        return max(self.cfg.action_delay_range) > 0.0 or self.latency.on_actions

    @property
    def delays_observations(self) -> bool:
        """Whether any sensor may be late."""
        return max(self.cfg.observation_delay_range) > 0.0 or self.latency.on_observations

    def privileged_terms(self) -> list[ObsTerm]:
        """Declare all randomised values as the critic sees them, 8 + 4 D components; of joint dynamics the first's."""
        return [
            ObsTerm("friction", lambda: self.physics.friction.unsqueeze(1), mirror="same"),
            ObsTerm("base_mass", lambda: self.base_mass.unsqueeze(1) / 20.0, mirror="same"),
            ObsTerm("added_com", lambda: self.physics.added_com, mirror="vector"),
            *[ObsTerm(name, partial(self._of_first_joint, name), mirror="same") for name in _JOINT_DYNAMICS],
            *[ObsTerm(name, partial(getattr, self, name), mirror="joint_sizes") for name in _MULTIPLIERS],
            ObsTerm("joint_offset", lambda: self.joint_offset, mirror="joints"),
        ]

    def further_privileged_terms(self) -> list[ObsTerm]:
        """Declare what the critic sees of ``motors``, D components each, and of ``latency``: what is on."""
        terms = []
        if self._motor_values():
            terms.append(ObsTerm("motors", lambda: torch.cat(self._motor_values(), dim=1), mirror="joint_sizes"))
        if self.latency.privileged():
            terms.append(ObsTerm("latency", lambda: torch.cat(self.latency.privileged(), dim=1), mirror="same"))
        return terms

    def _of_first_joint(self, name: str) -> torch.Tensor:
        return getattr(self.physics, name)[:, :1]

    def _motor_values(self) -> list[torch.Tensor]:
        return self.motors.privileged({key: getattr(self.physics, name) for name, key in _JOINT_DYNAMICS.items()})

    def _draw_physics(self, cfg: LeggedRobotCfg, sim: Simulator) -> PhysicsParameters:
        rand, n = self.cfg, sim.num_envs
        com = (rand.added_com_range_x, rand.added_com_range_y, rand.added_com_range_z)
        friction = self._draw(n, rand.friction_range, rand.randomize_friction, cfg.terrain.friction)
        added_mass = self._draw(n, rand.added_mass_range, rand.randomize_base_mass)
        added_com = torch.stack([self._draw(n, axis, rand.randomize_base_com) for axis in com], dim=1)
        # Drawn: one value for all joints of a robot. Those that `motors` names get their own.
        joints = {
            name: self._draw(n, getattr(rand, f"{name}_range"), True).unsqueeze(1).repeat(1, sim.num_dof)
            if rand.randomize_joint_dynamics
            else getattr(sim, name).repeat(n, 1)
            for name in _JOINT_DYNAMICS
        }
        joints = {name: self.motors.ranges[key].draw(joints[name]) for name, key in _JOINT_DYNAMICS.items()}
        return PhysicsParameters(friction=friction, added_mass=added_mass, added_com=added_com, **joints)

    def typical_joints(self, cfg: LeggedRobotCfg, sim: Simulator) -> dict[str, torch.Tensor]:
        """Return the middle of what is drawn for ``joint_armature``, ``joint_damping`` and ``joint_friction``, (D,)."""
        middles = {}
        for name, key in _JOINT_DYNAMICS.items():
            told = getattr(sim, name)
            low, high = getattr(cfg.domain_rand, f"{name}_range")
            drawn = torch.full_like(told, 0.5 * (low + high)) if cfg.domain_rand.randomize_joint_dynamics else told
            middles[name] = self.motors.ranges[key].middle(drawn)
        return middles

    def _draw(self, n: int, bounds: list[float], enabled: bool, nominal: float = 0.0) -> torch.Tensor:
        if not enabled:
            return torch.full((n,), nominal, device=self.device)
        low, high = bounds
        return low + (high - low) * torch.rand(n, device=self.device)

    def _redraw(self, values: torch.Tensor, bounds: list[float], mask: torch.Tensor) -> None:
        low, high = bounds
        rows = mask.view(-1, *[1] * (values.dim() - 1))
        values.copy_(torch.where(rows, low + (high - low) * torch.rand_like(values), values))
