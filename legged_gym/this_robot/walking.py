"""One robot that walks in plain MuJoCo by its controller: its trials, and their logs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from legged_gym.deploy.controller import projected_gravity
from legged_gym.deploy.trial import Trial
from legged_gym.policies.exported import PolicyFiles
from legged_gym.this_robot.log import SENSOR_NOISE, RobotLog
from legged_gym.this_robot.robot_file import ThisRobot

if TYPE_CHECKING:
    from legged_gym.deploy.plan import TrialPlan

_DYNAMICS = {"armature": "joint_armature", "viscous_friction": "joint_damping", "dry_friction": "joint_friction"}
"""Names of quantities among the settings of the world."""


def plan_for(robot: ThisRobot, plan: TrialPlan, joint_names: list[str]) -> TrialPlan:
    """Return a trial's plan on one robot; what its file does not tell stays as planned.

    Raises:
        UserError: It has other joints.
    """
    robot.require_joints(joint_names)

    def told(quantity: str, otherwise: float) -> np.ndarray:
        found = [robot.joints.get(name, {}).get(quantity) for name in joint_names]
        return np.array([otherwise if interval is None else interval[1] for interval in found])

    strength, joints = told("strength", 1.0), dict(plan.joints)
    for quantity, name in _DYNAMICS.items():
        if all(quantity in robot.joints.get(joint, {}) for joint in joint_names):
            joints[name] = tuple(told(quantity, 0.0).tolist())
    return dataclasses.replace(
        plan, p_gain=plan.p_gain * strength, d_gain=plan.d_gain * strength,
        zero_offset=plan.zero_offset + told("zero_offset", 0.0), joints=joints,
        action_delay=plan.action_delay + (robot.delay[1] if robot.delay else 0.0),
        payload=plan.payload + (robot.payload[1] if robot.payload else 0.0),
    )  # fmt: skip


def log_of_trial(policy: PolicyFiles, urdf: str, plan: TrialPlan, of_motors: bool = False) -> RobotLog:
    """Run a trial and return its log.

    Args:
        policy: Who walks.
        urdf: The robot.
        plan: The trial.
        of_motors: Log a row for each of the motors' ticks, with the encoders' own noise and nothing of the policy;
            else a row for each control step, with what the policy was given.

    Raises:
        UserError: The policy, the robot and the plan don't fit each other.
    """
    rows: list[dict[str, np.ndarray]] = []

    def note(trial: Trial) -> None:
        sensed, told, controller = trial.sensed, trial.told, trial.controller
        rows.append({
            "time": np.array(len(rows) * plan.dt), "command": controller.command, "target": told.target,
            "kp": told.kp, "kd": told.kd, "position": sensed.dof_pos, "velocity": sensed.dof_vel, "gyro": sensed.gyro,
            "gravity": projected_gravity(sensed.quat) + sensed.gravity_error,
            "imu_time": np.array(len(rows) * plan.dt - plan.observation_delay),
            "action": controller.action, "estimate": controller.estimate, "observation": controller.observation,
        })  # fmt: skip

    rng = np.random.default_rng(plan.seed)

    def noise(signal: str, size: int) -> np.ndarray:
        return SENSOR_NOISE[f"{signal}_noise"] * rng.standard_normal(size)

    def note_motors(trial: Trial) -> None:
        sensed, told, time = trial.world.sense(), trial.told, np.array(trial.time)
        rows.append({
            "time": time, "command": trial.controller.command, "target": told.target, "kp": told.kp, "kd": told.kd,
            "position": sensed.dof_pos + plan.zero_offset + noise("position", len(told.kp)),
            "velocity": sensed.dof_vel + noise("velocity", len(told.kp)),
            "gyro": sensed.gyro + noise("gyro", 3),
            "gravity": projected_gravity(sensed.quat) + noise("gravity", 3), "imu_time": time,
        })  # fmt: skip

    Trial(policy, urdf, plan).run(*((None, note_motors) if of_motors else (note,)))
    values = {name: np.stack([np.asarray(row[name], float) for row in rows]) for name in rows[0]}
    return RobotLog(list(policy.config.joint_names), values, "sim2sim")
