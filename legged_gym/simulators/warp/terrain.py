# mypy: ignore-errors
# Warp compiles most of these functions itself; Python's typing rules do not hold in them.
"""Contacts between robots and the ground, many times as fast as MuJoCo Warp's general search.

Every collision shape is stood for by spheres: a sphere by itself, a capsule by those at its ends (and some between, if
it is longer than a cell), a box by its corners, with radius 0. Each sphere touches the ground in at most one point,
where it is deepest. On a plane, and for spheres, that is exact; a capsule then meets a height field as it meets a
plane, in two points, where MuJoCo finds one point in each triangle below it.
"""

from __future__ import annotations

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from legged_gym.simulators.mujoco_model import HeightField, Scene
from legged_gym.simulators.warp.lanes import Worlds

wp.set_module_options({"enable_backward": False})

_MIN_FRICTION = wp.constant(1e-5)
_FAR = wp.constant(1.0e6)
_PLANE, _HFIELD, _SPHERE, _CAPSULE, _BOX = (
    int(shape.value)
    for shape in (
        mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_HFIELD, mujoco.mjtGeom.mjGEOM_SPHERE,
        mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_BOX,
    )
)  # fmt: skip
_vec5 = wp.types.vector(length=5, dtype=float)


class GroundContacts:
    """Finds the contacts of all robots with one ground, which all share, and of nothing else.

    Each sphere of each robot has a contact of its own in the list, whether it touches or not: world by world, in the
    order of the links. So no contact is lost, and those of some robots can be found again without the others'.
    """

    def __init__(self, scene: Scene, terrain: HeightField | None, model: mjw.Model, data: mjw.Data) -> None:
        """Lay out the spheres and fill in what is the same for every contact.

        Args:
            scene: The compiled scene; :meth:`supports` says whether it will do.
            terrain: The height field of the scene; a plane without it.
            model: The scene on the device.
            data: Its worlds, with room for :meth:`room` contacts each; the contacts in here are written.
        """
        self._model, self._data, self._ground = model, data, scene.ground_id
        geoms, offsets, radii = _spheres(scene, terrain)
        bodies = scene.model.geom_bodyid[geoms]
        sides = np.zeros((len(geoms), 3))
        if terrain is None:
            # MuJoCo lays the friction's axes along a capsule on a plane, but not on a height field.
            for i in np.flatnonzero(scene.model.geom_type[geoms] == _CAPSULE):
                sides[i] = _turned(scene.model.geom_quat[geoms[i]], [0.0, 0.0, 1.0])
        self._bodies = wp.array(bodies, dtype=int)
        self._offsets = wp.array(offsets, dtype=wp.vec3)
        self._sides = wp.array(sides, dtype=wp.vec3)
        self._radii = wp.array(radii, dtype=float)
        # A plane is a field without points.
        heights, origin = (terrain.heights, terrain.origin) if terrain is not None else (np.zeros((0, 0)), (0.0, 0.0))
        self._heights = wp.array(np.ascontiguousarray(heights, dtype=np.float32), dtype=float)
        self._highest = float(heights.max(initial=0.0))
        self._origin = wp.vec2(float(origin[0]), float(origin[1]))
        self._cell = float(terrain.horizontal_scale) if terrain is not None else 1.0
        contact, ground = data.contact, scene.ground_id
        contact.worldid.assign(np.repeat(np.arange(data.nworld), len(geoms)))
        contact.geom.assign(np.tile(np.stack((np.full(len(geoms), ground), geoms), axis=1), (data.nworld, 1)))
        contact.includemargin.zero_()
        contact.solref.fill_(wp.vec2(*map(float, scene.model.geom_solref[ground])))
        contact.solreffriction.zero_()
        contact.solimp.fill_(_vec5(*map(float, scene.model.geom_solimp[ground])))
        contact.dim.fill_(3)
        contact.type.fill_(1)
        data.nacon.fill_(data.naconmax)

    @staticmethod
    def room(scene: Scene, terrain: HeightField | None) -> int:
        """Return for how many contacts of each world there must be room."""
        return len(_spheres(scene, terrain)[0])

    @staticmethod
    def supports(scene: Scene) -> bool:
        """Whether the robot has only shapes that spheres can stand for and collides with nothing but the ground."""
        model = scene.model
        robot = [i for i in range(model.ngeom) if i != scene.ground_id and model.geom_contype[i]]
        return (
            model.geom_type[scene.ground_id] in (_PLANE, _HFIELD)
            and all(model.geom_type[i] in (_SPHERE, _CAPSULE, _BOX) for i in robot)
            and not any(model.geom_conaffinity[i] & model.geom_contype[j] for i in robot for j in robot)
        )

    def detect(self, worlds: Worlds) -> None:
        """Write the contacts of the present positions of some worlds."""
        data, contact = self._data, self._data.contact
        wp.launch(
            _touch,
            dim=(worlds.slots, len(self._bodies)),
            inputs=[
                worlds.index, worlds.number, worlds.slots, self._bodies, self._offsets, self._sides, self._radii,
                self._heights, self._origin, self._cell, self._highest, self._ground, self._model.geom_friction,
                data.xpos, data.xquat,
            ],
            outputs=[contact.dist, contact.pos, contact.frame, contact.friction],
        )  # fmt: skip


def _turned(quat: np.ndarray, vector: list[float]) -> np.ndarray:
    result = np.empty(3)
    mujoco.mju_rotVecQuat(result, np.array(vector), quat)
    return result


def _spheres(scene: Scene, terrain: HeightField | None) -> tuple[list[int], list[list[float]], list[float]]:
    """Return geom, offset in its link's frame, m, and radius, m, of every sphere, in the order of the links."""
    geoms: list[int] = []
    offsets: list[list[float]] = []
    radii: list[float] = []
    model = scene.model
    for geom in range(model.ngeom):
        if geom == scene.ground_id or not model.geom_contype[geom]:
            continue
        size = model.geom_size[geom]
        if model.geom_type[geom] == _CAPSULE:
            number = 2 + (int(2.0 * size[1] / terrain.horizontal_scale) if terrain is not None else 0)
            centres = [[0.0, 0.0, z] for z in np.linspace(-size[1], size[1], number)]
        elif model.geom_type[geom] == _BOX:
            signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
            centres = (signs * size).tolist()
        else:
            centres = [[0.0, 0.0, 0.0]]
        is_box = model.geom_type[geom] == _BOX
        geoms += [geom] * len(centres)
        offsets += [(model.geom_pos[geom] + _turned(model.geom_quat[geom], centre)).tolist() for centre in centres]
        radii += [0.0 if is_box else float(size[0])] * len(centres)
    return geoms, offsets, radii


@wp.func
def _closest_on_segment(point: wp.vec3, start: wp.vec3, end: wp.vec3) -> wp.vec3:
    along = end - start
    return start + wp.clamp(wp.dot(point - start, along) / wp.dot(along, along), 0.0, 1.0) * along


@wp.func
def _nearer(point: wp.vec3, a: wp.vec3, b: wp.vec3) -> wp.vec3:
    return wp.where(wp.length_sq(point - a) < wp.length_sq(point - b), a, b)


@wp.func
def _touch_triangle(centre: wp.vec3, above: bool, a: wp.vec3, b: wp.vec3, c: wp.vec3, limit: float) -> wp.vec4:
    """Return direction from the surface to a sphere's centre and distance, negative if below; a, b, c turn left.

    Args:
        centre: The sphere's centre.
        above: Whether it is above this triangle: only this one can be pierced from above to below.
        a: First corner.
        b: Second corner.
        c: Third corner.
        limit: Distance above which the exact value does not matter; then any larger one is returned.
    """
    normal = wp.normalize(wp.cross(b - a, c - a))
    height = wp.dot(centre - a, normal)
    if height >= limit:
        return wp.vec4(0.0, 0.0, 1.0, _FAR)
    if height <= 0.0:
        distance = wp.where(above, height, _FAR)
        return wp.vec4(normal[0], normal[1], normal[2], distance)
    foot = centre - height * normal
    inside = (
        wp.dot(wp.cross(b - a, foot - a), normal) >= 0.0
        and wp.dot(wp.cross(c - b, foot - b), normal) >= 0.0
        and wp.dot(wp.cross(a - c, foot - c), normal) >= 0.0
    )
    if inside:
        return wp.vec4(normal[0], normal[1], normal[2], height)
    edge = _nearer(centre, _closest_on_segment(centre, a, b), _closest_on_segment(centre, b, c))
    away = centre - _nearer(centre, edge, _closest_on_segment(centre, c, a))
    distance = wp.length(away)
    direction = away / wp.max(distance, 1.0e-9)
    return wp.vec4(direction[0], direction[1], direction[2], distance)


@wp.func
def _touch_cell(
    centre: wp.vec3,
    u: float,
    v: float,
    i: int,
    j: int,
    heights: wp.array2d[float],
    origin: wp.vec2,
    cell: float,
    limit: float,
) -> wp.vec4:
    """Return the nearer of :func:`_touch_triangle` of a cell's two triangles, split as MuJoCo splits them."""
    x, y = origin[0] + float(i) * cell, origin[1] + float(j) * cell
    low = wp.vec3(x, y, heights[i, j])
    right = wp.vec3(x + cell, y, heights[i + 1, j])
    left = wp.vec3(x, y + cell, heights[i, j + 1])
    high = wp.vec3(x + cell, y + cell, heights[i + 1, j + 1])
    here = int(wp.floor(u)) == i and int(wp.floor(v)) == j
    is_left = v - float(j) > u - float(i)
    first = _touch_triangle(centre, here and not is_left, low, right, high, limit)
    second = _touch_triangle(centre, here and is_left, low, high, left, wp.min(limit, first[3]))
    return wp.where(first[3] < second[3], first, second)


@wp.func
def _frame(normal: wp.vec3, side: wp.vec3) -> wp.mat33:
    """Complete a contact's normal to a frame, its axes in rows, as MuJoCo does; ``side`` may be zero."""
    if wp.length_sq(side) < 0.25:
        side = wp.where(wp.abs(normal[1]) < 0.5, wp.vec3(0.0, 1.0, 0.0), wp.vec3(0.0, 0.0, 1.0))
    side = wp.normalize(side - wp.dot(side, normal) * normal)
    return wp.matrix_from_rows(normal, side, wp.cross(normal, side))


@wp.func
def _touch_ground(
    centre: wp.vec3, radius: float, heights: wp.array2d[float], origin: wp.vec2, cell: float, highest: float
) -> wp.vec4:
    """Return direction from the ground to a sphere's centre and distance; some from ``radius`` on if farther away."""
    bottom = centre[2] - radius
    best = wp.vec4(0.0, 0.0, 1.0, _FAR)
    # Written so that a position that is not a number touches nothing.
    if not bottom < highest:
        return best
    if heights.shape[0] == 0:
        return wp.vec4(0.0, 0.0, 1.0, centre[2])
    u, v, reach = (centre[0] - origin[0]) / cell, (centre[1] - origin[1]) / cell, radius / cell
    last_i, last_j = heights.shape[0] - 2, heights.shape[1] - 2
    # Compared before they are rounded, which far off would not fit an integer; a robot out there touches nothing.
    if not (u + reach > 0.0 and v + reach > 0.0 and u - reach < float(last_i + 1) and v - reach < float(last_j + 1)):
        return best
    for i in range(wp.max(int(wp.floor(u - reach)), 0), wp.min(int(wp.floor(u + reach)), last_i) + 1):
        for j in range(wp.max(int(wp.floor(v - reach)), 0), wp.min(int(wp.floor(v + reach)), last_j) + 1):
            top = wp.max(wp.max(heights[i, j], heights[i + 1, j]), wp.max(heights[i, j + 1], heights[i + 1, j + 1]))
            if top > bottom:
                touch = _touch_cell(centre, u, v, i, j, heights, origin, cell, wp.min(radius, best[3]))
                best = wp.where(touch[3] < best[3], touch, best)
    return best


@wp.kernel
def _touch(
    worlds: wp.array[int],
    number: wp.array[int],
    slots: int,
    bodies: wp.array[int],
    offsets: wp.array[wp.vec3],
    sides: wp.array[wp.vec3],
    radii: wp.array[float],
    heights: wp.array2d[float],
    origin: wp.vec2,
    cell: float,
    highest: float,
    ground: int,
    geom_friction: wp.array2d[wp.vec3],
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
    contact_dist: wp.array[float],
    contact_pos: wp.array[wp.vec3],
    contact_frame: wp.array[wp.mat33],
    contact_friction: wp.array[_vec5],
) -> None:
    """Write the contact of a sphere with the ground; its distance is positive without one. One thread a sphere."""
    slot, sphere = wp.tid()
    body, radius = int(bodies[sphere]), float(radii[sphere])
    for k in range(slot, number[0], slots):
        world = worlds[k]
        contact = world * bodies.shape[0] + sphere
        wxyz = xquat[world, body]
        rotation = wp.quat(wxyz[1], wxyz[2], wxyz[3], wxyz[0])
        centre = xpos[world, body] + wp.quat_rotate(rotation, offsets[sphere])
        touch = _touch_ground(centre, radius, heights, origin, cell, highest)
        distance, normal = touch[3] - radius, wp.vec3(touch[0], touch[1], touch[2])
        contact_dist[contact] = distance
        if distance < 0.0:
            friction = geom_friction[world, ground]
            sliding, spinning, rolling = wp.max(friction[0], _MIN_FRICTION), friction[1], friction[2]
            contact_pos[contact] = centre - (radius + 0.5 * distance) * normal
            contact_frame[contact] = _frame(normal, wp.quat_rotate(rotation, sides[sphere]))
            contact_friction[contact] = _vec5(sliding, sliding, spinning, rolling, rolling)
