"""The stand-in of Isaac Gym is as strict as the real one is said to be, and fails where a test asks for it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from standin import measure, run

MAKE_SIM = """
from isaacgym import gymapi
gym = gymapi.acquire_gym()
params = gymapi.SimParams()
params.use_gpu_pipeline = params.physx.use_gpu = {gpu}
sim = gym.create_sim(0, -1, gymapi.SIM_PHYSX, params)
print("sim:", sim)
for step in range(3):
    if sim is not None:
        gym.simulate(sim)
        print("stepped", step, flush=True)
"""
BROKEN = {
    "actor_after_prepare": "before prepare_sim",
    "env_after_prepare": "before prepare_sim",
    "ground_after_first_simulate": "before prepare_sim and the first simulate",
    "acquire_before_prepare": "only after prepare_sim",
    "set_before_prepare": "only after prepare_sim",
    "prepare_twice": "twice",
    "destroyed_sim": "destroyed",
    "actor_in_earlier_env": "before the next create_env",
    "aggregate_left_open": "not ended",
    "aggregate_too_small": "opened for 1 bodies",
    "int64_indices": "must be int32, not torch.int64",
    "index_out_of_range": "outside 0-1",
    "count_beyond_indices": "count 3, but the index tensor has 2",
    "states_of_one_actor_only": "must have 26 elements, not 13",
    "integer_states": "must be float32",
    "freed_tensor": "memory of the value tensor has been freed",
    "freed_indices": "memory of the index tensor has been freed",
    "tensor_on_another_device": "must be on the CPU",
    "dof_properties_of_wrong_count": "1 properties for 2 DOFs",
    "shape_properties_of_wrong_count": "0 for 1 shapes",
    "negative_mass": "negative",
    "no_such_actor": "actor handle 1",
    "height_samples_of_wrong_count": "8 samples",
    "mesh_of_wrong_count": "nb_vertices is 3",
    "mesh_without_such_vertex": "names no vertex",
    "gpu_simulate_before_prepare": "needs prepare_sim",
    "gpu_setter_twice_in_a_step": "only once between calls of simulate",
    "gpu_states_by_actor": "cannot be used with the GPU pipeline after simulation starts",
}
WRONG_TYPE = [
    "torch_tensor_not_unwrapped",
    "numpy_array_not_unwrapped",
    "wrapping_a_torch_tensor",
    "keyword_for_nameless_argument",
    "argument_missing",
    "argument_too_many",
    "float_for_int",
    "number_for_enum",
    "path_for_string",
    "tuple_for_vec3",
    "contact_collection_as_number",
    "dof_properties_without_fields",
    "body_properties_of_wrong_type",
    "dof_states_as_plain_floats",
]
NO_SUCH_NAME = ["unknown_sim_parameter", "unknown_physx_parameter", "unknown_asset_option", "unknown_function"]


@pytest.fixture(scope="module")
def said() -> Any:
    """Return what each wrong call raised: type and message."""
    return measure("standin_rules.py", ISAACGYM_STANDIN_GPU="cpu")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(said: Any, name: str) -> None:
    kind, message = said[name]
    assert kind == "RuleBroken"
    assert BROKEN[name] in message


@pytest.mark.parametrize("name", WRONG_TYPE)
def test_wrong_arguments_are_type_errors(said: Any, name: str) -> None:
    assert said[name][0] == "TypeError"


@pytest.mark.parametrize("name", NO_SUCH_NAME)
def test_unknown_names_are_attribute_errors(said: Any, name: str) -> None:
    assert said[name][0] == "AttributeError"


def test_tensors_must_be_contiguous_and_of_a_known_type(said: Any) -> None:
    assert said["tensor_not_contiguous"] == ["Exception", "Input tensor must be contiguous"]
    assert said["float64_tensor"][0] == "Exception"


def test_right_calls_raise_nothing(said: Any) -> None:
    assert said["allowed_calls_raise_nothing"] == ["", ""]
    assert len(said) == len(BROKEN) + len(WRONG_TYPE) + len(NO_SUCH_NAME) + 3


def test_torch_before_isaacgym_is_an_import_error() -> None:
    done = run("-c", "import sys; sys.modules['torch'] = sys; import isaacgym")
    message = "PyTorch was imported before isaacgym modules.  Please import torch after isaacgym modules."
    assert done.stderr.splitlines()[-1] == f"ImportError: {message}"


def test_missing_libpython_is_an_import_error() -> None:
    done = run("-c", "import isaacgym", ISAACGYM_STANDIN_FAIL="libpython")
    assert "ImportError: libpython3.8.so.1.0: cannot open shared object file" in done.stderr


def test_np_float_fails_as_on_newer_numpy() -> None:
    done = run("-c", "import isaacgym.torch_utils", ISAACGYM_STANDIN_FAIL="np_float")
    assert "AttributeError: module 'numpy' has no attribute 'float'" in done.stderr


def test_without_a_gpu_there_is_no_sim_on_one() -> None:
    done = run("-c", MAKE_SIM.format(gpu=True), ISAACGYM_STANDIN_FAIL="no_gpu")
    assert "sim: None" in done.stdout
    assert "no CUDA-capable device is detected" in done.stderr


@pytest.mark.parametrize(("failure", "code"), [("die:2", -11), ("exit:2", 3)])
def test_simulate_can_end_the_process(failure: str, code: int) -> None:
    done = run("-c", MAKE_SIM.format(gpu=False), ISAACGYM_STANDIN_FAIL=failure)
    assert done.returncode == code
    assert "stepped 0" in done.stdout and "stepped 1" not in done.stdout


def test_simulate_can_hang() -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        run("-c", MAKE_SIM.format(gpu=False), timeout=8.0, ISAACGYM_STANDIN_FAIL="hang")
    assert b"simulate hangs now" in (caught.value.stderr or b"")


def test_rules_can_be_warnings() -> None:
    code = MAKE_SIM.format(gpu=False) + "gym.prepare_sim(sim); gym.prepare_sim(sim)\n"
    code += "from isaacgym import gymtorch; import torch; freed = gymtorch.unwrap_tensor(torch.full((3,), 7.0))\n"
    code += "print('went on', freed.array().tolist())"
    done = run("-c", code, ISAACGYM_STANDIN_RULES="warn")
    assert "went on [7.0, 7.0, 7.0]" in done.stdout
    assert "prepare_sim: called twice" in done.stderr


@pytest.fixture(scope="module")
def done() -> Any:
    """Return what came of calls that published environments make."""
    return measure("standin_published.py", ISAACGYM_STANDIN_GPU="cpu")


def test_settings_that_are_not_isaac_gyms_are_left_alone(done: Any) -> None:
    assert done["settings_of_others"] == [pytest.approx(0.004), 7, "CC_LAST_SUBSTEP", "UP_AXIS_Z"]


def test_numbers_may_come_in_arrays_and_tensors(done: Any) -> None:
    assert done["numbers_in_arrays"] == [2.5, 0.25, 0.75, True]


def test_pictures_are_written_where_that_is_possible(done: Any) -> None:
    assert done["pictures_to_files"] == [["PNG", 1600, 900], ["PNG", 1600, 900]]
    assert done["one_colour_for_all_lines"] == 12


def test_headless_programs_go_on_without_their_camera(done: Any) -> None:
    assert done["camera_without_graphics"] == -1


def test_an_env_holds_more_actors_than_mujoco_has_bits(done: Any) -> None:
    assert done["many_actors_in_an_env"] == pytest.approx([0.3, 0.3, 0.1, 0.1], abs=0.01)


def test_urdfs_need_neither_inertia_nor_meshes(done: Any) -> None:
    names, inertia, finite = done["links_without_inertia"]
    assert names == ["world", "imu"]
    assert 0.0 < inertia < 1e-5 and all(finite)
    assert done["meshes_of_any_kind"] == [1, 1, 0]


def test_joints_of_collapsed_links_are_ordered_with_their_new_neighbours(done: Any) -> None:
    kept, collapsed = done["order_after_collapsing"]
    assert kept == ["left_hip", "right_hip", "arm", "neck"]
    assert collapsed == ["arm", "left_hip", "neck", "right_hip"]


def test_a_gpu_setter_may_be_called_again_when_nothing_is_lost(done: Any) -> None:
    assert done["gpu_setter_again_for_the_same"] == 2


def test_contacts_are_listed(done: Any) -> None:
    bodies, force, total = done["contact_list"]
    assert bodies == [-1, 0]
    assert force == pytest.approx(2 * 9.81, rel=0.05)
    assert total == 4


def test_gymutil_randomizes(done: Any) -> None:
    assert done["randomization_of_gymutil"] == [pytest.approx(-7.81), pytest.approx(4.0), 0.5]
