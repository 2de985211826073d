"""A trial: a robot walks with its controller in plain MuJoCo, with disturbances."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from legged_gym.common.controller_rules import STAND_UP_SECONDS
from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT, Controller, MotorCommand, Sensors, stand_up_command
from legged_gym.deploy.plan import TrialPlan
from legged_gym.deploy.world import World, WorldSettings
from legged_gym.evaluation.rollout import Rollout
from legged_gym.policies.exported import PolicyFiles

_START_HEIGHT = 0.005
"""Height of the soles above the ground at the start, m."""

_AFTERMATH = 1.0
"""A trial continues for this time after damping mode or a fall, s."""


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial."""

    record: Rollout
    """The rollout of the trial. It ends with damping mode or a fall."""
    damped: float | None
    """When the controller changed to its damping state, s."""
    fall: float | None
    """When a link other than a foot touched the ground, s."""


class Trial:
    """One robot, its controller, and the connection between them."""

    def __init__(self, policy: PolicyFiles, urdf: str, plan: TrialPlan) -> None:
        """Put the robot on the ground in its standing pose, ready to walk.

        Raises:
            UserError: The policy, the robot and the plan don't fit together.
        """
        self.plan, self.controller = plan, Controller(policy, plan.low_pass)
        self.controller.steps_on_the_spot = plan.steps_on_the_spot
        config = policy.config
        settings = WorldSettings(
            urdf,
            config.body,
            friction=plan.friction,
            payload=plan.payload,
            ground=plan.ground,
            reach=plan.reach,
            contact_force=config.contact_force_threshold,
            **{**config.joint_dynamics, **plan.joints},  # type: ignore[arg-type]
        )
        self.world = World(settings, config.joint_names, config.foot_names)
        self._motor_ticks = _multiple("the motors' step", MOTOR_DT, settings.dt)
        self._control_ticks = self._motor_ticks * _multiple("the policy's step", config.control_dt, MOTOR_DT)
        self.world.place(config.stand_angles + plan.dof_pos, plan.position, plan.attitude, plan.velocity, _START_HEIGHT)
        self._rng = np.random.default_rng(plan.seed)
        self.tick = 0
        self.truth = self.world.truth()
        self.damped: float | None = None
        self.fall: float | None = None
        self._action_ticks = round(plan.action_delay / settings.dt)
        self._readings = deque([self.world.sense()], maxlen=round(plan.observation_delay / settings.dt) + 1)
        self._sent: deque[tuple[int, MotorCommand]] = deque()
        self._has_backlash = bool(np.any(plan.backlash))
        self._motors = stand_up_command(config, config.stand_angles, STAND_UP_SECONDS)
        self._torques = np.zeros(len(config.joint_names))
        self._rows: list[dict[str, np.ndarray]] = []
        self._watch_motors: Callable[[Trial], None] | None = None

    @property
    def time(self) -> float:
        """Time since the start, s."""
        return round(self.tick * self.world.settings.dt, 9)

    def run(
        self, watch: Callable[[Trial], None] | None = None, watch_motors: Callable[[Trial], None] | None = None
    ) -> TrialResult:
        """Run the trial to its end, or until a second after a fall. Films get each step, logs each motor tick."""
        self._watch_motors = watch_motors
        end = np.inf
        while len(self._rows) < self.plan.steps and self.time < end:
            self.control_step()
            end = min(self._ended(), default=np.inf) + _AFTERMATH
            if watch is not None:
                watch(self)
        return TrialResult(self._record(), self.damped, self.fall)

    def control_step(self) -> None:
        """Run the controller once, and the physics until its next step."""
        row = len(self._rows)
        if self._readings.maxlen == 1:
            self._readings.append(self.world.sense())
        self.truth = self.world.truth()
        self.sensed = self._measured(self._readings[0])
        self.told = self.controller.update(self.sensed, self.plan.commands[row])
        self._sent.append((self.tick + self._action_ticks, self.told))
        self._note()
        self.world.push(self.plan.pushes[row])
        for _ in range(self._control_ticks):
            if self.tick % self._motor_ticks == 0:
                self._torques = self._drive_motors()
                if self._watch_motors is not None:
                    self._watch_motors(self)
            self.world.step(self._torques)
            self.tick += 1
            if self._readings.maxlen != 1:
                self._readings.append(self.world.sense())

    def _measured(self, sensors: Sensors) -> Sensors:
        """Add the sensors' errors.

        As in training, only the policy gets noise on gravity. It is much larger than a real IMU's: with it, the fall
        protection would stop robots that lean by 17°.
        """
        level, joints, sizes = self.plan.noise, len(sensors.dof_pos), self.controller.config.observation_noise
        gyro, angle, velocity, gravity = (
            level * sizes.get(name, 0.0) * self._rng.uniform(-1.0, 1.0, count)
            for name, count in (("base_ang_vel", 3), ("dof_pos", joints), ("dof_vel", joints), ("projected_gravity", 3))
        )
        dof_pos = sensors.dof_pos + self.plan.zero_offset + angle
        return Sensors(sensors.quat, sensors.gyro + gyro, dof_pos, sensors.dof_vel + velocity, gravity)

    def _drive_motors(self) -> np.ndarray:
        """Return the motors' torques for the newest command that has arrived, N·m, (D,)."""
        while self._sent and self._sent[0][0] <= self.tick:
            self._motors = self._sent.popleft()[1]
        told, plan = self._motors, self.plan
        true = MotorCommand(told.target, plan.p_gain * told.kp, plan.d_gain * told.kd)
        dof_pos, dof_vel = self.world.encoders()
        dof_pos = dof_pos + plan.zero_offset
        if self._has_backlash:
            # As in training, a motor without load leads its joint by the full backlash.
            dof_pos += np.clip(told.target - dof_pos, -0.5 * plan.backlash, 0.5 * plan.backlash)
        return self.world.limit(true.torques(dof_pos, dof_vel))

    def _note(self) -> None:
        """Add a row to the recording."""
        truth, controller = self.truth, self.controller
        if controller.damping and self.damped is None:
            self.damped = self.time
        if truth.fallen and self.fall is None:
            self.fall = self.time
        self._rows.append({
            "commands": controller.command, "lin_vel": truth.lin_vel, "yaw_rate": truth.ang_vel[2],
            "base_pos": truth.position, "base_quat": truth.quat[[1, 2, 3, 0]], "dof_pos": truth.dof_pos,
            "dof_vel": truth.dof_vel, "torques": self._torques, "actions": controller.action,
            "foot_contact": truth.foot_forces > controller.config.foot_contact_force, "foot_pos": truth.foot_pos,
            "sole_vel": truth.sole_vel,
            "estimate": controller.estimate,
        })  # fmt: skip

    def _ended(self) -> list[float]:
        """Return the times of damping mode and of a fall; None if it did not happen."""
        return [time for time in (self.damped, self.fall) if time is not None]

    def _record(self) -> Rollout:
        """Return the rows as a recording of full length. After a fall the last row is repeated."""
        dt, steps = self.plan.dt, self.plan.steps
        rows = min((round(time / dt) + 1 for time in self._ended()), default=steps)
        filled = self._rows + [self._rows[-1]] * (steps - len(self._rows))
        arrays = {name: np.stack([row[name] for row in filled])[:, None] for name in filled[0]}
        touching = arrays.pop("foot_contact")
        # As in the training's label: the foot is in contact now or was one step ago.
        contact = touching | np.concatenate((touching[:1], touching[:-1]))
        return Rollout(
            dt=dt, foot_contact=contact, rows=np.array([rows]), mass=np.array([self.world.mass]),
            dof_vel_limits=self.world.dof_vel_limits, torque_limits=self.world.torque_limits,
            labels=self.controller.config.labels, **arrays,
        )  # fmt: skip


def _multiple(name: str, longer: float, shorter: float) -> int:
    """Return how many times a step fits into a longer one."""
    times = longer / shorter
    if times < 1.0 - 1e-6 or abs(times - round(times)) > 1e-6:
        raise UserError(f"{name} must be a multiple of {shorter:g} s, it is {longer:g} s")
    return round(times)
