# mypy: ignore-errors
# ruff: noqa: UP018  (Warp needs the calls: they make a variable of a constant)

# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""GPU kernels between MuJoCo Warp's arrays and the state tensors of :class:`WarpSimulator`.

MuJoCo's conventions on its side: quaternions are wxyz, a free joint's angular velocity is in the base's frame, a
body's velocity (angular part first) is stated at the robot's centre of mass. Body 0 is MuJoCo's world; the robot's
links follow, base first. ``mask`` says which worlds take part; those that do are listed for the kernels that follow.
"""

from __future__ import annotations

import mujoco_warp as mjw
import warp as wp

from legged_gym.simulators.warp.solver import DIVERGED

wp.set_module_options({"enable_backward": False})

_FULL_CONTACTS = wp.constant(int(mjw.OverflowType.BROADPHASE | mjw.OverflowType.NARROWPHASE | mjw.OverflowType.CCD))
_FULL_CONSTRAINTS = wp.constant(int(mjw.OverflowType.NEFC))
_FULL_HEIGHT_FIELD = wp.constant(int(mjw.OverflowType.HFIELD))

_vec5 = wp.types.vector(length=5, dtype=float)


@wp.func
def _write_base_velocity(
    world: int, velocity: wp.array2d[float], column: int, qpos: wp.array2d[float], qvel: wp.array2d[float]
) -> None:
    """Write linear and angular velocity (world frame) of a free base whose ``qpos`` is current."""
    for i in range(3):
        qvel[world, i] = velocity[world, column + i]
    rotation = wp.quat(qpos[world, 4], qpos[world, 5], qpos[world, 6], qpos[world, 3])
    angular = wp.vec3(velocity[world, column + 3], velocity[world, column + 4], velocity[world, column + 5])
    local = wp.quat_rotate_inv(rotation, angular)
    for i in range(3):
        qvel[world, 3 + i] = local[i]


@wp.kernel
def write_state(
    mask: wp.array[bool],
    root_states: wp.array2d[float],
    dof_pos: wp.array2d[float],
    dof_vel: wp.array2d[float],
    free_base: bool,
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    qfrc_applied: wp.array2d[float],
    qacc: wp.array2d[float],
    qacc_warmstart: wp.array2d[float],
    listed: wp.array[int],
    num_listed: wp.array[int],
) -> None:
    """Put worlds into given states, with zero forces and a zero first guess of the solver. One thread a world."""
    world = wp.tid()
    if not mask[world]:
        return
    listed[wp.atomic_add(num_listed, 0, 1)] = world
    if free_base:
        for i in range(3):
            qpos[world, i] = root_states[world, i]
            qpos[world, 4 + i] = root_states[world, 3 + i]
        qpos[world, 3] = root_states[world, 6]
        _write_base_velocity(world, root_states, 7, qpos, qvel)
    dofs = dof_pos.shape[1]
    first_position, first_velocity = qpos.shape[1] - dofs, qvel.shape[1] - dofs
    for i in range(dofs):
        qpos[world, first_position + i] = dof_pos[world, i]
        qvel[world, first_velocity + i] = dof_vel[world, i]
    for i in range(qvel.shape[1]):
        qfrc_applied[world, i] = 0.0
        qacc[world, i] = 0.0
        qacc_warmstart[world, i] = 0.0


@wp.kernel
def write_root_velocity(
    mask: wp.array[bool],
    velocity: wp.array2d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    listed: wp.array[int],
    num_listed: wp.array[int],
) -> None:
    """Replace the velocity of free bases, (N, 6), world frame. One thread a world."""
    world = wp.tid()
    if mask[world]:
        listed[wp.atomic_add(num_listed, 0, 1)] = world
        _write_base_velocity(world, velocity, 0, qpos, qvel)


@wp.kernel
def write_damping(
    drive_damping: wp.array2d[float],
    joint_damping: wp.array2d[float],
    qvel: wp.array2d[float],
    kept_drive_damping: wp.array2d[float],
    damping: wp.array2d[float],
    passive_force: wp.array2d[float],
) -> None:
    """Keep the drives' damping, (N, D), add the joints' own, (N, D), and update the force. One thread a joint."""
    world, joint = wp.tid()
    dof = qvel.shape[1] - drive_damping.shape[1] + joint
    kept_drive_damping[world, joint] = drive_damping[world, joint]
    damping[world, dof] = drive_damping[world, joint] + joint_damping[world, joint]
    passive_force[world, dof] = -damping[world, dof] * qvel[world, dof]


@wp.func
def _contact_force(
    world: int,
    contact: int,
    contact_frame: wp.array[wp.mat33],
    contact_friction: wp.array[_vec5],
    contact_rows: wp.array2d[int],
    row_force: wp.array2d[float],
) -> wp.vec3:
    """Return the force of a contact on the second of its geoms, to which its normal points.

    The solver's rows are the four edges of the friction pyramid: normal plus and minus each tangent times friction.
    """
    row = contact_rows[contact, 0]
    if row < 0 or row + 3 >= row_force.shape[1]:
        return wp.vec3()
    friction = contact_friction[contact]
    f0, f1 = row_force[world, row], row_force[world, row + 1]
    f2, f3 = row_force[world, row + 2], row_force[world, row + 3]
    local = wp.vec3(f0 + f1 + f2 + f3, (f0 - f1) * friction[0], (f2 - f3) * friction[1])
    return wp.transpose(contact_frame[contact]) * local


@wp.kernel
def read_bodies(
    worlds: wp.array[int],
    number: wp.array[int],
    slots: int,
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
    cvel: wp.array2d[wp.spatial_vector],
    subtree_com: wp.array2d[wp.vec3],
    touching: wp.array2d[int],
    num_touching: wp.array[int],
    geom_body: wp.array[int],
    contact_geoms: wp.array[wp.vec2i],
    contact_frame: wp.array[wp.mat33],
    contact_friction: wp.array[_vec5],
    contact_rows: wp.array2d[int],
    row_force: wp.array2d[float],
    root_states: wp.array2d[float],
    body_states: wp.array3d[float],
    contact_forces: wp.array3d[float],
) -> None:
    """Read the states of all links and their contact forces. One thread a link."""
    slot, link = wp.tid()
    for k in range(slot, number[0], slots):
        world = worlds[k]
        position = xpos[world, link + 1]
        rotation = xquat[world, link + 1]
        velocity = cvel[world, link + 1]
        angular = wp.spatial_top(velocity)
        # MuJoCo states a link's velocity at the robot's centre of mass; move it to the link's origin.
        linear = wp.spatial_bottom(velocity) + wp.cross(angular, position - subtree_com[world, 1])
        force = wp.vec3()
        for t in range(wp.min(num_touching[world], touching.shape[1])):
            contact = touching[world, t]
            geoms = contact_geoms[contact]
            if geom_body[geoms[1]] == link + 1:
                force += _contact_force(world, contact, contact_frame, contact_friction, contact_rows, row_force)
            if geom_body[geoms[0]] == link + 1:
                force -= _contact_force(world, contact, contact_frame, contact_friction, contact_rows, row_force)
        for i in range(3):
            body_states[world, link, i] = position[i]
            body_states[world, link, 3 + i] = rotation[i + 1]
            body_states[world, link, 7 + i] = linear[i]
            body_states[world, link, 10 + i] = angular[i]
            contact_forces[world, link, i] = force[i]
        body_states[world, link, 6] = rotation[0]
        if link == 0:
            for i in range(13):
                root_states[world, i] = body_states[world, 0, i]


@wp.kernel
def replace_diverged(
    max_linear_velocity: float,
    max_angular_velocity: float,
    max_joint_velocity: float,
    max_contact_force: float,
    start: wp.array[float],
    dofs: int,
    blew_up: wp.array[bool],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    qacc: wp.array2d[float],
    qacc_warmstart: wp.array2d[float],
    root_states: wp.array2d[float],
    body_states: wp.array3d[float],
    contact_forces: wp.array3d[float],
    diverged: wp.array[int],
) -> None:
    """Say why a world diverged, by the rules of `Simulator`, and put it back to ``start``. One thread a world."""
    world = wp.tid()
    total = float(0.0)
    quickest = float(0.0)
    fastest = float(0.0)
    strongest = float(0.0)
    for i in range(dofs):
        velocity = qvel[world, qvel.shape[1] - dofs + i]
        total += qpos[world, qpos.shape[1] - dofs + i] + velocity
        fastest = wp.max(fastest, wp.abs(velocity))
    for link in range(body_states.shape[1]):
        for i in range(13):
            total += body_states[world, link, i]
        linear = wp.vec3(body_states[world, link, 7], body_states[world, link, 8], body_states[world, link, 9])
        quickest = wp.max(quickest, wp.length(linear))
        force = wp.vec3(contact_forces[world, link, 0], contact_forces[world, link, 1], contact_forces[world, link, 2])
        total += force[0] + force[1] + force[2]
        strongest = wp.max(strongest, wp.length(force))
    angular = wp.length(wp.vec3(root_states[world, 10], root_states[world, 11], root_states[world, 12]))
    cause = 0
    if blew_up[world] or not wp.isfinite(total):
        cause = 1
    elif quickest > max_linear_velocity:
        cause = 2
    elif angular > max_angular_velocity:
        cause = 3
    elif fastest > max_joint_velocity:
        cause = 4
    elif strongest > max_contact_force:
        cause = 5
    diverged[world] = cause
    blew_up[world] = False
    if cause == 0:
        return
    for i in range(qpos.shape[1]):
        qpos[world, i] = start[i]
    for i in range(qvel.shape[1]):
        qvel[world, i] = 0.0
        qacc[world, i] = 0.0
        qacc_warmstart[world, i] = 0.0
    for link in range(body_states.shape[1]):
        for i in range(13):
            body_states[world, link, i] = start[qpos.shape[1] + i]
        for i in range(3):
            contact_forces[world, link, i] = 0.0
    for i in range(13):
        root_states[world, i] = start[qpos.shape[1] + i]


@wp.kernel
def count_overflows(flags: wp.array[int], counts: wp.array[int]) -> None:
    """Count worlds that lost contacts, constraints, height-field contacts, or blew up, (4,), and forget it."""
    world = wp.tid()
    if flags[world] & _FULL_CONTACTS != 0:
        wp.atomic_add(counts, 0, 1)
    if flags[world] & _FULL_CONSTRAINTS != 0:
        wp.atomic_add(counts, 1, 1)
    if flags[world] & _FULL_HEIGHT_FIELD != 0:
        wp.atomic_add(counts, 2, 1)
    if flags[world] & DIVERGED != 0:
        wp.atomic_add(counts, 3, 1)
    flags[world] = 0
