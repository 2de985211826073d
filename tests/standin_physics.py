"""Measures physics in the stand-in of Isaac Gym and prints the numbers, as JSON, for tests."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from standin_scene import (
    ARM,
    BOX,
    GYM,
    add_plane,
    gymapi,
    gymtorch,
    indices,
    load,
    new_sim,
    options,
    place,
    prepared,
    refresh,
    scene,
    step,
    tensor,
)

from standin_scene import np, torch  # isort: skip - isaacgym comes first

import mujoco
from isaacgym import terrain_utils

CASES: dict[str, Callable[[], Any]] = {}
unwrap = gymtorch.unwrap_tensor
OFF_CENTRE = BOX.replace("<mass", '<origin xyz="0.05 0 0"/><mass')
SWING = """<mujoco><option timestep="0.005" gravity="0 0 -9.81"/><worldbody><body pos="0 0 1"><body>
  <inertial pos="0 0 -0.2" mass="0.5" diaginertia="0.004 0.004 0.001"/><joint axis="0 1 0"/>
  <body pos="0 0 -0.4"><inertial pos="0 0 -0.1" mass="0.3" diaginertia="0.002 0.002 0.001"/>
  <joint axis="0 1 0"/></body></body></body></worldbody></mujoco>"""


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    CASES[function.__name__] = function
    return function


@case
def fall() -> Any:
    sim = prepared(height=5.0)
    root = tensor(sim, "actor_root_state")
    step(sim, 20)
    refresh(sim, "actor_root_state")
    return root[0].tolist()


@case
def stale_until_refreshed() -> Any:
    sim = prepared(ARM, fix_base_link=True)
    names = ("actor_root_state", "dof_state", "rigid_body_state", "net_contact_force")
    tensors = {name: tensor(sim, name) for name in names}
    before = {name: t.clone() for name, t in tensors.items()}
    step(sim, 5, [1.0, 0.5])
    unchanged = [bool((tensors[name] == before[name]).all()) for name in names]
    refresh(sim, *names)
    changed = [bool((tensors[name] != before[name]).any()) for name in ("dof_state", "rigid_body_state")]
    return {"unchanged": unchanged, "changed": changed}


@case
def velocity_of_the_centre_of_mass() -> Any:
    sim = prepared(OFF_CENTRE, disable_gravity=True)
    root, bodies = tensor(sim, "actor_root_state"), tensor(sim, "rigid_body_state")
    root[0, 7:13] = torch.tensor([0.3, 0.0, 0.0, 0.0, 0.0, 2.0])
    GYM.set_actor_root_state_tensor(sim, unwrap(root))
    refresh(sim, "actor_root_state", "rigid_body_state")
    states = [root[0].tolist(), bodies[0].tolist()]
    step(sim, 100)
    refresh(sim, "actor_root_state")
    return {"set": states, "later": root[0].tolist()}


def pd(dofs: torch.Tensor) -> torch.Tensor:
    return 8.0 * (torch.tensor([0.6, -0.4]) - dofs[:, 0]) - 0.3 * dofs[:, 1]


@case
def pd_torque_like_plain_mujoco() -> Any:
    sim = prepared(ARM, fix_base_link=True)
    dofs = tensor(sim, "dof_state")
    data = mujoco.MjData(model := mujoco.MjModel.from_xml_string(SWING))
    differences = []
    for _ in range(200):
        step(sim, 1, pd(dofs))
        refresh(sim, "dof_state")
        state = torch.from_numpy(np.stack([data.qpos, data.qvel], axis=-1)).float()
        data.qfrc_applied[:] = pd(state).numpy()
        mujoco.mj_step(model, data)
        differences.append(float(np.abs(dofs[:, 0].numpy() - data.qpos).max()))
    return {"difference": max(differences), "reached": dofs[:, 0].tolist()}


@case
def weight() -> Any:
    sim = prepared(envs=2, height=0.1)
    forces = tensor(sim, "net_contact_force")
    step(sim, 100)
    refresh(sim, "net_contact_force")
    return forces.tolist()


def slide(force: float, friction: float, own: float) -> float:
    """Return how fast a box on a plane goes after being pulled for half a second, m/s."""
    sim = new_sim()
    add_plane(sim, friction)
    env, box = place(sim, load(sim, BOX), 0.1)
    props = GYM.get_actor_rigid_shape_properties(env, box)
    props[0].friction = own
    GYM.set_actor_rigid_shape_properties(env, box, props)
    GYM.prepare_sim(sim)
    root, pull = tensor(sim, "actor_root_state"), torch.tensor([[force, 0.0, 0.0]])
    for _ in range(100):
        GYM.apply_rigid_body_force_tensors(sim, unwrap(pull), None, gymapi.ENV_SPACE)
        step(sim)
    refresh(sim, "actor_root_state")
    return float(root[0, 7])


@case
def friction() -> Any:
    weight = 2.0 * 9.81
    return [slide(share * weight, 1.0, 0.2) for share in (0.5, 0.7)] + [slide(0.7 * weight, 1.0, 0.6)]


@case
def mass() -> Any:
    sim = scene(disable_gravity=True)
    env = GYM.get_env(sim, 0)
    props = GYM.get_actor_rigid_body_properties(env, 0)
    props[0].mass *= 4
    GYM.set_actor_rigid_body_properties(env, 0, props, recomputeInertia=True)
    GYM.prepare_sim(sim)
    new = GYM.get_actor_rigid_body_properties(env, 0)[0]
    root, force = tensor(sim, "actor_root_state"), torch.tensor([[16.0, 0.0, 0.0]])
    torque = torch.tensor([[0.0, 0.0, 0.8]])
    GYM.apply_rigid_body_force_tensors(sim, unwrap(force), unwrap(torque), gymapi.ENV_SPACE)
    step(sim, 2)
    refresh(sim, "actor_root_state")
    return {"inertia": new.inertia.z.z, "invMass": new.invMass, "speed": root[0, 7].item(), "spin": root[0, 12].item()}


@case
def centre_of_mass() -> Any:
    """Move an arm's centre of mass sideways, so that it starts to swing."""
    sim = scene(ARM, fix_base_link=True)
    env = GYM.get_env(sim, 0)
    props = GYM.get_actor_rigid_body_properties(env, 0)
    props[2].com = gymapi.Vec3(0.1, 0.0, -0.1)
    GYM.set_actor_rigid_body_properties(env, 0, props)
    GYM.prepare_sim(sim)
    dofs = tensor(sim, "dof_state")
    step(sim)
    refresh(sim, "dof_state")
    return dofs[:, 1].tolist()


def first_speed(mode: int = 3, torque: float = 1.0, steps: int = 1, **values: float) -> list[float]:
    """Return the joints' speeds after some steps under a torque at the elbow."""
    sim = scene(ARM, fix_base_link=True, disable_gravity=True)
    env = GYM.get_env(sim, 0)
    props = GYM.get_actor_dof_properties(env, 0)
    props["driveMode"] = mode
    for name, value in values.items():
        props[name] = value
    GYM.set_actor_dof_properties(env, 0, props)
    GYM.prepare_sim(sim)
    dofs = tensor(sim, "dof_state")
    step(sim, steps, [0.0, torque])
    refresh(sim, "dof_state")
    return dofs[:, 1].tolist()


@case
def dof_properties() -> Any:
    return {
        "plain": first_speed(),
        "armature": first_speed(armature=0.1),
        "damping": first_speed(torque=0.2, steps=400, damping=0.1),
        "velocity": first_speed(torque=50.0, steps=20, velocity=2.0),
        "friction": first_speed(friction=0.5),
        "beyond_effort_limit": first_speed(torque=10.0, effort=1.0),
        "in_position_mode": first_speed(mode=1),
        "in_no_mode": first_speed(mode=0),
    }


@case
def drives() -> Any:
    sim = scene(ARM, fix_base_link=True)
    env = GYM.get_env(sim, 0)
    props = GYM.get_actor_dof_properties(env, 0)
    props["driveMode"], props["stiffness"], props["damping"] = [1, 2], [5000.0, 0.0], [50.0, 20.0]
    props["hasLimits"] = False
    GYM.set_actor_dof_properties(env, 0, props)
    GYM.prepare_sim(sim)
    dofs, targets, speeds = tensor(sim, "dof_state"), torch.tensor([0.5, 9.0]), torch.tensor([9.0, 1.5])
    GYM.set_dof_position_target_tensor(sim, unwrap(targets))
    GYM.set_dof_velocity_target_tensor(sim, unwrap(speeds))
    step(sim, 100)
    refresh(sim, "dof_state")
    return dofs.tolist()


@case
def setters_by_index() -> Any:
    sim = prepared(ARM, envs=3)
    root, dofs = tensor(sim, "actor_root_state"), tensor(sim, "dof_state")
    before = root.clone()
    root[:, 2], dofs[:, 0] = 7.0, 0.25
    chosen = indices(2, 0)
    GYM.set_actor_root_state_tensor_indexed(sim, unwrap(root), unwrap(chosen), 1)
    GYM.set_dof_state_tensor_indexed(sim, unwrap(dofs), unwrap(chosen), 2)
    refresh(sim, "actor_root_state", "dof_state")
    return {"before": before[:, :3].tolist(), "root": root[:, 2].tolist(), "dofs": dofs[:, 0].tolist()}


@case
def gpu_states_wait_for_simulate() -> Any:
    sim = prepared(gpu=True, disable_gravity=True)
    root = tensor(sim, "actor_root_state")
    root[0, 2] = 7.0
    GYM.set_actor_root_state_tensor(sim, unwrap(root))
    refresh(sim, "actor_root_state")
    stale = float(root[0, 2])
    step(sim)
    refresh(sim, "actor_root_state")
    return [stale, float(root[0, 2])]


def rests_at(make: Callable[[Any], None]) -> list[float]:
    sim = new_sim()
    make(sim)
    asset = load(sim, BOX)
    for x in (1.0, 3.0):
        env = GYM.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 1)
        GYM.create_actor(env, asset, gymapi.Transform(gymapi.Vec3(x, 1.5, 1.2)), "box", 0, 0, 0)
    GYM.prepare_sim(sim)
    root = tensor(sim, "actor_root_state")
    step(sim, 200)
    refresh(sim, "actor_root_state")
    return root[:, 2].tolist()


def step_heights() -> np.ndarray:
    heights = np.zeros((41, 31), dtype=np.int16)
    heights[20:] = 100
    return heights


def add_field(sim: Any) -> None:
    params = gymapi.HeightFieldParams()
    params.nbColumns, params.nbRows = 41, 31
    params.row_scale = params.column_scale = 0.1
    params.vertical_scale = 0.005
    GYM.add_heightfield(sim, step_heights(), params)


def add_mesh(sim: Any) -> None:
    vertices, triangles = terrain_utils.convert_heightfield_to_trimesh(step_heights(), 0.1, 0.005, 0.75)
    params = gymapi.TriangleMeshParams()
    params.nb_vertices, params.nb_triangles = len(vertices), len(triangles)
    GYM.add_triangle_mesh(sim, vertices.flatten(order="C"), triangles.flatten(order="C"), params)


@case
def terrain() -> Any:
    return {"field": rests_at(add_field), "mesh": rests_at(add_mesh)}


@case
def self_collisions() -> Any:
    """Fold the arm until its tip is in its base: only with filter 0 do they push each other."""
    base = '<link name="base"><collision><geometry><sphere radius="0.05"/></geometry></collision>'
    urdf = ARM.replace('<link name="base">', base).replace('0 0 -0.1"/><geometry>', '0 0 -0.38"/><geometry>')
    out = []
    for mask in (0, 1):
        sim = new_sim()
        place(sim, load(sim, urdf, disable_gravity=True), filter=mask)
        GYM.prepare_sim(sim)
        dofs, forces = tensor(sim, "dof_state"), tensor(sim, "net_contact_force")
        dofs[1, 0] = 2.999
        GYM.set_dof_state_tensor(sim, unwrap(dofs))
        refresh(sim, "net_contact_force")
        out.append(forces.norm(dim=1).tolist())
    return out


@case
def links_in_order() -> Any:
    joint = '<joint name="{0}" type="{1}" {3}><parent link="{2}"/><child link="{0}_link"/></joint>'
    inertial = '<inertial><origin xyz="0 0 0.1"/><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial>'
    names = ("root", "z_link", "b_link", "a_link", "m_link", "k_link")
    links = "".join(f'<link name="{name}">{inertial}</link>' for name in names)
    joints = joint.format("z", "continuous", "root", "") + joint.format("b", "continuous", "root", "")
    joints += joint.format("a", "continuous", "z_link", "") + joint.format("m", "fixed", "root", "")
    joints += joint.format("k", "fixed", "b_link", 'dont_collapse="true"')
    out = {}
    for collapse in (False, True):
        sim = new_sim()
        asset = load(sim, f'<robot name="r">{links}{joints}</robot>', collapse_fixed_joints=collapse)
        env, actor = place(sim, asset)
        mass = GYM.get_actor_rigid_body_properties(env, actor)[0]
        out[str(collapse)] = [
            GYM.get_asset_rigid_body_names(asset), GYM.get_asset_dof_names(asset), GYM.get_asset_joint_names(asset),
            [mass.mass, mass.com.z, mass.inertia.x.x],
        ]  # fmt: skip
    return out


@case
def matrices() -> Any:
    """Jacobians times velocities are the links' velocities; the mass matrix gives the kinetic energy."""
    sim = prepared(ARM, disable_gravity=True)
    jacobian = gymtorch.wrap_tensor(GYM.acquire_jacobian_tensor(sim, "robot"))
    masses = gymtorch.wrap_tensor(GYM.acquire_mass_matrix_tensor(sim, "robot"))
    root, dofs = tensor(sim, "actor_root_state"), tensor(sim, "dof_state")
    root[0, 3:7] = torch.tensor([0.0, 0.6, 0.0, 0.8])
    root[0, 7:13] = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    dofs[:] = torch.tensor([[0.3, 1.0], [0.5, -2.0]])
    GYM.set_actor_root_state_tensor(sim, unwrap(root))
    GYM.set_dof_state_tensor(sim, unwrap(dofs))
    GYM.refresh_jacobian_tensors(sim)
    GYM.refresh_mass_matrix_tensors(sim)
    bodies = tensor(sim, "rigid_body_state")
    speeds = torch.cat([root[0, 7:13], dofs[:, 1]])
    angular = (jacobian[0] @ speeds)[:, 3:] - bodies[:, 10:13]
    return {
        "shapes": [list(jacobian.shape), list(masses.shape)],
        "angular": float(angular.abs().max()),
        "symmetric": float((masses[0] - masses[0].T).abs().max()),
        "mass": masses[0].diagonal()[:3].tolist(),
    }


@case
def nan_stays_with_its_actor() -> Any:
    sim = prepared(ARM, envs=2)
    dofs, root = tensor(sim, "dof_state"), tensor(sim, "actor_root_state")
    step(sim, 1, [float("nan"), 0.0, 0.0, 0.0])
    refresh(sim, "dof_state")
    return [bool(torch.isfinite(dofs[i]).all()) for i in (0, 2)] + [bool(torch.isfinite(root).all())]


@case
def states_given_during_setup() -> Any:
    """Give each arm angles and targets when it is made, before the next env, and look where it points."""
    sim, tips = new_sim(), []
    asset = load(sim, ARM, fix_base_link=True, default_dof_drive_mode=1)
    for angle in (0.0, 0.5):
        env, arm = place(sim, asset)
        props = GYM.get_actor_dof_properties(env, arm)
        props["stiffness"], props["damping"] = 800.0, 40.0
        GYM.set_actor_dof_properties(env, arm, props)
        states = GYM.get_actor_dof_states(env, arm, gymapi.STATE_ALL)
        states["pos"] = [angle, 0.0]
        GYM.set_actor_dof_states(env, arm, states, gymapi.STATE_POS)
        GYM.set_actor_dof_position_targets(env, arm, states["pos"])
        tip = GYM.get_rigid_transform(env, GYM.find_actor_rigid_body_handle(env, arm, "lower")).p
        tips.append([tip.x, tip.z])
    GYM.prepare_sim(sim)
    dofs = tensor(sim, "dof_state")
    before = dofs[:, 0].tolist()
    step(sim, 50)
    refresh(sim, "dof_state")
    return {"tips": tips, "before": before, "after": dofs[:, 0].tolist()}


@case
def mjcf() -> Any:
    sim = new_sim()
    swing = SWING.replace('<joint axis="0 1 0"/>', '<joint name="hip" axis="0 1 0" damping="0.5"/>', 1)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "swing.xml"), "w") as file:
            file.write(swing)
        asset = GYM.load_asset(sim, folder, "swing.xml", options())
    props = GYM.get_asset_dof_properties(asset)
    return [GYM.get_asset_dof_count(asset), GYM.get_asset_dof_name(asset, 0), props["damping"].tolist()]


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(CASES)
    sys.stdout.write("\n" + json.dumps({name: CASES[name]() for name in chosen}) + "\n")
