# mypy: ignore-errors
# ruff: noqa: RUF046, UP018  (Warp needs the calls: they make a variable of a constant)
# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""Constraint rows: Jacobian, stiffness and reference acceleration, by MuJoCo's formulas.

MuJoCo Warp makes them in half a dozen kernels, one of which goes through a world's rows one after the other. Here a
world's lanes share its joints, then its contacts. A contact's rows are the four edges of its friction pyramid: its
normal plus and minus each tangent times the friction.
"""

from __future__ import annotations

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from legged_gym.simulators.warp.lanes import THREADS, Worlds, clear, count_before, count_lanes, lanes_of, sync_lanes

wp.set_module_options({"enable_backward": False})

_vec5 = wp.types.vector(length=5, dtype=float)

FEW_ROWS = wp.constant(64)
"""A world with more rows is crowded: the solver has a kernel of its own for such."""


class ConstraintRows:
    """Makes the rows of dry friction, of joint limits reached and of contacts, which have three dimensions each.

    ============ ====== ==================================================================================
    array        shape  meaning
    ============ ====== ==================================================================================
    touching     (N, C) each world's contacts that touch
    num_touching (N,)   how many entries of them count
    crowded      (N,)   worlds with more than ``FEW_ROWS`` rows, and some that no longer have as many
    num_crowded  (1,)   how many entries of them count
    ============ ====== ==================================================================================
    """

    def __init__(self, model: mujoco.MjModel, device_model: mjw.Model, data: mjw.Data, sorted_contacts: int) -> None:
        """Find the joints with limits.

        Args:
            model: The model, whose joints are hinges and slides beside a free base.
            device_model: The same on the device.
            data: Its worlds.
            sorted_contacts: How many contacts each world has in the list, world by world; 0 if they lie there
                anyhow.
        """
        self._model, self._data, self._sorted = device_model, data, sorted_contacts > 0
        self._listed = wp.zeros(data.nworld, dtype=bool)
        self.touching = wp.zeros((data.nworld, sorted_contacts or max(1, data.njmax // 4)), dtype=int)
        self.num_touching = wp.zeros(data.nworld, dtype=int)
        self.crowded, self.num_crowded = wp.zeros(data.nworld, dtype=int), wp.zeros(1, dtype=int)
        self._arrays = self._gather(model, sorted_contacts)

    def _gather(self, model: mujoco.MjModel, sorted_contacts: int) -> list[object]:
        """Put the arrays that the kernel needs into its structures."""
        device_model, data = self._model, self._data
        joints, bodies, contacts, rows = _Joints(), _Bodies(), _Contacts(), _Rows()
        joints.friction, joints.weight = device_model.dof_frictionloss, device_model.dof_invweight0
        joints.solref, joints.solimp = device_model.dof_solref, device_model.dof_solimp
        joints.limited = wp.array(np.flatnonzero(model.jnt_limited).astype(np.int32), dtype=int)
        joints.qpos_at, joints.dof_at = device_model.jnt_qposadr, device_model.jnt_dofadr
        joints.limits, joints.margin = device_model.jnt_range, device_model.jnt_margin
        joints.limit_solref, joints.limit_solimp = device_model.jnt_solref, device_model.jnt_solimp
        bodies.root, bodies.moved_by = device_model.body_rootid, device_model.body_isdofancestor
        bodies.weight, bodies.of_geom = device_model.body_invweight0, device_model.geom_bodyid
        bodies.subtree_com, bodies.cvel, bodies.cdof = data.subtree_com, data.cvel, data.cdof
        contacts.per_world, contacts.geoms, contacts.row = sorted_contacts, data.contact.geom, data.contact.efc_address
        for name in ("dist", "pos", "frame", "friction", "solref", "solimp"):
            setattr(contacts, name, getattr(data.contact, name))
        contacts.touching, contacts.num_touching = self.touching, self.num_touching
        rows.room, rows.jacobian, rows.number = data.njmax, data.efc.J, data.nefc
        rows.stiffness, rows.reference, rows.limit = data.efc.D, data.efc.aref, data.efc.frictionloss
        return [joints, bodies, contacts, rows]

    def make(self, worlds: Worlds, everyone: bool) -> None:
        """Make all rows of the present positions, velocities and contacts of some worlds.

        Args:
            worlds: Which ones; all, if contacts are not sorted.
            everyone: Whether these are all; otherwise the others' rows are left as they are.
        """
        data, lanes = self._data, lanes_of(self._data.qpos.device)
        if not self._sorted:
            self.sort_contacts()
        if everyone:
            clear(self.num_crowded)
        where = [worlds.index, worlds.number, worlds.slots, lanes, everyone]
        wp.launch(
            _make_rows,
            dim=(worlds.slots, lanes),
            inputs=[*where, self._model.opt.timestep, data.qpos, data.qvel, *self._arrays],
            outputs=[self.crowded, self.num_crowded, self._listed],
            block_dim=THREADS,
        )

    def sort_contacts(self) -> None:
        """List each world's contacts that touch."""
        data, outputs = self._data, [self.touching, self.num_touching]
        self.num_touching.zero_()
        inputs = [data.nacon, data.contact.worldid, data.contact.dist]
        wp.launch(_sort_contacts, dim=data.naconmax, inputs=inputs, outputs=outputs)


@wp.kernel
def _sort_contacts(
    num_contacts: wp.array[int],
    contact_world: wp.array[int],
    contact_dist: wp.array[float],
    touching: wp.array2d[int],
    num_touching: wp.array[int],
) -> None:
    """Put contacts that touch on their world's list, the number of which may exceed its length. One thread each."""
    contact = wp.tid()
    if contact >= wp.min(num_contacts[0], contact_world.shape[0]) or contact_dist[contact] >= 0.0:
        return
    world = contact_world[contact]
    place = wp.atomic_add(num_touching, world, 1)
    if place < touching.shape[1]:
        touching[world, place] = contact


@wp.func
def _impedance(depth: float, solimp: _vec5) -> float:
    """Return MuJoCo's impedance, between 0 and 1, of a constraint that is ``depth`` deep, m or rad."""
    low, high = wp.clamp(solimp[0], 1.0e-4, 0.9999), wp.clamp(solimp[1], 1.0e-4, 0.9999)
    width, middle, power = solimp[2], wp.clamp(solimp[3], 1.0e-4, 0.9999), wp.max(solimp[4], 1.0)
    if low == high or width <= 1.0e-15:
        return 0.5 * (low + high)
    x = wp.min(depth / width, 1.0)
    y = wp.pow(x, power) / wp.pow(middle, power - 1.0)
    if x > middle:
        y = 1.0 - wp.pow(1.0 - x, power) / wp.pow(1.0 - middle, power - 1.0)
    return low + y * (high - low)


@wp.func
def _spring(solref: wp.vec2, high: float, timestep: float) -> wp.vec2:
    """Return stiffness and damping of a constraint's reference, both divided by the largest impedance."""
    time = wp.max(solref[0], 2.0 * timestep)
    stiffness, damping = 1.0 / (high * high * time * time * solref[1] * solref[1]), 2.0 / (high * time)
    if solref[0] <= 0.0:
        stiffness = -solref[0] / (high * high)
    if solref[1] <= 0.0:
        damping = -solref[1] / high
    return wp.vec2(stiffness, damping)


@wp.func
def _stiffness(weight: float, impedance: float) -> float:
    """Return the stiffness of a row on whose motion a unit force has the effect ``weight``."""
    return 1.0 / wp.max(weight * (1.0 - impedance) / impedance, 1.0e-15)


@wp.struct
class _Joints:
    """What makes a row of a joint; ``limited`` lists those with limits."""

    friction: wp.array2d[float]
    weight: wp.array2d[float]
    solref: wp.array2d[wp.vec2]
    solimp: wp.array2d[_vec5]
    limited: wp.array[int]
    qpos_at: wp.array[int]
    dof_at: wp.array[int]
    limits: wp.array2d[wp.vec2]
    margin: wp.array2d[float]
    limit_solref: wp.array2d[wp.vec2]
    limit_solimp: wp.array2d[_vec5]


@wp.struct
class _Bodies:
    """Where bodies are in the tree and how they move."""

    root: wp.array[int]
    moved_by: wp.array2d[int]
    weight: wp.array2d[wp.vec2]
    of_geom: wp.array[int]
    subtree_com: wp.array2d[wp.vec3]
    cvel: wp.array2d[wp.spatial_vector]
    cdof: wp.array2d[wp.spatial_vector]


@wp.struct
class _Contacts:
    """The list of contacts, ``per_world`` for each world if sorted, and each world's own of those that touch."""

    per_world: int
    geoms: wp.array[wp.vec2i]
    dist: wp.array[float]
    pos: wp.array[wp.vec3]
    frame: wp.array[wp.mat33]
    friction: wp.array[_vec5]
    solref: wp.array[wp.vec2]
    solimp: wp.array[_vec5]
    row: wp.array2d[int]
    touching: wp.array2d[int]
    num_touching: wp.array[int]


@wp.struct
class _Rows:
    """What is made; each world has room for so many."""

    room: int
    jacobian: wp.array3d[float]
    stiffness: wp.array2d[float]
    reference: wp.array2d[float]
    limit: wp.array2d[float]
    number: wp.array[int]


@wp.func
def _make_joint_rows(
    world: int,
    lane: int,
    lanes: int,
    timestep: float,
    joints: _Joints,
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    rows: _Rows,
) -> int:
    """Make the rows of dry friction, then those of limits, as far as they act, and return their number."""
    dofs, number = qvel.shape[1], int(0)
    for first in range(0, dofs + joints.limited.shape[0], lanes):
        candidate, joint, above, below, most = first + lane, int(0), float(0.0), float(0.0), float(0.0)
        if candidate < dofs:
            most = joints.friction[world, candidate]
        elif candidate < dofs + joints.limited.shape[0]:
            joint = joints.limited[candidate - dofs]
            position = qpos[world, joints.qpos_at[joint]]
            above = position - joints.limits[0, joint][0] - joints.margin[0, joint]
            below = joints.limits[0, joint][1] - position - joints.margin[0, joint]
        depth = -wp.min(above, below)
        acts = most > 0.0 or depth > 0.0
        row = number + count_before(acts, lane)
        number += count_lanes(acts)
        if acts and row < rows.room:
            if candidate < dofs:
                solref = joints.solref[0, candidate]
                solimp = joints.solimp[0, candidate]
                _make_joint_row(world, row, candidate, 1.0, 0.0, most, timestep, solref, solimp, joints, qvel, rows)
            else:
                dof, direction = joints.dof_at[joint], wp.where(above < below, 1.0, -1.0)
                solref = joints.limit_solref[0, joint]
                solimp = joints.limit_solimp[0, joint]
                _make_joint_row(world, row, dof, direction, depth, 0.0, timestep, solref, solimp, joints, qvel, rows)
    return number


@wp.func
def _make_joint_row(
    world: int,
    row: int,
    dof: int,
    direction: float,
    depth: float,
    most: float,
    timestep: float,
    solref: wp.vec2,
    solimp: _vec5,
    joints: _Joints,
    qvel: wp.array2d[float],
    rows: _Rows,
) -> None:
    """Make a row along one degree of freedom, whose force is at most ``most``; 0 for one without bound that pushes."""
    for i in range(qvel.shape[1]):
        rows.jacobian[world, row, i] = wp.where(i == dof, direction, 0.0)
    impedance = _impedance(depth, solimp)
    spring = _spring(solref, wp.clamp(solimp[1], 1.0e-4, 0.9999), timestep)
    rows.stiffness[world, row] = _stiffness(joints.weight[world, dof], impedance)
    rows.reference[world, row] = spring[0] * impedance * depth - spring[1] * direction * qvel[world, dof]
    rows.limit[world, row] = most


@wp.func
def _list_touching(world: int, lane: int, lanes: int, contacts: _Contacts) -> int:
    """List the contacts of a world that touch, where the list of all is sorted, and return their number."""
    number = int(0)
    for first in range(0, contacts.per_world, lanes):
        contact, touches = world * contacts.per_world + first + lane, bool(False)
        if first + lane < contacts.per_world:
            touches = contacts.dist[contact] < 0.0
        place = number + count_before(touches, lane)
        number += count_lanes(touches)
        if touches:
            contacts.touching[world, place] = contact
    if contacts.per_world == 0:
        number = contacts.num_touching[world]
    return number


@wp.func
def _velocity_at(world: int, body: int, point: wp.vec3, bodies: _Bodies) -> wp.vec3:
    """Return the velocity of a body's material at a point."""
    velocity = bodies.cvel[world, body]
    arm = point - bodies.subtree_com[world, bodies.root[body]]
    return wp.where(body > 0, wp.spatial_bottom(velocity) + wp.cross(wp.spatial_top(velocity), arm), wp.vec3())


@wp.func
def _motion_of(world: int, body: int, dof: int, point: wp.vec3, bodies: _Bodies) -> wp.vec3:
    """Return the velocity of a body's material at a point while one degree of freedom moves at unit speed."""
    axis = bodies.cdof[world, dof]
    arm = point - bodies.subtree_com[world, bodies.root[body]]
    motion = wp.spatial_bottom(axis) + wp.cross(wp.spatial_top(axis), arm)
    return wp.where(bodies.moved_by[body, dof] != 0, motion, wp.vec3())


@wp.func
def _along_edges(motion: wp.vec3, frame: wp.mat33, friction: _vec5) -> wp.vec4:
    """Return the second geom's motion relative to the first's along the four edges of the friction pyramid."""
    local = frame * motion
    one, other = local[1] * friction[0], local[2] * friction[1]
    return wp.vec4(local[0] + one, local[0] - one, local[0] + other, local[0] - other)


@wp.func
def _make_contact_rows(
    world: int, contact: int, row: int, timestep: float, bodies: _Bodies, contacts: _Contacts, rows: _Rows
) -> None:
    """Make the four rows of a contact without their Jacobian."""
    contacts.row[contact, 0] = row
    point, friction, solimp = contacts.pos[contact], contacts.friction[contact], contacts.solimp[contact]
    first, second = bodies.of_geom[contacts.geoms[contact][0]], bodies.of_geom[contacts.geoms[contact][1]]
    depth, slip = -contacts.dist[contact], friction[0]
    velocity = _velocity_at(world, second, point, bodies) - _velocity_at(world, first, point, bodies)
    speeds = _along_edges(velocity, contacts.frame[contact], friction)
    impedance = _impedance(depth, solimp)
    spring = _spring(contacts.solref[contact], wp.clamp(solimp[1], 1.0e-4, 0.9999), timestep)
    weight = bodies.weight[world, first][0] + bodies.weight[world, second][0]
    stiffness = _stiffness(weight * 2.0 * slip * slip * (1.0 + slip * slip), impedance)
    for i in range(4):
        rows.stiffness[world, row + i] = stiffness
        rows.reference[world, row + i] = spring[0] * impedance * depth - spring[1] * speeds[i]
        rows.limit[world, row + i] = 0.0


@wp.func
def _make_contact_jacobian(
    world: int, contact: int, row: int, dof: int, bodies: _Bodies, contacts: _Contacts, rows: _Rows
) -> None:
    """Make the entries of a contact's four rows for one degree of freedom."""
    point = contacts.pos[contact]
    first, second = bodies.of_geom[contacts.geoms[contact][0]], bodies.of_geom[contacts.geoms[contact][1]]
    motion = _motion_of(world, second, dof, point, bodies) - _motion_of(world, first, dof, point, bodies)
    edges = _along_edges(motion, contacts.frame[contact], contacts.friction[contact])
    for i in range(4):
        rows.jacobian[world, row + i, dof] = edges[i]


@wp.kernel
def _make_rows(
    worlds: wp.array[int],
    number: wp.array[int],
    slots: int,
    lanes: int,
    everyone: bool,
    opt_timestep: wp.array[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    joints: _Joints,
    bodies: _Bodies,
    contacts: _Contacts,
    rows: _Rows,
    crowded: wp.array[int],
    num_crowded: wp.array[int],
    listed: wp.array[bool],
) -> None:
    slot, lane = wp.tid()
    dofs, timestep = qvel.shape[1], opt_timestep[0]
    for k in range(slot, number[0], slots):
        world = worlds[k]
        first = _make_joint_rows(world, lane, lanes, timestep, joints, qpos, qvel, rows)
        touching = _list_touching(world, lane, lanes, contacts)
        fitting = wp.clamp((rows.room - first) // 4, 0, wp.min(touching, contacts.touching.shape[1]))
        sync_lanes()
        for t in range(lane, fitting, lanes):
            _make_contact_rows(world, contacts.touching[world, t], first + 4 * t, timestep, bodies, contacts, rows)
        for t in range(lane, fitting * dofs, lanes):
            contact, row = contacts.touching[world, t // dofs], first + 4 * (t // dofs)
            _make_contact_jacobian(world, contact, row, t % dofs, bodies, contacts, rows)
        total = first + 4 * touching
        if total > rows.room:
            # The room that is left must not hold what somebody else has left there.
            for row in range(first + 4 * fitting + lane, rows.room, lanes):
                rows.stiffness[world, row] = 0.0
        if lane == 0:
            rows.number[world] = total
            contacts.num_touching[world] = fitting
            if total > FEW_ROWS and (everyone or not listed[world]):
                crowded[wp.atomic_add(num_crowded, 0, 1)] = world
            listed[world] = total > FEW_ROWS or (listed[world] and not everyone)
        # The next world of these lanes must not overwrite what another lane still reads.
        sync_lanes()
