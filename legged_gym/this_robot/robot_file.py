"""``my_robot.yaml``: the identified parameters of one robot, and their use in a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, get_origin

import numpy as np
from annotated_types import Ge, Le, Len

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import write_text
from legged_gym.common.yaml_text import dump_yaml, read_yaml
from legged_gym.envs.base import admissible
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.registry import task_registry

Interval = tuple[float, float, float]
"""Lowest value, likeliest value, highest value."""


def _interval(kind: Any) -> Any:
    return Annotated[list[kind], Len(3, 3), admissible.Rule(admissible.RISING.func, "[lowest, likeliest, highest]")]


_QUANTITIES: dict[str, Any] = {
    "strength": _interval(admissible.Multiplier), "armature": _interval(admissible.Inertia),
    "viscous_friction": _interval(admissible.Damping), "dry_friction": _interval(admissible.Torque),
    "zero_offset": _interval(admissible.Angle), "backlash": _interval(admissible.Share),
}  # fmt: skip
"""Valid values of each quantity of a joint. Settings of ``motors`` have the same names, units and meanings."""
IDENTIFIED = tuple(_QUANTITIES)
_KEYS: dict[str, Any] = {
    "task": str, "made_from": list[str], "joints": dict[str, Any], "delay": _interval(admissible.Delay),
    "payload": _interval(Annotated[float, Ge(-1000), Le(1000)]), "not_told": dict[str, str],
}  # fmt: skip
"""Valid values of each key in the file."""
DYNAMICS = {"armature": "joint_armature", "viscous_friction": "joint_damping", "dry_friction": "joint_friction"}
"""Names of quantities in the settings of the world. Ranges of ``domain_rand`` have the same names."""
SIMULATED_STEP = 0.001
"""Delays are for a simulation with this step, s, because a step's force acts half a step early."""


@dataclass
class ThisRobot:
    """The identified parameters of one robot."""

    task: str
    joints: dict[str, dict[str, Interval]]
    """Values by joint and quantity. Those that the logs don't show are left out."""
    delay: Interval | None = None
    """Time until a target acts, s."""
    payload: Interval | None = None
    """Mass on the base, kg."""
    made_from: list[str] = field(default_factory=list)
    not_told: dict[str, str] = field(default_factory=dict)
    """Values that the logs don't show, and why."""
    path: str = "my_robot.yaml"

    def require_joints(self, names: list[str]) -> None:
        """Raise a :class:`UserError` that names a joint which the robot does not have."""
        for name in self.joints:
            if name not in names:
                raise UserError(f"{self.path}: no joint is called '{name}': {near_names(name, names)}")

    def values(self, quantity: str, names: list[str], otherwise: np.ndarray | float) -> np.ndarray:
        """Return the most likely values of a quantity for these joints, (D,), or the given default if unknown."""
        self.require_joints(names)
        known = [self.joints.get(name, {}).get(quantity) for name in names]
        usual = np.broadcast_to(otherwise, len(names))
        return np.array([u if interval is None else interval[1] for interval, u in zip(known, usual, strict=True)])


def write_robot(robot: ThisRobot, path: str) -> None:
    """Write a robot as YAML."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: rounded(inner) for name, inner in value.items()}
        return [float(f"{number:.5g}") for number in value] if isinstance(value, tuple) else value

    content = {key: rounded(getattr(robot, key)) for key in _KEYS if getattr(robot, key) is not None}
    head = "# One robot, as its logs show it: [lowest, likeliest, highest] of each value. SI units.\n"
    write_text(path, head + dump_yaml(content, allow_unicode=True, default_flow_style=None, width=110))


def read_robot(path: str, task: str) -> ThisRobot:
    """Read a robot for a task.

    Raises:
        UserError: The file can't be read, a key or value is not valid, or it is for a task with other joints.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("joints"), dict):
        raise UserError(f"{path}: not a robot's file: it needs a section 'joints'")
    joints = {}
    for joint, values in content["joints"].items():
        if not isinstance(values, dict):
            raise UserError(f"{path}: key 'joints.{joint}' needs quantities, got {values!r}")
        joints[str(joint)] = _taken(path, f"joints.{joint}.", _QUANTITIES, values)
    given = {key: value for key, value in content.items() if value is not None and key != "joints"}
    robot = ThisRobot(**{"task": task, **_taken(path, "", _KEYS, given), "joints": joints, "path": path})
    known = _joints(task, path)
    if robot.task != task and _joints(robot.task, path) != known:
        raise UserError(f"{path}: key 'task' is '{robot.task}', whose robot has other joints than that of '{task}'")
    robot.require_joints(known)
    return robot


def apply_robot(robot: ThisRobot, cfg: LeggedRobotCfg, likeliest: bool = False) -> None:
    """Write one robot's parameters into a task's configuration, in place. Randomisation draws from its intervals.

    Values that the file does not give stay unchanged. With ``likeliest``, so do delay and payload.
    """
    for name in IDENTIFIED:
        ends = (1, 1) if likeliest else (0, 2)
        told = {j: [values[name][i] for i in ends] for j, values in robot.joints.items() if name in values}
        setattr(cfg.motors, name, {**told, **getattr(cfg.motors, name)})
    if likeliest:
        return
    rand = cfg.domain_rand
    if all("strength" in values for values in robot.joints.values()):
        # Gains are the numbers that are sent to the motors. The motors' strength accounts for the difference.
        rand.stiffness_multiplier_range = rand.damping_multiplier_range = [1.0, 1.0]
    if robot.payload is not None:
        rand.randomize_base_mass, rand.added_mass_range = True, [robot.payload[0], robot.payload[2]]
    if robot.delay is not None:
        rand.action_delay_range = list(simulated_delay(robot, cfg))


def simulated_delay(robot: ThisRobot, cfg: LeggedRobotCfg) -> tuple[float, float]:
    """Return the shortest and longest action delay, s, that gives a task's simulation the same delay as a robot.

    A step's force acts half a step early, so a simulation with longer steps needs a longer delay.

    Raises:
        UserError: The delay is longer than a control step.
    """
    assert robot.delay is not None
    shift = 0.5 * (cfg.sim.dt - SIMULATED_STEP)
    step = cfg.control.decimation * cfg.sim.dt
    if robot.delay[2] + shift > step + 1e-9:
        raise UserError(f"{robot.path}: key 'delay' is up to {robot.delay[2]:g} s; with steps of {cfg.sim.dt:g} s the "
                        f"task can delay actions by up to {step - shift:g} s")  # fmt: skip
    return robot.delay[0] + shift, robot.delay[2] + shift


def _joints(task: str, path: str) -> list[str]:
    try:
        return sorted(task_registry.get_cfgs(task)[0].init_state.default_joint_angles)
    except UserError as error:
        raise UserError(f"{path}: key 'task': {error}") from None


def _taken(path: str, section: str, hints: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return a section's values, checked by their annotations, with intervals as tuples."""
    taken = {}
    for key, value in values.items():
        if key not in hints:
            raise UserError(f"{path}: unknown key '{section}{key}': {near_names(str(key), hints)}")
        try:
            found = admissible.check(f"{section}{key}", hints[key], value)
        except admissible.ConfigError:
            text = f"key '{section}{key}' takes {admissible.describe(hints[key])}, got {admissible.shown(value)}"
            raise UserError(f"{path}: {text}") from None
        taken[key] = tuple(found) if get_origin(hints[key]) is Annotated else found
    return taken
