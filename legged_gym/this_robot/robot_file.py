"""``my_robot.yaml``: what is known of one robot, and the task that is made for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le, Len

from legged_gym.common.errors import UserError, near_names
from legged_gym.common.paths import write_text
from legged_gym.common.yaml_text import dump_yaml, read_yaml
from legged_gym.envs.base import admissible
from legged_gym.envs.base.admissible import RISING, ConfigError, Rule, check, describe, shown
from legged_gym.envs.registry import task_registry

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg

IDENTIFIED = ("strength", "armature", "viscous_friction", "dry_friction", "zero_offset", "backlash")
"""Quantities of a joint; settings of ``motors`` have the same names, units and meanings."""
Interval = tuple[float, float, float]
"""Lowest value, likeliest value, highest value."""
_RISING = Rule(RISING.func, "[lowest, likeliest, highest]")
_KINDS: dict[str, Any] = {
    "strength": admissible.Multiplier,
    "armature": admissible.Inertia,
    "viscous_friction": admissible.Damping,
    "dry_friction": admissible.Torque,
    "zero_offset": admissible.Angle,
    "backlash": admissible.Share,
    "delay": admissible.Delay,
    "payload": Annotated[float, Ge(-1000), Le(1000)],
}
"""What a value of each quantity may be, as in ``motors``."""
SIMULATED_STEP = 0.001
"""Delays are those of a simulation with this step, s: a force of a step acts half a step early."""


@dataclass
class ThisRobot:
    """One robot as its logs show it."""

    task: str
    joints: dict[str, dict[str, Interval]]
    """By joint and quantity; what the logs don't tell is left out."""
    delay: Interval | None = None
    """From a target to when it acts, s."""
    payload: Interval | None = None
    """On the base, kg."""
    made_from: list[str] = field(default_factory=list)
    not_told: dict[str, str] = field(default_factory=dict)
    """What the logs don't tell, and why."""
    path: str = "my_robot.yaml"

    def require_joints(self, names: list[str]) -> None:
        """Refuse a robot that has other joints.

        Raises:
            UserError: It has; the message says which.
        """
        for name in self.joints:
            if name not in names:
                raise UserError(f"{self.path}: no joint is called '{name}': {near_names(name, names)}")


def write_robot(robot: ThisRobot, path: str) -> None:
    """Write a robot as YAML.

    Raises:
        UserError: The file can't be written.
    """
    rounded = {
        joint: {name: [float(f"{x:.5g}") for x in interval] for name, interval in values.items()}
        for joint, values in robot.joints.items()
    }
    content: dict[str, Any] = {"task": robot.task, "made_from": robot.made_from, "joints": rounded}
    for name in ("delay", "payload"):
        interval = getattr(robot, name)
        if interval is not None:
            content[name] = [float(f"{x:.5g}") for x in interval]
    content["not_told"] = robot.not_told
    head = "# One robot, as its logs show it: [lowest, likeliest, highest] of each value. SI units.\n"
    write_text(path, head + dump_yaml(content, allow_unicode=True, default_flow_style=None, width=110))


def read_robot(path: str, task: str) -> ThisRobot:
    """Read a robot for a task.

    Raises:
        UserError: It can't be read, a key or value makes no sense, or it is another task's with other joints.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("joints"), dict):
        raise UserError(f"{path}: no robot: it needs a section 'joints'")
    known = ("task", "made_from", "joints", "delay", "payload", "not_told")
    for key in content:
        if key not in known:
            raise UserError(f"{path}: unknown key '{key}': {near_names(str(key), known)}")
    joints = {}
    for joint, values in content["joints"].items():
        if not isinstance(values, dict):
            raise UserError(f"{path}: key 'joints.{joint}' needs quantities, got {values!r}")
        for name in values:
            if name not in IDENTIFIED:
                raise UserError(f"{path}: unknown key 'joints.{joint}.{name}': {near_names(str(name), IDENTIFIED)}")
        joints[str(joint)] = {name: _interval(path, f"joints.{joint}.{name}", v) for name, v in values.items()}
    delay, payload = content.get("delay"), content.get("payload")
    of_task = _taken(path, "task", str, content.get("task", task))
    known_joints = _joints(task, path)
    if of_task != task and _joints(of_task, path) != known_joints:
        raise UserError(f"{path}: key 'task' is '{of_task}', whose robot has other joints than that of '{task}'")
    for joint in joints:
        if joint not in known_joints:
            raise UserError(f"{path}: no joint is called '{joint}': {near_names(joint, known_joints)}")
    return ThisRobot(
        task=of_task, joints=joints,
        made_from=_taken(path, "made_from", list[str], content.get("made_from") or []),
        delay=None if delay is None else _interval(path, "delay", delay),
        payload=None if payload is None else _interval(path, "payload", payload),
        not_told=_taken(path, "not_told", dict[str, str], content.get("not_told") or {}), path=path,
    )  # fmt: skip


def apply_robot(robot: ThisRobot, cfg: LeggedRobotCfg, likeliest: bool = False) -> None:
    """Make a task's configuration that of one robot: randomisation is drawn from its intervals, in place.

    Args:
        robot: The robot; what it does not tell stays as the task has it.
        cfg: Changed.
        likeliest: Take the likeliest value of each joint in place of its interval, and leave the delay as it is.

    Raises:
        UserError: Its delay is longer than a control step.
    """
    for name in IDENTIFIED:
        ends = (1, 1) if likeliest else (0, 2)
        told = {j: [values[name][i] for i in ends] for j, values in robot.joints.items() if name in values}
        setattr(cfg.motors, name, {**told, **getattr(cfg.motors, name)})
    if likeliest:
        return
    rand = cfg.domain_rand
    if all("strength" in values for values in robot.joints.values()):
        # Gains are numbers that its motors are sent; what differs from them is the strength.
        rand.stiffness_multiplier_range = rand.damping_multiplier_range = [1.0, 1.0]
    if robot.payload is not None:
        rand.randomize_base_mass, rand.added_mass_range = True, [robot.payload[0], robot.payload[2]]
    if robot.delay is not None:
        rand.action_delay_range = list(simulated_delay(robot, cfg))


def simulated_delay(robot: ThisRobot, cfg: LeggedRobotCfg) -> tuple[float, float]:
    """Return the shortest and longest delay of actions, s, with which a task's simulation is as late as a robot.

    A force of a step acts half a step early, so a simulation with longer steps needs a longer delay.

    Raises:
        UserError: It is longer than a control step.
    """
    assert robot.delay is not None
    shift = 0.5 * (cfg.sim.dt - SIMULATED_STEP)
    step = cfg.control.decimation * cfg.sim.dt
    if robot.delay[2] + shift > step + 1e-9:
        raise UserError(f"{robot.path}: key 'delay' is up to {robot.delay[2]:g} s; with steps of {cfg.sim.dt:g} s the "
                        f"task can delay actions by up to {step - shift:g} s")  # fmt: skip
    return robot.delay[0] + shift, robot.delay[2] + shift


def _joints(task: str, path: str) -> set[str]:
    try:
        return {*task_registry.get_cfgs(task)[0].init_state.default_joint_angles}
    except UserError as error:
        raise UserError(f"{path}: key 'task': {error}") from None


def _interval(path: str, key: str, value: Any) -> Interval:
    kind: Any = _KINDS[key.rpartition(".")[2]]
    low, likeliest, high = _taken(path, key, Annotated[list[kind], Len(3, 3), _RISING], value)
    return (low, likeliest, high)


def _taken(path: str, key: str, hint: Any, value: Any) -> Any:
    """Return a value as an annotation admits it."""
    try:
        return check(key, hint, value)
    except ConfigError:
        raise UserError(f"{path}: key '{key}' takes {describe(hint)}, got {shown(value)}") from None
