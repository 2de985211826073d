"""The evaluation asks of every robot what its scenario says, whoever is evaluated beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_policies import make_policy

from legged_gym.common.errors import UserError
from legged_gym.common.rotations import quat_rotate_inverse
from legged_gym.envs import QminiCfg, task_registry
from legged_gym.evaluation import evaluator, motion
from legged_gym.evaluation.evaluator import (
    Batch,
    EvaluationSettings,
    evaluate_batch,
    evaluate_policies,
    evaluation_config,
    make_batches,
)
from legged_gym.evaluation.results import EvaluationResult, as_dict, judge
from legged_gym.evaluation.rollout import Rollout
from legged_gym.evaluation.samples import choose_sample
from legged_gym.evaluation.scenarios import SCENARIOS, Scenario, select_scenarios
from legged_gym.evaluation.task import EvaluationTask, evaluation_class
from legged_gym.evaluation.trials import StartNoise, draw_trials
from legged_gym.policies.finder import Observed, Policy, load_policy
from legged_gym.render.film import sample_scene
from legged_gym.simulators.mujoco_sim import MujocoSimulator

SETTINGS = EvaluationSettings(trials=2, longest=0.6)
START = StartNoise(dof_pos=np.zeros(10, np.float32), velocity=0.0, tilt=0.0)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return load_policy(str(make_policy(tmp_path_factory.mktemp("logs"), export=False) / "model_0.pt"))


class Stand(Policy):
    """Keeps the default pose, and says what it knows for sure."""

    name = path = digest = "stand"
    contract: dict = {}
    num_observations, num_actions = 215, 10

    def act(self, observation: torch.Tensor | Observed, block: int = 0) -> tuple[torch.Tensor | None, torch.Tensor]:
        assert not isinstance(observation, torch.Tensor)
        count = len(observation["policy"])
        return torch.ones(count, 5), torch.zeros(count, 10)


def rollouts(policy: Policy, scenarios: str, settings: EvaluationSettings = SETTINGS) -> dict[str, Rollout]:
    found = {}
    for batch in make_batches(select_scenarios(scenarios), settings):
        for scenario, rollout in zip(batch.scenarios, evaluate_batch(policy, batch, settings)[0], strict=True):
            found[scenario.name] = rollout
    return found


def assert_same(one: Rollout, other: Rollout) -> None:
    for field in dataclasses.fields(Rollout):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def test_a_scenarios_trials_do_not_depend_on_those_beside_it(policy: Policy) -> None:
    alone = rollouts(policy, "push_0.6,stairs_2cm")
    among = rollouts(policy, "flat,push_0.6,friction_0.2,payload_+3,both_delays,rough_4cm,stairs_2cm,slope")
    for name, rollout in alone.items():
        assert_same(rollout, among[name])


def test_the_seed_decides(policy: Policy) -> None:
    first, again = rollouts(policy, "flat")["flat"], rollouts(policy, "flat")["flat"]
    assert_same(first, again)
    other = rollouts(policy, "flat", dataclasses.replace(SETTINGS, seed=2))["flat"]
    assert np.abs(first.dof_pos[0] - other.dof_pos[0]).max() > 0.01


def test_all_scenarios_are_examined(policy: Policy) -> None:
    found = rollouts(
        policy, ",".join(scenario.name for scenario in SCENARIOS), dataclasses.replace(SETTINGS, longest=0.1)
    )
    assert set(found) == {scenario.name for scenario in SCENARIOS}
    assert all(rollout.steps == 5 and np.isfinite(rollout.base_pos).all() for rollout in found.values())
    assert (found["flat"].trials, found["stand"].trials) == (2, 1)


def test_nothing_is_random_but_what_a_scenario_asks_for(policy: Policy) -> None:
    cfg = evaluation_config("qmini", policy, 4, on_plane=True)
    assert isinstance(cfg, QminiCfg)
    rand = cfg.domain_rand.to_dict()  # type: ignore[attr-defined]
    assert not any(rand[name] for name in rand if name.startswith("randomize_") and name != "randomize_joint_dynamics")
    for name in ("joint_friction_range", "joint_damping_range", "joint_armature_range"):
        low, high = rand[name]
        assert low == high > 0.0
    assert cfg.noise.add_noise and cfg.noise.noise_level == 1.0
    # What the policy is tied to is its own.
    assert (cfg.gait.period, cfg.control.action_scale) == (0.6, 0.2)


@pytest.fixture
def evaluation_env() -> Iterator[EvaluationTask]:
    """Return a task of two plain robots, two with a mix of everything, and two that are pushed."""
    scenarios = (
        Scenario("plain", "", (((0.0, (0.0, 0.0, 0.0)),),)),
        Scenario("mix", "", (((0.0, (0.3, 0.0, 0.2)), (0.04, (0.0, 0.0, 0.0))),), friction=(0.3, 0.3),
              payload=(2.0, 2.0), p_gain=(0.9, 0.9), d_gain=(1.1, 1.1), zero_offset=0.02, noise=0.0,
              action_delay=(0.02, 0.02), observation_delay=(0.01, 0.01)),
        Scenario("pushed", "", (((0.0, (0.0, 0.0, 0.0)),),), push=0.5, push_interval=0.1),
    )  # fmt: skip
    cfg = evaluation_config("qmini", Stand(), 6, on_plane=True)
    env = evaluation_class(task_registry.get_task_class("qmini"))(cfg)
    env.begin([draw_trials(scenario, 2, 1, env.dt, 3.0, START) for scenario in scenarios])
    yield env
    env.close()


def test_robots_get_the_conditions_of_their_scenarios(evaluation_env: EvaluationTask) -> None:
    rand = evaluation_env.rand
    assert rand.physics.friction.tolist() == pytest.approx([1.0, 1.0, 0.3, 0.3, 1.0, 1.0])
    assert rand.physics.added_mass.tolist() == [0.0, 0.0, 2.0, 2.0, 0.0, 0.0]
    p_gains, d_gains = (
        evaluation_env._p_gains / evaluation_env.p_gains,
        evaluation_env._d_gains / evaluation_env.d_gains,
    )
    torch.testing.assert_close(p_gains[:, 0], torch.tensor([1.0, 1.0, 0.9, 0.9, 1.0, 1.0]))
    torch.testing.assert_close(d_gains[:, 9], torch.tensor([1.0, 1.0, 1.1, 1.1, 1.0, 1.0]))
    assert rand.action_delay.tolist() == pytest.approx([0.0, 0.0, 0.02, 0.02, 0.0, 0.0])
    assert rand.observation_delay.tolist() == pytest.approx([0.0, 0.0, 0.01, 0.01, 0.0, 0.0])
    assert not evaluation_env._steps_on_the_spot.any()  # type: ignore[attr-defined]
    offsets = evaluation_env.measured_dof_pos - evaluation_env.dof_pos
    assert not offsets[:2].any() and offsets[2:4].abs().min() > 0.0 and offsets.abs().max() <= 0.02 + 1e-6


def test_the_simulator_runs_those_conditions(evaluation_env: EvaluationTask) -> None:
    sim = evaluation_env.sim
    assert isinstance(sim, MujocoSimulator)
    masses = sim.batch.expand("body_mass").sum(axis=1)
    np.testing.assert_allclose(masses, 11.145 + np.array([0.0, 0.0, 2.0, 2.0, 0.0, 0.0]), atol=2e-3)
    np.testing.assert_allclose(sim.batch.expand("geom_friction")[:, sim.scene.ground_id, 0], [1, 1, 0.3, 0.3, 1, 1])


def test_commands_come_in_time_and_are_observed(evaluation_env: EvaluationTask) -> None:
    seen = []
    for step in range(4):
        command = evaluation_env.get_observations()["policy"][2, 6:9] / torch.tensor([2.0, 2.0, 0.25])
        torch.testing.assert_close(command, evaluation_env.commands[2])
        seen.append(command.tolist())
        evaluation_env.prepare_step(step)
        evaluation_env.step(torch.zeros(6, 10))
    assert seen == [pytest.approx([0.3, 0.0, 0.2])] * 2 + [[0.0, 0.0, 0.0]] * 2


def test_pushes_change_the_velocity(evaluation_env: EvaluationTask) -> None:
    pushes = evaluation_env._pushes_plan
    step = int(pushes[:, 4].abs().sum(1).nonzero()[0])
    for index in range(step):
        evaluation_env.prepare_step(index)
        evaluation_env.step(torch.zeros(6, 10))
    before = evaluation_env.root_states[4, 7:9].clone()
    evaluation_env.prepare_step(step)
    evaluation_env.step(torch.zeros(6, 10))
    change = evaluation_env.root_states[4, 7:9] - before
    # The feet take up some of it within the step.
    assert torch.dot(change, pushes[step, 4]) / 0.5 == pytest.approx(0.5, abs=0.2)


def test_noise_is_the_scenarios(evaluation_env: EvaluationTask) -> None:
    observation, privileged = (
        evaluation_env.get_observations()["policy"],
        evaluation_env.get_observations()["privileged"],
    )
    noise = (observation[:, :43] - privileged[:, :43]).abs()
    assert noise[0].max() > 0.0
    assert noise[2:4].max() < 1e-6


def test_a_trial_ends_with_its_fall() -> None:
    settings = EvaluationSettings(trials=18, longest=3.0)
    rollout = rollouts(Stand(), "push_0.6", settings)["push_0.6"]
    result = judge(next(scenario for scenario in SCENARIOS if scenario.name == "push_0.6"), rollout)
    fallen = np.flatnonzero(rollout.rows < rollout.steps)
    assert 0 < fallen.size == result.falls
    assert result.metrics["falls"] == pytest.approx(100.0 * fallen.size / 18)
    assert sum(plan.falls for plan in result.plans) == result.falls
    trial = fallen[0]
    # The row after the last one is of a new start.
    last = rollout.base_pos[rollout.rows[trial] - 1, trial, 2]
    assert last < 0.4 < rollout.base_pos[rollout.rows[trial], trial, 2]


def test_records_hold_what_the_task_shows(policy: Policy) -> None:
    rollout = rollouts(policy, "flat,payload_+3,rough_4cm")
    flat, rough = rollout["flat"], rollout["rough_4cm"]
    np.testing.assert_allclose(rollout["payload_+3"].mass, 14.145, atol=2e-3)
    assert flat.lin_vel.shape == (30, 2, 3) and flat.foot_pos.shape == (30, 2, 2, 3)
    assert flat.estimate is not None and flat.estimate.shape == (30, 2, 5)
    np.testing.assert_allclose(flat.mass, 11.145, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(flat.base_quat, axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(flat.dof_vel_limits[:2], [30.0, 10.0])
    assert not flat.torques[0].any() and flat.torques[5].any()
    # Left foot to the left.
    assert (flat.foot_pos[0, :, 0, 1] > flat.foot_pos[0, :, 1, 1]).all()
    # The velocities are those of the positions, seen by the base.
    moved = torch.from_numpy(np.diff(flat.base_pos[:, 0], axis=0) / np.float32(flat.dt))
    seen = quat_rotate_inverse(torch.from_numpy(flat.base_quat[1:, 0]), moved).numpy()
    assert np.abs(seen - flat.lin_vel[1:, 0]).mean() < 0.05 < np.abs(flat.lin_vel[:, 0]).mean()
    assert rough.base_pos[0, :, 1].min() > 16.0
    assert np.abs(np.diff(rough.base_pos[0, :, :2], axis=0)).min() > 0.05, "somewhere on their tile"


def test_each_blocks_robots_are_forgotten_when_they_fall() -> None:
    forgotten: dict[int, int] = {}

    class Fragile(Stand):
        def reset(self, dones: torch.Tensor | None = None, block: int = 0) -> None:
            assert dones is not None and len(dones) == (36, 9)[block], "as many as the block has"
            forgotten[block] = forgotten.get(block, 0) + int(dones.sum())

    settings = EvaluationSettings(trials=36, longest=2.0)
    batch = Batch((BY_NAME["push_1.0"], dataclasses.replace(BY_NAME["push_0.8"], share=0.25)), 2.0)
    found, _ = evaluate_batch(Fragile(), batch, settings)
    assert [forgotten[block] > 0 for block in (0, 1)] == [(rollout.rows < rollout.steps).any() for rollout in found]
    assert forgotten[0] > 0


def test_a_sole_that_rolls_does_not_slip() -> None:
    rollout = rollouts(Stand(), "stand", dataclasses.replace(SETTINGS, longest=1.0))["stand"]
    # The robot tips over, and its feet with it, until it counts as fallen.
    rows = slice(24, int(motion.standing_rows(rollout)[0]))
    ankles = np.linalg.norm(np.diff(rollout.foot_pos[..., :2], axis=0), axis=-1)[rows] / rollout.dt
    assert ankles.mean() > 0.15
    assert np.linalg.norm(rollout.sole_vel[rows], axis=-1).mean() < 0.01


def test_batches_hold_what_goes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = make_batches(SCENARIOS, EvaluationSettings(trials=10))
    assert [scenario.name for batch in batches for scenario in batch.scenarios] != []
    for batch in batches:
        assert len({(scenario.terrains == ("plane",), scenario.seconds) for scenario in batch.scenarios}) == 1
        assert batch.on_plane == (batch.scenarios[0].terrains == ("plane",))
    monkeypatch.setitem(evaluator._MOST_ROBOTS, "cpu", 30)
    assert max(len(batch.scenarios) for batch in make_batches(SCENARIOS, EvaluationSettings(trials=10))) == 3
    assert max(len(batch.scenarios) for batch in make_batches(SCENARIOS, EvaluationSettings(trials=100))) == 1


def test_a_policy_of_another_size_is_refused() -> None:
    class Narrow(Stand):
        num_observations = 43

    with pytest.raises(UserError, match="turns 43 observations into 10 actions, but the task 'qmini' has 215 and 10"):
        rollouts(Narrow(), "flat")


def test_a_sample_is_the_first_fall_or_the_quickest_walk() -> None:
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == "push_0.6")
    settings = EvaluationSettings(trials=18, longest=3.0)
    (batch,) = make_batches([scenario], settings)
    (rollout,), stage = evaluate_batch(Stand(), batch, settings)
    sample = choose_sample(scenario, rollout, stage)
    assert sample.fell and sample.trial == np.flatnonzero(rollout.rows < rollout.steps)[0]
    first, last = sample.strip
    assert last == motion.standing_rows(sample.rollout)[0] - 1 and 0 <= first < last
    filmed = sample_scene("a policy", sample, 0.5).rows
    assert filmed is not None and filmed.tolist() == list(range(last - 24, last + 1)), "the end, which is the fall"
    rollout = dataclasses.replace(rollout, rows=np.full(18, rollout.steps))
    rollout.base_quat[:] = [0.0, 0.0, 0.0, 1.0]
    sample = choose_sample(scenario, rollout, stage)
    assert not sample.fell and scenario.plans[sample.trial][0][1] == (0.6, 0.0, 0.0)
    assert sample.strip == (99, 149)
    # What happens after a new command is what one wants to see.
    rollout.commands[30:, sample.trial] = 0.1
    assert choose_sample(scenario, rollout, stage).strip == (29, 79)


def test_ctrl_c_keeps_the_scenarios_that_were_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    scenarios = select_scenarios("flat,rough_2cm")
    calls = []
    original = evaluator.evaluate_batch

    def stopped_at_the_second(*args: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("legged_gym.evaluation.evaluator.evaluate_batch", stopped_at_the_second)
    result = EvaluationResult("qmini", "mujoco", "cpu", 1, 2, None, [], scenarios)
    samples = evaluate_policies([Stand()], scenarios, SETTINGS, result)
    assert not result.finished
    assert list(result.policies[0].scenarios) == list(samples[0]) == ["flat"]
    kept = as_dict(result)
    assert kept["finished"] is False and list(kept["policies"][0]["results"]) == ["flat"]


def test_tasks_without_gait_and_policies_without_estimator_are_examined(plain_task: str) -> None:
    class Plain(Stand):
        num_observations = 42

        def act(self, observation: torch.Tensor | Observed, block: int = 0) -> tuple[None, torch.Tensor]:
            return None, super().act(observation, block)[1]

    found = rollouts(Plain(), "flat,slope", dataclasses.replace(SETTINGS, task=plain_task))
    assert found["flat"].estimate is None
    metrics = judge(SCENARIOS[0], found["flat"]).metrics
    assert np.isnan(metrics["estimator_rmse"]) and metrics["falls"] >= 0.0


def test_the_task_is_left_as_it_was(tmp_path: Path, policy: Policy) -> None:
    before = task_registry.get_cfgs("qmini")[0].to_dict()
    rollouts(policy, "flat")
    assert task_registry.get_cfgs("qmini")[0].to_dict() == before


def test_a_classs_own_callback_is_called_but_changes_no_commands() -> None:
    class Clocked(task_registry.get_task_class("qmini")):  # type: ignore[misc]
        def _post_physics_step_callback(self) -> None:
            self.phase = 0.1 * self.episode_length_buf
            super()._post_physics_step_callback()

        def compute_observations(self) -> None:
            super().compute_observations()
            self.seen = self.phase.clone()

    env = evaluation_class(Clocked)(evaluation_config("qmini", Stand(), 2, on_plane=True))
    env.commands[:] = torch.tensor([0.3, 0.0, 0.0])
    for _ in range(3):
        env.step(torch.zeros(2, 10))
    assert env.seen.tolist() == pytest.approx([0.3, 0.3])  # type: ignore[attr-defined]
    env.close()
