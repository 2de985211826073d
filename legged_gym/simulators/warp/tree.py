# mypy: ignore-errors
# ruff: noqa: UP018  (Warp needs the calls: they make a variable of a constant)

# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""Kinematics, inertia and bias forces of a tree of links, all in one kernel.

MuJoCo Warp launches two dozen kernels for this, each of which waits for memory more than it computes. Here a world's
lanes share its links, then its degrees of freedom. Formulas and conventions are MuJoCo's: quaternions in its arrays
are wxyz, and spatial vectors are stated at the robot's centre of mass, angular part first.
"""

from __future__ import annotations

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from legged_gym.simulators.warp.lanes import THREADS, Worlds, lanes_of, sync_lanes

wp.set_module_options({"enable_backward": False})

_vec10 = wp.types.vector(length=10, dtype=float)
"""A link's inertia: xx, yy, zz, xy, xz, yz about the robot's centre of mass, mass times offset, mass."""

_BALL = int(mujoco.mjtJoint.mjJNT_BALL.value)
_FREE, _HINGE, _SLIDE = (
    wp.constant(int(kind.value))
    for kind in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
)


@wp.struct
class _Link:
    """What is fixed about a link and the joint that carries it."""

    parent: int
    end: int
    """One past the last of the links that it carries, which follow it."""
    joint: int
    """Kind of its joint, -1 without one."""
    qpos: int
    dof: int
    """The first of its joint's, or what would be it."""
    place: wp.vec3
    turn: wp.quat
    axis: wp.vec3
    anchor: wp.vec3
    zero: float
    """Of ``qpos``, where a hinge is not turned."""
    principal: wp.quat
    """Axes of its moments of inertia."""
    chain: int
    """Where the degrees of freedom that move it begin in a list of all links', the base's first."""
    chain_end: int


class TreeDynamics:
    """Computes what follows from positions and velocities alone; made for one model and its data."""

    def __init__(self, model: mujoco.MjModel, device_model: mjw.Model, data: mjw.Data) -> None:
        """Lay out the tree.

        Args:
            model: The model; :meth:`supports` says whether it will do.
            device_model: The same on the device, with a row for each world in every field of masses, inertias and
                joints.
            data: Its worlds.
        """
        self._model, self._data = device_model, data
        self._gravity = wp.vec3(*map(float, model.opt.gravity))
        depth = np.zeros(model.nbody, dtype=int)
        for body in range(1, model.nbody):
            depth[body] = depth[model.body_parentid[body]] + 1
        self._by_depth = wp.array(np.argsort(depth, kind="stable").astype(np.int32), dtype=int)
        starts = np.searchsorted(np.sort(depth), np.arange(1, depth.max() + 2))
        self._depth_starts = wp.array(starts.astype(np.int32), dtype=int)
        chains = [_chain(model, body) for body in range(model.nbody)]
        ends = np.cumsum([len(chain) for chain in chains])
        self._chains = wp.array(np.concatenate(chains).astype(np.int32), dtype=int)
        links = [
            _link(model, body, int(ends[body]) - len(chains[body]), int(ends[body])) for body in range(model.nbody)
        ]
        self._links = wp.array(links, dtype=_Link)
        # MuJoCo lets a free joint's axes turn together, not one after the other.
        together = [_is_later_rotation(model, dof) for dof in range(model.nv)]
        self._together = wp.array(together, dtype=bool)
        self._matrix_columns = wp.array(model.M_colind, dtype=int)
        shape = (data.nworld, model.nbody)
        self._anchors, self._axes, self._centres = (wp.zeros(shape, dtype=wp.vec3) for _ in range(3))
        self._inertias, self._forces = wp.zeros(shape, dtype=_vec10), wp.zeros(shape, dtype=wp.spatial_vector)

    @staticmethod
    def supports(model: mujoco.MjModel) -> bool:
        """Whether a model is one tree of links with hinges and slides, damped but without springs, in empty space."""
        kinds_known = model.njnt > 0 and model.jnt_type[0] != _BALL and all(model.jnt_type[1:] >= int(_SLIDE))
        one_tree = all(model.body_rootid[1:] == 1) and all(model.body_jntnum <= 1) and model.nmocap == 0
        no_springs = not (model.jnt_stiffness.any() or model.jnt_stiffnesspoly.any() or model.dof_dampingpoly.any())
        empty_space = model.opt.density == model.opt.viscosity == 0.0 and not model.body_gravcomp.any()
        return bool(kinds_known and one_tree and no_springs and empty_space)

    def update(self, worlds: Worlds) -> None:
        """Write positions, velocities, motion axes, inertia matrix, bias and damping forces of some worlds."""
        model, data, lanes = self._model, self._data, lanes_of(self._data.qpos.device)
        wp.launch(
            _update,
            dim=(worlds.slots, lanes),
            inputs=[
                worlds.index, worlds.number, worlds.slots, lanes, self._gravity, self._links, self._by_depth,
                self._depth_starts, self._chains, self._together, model.dof_bodyid, model.M_rowadr, model.M_rownnz,
                self._matrix_columns, model.body_mass, model.body_inertia, model.body_ipos, model.dof_armature,
                model.dof_damping, data.qpos, data.qvel,
            ],
            outputs=[
                self._anchors, self._axes, self._centres, self._inertias, self._forces, data.xpos, data.xquat,
                data.subtree_com, data.cdof, data.cvel, data.M, data.qfrc_bias, data.qfrc_passive,
            ],
            block_dim=THREADS,
        )  # fmt: skip


def _chain(model: mujoco.MjModel, body: int) -> list[int]:
    """Return the degrees of freedom that move a body, the base's first."""
    chain: list[int] = []
    while body > 0:
        first = model.body_dofadr[body]
        chain = list(range(first, first + model.body_dofnum[body])) + chain
        body = model.body_parentid[body]
    return chain


def _is_later_rotation(model: mujoco.MjModel, dof: int) -> bool:
    joint = model.dof_jntid[dof]
    return bool(model.jnt_type[joint] == int(_FREE) and dof - model.jnt_dofadr[joint] > 3)


def _link(model: mujoco.MjModel, body: int, chain: int, chain_end: int) -> _Link:
    def quaternion(wxyz: np.ndarray) -> wp.quat:
        w, x, y, z = map(float, wxyz)
        return wp.quat(x, y, z, w)

    link = _Link()
    link.parent, link.joint, link.chain, link.chain_end = int(model.body_parentid[body]), -1, chain, chain_end
    later = np.flatnonzero([not _carries(model, body, other) for other in range(body, model.nbody)])
    link.end = body + int(later[0]) if len(later) else int(model.nbody)
    link.place, link.turn = wp.vec3(*map(float, model.body_pos[body])), quaternion(model.body_quat[body])
    link.principal = quaternion(model.body_iquat[body])
    if model.body_jntnum[body]:
        joint = model.body_jntadr[body]
        link.joint, link.qpos = int(model.jnt_type[joint]), int(model.jnt_qposadr[joint])
        link.dof, link.zero = int(model.jnt_dofadr[joint]), float(model.qpos0[link.qpos])
        link.axis, link.anchor = (wp.vec3(*map(float, x)) for x in (model.jnt_axis[joint], model.jnt_pos[joint]))
    return link


def _carries(model: mujoco.MjModel, body: int, other: int) -> bool:
    while other > body:
        other = model.body_parentid[other]
    return other == body


@wp.func
def _quat(wxyz: wp.quat) -> wp.quat:
    """Return a quaternion in Warp's order from one in MuJoCo's."""
    return wp.quat(wxyz[1], wxyz[2], wxyz[3], wxyz[0])


@wp.func
def _inertia(rotation: wp.mat33, moments: wp.vec3, mass: float, offset: wp.vec3) -> _vec10:
    """Return a link's inertia about the robot's centre of mass, from which its own is ``offset`` away."""
    first, second, third = rotation[0], rotation[1], rotation[2]
    x, y, z = offset[0], offset[1], offset[2]
    return _vec10(
        wp.dot(wp.cw_mul(first, moments), first) + mass * (y * y + z * z),
        wp.dot(wp.cw_mul(second, moments), second) + mass * (x * x + z * z),
        wp.dot(wp.cw_mul(third, moments), third) + mass * (x * x + y * y),
        wp.dot(wp.cw_mul(first, moments), second) - mass * x * y,
        wp.dot(wp.cw_mul(first, moments), third) - mass * x * z,
        wp.dot(wp.cw_mul(second, moments), third) - mass * y * z,
        mass * x,
        mass * y,
        mass * z,
        mass,
    )


@wp.func
def _momentum(inertia: _vec10, motion: wp.spatial_vector) -> wp.spatial_vector:
    """Return inertia times motion."""
    angular, linear = wp.spatial_top(motion), wp.spatial_bottom(motion)
    moment = wp.vec3(inertia[6], inertia[7], inertia[8])
    turning = wp.vec3(
        inertia[0] * angular[0] + inertia[3] * angular[1] + inertia[4] * angular[2],
        inertia[3] * angular[0] + inertia[1] * angular[1] + inertia[5] * angular[2],
        inertia[4] * angular[0] + inertia[5] * angular[1] + inertia[2] * angular[2],
    )
    return wp.spatial_vector(turning + wp.cross(moment, linear), inertia[9] * linear - wp.cross(moment, angular))


@wp.func
def _cross_motion(velocity: wp.spatial_vector, motion: wp.spatial_vector) -> wp.spatial_vector:
    """Return how a motion that is fixed in a moving frame changes with time."""
    turn, angular = wp.spatial_top(velocity), wp.spatial_top(motion)
    change = wp.cross(wp.spatial_bottom(velocity), angular) + wp.cross(turn, wp.spatial_bottom(motion))
    return wp.spatial_vector(wp.cross(turn, angular), change)


@wp.func
def _cross_force(velocity: wp.spatial_vector, force: wp.spatial_vector) -> wp.spatial_vector:
    """Return how a momentum that is fixed in a moving frame changes with time."""
    turn, push = wp.spatial_top(velocity), wp.spatial_bottom(force)
    change = wp.cross(turn, wp.spatial_top(force)) + wp.cross(wp.spatial_bottom(velocity), push)
    return wp.spatial_vector(change, wp.cross(turn, push))


@wp.func
def _place(
    world: int,
    body: int,
    links: wp.array[_Link],
    centre_in_link: wp.array2d[wp.vec3],
    qpos: wp.array2d[float],
    anchors: wp.array2d[wp.vec3],
    axes: wp.array2d[wp.vec3],
    centres: wp.array2d[wp.vec3],
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
) -> None:
    """Place a link, whose parent has its place."""
    link = links[body]
    origin, carrier, axis, anchor = wp.vec3(), wp.quat_identity(), wp.vec3(), wp.vec3()
    if link.parent > 0:
        origin = xpos[world, link.parent]
        carrier = _quat(xquat[world, link.parent])
    place, turn = origin + wp.quat_rotate(carrier, link.place), carrier * link.turn
    if link.joint == _FREE:
        q = link.qpos
        place = wp.vec3(qpos[world, q], qpos[world, q + 1], qpos[world, q + 2])
        turn = wp.quat(qpos[world, q + 4], qpos[world, q + 5], qpos[world, q + 6], qpos[world, q + 3])
        anchor = place
    elif link.joint >= 0:
        moved = qpos[world, link.qpos] - link.zero
        axis = wp.quat_rotate(turn, link.axis)
        anchor = place + wp.quat_rotate(turn, link.anchor)
        if link.joint == _HINGE:
            turn = turn * wp.quat_from_axis_angle(link.axis, moved)
            place = anchor - wp.quat_rotate(turn, link.anchor)
        else:
            place += moved * axis
    turn = wp.normalize(turn)
    anchors[world, body] = anchor
    axes[world, body] = axis
    centres[world, body] = place + wp.quat_rotate(turn, centre_in_link[world, body])
    xpos[world, body] = place
    xquat[world, body] = wp.quat(turn[3], turn[0], turn[1], turn[2])


@wp.func
def _axis_of_dof(
    world: int,
    dof: int,
    body: int,
    com: wp.vec3,
    links: wp.array[_Link],
    anchors: wp.array2d[wp.vec3],
    axes: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
) -> wp.spatial_vector:
    """Return the motion of a robot whose degree of freedom moves at unit speed."""
    link = links[body]
    axis = axes[world, body]
    if link.joint == _SLIDE:
        return wp.spatial_vector(wp.vec3(), axis)
    if link.joint == _FREE:
        axis = wp.vec3()
        axis[(dof - link.dof) % 3] = 1.0
        if dof - link.dof < 3:
            return wp.spatial_vector(wp.vec3(), axis)
        axis = wp.quat_rotate(_quat(xquat[world, body]), axis)
    return wp.spatial_vector(axis, wp.cross(axis, com - anchors[world, body]))


@wp.kernel
def _update(
    worlds: wp.array[int],
    number: wp.array[int],
    slots: int,
    lanes: int,
    gravity: wp.vec3,
    links: wp.array[_Link],
    by_depth: wp.array[int],
    depth_starts: wp.array[int],
    chains: wp.array[int],
    together: wp.array[bool],
    dof_body: wp.array[int],
    row_at: wp.array[int],
    row_size: wp.array[int],
    matrix_columns: wp.array[int],
    mass: wp.array2d[float],
    moments: wp.array2d[wp.vec3],
    centre_in_link: wp.array2d[wp.vec3],
    armature: wp.array2d[float],
    damping: wp.array2d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    anchors: wp.array2d[wp.vec3],
    axes: wp.array2d[wp.vec3],
    centres: wp.array2d[wp.vec3],
    inertias: wp.array2d[_vec10],
    forces: wp.array2d[wp.spatial_vector],
    xpos: wp.array2d[wp.vec3],
    xquat: wp.array2d[wp.quat],
    subtree_com: wp.array2d[wp.vec3],
    cdof: wp.array2d[wp.spatial_vector],
    cvel: wp.array2d[wp.spatial_vector],
    inertia_matrix: wp.array2d[float],
    bias: wp.array2d[float],
    passive: wp.array2d[float],
) -> None:
    slot, lane = wp.tid()
    bodies, dofs = links.shape[0], qvel.shape[1]
    for k in range(slot, number[0], slots):
        world = worlds[k]
        for depth in range(depth_starts.shape[0] - 1):
            for t in range(depth_starts[depth] + lane, depth_starts[depth + 1], lanes):
                _place(world, by_depth[t], links, centre_in_link, qpos, anchors, axes, centres, xpos, xquat)
            sync_lanes()

        weight, com = float(0.0), wp.vec3()
        for b in range(1, bodies):
            weight += mass[world, b]
            com += mass[world, b] * centres[world, b]
        com /= weight
        if lane == 0:
            subtree_com[world, 1] = com
        for b in range(1 + lane, bodies, lanes):
            rotation = wp.quat_to_matrix(_quat(xquat[world, b]) * links[b].principal)
            inertias[world, b] = _inertia(rotation, moments[world, b], mass[world, b], centres[world, b] - com)
        for d in range(lane, dofs, lanes):
            cdof[world, d] = _axis_of_dof(world, d, dof_body[d], com, links, anchors, axes, xquat)
        sync_lanes()

        for b in range(1 + lane, bodies, lanes):
            velocity, frame = wp.spatial_vector(), wp.spatial_vector()
            acceleration = wp.spatial_vector(wp.vec3(), -gravity)
            for t in range(links[b].chain, links[b].chain_end):
                d = chains[t]
                if not together[d]:
                    frame = velocity
                acceleration += _cross_motion(frame, cdof[world, d]) * qvel[world, d]
                velocity += cdof[world, d] * qvel[world, d]
            cvel[world, b] = velocity
            inertia = inertias[world, b]
            forces[world, b] = _momentum(inertia, acceleration) + _cross_force(velocity, _momentum(inertia, velocity))
        sync_lanes()

        for d in range(lane, dofs, lanes):
            b = dof_body[d]
            motion = cdof[world, d]
            # A joint moves, and holds, its link with all that this one carries.
            inertia = inertias[world, b]
            force = forces[world, b]
            for other in range(b + 1, links[b].end):
                inertia += inertias[world, other]
                force += forces[world, other]
            bias[world, d] = wp.dot(motion, force)
            passive[world, d] = -damping[world, d] * qvel[world, d]
            carried = _momentum(inertia, motion)
            for t in range(row_at[d], row_at[d] + row_size[d]):
                column = matrix_columns[t]
                entry = wp.dot(cdof[world, column], carried)
                if column == d:
                    entry += armature[world, d]
                inertia_matrix[world, t] = entry
        # The next world of these lanes must not overwrite what another lane still reads.
        sync_lanes()
