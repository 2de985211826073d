"""Draws a scenario's trials: everything random about them depends only on the scenario's name and a seed.

So a trial is the same for every policy and back-end, whichever scenarios run beside it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from legged_gym.evaluation.scenarios import PLANE, Range, Scenario
from legged_gym.evaluation.terrain import FREE_HEADING, START_SPREAD

_SPREAD, _HEADING_SPREAD = 0.2, 0.2
"""Default of tiles: largest deviation of a start from the middle, m, and from the direction of x, rad."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StartNoise:
    """Deviations of starts from the default pose; all uniform, ±."""

    dof_pos: Floats
    """rad, (D,)."""
    velocity: float
    """Velocity of the base, m/s and rad/s."""
    tilt: float
    """Roll and pitch, rad."""

    @classmethod
    def of_training(cls, dof_pos: Sequence[float], velocity: float, orientation: float) -> StartNoise:
        """Return the noise of trials: half of the given noise of the training."""
        return cls(np.array(dof_pos, np.float32) * np.float32(0.5), 0.5 * velocity, 0.5 * orientation)


@dataclass(frozen=True)
class Trials:
    """N drawn trials of one scenario."""

    scenario: Scenario
    commands: Floats
    """Commands, m/s and rad/s, (T + 1, N, 3). The policy observes row t before step t."""
    pushes: Floats
    """Change of the base's horizontal velocity before each step, world frame, m/s, (T, N, 2)."""
    terrains: list[str]
    """The ground of each trial, N names."""
    friction: Floats
    """(N,)."""
    payload: Floats
    """kg, (N,)."""
    p_gain: Floats
    d_gain: Floats
    """Factors, (N,)."""
    zero_offset: Floats
    """Measured minus true joint angle, rad, (N, D)."""
    action_delay: Floats
    observation_delay: Floats
    """s, (N,)."""
    position: Floats
    """Start on the tile, x and y from its middle, m, (N, 2)."""
    attitude: Floats
    """Roll, pitch and yaw at the start, rad, (N, 3)."""
    velocity: Floats
    """The base's linear (m/s) and angular (rad/s) velocity at the start, (N, 6)."""
    dof_pos: Floats
    """Deviation of the joints from their default at the start, rad, (N, D)."""
    right_leads: NDArray[np.bool_]
    """The leg that starts the gait, (N,)."""
    rng: np.random.Generator
    """Random generator of the sensor noise."""

    @property
    def count(self) -> int:
        """Number of trials, N."""
        return len(self.terrains)

    @property
    def steps(self) -> int:
        """Control steps, T."""
        return len(self.pushes)

    def sensor_noise(self, size: int) -> Floats:
        """Draw the next step's noise within ±1, times the scenario's factor, (N, size)."""
        return np.float32(self.scenario.noise) * (2.0 * self.rng.random((self.count, size), dtype=np.float32) - 1.0)


def draw_trials(scenario: Scenario, count: int, seed: int, dt: float, seconds: float, start: StartNoise) -> Trials:
    """Draw a scenario's trials."""
    rng = np.random.default_rng((seed, zlib.crc32(scenario.name.encode())))
    steps, dofs = round(seconds / dt), len(start.dof_pos)
    index = np.arange(count)
    turn = index + index // len(scenario.plans)  # So that each plan runs on each ground.
    terrains = [scenario.terrains[i % len(scenario.terrains)] for i in turn]
    tilt = _uniform(rng, start.tilt, (count, 2))
    return Trials(
        scenario=scenario,
        commands=_commands(scenario, count, steps, dt),
        pushes=_draw_pushes(scenario, count, steps, dt, rng),
        terrains=terrains,
        friction=_between(rng, scenario.friction, count),
        payload=_between(rng, scenario.payload, count),
        p_gain=_between(rng, scenario.p_gain, count),
        d_gain=_between(rng, scenario.d_gain, count),
        zero_offset=_uniform(rng, scenario.zero_offset, (count, dofs)),
        action_delay=_between(rng, scenario.action_delay, count),
        observation_delay=_between(rng, scenario.observation_delay, count),
        position=_positions(terrains, rng),
        attitude=np.concatenate((tilt, _headings(terrains, rng)[:, None]), axis=1),
        velocity=_uniform(rng, start.velocity, (count, 6)),
        dof_pos=_uniform(rng, 1.0, (count, dofs)) * start.dof_pos,
        right_leads=rng.random(count) < 0.5,
        rng=rng,
    )


def _commands(scenario: Scenario, count: int, steps: int, dt: float) -> Floats:
    commands = np.zeros((steps + 1, count, 3), np.float32)
    for trial in range(count):
        for second, command in scenario.plans[trial % len(scenario.plans)]:
            commands[round(second / dt) :, trial] = command
    return commands


def _draw_pushes(scenario: Scenario, count: int, steps: int, dt: float, rng: np.random.Generator) -> Floats:
    pushes = np.zeros((steps, count, 2), np.float32)
    if scenario.push == 0.0:
        return pushes
    interval = round(scenario.push_interval / dt)
    first = round(1.0 / dt) + rng.integers(0, interval, count)
    for trial in range(count):
        moments = np.arange(first[trial], steps, interval)
        angles = rng.uniform(-np.pi, np.pi, len(moments))
        pushes[moments, trial] = scenario.push * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return pushes


def _positions(terrains: list[str], rng: np.random.Generator) -> Floats:
    # A plane is the same everywhere.
    spread = [0.0 if ground == PLANE else START_SPREAD.get(ground, _SPREAD) for ground in terrains]
    return _uniform(rng, 1.0, (len(terrains), 2)) * np.array(spread, np.float32)[:, None]


def _headings(terrains: list[str], rng: np.random.Generator) -> Floats:
    spread = [np.pi if ground in FREE_HEADING else _HEADING_SPREAD for ground in terrains]
    return _uniform(rng, 1.0, (len(terrains),)) * np.array(spread, np.float32)


def _uniform(rng: np.random.Generator, largest: float, shape: tuple[int, ...]) -> Floats:
    """Draw from ± ``largest``."""
    return rng.uniform(-largest, largest, shape).astype(np.float32)


def _between(rng: np.random.Generator, bounds: Range, count: int) -> Floats:
    return rng.uniform(*bounds, count).astype(np.float32)
