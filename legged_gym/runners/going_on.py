"""The state that a resumed training needs besides its networks, to continue as if it had never stopped."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from legged_gym.algorithms.estimator_ppo import EstimatorPPO
from legged_gym.common.paths import plain_file
from legged_gym.runners.checkpoint import TORCH_ERRORS, write_tensors

if TYPE_CHECKING:
    from legged_gym.runners.on_policy_runner import OnPolicyRunner

FILE = "session.state"
"""File beside a run's checkpoints; it belongs to the last one."""
_REHEARSALS = 5
"""Iterations after which all that is recorded on a GPU is."""


def take_session(runner: OnPolicyRunner) -> dict[str, Any]:
    """Return robots, random generators and open statistics, and the ``name`` that the checkpoint has to hold.

    The name is None where robots can't be had: Isaac Gym does not tell all, and of several processes only one saves.
    """
    robots = runner.env.full_state() if hasattr(runner.env, "full_state") and not runner.is_distributed else None
    name = os.urandom(16).hex() if robots is not None else None
    return {"name": name, "robots": robots, "random": _random_states(runner), "logger": runner.logger.open_episodes()}


def write_session(folder: str, session: dict[str, Any]) -> None:
    """Write it beside the checkpoint, which is there already: the old one's stays valid until then."""
    if session["name"] is not None:
        write_tensors(os.path.join(folder, FILE), session)


def go_on(runner: OnPolicyRunner, path: str, checkpoint: Mapping[str, Any], env_cfg: Mapping[str, Any]) -> str | None:
    """Continue exactly where a loaded checkpoint was written, or return why new episodes must start."""
    if runner.is_distributed:
        return "several processes train"
    if checkpoint["config"].get("env") != env_cfg:
        return "settings of the environment have changed"
    session = _read_session(path, checkpoint)
    if session is None or not hasattr(runner.env, "load_full_state"):
        return f"{FILE} does not hold the robots of this checkpoint"
    if set(session["random"]) != set(_random_states(runner)):
        return "the checkpoint was written on another kind of device"
    if torch.device(runner.device).type == "cuda":
        rehearse(runner)
    if not runner.env.load_full_state(session["robots"]):
        return "the saved robots are of another version of the task, or of another simulator"
    runner.logger.go_on_with(session["logger"])
    for device, state in session["random"].items():
        torch.set_rng_state(state.cpu()) if device == "cpu" else torch.cuda.set_rng_state(state.cpu(), runner.device)
    return None


def rehearse(runner: OnPolicyRunner) -> None:
    """Let everything be compiled and recorded that was on a GPU when the checkpoint was written.

    What is recorded computes the same, but not to the last bit, and draws other random numbers. Nets and optimisers are
    as before afterwards, robots are not.
    """
    alg = runner.alg
    if not isinstance(alg, EstimatorPPO):
        return
    before = alg.snapshot()
    rate, updates = alg.learning_rate, alg.num_updates
    alg.train_mode()
    before.take()
    for _ in range(_REHEARSALS):
        obs = runner.env.get_observations().to(runner.device)
        with torch.inference_mode():
            for _ in range(runner.cfg["num_steps_per_env"]):
                obs, rewards, dones, extras = runner.env.step(alg.act(obs).to(runner.env.device))
                alg.process_env_step(obs, rewards, dones, extras)
            alg.compute_returns(obs)
        alg.update()
    before.restore()
    alg.learning_rate, alg.num_updates = rate, updates


def _read_session(path: str, checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    file = os.path.join(os.path.dirname(path), FILE)
    try:
        session = torch.load(plain_file(file), map_location="cpu", weights_only=True)
    except (OSError, pickle.UnpicklingError, *TORCH_ERRORS):
        return None
    belongs = isinstance(session, dict) and checkpoint.get("session") is not None
    return session if belongs and session.get("name") == checkpoint["session"] else None


def _random_states(runner: OnPolicyRunner) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.device(runner.device).type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(runner.device)
    return states
