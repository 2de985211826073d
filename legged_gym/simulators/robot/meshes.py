"""Finding and reading meshes: STL, OBJ and DAE, and no other file that they or the robot's file may name."""

from __future__ import annotations

import functools
import io
import os
import urllib.parse

import numpy as np
import trimesh

from legged_gym.common.paths import plain_file
from legged_gym.simulators.robot.robot_file import one_line

FORMATS = (".stl", ".obj", ".dae")
_MAX_BYTES = 200_000_000
_THINNEST = 1e-3
"""What a flat shape is taken for, m: nothing collides with a shape without volume."""


class MeshError(Exception):
    """A mesh that is missing or can't be read."""


def find_mesh(name: str, robot: str, folders: tuple[str, ...] = ()) -> str:
    """Return the path of a mesh from its name in the file ``robot``; ``MeshError`` if it is nowhere or of no such kind.

    That is a path from its folder, from one above or from one of ``folders``, or begins with ``package://``.
    """
    if not name.lower().endswith(FORMATS):
        raise MeshError(f"'{name}' is none of {', '.join(FORMATS)}")
    scheme, _, rest = name.rpartition("://")
    place = rest if scheme == "file" else rest.lstrip("/")
    if not scheme:
        place = name
    folder = os.path.dirname(os.path.abspath(robot))
    # A package's name is that of a folder somewhere above, which may have been renamed.
    inside = place.split("/", 1)[-1] if scheme else place
    above = [folder]
    while os.path.dirname(above[-1]) != above[-1]:
        above.append(os.path.dirname(above[-1]))
    candidates = [os.path.join(folder, place), *(os.path.join(extra, place) for extra in folders)]
    candidates += [os.path.join(parent, part) for parent in above for part in (place, inside)]
    # Some programs write blanks as in addresses, and folders as Windows does.
    for candidate in (*candidates, *(urllib.parse.unquote(path).replace("\\", "/") for path in candidates)):
        if os.path.isfile(candidate):
            return os.path.normpath(candidate)
    raise MeshError(f"no mesh '{name}' beside the file or in a folder above it")


def read_mesh(path: str, scale: tuple[float, ...], hull: bool) -> trimesh.Trimesh:
    """Read a mesh, m, scaled along each axis, or with ``hull`` its convex hull; ``MeshError`` if it can't be read."""
    try:
        size = os.stat(path)
        if size.st_size > _MAX_BYTES:
            raise MeshError(f"mesh '{path}' has {size.st_size / 1e6:.0f} MB, of which at most 200 are read")
        return _read(path, size.st_mtime_ns, scale, hull)
    except MeshError:
        raise
    except Exception as error:
        # Every reader has its own ways to fail on a damaged file.
        raise MeshError(f"mesh '{path}' can't be read: {one_line(error) or type(error).__name__}") from error


@functools.lru_cache(maxsize=512)
def _read(path: str, _changed: int, scale: tuple[float, ...], hull: bool) -> trimesh.Trimesh:
    with open(plain_file(path), "rb") as file:
        kind = os.path.splitext(path)[1][1:].lower()
        # Without a resolver it can't open what the mesh names: textures, other meshes.
        scene = trimesh.load_scene(io.BytesIO(file.read()), file_type=kind, resolver=None)
    mesh = scene.to_geometry()
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0 or not np.isfinite(mesh.vertices).all():
        raise MeshError(f"mesh '{path}' holds no triangles")
    units = str(mesh.units or "")
    mesh.apply_scale(float(units.split()[0]) if units.endswith("* meters") else 1.0)
    mesh.apply_transform(np.diag([*scale, 1.0]))
    if hull:
        mesh = _hull(mesh)
    # Without what the file says of normals and colours.
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def _hull(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    extents = mesh.extents
    if extents.min() < _THINNEST * 1e-2:
        box = trimesh.creation.box(np.maximum(extents, _THINNEST))
        box.apply_translation(mesh.bounds.mean(axis=0))
        return box
    return mesh.convex_hull
