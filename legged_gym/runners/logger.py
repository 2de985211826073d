"""A training's output: grouped curves in TensorBoard, and one progress line on the screen."""

from __future__ import annotations

import contextlib
import io
import math
import operator
import re
import statistics
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from rsl_rl.utils.logger import Logger
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from legged_gym.algorithms.blow_up import check_losses
from legged_gym.algorithms.gpu import Fetched
from legged_gym.common import tags
from legged_gym.common.console import Progress
from legged_gym.common.errors import UserError
from legged_gym.common.labels import LabelLayout
from legged_gym.runners.config import LOG_WRITERS

Layout = dict[str, dict[str, list[Any]]]
"""TensorBoard's custom-scalars layout: charts by title by category."""

_RECENT = 20
"""Number of last iterations for estimating the remaining time."""

_GLANCE = {
    "reward of an episode": tags.MEAN_REWARD,
    "episode length, steps": tags.EPISODE_LENGTH,
    "falls, share of episodes": tags.FALLS,
    "forward velocity error, m/s": tags.VELOCITY_ERRORS["forward"],
    "lateral velocity error, m/s": tags.VELOCITY_ERRORS["lateral"],
    "yaw rate error, rad/s": tags.VELOCITY_ERRORS["yaw rate"],
    "terrain level": tags.TERRAIN_LEVEL,
}
_ESTIMATOR_CHARTS = {"loss": f"{tags.LOSS}estimator", "learning rate": tags.ESTIMATOR_RATE}
_LEARNING_CHARTS = {
    "value loss": f"{tags.LOSS}value",
    "surrogate loss": f"{tags.LOSS}surrogate",
    "entropy": f"{tags.LOSS}entropy",
    "learning rate": f"{tags.LOSS}learning_rate",
    "standard deviation of actions": tags.ACTION_STD,
}
_SPEED_CHARTS = {
    "steps per second": tags.STEPS_PER_SECOND,
    "seconds of an iteration's rollout": tags.COLLECTION_TIME,
    "seconds of an iteration's update": tags.LEARNING_TIME,
}


class Observer(Protocol):
    """Observes a running training."""

    def after_step(self) -> None:
        """Observe the environment after a control step, without waiting for its device."""

    def after_iteration(self, iteration: int) -> None:
        """Observe the training after the iteration with this index."""

    def close(self) -> None:
        """Finish at the end of the training. It may be called twice."""


class TrainingLogger(Logger):
    """rsl_rl's logger with grouped curves and, unless ``cfg["verbose"]``, one progress line instead of a page.

    Losses with a ``/`` in their names become curves under that name.
    """

    cur_reward_sum: torch.Tensor
    cur_episode_length: torch.Tensor
    ep_extras: list[dict[str, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of :class:`rsl_rl.utils.logger.Logger`."""
        super().__init__(*args, **kwargs)
        self.writer: Any
        # The run's git.txt describes this project's code; rsl_rl's is a released version.
        self.git_status_repos: list[str] = []
        self._verbose = bool(self.cfg.get("verbose", False))
        self._progress: Progress | None = None
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self.completed_iterations = 0
        """Number of completed iterations, including those before a resume."""
        self._gpu = torch.device(self.device).type == "cuda"
        self._curious = bool(self.cfg["algorithm"].get("rnd_cfg"))
        if not self._curious:
            self.cur_reward_sum, self.cur_episode_length = torch.zeros(2, self.num_envs)
        self._steps: list[tuple[torch.Tensor, ...]] = []
        """Rewards, ends and divergences of the steps since the last iteration, on the device."""
        self._unwritten: Callable[[], None] | None = None
        self.after_iteration: Callable[[int], None] | None = None
        """Called with the index of each completed iteration, in every process."""
        self.sources: list[Callable[[int], dict[str, float]]] = []
        """Functions that return further metrics of the iteration with this index, by name, in the process that logs."""
        self.observers: list[Observer] = []
        """Observers of every step and iteration, in the process that logs."""
        self._completed_at: list[float] = []
        self.label_layout: LabelLayout | None = None
        """What the estimator says, where there is one."""

    @property
    def steps_per_second(self) -> float | None:
        """Steps per second of all robots in all processes, over whole iterations including saving and logging.

        The median over this session's iterations, from the second on: the first one starts everything up. None if
        there was no second one.
        """
        if len(self._completed_at) < 2:
            return None
        return self._samples / statistics.median(map(operator.sub, self._completed_at[1:], self._completed_at))

    @property
    def _samples(self) -> int:
        """Steps of all robots of all processes in an iteration."""
        return self.cfg["num_steps_per_env"] * self.num_envs * self.gpu_world_size

    def init_logging_writer(self) -> None:
        """Open the event file and lay out its dashboard; ``UserError`` if folder or logging service can't take it."""
        try:
            with self._quiet():
                super().init_logging_writer()
        except OSError as error:
            raise UserError(f"cannot write to run folder {self.log_dir}: {error.strerror or error}") from error
        except Exception as error:
            # Errors of a service's package are about accounts and connections.
            if type(error).__module__.split(".")[0] not in LOG_WRITERS:
                raise
            reason = " ".join(str(error).split())
            raise UserError(f"can't log there (--logger, or runner.logger of the run): {reason}") from error
        if hasattr(self.writer, "file_writer") and self.completed_iterations > 0:
            # What an earlier session wrote after its last checkpoint is no part of this training any more.
            self.writer.file_writer.add_event(
                Event(step=self.completed_iterations, session_log=SessionLog(status=SessionLog.START))
            )
        if hasattr(self.writer, "add_custom_scalars"):
            # Environments that are not legged_gym's have none.
            section = getattr(getattr(self.env_cfg, "rewards", None), "scales", None)
            scales = section.to_dict() if section is not None else {}
            self.writer.add_custom_scalars(custom_scalars_layout(scales, self.label_layout))

    def process_env_step(
        self,
        rewards: torch.Tensor,
        dones: torch.Tensor,
        extras: dict[str, Any],
        intrinsic_rewards: torch.Tensor | None = None,
    ) -> None:
        """Store a step's metrics on the device, because every step would wait for the list of ended episodes.

        All are (N,); ``extras["log"]`` is what the environment reports, by name.
        """
        if self.writer is not None:
            for observer in self.observers:
                observer.after_step()
        if self.writer is None or self._curious:
            super().process_env_step(rewards, dones, extras, intrinsic_rewards)
            return
        if "log" in extras:
            self.ep_extras.append(extras["log"])
        diverged = extras["diverged"].to(dones.device) if "diverged" in extras else torch.zeros_like(dones)
        self._steps.append((rewards.clone(), dones > 0, diverged > 0))
        if len(self._steps) == self.cfg["num_steps_per_env"]:
            # A GPU now has work for the time that this takes.
            self.write_out()

    def log(self, it: int, loss_dict: dict[str, float], action_std: torch.Tensor, **others: Any) -> None:
        """Log the metrics of the completed iteration ``it``, and show the progress; the arguments are rsl_rl's.

        On a GPU they are written when the next rollout is on its way, or by :meth:`write_out`.
        ``LearningDivergedError`` if one of the losses, by name, is not finite.
        """
        check_losses(loss_dict, it)
        self.completed_iterations = it + 1
        self._completed_at.append(time.perf_counter())
        if self.writer is not None:
            self.write_out()
            names, reports = self._reports()
            fetched = Fetched([action_std.mean(), reports, *self._take_steps()])
            figures = {name: value for source in self.sources for name, value in source(it).items()}
            self._unwritten = partial(self._write, fetched, names, figures, loss_dict, it=it, **others)
            if not self._gpu or self._curious:
                self.write_out()
            for observer in self.observers:
                observer.after_iteration(it)
        if self.after_iteration is not None:
            self.after_iteration(it)

    def write_out(self) -> None:
        """Write the metrics of the last iteration, unless they have been written."""
        if self._unwritten is not None:
            write, self._unwritten = self._unwritten, None
            write()

    def _write(
        self, fetched: Fetched, names: list[str], figures: dict[str, float], losses: dict[str, float], **log: Any
    ) -> None:
        """Write an iteration's metrics: of steps and the environment's reports, by name; ``figures``; losses."""
        action_std, reports, *steps = fetched.get()
        self._count_episodes(steps)
        figures = dict(zip(names, reports.nanmean(dim=0).tolist(), strict=True)) | figures
        figures |= {name: value for name, value in losses.items() if "/" in name}
        # What the next iteration has reported so far.
        later, self.ep_extras = self.ep_extras, [figures] if self._verbose else []
        if not self._verbose:
            for name, value in figures.items():
                self.writer.add_scalar(name if "/" in name else f"{tags.EPISODE}{name}", value, log["it"])
        plain_losses = {name: value for name, value in losses.items() if "/" not in name}
        with self._quiet():
            super().log(loss_dict=plain_losses, action_std=action_std, **log)
        self.ep_extras = later
        if not self._verbose:
            if self._progress is None:
                self._progress = Progress("iteration", log["total_it"], sys.stdout, start=log["start_it"])
            self._recent.append(log["collect_time"] + log["learn_time"])
            rest = statistics.mean(self._recent) * (log["total_it"] - 1 - log["it"])
            speed = f"{self._samples / self._recent[-1]:,.0f} steps/s"
            self._progress.update(log["it"] + 1, speed, self._figures(losses), rest)

    def add_moving_picture(self, name: str, gif: bytes, it: int) -> None:
        """Log a GIF's content under a tag. TensorBoard's page plays it."""
        if not hasattr(self.writer, "file_writer"):
            return
        width, height = struct.unpack("<HH", gif[6:10])
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=gif)
        self.writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), it)

    def stop_logging_writer(self) -> None:
        """Close the event file and end the progress display. It may be called twice."""
        try:
            self.write_out()
        finally:
            self._close()

    def _close(self) -> None:
        if self.writer is not None:
            for observer in self.observers:
                observer.close()
        super().stop_logging_writer()
        if self._progress is not None:
            self._progress.close()
            self._progress = None
        if hasattr(self.writer, "close"):
            self.writer.close()
        self.writer = None

    def state_dict(self) -> dict[str, float]:
        """Return the totals for a resumed run: environment steps and seconds."""
        self.write_out()
        return {"total_timesteps": self.tot_timesteps, "total_time": float(self.tot_time)}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Continue from the totals of :meth:`state_dict`."""
        self.tot_timesteps = int(state["total_timesteps"])
        self.tot_time = float(state["total_time"])

    def open_episodes(self) -> dict[str, Any]:
        """Return rewards and lengths of the present episodes, (N,), and of the last that ended."""
        self.write_out()
        return {
            "rewards": self.cur_reward_sum.clone(),
            "lengths": self.cur_episode_length.clone(),
            "last_rewards": [float(value) for value in self.rewbuffer],
            "last_lengths": [float(value) for value in self.lenbuffer],
        }

    def go_on_with(self, episodes: Mapping[str, Any]) -> None:
        """Continue with the values of :meth:`open_episodes`."""
        self.cur_reward_sum.copy_(episodes["rewards"])
        self.cur_episode_length.copy_(episodes["lengths"])
        self.rewbuffer.extend(episodes["last_rewards"])
        self.lenbuffer.extend(episodes["last_lengths"])

    def _take_steps(self) -> list[torch.Tensor]:
        """Return what the steps since the last iteration were, each (steps, N), or nothing."""
        steps, self._steps = self._steps, []
        return [torch.stack(values) for values in zip(*steps, strict=True)]

    def _count_episodes(self, steps: list[torch.Tensor]) -> None:
        """Add rewards and lengths of what :meth:`_take_steps` returned; a diverged episode does not count."""
        for reward, ended, diverged in zip(*steps, strict=True):
            self.cur_reward_sum += reward
            self.cur_episode_length += 1
            counted = ended & ~diverged
            self.rewbuffer.extend(self.cur_reward_sum[counted].tolist())
            self.lenbuffer.extend(self.cur_episode_length[counted].tolist())
            self.cur_reward_sum[ended] = 0.0
            self.cur_episode_length[ended] = 0.0

    def _reports(self) -> tuple[list[str], torch.Tensor]:
        """Return the names of what the environment reported, and a row of values, NaN for none, for each report."""
        names = list(dict.fromkeys(name for report in self.ep_extras for name in report))
        rows = [
            torch.stack([_mean(torch.as_tensor(report.get(name, math.nan), device=self.device)) for name in names])
            for report in self.ep_extras
        ]
        self.ep_extras.clear()
        return names, torch.stack(rows) if names else torch.empty(0, 0)

    def _figures(self, losses: dict[str, float]) -> str:
        parts = []
        if self.rewbuffer:
            parts.append(f"reward {statistics.mean(self.rewbuffer):.2f}")
            parts.append(f"length {statistics.mean(self.lenbuffer):.0f}")
        figures = self.label_layout.figures() if self.label_layout is not None else []
        errors = [losses[figure.tag] for figure in figures if figure.label.kind == "velocity"]
        if errors:
            parts.append(f"estimator {statistics.mean(errors):.3f} m/s")
        return "  ".join(parts)

    def _store_code_state(self) -> list[str]:
        """Describe the repositories that were registered with the runner, and leave no empty folder if none was."""
        return super()._store_code_state() if self.git_status_repos else []

    def _quiet(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._verbose else contextlib.redirect_stdout(io.StringIO())


def _mean(values: torch.Tensor) -> torch.Tensor:
    return values.float().mean() if values.ndim > 0 else values.float()


def custom_scalars_layout(reward_scales: Mapping[str, float], labels: LabelLayout | None = None) -> Layout:
    """Return the dashboard's layout: categories of charts, first what tells how the training goes.

    TensorBoard draws all curves of a run in the same colour, so each chart has only one of each run: an expression that
    matches its name. Reward terms with scale 0 get none.
    """
    terms = {name: f"{tags.REWARD}{name}" for name in sorted(reward_scales)}
    figures = labels.figures() if labels is not None else []
    # The first error and the first share tell enough at a glance.
    first = {figure.is_share: figure for figure in reversed(figures)}
    glance = {f"estimated {figure.title}": figure.tag for _, figure in sorted(first.items(), key=lambda item: item[0])}
    groups = {
        "At a glance": _GLANCE | glance,
        "Rewards per second": {name: tag for name, tag in terms.items() if reward_scales[name] > 0},
        "Penalties per second": {name: tag for name, tag in terms.items() if reward_scales[name] < 0},
        "Estimator": {figure.title: figure.tag for figure in figures} | _ESTIMATOR_CHARTS if figures else {},
        "Learning": _LEARNING_CHARTS,
        "Speed": _SPEED_CHARTS,
    }
    return {
        category: {title: ["Multiline", [f"^{re.escape(tag)}$"]] for title, tag in charts.items()}
        for category, charts in groups.items()
        if charts
    }
