"""Training loop for any policy: rsl_rl's runner with complete checkpoints, a clean stop and one progress line."""

from __future__ import annotations

import contextlib
import io
import os
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner as RslRlRunner

from legged_gym.algorithms.blow_up import LearningDivergedError
from legged_gym.common import signals, tags
from legged_gym.common.errors import TrainingStoppedError, UserError
from legged_gym.common.lock import RunLock
from legged_gym.common.paths import relative
from legged_gym.envs.base.divergence import DivergenceWatch
from legged_gym.runners import distributed
from legged_gym.runners.checkpoint import (
    NotFiniteError,
    check_alike,
    check_part,
    plain,
    read_checkpoint,
    read_file,
    widen_critic,
    write_checkpoint,
)
from legged_gym.runners.config import TrainCfg, rsl_rl_config
from legged_gym.runners.going_on import go_on, take_session, write_session
from legged_gym.runners.last_state import LastState
from legged_gym.runners.logger import TrainingLogger
from legged_gym.runners.runs import checkpoint_path, drop_old_checkpoints, list_checkpoints, remove_leftovers
from legged_gym.runners.stages import Finish, Stages, check_denoising

Parts = dict[str, dict[str, torch.nn.Module | torch.optim.Optimizer]]
"""Parts of a checkpoint: for each name in ``load_cfg``, the name in the checkpoint."""


class OnPolicyRunner(RslRlRunner):
    """Trains, saves, loads and plays a policy of a legged_gym task.

    The loop is rsl_rl's; what differs is what is kept. Checkpoints hold the environment's counters and curriculum, too,
    are written whole or not at all, and reading one never runs code. A resumed run starts with the iteration after
    the last completed one, and a signal leaves a checkpoint. ``model_<i>.pt`` is the state after iteration i, counted
    from 0, as rsl_rl names it.

    Under ``torchrun`` every process has a runner, which joins the others, and the first one logs and saves. If one is
    lost, one that is left saves the state after the last completed iteration.
    """

    def __init__(self, env: VecEnv, train_cfg: TrainCfg, log_dir: str | None = None, device: str = "cpu") -> None:
        """Build the nets for the environment on ``device``; ``UserError`` if other processes can't be found.

        ``train_cfg`` goes through :func:`legged_gym.runners.config.rsl_rl_config`; with ``verbose`` all of rsl_rl's
        output is shown. Events and checkpoints go to ``log_dir``; None: nowhere.
        """
        # Values that are not finite are found after the update, because rsl_rl's check waits for a GPU in every step.
        train_cfg = {"check_for_nan": False, **rsl_rl_config(train_cfg)}
        # rsl_rl lists nets and observation sets.
        with contextlib.nullcontext() if train_cfg.get("verbose") else contextlib.redirect_stdout(io.StringIO()):
            super().__init__(env, train_cfg, log_dir, device)
        self.logger = TrainingLogger(
            log_dir=log_dir,
            cfg=self.cfg,
            env_cfg=env.cfg,
            num_envs=env.num_envs,
            is_distributed=self.is_distributed,
            gpu_world_size=self.gpu_world_size,
            gpu_global_rank=self.gpu_global_rank,
            device=device,
        )
        self.new_episodes: str | None = "the training begins"
        """Why the robots start new episodes; None: those of a loaded checkpoint continue."""
        self._best: dict[str, float] | None = None
        self.after_save: list[Callable[[], None]] = []
        """Functions that are called after a checkpoint was written."""
        self._last_state = LastState(log_dir) if self.is_distributed and log_dir is not None else None
        # As the run began, whatever its stages change.
        self._env_config = plain(env.cfg.to_dict() if hasattr(env.cfg, "to_dict") else env.cfg)
        self._stages = Stages(self.cfg.get("stages", {}), env, self.alg, self.cfg.get("denoising_stage"))
        check_denoising(self.cfg.get("denoising_iterations", 0), env.get_observations(), self.alg)
        self._finish: Finish | None = None
        self._averages: dict[str, Any] = {}
        self.logger.after_iteration = self._after_iteration
        self._divergence: DivergenceWatch | None = None
        if log_dir is not None and hasattr(env, "divergence"):
            self._divergence = DivergenceWatch(env, log_dir)
            self.logger.sources.append(self._divergence.look)

    @property
    def completed_iterations(self) -> int:
        """Number of completed iterations, including those before a resume; also the index of the next one."""
        return self.logger.completed_iterations

    @property
    def _last_number(self) -> int:
        """Number of the present state's checkpoint."""
        return max(self.completed_iterations - 1, 0)

    def learn(self, num_learning_iterations: int, init_at_random_ep_len: bool = False) -> None:
        """Train for more iterations, with a checkpoint every ``save_interval`` and at the end.

        With ``init_at_random_ep_len`` robots start at random points of their episodes, so that they don't all end at
        once; those of a loaded checkpoint go on with theirs.

        Raises:
            KeyboardInterrupt: A signal came; the iteration was finished and a checkpoint was written.
            TrainingStoppedError: Simulation, learning or another process failed. What was learned stays.
            UserError: The run's folder can't be written, or another process trains this run.
        """
        signals.check_swallowed()
        begin = self.current_learning_iteration = self.completed_iterations
        end = begin + num_learning_iterations
        # A training that came to its end, or was to come to another one, has to learn before it can finish again.
        earliest = self._stages.last if self._averages.get("end") == end else max(self._stages.last, begin)
        averaged, alone, denoising = (
            self.cfg.get(f"{what}_iterations", 0) for what in ("averaged", "estimator", "denoising")
        )
        self._stages.apply(begin)
        self._finish = Finish(self.alg, end, averaged, alone, earliest, denoising, self._stages.begin_denoising)
        self._finish.begin(begin, self._averages)
        if not self.alg.policy_learns and self.gpu_global_rank == 0:
            phase = "denoising" if getattr(self.alg, "denoising", None) else "estimator"
            print(f"the policy no longer learns from rewards: these are its last stages (runner.{phase}_iterations)")
        with signals.deferred(), self._in_run_folder():
            try:
                super().learn(num_learning_iterations, init_at_random_ep_len and self.new_episodes is not None)
            except KeyboardInterrupt:
                if self.logger.writer is not None:
                    self.save(self._path_of_last())
                distributed.wait_for_all()
                raise
            except TrainingStoppedError as reason:
                if self.logger.writer is None:
                    raise
                raise TrainingStoppedError(f"{reason}{self._suspect(reason)}. {self._save_last()}") from reason
            except RuntimeError as error:
                if self._last_state is None:
                    raise
                # Another process broke off an exchange, or this one failed: there is no common next iteration.
                what = (str(error).strip() or type(error).__name__).splitlines()[0]
                saved = self._last_state.save()
                raise TrainingStoppedError(f"a process of the training failed ({what}): {saved}") from error
            finally:
                self.logger.stop_logging_writer()

    @contextlib.contextmanager
    def _in_run_folder(self) -> Iterator[None]:
        """Lock the run's folder, so that only this training uses it."""
        if self.logger.log_dir is None:
            yield
            return
        lock = RunLock(str(self.logger.log_dir))
        with contextlib.ExitStack() as stack:
            if not self.logger.disable_logs:
                stack.enter_context(lock.held())
                remove_leftovers(str(self.logger.log_dir))
                self.after_save.append(self._drop_old)
                stack.callback(self.after_save.remove, self._drop_old)
            if self._last_state is not None:
                # The lock is free again when the first process has ended.
                self._last_state.may_save = lock.acquire
                self._last_state.watch()
                stack.callback(self._last_state.stop_watching)
            yield

    def _suspect(self, reason: TrainingStoppedError) -> str:
        """Say what learning that diverged was given: a reward term, or a group of observations, that is not finite."""
        if not isinstance(reason, LearningDivergedError):
            return ""
        reports = list(self.logger.ep_extras)
        if hasattr(self.env, "statistics"):
            reports.append(self.env.statistics.unreported())
        for name in sorted({name for report in reports for name in report if name.startswith(tags.REWARD)}):
            if not all(torch.as_tensor(report[name]).isfinite() for report in reports if name in report):
                return f", and so did the reward term '{name.removeprefix(tags.REWARD)}'"
        for name, group in self.alg.storage.observations.items():
            if not group.isfinite().all():
                return f", and so did the observation group '{name}'"
        if not self.alg.storage.rewards.isfinite().all():
            return ", and so did the rewards, after their terms were added up"
        return " from finite rewards and observations: lower 'algorithm.learning_rate'"

    def _path_of_last(self) -> str:
        return checkpoint_path(str(self.logger.log_dir), self._last_number)

    def _save_last(self) -> str:
        """Save the state after the last completed iteration, unless it is no good, and say which is the newest."""
        try:
            if self.completed_iterations > 0:
                self.save(self._path_of_last())
        except NotFiniteError:
            # What was written before is all that is good.
            pass
        folder = str(self.logger.log_dir)
        good = [checkpoint_path(folder, number) for number in list_checkpoints(folder)]
        return f"The newest good checkpoint is {relative(good[-1])}" if good else "There is no checkpoint yet"

    def save(self, path: str, infos: dict[str, Any] | None = None) -> None:
        """Write a checkpoint with everything that a resume needs, and ``infos``: a complete file or none."""
        checkpoint = self._checkpoint(infos)
        session = take_session(self)
        checkpoint["session"] = session["name"]
        checkpoint["best"] = self._best_with_this()
        write_checkpoint(path, checkpoint)
        write_session(os.path.dirname(path), session)
        self._best = checkpoint["best"]
        self.logger.save_model(path, self.completed_iterations)
        for listener in self.after_save:
            listener()

    def _best_with_this(self) -> dict[str, float] | None:
        """Return number and mean reward of the checkpoint with the highest one so far, the present included."""
        rewards = self.logger.rewbuffer
        if not rewards:
            return self._best
        present = {"number": self._last_number, "reward": statistics.fmean(rewards)}
        return present if self._best is None or present["reward"] > self._best["reward"] else self._best

    def _drop_old(self) -> None:
        """Keep ``keep_checkpoints`` of the run's checkpoints, and the best."""
        keep, folder = self.cfg.get("keep_checkpoints", 0), str(self.logger.log_dir)
        if keep > 0:
            best = [int(self._best["number"])] if self._best is not None else []
            drop_old_checkpoints(folder, keep, [*best, self._last_number])

    def _checkpoint(self, infos: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            **self.alg.save(),
            "iter": self.completed_iterations,
            "infos": infos,
            "env": self.env.training_state(),
            "logger": self.logger.state_dict(),
            "averages": self._averages if self._finish is None else self._finish.state(),
            "config": {"env": self._env_config, "train": plain(self.cfg)},
        }

    def _after_iteration(self, iteration: int) -> None:
        """Change what the next iteration is to change, and look after what may keep the training from going on."""
        self._stages.apply(iteration + 1, after=iteration)
        if self._finish is not None:
            self._finish.after(iteration + 1)
        if self._last_state is not None:
            self._last_state.keep(iteration, self._checkpoint)
        if self._divergence is not None:
            self._divergence.check(iteration)
        # All processes must end after the same iteration.
        if distributed.anyone(signals.requested(), self.device):
            signals.check()
            raise KeyboardInterrupt

    def load(
        self, path: str, load_cfg: dict[str, bool] | None = None, strict: bool = True, map_location: str | None = None
    ) -> dict[str, Any] | None:
        """Load a checkpoint and return its ``infos``. If a part does not fit, nothing changes: ``UserError``.

        In a distributed training all processes have to call it: they get what the first one reads, its environment's
        counters and curriculum included.

        Args:
            path: The file, which only the first process needs to have.
            load_cfg: Which of ``actor`` (with its estimator), ``critic``, ``optimizer`` (all), ``iteration``, ``rnd``
                and ``env`` (counters and curriculum) to load; None: all.
            strict: Whether the nets' layers must match exactly.
            map_location: Device for the tensors; None: the runner's.
        """
        checkpoint = self._read(path, map_location)
        if strict and hasattr(self.alg, "_raw_critic"):
            # A critic with fewer inputs may fit. Students have no critic.
            widen_critic(checkpoint, self.alg._raw_critic, self.alg.optimizer)
        for name, parts in self._parts().items():
            if load_cfg is None or load_cfg.get(name):
                for key, part in parts.items():
                    check_part(path, key, checkpoint, part, strict)
        check_alike(path, "logger", checkpoint["logger"], self.logger.state_dict())
        load_env = load_cfg is None or load_cfg.get("env", False)
        if load_env:
            check_alike(path, "env", checkpoint["env"], self.env.training_state())
        if self.alg.load(checkpoint, load_cfg, strict):
            self.logger.load_state_dict(checkpoint["logger"])
            self._best = checkpoint.get("best")
            self.logger.completed_iterations = self.current_learning_iteration = checkpoint["iter"]
        if load_env:
            self.env.load_training_state(checkpoint["env"])
        if load_cfg is None:
            self._go_on(path, checkpoint)
        return checkpoint.get("infos")

    def _read(self, path: str, map_location: str | None = None) -> dict[str, Any]:
        contents = distributed.bytes_from_first(lambda: read_file(path))
        return read_checkpoint(path, map_location or self.device, contents)

    def _go_on(self, path: str, checkpoint: dict[str, Any]) -> None:
        """Continue the training where a loaded checkpoint was written."""
        self._averages = checkpoint.get("averages", {})
        # Before steps are recorded, which they are for what goes on exactly.
        self._stages.apply(self.completed_iterations)
        self.new_episodes = go_on(self, path, checkpoint, self._env_config)
        if self.new_episodes is not None:
            self.env.reset()

    def export_policy_to_onnx(self, *_: Any, **__: Any) -> None:
        """Refuse rsl_rl's export, which supports neither estimators nor clipped actions."""
        raise UserError("call legged_gym.policies.export.export_policy(runner, env, folder), or run export.py")

    export_policy_to_jit = export_policy_to_onnx

    def _parts(self) -> Parts:
        parts: Parts = {
            "actor": {"actor_state_dict": self.alg._raw_actor},
            "critic": {"critic_state_dict": self.alg._raw_critic},
            "optimizer": {"optimizer_state_dict": self.alg.optimizer},
        }
        if self.alg.rnd:
            rnd = self.alg.rnd
            parts["rnd"] = {"rnd_state_dict": rnd, "rnd_optimizer_state_dict": rnd.optimizer}
        return parts

    def _configure_multi_gpu(self) -> None:
        """Join the other processes of a distributed training, because rsl_rl only supports NCCL."""
        here = distributed.join(self.device)
        self.is_distributed = here.size > 1
        self.gpu_world_size, self.gpu_local_rank, self.gpu_global_rank = here.size, here.local_rank, here.rank
        place = {"global_rank": here.rank, "local_rank": here.local_rank, "world_size": here.size}
        self.cfg["multi_gpu"] = place if self.is_distributed else None
