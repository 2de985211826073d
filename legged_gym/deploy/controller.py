"""The robot's controller, in NumPy and ONNX Runtime: sensors and a command in, joint targets and gains out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from legged_gym.common.errors import UserError, near_names
from legged_gym.policies.exported import ControllerConfig, PolicyFiles

MOTOR_DT = 0.002
"""Time between two torques of a motor, s."""

TILT_LIMIT = math.radians(20.0)
"""Roll or pitch past which the controller lets the robot go limp."""


@dataclass
class Sensors:
    """What the robot measures at one instant."""

    quat: np.ndarray
    """Attitude by the IMU: base frame to world frame, wxyz, (4,)."""
    gyro: np.ndarray
    """Angular velocity, rad/s, base frame, (3,)."""
    dof_pos: np.ndarray
    """Joint angles, rad, (D,)."""
    dof_vel: np.ndarray
    """rad/s, (D,)."""
    gravity_error: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """Added to the direction of gravity that the policy sees, (3,); the cut-out looks at the attitude alone."""


@dataclass
class MotorCommand:
    """What the motors are told: a target and the gains to get there."""

    target: np.ndarray
    """Joint angles, rad, (D,)."""
    kp: np.ndarray
    """N·m/rad, (D,)."""
    kd: np.ndarray
    """N·m·s/rad, (D,)."""

    def torques(self, dof_pos: np.ndarray, dof_vel: np.ndarray) -> np.ndarray:
        """Return a motor's answer to its own encoder, N·m, (D,); called every :data:`MOTOR_DT`."""
        return self.kp * (self.target - dof_pos) - self.kd * dof_vel


class Controller:
    """Walks a robot by an exported policy, by the rules of the controller on the robot.

    * Each component of the command is set to zero on its own when it is below its threshold.
    * The gait clock stands at 0 while the whole command is zero, and runs otherwise.
    * The history is filled with the first step; nothing is clipped; there are no joint or torque limits.
    * Past 20° of roll or pitch the robot goes limp, and stays so until :meth:`start`.
    """

    def __init__(self, policy: PolicyFiles) -> None:
        """Check that the networks fit the figures.

        Args:
            policy: The exported policy.

        Raises:
            UserError: An observation term that the controller does not know, or networks of another width.
        """
        self.config = policy.config
        self._estimator, self._actor = policy.estimator, policy.actor
        self._terms = self._find_terms(policy.folder)
        self.start()
        self._check_widths(policy)

    def start(self) -> None:
        """Begin to walk: no history, clock at 0, last action zero."""
        config = self.config
        self.limp = False
        """Whether the robot tilted too far."""
        self.command = np.zeros(3)
        """What is left of the last command after its dead band, m/s, m/s, rad/s, (3,)."""
        self.phase = 0.0
        """The gait clock, [0, 1), as last observed."""
        self.action = np.zeros(len(config.joint_names), np.float32)
        self.velocity = np.zeros(3)
        """The estimator's last velocity, m/s, base frame, (3,)."""
        self.contacts = np.zeros(len(config.foot_names))
        """The estimator's last contacts, about 0 or 1, (F,)."""
        self._history: np.ndarray | None = None
        self._walks = False

    def update(self, sensors: Sensors, command: ArrayLike) -> MotorCommand:
        """Do one control step; call this every ``config.control_dt``.

        Args:
            sensors: What the robot measures now.
            command: Wanted forward and lateral velocity, m/s, and yaw rate, rad/s.

        Returns:
            What the motors hold until the next step.
        """
        self._advance_clock(np.asarray(command, float))
        self.limp = self.limp or tilt(sensors.quat) > TILT_LIMIT
        if self.limp:
            return limp_command(self.config)
        observation = self.observe(sensors)
        estimate = self._estimator.run(["output"], {"input": observation})[0]
        self.velocity = estimate[0, :3] / self.config.velocity_scale
        self.contacts = estimate[0, 3:]
        self.action = self._actor.run(["output"], {"input": np.concatenate((observation, estimate), axis=1)})[0][0]
        target = self.config.default_angles + self.config.action_scale * self.action
        return MotorCommand(target, self.config.kp, self.config.kd)

    def observe(self, sensors: Sensors) -> np.ndarray:
        """Add a step to the history and return it whole, newest step first, float32, (1, n)."""
        step = np.concatenate([
            np.asarray(value(sensors), np.float32) * scale
            for value, scale in zip(self._terms, self.config.observation_scales, strict=True)
        ])  # fmt: skip
        if self._history is None:
            self._history = np.tile(step, (self.config.history_length, 1))
        else:
            self._history = np.vstack((step, self._history[:-1]))
        return self._history.reshape(1, -1)

    def _advance_clock(self, command: np.ndarray) -> None:
        """Take the command and move the clock on; the first step of a walk has phase 0."""
        self.command = np.where(np.abs(command) < self.config.low_vel_thresholds, 0.0, command)
        walked, self._walks = self._walks, bool(self.command.any())
        step = self.config.control_dt / self.config.gait_period
        self.phase = (self.phase + step) % 1.0 if walked and self._walks else 0.0

    def _clock_signal(self) -> np.ndarray:
        """Return sine of all legs' phases, then their cosine, (2 L,)."""
        angle = 2.0 * math.pi * ((self.phase + self.config.gait_offsets) % 1.0)
        return np.concatenate((np.sin(angle), np.cos(angle)))

    def _find_terms(self, folder: str) -> list[Callable[[Sensors], np.ndarray]]:
        known: dict[str, Callable[[Sensors], np.ndarray]] = {
            "base_ang_vel": lambda sensors: sensors.gyro,
            "projected_gravity": lambda sensors: projected_gravity(sensors.quat) + sensors.gravity_error,
            "commands": lambda sensors: self.command,
            "dof_pos": lambda sensors: sensors.dof_pos - self.config.default_angles,
            "dof_vel": lambda sensors: sensors.dof_vel,
            "actions": lambda sensors: self.action,
            "gait_clock": lambda sensors: self._clock_signal(),
        }
        for name in self.config.observation_terms:
            if name not in known:
                raise UserError(f"'{folder}': the controller can't observe '{name}': {near_names(name, known)}")
        return [known[name] for name in self.config.observation_terms]

    def _check_widths(self, policy: PolicyFiles) -> None:
        """Compare the networks' inputs and outputs with what the controller gives and takes."""
        joints = len(self.config.joint_names)
        zeros = np.zeros(joints)
        try:
            width = self.observe(Sensors(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), zeros, zeros)).shape[1]
        except ValueError as error:
            raise UserError(f"'{policy.folder}': Policy.observation_scales fit no observation: {error}") from error
        self._history = None
        estimate = 3 + len(self.config.foot_names)
        for name, net, widths in (
            ("estimator", policy.estimator, (width, estimate)), ("actor", policy.actor, (width + estimate, joints)),
        ):  # fmt: skip
            found = (net.get_inputs()[0].shape[1], net.get_outputs()[0].shape[1])
            if found != widths:
                raise UserError(f"'{policy.folder}': the {name} takes {found[0]} numbers and gives {found[1]}, "
                                f"but the controller's YAML means {widths[0]} and {widths[1]}")  # fmt: skip


def limp_command(config: ControllerConfig) -> MotorCommand:
    """Return the command that leaves the joints without torque."""
    zeros = np.zeros(len(config.joint_names))
    return MotorCommand(config.default_angles, zeros, zeros)


def stand_command(config: ControllerConfig) -> MotorCommand:
    """Return the command that holds the pose the robot stands up into."""
    return MotorCommand(config.stand_angles, config.kp, config.kd)


def projected_gravity(quat: np.ndarray) -> np.ndarray:
    """Return the direction of gravity in the base frame, (3,), by an attitude wxyz, (4,)."""
    w, x, y, z = quat
    return np.array([2.0 * (w * y - x * z), -2.0 * (w * x + y * z), 2.0 * (x * x + y * y) - 1.0])


def tilt(quat: np.ndarray) -> float:
    """Return the larger of |roll| and |pitch|, rad, of an attitude wxyz, (4,)."""
    x, y, z = projected_gravity(quat)
    roll, pitch = math.atan2(-y, -z), math.asin(min(1.0, max(-1.0, x)))
    return max(abs(roll), abs(pitch))
