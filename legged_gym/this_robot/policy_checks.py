"""Whether a policy was fed what it was trained with, from a log of a robot that it moves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from legged_gym.policies.exported import ControllerConfig, PolicyFiles
from legged_gym.this_robot.checks import Finding, judged
from legged_gym.this_robot.log import RobotLog

_ALIKE = 0.1
"""What a term or an action may differ by, as a share of its usual size."""
_SCALE = (0.8, 1.25)


def check_policy(log: RobotLog, policy: PolicyFiles) -> list[Finding]:
    """Check observations and actions of a log against a policy.

    Args:
        log: Of a robot that the policy moves.
        policy: As it was exported.

    Raises:
        UserError: The log's joints are others.
    """
    config = policy.config
    log = _control_rows(log.in_order(config.joint_names), config.control_dt)
    if "observation" not in log:
        missing = Finding("observation", None, "the log has no observation: write what the estimator is fed")
        return [missing, *_check_actions(log, policy)]
    return [_check_terms(log, config), _check_history(log, config), *_check_actions(log, policy)]


def _control_rows(log: RobotLog, dt: float) -> RobotLog:
    """Return one row for each control step: where the action, or else the clock, moves on."""
    every = max(1, round(dt / log.dt))
    return RobotLog(log.joint_names, {name: values[::every] for name, values in log.values.items()}, log.name)


def _check_terms(log: RobotLog, config: ControllerConfig) -> Finding:
    """Compare the newest step of each observation with what was logged beside it."""
    known = {
        "base_ang_vel": log["gyro"],
        "projected_gravity": log.gravity,
        "dof_pos": log["position"] - config.default_angles,
        "dof_vel": log["velocity"],
    }
    if "command" in log:
        known["commands"] = log["command"]
    if "action" in log:
        known["actions"] = np.vstack((np.zeros_like(log["action"][:1]), log["action"][:-1]))
    problems, first = [], 0
    for name, scale in zip(config.observation_terms, config.observation_scales, strict=True):
        size = known[name].shape[1] if name in known else 4
        seen = log["observation"][:, first : first + size]
        first += size
        if name not in known:
            continue
        expected = (known[name] * scale)[2:]
        weight = float((expected**2).sum())
        if weight < 1e-6:
            continue
        factor = float((seen[2:] * expected).sum()) / weight
        rest = float(np.sqrt(np.square(seen[2:] - factor * expected).mean() / max(np.square(expected).mean(), 1e-9)))
        if not _SCALE[0] < factor < _SCALE[1] and rest < 0.5:
            problems.append(f"scaling: {name} is {factor:.3g} times what the policy was trained with")
        elif rest > 0.5:
            problems.append(f"{name} is not what was logged: wrong order, sign, or another term in its place")
    return judged("observation", problems, "each term has its place and scale")


def _check_history(log: RobotLog, config: ControllerConfig) -> Finding:
    """Compare the older steps of each observation with the newest ones of the observations before."""
    steps = config.history_length
    width = log["observation"].shape[1] // steps
    blocks = log["observation"].reshape(len(log.time), steps, width)
    newest, problems = blocks[:, 0], []
    size = max(float(np.std(newest)), 1e-9)
    for age in range(1, steps):
        error = blocks[steps:, age] - newest[steps - age : len(newest) - age]
        problems += [age] if float(np.std(error)) > _ALIKE * size else []
    if not problems:
        return Finding("history", True, f"{steps} steps, newest first")
    turned = blocks[:, ::-1]
    same = np.std(turned[steps:, 1] - turned[steps - 1 : -1, 0]) < _ALIKE * size
    why = (
        "oldest step first: it must be newest first" if same else f"step {problems[0]} is not the one so many steps ago"
    )
    return Finding("history", False, f"history: {why}")


def _check_actions(log: RobotLog, policy: PolicyFiles) -> Iterator[Finding]:
    if "action" not in log:
        yield Finding("action", None, "the log has no action: write what the actor gives")
        return
    problems, config = [], policy.config
    told = config.default_angles + config.action_scale * log["action"]
    if float(np.sqrt(np.square(told - log["target"]).mean())) > 0.02:
        problems.append("targets are not default angles + scale · action: another pose or scale than the policy's")
    if "observation" in log:
        action = policy.replay(log["observation"].astype(np.float32))
        off = float(np.sqrt(np.square(action - log["action"]).mean()) / max(float(np.std(action)), 1e-9))
        if off > _ALIKE:
            problems.append(
                "the networks give other actions for these observations: another file, or inputs in another order"
            )
    yield judged("action", problems, "the policy's own")
