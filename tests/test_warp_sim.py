"""The MuJoCo Warp back-end against MuJoCo C: on the GPU where there is one, otherwise on Warp's CPU device."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
from conftest import small_cfg

from legged_gym.common.errors import UserError
from legged_gym.envs import Qmini
from legged_gym.envs.base.terrain import Terrain
from legged_gym.simulators import make_simulator
from legged_gym.simulators.mujoco_sim import MujocoSimulator

mjw = pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed: pip install -e '.[warp]'")
wp = pytest.importorskip("warp")

from warp_pair import DEVICE, N, Pair, close, crouch, drive, parameters, place, prepare, stance  # noqa: E402

from legged_gym.simulators.warp.progress import counting_compilations  # noqa: E402
from legged_gym.simulators.warp_sim import WarpSimulator  # noqa: E402


@pytest.fixture(scope="module", params=["plane", "heightfield"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Both back-ends with the same robots, their drives damped."""
    cfg = small_cfg(N, plane=request.param == "plane")
    terrain = None if request.param == "plane" else Terrain(cfg.terrain, seed=0)
    sims = WarpSimulator(cfg, terrain, N, DEVICE), MujocoSimulator(cfg, terrain, N)
    prepare(sims)
    yield sims
    for sim in sims:
        sim.close()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_accelerations_and_forces_agree_with_mujoco(pair: Pair, seed: int) -> None:
    """One physics step changes joint velocities by rad/s, which agree within 1 % or 0.06; forces within 2 % or 2 N.

    Three times that on a height field: there a capsule touches in up to two points, MuJoCo's in one for each triangle
    below it. Where it makes no difference, as for most robots, they agree as on a plane.
    """
    crouch(pair, seed)
    warp_sim, c_sim = pair
    assert (c_sim.contact_forces[:, :, 2].sum(1) > 20.0).sum() >= N // 2, "the test needs contacts"
    before = c_sim.dof_vel.clone()
    torques = 5.0 * torch.randn(N, c_sim.num_dof)
    for sim in pair:
        sim.step(torques.to(sim.device), refresh=True)
    assert (c_sim.dof_vel - before).abs().max() > 0.5, "the test needs accelerations"
    looser = 3.0 if warp_sim.scene.model.nhfield else 1.0
    close(warp_sim.contact_forces, c_sim.contact_forces, atol=2.0 * looser, rtol=0.02)
    close(warp_sim.root_states[:, 7:], c_sim.root_states[:, 7:], atol=0.02 * looser, rtol=0.01)
    close(warp_sim.dof_vel, c_sim.dof_vel, atol=0.06 * looser, rtol=0.01)
    assert (warp_sim.dof_vel.cpu() - c_sim.dof_vel).abs().median() < 1e-3


def test_a_control_step_agrees_with_mujoco(pair: Pair) -> None:
    """Four physics steps under a PD law: positions within 0.5 mm and mrad, velocities within 3 cm/s and 0.1 rad/s.

    Six times that on a height field, for the reason given above.
    """
    crouch(pair, seed=5)
    for step in range(4):
        for sim in pair:
            sim.step(drive(sim), refresh=step == 3)
    warp_sim, c_sim = pair
    looser = 6.0 if warp_sim.scene.model.nhfield else 1.0
    close(warp_sim.dof_pos, c_sim.dof_pos, atol=5e-4 * looser)
    close(warp_sim.rigid_body_states[..., :7], c_sim.rigid_body_states[..., :7], atol=5e-4 * looser)
    close(warp_sim.rigid_body_states[..., 7:10], c_sim.rigid_body_states[..., 7:10], atol=0.03 * looser)
    close(warp_sim.dof_vel, c_sim.dof_vel, atol=0.1 * looser)


def test_contacts_of_a_flat_height_field_are_those_of_a_plane() -> None:
    """Robots of all postures, lying ones too: the same points and depths on Warp's field and on MuJoCo C's plane."""
    cfg = small_cfg(N, plane=False)
    cfg.terrain.border_size = 20.0
    pair = WarpSimulator(cfg, Terrain(cfg.terrain, seed=0), N, DEVICE), MujocoSimulator(small_cfg(N), None, N)
    prepare(pair)
    torch.manual_seed(0)
    root = torch.zeros(N, 13)
    root[:, 0], root[:, 1] = torch.linspace(-10.0, -8.0, N), -8.0
    root[:, 2], root[:, 3:7] = 0.3, torch.nn.functional.normalize(torch.randn(N, 4), dim=1)
    angles = stance(pair[1]).repeat(N, 1)
    place(pair, root, angles, torch.zeros_like(angles))
    for step in range(60):
        pair[1].step(drive(pair[1]), refresh=step == 59)
    place(pair, pair[1].root_states.clone(), pair[1].dof_pos.clone(), pair[1].dof_vel.clone())
    assert (pair[1].contact_forces[:, 0].norm(dim=1) > 1.0).any(), "the test needs a robot that lies on its body"
    ours = sorted(warp_contacts(pair[0]))
    theirs = sorted(
        (i, int(contact.geom2), *contact.pos, contact.dist) for i in range(N) for contact in forward(pair[1], i).contact
    )
    np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=1e-5)
    for sim in pair:
        sim.close()


def warp_contacts(sim: WarpSimulator) -> list[tuple[float, ...]]:
    """Return robot, geom, position and distance of all contacts."""
    contact, number = sim._data.contact, int(sim._data.nacon.numpy()[0])
    columns = contact.worldid.numpy(), contact.geom.numpy()[:, 1], *contact.pos.numpy().T, contact.dist.numpy()
    return [tuple(float(column[k]) for column in columns) for k in range(number) if columns[-1][k] < 0.0]


def forward(sim: MujocoSimulator, i: int) -> mujoco.MjData:
    data = sim.batch.get_data(i)
    mujoco.mj_forward(sim.batch.get_model(i), data)
    return data


def test_robots_on_a_slope_agree_with_mujoco() -> None:
    """On a slope of 0.3, which they slide down, the total force agrees within 3 % or 2 N."""
    cfg = small_cfg(N, plane=False)
    terrain = Terrain(cfg.terrain, seed=0)
    slope = 0.3
    x = np.arange(terrain.heights.shape[0])[:, None] * cfg.terrain.horizontal_scale
    terrain.heights[:] = slope * (x - 5.0)
    pair = WarpSimulator(cfg, terrain, N, DEVICE), MujocoSimulator(cfg, terrain, N)
    prepare(pair)
    for sim in pair:
        values = parameters(sim.device)
        values.friction[:] = 0.1
        sim.set_parameters(values)
    root = torch.zeros(N, 13)
    root[:, 0] = terrain.origin[0] + 5.0 + torch.linspace(0.0, 2.0, N)
    root[:, 2], root[:, 6] = slope * torch.linspace(0.0, 2.0, N) + 0.46, 1.0
    angles = stance(pair[1]).repeat(N, 1)
    place(pair, root, angles, torch.zeros_like(angles))
    for step in range(50):
        pair[1].step(drive(pair[1]), refresh=step == 49)
    assert (pair[1].root_states[:, 7] < -0.02).all(), "the test needs robots that slide"
    place(pair, pair[1].root_states.clone(), pair[1].dof_pos.clone(), pair[1].dof_vel.clone())
    ours, theirs = pair[0].contact_forces.sum(1).cpu(), pair[1].contact_forces.sum(1)
    torch.testing.assert_close(ours, theirs, atol=2.0, rtol=0.03)
    for sim in pair:
        sim.step(drive(sim), refresh=True)
    close(pair[0].root_states, pair[1].root_states, atol=0.05)
    for sim in pair:
        sim.close()


def test_all_tensors_are_of_one_instant(pair: Pair) -> None:
    crouch(pair, seed=7)
    sim = pair[0]
    for step in range(3):
        sim.step(drive(sim), refresh=step == 2)
    # The same state computed from scratch; only the solver's first guess differs.
    states = sim.rigid_body_states.clone()
    everyone = torch.ones(N, dtype=torch.bool, device=DEVICE)
    sim.set_state(everyone, sim.root_states.clone(), sim.dof_pos.clone(), sim.dof_vel.clone())
    close(sim.rigid_body_states, states.cpu(), atol=1e-4)
    close(sim.root_states, states[:, 0].cpu(), atol=1e-4)


def test_rows_and_solution_equal_mujoco_warps(pair: Pair) -> None:
    """The back-end's own kernels against the general ones that they stand in for, from a cold start."""
    crouch(pair, seed=4)
    sim = pair[0]
    model, data, everyone = sim._model, sim._data, sim._all_worlds
    assert sim._solver is not None
    results = []
    for make_constraints, solve in (
        (lambda: sim._rows.make(everyone, True), lambda: sim._solver.solve(everyone, True, ahead=True)),
        (lambda: mjw.make_constraint(model, data), lambda: solve_in_general(sim)),
    ):
        wp.to_torch(data.qacc).zero_()
        wp.to_torch(data.qacc_warmstart).zero_()
        # MuJoCo Warp does not expect contacts on its list that don't touch any more.
        data.contact.efc_address.fill_(-1)
        with wp.ScopedDevice(DEVICE):
            make_constraints()
            solve()
        addresses = data.contact.efc_address.numpy()[:, 0]
        worlds = data.contact.worldid.numpy()
        contacts = [(int(worlds[k]), int(addresses[k])) for k in np.flatnonzero(data.contact.dist.numpy() < 0.0)]
        rows = [
            [getattr(data.efc, name).numpy()[world, row : row + 4] for world, row in contacts]
            for name in ("J", "D", "aref", "frictionloss", "force")
        ]
        results.append((*map(np.array, rows), data.qacc.numpy()))
    assert len(results[0][0]) > N, "the test needs contacts"
    for ours, theirs, atol in zip(*results, (1e-5, 1e-3, 1e-2, 0.0, 0.02, 0.1), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=atol, rtol=1e-4)


def solve_in_general(sim: WarpSimulator) -> None:
    mjw.fwd_acceleration(sim._model, sim._data, factorize=True)
    mjw.solve(sim._model, sim._data)


def test_set_state_touches_only_the_mask_and_refreshes_it(pair: Pair) -> None:
    crouch(pair, seed=8)
    sim = pair[0]
    sim.step(drive(sim), refresh=True)
    mask = torch.zeros(N, dtype=torch.bool, device=DEVICE)
    mask[1], mask[4] = True, True
    root, joints = torch.randn(N, 13, device=DEVICE), 0.1 * torch.randn(N, sim.num_dof, device=DEVICE)
    root[:, 3:7] /= root[:, 3:7].norm(dim=1, keepdim=True)
    root[:, 2] += 5.0
    names = ("root_states", "dof_pos", "dof_vel", "rigid_body_states", "contact_forces")
    tensors = [getattr(sim, name) for name in names]
    before = [tensor.clone() for tensor in tensors]
    sim.set_state(mask, root, joints, -joints)
    assert all(getattr(sim, name) is tensor for name, tensor in zip(names, tensors, strict=True)), "replaced a tensor"
    for tensor, old in zip(tensors, before, strict=True):
        torch.testing.assert_close(tensor[~mask], old[~mask], atol=0, rtol=0)
    torch.testing.assert_close(sim.root_states[mask], root[mask], atol=2e-5, rtol=0)
    torch.testing.assert_close(sim.dof_pos[mask], joints[mask])
    torch.testing.assert_close(sim.dof_vel[mask], -joints[mask])
    assert (sim.contact_forces[mask] == 0.0).all()


def test_root_velocity_acts_and_is_in_the_world_frame(pair: Pair) -> None:
    """After a push, right after a refresh, both back-ends still agree."""
    crouch(pair, seed=9)
    velocity = 0.5 * torch.randn(N, 6)
    mask = torch.arange(N) % 2 == 0
    torques = torch.randn(N, 10)
    for sim in pair:
        sim.step(torques.to(sim.device), refresh=True)
        sim.set_root_velocity(mask.to(sim.device), velocity.to(sim.device))
        sim.step(torques.to(sim.device), refresh=True)
    close(pair[0].root_states[:, 7:], pair[1].root_states[:, 7:], atol=0.03, rtol=0.02)
    close(pair[0].dof_vel, pair[1].dof_vel, atol=0.05, rtol=0.02)


def test_parameters_and_derived_fields_equal_mujocos(pair: Pair) -> None:
    warp_sim, c_sim = pair
    for name in (
        "geom_friction", "body_mass", "body_inertia", "body_ipos", "dof_frictionloss", "dof_damping", "dof_armature",
        "body_subtreemass", "body_invweight0", "dof_invweight0",
    ):  # fmt: skip
        ours = getattr(warp_sim._model, name).numpy()
        reference = np.stack([getattr(c_sim.batch.get_model(i), name) for i in range(N)])
        assert ours.shape[0] == N, f"{name} is shared by all robots"
        np.testing.assert_allclose(ours.reshape(reference.shape), reference, rtol=2e-4, atol=1e-7, err_msg=name)


def test_overflows_are_warned_about_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    crouch(pair, seed=1)
    root, joints, speeds = pair[1].root_states.clone(), pair[1].dof_pos.clone(), pair[1].dof_vel.clone()
    monkeypatch.setattr("legged_gym.simulators.simulator.CHECK_INTERVAL", 1)
    for setting, too_few in (("max_contacts", 1), ("max_constraints", 12)):
        cfg = small_cfg(N)
        # Each link's contacts with the ground have room of their own; those between links share it.
        cfg.asset.self_collisions = 0
        setattr(cfg.sim, setting, too_few)
        sim = make_simulator("warp", cfg=cfg, terrain=None, num_envs=N, device=DEVICE)
        everyone = torch.ones(N, dtype=torch.bool, device=DEVICE)
        sim.set_state(everyone, root.to(DEVICE), joints.to(DEVICE), speeds.to(DEVICE))
        with pytest.warns(UserWarning, match=rf"sim\.{setting}' \(now {too_few}\)"):
            for _ in range(4):
                sim.step(torch.zeros(N, 10, device=DEVICE), refresh=True)
                sim.check()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sim.check()
        sim.close()


def test_a_task_runs_on_it() -> None:
    cfg = small_cfg(N)
    cfg.env.episode_length_s, cfg.sim.compile_step = 0.2, False
    env = Qmini(cfg, sim_name="warp", sim_device=DEVICE)
    for _ in range(25):
        obs, rewards, _, _ = env.step(0.3 * torch.randn(N, env.num_actions, device=DEVICE))
        assert torch.isfinite(rewards).all()
        assert all(torch.isfinite(group).all() for group in obs.values())
    env.sim._count_overflows()
    assert env.sim._overflows.tolist() == [0, 0, 0, 0]
    assert (env.root_states[:, 2] > 0.2).all(), "robots fell through the ground"
    env.close()


def test_clear_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no NVIDIA GPU for 'cuda:0'"):
            WarpSimulator(small_cfg(1), None, 1)
    with pytest.raises(UserError, match="runs on 'cuda' devices"):
        WarpSimulator(small_cfg(1), None, 1, device="meta")
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    monkeypatch.delitem(sys.modules, "legged_gym.simulators.warp_sim")
    with pytest.raises(UserError, match=r"pip install -e '\.\[warp\]'"):
        importlib.import_module("legged_gym.simulators.warp_sim")


@wp.kernel
def _double(values: wp.array(dtype=float)) -> None:
    values[wp.tid()] *= 2.0


def test_compiled_modules_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path))
    logger, level = wp.get_logger(), wp.config.log_level
    values = wp.ones(3, dtype=float, device=DEVICE)
    module = wp.get_module(__name__)
    numbers = []
    for _ in range(2):
        module.unload()
        with counting_compilations() as compiled:
            wp.launch(_double, dim=3, inputs=[values], device=DEVICE)
        numbers.append(compiled.number)
    assert numbers == [1, 0], "the second time it comes from the cache"
    assert values.numpy().tolist() == [4.0, 4.0, 4.0]
    assert (wp.get_logger(), wp.config.log_level) == (logger, level)


def test_warnings_are_passed_on_while_counting(capsys: pytest.CaptureFixture[str]) -> None:
    with counting_compilations(), warnings.catch_warnings():
        warnings.simplefilter("always")
        wp.get_logger().warning("mind the gap")
        wp.get_logger().error("fell into the gap")
        wp.get_logger().info("all is well")
    captured = capsys.readouterr()
    assert "mind the gap" in captured.err
    assert "fell into the gap" in captured.err
    assert "all is well" not in captured.out + captured.err


def test_a_robot_that_blows_up_is_stopped_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legged_gym.simulators.simulator.CHECK_INTERVAL", 1)
    sim = WarpSimulator(small_cfg(N), None, N, DEVICE)
    torques = torch.zeros(N, 10, device=DEVICE)
    torques[2] = float("nan")
    with pytest.warns(UserWarning, match="simulation diverged"):
        for _ in range(3):
            sim.step(torques, refresh=True)
            sim.check()
    for tensor in (sim.dof_pos, sim.dof_vel, sim.root_states, sim.rigid_body_states, sim.contact_forces):
        assert torch.isfinite(tensor[[0, 1, 3, 4, 5]]).all()
    assert torch.isfinite(sim.dof_pos).all()
    assert (sim.dof_vel[2] == 0.0).all()
    assert sim.diverged.tolist() == [i == 2 for i in range(N)]
    sim.step(torch.zeros_like(torques), refresh=True)
    assert not sim.diverged.any()
    sim.close()


def test_diverged_robots_are_found_as_on_the_processor_and_put_back_to_the_start() -> None:
    sim = WarpSimulator(small_cfg(N), None, N, DEVICE)
    sim.step(torch.zeros(N, 10, device=DEVICE), refresh=True)
    sim.rigid_body_states[1, 0, 7] = torch.nan
    sim.rigid_body_states[2, 4, 8] = 40.0
    sim.root_states[3, 12] = 120.0
    sim.dof_vel[4, 3] = -400.0
    sim.contact_forces[5, 2, 1] = 2e5
    expected = sim.find_divergence(sim._limits)
    assert expected.tolist() == [0, 1, 2, 3, 4, 5]
    sim._replace_diverged()
    assert sim.diverged.tolist() == expected.tolist()
    start = torch.tensor([*small_cfg(1).init_state.pos, *small_cfg(1).init_state.rot, *6 * [0.0]], device=DEVICE)
    torch.testing.assert_close(sim.root_states[1:], start.expand(N - 1, 13))
    torch.testing.assert_close(sim.rigid_body_states[1:], start.expand(N - 1, sim.num_bodies, 13))
    assert not sim.dof_vel[1:].any() and not sim.contact_forces[1:].any()
    for _ in range(3):
        sim.step(torch.zeros(N, 10, device=DEVICE), refresh=True)
    assert not sim.diverged.any()
    sim.close()


def test_a_loaded_state_goes_on_to_the_last_bit() -> None:
    envs = [Qmini(small_cfg(N), "warp", DEVICE, seed=3) for _ in range(2)]
    draws = torch.Generator().manual_seed(1)
    actions = [torch.randn(N, 10, generator=draws).to(DEVICE) for _ in range(40)]
    for action in actions[:25]:
        envs[0].step(action)
    state, random = envs[0].full_state(), torch.get_rng_state()
    assert state is not None
    seen = []
    for env in envs:
        if env is envs[1]:
            assert env.load_full_state(state)
        torch.set_rng_state(random)
        for action in actions[25:]:
            obs, rewards, _, _ = env.step(action)
        seen.append([*obs.values(), rewards, env.root_states, env.contact_forces])
        env.close()
    for one, other in zip(*seen, strict=True):
        assert torch.equal(one, other)


def test_plain_mujoco_warp_takes_the_same_steps(pair: Pair) -> None:
    crouch(pair, seed=4)
    sim = pair[0]
    sim.set_drive_damping(torch.zeros(N, 10, device=DEVICE))
    upstream, torques = sim.upstream(), torch.full((N, 10), 0.2, device=DEVICE)
    sim.set_drive_damping(torch.full((N, 10), 0.8, device=DEVICE))
    # Only the damping differs between the second step's torques and those that the copies keep.
    sim.step(torques)
    upstream.follow()
    sim._step_from_state()
    upstream.step()
    wp.synchronize_device(DEVICE)
    assert upstream.data.efc.force.numpy().max() > 10.0, "nothing touched the ground"
    for name in ("qpos", "qvel"):
        ours, theirs = (getattr(data, name).numpy() for data in (sim._data, upstream.data))
        # On a height field the two find other points of contact, as above.
        np.testing.assert_allclose(ours, theirs, atol=0.18 if sim.scene.model.nhfield else 0.03, err_msg=name)
        assert np.median(np.abs(ours - theirs)) < 2e-3
