"""Checks from a log whether a policy gets the inputs that it was trained with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from legged_gym.policies.exported import ControllerConfig, PolicyFiles
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.signal_checks import Finding, judged

_ALIKE, _SAME, _SCALE = 0.1, 0.3, (0.8, 1.25)
"""Allowed differences of an action and of a term, as a share of its usual size, and of a term's factor."""


def check_policy(log: RobotLog, policy: PolicyFiles) -> list[Finding]:
    """Check observations and actions in a log of a robot that a policy controls."""
    log = log.in_order(policy.config.joint_names)
    # One row for each control step.
    log = log.rows(0, len(log.time), max(1, round(policy.config.control_dt / log.dt)))
    if "observation" not in log:
        missing = Finding("observation", None, "the log has no observation: write the estimator's input")
        return [missing, _check_actions(log, policy, False)]
    found = list(_check_observation(log, policy.config))
    return [*found, _check_actions(log, policy, all(finding.passed for finding in found))]


def _check_observation(log: RobotLog, config: ControllerConfig) -> Iterator[Finding]:
    """Compare older steps of each observation with earlier newest ones, and these with the other logged signals."""
    steps = config.history_length
    blocks = log["observation"].reshape(len(log.time), steps, -1)
    size = max(float(np.std(blocks)), 1e-9)

    def strange(history: np.ndarray) -> list[int]:
        """Return the steps of the history that are not the newest step of an earlier row."""
        pairs = ((age, history[steps:, age] - history[steps - age : len(history) - age, 0]) for age in range(1, steps))
        return [age for age, apart in pairs if np.std(apart) > _ALIKE * size]

    if steps > 1 and strange(blocks) and not strange(blocks[:, ::-1]):
        blocks, problems = blocks[:, ::-1], ["history: oldest step first: it must be newest first"]
    else:
        problems = [f"history: step {age} is not the observation of {age} steps ago" for age in strange(blocks)[:1]]
    yield _check_terms(log, config, blocks[:, 0])
    yield judged("history", problems, f"{steps} steps, newest first")


def _check_terms(log: RobotLog, config: ControllerConfig, newest: np.ndarray) -> Finding:
    known = {
        "base_ang_vel": log["gyro"], "projected_gravity": log.gravity, "dof_vel": log["velocity"],
        "dof_pos": log["position"] - config.default_angles,
    }  # fmt: skip
    if "command" in log:
        known["commands"] = log["command"]
    if "action" in log:
        known["actions"] = np.vstack((np.zeros_like(log["action"][:1]), log["action"][:-1]))
    problems, first = [], 0
    for name, scale in zip(config.observation_terms, config.observation_scales, strict=True):
        size = known[name].shape[1] if name in known else 4
        why = _difference(newest[:, first : first + size], known[name] * scale) if name in known else ""
        problems += [f"{name} {why}"] if why else []
        first += size
    return judged("observation", problems, "each term has its place and scale")


def _difference(seen: np.ndarray, expected: np.ndarray) -> str:
    """Return how columns differ from the expected ones, as text; empty if they don't."""
    earlier, later, seen_earlier, seen = expected[2:-1], expected[3:], seen[2:-1], seen[3:]
    powers = np.square(later).mean(0)
    usual = float(np.sqrt(powers.mean()))
    if usual < 1e-3:
        return ""

    def off(difference: np.ndarray) -> float:
        return float(np.sqrt(np.square(difference).mean())) / usual

    factors = (seen * later).mean(0) / np.maximum(powers, 1e-12 / len(later))
    bad = (powers > 1e-6) & ~((factors > _SCALE[0]) & (factors < _SCALE[1]))
    plain = off(seen - later)
    for word, difference in (("late", seen - earlier), ("early", seen_earlier - later)):
        if off(difference) < 0.5 * min(plain, _ALIKE):
            return f"is one step {word}: write the networks' input of this step"
    moved, scaled = off(seen - later - (seen - later).mean(0)), off(seen - factors * later)
    if plain > _ALIKE and moved + 0.01 < min(0.5 * plain, _SAME, scaled):
        return "is off by constants: another pose, or the usual pose is missing or added"
    if scaled < _SAME and bad.any():
        if np.ptp(factors[bad]) < 0.1 * np.abs(factors[bad]).max() and bad.sum() >= 0.6 * len(bad):
            return f"is {factors[bad].mean():.3g} times what the policy was trained with: scaling"
        columns = ", ".join(f"{j} ({factors[j]:.3g} times)" for j in np.flatnonzero(bad))
        return f"has another scaling or sign in the columns {columns}"
    if plain < _SAME and not bad.any():
        return ""
    return "is not what was logged: wrong order, sign, or another term in its place"


def _check_actions(log: RobotLog, policy: PolicyFiles, fed: bool) -> Finding:
    if "action" not in log:
        return Finding("action", None, "the log has no action: write the actor's output")
    moved, asked = log["target"] - policy.config.default_angles, policy.config.action_scale * log["action"]
    what = f"what the targets add to the usual pose, action scale · action, {_difference(moved, asked) or 'differs'}"
    problems = [what] if np.sqrt(np.square(moved - asked).mean()) > 0.02 else []
    action = policy.replay(log["observation"].astype(np.float32)) if fed else log["action"]
    if np.sqrt(np.square(action - log["action"]).mean()) > _ALIKE * max(float(np.std(action)), 1e-9):
        text = "the networks give other actions for these observations: another file, or inputs in another order"
        problems.append(text)
    return judged("action", problems, "the policy's own")
