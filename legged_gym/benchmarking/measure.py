"""Measures where the time of a training goes, with the training's own objects."""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from rsl_rl.algorithms import PPO
from torch.utils._pytree import tree_leaves

from legged_gym.benchmarking.machine import describe_machine
from legged_gym.benchmarking.physics import PHYSICS, UPSTREAM, Physics
from legged_gym.benchmarking.stopwatch import Stopwatch
from legged_gym.common.console import progress
from legged_gym.common.errors import UserError

if TYPE_CHECKING:
    from legged_gym.runners.build import Job

ENV_STEP = "env.step"
COLLECTION = "collection"
UPDATE = "update, both nets"
RSL_RL_UPDATE = "rsl_rl's PPO.update"
ITERATION = "whole iteration"
_PER_STEP = (PHYSICS, UPSTREAM, ENV_STEP, COLLECTION)
"""Entries whose times are those of a control step."""
ENTRIES = (*_PER_STEP, UPDATE, RSL_RL_UPDATE, ITERATION)
"""All measured entries, in the order of the table."""
STEPPING = (*_PER_STEP, ITERATION)
"""Entries in which the robots move."""

_GPU_WARM_UP = 6
"""Number of iterations before measuring, because repeated work becomes CUDA graphs after some calls."""


@dataclass
class Measurement:
    """The measurement for one number of robots."""

    num_envs: int
    steps_per_iteration: int
    """Number of control steps in an iteration."""
    rounds: int
    machine: dict[str, str]
    """The machine."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Median of the rounds by name: of a control step up to ``collection``, of an iteration after it, s."""
    startup: dict[str, float] = field(default_factory=dict)
    """Time of each stage of the start, s from its beginning."""

    def step_seconds(self, name: str) -> float:
        """Return an entry's time per control step, s."""
        per_step = name in _PER_STEP
        return self.seconds[name] if per_step else self.seconds[name] / self.steps_per_iteration

    def rate(self, name: str) -> float:
        """Return an entry's robot steps per second if there were nothing else, 1/s."""
        return self.num_envs / self.step_seconds(name)

    def ratio(self, name: str) -> float:
        """Return an entry's rate as a share of that of physics only."""
        return self.rate(name) / self.rate(PHYSICS)


def measure(job: Job, args: argparse.Namespace, started: float) -> Measurement:
    """Train a little and measure.

    Args:
        job: A new training.
        args: The benchmark's command line; ``policy``, ``rounds``, ``steps``, ``rsl_rl`` and ``upstream`` are read.
        started: ``time.perf_counter()`` when the start began.

    Raises:
        UserError: The task, policy or device does not exist, or there is not enough memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            benchmark = Benchmark(job, args, folder, started)
            try:
                return benchmark.run()
            finally:
                benchmark.env.close()
        except torch.OutOfMemoryError as error:
            raise UserError(f"{job.env_cfg.env.num_envs} robots do not fit into the GPU's memory") from error


class Benchmark:
    """A task and its runner, measured in rounds."""

    def __init__(self, job: Job, args: argparse.Namespace, folder: str, started: float) -> None:
        """Make the measured objects, and train for one iteration."""
        self._args, self._started = args, started
        self.env = job.make_env()
        self._runner = job.make_runner(self.env, folder)
        self._alg, self._device = self._runner.alg, self._runner.device
        if args.policy:
            self._runner.load(args.policy, {"actor": True, "critic": True})
        gpus = [device for device in (self.env.device, self._device) if device.startswith("cuda")]
        self._gpu = gpus[0] if gpus else None
        self._watch = Stopwatch(self._gpu or "cpu")
        self._result = Measurement(
            num_envs=self.env.num_envs,
            steps_per_iteration=self._runner.cfg["num_steps_per_env"],
            rounds=args.rounds,
            machine=describe_machine(job.sim, self.env.device),
        )
        self._start()
        self._physics = Physics(self.env, self._watch, args.upstream)
        self._plain_adam = torch.optim.Adam(
            [*self._alg.actor.parameters(), *self._alg.critic.parameters()], lr=self._alg.learning_rate
        )

    def run(self) -> Measurement:
        """Measure in rounds, so that a busy machine slows all entries equally, and return the medians."""
        rounds: dict[str, list[float]] = {}
        count = 1 + self._args.rounds
        for number in progress(range(count), f"measuring {self.env.num_envs} robots", count):
            seconds = self._round()
            # The first one warms up caches and threads.
            for name, value in seconds.items() if number else ():
                rounds.setdefault(name, []).append(value)
        # With bookkeeping and TensorBoard.
        ends = self._train(self._args.rounds + 1)
        rounds[ITERATION] = [end - start for start, end in itertools.pairwise(ends)]
        self._result.seconds = {name: statistics.median(rounds[name]) for name in ENTRIES if name in rounds}
        return self._result

    def _start(self) -> None:
        """Note the times of the start's stages. On a GPU, train until all CUDA graphs are recorded."""
        env = self.env
        self._reached("task and nets made")
        with torch.inference_mode():
            env.step(torch.zeros(env.num_envs, env.num_actions, device=env.device))
        self._reached("first step done")
        with self._undone():
            self._train(1)
        self._reached("first iteration done")
        if self._gpu:
            with self._undone():
                self._train(_GPU_WARM_UP)

    def _reached(self, stage: str) -> None:
        self._watch.wait()
        self._result.startup[stage] = time.perf_counter() - self._started

    def _round(self) -> dict[str, float]:
        """Measure all but whole iterations once; return seconds by name, of steps their mean."""
        self._alg.train_mode()
        self._measure_steps()
        with self._undone():
            self._measure_iteration()
        if self._args.rsl_rl:
            self._watch.wait()
            with self._undone(), self._watch.measure(RSL_RL_UPDATE):
                self._rsl_rl_update()
        seconds = {name: statistics.mean(spans) for name, spans in self._watch.read().items()}
        seconds[COLLECTION] /= self._result.steps_per_iteration
        return seconds

    @torch.inference_mode()
    def _measure_steps(self) -> None:
        """Measure physics and the environment's step, without the time that the policy takes."""
        env, alg = self.env, self._alg
        obs = env.get_observations().to(self._device)
        for _ in range(self._args.steps):
            actions = alg.act(obs).to(env.device)
            self._physics.before_step()
            with self._watch.measure(ENV_STEP):
                obs = env.step(actions)[0]
            obs = obs.to(self._device)
        alg.transition.clear()
        self._physics.after_steps()

    def _measure_iteration(self) -> None:
        """Measure a rollout and what is learned from it, as the runner does them but without its bookkeeping."""
        env, alg, device = self.env, self._alg, self._device
        alg.storage.clear()
        self._watch.wait()
        with torch.inference_mode():
            obs = env.get_observations().to(device)
            with self._watch.measure(COLLECTION):
                for _ in range(self._result.steps_per_iteration):
                    obs, rewards, dones, extras = env.step(alg.act(obs).to(env.device))
                    obs, rewards, dones = obs.to(device), rewards.to(device), dones.to(device)
                    alg.process_env_step(obs, rewards, dones, extras)
            alg.compute_returns(obs)
        with self._watch.measure(UPDATE):
            alg.update()

    def _rsl_rl_update(self) -> None:
        """Do rsl_rl's own update of actor and critic, with its own optimiser."""
        optimizer = self._alg.optimizer
        self._alg.optimizer = self._plain_adam
        try:
            with warnings.catch_warnings():
                # The nets have learned on another stream before, which here only costs a wait.
                warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
                PPO.update(self._alg)
        finally:
            self._alg.optimizer = optimizer

    def _train(self, iterations: int) -> list[float]:
        """Train with the runner and return when each iteration ended, s."""
        ends: list[float] = []
        logger = self._runner.logger
        log = logger.log

        def timed_log(*args: Any, **kwargs: Any) -> None:
            log(*args, **kwargs)
            self._watch.wait()
            ends.append(time.perf_counter())

        logger.log = timed_log
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self._runner.learn(iterations, init_at_random_ep_len=True)
        finally:
            logger.log = log
        return ends

    @contextlib.contextmanager
    def _undone(self) -> Iterator[None]:
        """Undo the learning in the block, so that all rounds have the same policy."""
        tensors = [leaf for leaf in tree_leaves(self._alg.save()) if isinstance(leaf, torch.Tensor)]
        values, rate = [tensor.clone() for tensor in tensors], self._alg.learning_rate
        yield
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)
        self._alg.learning_rate = rate
