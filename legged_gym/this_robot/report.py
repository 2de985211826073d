"""The report on an identified robot, as one HTML page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, select_autoescape
from matplotlib.figure import Figure

from legged_gym.this_robot.fit import Fit
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.prediction import chunks, predict
from legged_gym.this_robot.robot_file import ThisRobot

_UNITS = {
    "strength": "of what was asked", "armature": "kg·m²", "viscous_friction": "N·m·s/rad", "dry_friction": "N·m",
    "zero_offset": "rad", "backlash": "rad",
}  # fmt: skip
_LEANS = 0.4
"""Degrees by which an IMU may lean on its base."""
_WINDOW = 4.0
"""Seconds that are drawn."""


def short(value: float) -> str:
    """Return a value with three digits, and 0 where it is nothing."""
    return "0" if abs(value) < 1e-6 else f"{value:.3g}"


def identified_page(robot: ThisRobot, fit: Fit, log: RobotLog) -> str:
    """Return the page.

    Args:
        robot: What was told.
        fit: How.
        log: The one that is drawn.
    """
    quality = zip(fit.stand.joint_names, 1e3 * fit.moved, 1e3 * fit.residual, 1e3 * fit.held_out, strict=True)
    picture = io.BytesIO()
    _drawn(fit, log.in_order(fit.stand.joint_names)).savefig(picture, format="png", dpi=110, bbox_inches="tight")
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(["j2"], default=True))
    environment.filters["short"] = short
    return environment.get_template("identified.html.j2").render(
        robot=robot, columns=list(_UNITS.items()), quality=list(quality), advice=advice(robot, fit),
        picture=base64.b64encode(picture.getvalue()).decode(),
    )  # fmt: skip


def advice(robot: ThisRobot, fit: Fit) -> list[str]:
    """Say what to record next."""
    lines = sorted({why.split(": ", 1)[1] for what, why in robot.not_told.items() if " of " in what and ": " in why})
    poor = [
        n
        for n, left, own in zip(fit.stand.joint_names, fit.residual, fit.noise, strict=True)
        if left > max(3e-3, 3 * own)
    ]
    if poor:
        lines.append(f"{', '.join(poor)}: more is left than noise; look for looseness, then log again")
    for angle in ("roll", "pitch"):
        lean, half = (float(np.degrees(found[0])) for found in fit.of(f"mount_{angle}"))
        if abs(lean) > max(_LEANS, half):
            lines.append(f"the IMU shows {lean:+.1f}° (± {half:.1f}°) too much {angle}: correct its mount")
    return lines or ["nothing is missing: adapt a policy with --robot"]


def _drawn(fit: Fit, log: RobotLog) -> Figure:
    chunk = chunks(log)[0]
    shown = predict(fit.stand, chunk, [fit.candidate()])[0]
    begin = 0.5 * max(0.0, chunk.time[-1] - _WINDOW)
    rows = (chunk.time >= begin) & (chunk.time <= begin + _WINDOW)
    count = fit.stand.num_dof
    figure = Figure(figsize=(11.0, 1.25 * count))
    axes = figure.subplots(count, 2, sharex=True, squeeze=False, gridspec_kw={"width_ratios": [3, 2]})
    for joint, name in enumerate(fit.stand.joint_names):
        left, right = axes[joint]
        left.plot(chunk.time[rows], chunk.position[rows, joint], color="#888", linewidth=2.2, label="log")
        left.plot(chunk.time[rows], shown[rows, joint], color="#d1495b", linewidth=1.0, label="fit")
        left.set_ylabel(f"{name}\nrad", fontsize=7)
        right.plot(chunk.time[rows], 1e3 * (shown - chunk.position)[rows, joint], color="#00798c", linewidth=0.7)
        right.set_ylabel("mrad", fontsize=7)
        for axis in (left, right):
            axis.tick_params(labelsize=7)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(fontsize=7, loc="upper right")
    axes[0, 0].set_title("log and fit", fontsize=9)
    axes[0, 1].set_title("what is left", fontsize=9)
    axes[-1, 0].set_xlabel("s", fontsize=8)
    return figure
