"""The ground as it should be found, by SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates

from legged_gym.simulators.mujoco_model import HeightField


def height_at(field: HeightField, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the height, m, at points of the world, bilinear; outside the field that of its edge."""
    at = [
        (np.asarray(value) - start) / field.horizontal_scale for value, start in zip((x, y), field.origin, strict=True)
    ]
    return map_coordinates(field.heights.astype(np.float64), np.broadcast_arrays(*at), order=1, mode="nearest")
