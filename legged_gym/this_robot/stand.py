"""A robot that hangs in a stand: its description, and a realistic simulation of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import mujoco
import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.deploy.controller import MOTOR_DT
from legged_gym.envs.base.name_matching import joint_values
from legged_gym.envs.registry import task_registry
from legged_gym.simulators.mujoco_model import Scene, build_scene
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.robot_file import DYNAMICS, IDENTIFIED, SIMULATED_STEP, ThisRobot

GRAVITY = 9.81
"""m/s²."""
QUANTITIES = ("strength", "armature", "viscous_friction", "dry_friction", "zero_offset")
"""Parameters of each joint. Settings of ``motors`` have the same names and units."""


@dataclass
class Truth:
    """The true parameters of one robot. Joint values are (D,)."""

    strength: np.ndarray
    armature: np.ndarray
    viscous_friction: np.ndarray
    dry_friction: np.ndarray
    zero_offset: np.ndarray
    delay: float = 0.0
    """Time until the motor gets a target, s."""
    backlash: np.ndarray | float = 0.0
    """Backlash from end to end, rad."""
    stribeck: np.ndarray | float = 0.0
    """Relative excess of friction at rest."""
    stribeck_speed: float = 0.1
    """Speed at which the excess has dropped to a third, rad/s."""
    link_mass: np.ndarray | float = 1.0
    """Factor on each link's mass and inertia, (B,)."""
    position_lag: float = 0.0
    velocity_lag: float = 0.0
    mount_roll: float = 0.0
    mount_pitch: float = 0.0
    """Only for predictions: ages of angle and velocity in a motor's P and D term, s; the IMU's tilt, rad."""
    lean: float = 5e-4
    """Only for predictions: error of the angle above which the side of the backlash is certain, rad."""
    noise: dict[str, float] = field(default_factory=dict)
    """Standard deviations of the noise, by signal."""
    clock_jitter: float = 0.0
    """Standard deviation of the time stamps, s."""
    imu_rate: float = 0.0
    """Rate of the IMU's samples, Hz; 0: a new sample for every row."""


class Stand:
    """A task's robot with a fixed base."""

    def __init__(self, task: str = "qmini") -> None:
        """Build it from the task's URDF."""
        cfg, _ = task_registry.get_cfgs(task)
        self.task, self.cfg = task, cfg
        cfg.asset.fix_base_link, cfg.sim.dt = True, SIMULATED_STEP
        self.scene: Scene = build_scene(cfg)
        model, names, joints = self.scene.model, self.scene.dof_names, self.scene.joint_ids
        self.joint_names, self.num_dof = names, len(names)
        # A joint without stops may turn without limit.
        self.limits = np.where(model.jnt_limited[joints, None], model.jnt_range[joints], [-1e3, 1e3])
        self.torque_limits, self.velocity_limits = self.scene.torque_limits, self.scene.dof_vel_limits
        angles = cfg.init_state.default_joint_angles
        self.default_angles = np.array(joint_values("init_state.default_joint_angles", angles, names, exact=True))
        self.kp = np.array(joint_values("control.stiffness", cfg.control.stiffness, names))
        self.kd = np.array(joint_values("control.damping", cfg.control.damping, names))
        self.branch = model.dof_treeid.copy()
        """The leg of each joint, (D,). Legs on a fixed base are independent."""
        # In its stand nothing touches the robot.
        model.geom_contype[:] = model.geom_conaffinity[:] = 0

    def nominal(self) -> Truth:
        """Return the nominal robot of the task's configuration: the middle of its ranges, or the values of its file."""
        rand, model = self.cfg.domain_rand, self.scene.model
        told = {"strength": 1.0, "armature": model.dof_armature, "viscous_friction": model.dof_damping,
                "dry_friction": model.dof_frictionloss, "zero_offset": 0.0}  # fmt: skip
        if rand.randomize_joint_dynamics:
            told |= {name: 0.5 * sum(getattr(rand, f"{setting}_range")) for name, setting in DYNAMICS.items()}
        found = []
        for name in QUANTITIES:
            own = {part: sum(bounds) / 2.0 for part, bounds in getattr(self.cfg.motors, name).items()}
            values = joint_values(f"motors.{name}", own, self.joint_names, missing=np.nan)
            found.append(np.where(np.isnan(values), told[name], values))
        return Truth(*found)  # type: ignore[arg-type]

    def truth_of(self, robot: ThisRobot) -> Truth:
        """Return a robot with the values of its file. Missing values are nominal."""
        truth = replace(self.nominal(), delay=robot.delay[1] if robot.delay else 0.0)
        for name in IDENTIFIED:
            setattr(truth, name, robot.values(name, self.joint_names, getattr(truth, name)))
        return truth

    def model_of(self, truth: Truth) -> mujoco.MjModel:
        """Return a new model with a robot's joints and masses, without drives."""
        model = copy.copy(self.scene.model)
        scale = np.broadcast_to(truth.link_mass, len(self.scene.body_ids))
        model.body_mass[self.scene.body_ids] *= scale
        model.body_inertia[self.scene.body_ids] *= scale[:, None]
        model.dof_armature[:] = truth.armature
        model.dof_damping[:] = truth.viscous_friction
        model.dof_frictionloss[:] = truth.dry_friction
        mujoco.mj_setConst(model, mujoco.MjData(model))
        return model


def simulate(stand: Stand, trajectory: RobotLog, truth: Truth, seed: int = 0, rate: float = 500.0) -> RobotLog:
    """Run a trajectory on a simulated robot, from rest: physics at 1 ms, motors at 500 Hz, as in sim2sim.py.

    The trajectory has the motors' commands, a row for each of their ticks, and gravity and gyro. The log has ``rate``
    rows per second. ``seed`` determines noise and jitter.

    Raises:
        UserError: The trajectory does not have the motors' rate, or ``rate`` does not divide it.
    """
    ticks = round((trajectory.time[1] - trajectory.time[0]) / SIMULATED_STEP)
    if ticks != round(MOTOR_DT / SIMULATED_STEP):
        raise UserError(f"a trajectory must have a row every {MOTOR_DT:g} s, got {ticks * SIMULATED_STEP:g} s")
    every = 1.0 / (rate * MOTOR_DT)
    if every < 1.0 or abs(every - round(every)) > 1e-6:
        raise UserError(f"--rate must divide {1.0 / MOTOR_DT:g}, got {rate:g}")
    model, targets = stand.model_of(truth), trajectory["target"] - truth.zero_offset
    data, half, position, velocity = mujoco.MjData(model), 0.5 * truth.backlash, [], []
    data.qpos[:] = targets[0]

    def drive(sent: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a row's torque and the motors' positions within their backlash."""
        play = np.clip(targets[sent] - data.qpos, -half, half)
        wanted = trajectory["kp"][sent] * (targets[sent] - data.qpos - play) - trajectory["kd"][sent] * data.qvel
        return np.clip(truth.strength * wanted, -stand.torque_limits, stand.torque_limits), play

    for tick, down in enumerate(trajectory.gravity):
        model.opt.gravity[:] = GRAVITY * down
        for step in range(ticks):
            begin = tick + step / ticks - truth.delay / MOTOR_DT
            sent, later = (max(0, int(np.floor(when))) for when in (begin + 1e-9, begin + 1.0 / ticks - 1e-9))
            if step == 0:
                torque, play = drive(sent)
                position.append(data.qpos + play + truth.zero_offset)
                velocity.append(data.qvel.copy())
            data.qfrc_applied[:] = torque
            if later != sent:
                # The next target arrives during this step, so this step gets the mean.
                torque, _ = drive(later)
                data.qfrc_applied[:] += (1.0 - (later - begin) * ticks) * (torque - data.qfrc_applied)
            if np.any(truth.stribeck):
                excess = truth.stribeck * np.exp(-((data.qvel / truth.stribeck_speed) ** 2))
                model.dof_frictionloss[:] = truth.dry_friction * (1.0 + excess)
            mujoco.mj_step(model, data)
    values = {**trajectory.values, "position": np.stack(position), "velocity": np.stack(velocity)}
    return _sensed(RobotLog(stand.joint_names, values, "simulated"), truth, seed, round(every))


def _sensed(log: RobotLog, truth: Truth, seed: int, every: int) -> RobotLog:
    """Return a row with the sensors' errors."""
    rng, rows = np.random.default_rng(seed), log.rows(0, len(log.time), every)
    time = imu_time = rows.time
    if truth.imu_rate:
        period = 1.0 / truth.imu_rate
        imu_time = np.maximum(np.floor(time / period) * period - 0.002, time[0])
    seen = np.searchsorted(log.time, imu_time + 1e-9) - 1
    rows.values |= {"gyro": log["gyro"][seen], "gravity": log["gravity"][seen], "imu_time": imu_time}
    for signal, size in {"time": truth.clock_jitter, **truth.noise}.items():
        rows.values[signal] = rows[signal] + size * rng.standard_normal(rows[signal].shape)
    rows.values["time"] = np.maximum.accumulate(rows.time)
    return rows


def attitude(down: np.ndarray) -> np.ndarray:
    """Return the orientation, wxyz, of a base with gravity in this direction."""
    half = np.array([1.0 - down[2], -down[1], down[0], 0.0])
    return half / np.linalg.norm(half)
