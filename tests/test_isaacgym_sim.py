"""The Isaac Gym back-end, its process and all, through a stand-in of Isaac Gym that runs on MuJoCo."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import quiet, small_cfg
from ground_truth import height_at
from isaacgym_process import everyone, isaacgym_cfg, python_with, simulator

from legged_gym.benchmarking.measure import measure
from legged_gym.cli.arguments import get_args
from legged_gym.envs import Qmini, QminiCfg
from legged_gym.envs.base.terrain import Terrain
from legged_gym.scripts import benchmark, play, train
from legged_gym.simulators import PhysicsParameters
from legged_gym.simulators.backend import ISAACGYM_PYTHON
from legged_gym.simulators.isaacgym_sim import IsaacGymSimulator
from legged_gym.simulators.mujoco_sim import MujocoSimulator
from legged_gym.simulators.simulator import Simulator

N = 4
STATES = ("root_states", "dof_pos", "dof_vel", "rigid_body_states")


@pytest.fixture(autouse=True)
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a Python that has the stand-in."""
    path = python_with(tmp_path)
    monkeypatch.setenv(ISAACGYM_PYTHON, str(path))
    return path


def parameters() -> PhysicsParameters:
    torch.manual_seed(3)
    return PhysicsParameters(
        friction=0.2 + torch.rand(N),
        added_mass=4.0 * torch.rand(N) - 1.0,
        added_com=0.04 * torch.rand(N, 3) - 0.02,
        # MuJoCo takes it for a torque, PhysX for a share of the force on the joint.
        joint_friction=torch.zeros(N, 10),
        joint_damping=0.01 * torch.rand(N, 10),
        joint_armature=1e-3 + 0.009 * torch.rand(N, 10),
    )


def start(sim: Simulator, terrain: Terrain | None = None) -> None:
    """Put the robots closely above the ground, turned and moving."""
    torch.manual_seed(0)
    root = torch.zeros(N, 13)
    root[:, 0] = torch.linspace(2.0, 6.0, N)
    root[:, 1], root[:, 2] = 3.0, 0.45
    if terrain is not None:
        root[:, 2] += torch.from_numpy(height_at(terrain, root[:, 0].numpy(), root[:, 1].numpy()))
    root[:, 3:7] = torch.nn.functional.normalize(torch.tensor([0.0, 0.05, 0.2, 1.0]) + 0.05 * torch.randn(N, 4))
    root[:, 7:] = 0.5 * torch.randn(N, 6)
    angles = QminiCfg().init_state.default_joint_angles
    joints = torch.tensor([angles[name] for name in sim.dof_names]) + 0.1 * torch.randn(N, sim.num_dof)
    sim.set_state(everyone(), root, joints, torch.randn(N, sim.num_dof))


def run(sim: Simulator, steps: int) -> None:
    torch.manual_seed(1)
    for step in range(steps):
        sim.step(torch.randn(N, sim.num_dof), refresh=step == steps - 1)


@contextlib.contextmanager
def both(cfg: QminiCfg) -> Iterator[tuple[IsaacGymSimulator, MujocoSimulator]]:
    """Make both back-ends with the same parameters, and start them in the same states."""
    terrain = None if cfg.terrain.mesh_type == "plane" else Terrain(cfg.terrain, seed=0)
    with simulator(cfg, N) as isaacgym, closing(MujocoSimulator(cfg, terrain, N)) as mujoco:
        for sim in (isaacgym, mujoco):
            sim.set_parameters(parameters())
            start(sim, terrain)
        yield isaacgym, mujoco


def assert_alike(a: Simulator, b: Simulator, names: tuple[str, ...] = STATES, atol: float = 1e-4) -> None:
    for name in names:
        difference = (getattr(a, name) - getattr(b, name)).abs().max()
        assert difference <= atol, f"{name}: {difference}"


def assert_alike_as_they_fall(isaacgym: IsaacGymSimulator, mujoco: MujocoSimulator) -> None:
    # Right after they were set, when Isaac Gym knows nothing of them yet.
    assert_alike(isaacgym, mujoco, atol=1e-5)
    for sim in (isaacgym, mujoco):
        run(sim, 20)
    assert (mujoco.contact_forces.norm(dim=-1) > 1.0).any(), "the test needs contacts"
    assert_alike(isaacgym, mujoco)
    assert_alike(isaacgym, mujoco, ("contact_forces",), atol=1e-2)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[IsaacGymSimulator, MujocoSimulator]]:
    """Share both back-ends, on a plane, between tests that leave them as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path_factory.mktemp("python"))))
        with both(isaacgym_cfg(N)) as sims:
            yield sims


def test_states_agree_with_mujoco_on_a_plane(pair: tuple[IsaacGymSimulator, MujocoSimulator]) -> None:
    isaacgym, mujoco = pair
    assert (isaacgym.body_names, isaacgym.dof_names) == (mujoco.body_names, mujoco.dof_names)
    for name in ("dof_pos_limits", "dof_vel_limits", "torque_limits", "base_mass"):
        torch.testing.assert_close(getattr(isaacgym, name), getattr(mujoco, name))
    for sim in pair:
        start(sim)
    assert_alike_as_they_fall(*pair)


def test_states_agree_with_mujoco_on_a_terrain() -> None:
    with both(isaacgym_cfg(N, plane=False)) as sims:
        assert_alike_as_they_fall(*sims)


def test_joint_angles_are_new_without_a_refresh(pair: tuple[IsaacGymSimulator, MujocoSimulator]) -> None:
    for sim in pair:
        start(sim)
    root = pair[0].root_states.clone()
    for sim in pair:
        sim.step(torch.ones(N, sim.num_dof))
    assert_alike(*pair, names=("dof_pos", "dof_vel"))
    torch.testing.assert_close(pair[0].root_states, root)


def test_a_push_changes_velocities_and_nothing_else(pair: tuple[IsaacGymSimulator, MujocoSimulator]) -> None:
    push = torch.tensor([True, False, True, False])
    for sim in pair:
        start(sim)
        # Where robots are now only Isaac Gym knows.
        sim.step(torch.zeros(N, sim.num_dof))
        sim.set_root_velocity(push, torch.ones(N, 6))
        run(sim, 1)
    assert_alike(*pair)


def test_a_push_right_after_a_reset_keeps_both(pair: tuple[IsaacGymSimulator, MujocoSimulator]) -> None:
    some = torch.tensor([True, True, False, False])
    for sim in pair:
        start(sim)
        run(sim, 3)
        root = torch.zeros(N, 13)
        root[:, 2], root[:, 6] = 0.6, 1.0
        sim.set_state(some, root, torch.zeros(N, sim.num_dof), torch.zeros(N, sim.num_dof))
        sim.set_root_velocity(some.roll(1), torch.ones(N, 6))
        run(sim, 2)
    assert_alike(*pair)


def test_parameters_can_change_while_robots_move() -> None:
    with both(isaacgym_cfg(N)) as (isaacgym, mujoco):
        for sim in (isaacgym, mujoco):
            run(sim, 6)
        changed = parameters()
        changed.friction, changed.added_mass = changed.friction.flip(0), changed.added_mass + 1.0
        for sim in (isaacgym, mujoco):
            sim.set_parameters(changed)
            run(sim, 10)
        assert_alike(isaacgym, mujoco, atol=1e-3)


def test_a_hanging_robot_stays_where_it_hangs() -> None:
    cfg = isaacgym_cfg(N)
    cfg.asset.fix_base_link = True
    with both(cfg) as (isaacgym, mujoco):
        for sim in (isaacgym, mujoco):
            sim.set_root_velocity(everyone(), torch.ones(N, 6))
            run(sim, 10)
        assert_alike(isaacgym, mujoco)


def test_velocities_of_origins_are_taken_as_they_are(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISAACGYM_STANDIN_VELOCITY", "origin")
    cfg = isaacgym_cfg(N)
    cfg.sim.physx.velocities_of = "link"
    with both(cfg) as (isaacgym, mujoco):
        for sim in (isaacgym, mujoco):
            run(sim, 6)
        assert_alike(isaacgym, mujoco)


def test_the_rules_of_the_gpu_pipeline_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISAACGYM_STANDIN_GPU", "cpu")
    settings = IsaacGymSimulator._settings
    monkeypatch.setattr(IsaacGymSimulator, "_settings", lambda sim: {**settings(sim), "gpu_pipeline": True})
    with both(isaacgym_cfg(N)) as (isaacgym, mujoco):
        for sim in (isaacgym, mujoco):
            run(sim, 3)
            sim.set_root_velocity(everyone(), torch.ones(N, 6))
            start(sim)
            run(sim, 3)
        assert_alike(isaacgym, mujoco)


def test_a_diverged_robot_is_reported_and_replaced() -> None:
    with simulator(isaacgym_cfg(N), N) as sim:
        start(sim)
        run(sim, 1)
        link_run = sim._link.run

        def diverge(*args: Any, **kwargs: Any) -> None:
            link_run(*args, **kwargs)
            sim._shared["root"][1] = torch.nan

        sim._link.run = diverge  # type: ignore[method-assign]
        run(sim, 1)
        assert sim.diverged.tolist() == [0, 1, 0, 0]
        for name in STATES:
            assert getattr(sim, name).isfinite().all(), name
        sim._link.run = link_run  # type: ignore[method-assign]
        run(sim, 1)
        assert not sim.diverged.any()
        torch.testing.assert_close(sim.root_states[1, :2], torch.zeros(2), atol=0.05, rtol=0)


OTHER_ORDER = """<robot name="odd">
  <link name="trunk">
    <inertial><mass value="2"/><inertia ixx="0.1" ixy="0" ixz="0" iyy="0.1" iyz="0" izz="0.1"/></inertial>
    <collision><geometry><box size="0.3 0.2 0.1"/></geometry></collision></link>
  {links}
</robot>"""
ODD_LINK = """<link name="{name}"><inertial><origin xyz="0 0.02 -0.1"/><mass value="{mass}"/>
    <inertia ixx="0.01" ixy="0" ixz="0" iyy="0.01" iyz="0" izz="0.01"/></inertial>
    <collision><origin xyz="0 0 -0.2"/><geometry><sphere radius="0.03"/></geometry></collision></link>
  <joint name="to_{name}" type="revolute"><parent link="trunk"/><child link="{name}"/><origin xyz="{x} 0 0"/>
    <axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="9" velocity="20"/></joint>"""


def test_joints_and_links_are_told_apart_by_name(tmp_path: Path) -> None:
    links = [ODD_LINK.format(name=name, mass=i + 1, x=0.1 * i) for i, name in enumerate("zam")]
    path = tmp_path / "odd.urdf"
    path.write_text(OTHER_ORDER.format(links="".join(links)))
    cfg = isaacgym_cfg(N)
    cfg.asset.file = str(path)
    with simulator(cfg, N) as isaacgym, closing(MujocoSimulator(cfg, None, N)) as mujoco:
        for sim in (isaacgym, mujoco):
            root = torch.zeros(N, 13)
            root[:, 2], root[:, 6], root[:, 10] = 0.22, 1.0, 0.5
            joints = torch.tensor([[0.1, 0.3, -0.2]]).expand(N, 3)
            sim.set_state(everyone(), root, joints, 2.0 * joints)
            run(sim, 12)
        assert_alike(isaacgym, mujoco)
        assert_alike(isaacgym, mujoco, ("contact_forces",), atol=1e-2)


# --- tasks -----------------------------------------------------------------------------------------------------------


class OwnLaw(Qmini):
    """Has a torque law of its own, by which Isaac Gym can't go on alone."""

    def _compute_torques(self, actions: torch.Tensor) -> torch.Tensor:
        return super()._compute_torques(actions)


def act(env: Qmini, steps: int = 6) -> list[torch.Tensor]:
    """Act for some steps, so gently that no joint reaches its largest velocity, and return what became of it."""
    torch.manual_seed(6)
    found = []
    for _ in range(steps):
        obs, rewards, _, _ = env.step(0.3 * torch.randn(env.num_envs, env.num_actions))
        found += [obs["policy"].clone(), rewards.clone(), env.torques.clone(), env.rigid_body_states.clone()]
    return found


def noisy_cfg() -> QminiCfg:
    """Return a configuration with all that is random but joint friction, which PhysX understands otherwise."""
    cfg = small_cfg(N)
    cfg.sim.physx.num_threads = 1
    cfg.domain_rand.joint_friction_range = [0.0, 0.0]
    return cfg


def test_a_control_step_in_one_exchange_is_that_of_single_steps() -> None:
    cfg = noisy_cfg()
    cfg.domain_rand.action_delay_range = [0.0, 0.02]
    with closing(Qmini(cfg, "isaacgym", seed=2)) as at_once, closing(OwnLaw(cfg, "isaacgym", seed=2)) as singly:
        assert (at_once._hands_over_drive, singly._hands_over_drive) == (True, False)
        assert at_once.rand.action_delay.unique().numel() > 1
        for a, b in zip(act(at_once), act(singly), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_a_task_goes_the_same_way_as_on_mujoco() -> None:
    cfg = noisy_cfg()
    cfg.sim.physx.implicit_damping = True
    with closing(Qmini(cfg, "isaacgym", seed=2)) as isaacgym, closing(Qmini(cfg, "mujoco", seed=2)) as mujoco:
        for a, b in zip(act(isaacgym), act(mujoco), strict=True):
            torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-3)


def test_robots_climb_the_terrain() -> None:
    cfg = quiet(small_cfg(N, plane=False))
    cfg.sim.physx.num_threads = 1
    cfg.terrain.level_change_probability = 1.0
    with closing(Qmini(cfg, "isaacgym", seed=2)) as env:
        assert (env.terrain_levels == 0).all()
        env._start_positions[:2] -= 4.0
        env.episode_length_buf[:] = env.max_episode_length
        env.step(torch.zeros(N, env.num_actions))
        assert env.reset_buf.all()
        assert env.terrain_levels.tolist() == [1, 1, 0, 0]
        torch.testing.assert_close(env.root_states[:, :2], env.env_origins[:, :2], atol=1.1, rtol=0)
        env.step(torch.zeros(N, env.num_actions))
        torch.testing.assert_close(env.root_states[:, :2], env.env_origins[:, :2], atol=1.1, rtol=0)
        assert not env.reset_buf.any()


# --- scripts ---------------------------------------------------------------------------------------------------------

SMALL = [
    "--sim=isaacgym", "--num_envs=4", "--sim_device=cpu", "--set=sim.physx.num_threads=1",
    "--set=terrain.num_rows=2", "--set=terrain.num_cols=5", "--set=terrain.border_size=5",
]  # fmt: skip
NETS = [
    "--set=policy.actor_hidden_dims=[16,16]", "--set=policy.critic_hidden_dims=[16,16]",
    "--set=estimator.hidden_dims=[8]",
]  # fmt: skip


def test_a_policy_is_trained_played_and_exported(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_script(script: Any, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["script", "--rl_device=cpu", "--headless", root, *arguments])
        script.main()
        return capsys.readouterr().out

    root, flag = f"--log_root={tmp_path / 'logs'}", f"--isaacgym_python={python}"
    monkeypatch.setenv(ISAACGYM_PYTHON, "")
    output = run_script(train, *SMALL, *NETS, flag, "--max_iterations=2")
    assert f"Isaac Gym: {python}" in output
    assert "trained 2 iterations" in output
    # The run remembers its simulator.
    output = run_script(train, flag, "--resume", "--max_iterations=3")
    assert f"Isaac Gym: {python}" in output
    assert "trained 3 iterations" in output
    run_script(play, "--sim=isaacgym", "--sim_device=cpu", flag, "--num_envs=2", "--steps=12")
    (folder,) = (tmp_path / "logs" / "qmini").iterdir()
    names = {path.name for path in (folder / "exported").iterdir()}
    assert {"qmini_estimator.onnx", "qmini_actor.onnx"} <= names


def test_speed_is_measured() -> None:
    small = [*SMALL, *NETS, "--rl_device=cpu", "--rounds=1", "--steps=2"]
    args = get_args(small, benchmark.make_parser())
    result = measure(benchmark.training_of(args, 4), args, time.perf_counter())
    assert result.machine["simulator"] == "isaacgym on cpu"
    assert all(seconds > 0.0 for seconds in result.seconds.values())
