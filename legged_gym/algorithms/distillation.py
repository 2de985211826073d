"""A student that learns to act like a teacher with more observations, by rsl_rl's distillation."""

from __future__ import annotations

from typing import Any

from rsl_rl.algorithms import Distillation
from rsl_rl.models import MLPModel
from rsl_rl.utils import resolve_class
from tensordict import TensorDict


class StudentDistillation(Distillation):
    """rsl_rl's distillation. The teacher may have another kind of network than the student."""

    rnd = None

    def set_teacher(
        self, obs: TensorDict, groups: list[str], settings: dict[str, Any], state: dict[str, Any], num_actions: int
    ) -> None:
        """Make the teacher, which reads these observation groups, and load its weights.

        ``KeyError`` if the task has no such group, ``RuntimeError`` if its groups have other sizes than the teacher's.
        """
        model, arguments = resolve_class(dict(settings))
        teacher: MLPModel = model(obs, {"teacher": groups}, "teacher", num_actions, **arguments)
        teacher.load_state_dict(state)
        self.teacher = self._raw_teacher = teacher.to(self.device).eval()
        self.teacher_loaded = True

    def load(self, loaded_dict: dict[str, Any], load_cfg: dict[str, bool] | None, strict: bool) -> bool:
        """Load a student's training. Return whether to load the iteration."""
        chosen = load_cfg if load_cfg is not None else dict.fromkeys(("actor", "optimizer", "iteration"), True)
        chosen = {"student": chosen.get("actor", False), **chosen}
        return super().load(loaded_dict, chosen, strict)
