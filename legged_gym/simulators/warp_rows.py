# mypy: ignore-errors
# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""Constraint rows of contacts: Jacobian, stiffness and reference acceleration, by MuJoCo's formulas.

MuJoCo Warp makes them in three kernels, one of which goes through a world's rows one after the other. Here every
contact is a thread's. Rows are the four edges of a contact's friction pyramid: its normal plus and minus each tangent
times the friction.
"""

from __future__ import annotations

import mujoco
import mujoco_warp as mjw
import warp as wp

wp.set_module_options({"enable_backward": False})

_vec5 = wp.types.vector(length=5, dtype=float)
_NO_CONTACTS = int(mujoco.mjtDisableBit.mjDSBL_CONTACT.value)


def make_rows(model: mjw.Model, data: mjw.Data) -> None:
    """Make all constraint rows of the present positions, velocities and contacts, which have three dimensions each."""
    flags = model.opt.disableflags
    model.opt.disableflags = flags | _NO_CONTACTS
    mjw.make_constraint(model, data)
    model.opt.disableflags = flags
    contact, rows = data.contact, data.efc
    wp.launch(
        _make_contact_rows,
        dim=data.naconmax,
        inputs=[
            model.opt.timestep, model.body_rootid, model.body_isdofancestor, model.body_invweight0, model.geom_bodyid,
            data.qvel, data.cdof, data.subtree_com, data.nacon, data.njmax, contact.worldid, contact.geom,
            contact.dist, contact.pos, contact.frame, contact.friction, contact.solref, contact.solimp,
        ],
        outputs=[data.nefc, contact.efc_address, rows.J, rows.D, rows.aref, rows.frictionloss],
    )  # fmt: skip


@wp.func
def _impedance(depth: float, solimp: _vec5) -> float:
    """Return MuJoCo's impedance, between 0 and 1, of a contact that is ``depth`` deep, m."""
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


@wp.kernel
def _make_contact_rows(
    opt_timestep: wp.array[float],
    body_root: wp.array[int],
    body_moved_by: wp.array2d[int],
    body_invweight: wp.array2d[wp.vec2],
    geom_body: wp.array[int],
    qvel: wp.array2d[float],
    cdof: wp.array2d[wp.spatial_vector],
    subtree_com: wp.array2d[wp.vec3],
    num_contacts: wp.array[int],
    max_rows: int,
    contact_world: wp.array[int],
    contact_geom: wp.array[wp.vec2i],
    contact_dist: wp.array[float],
    contact_pos: wp.array[wp.vec3],
    contact_frame: wp.array[wp.mat33],
    contact_friction: wp.array[_vec5],
    contact_solref: wp.array[wp.vec2],
    contact_solimp: wp.array[_vec5],
    num_rows: wp.array[int],
    contact_rows: wp.array2d[int],
    jacobian: wp.array3d[float],
    row_stiffness: wp.array2d[float],
    row_reference: wp.array2d[float],
    row_limit: wp.array2d[float],
) -> None:
    """Make the rows of a contact. One thread a contact."""
    contact = wp.tid()
    if contact >= wp.min(num_contacts[0], contact_world.shape[0]):
        return
    contact_rows[contact, 0] = -1
    depth = -contact_dist[contact]
    if depth <= 0.0:
        return
    world = contact_world[contact]
    row = wp.atomic_add(num_rows, world, 4)
    if row + 4 > max_rows:
        # The room that is left must not hold what somebody else has left there.
        for i in range(row, max_rows):
            row_stiffness[world, i] = 0.0
        return
    contact_rows[contact, 0] = row
    first, second = geom_body[contact_geom[contact][0]], geom_body[contact_geom[contact][1]]
    frame, friction, position = contact_frame[contact], contact_friction[contact], contact_pos[contact]
    first_arm = position - subtree_com[world, body_root[first]]
    second_arm = position - subtree_com[world, body_root[second]]
    velocity = wp.vec4(0.0, 0.0, 0.0, 0.0)
    for dof in range(qvel.shape[1]):
        axis, motion = cdof[world, dof], wp.vec3(0.0, 0.0, 0.0)
        if body_moved_by[second, dof] != 0:
            motion += wp.spatial_bottom(axis) + wp.cross(wp.spatial_top(axis), second_arm)
        if body_moved_by[first, dof] != 0:
            motion -= wp.spatial_bottom(axis) + wp.cross(wp.spatial_top(axis), first_arm)
        local = frame * motion
        one, other = local[1] * friction[0], local[2] * friction[1]
        edges = wp.vec4(local[0] + one, local[0] - one, local[0] + other, local[0] - other)
        velocity += edges * qvel[world, dof]
        for i in range(4):
            jacobian[world, row + i, dof] = edges[i]
    solimp, timestep = contact_solimp[contact], opt_timestep[0]
    impedance = _impedance(depth, solimp)
    spring = _spring(contact_solref[contact], wp.clamp(solimp[1], 1.0e-4, 0.9999), timestep)
    lightness = body_invweight[world, first][0] + body_invweight[world, second][0]
    lightness *= 2.0 * friction[0] * friction[0] * (1.0 + friction[0] * friction[0])
    stiffness = 1.0 / wp.max(lightness * (1.0 - impedance) / impedance, 1.0e-15)
    for i in range(4):
        row_stiffness[world, row + i] = stiffness
        row_reference[world, row + i] = spring[0] * impedance * depth - spring[1] * velocity[i]
        row_limit[world, row + i] = 0.0
