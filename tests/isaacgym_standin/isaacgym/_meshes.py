"""Points of mesh files that MuJoCo can't read, or makes no shape of."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

_FLAT = 1e-6
"""m, thickness below which a mesh has no volume."""


def collada_points(path: str) -> np.ndarray | None:
    """Return the vertices of all geometries, m, (n, 3), or None when there are none.

    Transforms of the scene's nodes are not applied.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    unit = root.find(".//{*}asset/{*}unit")
    metres = 1.0 if unit is None else float(unit.get("meter", "1"))
    sources = {f"#{source.get('id')}": source for source in root.iter() if source.tag.endswith("}source")}
    points = []
    for given in root.iter():
        if given.tag.endswith("}input") and given.get("semantic") == "POSITION":
            numbers = sources[given.get("source", "")].find("{*}float_array")
            if numbers is not None and numbers.text:
                points.append(np.array(numbers.text.split(), dtype=np.float64).reshape(-1, 3))
    return metres * np.concatenate(points) if points else None


def stl_points(path: str) -> tuple[np.ndarray, bool]:
    """Return the vertices of an STL, (n, 3), and whether it is a binary one.

    Raises:
        ValueError: It is neither a binary nor a text STL.
    """
    data = Path(path).read_bytes()
    count = int.from_bytes(data[80:84], "little")
    if len(data) == 84 + 50 * count:
        facets = np.frombuffer(data, dtype=np.dtype([("numbers", "<f4", (4, 3)), ("rest", "<u2")]), offset=84)
        return facets["numbers"][:, 1:].reshape(-1, 3).astype(np.float64), True
    words = data.decode("ascii", "replace").split()
    corners = [words[i + 1 : i + 4] for i, word in enumerate(words) if word == "vertex"]
    return np.array(corners, dtype=np.float64).reshape(-1, 3), False


def obj_points(path: str) -> np.ndarray:
    """Return the vertices of an OBJ, (n, 3)."""
    lines = Path(path).read_text(errors="replace").splitlines()
    return np.array([line.split()[1:4] for line in lines if line.startswith("v ")], dtype=np.float64).reshape(-1, 3)


def flat_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the lengths and the centre of the box around points without volume, or None when they have one."""
    centred = points - points.mean(axis=0)
    if len(points) > 3 and np.linalg.svd(centred, full_matrices=False)[1][-1] > _FLAT:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    return np.maximum(high - low, 1e-3), 0.5 * (low + high)
