"""What changes while a training runs: settings by stages, and at its end the mean of its nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from legged_gym.common.errors import UserError, near_names

_SCALES = "rewards.scales."
_COEFFICIENTS = ("algorithm.entropy_coef",)


class Stages:
    """Changes the settings of a running training at given iterations.

    The settings are changed in place, so that what a GPU has recorded and compiled stays as it is.
    """

    def __init__(self, stages: Mapping[Any, Mapping[str, float]], env: Any, alg: Any) -> None:
        """Check the stages.

        Args:
            stages: From the iteration that a stage begins with to its settings, by their dotted names. They stay until
                a later stage changes them.
            env: The task, with ``reward_scales``.
            alg: The algorithm.

        Raises:
            UserError: A setting that can't change on the way.
        """
        self._stages = sorted((int(begin), dict(settings)) for begin, settings in stages.items())
        self._env, self._alg = env, alg
        known = [f"{_SCALES}{name}" for name in getattr(env, "reward_scales", {})]
        known += [key for key in _COEFFICIENTS if hasattr(alg, key.rpartition(".")[2])]
        for begin, settings in self._stages:
            for key in settings:
                if key not in known:
                    raise UserError(
                        f"config key 'runner.stages.{begin}': '{key}' can't change on the way (a reward needs a scale "
                        f"from the start): {near_names(key, known)}"
                    )

    def apply(self, completed: int, after: int = -1) -> None:
        """Set what holds after ``completed`` iterations, of the stages that begin after iteration ``after``."""
        for begin, settings in self._stages:
            if after < begin <= completed:
                for key, value in settings.items():
                    self._set(key, float(value))

    def _set(self, key: str, value: float) -> None:
        if key.startswith(_SCALES):
            self._env.reward_scales[key.removeprefix(_SCALES)] = value * self._env.dt
            return
        name = key.rpartition(".")[2]
        present = getattr(self._alg, name)
        if isinstance(present, torch.Tensor):
            present.fill_(value)
        else:
            setattr(self._alg, name, value)


class NetAverage:
    """The mean of a net's parameters over the iterations in which it was asked to look."""

    def __init__(self, net: nn.Module) -> None:
        """Begin with nothing seen."""
        self._parameters = [parameter.data for parameter in net.parameters()]
        self._mean = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._seen = 0

    def add(self) -> None:
        """Take the present parameters into the mean."""
        self._seen += 1
        torch._foreach_lerp_(self._mean, self._parameters, 1.0 / self._seen)

    def load(self) -> None:
        """Give the net the mean, if anything was seen."""
        if self._seen:
            torch._foreach_copy_(self._parameters, self._mean)


class Finish:
    """The last iterations of a training: the policy becomes a mean, then its estimator alone goes on learning.

    Nets on the way of a training scatter about something better than each of them (Wortsman et al. 2022, "Model soups",
    https://arxiv.org/abs/2203.05482). The estimator then still has to get to know the gait of the mean.
    """

    def __init__(self, alg: Any, end: int, averaged: int, estimator_only: int) -> None:
        """Plan it.

        Args:
            alg: The algorithm, with an estimator or not.
            end: Iterations of the training in all.
            averaged: Iterations over which the policy is averaged; 0: it stays as it is.
            estimator_only: Iterations after that in which the estimator learns alone, and is averaged.
        """
        self._alg = alg
        estimator = alg.get_estimator() if hasattr(alg, "get_estimator") else None
        alone = min(estimator_only, end) if estimator is not None else 0
        self._policy_ends = end - alone
        self._policy_begins = max(self._policy_ends - averaged, 0) if averaged else end
        self._end = end
        self._policy = [NetAverage(alg.get_policy())]
        self._estimator = NetAverage(estimator) if estimator is not None else None
        if self._estimator is not None and not alone:
            self._policy.append(self._estimator)

    def after(self, completed: int) -> None:
        """Do what is due after so many iterations."""
        if self._policy_begins < completed <= self._policy_ends:
            for average in self._policy:
                average.add()
        if completed == self._policy_ends:
            for average in self._policy:
                average.load()
            self._alg.policy_learns = self._policy_ends == self._end
        elif completed > self._policy_ends and self._estimator is not None:
            self._estimator.add()
            if completed == self._end:
                self._estimator.load()
                self._alg.policy_learns = True
