"""Runs scenarios with a policy. Trials of many scenarios run side by side, as blocks of robots of one task."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict

import legged_gym.envs  # noqa: F401 (registers the tasks)
from legged_gym.common.console import Progress
from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.common.threads import single_threaded
from legged_gym.envs.base.effects import HEIGHTS, NEEDED
from legged_gym.envs.base.hooks import rewards_that_read
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.registry import task_registry
from legged_gym.evaluation.recorder import Recorder, stage_of
from legged_gym.evaluation.results import EvaluationResult, PolicyResult, judge
from legged_gym.evaluation.rollout import Rollout, Stage
from legged_gym.evaluation.samples import Sample, choose_sample
from legged_gym.evaluation.scenarios import PLANE, Scenario
from legged_gym.evaluation.task import EvaluationTask, evaluation_class
from legged_gym.evaluation.terrain import prepare_terrain
from legged_gym.evaluation.trials import StartNoise, Trials, draw_trials
from legged_gym.policies.contract import apply_contract
from legged_gym.policies.controller_file import start_noise
from legged_gym.policies.finder import Policy
from legged_gym.simulators.mujoco_model import build_scene

_MOST_ROBOTS = {"cpu": 512, "cuda": 16384}
"""Number of robots side by side. A CPU is as fast with a few hundred, and the first results come sooner."""

_RECORDED = ("dof_vel", "torques", "actions", "foot_contact", "foot_pos", "sole_vel")
"""Further fields that metrics need."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation."""

    task: str = "qmini"
    sim: str = "mujoco"
    sim_device: str = "cpu"
    trials: int = 72
    """Default number of trials in a scenario."""
    seed: int = 1
    longest: float = float("inf")
    """Longest duration of a trial, s."""
    adjust: Callable[[LeggedRobotCfg], None] = lambda cfg: None
    """Applies the user's ``--set`` to the configuration, at the end."""


@dataclass(frozen=True)
class Batch:
    """Scenarios that run side by side."""

    scenarios: tuple[Scenario, ...]
    seconds: float

    @property
    def on_plane(self) -> bool:
        """Whether they use a plane, not the evaluation's terrain."""
        return self.scenarios[0].terrains == (PLANE,)


_DECIDED = (
    "env.num_envs", "env.env_spacing", "env.episode_length_s", "gait.stepping_share",
    *(f"commands.{name}" for name in (
        "resampling_time", "heading_command", "curriculum", "max_curriculum", "standing_share", "lateral_share",
        "single_axis_share", "first_ranges", "ranges.",
    )),
    *(f"init_state.{name}" for name in (
        "joint_noise", "velocity_noise", "orientation_noise", "position_noise", "stand_up_",
    )),
    *(f"domain_rand.{name}" for name in (
        "randomize_friction", "friction_", "randomize_base_mass", "added_mass_", "randomize_joint_offset",
        "joint_offset_", "action_delay_", "observation_delay_", "push_interval_s", "push_together", "max_push_",
    )),
    "terrain.mesh_type", "terrain.curriculum", "terrain.friction", *NEEDED[HEIGHTS], *NEEDED["terrain.curriculum=true"],
)  # fmt: skip
"""Settings, or beginnings of their names, in whose place each trial has its scenario's."""
_OF_TRAINING = (
    "rewards.scales.", "rewards.only_positive_rewards", "env.noise_free_group", "env.log_interval",
    "asset.mirrored_joints", "asset.penalize_contacts_on", "sim.divergence.max_share",
)  # fmt: skip
"""Settings that tell only a training something, besides those that only rewards read."""

Samples = dict[str, Sample]
"""A policy's samples by scenario."""


def evaluate_policies(
    policies: Sequence[Policy], scenarios: Sequence[Scenario], settings: EvaluationSettings, result: EvaluationResult
) -> list[Samples]:
    """Evaluate policies one after the other. ``result`` gets each scenario's results at once.

    Returns:
        Samples of each policy.

    Raises:
        UserError: A policy does not fit the task, or the back-end can't be used.
    """
    batches = make_batches(scenarios, settings)
    samples: list[Samples] = []
    asked = [(batch.seconds, scenario) for batch in batches for scenario in batch.scenarios]
    robot_seconds = sum(seconds * scenario.trials(settings.trials) for seconds, scenario in asked)
    with Progress("evaluating", len(policies) * robot_seconds) as bar:
        try:
            for policy in policies:
                result.policies.append(PolicyResult(policy.name, relative(policy.path), policy.digest))
                samples.append({})
                for batch in batches:
                    _take(policy, batch, settings, result.policies[-1], samples[-1], bar)
            result.finished = True
        except KeyboardInterrupt:
            print("\nkeeping what was finished", file=sys.stderr)
    return samples


def _take(
    policy: Policy, batch: Batch, settings: EvaluationSettings, result: PolicyResult, samples: Samples, bar: Progress
) -> None:
    names = [scenario.name for scenario in batch.scenarios]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    bar.begin(f"{policy.name}: {', '.join(names[:2])}{more}")
    start = time.perf_counter()
    rollouts, stage = evaluate_batch(policy, batch, settings, bar.advance)
    for scenario, rollout in zip(batch.scenarios, rollouts, strict=True):
        result.scenarios[scenario.name] = judge(scenario, rollout)
        samples[scenario.name] = choose_sample(scenario, rollout, stage)
    result.seconds += time.perf_counter() - start


def refuse_without_effect(keys: Iterable[str], task: str) -> None:
    """Raise ``UserError`` for the first setting of a task, by its dotted name, that no evaluation follows."""
    kind, (env_cfg, train_cfg) = task_registry.get_task_class(task), task_registry.get_cfgs(task)
    known = {section.key(name) for cfg in (env_cfg, train_cfg) for section, name, _ in cfg.walk()}
    of_training = (*_OF_TRAINING, *(f"{name}." for name in train_cfg.names()), "seed", "runner_class_name")
    for key in keys:
        if key.startswith(_DECIDED):
            raise UserError(f"config key '{key}' has no effect here: the scenarios decide it, see --list")
        # Misspelled names are reported when they are set.
        if key in known and (key.startswith(of_training) or rewards_that_read(kind, key)):
            raise UserError(f"config key '{key}' has no effect here: nothing is trained")


def make_batches(scenarios: Sequence[Scenario], settings: EvaluationSettings) -> list[Batch]:
    """Group scenarios that can run side by side: those with the same ground and duration."""
    kind = torch.device(settings.sim_device).type
    most = max(1, _MOST_ROBOTS.get(kind, _MOST_ROBOTS["cpu"]) // settings.trials)
    groups: dict[tuple[bool, float], list[Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault((scenario.terrains == (PLANE,), min(scenario.seconds, settings.longest)), []).append(scenario)
    return [
        Batch(tuple(group[first : first + most]), seconds)
        for (_, seconds), group in groups.items()
        for first in range(0, len(group), most)
    ]


def evaluate_batch(
    policy: Policy, batch: Batch, settings: EvaluationSettings, progress: Callable[[float], Any] = lambda seconds: None
) -> tuple[list[Rollout], Stage]:
    """Run the scenarios of a batch with a policy. Return a rollout of each, and what is needed to draw them.

    Raises:
        UserError: The policy does not fit the task, or the back-end can't be used.
    """
    env = _make_task(policy, batch, settings)
    try:
        blocks = _draw(env, batch, settings)
        with single_threaded(settings.sim_device):
            return list(_run(env, policy, blocks, progress)), stage_of(env)
    finally:
        env.close()


def evaluation_config(task: str, policy: Policy, num_envs: int, on_plane: bool) -> LeggedRobotCfg:
    """Return the configuration of an evaluated task: the policy's pose and gains, and no randomness except noise.

    Args:
        task: Its name.
        policy: The policy. Settings that it needs come from its contract, all others from the task.
        num_envs: Number of robots.
        on_plane: Whether they walk on a plane, not on the evaluation's terrain.

    Raises:
        UserError: The policy does not fit the task.
    """
    cfg, _ = task_registry.get_cfgs(task)
    apply_contract(policy.path, policy.contract, cfg)
    cfg.env.num_envs, cfg.env.episode_length_s = num_envs, 3600.0
    if on_plane:
        cfg.terrain.mesh_type = "plane"
    else:
        prepare_terrain(cfg.terrain)
    # Without this only a critic uses the heights of the ground.
    cfg.terrain.measure_heights &= list(policy.groups) != ["policy"]
    make_nominal(cfg)
    return cfg


def make_nominal(cfg: LeggedRobotCfg) -> None:
    """Set what is the same for all scenarios, in place. Everything that training randomises gets nominal values."""
    # The evaluation checks tilts itself, and also needs the motion after a tilt.
    cfg.asset.terminate_past_tilt = 0.0
    cfg.noise.add_noise, cfg.noise.noise_level = True, 1.0
    # A batch is too short for it to pay off.
    cfg.sim.compile_step = False
    rand = cfg.domain_rand
    joints_differ = rand.randomize_joint_dynamics
    for name in cfg.to_dict()["domain_rand"]:
        if name.startswith("randomize_"):
            setattr(rand, name, False)
        elif name.startswith("joint_") and name != "joint_offset_range" and joints_differ:
            # Every motor has friction and inertia, so these are in the middle of the training's ranges.
            setattr(rand, name, [sum(getattr(rand, name)) / 2.0] * 2)
    rand.randomize_joint_dynamics = joints_differ
    for name, parts in cfg.to_dict()["motors"].items():
        setattr(cfg.motors, name, {part: [sum(bounds) / 2.0] * 2 for part, bounds in parts.items()})
    for name in cfg.to_dict()["latency"]:
        setattr(cfg.latency, name, [0.0, 0.0])
    # The configuration decides whether there are any; each robot's trial decides their size.
    rand.push_robots = True
    rand.action_delay_range = rand.observation_delay_range = [0.0, cfg.control.decimation * cfg.sim.dt]


def _make_task(policy: Policy, batch: Batch, settings: EvaluationSettings) -> EvaluationTask:
    num_envs = sum(scenario.trials(settings.trials) for scenario in batch.scenarios)
    cfg = evaluation_config(settings.task, policy, num_envs, batch.on_plane)
    settings.adjust(cfg)
    task = evaluation_class(task_registry.get_task_class(settings.task))
    env = task(cfg, sim_name=settings.sim, sim_device=settings.sim_device, seed=settings.seed)
    observed = env.get_observations()
    for group in policy.groups:
        if group not in set(observed.keys()):
            env.close()
            raise UserError(f"'{policy.path}' reads '{group}', which the task '{settings.task}' does not have")
    size = sum(observed[group].shape[1] for group in policy.groups)
    if (policy.num_observations, policy.num_actions) != (size, env.num_actions):
        env.close()
        raise UserError(
            f"'{policy.path}' turns {policy.num_observations} observations into {policy.num_actions} actions, but the "
            f"task '{settings.task}' has {size} and {env.num_actions}"
        )
    return env


def _draw(env: EvaluationTask, batch: Batch, settings: EvaluationSettings) -> list[Trials]:
    start = StartNoise.of_training(**start_noise(env))
    return [
        draw_trials(scenario, scenario.trials(settings.trials), settings.seed, env.dt, batch.seconds, start)
        for scenario in batch.scenarios
    ]


def _run(
    env: EvaluationTask, policy: Policy, blocks: list[Trials], progress: Callable[[float], Any]
) -> Iterator[Rollout]:
    """Yield the rollout of each block of trials."""
    steps = blocks[0].steps
    recorder = Recorder(env, _RECORDED)
    ended = torch.zeros(steps, env.num_envs, dtype=torch.bool, device=env.device)
    env.begin(blocks)
    policy.start()
    for step in range(steps):
        estimate, actions = _act(policy, env.get_observations(), blocks)
        recorder.add(actions=actions, estimate=estimate)
        env.prepare_step(step)
        ended[step] = env.step(actions)[2]
        for number, dones in enumerate(_rows(ended[step], blocks)):
            policy.reset(dones, number)
        progress(env.num_envs * env.dt)
    falls = ended.cpu().numpy()
    rollout = recorder.rollout(
        rows=np.where(falls.any(axis=0), falls.argmax(axis=0) + 1, steps),
        mass=float(build_scene(env.cfg).model.body_mass.sum()) + np.concatenate([block.payload for block in blocks]),
        dof_vel_limits=env.dof_vel_limits.cpu().numpy(),
        torque_limits=env.torque_limits.cpu().numpy(),
    )
    first = 0
    for block in blocks:
        yield rollout.select(slice(first, first + block.count))
        first += block.count


def _act(policy: Policy, observed: TensorDict, blocks: Sequence[Trials]) -> tuple[torch.Tensor | None, torch.Tensor]:
    """Run the policy block by block: the rounding of a matrix product depends on its size, and a trial must not."""
    # Copies, because rounding can even depend on the address of a matrix.
    parts = list(zip(*(_rows(observed[group], blocks) for group in policy.groups), strict=True))
    answers = [
        policy.act({group: rows.clone() for group, rows in zip(policy.groups, part, strict=True)}, block)
        for block, part in enumerate(parts)
    ]
    estimates = [estimate for estimate, _ in answers if estimate is not None]
    return torch.cat(estimates) if estimates else None, torch.cat([actions for _, actions in answers])


def _rows(observation: torch.Tensor, blocks: Sequence[Trials]) -> Iterator[torch.Tensor]:
    yield from observation.split([block.count for block in blocks])
