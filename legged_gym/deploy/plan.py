"""The plan of one trial: commands and disturbances."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from legged_gym.evaluation.scenarios import Scenario
from legged_gym.evaluation.trials import StartNoise, draw_trials
from legged_gym.policies.exported import ControllerConfig


@dataclass(frozen=True)
class TrialPlan:
    """Everything that is drawn at random for a trial, except sensor noise. SI units and radians."""

    dt: float
    """Control step."""
    commands: np.ndarray
    """Command at each control step: forward, lateral, yaw rate, (T, 3)."""
    pushes: np.ndarray
    """Change of the base's horizontal velocity after each observation, world frame, m/s, (T, 2)."""
    ground: str
    friction: float
    payload: float
    """kg."""
    p_gain: float | np.ndarray
    d_gain: float | np.ndarray
    """Factors on the motors' real gains, for all joints or for each, (D,)."""
    zero_offset: np.ndarray
    """Measured minus true joint angle, rad, (D,)."""
    action_delay: float
    """Time until the motors get an action, s."""
    observation_delay: float
    """Age of an observation when the policy gets it, s."""
    position: np.ndarray
    """Start, x and y from the middle of the ground, m, (2,)."""
    attitude: np.ndarray
    """Roll, pitch, yaw at the start, rad, (3,)."""
    velocity: np.ndarray
    """The base's linear (m/s) and angular (rad/s) velocity at the start, (6,)."""
    dof_pos: np.ndarray
    """Deviation from the standing pose at the start, rad, (D,)."""
    noise: float
    """Factor on the training's sensor noise."""
    seed: tuple[int, ...]
    """Seed of the sensor noise."""
    joints: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Each joint's dynamics if known, as settings of :class:`~legged_gym.deploy.world.WorldSettings`."""
    backlash: float | np.ndarray = 0.0
    """Backlash from end to end, rad, for all joints or for each, (D,)."""
    low_pass: bool = False
    """Commands are smoothed, as from the robot's sticks."""
    steps_on_the_spot: bool = False
    """The gait clock runs while the command is zero."""

    @property
    def steps(self) -> int:
        """Control steps, T."""
        return len(self.commands)

    @property
    def reach(self) -> float:
        """Largest distance that the commands can take the robot, m."""
        return float(np.linalg.norm(self.commands[:, :2], axis=1).sum() * self.dt)


def draw_plans(scenario: Scenario, config: ControllerConfig, count: int, seed: int) -> list[TrialPlan]:
    """Draw a scenario's trials: the same as in an evaluation with this scenario, number of trials and seed."""
    start = StartNoise.of_training(**config.start_noise)
    drawn = draw_trials(scenario, count, seed, config.control_dt, scenario.seconds, start)
    return [
        TrialPlan(
            dt=config.control_dt, commands=drawn.commands[:-1, i], pushes=drawn.pushes[:, i], ground=drawn.terrains[i],
            friction=float(drawn.friction[i]), payload=float(drawn.payload[i]), p_gain=float(drawn.p_gain[i]),
            d_gain=float(drawn.d_gain[i]), zero_offset=drawn.zero_offset[i],
            action_delay=float(drawn.action_delay[i]), observation_delay=float(drawn.observation_delay[i]),
            position=drawn.position[i], attitude=drawn.attitude[i], velocity=drawn.velocity[i],
            dof_pos=drawn.dof_pos[i], noise=scenario.noise, seed=(seed, i),
        )
        for i in range(count)
    ]  # fmt: skip
