"""A robot that walks by its controller in plain MuJoCo, with what may go wrong on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from legged_gym.deploy.controller import MOTOR_DT, Controller, MotorCommand, Sensors, stand_command
from legged_gym.deploy.drive import DEFAULT_DRIVE, Drive
from legged_gym.deploy.policy_files import PolicyFiles
from legged_gym.deploy.world import FOOT_FORCE, World, WorldSettings
from legged_gym.evaluation.record import Record
from legged_gym.utils.errors import UserError

_START_HEIGHT = 0.005
"""Of the soles above the ground at the start, m."""

_START_NOISE = 0.02
"""Joint angles at the start are drawn from ± this around the pose that the robot stands up into, rad."""

_AFTERMATH = 1.0
"""A trial goes on for so long after the robot went limp or fell, s."""

_GYRO_NOISE, _TILT_NOISE, _ANGLE_NOISE, _VELOCITY_NOISE = 0.2, 0.05, 0.01, 1.5
"""What training draws sensor noise from: rad/s, rad (of gravity's direction), rad, rad/s; uniform, ±."""


@dataclass(frozen=True)
class TrialSettings:
    """What is asked of the robot, and what disturbs it."""

    world: WorldSettings
    drive: Drive = DEFAULT_DRIVE
    push: float = 0.0
    """Each push changes the base's velocity by this, m/s, in a random horizontal direction."""
    push_interval: float = 2.0
    """Seconds between pushes."""
    observation_delay: float = 0.0
    """How old the sensors' values are that the policy sees, s."""
    action_delay: float = 0.0
    """How long it takes until the motors have their targets, s."""
    noise: float = 0.0
    """Sensor noise, as a multiple of training's."""
    kp: float = 1.0
    """Multiplies the motors' true P gains."""
    kd: float = 1.0
    """Multiplies the motors' true D gains."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UserError: A setting makes no sense.
        """
        for name in ("push", "observation_delay", "action_delay", "noise", "kp", "kd"):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise UserError(f"{name.replace('_', ' ')} must be 0 or more, got {getattr(self, name):g}")
        if not self.push_interval > 0.0:
            raise UserError(f"push interval must be above 0 s, got {self.push_interval:g}")


@dataclass(frozen=True)
class TrialResult:
    """What happened in a trial."""

    record: Record
    """One trial; it ends with the row in which the robot went limp or fell."""
    cut_out: float | None
    """When the controller let the robot go limp, s."""
    fall: float | None
    """When a link other than a foot touched the ground, s."""


class Trial:
    """One robot, its controller, and the wires between them."""

    def __init__(self, policy: PolicyFiles, settings: TrialSettings, seed: int | Sequence[int]) -> None:
        """Stand the robot up.

        Args:
            policy: The exported policy.
            settings: What is asked, and what disturbs.
            seed: Of everything random, uneven ground included.

        Raises:
            UserError: The policy, the robot and the settings don't fit each other.
        """
        config, dt = policy.config, settings.world.dt
        self.settings, self.rng = settings, np.random.default_rng(seed)
        self.controller = Controller(policy)
        self.world = World(settings.world, config.joint_names, config.foot_names, int(self.rng.integers(2**31)))
        self._motor_ticks = _multiple("the motors' step", MOTOR_DT, dt)
        self._control_ticks = self._motor_ticks * _multiple("the policy's step", config.control_dt, MOTOR_DT)
        noise = self.rng.uniform(-_START_NOISE, _START_NOISE, len(config.joint_names))
        self.world.place(config.stand_angles + noise, self.rng.uniform(-np.pi, np.pi), _START_HEIGHT)
        self.tick = 0
        self.truth = self.world.truth()
        self.cut_out: float | None = None
        self.fall: float | None = None
        self._readings = deque([self.world.sense()], maxlen=round(settings.observation_delay / dt) + 1)
        self._sent: deque[tuple[int, MotorCommand]] = deque()
        self._motors = stand_command(config)
        self._torques = np.zeros(len(config.joint_names))
        self._rows: list[dict[str, np.ndarray]] = []

    @property
    def time(self) -> float:
        """Seconds since the start."""
        return round(self.tick * self.settings.world.dt, 9)

    @property
    def steps(self) -> int:
        """Control steps of a trial without a fall."""
        return round(self.settings.drive.seconds / self.controller.config.control_dt)

    def run(self, watch: Callable[[Trial], None] | None = None) -> TrialResult:
        """Drive the robot to the end, or until a second after it fell.

        Args:
            watch: Called after each control step, for films.
        """
        end = np.inf
        while len(self._rows) < self.steps and self.time < end:
            self.control_step()
            ended = [time for time in (self.cut_out, self.fall) if time is not None]
            end = min(ended, default=np.inf) + _AFTERMATH
            if watch is not None:
                watch(self)
        return TrialResult(self._record(), self.cut_out, self.fall)

    def control_step(self) -> None:
        """Let the controller look and decide once, and the physics go on until it is asked again."""
        self._push()
        if self._readings.maxlen == 1:
            self._readings.append(self.world.sense())
        self.truth = self.world.truth()
        commands = self.controller.update(self._noisy(self._readings[0]), self.settings.drive.at(self.time))
        self._sent.append((self.tick + round(self.settings.action_delay / self.settings.world.dt), commands))
        self._note()
        for _ in range(self._control_ticks):
            if self.tick % self._motor_ticks == 0:
                self._torques = self._drive_motors()
            self.world.step(self._torques)
            self.tick += 1
            if self._readings.maxlen != 1:
                self._readings.append(self.world.sense())

    def _push(self) -> None:
        """Kick the base if it is time."""
        settings = self.settings
        interval = round(settings.push_interval / settings.world.dt)
        # Pushes come at control steps, so an interval between two of them is rounded up.
        if settings.push > 0.0 and self.tick > 0 and self.tick % interval < min(self._control_ticks, interval):
            angle = self.rng.uniform(-np.pi, np.pi)
            self.world.push(settings.push * np.array([np.cos(angle), np.sin(angle)]))

    def _noisy(self, sensors: Sensors) -> Sensors:
        """Add sensor noise."""
        level = self.settings.noise
        if level == 0.0:
            return sensors
        joints = len(sensors.dof_pos)
        gyro, angle, velocity = (
            level * size * self.rng.uniform(-1.0, 1.0, count)
            for size, count in ((_GYRO_NOISE, 3), (_ANGLE_NOISE, joints), (_VELOCITY_NOISE, joints))
        )
        tilt = level * _TILT_NOISE * self.rng.uniform(-1.0, 1.0, 3)
        quat = np.zeros(4)
        mujoco.mju_mulQuat(quat, sensors.quat, np.array([1.0, *(0.5 * tilt)]))
        mujoco.mju_normalize4(quat)
        return Sensors(quat, sensors.gyro + gyro, sensors.dof_pos + angle, sensors.dof_vel + velocity)

    def _drive_motors(self) -> np.ndarray:
        """Return the torques that the motors give for the newest command that has reached them, N·m, (D,)."""
        while self._sent and self._sent[0][0] <= self.tick:
            self._motors = self._sent.popleft()[1]
        told, settings = self._motors, self.settings
        true = MotorCommand(told.target, settings.kp * told.kp, settings.kd * told.kd)
        return self.world.limit(true.torques(*self.world.encoders()))

    def _note(self) -> None:
        """Add a row to the record."""
        truth, controller = self.truth, self.controller
        if controller.limp and self.cut_out is None:
            self.cut_out = self.time
        if truth.fallen and self.fall is None:
            self.fall = self.time
        self._rows.append({
            "commands": controller.command, "lin_vel": truth.lin_vel, "yaw_rate": truth.ang_vel[2],
            "base_pos": truth.position, "base_quat": truth.quat[[1, 2, 3, 0]], "dof_pos": truth.dof_pos,
            "dof_vel": truth.dof_vel, "torques": self._torques, "actions": controller.action,
            "foot_contact": truth.foot_forces > FOOT_FORCE, "foot_pos": truth.foot_pos, "sole_vel": truth.sole_vel,
            "estimate": np.concatenate((controller.velocity, controller.contacts)),
        })  # fmt: skip

    def _record(self) -> Record:
        """Return the rows as a record of full length; what is missing after a fall repeats the last row."""
        ended = [time for time in (self.cut_out, self.fall) if time is not None]
        control_dt = self.controller.config.control_dt
        rows = min((round(time / control_dt) + 1 for time in ended), default=self.steps)
        filled = self._rows + [self._rows[-1]] * (self.steps - len(self._rows))
        arrays = {name: np.stack([row[name] for row in filled])[:, None] for name in filled[0]}
        touching = arrays.pop("foot_contact")
        # As the estimator's label in training: it touches now or did one step ago.
        contact = touching | np.concatenate((touching[:1], touching[:-1]))
        return Record(
            dt=control_dt, foot_contact=contact, rows=np.array([rows]), mass=np.array([self.world.mass]),
            dof_vel_limits=self.world.dof_vel_limits, **arrays,
        )  # fmt: skip


def _multiple(name: str, longer: float, shorter: float) -> int:
    """Return how many times one step fits into another."""
    times = longer / shorter
    if times < 1.0 - 1e-6 or abs(times - round(times)) > 1e-6:
        raise UserError(f"{name} must be a multiple of {shorter:g} s, it is {longer:g} s")
    return round(times)
