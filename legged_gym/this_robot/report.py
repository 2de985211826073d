"""The report on an identified robot, as one HTML page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np

from legged_gym.evaluation.plots import grid
from legged_gym.evaluation.report import render
from legged_gym.this_robot.fit import Fit
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import chunks, predict
from legged_gym.this_robot.robot_file import ThisRobot

_UNITS = {
    "strength": "of what was asked", "armature": "kg·m²", "viscous_friction": "N·m·s/rad", "dry_friction": "N·m",
    "zero_offset": "rad", "backlash": "rad",
}  # fmt: skip
_LEANS, _WINDOW = 0.4, 4.0
"""Largest acceptable tilt of an IMU on its base, degrees; duration of the plots, s."""


def short(value: float) -> str:
    """Return a value with three digits; 0 for tiny values."""
    return "0" if abs(value) < 1e-6 else f"{value:.3g}"


def identified_page(robot: ThisRobot, fit: Fit, log: RobotLog) -> str:
    """Return the page, with a part of a log and the fit on the left, and their difference on the right."""
    names, picture, chunk = fit.stand.joint_names, io.BytesIO(), chunks(log.in_order(fit.stand.joint_names))[0]
    begin = 0.5 * max(0.0, chunk.time[-1] - _WINDOW)
    rows = (chunk.time >= begin) & (chunk.time <= begin + _WINDOW)
    seen, shown = chunk.position[rows], predict(fit.stand, chunk, [fit.robot(fit.values)])[0][rows]
    titles = [f"{name}, {what}" for what in ("rad", "log - fit, mrad") for name in names]
    curves = {"log": np.hstack((seen, np.full_like(seen, np.nan))), "fit": np.hstack((shown, 1e3 * (seen - shown)))}
    grid(chunk.time[rows], titles, curves).savefig(picture, format="png", dpi=110)
    return render(
        Path(__file__).parent / "templates" / "identified.html.j2", robot=robot, columns=_UNITS.items(), short=short,
        quality=zip(names, 1e3 * fit.moved, 1e3 * fit.residual, 1e3 * fit.held_out, strict=True),
        advice=advice(robot, fit), picture=base64.b64encode(picture.getvalue()).decode(),
    )  # fmt: skip


def advice(robot: ThisRobot, fit: Fit) -> list[str]:
    """Return advice on what to record next."""
    lines = sorted({why.split(": ", 1)[1] for what, why in robot.not_told.items() if " of " in what and ": " in why})
    large = fit.residual > np.maximum(3e-3, 3.0 * fit.noise)
    poor = [name for name, much in zip(fit.stand.joint_names, large, strict=True) if much]
    if poor:
        lines.append(f"{', '.join(poor)}: the error exceeds the noise; look for loose parts, then log again")
    for angle in ("roll", "pitch"):
        lean, half = (float(np.degrees(found[0])) for found in fit.of(f"mount_{angle}"))
        if abs(lean) > max(_LEANS, half):
            lines.append(f"the IMU shows {lean:+.1f}° (± {half:.1f}°) too much {angle}: correct its mount")
    return lines or ["nothing is missing: adapt a policy with --robot"]
