"""Runs all trials that a user asked for, computes metrics as in an evaluation, and stores the results."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from legged_gym.common.console import Progress
from legged_gym.deploy.controller import Controller
from legged_gym.deploy.plan import TrialPlan, draw_plans
from legged_gym.deploy.pool import run_trials
from legged_gym.deploy.trial import TrialResult
from legged_gym.deploy.world import World, WorldSettings
from legged_gym.evaluation.results import EvaluationResult, PolicyResult, judge
from legged_gym.evaluation.rollout import Rollout
from legged_gym.evaluation.samples import Sample, Stage, choose_sample
from legged_gym.evaluation.scenarios import Plan, Scenario
from legged_gym.policies.exported import ControllerConfig, PolicyFiles, load_policy
from legged_gym.policies.finder import exported_name
from legged_gym.policies.networks import digest
from legged_gym.this_robot.log import RobotLog
from legged_gym.this_robot.walking import log_of_trial, plan_for

if TYPE_CHECKING:
    from legged_gym.this_robot.robot_file import ThisRobot

DRIVE = "drive"
"""Name of a drive's scenario."""

_MOST_PARTS = 24
"""Largest number of commands of a drive that get their own metrics."""

SIMULATION = "plain MuJoCo at 1 ms, by the robot's controller, whose fall protection counts as a fall"


@dataclass(frozen=True)
class End:
    """A trial that ended early."""

    scenario: str
    trial: int
    damped: float | None
    """Time at which the controller changed to damping mode, s."""
    fall: float | None
    """Time at which a link other than a foot touched the ground, s."""


@dataclass
class Session:
    """Settings and results of a session."""

    folder: str
    """The exported policy."""
    urdf: str
    result: EvaluationResult
    workers: int = 1
    low_pass: bool = False
    """Commands are smoothed, as from the robot's sticks."""
    steps_on_the_spot: bool = False
    """The gait clock runs while the command is zero."""
    robot: ThisRobot | None = None
    """The identified robot that walks, if any."""
    samples: dict[str, Sample] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check that policy, robot and settings fit together, before anything runs.

        Raises:
            UserError: They don't fit together.
        """
        config = self._policy.config
        Controller(self._policy)
        World(WorldSettings(self.urdf, config.body), config.joint_names, config.foot_names)

    @functools.cached_property
    def _policy(self) -> PolicyFiles:
        return load_policy(self.folder)

    def run(self, scenarios: Sequence[Scenario]) -> None:
        """Run scenarios, one after the other. After Ctrl-C, finished trials and scenarios are kept."""
        plans = [self._draw(scenario, self._policy.config) for scenario in scenarios]
        nets = [net.path for net in (self._policy.estimator, self._policy.actor) if net is not None]
        policy = PolicyResult(exported_name(self.folder), self.folder, digest(nets))
        self.result.policies.append(policy)
        start = time.perf_counter()
        with Progress("trials", sum(map(len, plans)), keep=False) as bar:
            for scenario, drawn in zip(scenarios, plans, strict=True):
                bar.begin(scenario.name)
                self._take(scenario, drawn, policy, bar)
                policy.seconds = time.perf_counter() - start
        self.result.finished = True

    def log(self, scenario: Scenario, of_motors: bool) -> RobotLog:
        """Run the first trial of a scenario again and return its log, at the policy's or the motors' rate."""
        plans = self._draw(scenario, self._policy.config)
        return log_of_trial(self._policy, self.urdf, plans[0], of_motors)

    def describe_ends(self, most: int) -> list[str]:
        """Return a line for each of the first trials that ended early."""
        lines = []
        for end in self.ends[:most]:
            damped = [] if end.damped is None else [f"damping mode at {end.damped:.2f} s"]
            fell = [] if end.fall is None else [f"on the ground at {end.fall:.2f} s"]
            lines.append(f"{end.scenario}, trial {end.trial}: {', '.join(damped + fell)}")
        rest = len(self.ends) - most
        return lines + ([f"… and {rest} more trials"] if rest > 0 else [])

    def _draw(self, scenario: Scenario, config: ControllerConfig) -> list[TrialPlan]:
        plans = draw_plans(scenario, config, scenario.trials(self.result.trials), self.result.seed)
        if self.robot is not None:
            plans = [plan_for(self.robot, plan, config.joint_names) for plan in plans]
        low_pass, on_the_spot = self.low_pass, self.steps_on_the_spot
        return [dataclasses.replace(plan, low_pass=low_pass, steps_on_the_spot=on_the_spot) for plan in plans]

    def _take(self, scenario: Scenario, plans: Sequence[TrialPlan], policy: PolicyResult, bar: Progress) -> None:
        results: list[TrialResult] = []
        try:
            for result in run_trials(self.folder, self.urdf, plans, self.workers):
                results.append(result)
                bar.advance()
        finally:
            # Also after Ctrl-C: finished trials count.
            if results:
                self._judge(scenario, plans, results, policy)

    def _judge(
        self, scenario: Scenario, plans: Sequence[TrialPlan], results: Sequence[TrialResult], policy: PolicyResult
    ) -> None:
        record = Rollout.join([result.record for result in results])
        parts = [(scenario, record), *(drive_parts(scenario, record) if scenario.name == DRIVE else ())]
        for part, rows in parts:
            policy.scenarios[part.name] = judge(part, rows)
        self.result.scenarios += tuple(part for part, _ in parts)
        self.ends += [
            End(scenario.name, index, result.damped, result.fall)
            for index, result in enumerate(results)
            if result.damped is not None or result.fall is not None
        ]
        sample = choose_sample(scenario, record, self._stage(plans[0]))
        self.samples[scenario.name] = dataclasses.replace(sample, stage=self._stage(plans[sample.trial]))

    def _stage(self, plan: TrialPlan) -> Stage:
        """Return what is needed to draw a trial."""
        config = self._policy.config
        settings = WorldSettings(self.urdf, config.body, ground=plan.ground, reach=plan.reach)
        world = World(settings, config.joint_names, config.foot_names)
        return Stage(world.cfg, world.terrain, config.joint_names)


def drive_scenario(plan: Plan, seconds: float, **conditions: Any) -> Scenario:
    """Return a drive as a scenario. The conditions are those of :class:`~legged_gym.evaluation.scenarios.Scenario`."""
    return Scenario(DRIVE, "the drive", (plan,), seconds=seconds, **conditions)


def drive_parts(scenario: Scenario, record: Rollout) -> Iterator[tuple[Scenario, Rollout]]:
    """Yield each command of a drive as its own scenario and rollout, with the robots that had not fallen before.

    A recorded stick changes all the time, so it has no parts.
    """
    (plan,) = scenario.plans
    if len(plan) > _MOST_PARTS:
        return
    ends = [*(time for time, _ in plan[1:]), scenario.seconds]
    for number, ((begin, command), end) in enumerate(zip(plan, ends, strict=True), start=1):
        first, last = round(begin / record.dt), round(end / record.dt)
        if len(plan) == 1 or not (record.rows > first).any():
            continue
        what = f"{number}: {' '.join(f'{value:g}' for value in command)}"
        title = f"{begin:g} s to {end:g} s of the drive"
        part = dataclasses.replace(scenario, name=what, title=title, plans=(((0.0, command),),), seconds=end - begin)
        yield part, record.select(np.flatnonzero(record.rows > first)).cut(first, last)
