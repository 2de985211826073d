"""A small robot to write variants of: a trunk on four legs, each with a hip and a knee."""

from __future__ import annotations

from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg

LEGS = {"fl": (0.2, 0.12), "fr": (0.2, -0.12), "rl": (-0.2, 0.12), "rr": (-0.2, -0.12)}
LIMIT = "<limit lower='-2.6' upper='2.6' effort='25' velocity='20'/>"


def inertial(mass: float, inertia: float, at: str = "0 0 0", turn: str = "0 0 0") -> str:
    """Return a link's mass, kg, and its moment of inertia about every axis, kg·m²."""
    moments = " ".join(f"{key}='{inertia}'" for key in ("ixx", "iyy", "izz"))
    tensor = f"<inertia {moments} ixy='0' ixz='0' iyz='0'/>"
    return f"<inertial><origin xyz='{at}' rpy='{turn}'/><mass value='{mass}'/>{tensor}</inertial>"


def shape(geometry: str, at: str = "0 0 0", tag: str = "collision") -> str:
    """Return a shape of a link."""
    return f"<{tag}><origin xyz='{at}'/><geometry>{geometry}</geometry></{tag}>"


def link(name: str, *parts: str) -> str:
    """Return a link."""
    return f"<link name='{name}'>{''.join(parts)}</link>"


def joint(
    name: str, parent: str, child: str, at: str = "0 0 0", kind: str = "revolute", inside: str = LIMIT, more: str = "",
    turn: str = "0 0 0", fixed: str = "",
) -> str:  # fmt: skip
    """Return a joint about the y axis."""
    return (
        f"<joint name='{name}' type='{kind}' {more}><parent link='{parent}'/><child link='{child}'/>"
        f"<origin xyz='{at}' rpy='{turn}'/><axis xyz='0 1 0'/>{inside if kind != 'fixed' else fixed}</joint>"
    )


def parts() -> dict[str, str]:
    """Return the robot's links and joints by name."""
    found = {"trunk": link("trunk", inertial(6.0, 0.08), shape("<box size='0.4 0.2 0.1'/>"))}
    for leg, (x, y) in LEGS.items():
        thigh = inertial(0.5, 0.002, "0 0 -0.1"), shape("<box size='0.03 0.03 0.16'/>", "0 0 -0.1")
        foot = inertial(0.2, 0.001, "0 0 -0.2"), shape("<sphere radius='0.025'/>", "0 0 -0.2")
        found[f"{leg}_thigh"], found[f"{leg}_foot"] = link(f"{leg}_thigh", *thigh), link(f"{leg}_foot", *foot)
        found[f"{leg}_hip"] = joint(f"{leg}_hip", "trunk", f"{leg}_thigh", f"{x} {y} 0")
        found[f"{leg}_knee"] = joint(f"{leg}_knee", f"{leg}_thigh", f"{leg}_foot", "0 0 -0.2")
    return found


def urdf(robot: dict[str, str] | None = None, **changed: str) -> str:
    """Return the robot, or another, with some of its parts changed or added."""
    return f"<robot name='quadruped'>{''.join(((robot or parts()) | changed).values())}</robot>"


class QuadrupedCfg(LeggedRobotCfg):
    """Its task."""

    class env(LeggedRobotCfg.env):
        num_envs = 2

    class init_state(LeggedRobotCfg.init_state):
        pos = [0.0, 0.0, 0.4]
        default_joint_angles = {f"{leg}_{j}": a for leg in LEGS for j, a in (("hip", 0.6), ("knee", -1.2))}

    class control(LeggedRobotCfg.control):
        stiffness = {"hip": 25.0, "knee": 25.0}
        damping = {"hip": 0.6, "knee": 0.6}

    class asset(LeggedRobotCfg.asset):
        penalize_contacts_on = ["thigh"]
        terminate_after_contacts_on = ["trunk"]
