"""Changes during a training: settings by stages, and averaged networks at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from tensordict import TensorDict
from torch import nn

from legged_gym.common.errors import UserError, near_names
from legged_gym.envs.base.observations import NOISE_FREE


class Stages:
    """Changes the settings of a running training at given iterations.

    Most settings are changed in place, so that CUDA graphs and compiled code stay valid.
    """

    def __init__(
        self,
        stages: Mapping[Any, Mapping[str, float]],
        env: Any,
        alg: Any,
        denoising: Mapping[str, float] | None = None,
    ) -> None:
        """Check the stages of a training of ``env`` by ``alg``, or refuse them by ``UserError``.

        ``stages`` maps the iteration that a stage begins with to its settings, by their dotted names. They stay until a
        later stage changes them. ``denoising`` are those of :meth:`begin_denoising`.
        """
        self._stages = sorted((int(begin), dict(settings)) for begin, settings in stages.items())
        self.last = self._stages[-1][0] if self._stages else 0
        """The first iteration of the last of ``stages``."""
        self._denoising = dict(denoising or {})
        changeable: dict[str, Callable[[float], Any]] = getattr(env, "changeable", {})
        scales = [f"rewards.scales.{name}" for name in getattr(env, "reward_scales", {})]
        self._setters = changeable | {key: partial(_set_scale, env, key) for key in scales}
        if hasattr(alg, "entropy_coef"):
            self._setters["algorithm.entropy_coef"] = partial(_set_entropy_coef, alg)
        named = {f"stages.{begin}": settings for begin, settings in self._stages} | {"denoising_stage": self._denoising}
        for stage, settings in named.items():
            for key, value in settings.items():
                if key not in self._setters:
                    raise UserError(
                        f"config key 'runner.{stage}': '{key}' can't change on the way (a reward needs a scale "
                        f"from the start): {near_names(key, self._setters)}"
                    )
                if key in changeable:
                    trial = env.cfg.copy()
                    trial.set(key, int(value) if value == int(value) else value)
                    trial.check()

    def apply(self, completed: int, after: int = -1) -> None:
        """Set what holds after ``completed`` iterations, of the stages that begin after iteration ``after``."""
        for begin, settings in self._stages:
            if after < begin <= completed:
                self._set_all(settings)

    def begin_denoising(self) -> None:
        """Set what holds from the first iteration of denoising on."""
        self._set_all(self._denoising)

    def _set_all(self, settings: Mapping[str, float]) -> None:
        for key, value in settings.items():
            self._setters[key](float(value))


def _set_scale(env: Any, key: str, value: float) -> None:
    env.reward_scales[key.rpartition(".")[2]] = value * env.dt


def _set_entropy_coef(alg: Any, value: float) -> None:
    if isinstance(alg.entropy_coef, torch.Tensor):
        alg.entropy_coef.fill_(value)
    else:
        alg.entropy_coef = value


def check_denoising(iterations: int, obs: TensorDict, alg: Any) -> None:
    """Refuse iterations of denoising by ``UserError`` where ``alg`` can't, or its observations don't allow it."""
    if iterations == 0:
        return
    key = f"config key 'runner.denoising_iterations' is {iterations}"
    if not getattr(alg, "is_compiled_update_possible", False):
        raise UserError(f"{key}, but only a training with an estimator, without a memory and curiosity, denoises")
    if NOISE_FREE not in obs.keys():  # noqa: SIM118  (a TensorDict has no other way)
        raise UserError(f"{key}, but the task does not observe without noise: set env.noise_free_group=true")


class NetAverage:
    """The mean of a network's parameters over some iterations."""

    def __init__(self, net: nn.Module, begin: int, end: int) -> None:
        """Plan to look after each iteration from the ``begin``-th, not included, to the ``end``-th."""
        self.begin, self.end = begin, end
        self._parameters = [parameter.data for parameter in net.parameters()]
        self._mean = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._seen = 0

    def after(self, completed: int) -> None:
        """Take the present parameters into the mean, if it is time; at the end give the net the mean."""
        if self.begin < completed <= self.end:
            self._seen += 1
            torch._foreach_lerp_(self._mean, self._parameters, 1.0 / self._seen)
            if completed == self.end:
                torch._foreach_copy_(self._parameters, self._mean)

    def state(self) -> dict[str, Any]:
        """Return the state of an unfinished average for a checkpoint."""
        begun = 0 < self._seen < self.end - self.begin
        return {"begin": self.begin, "seen": self._seen, "mean": list(self._mean)} if begun else {}

    def restore(self, state: Mapping[str, Any], completed: int) -> None:
        """Continue a mean over the same iterations."""
        if state and state["begin"] == self.begin and state["seen"] == completed - self.begin:
            self._seen = int(state["seen"])
            torch._foreach_copy_(
                self._mean, [mean.to(own) for mean, own in zip(state["mean"], self._mean, strict=True)]
            )


class Finish:
    """The last iterations: the policy becomes a mean, whose gait its estimator learns, and both see through noise.

    Nets on the way of a training scatter about something better than each of them (Wortsman et al. 2022, "Model soups",
    https://arxiv.org/abs/2203.05482).
    """

    def __init__(
        self,
        alg: Any,
        end: int,
        averaged: int,
        estimator_only: int,
        earliest: int = 0,
        denoising: int = 0,
        begin_denoising: Callable[[], None] = lambda: None,
    ) -> None:
        """Plan the end of a training of ``end`` iterations by ``alg``.

        The policy is averaged over ``averaged`` iterations, 0: it stays as it is. The estimator, if there is one,
        learns alone after that, in ``estimator_only``, and is averaged. In ``denoising`` iterations after that the
        policy learns to see through its sensors' noise, the first of which begins with a call of ``begin_denoising``;
        both are averaged over the second half of these. A training too short to begin with all this after ``earliest``
        has no mean.
        """
        self._alg, self._end, self._begin_denoising, self._denoises = alg, end, begin_denoising, False
        if end - averaged - estimator_only - denoising < earliest:
            averaged = estimator_only = denoising = 0
        estimator = alg.get_estimator() if hasattr(alg, "get_estimator") else None
        self._denoises_from = end - denoising if estimator is not None else end
        self._policy_ends = max(self._denoises_from - estimator_only, 0) if estimator is not None else end
        begin = max(self._policy_ends - averaged, 0)
        self._averages = {"policy": NetAverage(alg.get_policy(), begin, self._policy_ends)}
        if estimator is not None:
            alone = self._policy_ends < end
            late = end - denoising // 2 if denoising else self._policy_ends
            self._averages["estimator"] = NetAverage(estimator, late if alone else begin, end)
            if denoising:
                self._averages["denoised"] = NetAverage(alg.get_policy(), late, end)

    def begin(self, completed: int, averages: Mapping[str, Any]) -> None:
        """Begin after so many iterations, with what a checkpoint kept (:meth:`state`)."""
        for name, average in self._averages.items():
            average.restore(averages.get(name, {}), completed)
        self._set_learning(completed)

    def after(self, completed: int) -> None:
        """Do what is due after so many iterations."""
        for average in self._averages.values():
            average.after(completed)
        self._set_learning(completed)

    def _set_learning(self, completed: int) -> None:
        self._alg.policy_learns = not self._policy_ends <= completed < self._end
        if hasattr(self._alg, "denoise"):
            before, self._denoises = self._denoises, self._denoises_from <= completed < self._end
            if self._denoises and not before:
                self._begin_denoising()
            self._alg.denoise(self._denoises)

    def state(self) -> dict[str, Any]:
        """Return the averages that have begun, and the end that they are for, for a checkpoint."""
        return {"end": self._end} | {name: average.state() for name, average in self._averages.items()}
