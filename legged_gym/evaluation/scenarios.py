"""The scenarios of the evaluation. Each is a number of trials under the same conditions.

Unless a scenario says otherwise, a trial is ten seconds on a plane with nominal friction, under one of the commands in
:data:`GRID`, with the task's sensor noise. Apart from the noise, only the start is random. Everything else that
training randomises is nominal.
"""

from __future__ import annotations

from dataclasses import dataclass

from legged_gym.common.errors import UserError, near_names

Command = tuple[float, float, float]
"""Forward and lateral velocity, m/s, and yaw rate, rad/s."""

Plan = tuple[tuple[float, Command], ...]
"""Commands with their start times, s; the first starts at 0."""

Range = tuple[float, float]
"""Lowest and highest value. Each trial draws its own value."""

PLANE = "plane"


def fixed(value: float) -> Range:
    """Return the range in which all trials get the same value."""
    return value, value


@dataclass(frozen=True)
class Scenario:
    """The conditions of some trials."""

    name: str
    title: str
    """For people."""
    plans: tuple[Plan, ...]
    """Trial i gets plan i, modulo their number."""
    seconds: float = 10.0
    share: float = 1.0
    """Share of the default number of trials."""
    terrains: tuple[str, ...] = (PLANE,)
    """``plane``, or names of :data:`legged_gym.evaluation.terrain.TERRAINS`, which the trials use in turn."""
    friction: Range = (1.0, 1.0)
    """Coulomb friction of the ground."""
    payload: Range = (0.0, 0.0)
    """Mass added to the base, kg."""
    p_gain: Range = (1.0, 1.0)
    d_gain: Range = (1.0, 1.0)
    """Factors on all joints' gains."""
    zero_offset: float = 0.0
    """Largest error of a joint's zero, ± rad, drawn for each joint."""
    imu_tilt: float = 0.0
    """Angle by which the IMU is tilted, rad, about another horizontal axis in each trial."""
    noise: float = 1.0
    """Factor on the task's sensor noise."""
    push: float = 0.0
    """Each push changes the base's horizontal velocity by this much in a random direction, m/s."""
    push_interval: float = 2.0
    """Time between pushes, s. The first comes at 1 s to 1 s + this."""
    action_delay: Range = (0.0, 0.0)
    """Time until the motors get an action, s."""
    observation_delay: Range = (0.0, 0.0)
    """Age of an observation when the policy gets it, s."""

    def trials(self, usual: int) -> int:
        """Return the scenario's number of trials from the default one."""
        return max(1, round(self.share * usual))


def _steady(*commands: tuple[float, float]) -> tuple[Plan, ...]:
    """Return plans with one command each, given by forward velocity and yaw rate."""
    return tuple((((0.0, (vx, 0.0, yaw)),)) for vx, yaw in commands)


def _switching(seconds: float, *commands: tuple[float, float]) -> Plan:
    """Return a plan of commands, given by forward velocity and yaw rate, each with the same duration."""
    return tuple((index * seconds, (vx, 0.0, yaw)) for index, (vx, yaw) in enumerate(commands))


GRID = _steady(
    (0.0, 0.0),
    (-0.5, 0.0), (-0.25, 0.0), (0.2, 0.0), (0.4, 0.0), (0.6, 0.0),
    (0.0, -0.6), (0.0, -0.3), (0.0, 0.3), (0.0, 0.6),
    (0.3, -0.3), (0.3, 0.3), (0.6, -0.3), (0.6, 0.3),
    (0.6, -0.6), (0.6, 0.6), (-0.5, -0.6), (-0.5, 0.6),
)  # fmt: skip
"""The 18 commands of most scenarios: standing, straight, turning on the spot, and both."""

_LATERAL = tuple(((0.0, (vx, vy, 0.0)),) for vx in (0.0, 0.3, -0.3) for vy in (-0.2, -0.1, 0.1, 0.2))

_STAND = _steady((0.0, 0.0))

_STOP = (0.0, 0.0)
_START_AND_STOP = (
    _switching(3.0, (0.6, 0.0), _STOP, (0.6, 0.0), (-0.5, 0.0)),
    _switching(3.0, (-0.5, 0.0), _STOP, (-0.5, 0.0), (0.6, 0.0)),
    _switching(3.0, (0.3, 0.6), _STOP, (0.3, 0.6), (0.3, -0.6)),
    _switching(3.0, (0.0, -0.6), _STOP, (0.0, -0.6), (0.0, 0.6)),
    _switching(3.0, _STOP, (0.6, 0.6), _STOP, (-0.5, -0.6)),
    _switching(3.0, (0.6, -0.6), (-0.5, 0.6), (0.6, 0.6), _STOP),
)
"""Walk, stand, walk, and a sudden reverse: ahead, backward and turning."""

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("flat", "flat ground", GRID),
    Scenario("push_0.3", "a push of 0.3 m/s every 2 s", GRID, push=0.3),
    Scenario("push_0.6", "a push of 0.6 m/s every 2 s", GRID, push=0.6),
    Scenario("push_0.8", "a push of 0.8 m/s every 2 s", GRID, push=0.8),
    Scenario("push_1.0", "a push of 1.0 m/s every 2 s", GRID, push=1.0),
    Scenario("friction_0.3", "ground friction 0.3", GRID, friction=(0.3, 0.3)),
    Scenario("friction_0.2", "ground friction 0.2", GRID, friction=(0.2, 0.2)),
    Scenario("payload_-1", "1 kg less on the base", GRID, payload=(-1.0, -1.0)),
    Scenario("payload_+2", "2 kg more on the base", GRID, payload=(2.0, 2.0)),
    Scenario("payload_+3", "3 kg more on the base", GRID, payload=(3.0, 3.0)),
    Scenario("rough_2cm", "rough ground, 2 cm from lowest to highest point", GRID, terrains=("rough_2cm",)),
    Scenario("rough_4cm", "rough ground, 4 cm from lowest to highest point", GRID, terrains=("rough_4cm",)),
    Scenario("stairs_2cm", "stairs of 2 cm, up and down", GRID, terrains=("stairs_up", "stairs_down")),
    Scenario("stairs_4cm", "stairs of 4 cm, up and down", GRID, terrains=("stairs_up_4cm", "stairs_down_4cm")),
    Scenario("stairs_6cm", "stairs of 6 cm, up and down", GRID, terrains=("stairs_up_6cm", "stairs_down_6cm")),
    Scenario("slope", "slopes of 0.1 rad, up and down", GRID, terrains=("slope_up", "slope_down")),
    Scenario("noise_1.5", "sensor noise 1.5 times as strong", GRID, noise=1.5),
    Scenario("action_delay", "motors get actions 20 ms late", GRID, action_delay=(0.02, 0.02)),
    Scenario("observation_delay", "observations are 20 ms old", GRID, observation_delay=(0.02, 0.02)),
    Scenario("both_delays", "both delays, 20 ms each", GRID, action_delay=(0.02, 0.02), observation_delay=(0.02, 0.02)),
    Scenario("p_gain_0.9", "P gains 10 % too low", GRID, p_gain=(0.9, 0.9)),
    Scenario("p_gain_1.1", "P gains 10 % too high", GRID, p_gain=(1.1, 1.1)),
    Scenario("d_gain_0.9", "D gains 10 % too low", GRID, d_gain=(0.9, 0.9)),
    Scenario("d_gain_1.1", "D gains 10 % too high", GRID, d_gain=(1.1, 1.1)),
    Scenario("zero_offset", "joint zeros off by up to 0.026 rad", GRID, zero_offset=0.026),
    Scenario("mixed", "a bit of everything on rough ground of 2 cm", GRID, terrains=("rough_2cm",), friction=(0.4, 1.0),
          payload=(-0.5, 2.0), p_gain=(0.9, 1.1), d_gain=(0.9, 1.1), zero_offset=0.02, push=0.3,
          action_delay=(0.0, 0.02), observation_delay=(0.0, 0.02)),
    Scenario("lateral", "walking sideways at 0.1 and 0.2 m/s", _LATERAL),
    Scenario("start_stop", "walk, stand, walk and sudden reverse, 3 s each", _START_AND_STOP, seconds=12.0),
    Scenario("stand", "standing for a minute", _STAND, seconds=60.0, share=0.25),
)  # fmt: skip
"""The evaluation, in the order of its report."""


def select_scenarios(names: str | None = None) -> tuple[Scenario, ...]:
    """Return the scenarios in a comma-separated list; all for None.

    Raises:
        UserError: A scenario does not exist.
    """
    if names is None:
        return SCENARIOS
    known = {scenario.name: scenario for scenario in SCENARIOS}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise UserError(f"no scenario '{name}' (--scenarios): {near_names(name, known)}")
    if not wanted:
        raise UserError(f"--scenarios names no scenario: {near_names('', known)}")
    return tuple(scenario for scenario in SCENARIOS if scenario.name in wanted)
