"""Export of a trained policy for the robot: both nets, what they were trained with, and proof that they agree."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from legged_gym.algorithms.estimator_ppo import ESTIMATE
from legged_gym.common.errors import UserError
from legged_gym.common.paths import git_revision
from legged_gym.policies.controller_file import controller_yaml
from legged_gym.runners.net_files import clipped
from legged_gym.runners.on_policy_runner_ee import OnPolicyRunnerEE

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot import LeggedRobot

_DIGITS = 6
"""Decimals of exported figures: float32 holds no more, and 0.35 should read as 0.35."""

_FILES = {
    "estimator": "estimator.onnx",
    "actor": "actor.onnx",
    "estimator_jit": "estimator.pt",
    "actor_jit": "actor.pt",
    "metadata": "metadata.json",
    "controller": "controller.yaml",
}
"""Last parts of the files' names."""


class ExportError(RuntimeError):
    """The exported nets are not what they should be."""


def export_policy(
    runner: OnPolicyRunnerEE,
    env: LeggedRobot,
    folder: str | os.PathLike[str],
    *,
    prefix: str | None = None,
    steps: int = 100,
    tolerance: float = 1e-5,
    merge_into: str | os.PathLike[str] | None = None,
) -> dict[str, Path]:
    """Write all that a controller needs to run the policy, after checking it on a rollout.

    Args:
        runner: Holds the trained nets.
        env: The task they were trained for; it is stepped.
        folder: Where the files go; created if needed. It gets all of them or, on any error, none.
        prefix: First part of the files' names; None: the robot's name, ``asset.name``.
        steps: Control steps of the rollout that the nets are compared on, at least 1.
        tolerance: Largest difference allowed between ONNX Runtime, TorchScript and PyTorch, in actions and estimates.
        merge_into: The configuration file of the robot's controller, whose other settings the exported one keeps; None:
            the exported file only has the policy's sections.

    Returns:
        The files, by ``estimator`` and ``actor`` (ONNX), ``estimator_jit`` and ``actor_jit`` (TorchScript),
        ``metadata`` (JSON) and ``controller`` (YAML).

    Raises:
        ExportError: The files differ from the nets by more than ``tolerance``, or break the robot's contract.
        UserError: The policy has no estimator, or the folder can't be written.
    """
    _check_exportable(runner)
    controller = controller_yaml(env, merge_into)
    prefix = prefix or env.cfg.asset.name
    names = {key: f"{prefix}_{name}" for key, name in _FILES.items()}
    with _staging(Path(folder)) as staging:
        runner.export_policy_to_onnx(str(staging), f"{prefix}.onnx")
        runner.export_policy_to_jit(str(staging), f"{prefix}.pt")
        difference = _largest_difference(runner, env, {key: staging / name for key, name in names.items()}, steps)
        # Written so that NaN fails, too.
        if not difference <= tolerance:
            raise ExportError(f"exported nets differ from PyTorch by {difference:.2e}, more than {tolerance:.0e}")
        metadata = {**policy_metadata(runner, env), "largest_difference": difference}
        metadata["files"] = {key: name for key, name in names.items() if not key.endswith("_jit")}
        (staging / names["metadata"]).write_text(
            json.dumps(metadata, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
        (staging / names["controller"]).write_text(controller, encoding="utf-8")
    return {key: Path(folder) / name for key, name in names.items()}


def policy_metadata(runner: OnPolicyRunnerEE, env: LeggedRobot) -> dict[str, Any]:
    """Return, as plain values in SI units and radians, what one must know to run the policy.

    Joint and torque limits are None where the robot has no limit.
    """
    cfg = env.cfg
    return {
        "git_revision": git_revision(),
        "iterations": runner.completed_iterations,
        "control": {
            "dt": _rounded(env.dt),
            "decimation": cfg.control.decimation,
            "action_scale": cfg.control.action_scale,
            "target": "default angle + action_scale * action; PD torque, clipped to the torque limit",
        },
        "joints": _joints(env),
        "observation": _observation(env),
        "estimator": {"input": ["observation"], "output": runner.alg.label_layout.to_list()},
        "actor": {
            "input": ["observation", "estimator output"],
            "output": "action of each joint",
            "clip": cfg.normalization.clip_actions,
        },
        "gait": {
            **_gait(env),
            "stance_ratio": cfg.gait.stance_ratio,
            "standing": "when the command becomes zero the clock runs on to the end of its period and is then held at "
            f"0: leg phases 0 and {cfg.gait.offset:g}",
        },
        "commands": {**_command_ranges(env), "low_vel_thresholds": list(cfg.commands.dead_band)},
    }


def _check_exportable(runner: OnPolicyRunnerEE) -> None:
    """Check that the nets read what the robot's controller gives them."""
    if not isinstance(runner, OnPolicyRunnerEE):
        raise UserError("only policies with an estimator can be exported: this task's runner trains none")
    policy = runner.get_inference_policy()
    for name, model, groups in (
        ("estimator", policy.estimator, ["policy"]),
        ("actor", policy.actor, ["policy", ESTIMATE]),
    ):
        if list(model.obs_groups) != groups:
            raise UserError(f"the {name} reads {model.obs_groups}; the robot's controller can only give it {groups}")


def _largest_difference(runner: OnPolicyRunnerEE, env: LeggedRobot, files: dict[str, Path], steps: int) -> float:
    """Roll the policy out and return how far the files' estimates and actions are from PyTorch's, at most."""
    policy = runner.get_inference_policy()
    # On the CPU, as on the robot: a GPU rounds differently.
    clip = env.cfg.normalization.clip_actions
    models = (policy.estimator.as_jit().to("cpu"), clipped(policy.actor.as_jit().to("cpu"), clip))
    scripts = (_script(files["estimator_jit"]), _script(files["actor_jit"]))
    sessions = (_session(files["estimator"]), _session(files["actor"]))
    for session, model in zip(sessions, (policy.estimator, policy.actor), strict=True):
        _check_contract(session, {"input": model.mlp[0].in_features, "output": model.mlp[-1].out_features})
    largest = torch.zeros(())
    with torch.inference_mode():
        obs = env.get_observations()
        for _ in range(steps):
            observation = obs["policy"].to("cpu")
            expected = _chain(*models, observation)
            results = torch.stack((_chain(*scripts, observation), _chain_onnx(*sessions, observation.numpy())))
            # NaN wins over every number here, so it is not lost.
            largest = torch.maximum(largest, (results - expected).abs().max())
            obs = env.step(policy(obs.to(runner.device)).to(env.device))[0]
    return float(largest)


def _chain(estimator: torch.nn.Module, actor: torch.nn.Module, observation: torch.Tensor) -> torch.Tensor:
    """Return estimates and actions, side by side."""
    estimate = estimator(observation)
    return torch.cat((estimate, actor(torch.cat((observation, estimate), dim=1))), dim=1)


def _chain_onnx(
    estimator: onnxruntime.InferenceSession, actor: onnxruntime.InferenceSession, observation: np.ndarray
) -> torch.Tensor:
    """Return estimates and actions as the robot computes them: each net fed by its own predecessor."""
    estimate = estimator.run(["output"], {"input": observation})[0]
    action = actor.run(["output"], {"input": np.concatenate((observation, estimate), axis=1)})[0]
    return torch.from_numpy(np.concatenate((estimate, action), axis=1))


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # Further threads would wait busily beside PyTorch's and the simulator's.
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _script(path: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path)


def _check_contract(session: onnxruntime.InferenceSession, widths: dict[str, int]) -> None:
    """Check names, types and shapes of the input and the output."""
    for name, ports in (("input", session.get_inputs()), ("output", session.get_outputs())):
        found = [(port.name, port.type, *port.shape) for port in ports]
        if len(found) != 1 or found[0] != (name, "tensor(float)", "batch", widths[name]):
            raise ExportError(f"ONNX {name} is {found}, not one float tensor '{name}' (batch, {widths[name]})")


def _joints(env: LeggedRobot) -> dict[str, Any]:
    return {
        "names": list(env.dof_names),
        "default_angle": _rounded(env.default_dof_pos[0]),
        "kp": _rounded(env.p_gains),
        "kd": _rounded(env.d_gains),
        "limits": _rounded(env.sim.dof_pos_limits),
        "torque_limit": _rounded(env.torque_limits),
    }


def _observation(env: LeggedRobot) -> dict[str, Any]:
    terms = env.obs_layout.describe()
    slices = env.obs_layout.slices
    return {
        "size": env.obs_layout.size * env.cfg.env.history_length,
        "step_size": env.obs_layout.size,
        "history_length": env.cfg.env.history_length,
        "history": "newest step first; filled with the first step after a reset",
        "clip": env.cfg.normalization.clip_observations,
        "terms": [{**term, "start": slices[str(term["name"])].start} for term in terms],
    }


def _gait(env: LeggedRobot) -> dict[str, Any]:
    """Return the clock's period, s, and the phase by which each leg leads."""
    return {"period": env.cfg.gait.period, "offsets": [0.0, env.cfg.gait.offset]}


def _command_ranges(env: LeggedRobot) -> dict[str, list[float]]:
    """Return the trained commands' ranges, m/s and rad/s."""
    ranges = env.cfg.commands.ranges
    return {name: list(getattr(ranges, name)) for name in ("lin_vel_x", "lin_vel_y", "ang_vel_yaw")}


def _rounded(values: torch.Tensor | float) -> Any:
    """Return plain numbers, nested like the tensor, without the noise of float32; None where there is no limit."""
    array = np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values, float)
    rounded = np.array(np.round(array, _DIGITS), object)
    # JSON knows no infinity.
    rounded[~np.isfinite(array)] = None
    return rounded.tolist()


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Give a folder whose files move to ``folder`` at the end, or vanish with it if something fails."""
    created = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".export-", dir=folder))
    except OSError as error:
        raise UserError(f"cannot write to folder {folder}: {error.strerror or error}") from error
    try:
        yield staging
        for file in sorted(staging.iterdir()):
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(staging)
        if created and not any(folder.iterdir()):
            folder.rmdir()
