"""Observations as a declared list of terms, from which sizes, scales, noise and export metadata follow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from legged_gym.common.labels import Kind

Reflection = tuple[list[int], list[float]]
"""The source of each component of a mirrored value, and its sign."""

NOISE_FREE = "noise_free"
"""Observation group: ``policy`` without noise, but with its delays."""

MirrorRule = Literal["same", "vector", "rotation", "command", "joints", "joint_sizes", "feet", "heights"]
"""How a value changes when left and right are exchanged (the mirror is the base's x-z plane).

=========== =====================================================================================
same        unchanged: scalars of the whole robot
vector      x, y, z of a position, velocity or direction: y changes sign
rotation    x, y, z of an angular velocity: x and z change sign
command     forward, lateral, yaw rate: the last two change sign
joints      one value for each joint: sides are exchanged, signs are from ``asset.mirrored_joints``
joint_sizes the same for values without a sign, such as gains
feet        one value for each foot or leg: sides are exchanged
heights     samples at ``terrain.measured_points_x`` and ``_y``: the order of y is reversed
=========== =====================================================================================

A value may contain several of these, one after the other: sines of all legs' phases, then their cosines.
"""


@dataclass
class ObsTerm:
    """One entry of an observation."""

    name: str
    value: Callable[[], torch.Tensor]
    """Returns the unscaled value, (N, size)."""
    scale: float | list[float] = 1.0
    """One number, or one for each component."""
    noise: float = 0.0
    """Uniform ± noise in the value's own unit."""
    sensed: bool = False
    """Whether it comes from a sensor, whose values may be delayed."""
    imu: bool = False
    """Whether that sensor is the IMU, which has its own rate."""
    mirror: MirrorRule | Reflection | None = None
    """How it changes in a mirror. Only trainings with ``symmetry`` need it."""


@dataclass
class LabelTerm(ObsTerm):
    """One output of an estimator. Everything else reads this declaration."""

    kind: Kind = "scalar"
    """The metric of ``velocity`` and ``scalar`` is their error, of ``contact`` (0 or 1) the share of correct ones."""
    unit: str = ""
    components: tuple[str, ...] = ()
    """Names of its columns; empty: axes for a velocity, feet for contacts, otherwise numbers."""


class ObservationLayout:
    """Evaluates an ordered list of :class:`ObsTerm`."""

    def __init__(self, terms: Sequence[ObsTerm], device: str, noise_level: float = 1.0) -> None:
        """Evaluate every term once to get its size. ``noise_level`` multiplies all noise.

        Raises:
            ValueError: Two terms share a name, or a list of scales does not match its term's size.
        """
        self.terms = list(terms)
        self.sizes = [term.value().shape[1] for term in terms]
        self.size = sum(self.sizes)
        """Number of components, O."""
        self.parts = list(zip(self.terms, self.sizes, strict=True))
        """Each term and its size, in order."""
        ends = itertools.accumulate(self.sizes)
        self.slices = {t.name: slice(end - size, end) for (t, size), end in zip(self.parts, ends, strict=True)}
        """Where each term lies."""
        if len({term.name for term in terms}) != len(terms):
            raise ValueError(f"observation terms share a name: {[term.name for term in terms]}")
        scales: list[float] = []
        noises: list[float] = []
        for term, size in self.parts:
            scale = [term.scale] * size if isinstance(term.scale, int | float) else list(term.scale)
            if len(scale) != size:
                raise ValueError(f"observation term '{term.name}' has size {size} but {len(scale)} scales")
            scales += scale
            noises += [noise_level * term.noise * abs(s) for s in scale]
        self.scale_vec = torch.tensor(scales, device=device)
        self.noise_vec = torch.tensor(noises, device=device)
        sensors = [(float(term.sensed), float(term.imu)) for term, size in self.parts for _ in range(size)]
        self.sensed_vec, self.imu_vec = torch.tensor(sensors, device=device).T.contiguous()

    def compute(self) -> torch.Tensor:
        """Return the scaled, noise-free observation, (N, O)."""
        return torch.cat([term.value() for term in self.terms], dim=1).mul_(self.scale_vec)

    def delay(
        self, present: torch.Tensor, past: torch.Tensor, age: torch.Tensor, imu_age: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the observation, (N, O), of delayed sensors, with linear interpolation between steps.

        ``present`` is the current step, (N, O); ``past`` are the K steps before, newest first, (N, K, O). ``age`` is
        the age of each robot's sensors, and ``imu_age`` its IMU's further age, in control steps, 0…K, (N,).
        """
        ages = age.unsqueeze(1) * self.sensed_vec
        if imu_age is not None:
            ages = ages + imu_age.unsqueeze(1) * self.imu_vec
        # From each step to the one before, up to the age.
        for steps, before in enumerate(past.unbind(1)):
            present = torch.lerp(present, before, (ages - steps).clamp(0.0, 1.0))
        return present

    def add_noise(self, clean: torch.Tensor) -> torch.Tensor:
        """Return the observation with uniform noise, (N, O)."""
        return clean + (2.0 * torch.rand_like(clean) - 1.0) * self.noise_vec

    def describe(self) -> list[dict[str, object]]:
        """Return name, size, scale and noise of each term as plain values, in order."""
        return [
            {"name": term.name, "size": size, "scale": term.scale, "noise": term.noise} for term, size in self.parts
        ]
