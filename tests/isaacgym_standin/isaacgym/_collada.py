"""Points of COLLADA meshes, which MuJoCo can't read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np


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
