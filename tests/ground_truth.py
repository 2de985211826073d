"""The ground as it should be found, by SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates

from legged_gym.simulators.mujoco_model import HeightField


def height_at(field: HeightField, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the height, m, at points of the world, bilinear; outside the field that of its edge."""
    at = [(np.asarray(value) - zero) / field.horizontal_scale for value, zero in zip((x, y), field.origin, strict=True)]
    rows, columns = np.broadcast_arrays(*at)
    heights = map_coordinates(
        field.heights.astype(np.float64), [rows.ravel(), columns.ravel()], order=1, mode="nearest"
    )
    return heights.reshape(rows.shape)
