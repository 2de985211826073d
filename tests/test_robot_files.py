"""Robots as people bring them: each builds, steps and resets on MuJoCo C and on MuJoCo Warp alike, or is refused."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
import trimesh
from isaacgym_process import python_with
from quadruped import LEGS, LIMIT, QuadrupedCfg, inertial, joint, link, parts, shape, urdf
from rsl_rl.runners import OnPolicyRunner
from urdf_dynamics import mass_matrix

from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfgPPO
from legged_gym.runners import rsl_rl_config
from legged_gym.simulators.backend import ISAACGYM_PYTHON
from legged_gym.simulators.mujoco_model import Scene, build_scene

Files = dict[str, str | bytes]
"""What lies in the robot's folder, by name; ``robot.urdf`` or ``robot.xml`` is the robot."""
Change = Callable[[QuadrupedCfg], None]
MIMIC = "<mimic joint='fl_hip'/>"
SOLE = "<geom size='.025' pos='0 0 -.2' condim='6' priority='1' margin='.01' gap='.005'/>"
UNMET = "<geom name='{}' size='.025' pos='0 0 -.2' contype='0' conaffinity='0'/>"
PAIRS = "<contact>" + "".join(f"<pair geom1='ground' geom2='{leg}_sole'/>" for leg in LEGS) + "</contact></mujoco>"
FEET = [f"{leg}_foot" for leg in LEGS]
BALL = trimesh.creation.icosphere(subdivisions=1, radius=0.025)
LOOK = shape("<mesh filename='{}'/>", tag="visual")


def feet(build: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """Return parts that change in every leg."""
    return {name: text for leg in LEGS for name, text in build(leg).items()}


def mjcf(foot: str = SOLE) -> str:
    """Write the robot as Menagerie does: with a scene, actuators, sensors and a pose of its own."""
    legs = "".join(
        f"<body name='{leg}_thigh' pos='{x} {y} 0'><joint name='{leg}_hip' axis='0 1 0' range='-2.6 2.6' damping='.1'"
        " armature='.01' frictionloss='.2'/><inertial pos='0 0 -.1' mass='.5' diaginertia='.002 .002 .002'/>"
        "<geom type='box' size='.015 .015 .08' pos='0 0 -.1'/><geom class='look' type='box' size='.02 .02 .09'/>"
        f"<body name='{leg}_foot' pos='0 0 -.2'><joint name='{leg}_knee' axis='0 1 0' range='-2.6 2.6'/>"
        "<inertial pos='0 0 -.2' mass='.2' diaginertia='.001 .001 .001'/>"
        f"{foot.format(leg=leg)}</body></body>"
        for leg, (x, y) in LEGS.items()
    )
    motors = "".join(f"<motor joint='{leg}_{j}' ctrlrange='-25 25'/>" for leg in LEGS for j in ("hip", "knee"))
    motors += (
        "<position jointinparent='fl_hip' kp='50' forcerange='-6 5'/><damper joint='fr_hip' kv='1' ctrlrange='0 1'/>"
    )
    return (
        "<mujoco><compiler angle='radian'/><option cone='elliptic' impratio='100'/><default><default class='look'>"
        "<geom contype='0' conaffinity='0' group='2'/></default></default><worldbody><light pos='0 0 2'/>"
        "<geom name='ground' type='plane' size='1 1 1'/><body name='trunk' pos='0 0 .3'><freejoint/><site name='imu'/>"
        "<inertial pos='0 0 0' mass='6' diaginertia='.08 .08 .08'/><geom type='box' size='.2 .1 .05'/>"
        f"<body name='lamp'><geom size='.01' mass='.5'/></body>{legs}</body></worldbody>"
        f"<actuator>{motors}</actuator><sensor><gyro site='imu'/></sensor>"
        f"<keyframe><key qpos='0 0 .3 1 0 0 0 {'0 ' * 8}'/></keyframe></mujoco>"
    )


def names(tag: str, inside: str) -> str:
    return "".join(f"<{tag}><joint name='{leg}_{j}'>{inside}</joint></{tag}>" for leg in LEGS for j in ("hip", "knee"))


def toes(leg: str) -> dict[str, str]:
    limit = "<limit lower='-0.01' upper='0.01' effort='10' velocity='1'/>"
    return {
        f"{leg}_toe": link(f"{leg}_toe", inertial(0.1, 1e-4), shape("<sphere radius='0.02'/>")),
        f"{leg}_spring": joint(f"{leg}_spring", f"{leg}_foot", f"{leg}_toe", "0 0 -.2", "prismatic", limit),
    }


def drive_toes(cfg: QuadrupedCfg) -> None:
    cfg.control.stiffness = {**cfg.control.stiffness, "spring": 100.0}
    cfg.control.damping = {**cfg.control.damping, "spring": 5.0}
    cfg.init_state.default_joint_angles = {
        **cfg.init_state.default_joint_angles,
        **{f"{leg}_spring": 0.0 for leg in LEGS},
    }


def setting(section: str, **values: object) -> Change:
    return lambda cfg: [setattr(getattr(cfg, section), key, value) for key, value in values.items()] and None


def discs(leg: str) -> dict[str, str]:
    disc = shape("<cylinder radius='0.06' length='0.02'/>", "0 0 -0.2")
    return {f"{leg}_foot": link(f"{leg}_foot", inertial(0.2, 0.001, "0 0 -0.2"), disc)}


def fixed_feet(leg: str) -> dict[str, str]:
    shin = link(f"{leg}_shin", inertial(0.1, 0.0005, "0 0 -0.1"))
    ball = link(f"{leg}_foot", inertial(0.1, 0.0005), shape("<sphere radius='0.025'/>"))
    return {
        f"{leg}_shin": shin,
        f"{leg}_foot": ball,
        f"{leg}_knee": joint(f"{leg}_knee", f"{leg}_thigh", f"{leg}_shin", "0 0 -0.2"),
        f"{leg}_ankle": joint(f"{leg}_ankle", f"{leg}_shin", f"{leg}_foot", "0 0 -0.2", "fixed"),
        f"{leg}_sole": link(f"{leg}_foot_sole", shape("<sphere radius='0.02'/>")),
        f"{leg}_glue": joint(f"{leg}_glue", f"{leg}_foot", f"{leg}_foot_sole", kind="fixed"),
    }


def mesh_feet(leg: str, kind: str) -> dict[str, str]:
    name = {
        "fl": "package://robot/meshes/left/ball.stl",
        "fr": "../robot/meshes/right/ball.stl",
        "rl": "meshes/ball.obj",
    }
    mesh = shape(
        f"<mesh filename='{name.get(leg, 'package://robot/meshes/ball.dae')}' scale='1 -1 1'/>", "0 0 -0.2", kind
    )
    return {f"{leg}_foot": link(f"{leg}_foot", inertial(0.2, 0.001, "0 0 -0.2"), mesh)}


def turned() -> dict[str, str]:
    """Return parts whose frames are turned, one fixed to the other."""
    turn = "0.3 -0.2 0.5"
    arm = (
        inertial(0.3, 0.002, "0.05 0.02 0.1", turn)
        .replace("izz='0.002'", "izz='0.003'")
        .replace("ixy='0'", "ixy='.0004'")
    )
    hand = inertial(0.2, 0.001, "0 0.03 0", "1 2 3").replace("iyy='0.001'", "iyy='0.0015'")
    return {
        "arm": link("arm", arm),
        "hand": link("hand", hand),
        "wrist": joint("wrist", "arm", "hand", "0.1 0 0.2", "fixed", turn="0.7 0.1 -0.4"),
        "grip": joint("grip", "trunk", "arm", "0 0.1 0.2", "fixed", turn=turn),
        "fl_thigh": link("fl_thigh", inertial(0.5, 0.002, "0.01 0 -0.1", turn), shape("<box size='.03 .03 .16'/>")),
        "fl_hip": joint("fl_hip", "trunk", "fl_thigh", "0.2 0.12 0", turn=turn),
        "pad": link("pad", inertial(0.1, 0.0005, "0 0 0.02")),
        "glue": joint("glue", "fl_foot", "pad", "0 0 -0.2", "fixed", turn=turn),
    }


TIES = (
    "<tendon><fixed name='t' stiffness='20' damping='1'><joint joint='fl_hip' coef='1'/><joint joint='fl_knee' "
    "coef='.5'/></fixed></tendon><equality><joint joint1='rl_hip' joint2='rr_hip'/><connect body1='fl_foot' "
    "body2='fr_foot' anchor='0 -.1 0'/></equality></mujoco>"
)


def following(leg: str) -> str:
    inside = LIMIT + f"<mimic joint='{leg}_hip' multiplier='-2.5' offset='.3'/>"
    return joint(f"{leg}_knee", f"{leg}_thigh", f"{leg}_foot", "0 0 -0.2", inside=inside)


BLANKS = shape("<mesh filename='package://robot/my%20meshes\\ball.stl'/>", "0 0 -0.2")


def renamed(text: str) -> str:
    """Give links and joints names as some exporters do."""
    for leg in LEGS:
        text = text.replace(f"{leg}_thigh", f"{leg}/thigh é").replace(f"{leg}_shin", f"{leg}::shin &amp; 足")
    return text


MESHES: Files = {
    "meshes/left/ball.stl": BALL.export(file_type="stl"),
    "meshes/right/ball.stl": BALL.export(file_type="stl"),
    "meshes/ball.obj": BALL.export(file_type="obj"),
    "meshes/ball.dae": BALL.export(file_type="dae"),
}
HANGING = {"fix_base_link": True, "terminate_after_contacts_on": []}
NONE: Change = lambda cfg: None  # noqa: E731
ROBOTS: dict[str, tuple[Files, Change]] = {
    "plain": ({"robot.urdf": urdf()}, NONE),
    "ROS 1": ({"robot.urdf": urdf(t=names("transmission", "<hardwareInterface>Effort</hardwareInterface>"))}, NONE),
    "ROS 2": ({"robot.urdf": urdf(t=names("ros2_control", "<command_interface name='effort'/>"))}, NONE),
    "dynamics": ({"robot.urdf": urdf().replace("</joint>", "<dynamics damping='0.7' friction='0.3'/></joint>")}, NONE),
    "slides": ({"robot.urdf": urdf(**feet(toes))}, drive_toes),
    "continuous": ({"robot.urdf": urdf().replace("revolute", "continuous")}, NONE),
    "no limits": ({"robot.urdf": urdf().replace(LIMIT, "")}, NONE),
    "footprint": (
        {"robot.urdf": urdf(b=link("base_footprint"), f=joint("f", "base_footprint", "trunk", "0 0 .1", "fixed"))},
        NONE,
    ),
    "world": ({"robot.urdf": urdf(b=link("world"), f=joint("f", "world", "trunk", kind="floating"))}, NONE),
    "bumper": (
        {"robot.urdf": urdf(b=link("bumper", inertial(0.5, 0.001), shape("<box size='.1 .1 .1'/>")),
                            f=joint("f", "trunk", "bumper", "0 0 .1", "fixed"))},
        NONE,
    ),
    "antenna": (
        {"robot.urdf": urdf(b=link("antenna", inertial(0.5, 0.001)),
                            f=joint("f", "trunk", "antenna", "0 0 .1", "fixed", more="dont_collapse='true'"))},
        NONE,
    ),
    "fixed feet": ({"robot.urdf": urdf(**feet(fixed_feet))}, NONE),
    "no inertial": (
        {"robot.urdf": urdf(g=link("guard", shape("<box size='.2 .2 .1'/>")),
                            f=joint("f", "trunk", "guard", kind="fixed"))},
        NONE,
    ),
    "discs": ({"robot.urdf": urdf(**feet(discs))}, NONE),
    "discs as capsules": ({"robot.urdf": urdf(**feet(discs))}, setting("asset", replace_cylinder_with_capsule=True)),
    "mujoco tag": (
        {"robot.urdf": urdf(m="<mujoco><compiler balanceinertia='true' meshdir='x' angle='radian'/></mujoco>")},
        NONE,
    ),
    "balanced": ({"robot.urdf": urdf().replace("izz='0.002'", "izz='0.02'")}, setting("asset", balance_inertia=True)),
    "singular": (
        {"robot.urdf": urdf().replace("izz='0.002' ixy='0'", "izz='0.002' ixy='0.002'")},
        setting("asset", balance_inertia=True),
    ),
    "mimics": ({"robot.urdf": urdf(b=link("lid"), f=joint("f", "trunk", "lid", kind="fixed", fixed=MIMIC))}, NONE),
    "names": ({"robot.urdf": urdf().replace("<collision>", "<collision name='ground'>")}, NONE),
    "meshes": ({"robot.urdf": urdf(**feet(lambda leg: mesh_feet(leg, "collision"))), **MESHES}, NONE),
    "hangs": ({"robot.urdf": urdf()}, setting("asset", fix_base_link=True)),
    "no base mass": ({"robot.urdf": urdf(trunk=link("trunk"))}, setting("asset", **HANGING)),
    "touches itself": ({"robot.urdf": urdf()}, setting("asset", self_collisions=0)),
    "namespace": ({"robot.xml": urdf().replace("<robot", "<robot xmlns='http://drake.mit.edu'")}, NONE),
    "turned": ({"robot.urdf": urdf(**turned())}, NONE),
    "MJCF": ({"robot.xml": mjcf()}, NONE),
    "MJCF in a scene": (
        {"robot.xml": mjcf().replace("<worldbody>", "<worldbody><body name='box'><geom size='1'/></body>")},
        NONE,
    ),
    "MJCF balanced": (
        {"robot.xml": mjcf().replace("'.001 .001 .001'", "'.001 .001 .01'", 1)},
        setting("asset", balance_inertia=True),
    ),
    "MJCF with sites": ({"robot.xml": mjcf(SOLE + "<site name='{leg}_sole'/>")}, setting("asset", foot_name="sole")),
    "MJCF with pairs": ({"robot.xml": mjcf(UNMET.format("{leg}_sole")).replace("</mujoco>", PAIRS)}, NONE),
    "MJCF with fixed feet": (
        {"robot.xml": mjcf("<body name='{leg}_sole' pos='0 0 -.2'><geom size='.025' contype='0' mass='0'/></body>")
                      .replace("_foot'", "_shin'").replace("_sole'", "_foot'")},
        NONE,
    ),
    "mimic": ({"robot.urdf": urdf(**feet(lambda leg: {f"{leg}_knee": following(leg)}))}, NONE),
    "MJCF with tendons": ({"robot.xml": mjcf().replace("</mujoco>", TIES)}, NONE),
    "axes": ({"robot.urdf": urdf().replace("'0 1 0'", "'0.2 1.8 -0.4'")}, NONE),
    "odd names": ({"robot.urdf": renamed(urdf(**feet(fixed_feet)))}, NONE),
    "blanks": (
        {"robot.urdf": urdf(fl_foot=link("fl_foot", inertial(0.2, 0.001, "0 0 -0.2"), BLANKS)),
         "my meshes/ball.stl": BALL.export(file_type="stl")},
        NONE,
    ),
    "rounded": (
        {"robot.urdf": urdf().replace("'0.002' ixy='0'", "'0.002' ixy='1e-20'", 1)
                             .replace("ixx='0.002' iyy='0.002' izz='0.002'", "ixx='-5e-20' iyy='0' izz='0'", 1)},
        setting("asset", balance_inertia=True),
    ),
}  # fmt: skip


def write(folder: Path, files: Files) -> str:
    """Write files; return the robot's path."""
    folder = folder / "robot"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(next(folder.glob("robot.*")))


def config(folder: Path, files: Files, change: Change = NONE) -> QuadrupedCfg:
    cfg = QuadrupedCfg()
    cfg.asset.file = write(folder, files)
    cfg.noise.add_noise = False
    change(cfg)
    return cfg


def scene(folder: Path, name: str, visuals: bool = False) -> Scene:
    return build_scene(config(folder, *ROBOTS[name]), visuals=visuals)


@pytest.mark.parametrize("name", ROBOTS)
def test_both_back_ends_agree(tmp_path: Path, name: str) -> None:
    cfg = config(tmp_path, *ROBOTS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = (LeggedRobot(cfg, sim, "cpu") for sim in ("mujoco", "warp"))
    assert ours.dof_names == theirs.dof_names and ours.body_names == theirs.body_names
    for attribute in ("dof_pos_limits", "torque_limits", "dof_vel_limits", "default_dof_pos", "feet_indices"):
        torch.testing.assert_close(getattr(ours, attribute), getattr(theirs, attribute))
    assert [ours.body_names[i] for i in ours.feet_indices] == FEET
    assert ours.sim.base_mass == theirs.sim.base_mass
    assert ours.sim.base_mass > 0.0 or name == "no base mass"
    torch.manual_seed(0)
    for step in range(12):
        actions = 0.3 * torch.randn(2, ours.num_dof)
        for env in (ours, theirs):
            env.step(actions)
            if step == 5:
                env.reset()
        for state in ("root_states", "dof_pos", "dof_vel", "rigid_body_states"):
            torch.testing.assert_close(getattr(theirs, state), getattr(ours, state), atol=5e-3, rtol=5e-3, msg=state)
    both_step_alike(ours, theirs)
    for env in (ours, theirs):
        env.close()


def both_step_alike(ours: LeggedRobot, theirs: LeggedRobot) -> None:
    """Let tumbling robots fall, and compare single steps from one state: in these, only what is modelled differs.

    Two trajectories part by themselves, as small differences grow with every contact.
    """
    everyone, (n, dofs) = torch.ones(ours.num_envs, dtype=torch.bool), ours.dof_pos.shape
    root = torch.cat((torch.zeros(n, 2), torch.full((n, 1), 0.4), torch.randn(n, 10)), dim=1)
    root[:, 3:7] /= root[:, 3:7].norm(dim=1, keepdim=True)
    root[:, 9] = -2.0
    ours.sim.set_state(everyone, root, ours.dof_pos.clone(), torch.randn(n, dofs))
    for step in range(90):
        torques, before = 3.0 * torch.randn(n, dofs), velocities(ours)
        if step % 5 == 0:
            theirs.sim.set_state(everyone, *(state.clone() for state in (ours.root_states, ours.dof_pos, ours.dof_vel)))
            theirs.sim.step(torques, refresh=True)
        ours.sim.step(torques, refresh=True)
        if step % 5 == 0:
            far = (velocities(ours) - before).abs().max()
            assert (velocities(theirs) - velocities(ours)).abs().max() <= 1e-4 + 3e-4 * far


def velocities(env: LeggedRobot) -> torch.Tensor:
    return torch.cat((env.root_states[:, 7:], env.dof_vel), dim=1)


@pytest.mark.parametrize("name", ["footprint", "fixed feet", "meshes", "singular", "slides"])
def test_isaac_gym_has_the_same_links_and_joints(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path)))
    cfg = config(tmp_path, *ROBOTS[name])
    with contextlib.closing(LeggedRobot(cfg)) as ours, contextlib.closing(LeggedRobot(cfg, "isaacgym")) as theirs:
        assert ours.dof_names == theirs.dof_names and ours.body_names == theirs.body_names
        actions = torch.zeros(2, ours.num_dof)
        for env in (ours, theirs):
            env.step(actions)
        # It holds the D gain for a physics step.
        torch.testing.assert_close(
            theirs.rigid_body_states[..., :3], ours.rigid_body_states[..., :3], atol=5e-3, rtol=0
        )


@pytest.mark.parametrize(
    ("name", "sim"), [("slides", "mujoco"), ("MJCF", "warp"), ("mimic", "warp"), ("footprint", "isaacgym")]
)
def test_they_train(tmp_path: Path, name: str, sim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path)))
    train_cfg = LeggedRobotCfgPPO()
    train_cfg.policy.actor_hidden_dims = train_cfg.policy.critic_hidden_dims = [16]
    with contextlib.closing(LeggedRobot(config(tmp_path, *ROBOTS[name]), sim, "cpu")) as env:
        runner = OnPolicyRunner(env, rsl_rl_config(train_cfg), None, "cpu")
        before = [parameter.clone() for parameter in runner.alg.actor.parameters()]
        runner.learn(2)
        after = list(runner.alg.actor.parameters())
        assert all(torch.isfinite(parameter).all() for parameter in after)
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ROBOTS)
def test_mass_and_its_place_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    added = {
        "slides": 0.4,
        "no base mass": -6.0,
        "turned": 0.6,
        "bumper": 0.5,
        "antenna": 0.5,
        "no inertial": 4e-6,
        "MJCF": 0.5,
        "MJCF in a scene": 0.5,
        "MJCF with tendons": 0.5,
        "MJCF with sites": 0.5,
        "MJCF balanced": 0.5,
        "MJCF with pairs": 0.5,
        "MJCF with fixed feet": 0.5,
    }
    model = scene(tmp_path, name).model
    guards = 4 * 4 / 3 * np.pi * 0.02**3 * 1e-3 if name in ("fixed feet", "odd names") else 0.0
    assert model.body_mass.sum() == pytest.approx(6.0 + 4 * 0.7 + added.get(name, 0.0) + guards, rel=1e-9)
    drawn = scene(tmp_path, name, visuals=True).model
    np.testing.assert_array_equal(drawn.body_mass, model.body_mass)
    np.testing.assert_array_equal(drawn.body_inertia, model.body_inertia)


@pytest.mark.parametrize("name", ["plain", "footprint", "bumper", "fixed feet", "slides", "turned"])
def test_the_mass_matrix_is_that_of_an_independent_computation(tmp_path: Path, name: str) -> None:
    cfg = config(tmp_path, *ROBOTS[name])
    model = build_scene(cfg).model
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    data.qpos[:] = 0.3 * rng.standard_normal(model.nq)
    mujoco.mj_normalizeQuat(model, data.qpos)
    mujoco.mj_forward(model, data)
    matrix = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, matrix)
    angles = {model.joint(i).name: float(data.qpos[model.jnt_qposadr[i]]) for i in range(1, model.njnt)}
    base = np.eye(4)
    base[:3, :3] = data.xmat[1].reshape(3, 3)
    base[:3, 3] = data.xpos[1]
    expected = mass_matrix(cfg.asset.file, base, angles, model.nv)
    np.testing.assert_allclose(matrix, expected, atol=1e-6 if name == "fixed feet" else 1e-12)


@pytest.mark.parametrize("name", ["plain", "ROS 1", "ROS 2", "footprint", "MJCF"])
def test_joint_limits_are_those_of_the_joints(tmp_path: Path, name: str) -> None:
    built = scene(tmp_path, name)
    weak = {"fl_hip": 30.0, "fr_hip": np.inf} if name == "MJCF" else {}
    assert built.torque_limits.tolist() == [weak.get(joint, 25.0) for joint in built.dof_names]
    assert built.dof_vel_limits.tolist() == [np.inf if name == "MJCF" else 20.0] * 8
    assert built.model.jnt_range[built.joint_ids].tolist() == [[-2.6, 2.6]] * 8


def test_joints_are_the_ones_that_they_are_called(tmp_path: Path) -> None:
    cfg = config(tmp_path, *ROBOTS["slides"])
    env = LeggedRobot(cfg)
    for name, angle in zip(env.dof_names, env.dof_pos[0].tolist(), strict=True):
        assert angle == pytest.approx(cfg.init_state.default_joint_angles[name], abs=1e-6)
        address = env.sim.scene.model.joint(name).qposadr[0]
        assert env.sim._qpos[0, address] == pytest.approx(angle)
    env.close()


@pytest.mark.parametrize("sim", ["mujoco", "warp"])
@pytest.mark.parametrize("name", ["dynamics", "MJCF"])
def test_joint_dynamics_are_those_of_the_file(tmp_path: Path, name: str, sim: str) -> None:
    env = LeggedRobot(config(tmp_path, *ROBOTS[name]), sim, "cpu")
    friction, damping, armature = (0.2, 0.1, 0.01) if name == "MJCF" else (0.3, 0.7, 0.0)
    physics, hip = env.rand.physics, env.dof_names.index("fl_hip")
    values = physics.joint_friction, physics.joint_damping, physics.joint_armature
    assert [value[0, hip].item() for value in values] == pytest.approx([friction, damping, armature])
    if sim == "mujoco":
        assert env.sim.batch.expand("dof_frictionloss")[0, 6 + hip] == pytest.approx(friction)
        assert env.sim.batch.expand("dof_damping")[0, 6 + hip] == pytest.approx(damping + env.d_gains[hip].item())
    env.close()


@pytest.mark.parametrize("sim", ["mujoco", "warp"])
def test_a_joint_that_mimics_follows(tmp_path: Path, sim: str) -> None:
    with contextlib.closing(LeggedRobot(config(tmp_path, *ROBOTS["mimic"]), sim, "cpu")) as env:
        for _ in range(20):
            env.step(torch.tensor([[1.0, 0.0] * 4] * 2))
            hips, knees = env.dof_pos[:, 0::2], env.dof_pos[:, 1::2]
            torch.testing.assert_close(knees, 0.3 - 2.5 * hips, atol=0.03, rtol=0.0)
        assert (hips - 0.6).abs().max() > 0.05


def test_the_base_is_all_that_is_rigidly_fixed_to_it(tmp_path: Path) -> None:
    built = scene(tmp_path / "1", "footprint")
    assert built.body_names[0] == "base_footprint" and built.merged == {"trunk": "base_footprint"}
    assert built.model.body_mass[built.body_ids[0]] == 6.0
    np.testing.assert_allclose(built.model.body_ipos[built.body_ids[0]], [0.0, 0.0, 0.1])
    built = scene(tmp_path / "2", "bumper")
    assert built.merged == {"bumper": "trunk"} and built.model.body_mass[1] == 6.5
    env = LeggedRobot(config(tmp_path / "3", *ROBOTS["footprint"]))
    assert env.termination_contact_indices.tolist() == [0], "the trunk is part of the base"
    env.close()


def test_links_of_their_own_stay(tmp_path: Path) -> None:
    assert "antenna" in scene(tmp_path / "1", "antenna").body_names
    built = scene(tmp_path / "2", "fixed feet")
    assert set(FEET) < set(built.body_names)
    assert built.merged == {f"{leg}_foot_sole": f"{leg}_foot" for leg in LEGS}
    cfg = config(tmp_path / "3", ROBOTS["bumper"][0], setting("asset", collapse_fixed_joints=False))
    assert "bumper" in build_scene(cfg).body_names


def test_cylinders_are_cylinders_unless_told_otherwise(tmp_path: Path) -> None:
    for name, kind in (("discs", mujoco.mjtGeom.mjGEOM_CYLINDER), ("discs as capsules", mujoco.mjtGeom.mjGEOM_CAPSULE)):
        model = scene(tmp_path / name, name).model
        assert (model.geom_type == kind).sum() == 4


def test_meshes_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    files = {**ROBOTS["meshes"][0], "meshes/right/ball.stl": BALL.copy().apply_scale(2.0).export(file_type="stl")}
    model = build_scene(config(tmp_path, files)).model
    sizes = {model.body(int(model.geom_bodyid[i])).name: model.geom_aabb[i, 3:].max() for i in range(model.ngeom)}
    assert [round(sizes[foot] / 0.025) for foot in FEET] == [1, 2, 1, 1]


@pytest.mark.parametrize("content", [None, b"solid nothing", b"\0" * 200])
def test_a_visual_mesh_that_can_t_be_read_is_told_once(tmp_path: Path, content: bytes | None) -> None:
    files: Files = {"robot.urdf": urdf().replace("</link>", LOOK.format("a.stl") + "</link>")}
    cfg = config(tmp_path, files | ({"a.stl": content} if content else {}))
    build_scene(cfg)
    with pytest.warns(UserWarning, match="visual shapes of .* trunk are missing or can't be read") as told:
        models = [build_scene(cfg, visuals=True).model for _ in range(2)]
    assert len(told) == 1
    assert (models[1].geom_group[models[1].geom_bodyid > 0] == 0).all(), "collision shapes are drawn instead"


@pytest.mark.parametrize(
    "look",
    [
        "<geometry><plane/></geometry>",
        "<geometry><sphere radius='-1'/></geometry>",
        "<geometry><mesh filename='a.stl' scale='0.001'/></geometry>",
        "<origin xyz='nan 0 0'/><geometry><sphere radius='1'/></geometry>",
        "<geometry><sphere radius='1'/></geometry><material name='m'><color rgba='1 0 0'/></material>",
    ],
)
def test_what_is_only_looked_at_keeps_nobody_from_a_robot_that_trains(tmp_path: Path, look: str) -> None:
    files: Files = {"robot.urdf": urdf().replace("</link>", f"<visual>{look}</visual></link>", 1)}
    cfg = config(tmp_path, files)
    trained = build_scene(cfg).model
    with pytest.warns(UserWarning, match="visual shapes of trunk are missing or can't be read"):
        assert build_scene(cfg, visuals=True).model.ngeom == trained.ngeom


def test_links_without_any_shape_to_draw_are_drawn_as_bones(tmp_path: Path) -> None:
    look = LOOK.format("a.stl")
    bare = feet(lambda leg: {f"{leg}_thigh": link(f"{leg}_thigh", inertial(0.5, 0.002), look)})
    cfg = config(tmp_path, {"robot.urdf": urdf(**bare)})
    with pytest.warns(UserWarning, match="visual shapes of fl_thigh, fr_thigh"):
        drawn = build_scene(cfg, visuals=True).model
    bones = drawn.geom_bodyid == drawn.body("fl_thigh").id
    np.testing.assert_allclose(drawn.geom_size[bones], [[0.02, 0.1, 0.0]])
    assert drawn.ngeom == build_scene(cfg).model.ngeom + 4


def damaged(**changed: str) -> Files:
    return {"robot.urdf": urdf(**changed)}


def knee(inside: str = LIMIT, kind: str = "revolute") -> Files:
    return damaged(fl_knee=joint("fl_knee", "fl_thigh", "fl_foot", "0 0 -0.2", kind, inside))


REFUSED: dict[str, tuple[Files, str]] = {
    "empty": ({"robot.urdf": "<robot/>"}, "it has 0 links"),
    "mimic of none": (knee("<mimic joint='f'/>"), "joint 'fl_knee': it mimics 'f', which is no other joint"),
    "mimic of itself": (knee("<mimic joint='fl_knee'/>"), "joint 'fl_knee': it mimics 'fl_knee', which is no other"),
    "mimics in a circle": (
        damaged(
            **{f"{a}_knee": following(a).replace(f"{a}_hip'", f"{b}_knee'") for a, b in (("fl", "fr"), ("fr", "fl"))}
        ),
        "joint 'fl_knee' mimics itself",
    ),
    "quaternion": (
        {"robot.urdf": urdf().replace("rpy='0 0 0'", "quat_xyzw='0 0 0 1'", 1)},
        "link 'trunk': <origin> takes 'xyz' and 'rpy', got 'quat_xyzw'",
    ),
    "place inside": (
        {"robot.urdf": urdf().replace("<origin xyz='0 0 0' rpy='0 0 0'/>", "<origin><xyz>0 0 1</xyz></origin>", 1)},
        "link 'trunk': <origin> .* got 'xyz'",
    ),
    "place as text": (
        {"robot.urdf": urdf().replace("<origin xyz='0 0 0' rpy='0 0 0'/>", "<origin>0 0 1</origin>", 1)},
        "link 'trunk': <origin> .* got '0 0 1'",
    ),
    "Python's number": (
        knee(LIMIT.replace("'25'", "'2_5'")),
        "'fl_knee': <limit effort='2_5'> must be 1 finite number",
    ),
    "other digits": (knee(LIMIT.replace("'25'", "'٢٥'")), "'fl_knee': <limit effort='٢٥'> must be"),
    "no gear": ({"robot.xml": mjcf().replace("<motor joint", "<motor gear='0' joint", 1)}, "'fl_hip': gear 0"),
    "actuator of none": (
        {"robot.xml": mjcf().replace("<motor joint='fl_knee'", "<motor joint='fl_nee'")},
        "actuator '' of joint 'fl_nee': there is no such joint",
    ),
    "MJCF's damping": ({"robot.xml": mjcf().replace("damping='.1'", "damping='-.1'")}, "'fl_hip' .*: damping -0.1"),
    "MJCF's friction": ({"robot.xml": mjcf().replace("loss='.2'", "loss='-.2'")}, "'fl_hip' .*: frictionloss -0.2"),
    "MJCF's armature": ({"robot.xml": mjcf().replace("armature='.0", "armature='-.0")}, "'fl_hip' .*: armature -0.01"),
    "wrong word": (knee("<limit lower='-1' uper='1'/>"), "'fl_knee': <limit> has no 'uper': did you mean 'upper'"),
    "capital": (damaged(a="<Joint name='j'/>"), "<Joint name='j'>: a robot is a tree"),
    "loop": (damaged(lo="<loop_joint name='lo'/>"), "<loop_joint name='lo'>: a robot is a tree"),
    "spring": (knee(LIMIT + "<dynamics spring_stiffness='3'/>"), "'fl_knee': <dynamics spring_stiffness='3'> is not"),
    "two shapes": (
        {"robot.urdf": urdf().replace("<sphere", "<box size='1 1 1'/><sphere", 1)},
        "'fl_foot': <geometry> holds <box> and <sphere>",
    ),
    "wrong element": (damaged(fl_thigh=link("fl_thigh", "<inertail/>")), "<link> has no 'inertail': .*'inertial'"),
    "one way": (
        {"robot.xml": mjcf().replace("forcerange='-6 5'", "forcerange='0 5'")},
        "joint 'fl_hip': torques from 0 to 5 N·m",
    ),
    "one way only": (
        {"robot.xml": mjcf().replace("<joint ", "<joint actuatorfrcrange='1 5' ")},
        "joint 'fl_hip' of body 'fl_thigh': torques from 1 to 5",
    ),
    "no effort": (knee("<limit effort='0' velocity='1'/>"), "joint 'fl_knee': effort 0 N·m"),
    "negative effort": (knee("<limit effort='-3' velocity='1'/>"), "joint 'fl_knee': effort -3"),
    "no velocity": (knee("<limit effort='1' velocity='0'/>"), "joint 'fl_knee': velocity 0"),
    "limits": (
        knee("<limit lower='1' upper='-1' effort='1'/>"),
        "'fl_knee': lower limit 1 is not below upper limit -1",
    ),
    "no range": (knee("<limit lower='0' upper='0' effort='1'/>"), "'fl_knee': lower limit 0 is not below"),
    "NaN limit": (knee("<limit lower='nan' upper='0'/>"), "joint 'fl_knee': <limit lower='nan'> must be"),
    "damping": (knee(LIMIT + "<dynamics damping='-1'/>"), "joint 'fl_knee': damping -1"),
    "planar": (knee(kind="planar"), "joint 'fl_knee': no joints of type 'planar'"),
    "floating": (knee(kind="floating"), "joint 'fl_knee': no joints of type 'floating'"),
    "two roots": (damaged(s=link("spare", inertial(1.0, 0.1))), "2 links have no parent, .* 'trunk', 'spare'"),
    "a circle": (
        damaged(a=link("a"), b=link("b"), c=joint("c", "a", "b"), d=joint("d", "b", "a")),
        "link 'a' is its own ancestor",
    ),
    "two parents": (damaged(c=joint("c", "trunk", "fl_foot")), "link 'fl_foot' is the child of two joints"),
    "no such link": (damaged(c=joint("c", "trunk", "tail")), "joint 'c': no link 'tail'"),
    "one name": (damaged(t=link("trunk")), "two links are called 'trunk'"),
    "world": ({"robot.urdf": urdf().replace("fl_thigh", "world")}, "link 'world'"),
    "NaN mass": ({"robot.urdf": urdf().replace("value='0.5'", "value='nan'")}, "'fl_thigh': <mass value='nan'>"),
    "endless mass": (
        {"robot.urdf": urdf().replace("value='0.5'", "value='1e999'")},
        "'fl_thigh': <mass value='1e999'>",
    ),
    "negative mass": ({"robot.urdf": urdf().replace("value='0.5'", "value='-1'")}, "link 'fl_thigh': mass -1 kg"),
    "words": ({"robot.urdf": urdf().replace("value='0.5'", "value='some'")}, "'fl_thigh': <mass value='some'>"),
    "singular": (
        {"robot.urdf": urdf().replace("izz='0.002' ixy='0'", "izz='0.002' ixy='0.002'")},
        "'fl_thigh': .*'asset.balance_inertia'",
    ),
    "inertia": ({"robot.urdf": urdf().replace("izz='0.002'", "izz='0.02'")}, "'fl_thigh': .*'asset.balance_inertia'"),
    "no mass": (damaged(fl_thigh=link("fl_thigh")), "link 'fl_thigh' moves but has no mass"),
    "size": ({"robot.urdf": urdf().replace("radius='0.025'", "radius='0'")}, "'fl_foot': <sphere radius='0'>"),
    "shape": ({"robot.urdf": urdf().replace("<sphere", "<torus")}, "link 'fl_foot': no shape <torus>"),
    "no mesh": (
        {"robot.urdf": urdf(**feet(lambda leg: mesh_feet(leg, "collision")))},
        "'fl_foot': no mesh 'package://",
    ),
    "no mesh file": (
        {"robot.urdf": urdf().replace("<sphere radius='0.025'/>", "<mesh filename='/etc/passwd'/>")},
        "'/etc/passwd' is none of .stl",
    ),
    "xacro": (
        {"robot.urdf": f"<robot xmlns:xacro='http://www.ros.org/wiki/xacro'>{link('a', '<xacro:b/>')}</robot>"},
        "xacro macros",
    ),
    "xacro's prefix": ({"robot.urdf": "<robot><xacro:a/></robot>"}, "unbound prefix .*xacro"),
    "xacro's names": (damaged(fl_thigh=link("${prefix}_thigh")), "xacro macros"),
    "two masses": (
        damaged(fl_thigh=link("fl_thigh", inertial(0.5, 0.002), inertial(5.0, 0.02))),
        "link 'fl_thigh': <inertial> stands there twice",
    ),
    "MJCF by another name": ({"robot.mjcf": mjcf()}, "files called .xml: rename it"),
    "no joints": ({"robot.urdf": f"<robot>{link('a', inertial(1.0, 0.1))}</robot>"}, "no movable joint"),
    "base called world": ({"robot.urdf": urdf().replace("trunk", "world")}, "link 'world': .* rename it"),
    "nameless": (
        {
            "robot.xml": mjcf()
            .replace("joint name='fl_knee'", "joint")
            .replace("<motor joint='fl_knee'", "<motor joint='fl_hip'")
        },
        "joint '' of body 'fl_foot'",
    ),
    "upside down": ({"robot.xml": mjcf().replace("'-2.6 2.6'", "'2.6 -2.6'")}, "'fl_hip' .* limit 2.6 is not below"),
    "tied": (
        {"robot.xml": mjcf().replace("</mujoco>", "<equality><weld body1='trunk'/></equality></mujoco>")},
        "ties 'trunk' to the world; 'asset.fix_base_link'",
    ),
    "tied to the scene": (
        {
            "robot.xml": mjcf()
            .replace("<worldbody>", "<worldbody><body name='hook' mocap='true'/>")
            .replace("</mujoco>", "<equality><weld body1='trunk' body2='hook'/></equality></mujoco>")
        },
        "ties 'trunk' to the world",
    ),
    "MJCF's inertia": (
        {"robot.xml": mjcf().replace("'.001 .001 .001'", "'.001 .001 .01'", 1)},
        "link 'fl_foot': no body can have the inertia 0.001, 0.001, 0.01.*'asset.balance_inertia'",
    ),
    "include": (damaged(m="<mujoco><include file='other.xml'/></mujoco>"), "<mujoco><include> can't be used"),
    "entity": (
        {"robot.urdf": "<!DOCTYPE robot [<!ENTITY e SYSTEM 'file:///etc/hostname'>]>" + urdf(t="<link name='&e;'/>")},
        "external entity",
    ),
    "deep": ({"robot.urdf": urdf(t="<a>" * 100_000 + "</a>" * 100_000, s=link("spare"))}, "2 links have no parent"),
    "huge": (
        {"robot.urdf": urdf(**{f"l{i}": link(f"l{i}") for i in range(2000)})},
        "2009 links, a robot has 1 to 1000",
    ),
    "ball": ({"robot.xml": mjcf().replace("<joint name='fl_knee'", "<joint type='ball' name='fl_knee'")}, "'fl_knee'"),
    "no robot": ({"robot.xml": "<mujoco/>"}, "0 bodies hang on the world"),
    "two robots": (
        {"robot.xml": mjcf().replace("<worldbody>", "<worldbody><body name='box'><freejoint/><geom size='1'/></body>")},
        "'box', 'trunk'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_t_be_simulated_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    files, message = REFUSED[name]
    with pytest.raises(UserError, match=message) as refused:
        build_scene(config(tmp_path, files))
    text = str(refused.value)
    assert "\n" not in text and "robot." in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("asset", foot_name="thigh"), ""),
        (setting("asset", foot_name="antenna"), "'asset.foot_name': 'antenna' names links without collision shapes"),
        (setting("asset", terminate_after_contacts_on=["antenna"]), "'asset.terminate_after_contacts_on': 'antenna'"),
        (setting("init_state", default_joint_angles=dict.fromkeys([*parts()], 3.0)), "no joint is called 'trunk'"),
        (
            lambda cfg: cfg.init_state.default_joint_angles.update(fl_hip=3.0),
            "'init_state.default_joint_angles.fl_hip' is 3, the joint's limits are -2.6 and 2.6",
        ),
        (lambda cfg: cfg.init_state.default_joint_angles.update(f=0.0), ""),
    ],
)
def test_settings_that_the_robot_can_t_follow_are_refused(tmp_path: Path, change: Change, message: str) -> None:
    cfg = config(tmp_path, ROBOTS["antenna"][0])
    cfg.init_state.default_joint_angles = dict(cfg.init_state.default_joint_angles)
    change(cfg)
    if not message:
        LeggedRobot(cfg).close()
        return
    with pytest.raises(UserError, match=message):
        LeggedRobot(cfg)


def test_a_pose_in_which_a_joint_is_not_where_it_follows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"fl_knee' is -1.2, but .* follows 'fl_hip', which pulls it to 0.6"):
        LeggedRobot(config(tmp_path, knee(LIMIT + "<mimic joint='fl_hip'/>")))


def test_angles_of_fixed_joints_are_told_to_stay_at_0(tmp_path: Path) -> None:
    cfg = config(tmp_path, ROBOTS["antenna"][0])
    cfg.init_state.default_joint_angles = {**cfg.init_state.default_joint_angles, "f": 0.1}
    with pytest.warns(UserWarning, match=r"fixed in the robot's file and stay at 0: f \(0.1\)"):
        LeggedRobot(cfg).close()
