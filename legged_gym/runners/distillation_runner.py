"""Training loop for a student of a teacher with more observations."""

from __future__ import annotations

from typing import Any

from rsl_rl.env import VecEnv
from rsl_rl.runners import DistillationRunner as RslRlDistillationRunner

from legged_gym.algorithms.distillation import StudentDistillation
from legged_gym.common.errors import UserError
from legged_gym.runners.config import TrainCfg, rsl_rl_config
from legged_gym.runners.on_policy_runner import OnPolicyRunner, Parts


class DistillationRunner(OnPolicyRunner, RslRlDistillationRunner):
    """Trains a student to act like a teacher, saves, loads and plays it.

    The teacher is the actor of a finished training in the same task, or in one with the same observation groups. It is
    saved with the student, so that the training can resume without the teacher's run.
    """

    alg: StudentDistillation

    def __init__(self, env: VecEnv, train_cfg: TrainCfg, log_dir: str | None = None, device: str = "cpu") -> None:
        """Build the student; see :class:`OnPolicyRunner`. The teacher comes with :meth:`load_teacher` or a resume."""
        cfg = rsl_rl_config(train_cfg)
        groups = {**cfg["obs_groups"], "teacher": list(cfg["obs_groups"]["student"])}
        super().__init__(env, {**cfg, "obs_groups": groups, "teacher": dict(cfg["student"])}, log_dir, device)

    def load_teacher(self, path: str) -> None:
        """Load a checkpoint's actor as the teacher. ``UserError`` if it is damaged, or needs missing observations."""
        checkpoint = self._read(path)
        self._set_teacher(path, checkpoint, "student" if "student_state_dict" in checkpoint else "actor")

    def _go_on(self, path: str, checkpoint: dict[str, Any]) -> None:
        super()._go_on(path, checkpoint)
        self._set_teacher(path, checkpoint, "teacher")

    def _set_teacher(self, path: str, checkpoint: dict[str, Any], which: str) -> None:
        try:
            train = checkpoint["config"]["train"]
            settings, groups = dict(train[which]), list(train["obs_groups"][which])
            state = checkpoint[f"{which}_state_dict"]
        except (LookupError, TypeError) as error:
            raise UserError(f"{path} has no teacher: {error!r}") from error
        if "estimate" in groups:
            raise UserError(f"{path} has no teacher: its actor needs an estimator. Train one with 'obs_groups.actor' "
                            "of observed groups, such as --task=qmini_teacher")  # fmt: skip
        try:
            self.alg.set_teacher(self.env.get_observations(), groups, settings, state, self.env.num_actions)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise UserError(f"the teacher in {path} does not fit this task, whose groups it reads: {reason}") from error
        self.cfg["teacher"], self.cfg["obs_groups"]["teacher"] = settings, groups

    def _parts(self) -> Parts:
        return {
            "actor": {"student_state_dict": self.alg._raw_student},
            "optimizer": {"optimizer_state_dict": self.alg.optimizer},
        }
