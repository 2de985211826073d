"""Trials of one identified robot that walks in plain MuJoCo with its controller, and their logs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from legged_gym.deploy.controller import projected_gravity
from legged_gym.deploy.plan import TrialPlan
from legged_gym.deploy.trial import Trial
from legged_gym.policies.exported import PolicyFiles
from legged_gym.this_robot.log import SENSOR_NOISE, RobotLog
from legged_gym.this_robot.robot_file import DYNAMICS, ThisRobot


def plan_for(robot: ThisRobot, plan: TrialPlan, joint_names: list[str]) -> TrialPlan:
    """Return a trial's plan for one robot. Values that its file does not give stay as planned."""
    strength, joints = robot.values("strength", joint_names, 1.0), dict(plan.joints)
    for quantity, name in DYNAMICS.items():
        if all(quantity in robot.joints.get(joint, {}) for joint in joint_names):
            joints[name] = tuple(robot.values(quantity, joint_names, 0.0).tolist())
    return dataclasses.replace(
        plan, p_gain=plan.p_gain * strength, d_gain=plan.d_gain * strength, joints=joints,
        zero_offset=plan.zero_offset + robot.values("zero_offset", joint_names, 0.0),
        backlash=robot.values("backlash", joint_names, 0.0),
        action_delay=plan.action_delay + (robot.delay[1] if robot.delay else 0.0),
        payload=plan.payload + (robot.payload[1] if robot.payload else 0.0),
    )  # fmt: skip


def log_of_trial(policy: PolicyFiles, urdf: str, plan: TrialPlan, of_motors: bool = False) -> RobotLog:
    """Run a trial and return its log: a row for each control step, with the policy's inputs.

    With ``of_motors``, a row for each of the motors' ticks, with the encoders' own noise and no data of the policy.
    """
    rows: list[dict[str, Any]] = []
    rng = np.random.default_rng(plan.seed)

    def note(trial: Trial) -> None:
        controller, told, time = trial.controller, trial.told, trial.time if of_motors else len(rows) * plan.dt
        sensed = trial.world.sense() if of_motors else trial.sensed
        row = {
            "time": time, "command": controller.command, "target": told.target, "kp": told.kp, "kd": told.kd,
            "position": sensed.dof_pos, "velocity": sensed.dof_vel, "gyro": sensed.gyro,
            "gravity": projected_gravity(sensed.quat) + sensed.gravity_error, "imu_time": time,
        }  # fmt: skip
        if of_motors:
            row["position"] = row["position"] + plan.zero_offset
            for signal, size in SENSOR_NOISE.items():
                row[signal] = row[signal] + size * rng.standard_normal(row[signal].shape)
        else:
            row |= {"imu_time": time - plan.observation_delay, "action": controller.action,
                    "estimate": controller.estimate, "observation": controller.observation}  # fmt: skip
        rows.append(row)

    Trial(policy, urdf, plan).run(**{"watch_motors" if of_motors else "watch": note})
    values = {name: np.array([row[name] for row in rows], float) for name in rows[0]}
    return RobotLog(list(policy.config.joint_names), values, "sim2sim")
