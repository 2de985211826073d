"""The robot's controller, in NumPy and ONNX Runtime: sensors and a command in, joint targets and gains out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from legged_gym.common.controller_rules import DAMPING_KD, LOW_PASS, STAND_UP_SECONDS, advance_clock, apply_dead_band
from legged_gym.common.errors import UserError, near_names
from legged_gym.policies.exported import ControllerConfig, PolicyFiles
from legged_gym.policies.networks import Memory

MOTOR_DT = 0.002
"""Time between two updates of a motor's torque, s."""


@dataclass
class Sensors:
    """The robot's measurements at one instant."""

    quat: np.ndarray
    """Orientation from the IMU: base frame to world frame, wxyz, (4,)."""
    gyro: np.ndarray
    """Angular velocity, rad/s, base frame, (3,)."""
    dof_pos: np.ndarray
    """Joint angles, rad, (D,)."""
    dof_vel: np.ndarray
    """rad/s, (D,)."""
    gravity_error: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """Noise on the direction of gravity for the policy, (3,). The fall protection uses ``attitude`` without it."""


@dataclass
class MotorCommand:
    """Command to the motors: targets and gains."""

    target: np.ndarray
    """Joint angles, rad, (D,)."""
    kp: np.ndarray
    """N·m/rad, (D,)."""
    kd: np.ndarray
    """N·m·s/rad, (D,)."""

    def torques(self, dof_pos: np.ndarray, dof_vel: np.ndarray) -> np.ndarray:
        """Return the motors' torques for their encoders' values, N·m, (D,). It is called every :data:`MOTOR_DT`."""
        return self.kp * (self.target - dof_pos) - self.kd * dof_vel


class Controller:
    """Controls a robot with an exported policy, by the rules of the robot's own controller.

    * Each component of the command becomes zero if it does not exceed its threshold.
    * The gait clock runs while the robot walks, and after a stop to the end of its period; then it is held at 0. While
      ``steps_on_the_spot`` is set, it runs on.
    * The first step fills the history. Nothing is clipped, and there are no joint or torque limits.
    * Past ``config.fall_protection_tilt`` of roll or pitch (on Qmini 20°), checked after each step, all joints are
      damped until :meth:`start`.
    """

    def __init__(self, policy: PolicyFiles, low_pass: bool = False) -> None:
        """Check the networks, and start to walk. ``low_pass`` smooths commands over about a second.

        Raises:
            UserError: An observation term is unknown, or the networks have another width.
        """
        self.config = policy.config
        self._estimator, self._actor = policy.estimator, policy.actor
        self._terms = self._find_terms(policy.folder)
        self._low_pass = low_pass
        self._stick = np.zeros(3, np.float32)
        self.action = np.zeros(len(self.config.joint_names), np.float32)
        """The last action, (D,). Like the clock's phase, it is kept at a new start."""
        self.phase = np.float32(0.0)
        """The gait clock, [0, 1), as last observed."""
        self._clock_held = np.bool_(False)
        self.start()
        self._check_widths(policy)

    def start(self) -> None:
        """Start to walk, with an empty history and a new period of the clock."""
        self.damping = False
        """Whether the controller is in damping mode, because the robot tilted too far."""
        self.steps_on_the_spot = False
        """Whether the clock runs while the command is zero. On the robot this is a button."""
        self.command = np.zeros(3, np.float32)
        """The last command after its dead band, m/s, m/s, rad/s, (3,)."""
        self.estimate = np.zeros(self.config.labels.size if self.config.labels is not None else 0)
        """The last estimate, in the units of ``config.labels``, (L,)."""
        self._history: np.ndarray | None = None
        self._memory: Memory | None = None
        self._clock_steps = np.float32(0.0)

    def update(self, sensors: Sensors, command: ArrayLike) -> MotorCommand:
        """Do one control step with a command, m/s, m/s, rad/s. Call this every ``config.control_dt``.

        Returns:
            The command that the motors hold until the next step.
        """
        if self.damping:
            return damping_command(self.config)
        self._take_command(np.asarray(command, np.float32))
        observation = self.observe(sensors)
        if self._estimator is not None:
            assert self.config.labels is not None
            said, _ = self._estimator(observation)
            self.estimate = self.config.labels.physical(said[0])
            observation = np.concatenate((observation, said), axis=1)
        actions, self._memory = self._actor(observation, self._memory)
        self.action = actions[0]
        self.damping = tilt(sensors.quat) > self.config.fall_protection_tilt
        target = self.config.default_angles + self.config.action_scale * self.action
        return MotorCommand(target, self.config.kp, self.config.kd)

    def observe(self, sensors: Sensors) -> np.ndarray:
        """Add a step to the history and return the whole history, newest step first, float32, (1, n)."""
        step = np.concatenate([
            np.asarray(value(sensors), np.float32) * scale
            for value, scale in zip(self._terms, self.config.observation_scales, strict=True)
        ])  # fmt: skip
        if self._history is None:
            self._history = np.tile(step, (self.config.history_length, 1))
        else:
            self._history = np.vstack((step, self._history[:-1]))
        return self._history.reshape(1, -1)

    @property
    def observation(self) -> np.ndarray:
        """The last input of the networks, newest step first, (n,)."""
        assert self._history is not None, "there is no observation yet"
        return self._history.reshape(-1)

    def _take_command(self, command: np.ndarray) -> None:
        """Process the command, m/s, m/s, rad/s, (3,), and advance the clock."""
        config = self.config
        if self._low_pass:
            self._stick = command = self._stick + np.float32(LOW_PASS) * (command - self._stick)
        self.command = apply_dead_band(command, config.low_vel_thresholds.astype(np.float32))
        if config.gait_period is None:
            return
        self._clock_steps, self.phase, self._clock_held = advance_clock(
            self._clock_steps, self.phase, self._clock_held, ~self.command.any(), np.bool_(self.steps_on_the_spot),
            config.control_dt, config.gait_period,
        )  # fmt: skip

    def _clock_signal(self) -> np.ndarray:
        """Return the sine of all legs' phases, then their cosine, (2 L,)."""
        phases = (self.phase + self.config.gait_offsets.astype(np.float32)) % 1.0
        angle = 2.0 * math.pi * phases.astype(float)
        return np.concatenate((np.sin(angle), np.cos(angle)))

    def _find_terms(self, folder: str) -> list[Callable[[Sensors], np.ndarray]]:
        # In float32 as on the robot, because the rounding is visible in the actions.
        default = self.config.default_angles.astype(np.float32)
        known: dict[str, Callable[[Sensors], np.ndarray]] = {
            "base_ang_vel": lambda sensors: sensors.gyro,
            "projected_gravity": lambda sensors: projected_gravity(sensors.quat) + sensors.gravity_error,
            "commands": lambda sensors: self.command,
            "dof_pos": lambda sensors: np.asarray(sensors.dof_pos, np.float32) - default,
            "dof_vel": lambda sensors: sensors.dof_vel,
            "actions": lambda sensors: self.action,
            "gait_clock": lambda sensors: self._clock_signal(),
        }
        for name in self.config.observation_terms:
            if name not in known:
                raise UserError(f"'{folder}': the controller can't observe '{name}': {near_names(name, known)}")
        return [known[name] for name in self.config.observation_terms]

    def _check_widths(self, policy: PolicyFiles) -> None:
        """Compare the networks' numbers of inputs and outputs with the controller's."""
        joints = len(self.config.joint_names)
        zeros = np.zeros(joints)
        try:
            width = self.observe(Sensors(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), zeros, zeros)).shape[1]
        except ValueError as error:
            raise UserError(f"'{policy.folder}': Policy.observation_scales don't fit: {error}") from error
        self._history = None
        said = len(self.estimate)
        for name, net, widths in (
            ("estimator", policy.estimator, (width, said)), ("actor", policy.actor, (width + said, joints)),
        ):  # fmt: skip
            found = (net.inputs, net.outputs) if net is not None else widths
            if found != widths:
                raise UserError(f"'{policy.folder}': the {name} takes {found[0]} numbers and gives {found[1]}, "
                                f"but the controller's YAML means {widths[0]} and {widths[1]}")  # fmt: skip


def damping_command(config: ControllerConfig) -> MotorCommand:
    """Return the command of damping mode: joints have no target, only damping."""
    joints = len(config.joint_names)
    return MotorCommand(np.zeros(joints), np.zeros(joints), np.full(joints, DAMPING_KD))


def stand_up_command(config: ControllerConfig, start: np.ndarray, seconds: float) -> MotorCommand:
    """Return the command for standing up: a linear motion from the joints' start to the standing pose.

    Args:
        config: The policy's configuration. Its standing pose and gains are the robot's own.
        start: Joint angles at the start, rad, (D,).
        seconds: Time since the start, s. The pose is held after :data:`STAND_UP_SECONDS`.
    """
    share = min(seconds / STAND_UP_SECONDS, 1.0)
    return MotorCommand(start + share * (config.stand_angles - start), config.stand_kp, config.stand_kd)


def projected_gravity(quat: np.ndarray) -> np.ndarray:
    """Return the direction of gravity in the base frame, (3,), for an orientation wxyz, (4,)."""
    # In float32 and with these products, as in the robot's controller.
    w, x, y, z = np.asarray(quat, np.float32)
    return np.array([2 * (w * y - z * x), -2 * (z * y + w * x), 1 - 2 * (w * w + z * z)], np.float32)


def tilt(quat: np.ndarray) -> float:
    """Return the larger of |roll| and |pitch|, rad, of an orientation wxyz, (4,)."""
    x, y, z = projected_gravity(quat)
    roll, pitch = math.atan2(-y, -z), math.asin(min(1.0, max(-1.0, x)))
    return max(abs(roll), abs(pitch))
