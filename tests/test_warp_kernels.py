"""The Warp back-end's own kernels against MuJoCo Warp's, and what is computed for some robots only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from conftest import small_cfg
from exact_newton import exact_accelerations

from legged_gym.envs.base.terrain import Terrain
from legged_gym.simulators.mujoco_sim import MujocoSimulator

mjw = pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed: pip install -e '.[warp]'")
wp = pytest.importorskip("warp")

from warp_pair import DEVICE, N, Pair, close, crouch, drive, place, prepare, stance  # noqa: E402

from legged_gym.simulators.warp_sim import WarpSimulator  # noqa: E402


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both back-ends with the same robots on a height field."""
    cfg = small_cfg(N, plane=False)
    terrain = Terrain(cfg.terrain, seed=0)
    sims = WarpSimulator(cfg, terrain, N, DEVICE), MujocoSimulator(cfg, terrain, N)
    prepare(sims)
    yield sims
    for sim in sims:
        sim.close()


def lie_down(pair: Pair, height: float, seed: int) -> None:
    """Put robots of all attitudes and joint angles into the ground."""
    torch.manual_seed(seed)
    root = torch.zeros(N, 13)
    root[:, 0], root[:, 1], root[:, 2] = torch.linspace(2.0, 8.0, N), 3.0, height
    root[:, 3:7] = torch.nn.functional.normalize(torch.randn(N, 4), dim=1)
    root[:, 7:] = torch.randn(N, 6)
    angles = stance(pair[1]) + 0.3 * torch.randn(N, 10)
    place(pair, root, angles, torch.randn(N, 10))


def test_tree_equals_mujoco_warps(pair: Pair) -> None:
    lie_down(pair, height=1.0, seed=0)
    sim = pair[0]
    model, data = sim._model, sim._data
    assert sim._tree is not None
    names = ("xpos", "xquat", "subtree_com", "cdof", "cvel", "M", "qfrc_bias", "qfrc_passive")
    results = []
    for ours in (True, False):
        with wp.ScopedDevice(DEVICE):
            if ours:
                sim._tree.update(sim._all_worlds)
            else:
                mjw.fwd_kinematics(model, data)
                mjw.crb(model, data)
                mjw.fwd_velocity(model, data)
        # Row 0 of what has one for each body is the world's.
        arrays = [getattr(data, name).numpy() for name in names]
        results.append([a[:, 1:2] if name == "subtree_com" else a for name, a in zip(names, arrays, strict=True)])
    for name, ours, theirs in zip(names, *results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4, rtol=1e-5, err_msg=name)
    assert np.abs(results[1][names.index("qfrc_bias")]).max() > 100.0


def test_crowded_worlds_are_solved_as_others(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Robots with more rows than the solver's smaller kernel takes get the exact minimum, too."""
    lie_down(pair, height=0.1, seed=2)
    sim = pair[0]
    data = sim._data
    assert sim._solver is not None
    rows = data.nefc.numpy()
    assert rows.max() > 64 and rows.min() < 64, "the test needs both kinds"
    listed = set(sim._rows.crowded.numpy()[: int(sim._rows.num_crowded.numpy()[0])].tolist())
    assert set(np.flatnonzero(rows > 64).tolist()) <= listed
    # As many as it takes: in a simulation the next step goes on from where one ended.
    monkeypatch.setattr(sim._model.opt, "iterations", 200)
    monkeypatch.setattr(sim._model.opt, "ls_iterations", 50)
    wp.to_torch(data.qacc).zero_()
    with wp.ScopedDevice(DEVICE):
        sim._solver.solve(sim._all_worlds, True, ahead=False)
    exact = exact_accelerations(sim._solver._problem)
    assert np.abs(exact).max() > 100.0
    np.testing.assert_allclose(data.qacc.numpy(), exact, atol=0.1, rtol=1e-4)


def test_joint_limits_and_dry_friction_act_as_in_mujoco(pair: Pair) -> None:
    """Robots in the air: one joint is beyond its limit, the others move against friction alone."""
    root, angles = torch.zeros(N, 13), stance(pair[1]).repeat(N, 1)
    root[:, 0], root[:, 1], root[:, 2], root[:, 6] = 4.0, 3.0, 2.0, 1.0
    angles[:, 0] = pair[1].dof_pos_limits[0, 1] + 0.05
    angles[:, 7] = pair[1].dof_pos_limits[7, 0] - 0.02
    place(pair, root, angles, torch.zeros_like(angles))
    assert (pair[0]._data.nefc.numpy() == 12).all(), "the test needs ten frictions and two limits"
    for sim in pair:
        sim.set_drive_damping(torch.zeros(N, sim.num_dof, device=sim.device))
        sim.step(0.005 * torch.ones(N, sim.num_dof, device=sim.device), refresh=True)
        sim.set_drive_damping(torch.full((N, sim.num_dof), 0.8, device=sim.device))
    assert (pair[1].dof_vel[:, 0] < -0.1).all(), "the test needs a limit that pushes back"
    close(pair[0].dof_vel, pair[1].dof_vel, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("change", ["set_state", "set_root_velocity"])
def test_changing_some_robots_is_as_good_as_computing_all_anew(pair: Pair, change: str) -> None:
    """What was computed at the refresh is used by the next step, for the changed robots and for the others."""
    sim = pair[0]
    mask = torch.tensor([i in (1, 4) for i in range(N)], device=DEVICE)
    velocity = torch.randn(N, 6, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    results = []
    for anew in (False, True):
        crouch(pair, seed=6)
        sim.step(drive(sim), refresh=True)
        if change == "set_state":
            root = sim.root_states.clone()
            root[:, 7:] = velocity
            sim.set_state(mask, root, sim.dof_pos + 0.1, sim.dof_vel - 0.2)
        else:
            sim.set_root_velocity(mask, velocity)
        assert sim._current
        sim._current = not anew
        sim.step(torch.ones(N, sim.num_dof, device=DEVICE), refresh=True)
        results.append([sim.root_states.clone(), sim.dof_vel.clone(), sim.contact_forces.clone()])
    for ours, reference in zip(*results, strict=True):
        close(ours, reference.cpu(), atol=5e-3, rtol=1e-3)


def test_drive_damping_of_the_last_moment_counts(pair: Pair) -> None:
    """It changes a force that was computed at the refresh."""
    results = []
    for anew in (False, True):
        crouch(pair, seed=3)
        sim = pair[0]
        sim.step(drive(sim), refresh=True)
        sim.set_drive_damping(torch.full((N, sim.num_dof), 2.0, device=DEVICE))
        sim._current = not anew
        sim.step(drive(sim), refresh=True)
        results.append(sim.dof_vel.clone())
        sim.set_drive_damping(torch.full((N, sim.num_dof), 0.8, device=DEVICE))
    close(results[0], results[1].cpu(), atol=1e-3)


@pytest.mark.parametrize("setting", ["self_collisions", "fix_base_link"])
def test_other_scenes_agree_with_mujoco(setting: str) -> None:
    """Robots that MuJoCo Warp's own kernels are needed for, wholly or in part."""
    cfg = small_cfg(N)
    if setting == "self_collisions":
        cfg.asset.self_collisions = 0
    else:
        cfg.asset.fix_base_link = True
    pair = WarpSimulator(cfg, None, N, DEVICE), MujocoSimulator(cfg, None, N)
    root = torch.zeros(N, 13)
    root[:, 2], root[:, 6] = 0.41, 1.0
    angles = stance(pair[1]) + 0.05 * torch.randn(N, 10, generator=torch.Generator().manual_seed(1))
    for sim in pair:
        sim.set_drive_damping(torch.full((N, sim.num_dof), 0.8, device=sim.device))
    place(pair, root, angles, torch.zeros_like(angles))
    for step in range(4):
        for sim in pair:
            sim.step(drive(sim), refresh=step == 3)
    close(pair[0].dof_pos, pair[1].dof_pos, atol=1e-3)
    close(pair[0].dof_vel, pair[1].dof_vel, atol=0.1)
    close(pair[0].contact_forces, pair[1].contact_forces, atol=4.0, rtol=0.03)
    for sim in pair:
        sim.close()
