"""The constraint solver's problem, solved in double precision and without hurry."""

from __future__ import annotations

from typing import Any

import numpy as np


def exact_accelerations(problem: Any) -> np.ndarray:
    """Return the accelerations of all worlds, (N, D), by damped Newton steps.

    Args:
        problem: A ``legged_gym.simulators.warp.newton.Problem``, which says what is minimised.
    """
    worlds = range(len(problem.num_rows.numpy()))
    return np.stack([_solve(*_read(problem, world)) for world in worlds])


def _read(problem: Any, world: int) -> tuple[np.ndarray, ...]:
    """Return the inertia matrix, the force without constraints, and the rows' Jacobian, D, reference and limit."""
    entries, rows = problem.entries.numpy(), int(problem.num_rows.numpy()[world])
    packed = problem.inertia.numpy()[world].ravel().astype(float)
    inertia = np.where(entries >= 0, packed[np.maximum(entries, 0)], 0.0)
    passive, bias, applied = (
        getattr(problem, name).numpy()[world].astype(float) for name in ("passive_force", "bias_force", "applied_force")
    )
    jacobian, stiffness, reference, limit = (
        getattr(problem, name).numpy()[world, :rows].astype(float)
        for name in ("jacobian", "stiffness", "reference", "limit")
    )
    return inertia, passive - bias + applied, jacobian[:, : len(entries)], stiffness, reference, limit


def _solve(
    inertia: np.ndarray,
    smooth_force: np.ndarray,
    jacobian: np.ndarray,
    stiffness: np.ndarray,
    reference: np.ndarray,
    limit: np.ndarray,
) -> np.ndarray:
    friction = limit > 0.0

    def slope(acceleration: np.ndarray) -> np.ndarray:
        pull = -stiffness * (jacobian @ acceleration - reference)
        forces = np.where(friction, np.clip(pull, -limit, limit), np.maximum(pull, 0.0))
        return inertia @ acceleration - smooth_force - jacobian.T @ forces

    def curvature(acceleration: np.ndarray) -> np.ndarray:
        pull = -stiffness * (jacobian @ acceleration - reference)
        bends = np.where(friction, np.abs(pull) < limit, pull > 0.0)
        return inertia + jacobian.T @ ((stiffness * bends)[:, None] * jacobian)

    acceleration = np.zeros(len(inertia))
    for _ in range(200):
        gradient = slope(acceleration)
        step = -np.linalg.solve(curvature(acceleration), gradient)
        if -gradient @ step < 1e-14:
            return acceleration
        # The slope along the step rises, so its zero can be cut down to.
        low, high = 0.0, 1.0
        while slope(acceleration + high * step) @ step < 0.0:
            high *= 2.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if slope(acceleration + middle * step) @ step < 0.0 else (low, middle)
        acceleration = acceleration + high * step
    raise AssertionError("Newton's method did not converge")
