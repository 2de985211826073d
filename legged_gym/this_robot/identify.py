"""Identifies a robot from logs in its stand, and names what they can't show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from legged_gym.common.errors import UserError
from legged_gym.this_robot.fit import BACKLASH_DT, Fit, fit
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.robot_file import IDENTIFIED, Interval, ThisRobot
from legged_gym.this_robot.stand import Stand

_BASE_TURNS, _HARDLY = 0.15, 0.02
"""RMS limits: a base in a stand turns more slowly, rad/s; a joint that moves less, rad, hardly moved."""
_DELAY_KNOWN = 5e-4
"""Uncertainty of a delay from jittering clocks, s, in addition to the fit's."""
_NEVER = {
    "link masses": "scaling all masses with all strengths gives the same motion: weigh the links",
    "action delay separately from observation delay": "only their sum shows in how a motion follows its targets",
    "damping gain separately from damping": "a motor's D gain is assumed to have the same strength as its P gain",
    "payload": "the stand carries it: log a walk, and run identify.py on it with --robot and this file",
}
_HINTS = {
    "zero_offset": "log it once more with the stand tilted, so that gravity turns the joint",
    "strength": "a longer log, or larger motion", "viscous_friction": "faster motion, and two sets of gains",
    "armature": "faster motion", "dry_friction": "slower motion", "backlash": "a log with less noise",
}  # fmt: skip


def identify(stand: Stand, logs: Sequence[RobotLog], threads: int = 1) -> tuple[ThisRobot, Fit]:
    """Identify a robot from logs in its stand, with this many predictions at a time."""
    logs = [log.in_order(stand.joint_names) for log in logs]
    for log in logs:
        require_stand(log)
    found = fit(stand, logs, threads)
    robot = ThisRobot(stand.task, {name: {} for name in stand.joint_names}, made_from=[log.name for log in logs])
    robot.not_told.update(_NEVER)
    for name in IDENTIFIED:
        if name == "backlash" and max(log.dt for log in logs) > BACKLASH_DT:
            robot.not_told[name] = f"rows more than {1e3 * BACKLASH_DT:g} ms apart don't show it: log at 500 Hz"
            continue
        values, halves = found.of(name)
        if name == "backlash":
            # Backlash below the encoder's noise does not show.
            halves = np.maximum(halves, found.noise)
        expected = np.ptp(found.prior[found.where[name]], axis=1)
        for joint, label in enumerate(stand.joint_names):
            moved, width = found.moved[joint], 2.0 * halves[joint]
            if moved < _HARDLY:
                reason = f"the joint hardly moved ({moved:.3f} rad RMS): excite it"
            elif width > 0.5 * expected[joint]:
                reason = f"its interval is {width:.2g} wide, more than half of what is expected anyway: {_HINTS[name]}"
            else:
                least = -np.inf if name == "zero_offset" else 0.0
                robot.joints[label][name] = _interval(values[joint], halves[joint], least)
                continue
            robot.not_told[f"{name} of {label}"] = reason
    delays, halves = found.of("delay")
    robot.delay = _interval(delays[0], max(halves[0], _DELAY_KNOWN))
    return robot, found


def _interval(value: float, half: float, least: float = 0.0) -> Interval:
    low, middle, high = (max(least, float(end)) for end in (value - half, value, value + half))
    return low, middle, high


def require_stand(log: RobotLog) -> None:
    """Raise a :class:`UserError` if a robot was not in its stand: its base turned, or a policy controlled it."""
    turning = float(np.sqrt(np.square(log["gyro"]).sum(1).mean()))
    leaning = float(np.degrees(np.arccos(np.clip(log.gravity @ log.gravity.mean(0), -1.0, 1.0)).max()))
    if turning > _BASE_TURNS or ("action" in log and np.abs(np.nan_to_num(log["action"])).max() > 0.0):
        moved = f"its base turns by {turning:.2f} rad/s, leans by up to {leaning:.0f}°"
        raise UserError(f"{log.name}: joint parameters can't be found from walking ({moved}): log the robot in "
                        "its stand, with the trajectory of excite.py")  # fmt: skip
