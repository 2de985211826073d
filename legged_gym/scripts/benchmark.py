"""Measures where the time goes: raw physics, the environment's step, collection and learning."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from legged_gym.utils.errors import UserError
from legged_gym.utils.helpers import get_args, make_task_parser, positive, run_main

if TYPE_CHECKING:
    import torch
    from tensordict import TensorDict

    from legged_gym.envs import LeggedRobot
    from legged_gym.simulators.mujoco_sim import MujocoSimulator


_DESCRIPTION = """\
Measure where the time goes: raw physics, the environment's step, collection and learning.
Everything is measured in turns in one run, so that a busy machine slows all of it alike; compare ratios, not rates,
between machines."""

_EXAMPLES = (
    "python legged_gym/scripts/benchmark.py --num_envs=1024",
    "python legged_gym/scripts/benchmark.py --policy=logs/qmini/2026-01-31_12-00-00/model_500.pt",
)


def main() -> None:
    """Read the command line, measure and print a table."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--num_envs", type=positive, default=256, metavar="N", help="robots (default: %(default)s)")
    add("--policy", metavar="MODEL.pt", help="checkpoint whose policy acts; without it robots soon fall")
    add("--rounds", type=positive, default=10, metavar="N", help="turns of each measurement (default: %(default)s)")
    add("--steps", type=positive, default=24, metavar="N", help="control steps in a turn (default: %(default)s)")
    measure(get_args(parser=parser))


def measure(args: argparse.Namespace) -> None:
    """Measure raw physics, steps and training iterations in turns and print their medians."""
    import torch

    env, runner = _make(args)
    raw = _raw_rollout(env)
    still = torch.zeros(env.num_envs, env.num_actions, device=env.device)
    policy = runner.get_inference_policy() if args.policy else lambda _: still
    times: dict[str, list[float]] = {"raw rollout": [], "env.step": [], "collection": [], "learning": []}
    for number in range(args.rounds + 1):
        round_times = {
            **_time_steps(raw, env, policy, args.steps),
            **_time_iteration(runner),
        }
        # The first turn warms up caches and threads.
        for name, seconds in round_times.items() if number else ():
            times[name].append(seconds)
    _print_table(env, args, times)
    env.close()


def _make(args: argparse.Namespace) -> tuple[LeggedRobot, Any]:
    """Create the task and its runner, without a run folder, the robots somewhere in their episodes."""
    import torch

    from legged_gym.envs import task_registry

    env_cfg, _ = task_registry.get_cfgs(args.task)
    env_cfg.env.num_envs = args.num_envs
    env, _ = task_registry.make_env(args.task, env_cfg=env_cfg)
    runner, _ = task_registry.make_alg_runner(env, args.task, log_root=None)
    if args.policy:
        runner.load(args.policy, {"actor": True, "critic": True})
    env.episode_length_buf = torch.randint_like(env.episode_length_buf, env.max_episode_length)
    return env, runner


def _simulator(env: LeggedRobot) -> MujocoSimulator:
    """Return the back-end, which must be MuJoCo C: raw physics is measured on its models.

    Raises:
        UserError: The task runs on another one.
    """
    from legged_gym.simulators.mujoco_sim import MujocoSimulator

    if not isinstance(env.sim, MujocoSimulator):
        raise UserError(f"only the simulator 'mujoco' can be measured, the task runs on {type(env.sim).__name__}")
    return env.sim


def _raw_rollout(env: LeggedRobot) -> Callable[[], None]:
    """Return a function that steps the same robots by ``mujoco.rollout`` alone, one control step a call."""
    import mujoco
    import numpy as np
    from mujoco import rollout

    batch = _simulator(env).batch
    models = [batch.get_model(i) for i in range(env.num_envs)]
    datas = [mujoco.MjData(models[0]) for _ in range(batch.nthread)]
    pool = rollout.Rollout(nthread=batch.nthread)
    full, applied = mujoco.mjtState.mjSTATE_FULLPHYSICS.value, mujoco.mjtState.mjSTATE_QFRC_APPLIED.value
    decimation = env.cfg.control.decimation
    state = np.zeros((env.num_envs, mujoco.mj_stateSize(models[0], full)))
    out = np.zeros((env.num_envs, decimation, state.shape[1]))
    sensors = np.zeros((env.num_envs, decimation, models[0].nsensordata))

    def step() -> None:
        # From the robots' present states, as the environment's step does, so that contacts are the same.
        state[:, 1 : 1 + models[0].nq] = batch.qpos
        state[:, 1 + models[0].nq :] = batch.qvel
        control = np.repeat(batch.qfrc_applied[:, None], decimation, axis=1)
        pool.rollout(
            models, datas, state, control, control_spec=applied, state=out, sensordata=sensors,
            initial_warmstart=np.ascontiguousarray(batch.qacc_warmstart),
        )  # fmt: skip

    return step


def _time_steps(
    raw: Callable[[], None], env: LeggedRobot, policy: Callable[[TensorDict], torch.Tensor], steps: int
) -> dict[str, float]:
    """Return the mean seconds of a control step of raw physics and of the environment, without the policy's.

    They take turns step by step, so that both meet the same robots and the same moments of a busy machine.
    """
    import torch

    seconds = {"raw rollout": 0.0, "env.step": 0.0}
    for _ in range(steps):
        actions = policy(env.get_observations())
        start = time.perf_counter()
        raw()
        middle = time.perf_counter()
        # As in training.
        with torch.inference_mode():
            env.step(actions)
        seconds["raw rollout"] += (middle - start) / steps
        seconds["env.step"] += (time.perf_counter() - middle) / steps
    return seconds


def _time_iteration(runner: Any) -> dict[str, float]:
    """Return seconds a control step of collecting and of learning, of one training iteration."""
    import torch

    env, algorithm = runner.env, runner.alg
    runner.alg.train_mode()
    algorithm.storage.clear()
    obs = env.get_observations()
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(runner.cfg["num_steps_per_env"]):
            obs, rewards, dones, extras = env.step(algorithm.act(obs))
            algorithm.process_env_step(obs, rewards, dones, extras)
        algorithm.compute_returns(obs)
    collected = time.perf_counter()
    algorithm.update()
    learned = time.perf_counter()
    per_step = runner.cfg["num_steps_per_env"]
    return {"collection": (collected - start) / per_step, "learning": (learned - collected) / per_step}


def _print_table(env: LeggedRobot, args: argparse.Namespace, times: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in times.items()}
    medians["iteration"] = medians["collection"] + medians["learning"]
    threads = _simulator(env).batch.nthread
    print(
        f"{args.task}, {args.num_envs} robots, {threads} threads, median of {args.rounds} turns of {args.steps} steps"
    )
    print(f"{'':14}{'ms a control step':>20}{'robot steps/s':>16}{'of raw':>9}")
    for name, seconds in medians.items():
        rate, share = args.num_envs / seconds, medians["raw rollout"] / seconds
        print(f"{name:14}{seconds * 1e3:20.2f}{rate:16,.0f}{share:9.2f}")


if __name__ == "__main__":
    sys.exit(run_main(main))
