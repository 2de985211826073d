"""Does with the stand-in of Isaac Gym what published environments do with the real one; prints the outcomes as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from standin_scene import BOX, GYM, add_plane, gymapi, gymtorch, indices, load, new_sim, options, prepared, scene, step

from standin_scene import np, torch  # isort: skip - isaacgym comes first
from isaacgym import gymutil  # isort: skip

CASES: dict[str, Callable[[], Any]] = {}
JOINT = "<joint name='{}' type='{}'><parent link='{}'/><child link='{}'/><limit effort='1' velocity='1'/></joint>"
FACETS = "".join(
    "facet normal 0 0 0 outer loop " + "".join(f"vertex {x} {y} {z} " for x, y, z in corners) + "endloop endfacet "
    for corners in (
        ((0, 0, 0), (0, 1, 0), (1, 0, 0)), ((0, 0, 0), (1, 0, 0), (0, 0, 1)),
        ((0, 0, 0), (0, 0, 1), (0, 1, 0)), ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    )
)  # fmt: skip


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    CASES[function.__name__] = function
    return function


def link(name: str, mass: float, inertia: float, mesh: str = "") -> str:
    moments = " ".join(f"{key}='{inertia if key in ('ixx', 'iyy', 'izz') else 0}'" for key in MOMENTS)
    shape = f"<collision><geometry><mesh filename='{mesh}'/></geometry></collision>" if mesh else ""
    return f"<link name='{name}'><inertial><mass value='{mass}'/><inertia {moments}/></inertial>{shape}</link>"


MOMENTS = ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")


@case
def settings_of_others() -> Any:
    class Settings:
        dt = 0.004
        gravity = (0.0, 0.0, -9.81)
        up_axis = 1
        body_measure_points = ({"base": 1},)

        class physx:
            contact_collection = 1
            num_threads = 7

    params = gymapi.SimParams()
    gymutil.parse_sim_config(dict(vars(Settings)), params)
    return [params.dt, params.physx.num_threads, params.physx.contact_collection.name, params.up_axis.name]


@case
def numbers_in_arrays() -> Any:
    env = GYM.get_env(scene(), 0)
    props = GYM.get_actor_rigid_body_properties(env, 0)
    props[0].mass += np.full(1, 0.5)
    props[0].com += gymapi.Vec3(*np.full(3, 0.25))
    shapes = GYM.get_actor_rigid_shape_properties(env, 0)
    shapes[0].friction = torch.full((1, 1), 0.75)
    fixed = options(fix_base_link=1).fix_base_link
    GYM.set_actor_rigid_body_properties(env, 0, props, recomputeInertia=1)
    return [GYM.get_actor_rigid_body_properties(env, 0)[0].mass, props[0].com.z, shapes[0].friction, fixed]


@case
def pictures_to_files() -> Any:
    sim = GYM.create_sim(0, 0, gymapi.SIM_PHYSX, gymapi.SimParams())
    viewer = GYM.create_viewer(sim, gymapi.CameraProperties())
    env = GYM.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    camera = GYM.create_camera_sensor(env, gymapi.CameraProperties())
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("viewer.png", "camera.png", "missing/viewer.png")]
        GYM.write_viewer_image_to_file(viewer, paths[0])
        GYM.write_camera_image_to_file(sim, env, camera, gymapi.IMAGE_COLOR, paths[1])
        GYM.write_viewer_image_to_file(viewer, paths[2])
        for path in paths[:2]:
            with open(path, "rb") as file:
                data = file.read()
            sizes.append([data[1:4].decode(), *(int.from_bytes(data[i : i + 4], "big") for i in (16, 20))])
    return sizes


@case
def camera_without_graphics() -> Any:
    env = GYM.get_env(scene(), 0)
    camera = GYM.create_camera_sensor(env, gymapi.CameraProperties())
    GYM.set_camera_location(camera, env, gymapi.Vec3(1, 1, 1), gymapi.Vec3())
    return camera


@case
def many_actors_in_an_env() -> Any:
    sim = new_sim()
    add_plane(sim)
    box = load(sim, BOX)
    env = GYM.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    for number in range(40):
        # Every second stands on the one before, unless its filter lets it fall through.
        pose = gymapi.Transform(gymapi.Vec3(number // 2, 0.0, 0.1 if number % 2 == 0 else 0.3))
        GYM.create_actor(env, box, pose, "box", 0, 1 if number >= 20 else 0)
    GYM.prepare_sim(sim)
    step(sim, 60)
    roots = gymtorch.wrap_tensor(GYM.acquire_actor_root_state_tensor(sim))
    GYM.refresh_actor_root_state_tensor(sim)
    return roots[[1, 19, 21, 39], 2].tolist()


@case
def links_without_inertia() -> Any:
    urdf = "<robot name='r'>" + link("world", 1.0, 0.01) + link("imu", 0.01, 0.0) + JOINT
    sim = scene(urdf.format("swing", "continuous", "world", "imu") + "</robot>")
    env = GYM.get_env(sim, 0)
    step(sim, 20)
    states = GYM.get_actor_rigid_body_states(env, 0, gymapi.STATE_ALL)
    names = GYM.get_actor_rigid_body_names(env, 0)
    return [names, GYM.get_actor_rigid_body_properties(env, 0)[1].inertia.x.x, np.isfinite(states["pose"]["p"]["z"])]


@case
def order_after_collapsing() -> Any:
    ends = [("waist", "fixed", "base", "torso"), ("right_hip", "revolute", "base", "b"),
            ("left_hip", "revolute", "base", "a"), ("neck", "revolute", "torso", "c"),
            ("arm", "revolute", "torso", "d")]  # fmt: skip
    links = "".join(link(name, 1.0, 0.01) for name in ("base", "torso", "a", "b", "c", "d"))
    urdf = f"<robot name='r'>{links}{''.join(JOINT.format(*each) for each in ends)}</robot>"
    sim = new_sim()
    return [GYM.get_asset_dof_names(load(sim, urdf, collapse_fixed_joints=collapse)) for collapse in (False, True)]


@case
def meshes_of_any_kind() -> Any:
    sim = new_sim()
    counts = []
    with tempfile.TemporaryDirectory() as folder:
        files = {"text.STL": f"solid t {FACETS} endsolid t", "flat.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"}
        for name, text in files.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        for name in ("text.STL", "package://robot/flat.obj", "missing.stl"):
            with open(os.path.join(folder, "r.urdf"), "w") as file:
                file.write(f"<robot name='r'>{link('base', 1.0, 0.01, name)}</robot>")
            asset = GYM.load_asset(sim, folder, "r.urdf", options())
            counts.append(GYM.get_asset_rigid_shape_count(asset))
    return counts


@case
def gpu_setter_again_for_the_same() -> Any:
    sim = prepared(envs=2, gpu=True)
    roots = gymtorch.wrap_tensor(GYM.acquire_actor_root_state_tensor(sim))
    GYM.refresh_actor_root_state_tensor(sim)
    # As where an env resets robots at the end of a step and is then reset as a whole.
    for ids in (indices(1), indices(0, 1)):
        args = gymtorch.unwrap_tensor(roots), gymtorch.unwrap_tensor(ids), len(ids)
        GYM.set_actor_root_state_tensor_indexed(sim, *args)
    return len(ids)


@case
def contact_list() -> Any:
    sim = scene(height=0.0999)
    step(sim, 5)
    contacts = GYM.get_env_rigid_contacts(GYM.get_env(sim, 0))
    upward = contacts["lambda"] * np.abs(contacts["normal"]["z"])
    return [sorted(set(contacts["body0"]) | set(contacts["body1"])), upward.sum(), len(GYM.get_rigid_contacts(sim))]


@case
def randomization_of_gymutil() -> Any:
    sim = scene()
    env = GYM.get_env(sim, 0)
    params = GYM.get_sim_params(sim)
    before = {name: getattr(params, name) for name in dir(params)}
    added = {"range": [2.0, 2.0], "operation": "additive", "distribution": "uniform"}
    gymutil.apply_random_samples(params, before, "gravity", added, 0)
    props = gymutil.get_property_getter_map(GYM)["rigid_body_properties"](env, 0)
    scaled = {"range": [3.0, 3.0], "operation": "scaling", "distribution": "loguniform"}
    half = {**scaled, "schedule": "linear", "schedule_steps": 10}
    for prop in props:
        gymutil.apply_random_samples(prop, {"mass": prop.mass}, "mass", half, 5)
    buckets = {"robot": {"rigid_shape_properties": {"friction": {"num_buckets": 250}}}}
    gymutil.check_buckets(GYM, [env], {"actor_params": buckets})
    quarters = {"range": [0.0, 1.0], "distribution": "uniform", "num_buckets": 4}
    bucket = gymutil.get_bucketed_val(np.full(1, 0.6), quarters)
    return [params.gravity.z, props[0].mass, bucket]


@case
def one_colour_for_all_lines() -> Any:
    viewer = GYM.create_viewer(GYM.create_sim(0, 0, gymapi.SIM_PHYSX, gymapi.SimParams()), gymapi.CameraProperties())
    GYM.add_lines(viewer, None, 12, np.zeros((12, 6), dtype=np.float32), np.ones((1, 3), dtype=np.float32))
    return viewer.num_lines


if __name__ == "__main__":
    outcomes = {name: function() for name, function in CASES.items()}
    sys.stdout.write("\n" + json.dumps(outcomes, default=lambda value: value.tolist()) + "\n")
