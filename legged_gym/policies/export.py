"""Exports a policy for the robot: its networks, the settings they need, and a check against PyTorch."""

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

import torch
from rsl_rl.models import MLPModel

from legged_gym.algorithms.estimator_ppo import ESTIMATE
from legged_gym.common.controller_rules import AXES, TILT_LIMIT
from legged_gym.common.errors import file_errors
from legged_gym.common.paths import git_revision
from legged_gym.policies.contract import (
    METADATA_FILE,
    Actor,
    Commands,
    Contacts,
    Control,
    Estimator,
    Gait,
    Joints,
    Observation,
    PolicyContract,
    Term,
    words,
)
from legged_gym.policies.controller_file import controller_yaml, rounded, start_noise
from legged_gym.policies.finder import CONTROLLER_FILE
from legged_gym.policies.net_files import acting_nets, clipped, empty_memory, write_onnx, write_torchscript
from legged_gym.policies.networks import Memory, OnnxNet
from legged_gym.runners.runs import iterations_done

if TYPE_CHECKING:
    from tensordict import TensorDict

    from legged_gym.envs.base.legged_robot import LeggedRobot
    from legged_gym.runners.on_policy_runner import OnPolicyRunner


class ExportError(RuntimeError):
    """The exported networks are wrong."""


def export_policy(
    runner: OnPolicyRunner,
    env: LeggedRobot,
    folder: str | os.PathLike[str],
    *,
    steps: int = 100,
    tolerance: float = 1e-5,
    merge_into: str | os.PathLike[str] | None = None,
) -> dict[str, Path]:
    """Write all files that a controller needs to run the policy, after a check on a rollout.

    Args:
        runner: Has the trained networks: an actor, feed-forward or recurrent, and perhaps an estimator.
        env: The task that they were trained for. It is stepped.
        folder: Folder for the files, whose names begin with ``asset.name``; created if needed. It gets all or none.
        steps: Control steps of the rollout that compares the networks, at least 1.
        tolerance: Largest difference allowed between ONNX Runtime, TorchScript and PyTorch, in actions and estimates.
        merge_into: The configuration file of the robot's controller; the exported file keeps its other settings. None:
            the exported file only has the policy's sections.

    Returns:
        The files, by ``estimator`` (if there is one) and ``actor`` (ONNX), ``estimator_jit`` and ``actor_jit``
        (TorchScript), ``metadata`` (JSON) and ``controller`` (YAML).

    Raises:
        ExportError: The files differ from PyTorch by more than ``tolerance``.
        UserError: The folder can't be written, or ``merge_into`` does not fit.
    """
    nets = acting_nets(runner.alg, env.cfg.normalization.clip_actions)
    controller = policy_controller_yaml(runner, env, merge_into)
    prefix = env.cfg.asset.name
    names = {net: f"{prefix}_{net}.onnx" for net in nets} | {f"{net}_jit": f"{prefix}_{net}.pt" for net in nets}
    names |= {"metadata": f"{prefix}{METADATA_FILE}", "controller": f"{prefix}{CONTROLLER_FILE}"}
    with _staging(Path(folder)) as staging:
        for net, (model, limit) in nets.items():
            write_onnx(model, staging / names[net], limit)
            write_torchscript(model, staging / names[f"{net}_jit"], limit)
        difference = _largest_difference(nets, env, {key: staging / name for key, name in names.items()}, steps)
        # Written this way so that NaN also fails.
        if not difference <= tolerance:
            raise ExportError(f"exported networks differ from PyTorch by {difference:.2e}, more than {tolerance:.0e}")
        files = {key: name for key, name in names.items() if not key.endswith("_jit")}
        metadata = {**policy_metadata(runner, env), "largest_difference": difference, "files": files}
        (staging / names["metadata"]).write_text(
            json.dumps(metadata, indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
        (staging / names["controller"]).write_text(controller, encoding="utf-8")
    return {key: Path(folder) / name for key, name in names.items()}


def policy_controller_yaml(
    runner: OnPolicyRunner, env: LeggedRobot, merge_into: str | os.PathLike[str] | None = None
) -> str:
    """Return the controller's configuration with a policy's sections, or merged into the robot's own file."""
    actor, _ = acting_nets(runner.alg, env.cfg.normalization.clip_actions)["actor"]
    return controller_yaml(env, merge_into, words(list(actor.obs_groups)))


def policy_metadata(runner: OnPolicyRunner, env: LeggedRobot) -> dict[str, Any]:
    """Return everything that is needed to run the policy, as plain values in SI units and radians.

    Missing joint and torque limits are None.
    """
    return policy_contract(runner, env).model_dump(mode="json")


def policy_contract(runner: OnPolicyRunner, env: LeggedRobot) -> PolicyContract:
    """Return everything that is needed to run the policy."""
    cfg, nets = env.cfg, acting_nets(runner.alg, env.cfg.normalization.clip_actions)
    actor, clip = nets["actor"]
    estimator = nets["estimator"][0] if "estimator" in nets else None
    ranges = {axis: tuple(getattr(cfg.commands.ranges, axis)) for axis in AXES}
    return PolicyContract(
        git_revision=git_revision(),
        iterations=iterations_done(runner),
        control=Control(
            dt=rounded(env.dt), decimation=cfg.control.decimation, action_scale=cfg.control.action_scale,
            target=env.torque_law, fall_protection_tilt=rounded(TILT_LIMIT),
        ),
        joints=Joints(
            names=list(env.dof_names), default_angle=rounded(env.default_dof_pos[0]), kp=rounded(env.p_gains),
            kd=rounded(env.d_gains), limits=rounded(env.sim.dof_pos_limits), torque_limit=rounded(env.torque_limits),
        ),
        observation=_observation(env),
        estimator=Estimator(input=words(list(estimator.obs_groups)), output=env.label_layout.to_list())
        if estimator is not None else None,
        actor=Actor(
            input=words(list(actor.obs_groups)), clip=clip,
            memory=[[state.shape[0], state.shape[2]] for state in empty_memory(actor.as_onnx(verbose=False), 1)],
        ),
        gait=_gait(env),
        commands=Commands(**ranges, low_vel_thresholds=list(cfg.commands.dead_band)),
        contacts=Contacts(
            feet=env.foot_names, foot_force=cfg.rewards.foot_contact_force, force=cfg.rewards.contact_force_threshold
        ),
        start_noise=start_noise(env),
    )  # fmt: skip


def _observation(env: LeggedRobot) -> Observation:
    layout, steps = env.obs_layout, env.cfg.env.history_length
    return Observation(
        size=layout.size * steps, step_size=layout.size, history_length=steps,
        clip=env.cfg.normalization.clip_observations,
        terms=[
            Term.model_validate({**term, "start": layout.slices[str(term["name"])].start}) for term in layout.describe()
        ],
    )  # fmt: skip


def _gait(env: LeggedRobot) -> Gait | None:
    gait = getattr(env.cfg, "gait", None)
    if gait is None:
        return None
    return Gait(
        period=gait.period, offsets=[0.0, gait.offset], stance_ratio=gait.stance_ratio,
        standing="when the command becomes zero the clock runs on to the end of its period and is then held at "
        f"0: leg phases 0 and {gait.offset:g}",
    )  # fmt: skip


class _Chain:
    """Runs the networks in PyTorch, ONNX Runtime and TorchScript, with the actor's hidden state."""

    def __init__(self, nets: dict[str, tuple[MLPModel, float]], files: dict[str, Path], count: int) -> None:
        # On the CPU, as on the robot: a GPU rounds differently.
        self._models = {
            net: clipped(model.as_onnx(verbose=False), limit).to("cpu").eval() for net, (model, limit) in nets.items()
        }
        self._sessions = {net: OnnxNet(files[net]) for net in nets}
        self._scripts = {net: _script(files[f"{net}_jit"]) for net in nets}
        self._groups = {net: list(model.obs_groups) for net, (model, _) in nets.items()}
        self._memory = empty_memory(self._models["actor"], count)
        self._remembered: Memory = self._sessions["actor"].start(count)
        # TorchScript's recurrent networks hold the state of one robot only.
        self._scripted = 1 if self._memory else count
        for net, (model, _) in nets.items():
            if self._sessions[net].inputs != model.obs_dim:
                raise ExportError(f"the exported {net} reads {self._sessions[net].inputs} numbers, not {model.obs_dim}")

    def step(self, obs: TensorDict) -> tuple[torch.Tensor, torch.Tensor]:
        """Return PyTorch's actions, (N, D), and the largest difference of the files' outputs from PyTorch's, 0-d."""
        observed: dict[str, torch.Tensor] = {name: obs[name].to("cpu") for name in map(str, obs.keys())}
        if "estimator" not in self._models:
            return self._act(observed, observed, torch.zeros(()))
        inputs = self._inputs("estimator", observed)
        said = self._models["estimator"](inputs)
        by_onnx = torch.from_numpy(self._sessions["estimator"](inputs.numpy())[0])
        off = torch.stack((self._scripts["estimator"](inputs), by_onnx)) - said
        # Each kind of file gets its own estimate, as on the robot.
        return self._act({**observed, ESTIMATE: said}, {**observed, ESTIMATE: by_onnx}, off.abs().max())

    def _act(
        self, observed: dict[str, torch.Tensor], by_onnx: dict[str, torch.Tensor], off: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = self._inputs("actor", observed)
        answer = self._models["actor"](inputs, *self._memory)
        actions, *memory = answer if self._memory else (answer,)
        self._memory = [state for state in memory if state is not None]
        found, self._remembered = self._sessions["actor"](self._inputs("actor", by_onnx).numpy(), self._remembered)
        scripted = self._scripts["actor"](inputs[: self._scripted])
        # Any NaN makes the result NaN, so it is not lost.
        off = torch.maximum(off, (scripted - actions[: self._scripted]).abs().max())
        return actions, torch.maximum(off, (torch.from_numpy(found) - actions).abs().max())

    def forget(self, dones: torch.Tensor) -> None:
        """Clear the actor's hidden state of robots whose episodes ended, bool, (N,)."""
        for state in self._memory:
            state[:, dones] = 0.0
        for remembered in self._remembered:
            remembered[:, dones.numpy()] = 0.0
        if self._memory and dones[0]:
            self._scripts["actor"].reset()

    def _inputs(self, net: str, observed: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([observed[name] for name in self._groups[net]], dim=1)


def _largest_difference(
    nets: dict[str, tuple[MLPModel, float]], env: LeggedRobot, files: dict[str, Path], steps: int
) -> float:
    """Run the policy and return the largest difference of the files' estimates and actions from PyTorch's."""
    largest = torch.zeros(())
    with torch.inference_mode():
        chain, obs = _Chain(nets, files, env.num_envs), env.get_observations()
        for _ in range(steps):
            actions, off = chain.step(obs)
            largest = torch.maximum(largest, off)
            obs, _, dones, _ = env.step(actions.to(env.device))
            chain.forget(dones.to("cpu").bool())
    return float(largest)


def _script(path: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(path)


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder. Its files move to ``folder`` at the end, or are deleted if something fails."""
    with file_errors(f"cannot write to folder {folder}"):
        created = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".export-", dir=folder))
    try:
        with file_errors(f"can't write into folder {folder}"):
            yield staging
            for file in sorted(staging.iterdir()):
                os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(staging)
        if created and not any(folder.iterdir()):
            folder.rmdir()
