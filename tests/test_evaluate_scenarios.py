"""Scenarios are sensible data, and their trials depend on the scenario and the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from ground_truth import height_at

from legged_gym.common.errors import UserError
from legged_gym.envs import QminiCfg
from legged_gym.evaluation.scenarios import GRID, PLANE, SCENARIOS, Scenario, select_scenarios
from legged_gym.evaluation.terrain import SCALE, TERRAINS, TILE_SIZE, EvaluationTerrain, prepare_terrain
from legged_gym.evaluation.trials import StartNoise, Trials, draw_trials

DT = 0.02
START = StartNoise(dof_pos=np.full(10, 0.1, np.float32), velocity=0.05, tilt=0.04)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def draw(scenario: Scenario | str, count: int = 36, seed: int = 1, seconds: float = 10.0) -> Trials:
    scenario = BY_NAME[scenario] if isinstance(scenario, str) else scenario
    return draw_trials(scenario, count, seed, DT, seconds, START)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenarios_ask_for_what_the_task_knows(scenario: Scenario) -> None:
    cfg = QminiCfg()
    assert set(scenario.terrains) <= {PLANE} or set(scenario.terrains) <= set(TERRAINS)
    for plan in scenario.plans:
        seconds = [second for second, _ in plan]
        assert seconds[0] == 0.0 and seconds == sorted(seconds) and seconds[-1] < scenario.seconds
        for _, (vx, vy, yaw) in plan:
            ranges, band = cfg.commands.ranges, cfg.commands.dead_band
            assert ranges.lin_vel_x[0] <= vx <= ranges.lin_vel_x[1]
            assert ranges.ang_vel_yaw[0] <= yaw <= ranges.ang_vel_yaw[1]
            assert ranges.lin_vel_y[0] <= vy <= ranges.lin_vel_y[1]
            # A controller must not take a command that moves for standing.
            assert (vx, vy, yaw) == (0.0, 0.0, 0.0) or abs(vx) > band[0] or abs(vy) > band[1] or abs(yaw) > band[2]
    for low, high in (scenario.friction, scenario.payload, scenario.p_gain, scenario.d_gain):
        assert low <= high
    for low, high in (scenario.action_delay, scenario.observation_delay):
        assert 0.0 <= low <= high <= DT
    assert scenario.friction[0] > 0.0 and scenario.push >= 0.0 and scenario.seconds > 1.0


def test_a_scenario_does_what_its_name_says() -> None:
    told = [scenario.name.rsplit("_", 1) for scenario in SCENARIOS if scenario.name[-1].isdigit()]
    assert len(told) == 14
    for name, figure in told:
        value = getattr(BY_NAME[f"{name}_{figure}"], name)
        assert value == (float(figure) if name in ("push", "noise") else (float(figure),) * 2)


def test_trials_start_with_half_of_a_trainings_noise() -> None:
    start = StartNoise.of_training([0.1, 0.2], velocity=0.3, orientation=0.4)
    assert [*start.dof_pos.tolist(), start.velocity, start.tilt] == pytest.approx([0.05, 0.1, 0.15, 0.2])


def test_names_are_their_own() -> None:
    assert len(BY_NAME) == len(SCENARIOS) == 29
    assert len(GRID) == len(set(GRID)) == 18


def test_scenarios_are_chosen_by_name_in_the_evaluations_order() -> None:
    assert [scenario.name for scenario in select_scenarios("stand, flat")] == ["flat", "stand"]
    assert select_scenarios() == SCENARIOS
    with pytest.raises(UserError, match=r"no scenario 'push_0\.5' \(--scenarios\): did you mean 'push_0\.\d' or"):
        select_scenarios("flat,push_0.5")
    with pytest.raises(UserError, match="names no scenario: valid: action_delay"):
        select_scenarios(",")


def arrays(trials: Trials) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(trials).items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("name", ["mixed", "push_0.6", "stairs_2cm"])
def test_trials_are_drawn_from_scenario_and_seed(name: str) -> None:
    first, again, other = draw(name), draw(name), draw(name, seed=2)
    for key, value in arrays(first).items():
        np.testing.assert_array_equal(value, arrays(again)[key])
    np.testing.assert_array_equal(first.sensor_noise(43), again.sensor_noise(43))
    assert not np.array_equal(first.dof_pos, other.dof_pos)
    assert not np.array_equal(first.dof_pos, draw("flat").dof_pos)


def test_starts_stay_within_their_noise() -> None:
    trials = draw("flat", count=500)
    assert 0.09 < np.abs(trials.dof_pos).max() <= 0.1
    assert 0.045 < np.abs(trials.velocity).max() <= 0.05
    assert 0.035 < np.abs(trials.attitude[:, :2]).max() <= 0.04
    assert np.abs(trials.position).max() == 0.0
    assert 0.4 < trials.right_leads.mean() < 0.6


def test_commands_follow_their_plans() -> None:
    trials = draw("start_stop", count=7, seconds=12.0)
    assert trials.commands.shape == (601, 7, 3)
    np.testing.assert_allclose(trials.commands[[0, 149, 150, 299, 300, 450, 600], 0, 0],
                               [0.6, 0.6, 0.0, 0.0, 0.6, -0.5, -0.5])  # fmt: skip
    np.testing.assert_array_equal(trials.commands[:, 0], trials.commands[:, 6])


def test_pushes_have_their_size_and_come_in_time() -> None:
    trials = draw("push_0.6", count=50)
    sizes = np.linalg.norm(trials.pushes, axis=-1)
    np.testing.assert_allclose(sizes[sizes > 0.0], 0.6, rtol=1e-5)
    directions = trials.pushes[sizes > 0.0]
    assert np.abs(directions.mean(axis=0)).max() < 0.15
    for trial in range(50):
        moments = np.flatnonzero(sizes[:, trial])
        assert 50 <= moments[0] < 150
        assert set(np.diff(moments)) == {100}
        assert moments[-1] >= 400
    assert not draw("flat").pushes.any()


def test_each_plan_meets_each_ground() -> None:
    trials = draw("slope", count=36)
    met = {(trial % 18, ground) for trial, ground in enumerate(trials.terrains)}
    assert len(met) == 36
    # On slopes robots face along x, elsewhere anywhere.
    assert np.abs(trials.attitude[:, 2]).max() <= 0.2
    assert np.abs(draw("stairs_2cm").attitude[:, 2]).max() > 2.0


def test_conditions_lie_in_their_ranges() -> None:
    trials = draw("mixed", count=200)
    for name in ("friction", "payload", "p_gain", "d_gain", "action_delay", "observation_delay"):
        low, high = getattr(trials.scenario, name)
        values = getattr(trials, name)
        assert low <= values.min() < low + 0.2 * (high - low)
        assert high >= values.max() > high - 0.2 * (high - low)
    assert 0.018 < np.abs(trials.zero_offset).max() <= 0.02
    flat = draw("flat")
    assert (flat.friction == 1.0).all() and (flat.payload == 0.0).all() and (flat.p_gain == 1.0).all()
    assert not flat.zero_offset.any() and not flat.action_delay.any()


def test_sensor_noise_has_the_scenarios_strength() -> None:
    assert 0.99 < np.abs(draw("flat").sensor_noise(43)).max() <= 1.0
    assert 1.48 < np.abs(draw("noise_1.5").sensor_noise(43)).max() <= 1.5


@pytest.fixture(scope="module")
def terrain() -> EvaluationTerrain:
    cfg = QminiCfg().terrain
    prepare_terrain(cfg)
    return EvaluationTerrain(cfg, seed=5)


def tile(terrain: EvaluationTerrain, name: str) -> np.ndarray:
    """Return the heights of a tile without its edge."""
    points, border = round(TILE_SIZE / SCALE), 10
    first = border + list(TERRAINS).index(name) * points
    return terrain.heights[border + 1 : border + points, first + 1 : first + points]


@pytest.mark.parametrize(("name", "height"), [("rough_2cm", 0.02), ("rough_4cm", 0.04)])
def test_rough_ground_is_so_high_from_lowest_to_highest_point(
    terrain: EvaluationTerrain, name: str, height: float
) -> None:
    heights = tile(terrain, name)
    assert heights.min() >= 0.0 and heights.max() <= height
    assert np.ptp(heights) > 0.99 * height
    # Each point for itself: neighbours know nothing of each other.
    assert abs(np.corrcoef(heights[:-1].ravel(), heights[1:].ravel())[0, 1]) < 0.05


def test_stairs_lead_up_and_down_from_the_middle(terrain: EvaluationTerrain) -> None:
    for name, sign in (("stairs_up", 1.0), ("stairs_down", -1.0)):
        heights = tile(terrain, name)
        middle = len(heights) // 2
        path = sign * (heights[middle:, middle] - heights[middle, middle])
        steps = np.diff(path)
        np.testing.assert_allclose(steps[steps != 0.0], 0.02, rtol=1e-4)
        assert path[-1] > 0.4
        assert not path[:4].any()


def test_slopes_rise_and_fall_along_x(terrain: EvaluationTerrain) -> None:
    for name, sign in (("slope_up", 1.0), ("slope_down", -1.0)):
        heights = tile(terrain, name)
        np.testing.assert_allclose(np.diff(heights, axis=0), sign * np.tan(0.1) * SCALE, rtol=1e-3)
        assert np.ptp(heights, axis=1).max() == 0.0


def test_robots_start_in_the_middle_of_their_tiles(terrain: EvaluationTerrain) -> None:
    for index, name in enumerate(TERRAINS):
        x, y, z = terrain.env_origins[0, index]
        assert (x, y) == pytest.approx((TILE_SIZE / 2, (index + 0.5) * TILE_SIZE))
        assert height_at(terrain, x, y) == pytest.approx(z)
        heights = tile(terrain, name)
        assert heights[len(heights) // 2, len(heights) // 2] == pytest.approx(z)


def test_the_ground_does_not_depend_on_the_seed(terrain: EvaluationTerrain) -> None:
    np.testing.assert_array_equal(terrain.heights, EvaluationTerrain(terrain.cfg, seed=6).heights)
