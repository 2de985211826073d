"""Parameters that differ between robots: drawn here, used by the simulator, observed by the critic.

They include non-ideal motors, and delays and losses of actions and sensor data.
"""

from __future__ import annotations

import math
from functools import partial

import torch

from legged_gym.envs.base.base_config import ConfigError
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.envs.base.observations import ObsTerm
from legged_gym.simulators import PhysicsParameters, Simulator

_JOINT_DYNAMICS = {"joint_friction": "dry_friction", "joint_damping": "viscous_friction", "joint_armature": "armature"}
"""Joint fields of :class:`PhysicsParameters`, and the settings of ``motors`` that replace them."""

_MULTIPLIERS = ("stiffness_multiplier", "damping_multiplier", "torque_multiplier")

_SCALES = {
    "armature": 100.0, "dry_friction": 10.0, "viscous_friction": 10.0, "backlash": 100.0, "stall_torque": 0.05,
    "no_load_speed": 0.05,
}  # fmt: skip
"""Factors that scale values to about 1 for the critic. It observes strength and zero offset in any case."""


class JointRanges:
    """A setting of ``motors``: for each joint, the lowest and highest value of the first name part that matches."""

    def __init__(self, name: str, parts: dict[str, list[float]], joint_names: list[str], device: str) -> None:
        """Assign [lowest, highest] to the joints by parts of their names. A part that matches none is refused."""
        self.given = bool(parts)
        # Here the first matching part counts, there the last.
        ends = ({part: bounds[end] for part, bounds in reversed(parts.items())} for end in (0, 1))
        values = [joint_values(f"motors.{name}", end, joint_names, missing=math.nan) for end in ends]
        bounds = torch.tensor(values, dtype=torch.float32, device=device)
        self._named = ~bounds[0].isnan()
        self._low, self._high = bounds.nan_to_num()

    def draw(self, otherwise: torch.Tensor) -> torch.Tensor:
        """Return a value for each joint of each robot, (N, D); ``otherwise`` for joints that are not named."""
        if not self.given:
            return otherwise
        drawn = self._low + (self._high - self._low) * torch.rand_like(otherwise)
        return torch.where(self._named, drawn, otherwise)

    def middle(self, otherwise: torch.Tensor) -> torch.Tensor:
        """Return the middle of each joint's range, (D,); ``otherwise`` for joints that are not named."""
        return torch.where(self._named, 0.5 * (self._low + self._high), otherwise)


class Motors:
    """The settings of ``motors``, the values drawn from them, and their effects on torques.

    Drawn for each joint, (N, D): ``backlash``, rad, ``stall_torque``, N·m, and ``no_load_speed``, rad/s;
    :class:`~legged_gym.envs.base.sections_config.MotorSettings` describes them.
    """

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, joint_names: list[str], device: str) -> None:
        """Read the settings and draw each robot's permanent values. ``ConfigError`` if they don't fit together."""
        settings = cfg.to_dict()["motors"]
        self.ranges = {name: JointRanges(name, parts, joint_names, device) for name, parts in settings.items()}
        if self.ranges["stall_torque"].given != self.ranges["no_load_speed"].given:
            raise ConfigError("config keys 'motors.stall_torque' and 'motors.no_load_speed' belong together: give both")
        self.has_backlash, self.has_speed_line = self.ranges["backlash"].given, self.ranges["stall_torque"].given
        self.ideal = not (self.has_backlash or self.has_speed_line)
        """Whether motors are ideal."""
        nothing = torch.zeros(num_envs, len(joint_names), device=device)
        self.backlash = self.ranges["backlash"].draw(nothing)
        self.stall_torque = self.ranges["stall_torque"].draw(torch.full_like(nothing, math.inf))
        self.no_load_speed = self.ranges["no_load_speed"].draw(torch.full_like(nothing, math.inf))

    def play(self, targets: torch.Tensor, dof_pos: torch.Tensor) -> torch.Tensor:
        """Return the motors' lead over the joints within their backlash, rad, (N, D).

        A motor moves freely towards its target within the backlash, and only then turns the joint.
        """
        half = 0.5 * self.backlash
        return torch.clamp(targets - dof_pos, -half, half)

    def limit(self, torques: torch.Tensor, limits: torch.Tensor, dof_vel: torch.Tensor) -> torch.Tensor:
        """Return torques, (N, D), within the effort limits, (D,), and each motor's torque-speed line."""
        if not self.has_speed_line:
            return torch.clamp(torques, -limits, limits)
        used = dof_vel / self.no_load_speed
        highest = torch.minimum(self.stall_torque * (1.0 - used).clamp(min=0.0), limits)
        lowest = torch.minimum(self.stall_torque * (1.0 + used).clamp(min=0.0), limits)
        return torch.maximum(torch.minimum(torques, highest), -lowest)

    def privileged(self, values: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return the given settings' values for the critic, each (N, D); ``values`` are stored elsewhere."""
        values = values | {name: getattr(self, name) for name in ("backlash", "stall_torque", "no_load_speed")}
        told = [scale * values[name] for name, scale in _SCALES.items() if self.ranges[name].given]
        return [torch.nan_to_num(part, posinf=0.0) for part in told]


class Latency:
    """The settings of ``latency``, and each robot's ``values``, (N,), by the settings' names without ``_range``.

    :class:`~legged_gym.envs.base.sections_config.LatencySettings` describes them.
    """

    def __init__(self, cfg: LeggedRobotCfg, num_envs: int, num_dof: int, dt: float, device: str) -> None:
        """Draw each robot's permanent values. ``ConfigError`` names an invalid range."""
        self._dt, self._settings = dt, cfg.to_dict()["latency"]
        self._check(cfg)
        self.has_imu = self._on("imu_rate") or self._on("imu_age")
        """Whether the IMU has its own delay."""
        self.on_actions = self._on("action_jitter") or self._on("action_loss")
        self.on_observations = self.has_imu or self._on("observation_jitter") or self._on("observation_loss")
        """Whether actions, or sensors, have delays or losses beyond their constant delay."""
        self.values: dict[str, torch.Tensor] = {}
        for name, (low, high) in self._settings.items():
            drawn = torch.rand(num_envs, device=device) if high > 0.0 else torch.zeros(num_envs, device=device)
            self.values[name.removesuffix("_range")] = low + (high - low) * drawn
        self._imu_phase = torch.rand(num_envs, device=device) if self.has_imu else torch.zeros(num_envs, device=device)
        self._held = torch.zeros(num_envs, num_dof, device=device)

    def _check(self, cfg: LeggedRobotCfg) -> None:
        latest = cfg.domain_rand.action_delay_range[1] + self._settings["action_jitter_range"][1]
        if latest > self._dt + 1e-9:
            raise ConfigError(
                f"config key 'latency.action_jitter_range' makes actions come {latest:g} s late: "
                f"with domain_rand.action_delay_range that must be at most a control step, {self._dt:g} s"
            )
        low, high = self._settings["imu_rate_range"]
        if high > 0.0 and low <= 0.0:
            raise ConfigError(f"config key 'latency.imu_rate_range' must be above 0 Hz or [0, 0], got {[low, high]}")

    def _on(self, name: str) -> bool:
        return bool(self._settings[f"{name}_range"][1] > 0.0)

    def longest_age(self, delay: float) -> int:
        """Return the largest age of a sensor's value in control steps, at least 1, for this largest delay."""
        settings = self._settings
        age = delay + settings["observation_jitter_range"][1]
        age += self._dt if self._on("observation_loss") else 0.0
        imu = settings["imu_age_range"][1] + (1.0 / settings["imu_rate_range"][0] if self._on("imu_rate") else 0.0)
        return max(1, math.ceil((age + imu) / self._dt - 1e-6))

    def send(self, actions: torch.Tensor, delay: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Send a step's actions, (N, D), with a constant delay, s, (N,).

        Returns:
            The motors' actions before and after the new ones arrive, both (N, D), and the time of arrival, s, (N,).
        """
        late = delay + torch.rand_like(delay) * self.values["action_jitter"]
        before = self._held.clone()
        lost = torch.rand_like(delay) < self.values["action_loss"]
        then = torch.where(lost.unsqueeze(1), before, actions)
        self._held.copy_(then)
        return before, then, late

    def ages(self, delay: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the age of a step's sensor values with this ``delay``, and the IMU's further age, s, all (N,)."""
        values = self.values
        if self._on("observation_jitter"):
            delay = delay + torch.rand_like(delay) * values["observation_jitter"]
        if self._on("observation_loss"):
            delay = delay + self._dt * (torch.rand_like(delay) < values["observation_loss"])
        imu = values["imu_age"]
        if self._on("imu_rate"):
            self._imu_phase.copy_((self._imu_phase + self._dt * values["imu_rate"]) % 1.0)
            imu = imu + self._imu_phase / values["imu_rate"]
        return delay, imu

    def reset(self, mask: torch.Tensor) -> None:
        """Clear the sent actions of the robots in ``mask``, bool, (N,)."""
        self._held.masked_fill_(mask.unsqueeze(1), 0.0)

    def privileged(self) -> list[torch.Tensor]:
        """Return the active settings' values for the critic, each (N, 1)."""
        scales = {"imu_rate": 0.01, "action_loss": 1.0, "observation_loss": 1.0}
        return [scales.get(name, 50.0) * value.unsqueeze(1) for name, value in self.values.items() if self._on(name)]


class DomainRand:
    """Holds each robot's randomised values.

    Physical parameters, ``physics``, are drawn once, at creation: a robot keeps its body. Parameters of motors and
    their drivers are drawn again at every reset: ``stiffness_multiplier``, ``damping_multiplier``,
    ``torque_multiplier`` and ``joint_offset``, rad, all (N, D), ``action_delay`` and ``observation_delay``, s, (N,).
    ``base_mass`` is the mass of the base link, kg, (N,). The section ``domain_rand`` describes them.
    """

    def __init__(self, cfg: LeggedRobotCfg, sim: Simulator) -> None:
        """Draw the physical parameters. Motors are nominal until :meth:`redraw_motors`."""
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
        """Draw new motors and delays for the robots in ``mask``, bool, (N,)."""
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
        """Whether actions may be delayed."""
        return max(self.cfg.action_delay_range) > 0.0 or self.latency.on_actions

    @property
    def delays_observations(self) -> bool:
        """Whether observations may be delayed."""
        return max(self.cfg.observation_delay_range) > 0.0 or self.latency.on_observations

    def privileged_terms(self) -> list[ObsTerm]:
        """Declare all randomised values for the critic, 8 + 4 D components; joint dynamics of the first joint."""
        return [
            ObsTerm("friction", lambda: self.physics.friction.unsqueeze(1), mirror="same"),
            ObsTerm("base_mass", lambda: self.base_mass.unsqueeze(1) / 20.0, mirror="same"),
            ObsTerm("added_com", lambda: self.physics.added_com, mirror="vector"),
            *[ObsTerm(name, partial(self._of_first_joint, name), mirror="same") for name in _JOINT_DYNAMICS],
            *[ObsTerm(name, partial(getattr, self, name), mirror="joint_sizes") for name in _MULTIPLIERS],
            ObsTerm("joint_offset", lambda: self.joint_offset, mirror="joints"),
        ]

    def further_privileged_terms(self) -> list[ObsTerm]:
        """Declare the active values of ``motors``, D components each, and of ``latency``, for the critic."""
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
        # One value is drawn for all joints of a robot. Joints in `motors` get their own.
        joints = {
            name: self._draw(n, getattr(rand, f"{name}_range"), True).unsqueeze(1).repeat(1, sim.num_dof)
            if rand.randomize_joint_dynamics
            else getattr(sim, name).repeat(n, 1)
            for name in _JOINT_DYNAMICS
        }
        joints = {name: self.motors.ranges[key].draw(joints[name]) for name, key in _JOINT_DYNAMICS.items()}
        return PhysicsParameters(friction=friction, added_mass=added_mass, added_com=added_com, **joints)

    def typical_joints(self, cfg: LeggedRobotCfg, sim: Simulator) -> dict[str, torch.Tensor]:
        """Return the middle of the ranges of ``joint_armature``, ``joint_damping`` and ``joint_friction``, (D,)."""
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
