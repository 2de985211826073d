"""One robot that hangs in a stand: what its description says, and a simulation of it with everything that is real."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import mujoco
import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.envs.registry import task_registry
from legged_gym.simulators.mujoco_model import Scene, build_scene
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.robot_file import SIMULATED_STEP, ThisRobot

GRAVITY = 9.81
"""m/s²."""

QUANTITIES = ("strength", "armature", "viscous_friction", "dry_friction", "zero_offset")
"""What is known of each joint; settings of ``motors`` have the same names and units."""
_SHARED_RANGES = {
    "armature": "joint_armature_range",
    "viscous_friction": "joint_damping_range",
    "dry_friction": "joint_friction_range",
}


@dataclass
class Truth:
    """What one robot is really like; joint values are (D,)."""

    strength: np.ndarray
    armature: np.ndarray
    viscous_friction: np.ndarray
    dry_friction: np.ndarray
    zero_offset: np.ndarray
    delay: float = 0.0
    """From a target to when the motor has it, s."""
    backlash: np.ndarray | float = 0.0
    """rad, from end to end."""
    stribeck: np.ndarray | float = 0.0
    """Share by which friction at rest is larger."""
    stribeck_speed: float = 0.1
    """Speed at which a third of that is left, rad/s."""
    link_mass: np.ndarray | float = 1.0
    """Factor of each link's mass and inertia, (B,)."""
    position_noise: float = 0.0
    velocity_noise: float = 0.0
    gyro_noise: float = 0.0
    gravity_noise: float = 0.0
    """Standard deviations."""
    clock_jitter: float = 0.0
    """Standard deviation of the time stamps, s."""
    imu_rate: float = 0.0
    """Hz; 0: a fresh sample for every row."""


@dataclass
class Trajectory:
    """What the motors are told, tick by tick."""

    time: np.ndarray
    """s, (T,)."""
    target: np.ndarray
    """rad, (T, D)."""
    kp: np.ndarray
    kd: np.ndarray
    """(T, D)."""
    attitude: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """Roll, pitch, yaw of the stand, rad, (3,) or (T, 3) where somebody turns it."""

    def as_log(self, joint_names: list[str]) -> RobotLog:
        """Return it in the format of logs, as far as it goes."""
        values = {"time": self.time, "target": self.target, "kp": self.kp, "kd": self.kd}
        return RobotLog(joint_names, values, "trajectory")


class Stand:
    """A task's robot with its base held, in a controller's terms."""

    def __init__(self, task: str = "qmini") -> None:
        """Build it.

        Raises:
            UserError: No such task, or its URDF can't be read.
        """
        cfg, _ = task_registry.get_cfgs(task)
        self.task, self.cfg = task, cfg
        cfg.asset.fix_base_link = True
        self.train_dt, cfg.sim.dt = cfg.sim.dt, SIMULATED_STEP
        self.scene: Scene = build_scene(cfg)
        model, names = self.scene.model, self.scene.dof_names
        self.joint_names = names
        self.limits = model.jnt_range[[model.joint(name).id for name in names]]
        self.torque_limits, self.velocity_limits = self.scene.torque_limits, self.scene.dof_vel_limits
        angles = cfg.init_state.default_joint_angles
        self.default_angles = np.array(joint_values("init_state.default_joint_angles", angles, names, exact=True))
        self.kp = np.array(joint_values("control.stiffness", cfg.control.stiffness, names))
        self.kd = np.array(joint_values("control.damping", cfg.control.damping, names))
        self.link_names = [model.body(int(model.jnt_bodyid[model.joint(name).id])).name for name in names]
        """Of the link that each joint turns."""
        self.branch = [_branch(model, int(model.jnt_bodyid[model.joint(name).id])) for name in names]
        """For each joint, the link on the base that its leg hangs on: legs do not feel each other."""
        # In its stand nothing touches the robot.
        model.geom_contype[:] = model.geom_conaffinity[:] = 0

    @property
    def num_dof(self) -> int:
        """Number of joints, D."""
        return len(self.joint_names)

    def nominal(self) -> Truth:
        """Return the robot that the task's configuration means: the middle of its ranges."""
        return Truth(*[self._middle(name) for name in QUANTITIES])  # type: ignore[arg-type]

    def truth_of(self, robot: ThisRobot) -> Truth:
        """Return a robot as its file tells of it; what it does not tell is nominal.

        Raises:
            UserError: It has other joints.
        """
        robot.require_joints(self.joint_names)
        truth = self.nominal()
        truth.backlash = np.zeros(self.num_dof)
        for joint, label in enumerate(self.joint_names):
            for quantity, interval in robot.joints.get(label, {}).items():
                getattr(truth, quantity)[joint] = interval[1]
        truth.delay = robot.delay[1] if robot.delay else 0.0
        return truth

    def _middle(self, name: str) -> np.ndarray:
        shared = getattr(
            self.cfg.domain_rand, _SHARED_RANGES.get(name, ""), [1.0, 1.0] if name == "strength" else [0, 0]
        )
        middles = {part: sum(bounds) / 2.0 for part, bounds in getattr(self.cfg.motors, name).items()}
        return np.array(joint_values(f"motors.{name}", middles, self.joint_names, missing=sum(shared) / 2.0))

    def model_of(self, truth: Truth) -> mujoco.MjModel:
        """Return a model of its own with a robot's joints and masses; drives are left to the caller."""
        model = copy.copy(self.scene.model)
        scale = np.broadcast_to(truth.link_mass, len(self.scene.body_ids))
        model.body_mass[self.scene.body_ids] *= scale
        model.body_inertia[self.scene.body_ids] *= scale[:, None]
        model.dof_armature[:] = truth.armature
        model.dof_damping[:] = truth.viscous_friction
        model.dof_frictionloss[:] = truth.dry_friction
        mujoco.mj_setConst(model, mujoco.MjData(model))
        return model


def _branch(model: mujoco.MjModel, body: int) -> int:
    while model.body_parentid[body] > 1:
        body = int(model.body_parentid[body])
    return body


def simulate(stand: Stand, trajectory: Trajectory, truth: Truth, seed: int = 0, every: int = 1) -> RobotLog:
    """Run a trajectory on a simulated robot: physics at 1 ms, motors at 500 Hz, as in sim2sim.py.

    Args:
        stand: The robot.
        trajectory: What it is told, at 500 Hz.
        truth: What it is really like.
        seed: Of noise and jitter.
        every: Log one of so many rows.

    Returns:
        The log; it starts at rest at the first targets.

    Raises:
        UserError: The trajectory's ticks are not the motors'.
    """
    ticks = round((trajectory.time[1] - trajectory.time[0]) / SIMULATED_STEP)
    if ticks != round(MOTOR_DT / SIMULATED_STEP):
        raise UserError(f"a trajectory has a row every {MOTOR_DT:g} s, this one every {ticks * SIMULATED_STEP:g} s")
    model, rng = stand.model_of(truth), np.random.default_rng(seed)
    data = mujoco.MjData(model)
    down = gravity_in_base(np.broadcast_to(trajectory.attitude, (len(trajectory.time), 3)))
    data.qpos[:] = trajectory.target[0] - truth.zero_offset
    half, rows = 0.5 * np.broadcast_to(truth.backlash, stand.num_dof), []

    def drive(sent: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a row's torque and where the motors are in their gears' play."""
        target = trajectory.target[sent] - truth.zero_offset
        play = np.clip(target - data.qpos, -half, half)
        wanted = trajectory.kp[sent] * (target - data.qpos - play) - trajectory.kd[sent] * data.qvel
        return np.clip(truth.strength * wanted, -stand.torque_limits, stand.torque_limits), play

    for tick in range(len(trajectory.time)):
        model.opt.gravity[:] = GRAVITY * down[tick]
        for step in range(ticks):
            begin = tick + step / ticks - truth.delay / MOTOR_DT
            sent, later = (max(0, int(np.floor(when))) for when in (begin + 1e-9, begin + 1.0 / ticks - 1e-9))
            if step == 0:
                torque, play = drive(sent)
                if tick % every == 0:
                    rows.append((tick, data.qpos + play + truth.zero_offset, data.qvel.copy()))
            data.qfrc_applied[:] = torque
            if later != sent:
                # The next target comes in during this step, which gets the mean.
                torque, _ = drive(later)
                data.qfrc_applied[:] += (1.0 - (later - begin) * ticks) * (torque - data.qfrc_applied)
            if np.any(truth.stribeck):
                excess = truth.stribeck * np.exp(-((data.qvel / truth.stribeck_speed) ** 2))
                model.dof_frictionloss[:] = truth.dry_friction * (1.0 + excess)
            mujoco.mj_step(model, data)
    return _log(stand, trajectory, truth, rows, down, rng)


def _log(
    stand: Stand, trajectory: Trajectory, truth: Truth, rows: list[tuple], down: np.ndarray, rng: np.random.Generator
) -> RobotLog:
    """Put sensors' errors on what happened."""
    chosen = np.array([row[0] for row in rows])
    time = trajectory.time[chosen]
    position, velocity = (np.stack([row[i] for row in rows]) for i in (1, 2))
    if truth.imu_rate:
        period = 1.0 / truth.imu_rate
        imu_time = np.maximum(np.floor(time / period) * period - 0.002, time[0])
    else:
        imu_time = time
    seen = np.searchsorted(trajectory.time, imu_time + 1e-9) - 1
    gyro = _angular_velocity(np.broadcast_to(trajectory.attitude, (len(trajectory.time), 3)), trajectory.time)

    def noisy(values: np.ndarray, size: float) -> np.ndarray:
        return values + size * rng.standard_normal(values.shape)

    values = {
        "time": np.maximum.accumulate(noisy(time, truth.clock_jitter)),
        "target": trajectory.target[chosen], "kp": trajectory.kp[chosen], "kd": trajectory.kd[chosen],
        "position": noisy(position, truth.position_noise), "velocity": noisy(velocity, truth.velocity_noise),
        "gyro": noisy(gyro[seen], truth.gyro_noise), "gravity": noisy(down[seen], truth.gravity_noise),
        "imu_time": imu_time,
    }  # fmt: skip
    return RobotLog(stand.joint_names, values, "simulated")


def gravity_in_base(attitude: np.ndarray) -> np.ndarray:
    """Return the direction of gravity in the base frame, (T, 3), for roll, pitch and yaw, (T, 3)."""
    roll, pitch, _ = attitude.T
    return np.stack([np.sin(pitch), -np.sin(roll) * np.cos(pitch), -np.cos(roll) * np.cos(pitch)], axis=1)


def attitude(down: np.ndarray) -> np.ndarray:
    """Return a quaternion, wxyz, of a base that sees gravity in this direction."""
    half = np.array([1.0 - down[2], -down[1], down[0], 0.0])
    return half / np.linalg.norm(half)


def _angular_velocity(attitude: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the angular velocity in the base frame, rad/s, (T, 3), for roll, pitch and yaw over time, (T, 3)."""
    roll, pitch, _ = attitude.T
    rates = np.gradient(attitude, time, axis=0)
    return np.stack(
        [
            rates[:, 0] - np.sin(pitch) * rates[:, 2],
            np.cos(roll) * rates[:, 1] + np.sin(roll) * np.cos(pitch) * rates[:, 2],
            -np.sin(roll) * rates[:, 1] + np.cos(roll) * np.cos(pitch) * rates[:, 2],
        ],
        axis=1,
    )
