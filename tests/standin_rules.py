"""Breaks each rule of Isaac Gym's API in the stand-in and prints what it said, as JSON, for tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from standin_scene import ARM, GYM, add_plane, gymapi, gymtorch, indices, load, new_sim, place, prepared, scene, tensor

from standin_scene import np, torch  # isort: skip - isaacgym comes first

CASES: dict[str, Callable[[], Any]] = {}
unwrap = gymtorch.unwrap_tensor


def case(function: Callable[[], Any]) -> Callable[[], Any]:
    CASES[function.__name__] = function
    return function


@case
def actor_after_prepare() -> None:
    sim = prepared()
    GYM.create_actor(GYM.get_env(sim, 0), load(sim, ARM), gymapi.Transform(), "late", 0, 0, 0)


@case
def env_after_prepare() -> None:
    GYM.create_env(prepared(), gymapi.Vec3(), gymapi.Vec3(), 1)


@case
def ground_after_first_simulate() -> None:
    sim = scene()
    GYM.simulate(sim)
    add_plane(sim)


@case
def acquire_before_prepare() -> None:
    GYM.acquire_dof_state_tensor(scene())


@case
def set_before_prepare() -> None:
    forces = torch.zeros(2)
    GYM.set_dof_actuation_force_tensor(scene(ARM), unwrap(forces))


@case
def prepare_twice() -> None:
    GYM.prepare_sim(prepared())


@case
def destroyed_sim() -> None:
    sim = prepared()
    GYM.destroy_sim(sim)
    GYM.simulate(sim)


@case
def actor_in_earlier_env() -> None:
    sim = scene(envs=2)
    GYM.create_actor(GYM.get_env(sim, 0), load(sim, ARM), gymapi.Transform(), "late", 0, 0, 0)


@case
def aggregate_left_open() -> None:
    sim = scene()
    GYM.begin_aggregate(GYM.get_env(sim, 0), 10, 10, True)
    GYM.prepare_sim(sim)


@case
def aggregate_too_small() -> None:
    sim = new_sim()
    env = GYM.create_env(sim, gymapi.Vec3(), gymapi.Vec3(), 1)
    GYM.begin_aggregate(env, 1, 1, True)
    GYM.create_actor(env, load(sim, ARM), gymapi.Transform(), "arm", 0, 0, 0)


def set_roots(index: torch.Tensor, count: int, states: torch.Tensor | None = None, sim: Any = None) -> None:
    sim = sim or prepared(envs=2)
    states = tensor(sim, "actor_root_state") if states is None else states
    GYM.set_actor_root_state_tensor_indexed(sim, unwrap(states), unwrap(index), count)


@case
def int64_indices() -> None:
    set_roots(torch.tensor([0]), 1)


@case
def index_out_of_range() -> None:
    set_roots(indices(2), 1)


@case
def count_beyond_indices() -> None:
    set_roots(indices(0, 1), 3)


@case
def states_of_one_actor_only() -> None:
    set_roots(indices(0), 1, torch.zeros(1, 13))


@case
def integer_states() -> None:
    set_roots(indices(0), 1, torch.zeros(2, 13, dtype=torch.int32))


@case
def float64_tensor() -> None:
    unwrap(torch.zeros(2, dtype=torch.float64))


@case
def tensor_not_contiguous() -> None:
    unwrap(torch.zeros(4, 2)[:, 0])


@case
def freed_tensor() -> None:
    sim = prepared(ARM)
    GYM.set_dof_actuation_force_tensor(sim, unwrap(torch.zeros(2)))


@case
def freed_indices() -> None:
    sim = prepared(envs=2)
    states = tensor(sim, "actor_root_state")
    GYM.set_actor_root_state_tensor_indexed(sim, unwrap(states), unwrap(torch.tensor([1]).to(torch.int32)), 1)


@case
def tensor_on_another_device() -> None:
    sim = prepared(ARM)
    forces = torch.zeros(2)
    described = unwrap(forces)
    described.device = 0
    GYM.set_dof_actuation_force_tensor(sim, described)


@case
def torch_tensor_not_unwrapped() -> None:
    GYM.set_dof_actuation_force_tensor(prepared(ARM), torch.zeros(2))


@case
def numpy_array_not_unwrapped() -> None:
    GYM.set_dof_actuation_force_tensor(prepared(ARM), np.zeros(2, dtype=np.float32))


@case
def wrapping_a_torch_tensor() -> None:
    gymtorch.wrap_tensor(torch.zeros(2))


@case
def keyword_for_nameless_argument() -> None:
    GYM.refresh_dof_state_tensor(sim=prepared())


@case
def argument_missing() -> None:
    GYM.fetch_results(prepared())


@case
def argument_too_many() -> None:
    GYM.simulate(prepared(), True)


@case
def float_for_int() -> None:
    GYM.create_env(new_sim(), gymapi.Vec3(), gymapi.Vec3(), 2.0)


@case
def number_for_enum() -> None:
    GYM.create_sim(0, 0, 0, gymapi.SimParams())


@case
def path_for_string() -> None:
    GYM.load_asset(new_sim(), Path("/tmp"), "robot.urdf", gymapi.AssetOptions())


@case
def tuple_for_vec3() -> None:
    gymapi.SimParams().gravity = (0.0, 0.0, -9.81)


@case
def contact_collection_as_number() -> None:
    gymapi.SimParams().physx.contact_collection = 2


@case
def unknown_sim_parameter() -> None:
    gymapi.SimParams().time_step = 0.01


@case
def unknown_physx_parameter() -> None:
    gymapi.SimParams().physx.iterations = 4


@case
def unknown_asset_option() -> None:
    gymapi.AssetOptions().fixed_base = True


@case
def unknown_function() -> None:
    GYM.get_actor_color(None)


@case
def dof_properties_without_fields() -> None:
    sim = scene(ARM)
    GYM.set_actor_dof_properties(GYM.get_env(sim, 0), 0, np.zeros(2, dtype=np.float32))


@case
def dof_properties_of_wrong_count() -> None:
    sim = scene(ARM)
    env = GYM.get_env(sim, 0)
    GYM.set_actor_dof_properties(env, 0, GYM.get_actor_dof_properties(env, 0)[:1])


@case
def shape_properties_of_wrong_count() -> None:
    env = GYM.get_env(scene(ARM), 0)
    GYM.set_actor_rigid_shape_properties(env, 0, [])


@case
def body_properties_of_wrong_type() -> None:
    env = GYM.get_env(scene(), 0)
    GYM.set_actor_rigid_body_properties(env, 0, GYM.get_actor_rigid_shape_properties(env, 0))


@case
def negative_mass() -> None:
    env = GYM.get_env(scene(), 0)
    props = GYM.get_actor_rigid_body_properties(env, 0)
    props[0].mass = -1.0
    GYM.set_actor_rigid_body_properties(env, 0, props)


@case
def no_such_actor() -> None:
    GYM.get_actor_dof_properties(GYM.get_env(scene(), 0), 1)


@case
def dof_states_as_plain_floats() -> None:
    env = GYM.get_env(prepared(ARM), 0)
    GYM.set_actor_dof_states(env, 0, np.zeros((2, 2), dtype=np.float32), gymapi.STATE_ALL)


@case
def height_samples_of_wrong_count() -> None:
    params = gymapi.HeightFieldParams()
    params.nbRows, params.nbColumns = 3, 3
    GYM.add_heightfield(new_sim(), np.zeros(8, dtype=np.int16), params)


@case
def mesh_of_wrong_count() -> None:
    params = gymapi.TriangleMeshParams()
    params.nb_vertices, params.nb_triangles = 3, 1
    GYM.add_triangle_mesh(new_sim(), np.zeros(12, dtype=np.float32), np.arange(3, dtype=np.uint32), params)


@case
def mesh_without_such_vertex() -> None:
    params = gymapi.TriangleMeshParams()
    params.nb_vertices, params.nb_triangles = 3, 1
    GYM.add_triangle_mesh(new_sim(), np.zeros(9, dtype=np.float32), np.arange(1, 4, dtype=np.uint32), params)


@case
def gpu_simulate_before_prepare() -> None:
    GYM.simulate(scene(gpu=True))


@case
def gpu_setter_twice_in_a_step() -> None:
    sim = prepared(envs=2, gpu=True)
    set_roots(indices(0), 1, sim=sim)
    set_roots(indices(1), 1, sim=sim)


@case
def gpu_states_by_actor() -> None:
    sim = prepared(ARM, gpu=True)
    GYM.simulate(sim)
    GYM.get_actor_dof_states(GYM.get_env(sim, 0), 0, gymapi.STATE_ALL)


@case
def allowed_calls_raise_nothing() -> None:
    sim = prepared(ARM, envs=2, gpu=True)
    set_roots(indices(0), 1, sim=sim)
    GYM.simulate(sim)
    set_roots(indices(1, 0), 1, sim=sim)
    cpu = prepared(envs=2)
    set_roots(indices(0), 1, sim=cpu)
    set_roots(indices(1), 1, sim=cpu)
    place(new_sim(), load(cpu, ARM))


def said(function: Callable[[], Any]) -> list[str]:
    try:
        function()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps({name: said(function) for name, function in CASES.items()}) + "\n")
