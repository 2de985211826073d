# mypy: ignore-errors
# ruff: noqa: RUF046, UP018  (Warp needs the calls: they make a variable of a constant)
# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""MuJoCo's constraint solver and its step in time for small robots: all of a world's iterations in one kernel.

MuJoCo Warp launches a dozen kernels in every iteration and goes on until the slowest world has converged. Here one
block of threads solves a world from start to end, with everything in shared memory, and each world stops by itself.

The problem is MuJoCo's: find the acceleration ``a`` that minimises

    ½ (a - a_smooth)ᵀ M (a - a_smooth) + Σ s_i(J_i a - r_i)

where a row's ``s_i`` is half a parabola of stiffness D_i (contacts, limits: they only push) or a parabola that goes on
as a line once its force reaches F_i (dry friction). It is convex and piecewise quadratic, so Newton steps with an
exact line search end after a few iterations. The step in time is MuJoCo's semi-implicit Euler step, with the joints'
damping at the step's end.
"""

from __future__ import annotations

import functools
import itertools

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

wp.set_module_options({"enable_backward": False})

_ROWS = (64,)
"""Constraint rows up to which a world is solved by a smaller kernel, which leaves room for more worlds at once.

A further kernel for up to 32 rows made steps slower, by 4 %: half of all robots have more."""
_THREADS = 32
"""Of a world. More wait for each other: 64 took an eighth longer, 128 half as long again."""
_MANY = 1 << 30
_DENSE_OR_AUTO = mujoco.mjtJacobian.mjJAC_AUTO
_LINE_SLOPE = wp.constant(0.01)
"""The line search ends when the slope has fallen to this share of its start."""


_FASTEST = wp.constant(1.0e6)
"""No joint moves that fast, rad/s or m/s, unless the simulation blew up."""
DIVERGED = wp.constant(1 << 30)
"""Flag in ``Data.overflow`` of a world that blew up, beside MuJoCo Warp's own."""


class NewtonSolver:
    """Solves all worlds; made for one model and its data."""

    def __init__(
        self, model: mujoco.MjModel, device_model: mjw.Model, data: mjw.Data, diverged: wp.array[bool]
    ) -> None:
        """Build the kernels for this number of degrees of freedom and of constraints.

        Args:
            model: The model.
            device_model: The same on the device.
            data: Its worlds.
            diverged: Where worlds are marked whose step blew up, (N,).
        """
        self._model, self._data = device_model, data
        size = model.nv
        entries = np.full((size, size), -1, dtype=np.int32)
        for row in range(size):
            for address in range(model.M_rowadr[row], model.M_rowadr[row] + model.M_rownnz[row]):
                column = model.M_colind[address]
                entries[row, column] = entries[column, row] = address
        self._entries = wp.array(entries.ravel(), dtype=int)
        # The last one takes all that is left, also worlds that have more rows than there is room for.
        rows = [*(rows for rows in _ROWS if rows < data.njmax_pad), data.njmax_pad]
        limits = [-1, *rows[:-1], _MANY]
        device = data.qacc.device
        self._launches = [
            (_newton(size, number), fewer, more, wp.Stream(device) if device.is_cuda else None)
            for number, (fewer, more) in zip(rows, itertools.pairwise(limits), strict=True)
        ]
        self._damped = wp.zeros_like(data.qacc)
        self._diverged = diverged

    @staticmethod
    def supports(model: mujoco.MjModel) -> bool:
        """Whether this solver knows all forces and constraints of a model."""
        pyramidal = model.opt.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL
        nothing_else = model.neq == model.ntendon == model.nu == 0
        only_three = all(model.geom_condim[i] == 3 for i in range(model.ngeom) if model.geom_contype[i])
        small = 0 < model.nv <= 32 and model.opt.jacobian == _DENSE_OR_AUTO
        return bool(pyramidal and nothing_else and only_three and small)

    def solve(self, ahead: bool) -> None:
        """Write ``qacc`` and ``efc.force`` of all worlds, starting from the present ``qacc``.

        Args:
            ahead: Also prepare for :meth:`advance`.
        """
        model, data = self._model, self._data
        inputs = [
            ahead, self._entries, model.opt.tolerance, model.opt.iterations, model.opt.ls_iterations,
            model.opt.timestep, model.dof_damping, data.nefc, data.M, data.qfrc_passive, data.qfrc_bias,
            data.qfrc_applied, data.efc.J, data.efc.D, data.efc.aref, data.efc.frictionloss,
        ]  # fmt: skip
        outputs = [data.qacc, self._damped, data.efc.force]
        # All at the same time: a world with many rows takes as long as thousands with few.
        for kernel, fewer, more, stream in self._launches:
            with wp.ScopedStream(stream):
                wp.launch_tiled(
                    kernel, dim=data.nworld, inputs=[fewer, more, *inputs], outputs=outputs, block_dim=_THREADS
                )
        for *_, stream in self._launches:
            if stream is not None:
                wp.wait_stream(stream)

    def advance(self) -> None:
        """Move all worlds on by one step with what :meth:`solve` found."""
        model, data = self._model, self._data
        wp.launch(
            _advance,
            dim=data.nworld,
            inputs=[
                model.opt.timestep, model.nq > model.nv, self._damped, data.nefc, data.njmax, data.nacon,
                data.ncollision, data.naconmax,
            ],
            outputs=[data.qpos, data.qvel, data.qacc, data.overflow, self._diverged],
        )  # fmt: skip


@wp.func
def _force(distance: float, stiffness: float, limit: float) -> float:
    """Return a row's force: that of a dry friction if it has a limit, otherwise one that only pushes."""
    force = -stiffness * distance
    return wp.where(limit > 0.0, wp.clamp(force, -limit, limit), wp.max(force, 0.0))


@wp.func
def _curvature(distance: float, stiffness: float, limit: float) -> float:
    """Return minus the derivative of :func:`_force` by the distance."""
    force = -stiffness * distance
    bends = wp.where(limit > 0.0, wp.abs(force) < limit, force > 0.0)
    return wp.where(bends, stiffness, 0.0)


@wp.func
def _along(distance: float, speed: float, stiffness: float, limit: float, step: float) -> wp.vec2:
    """Return a row's part in slope and curvature of the cost along the search line."""
    there = distance + step * speed
    return wp.vec2(-speed * _force(there, stiffness, limit), speed * speed * _curvature(there, stiffness, limit))


@wp.func
def _differ(one: float, other: float) -> float:
    return wp.where(one == other, 0.0, 1.0)


@wp.func
def _known(value: float, row: int, rows: int) -> float:
    """Return the value in a used row and 0 in others, whatever is left there."""
    return wp.where(row < rows, value, 0.0)


@wp.func
def _sane(value: float) -> float:
    """Return 0 in place of what is not a number."""
    return wp.where(wp.abs(value) < 1.0e9, value, 0.0)


@functools.cache
def _newton(size: int, max_rows: int) -> wp.Kernel:
    """Build the kernel for worlds of ``size`` degrees of freedom with up to ``max_rows`` constraint rows.

    It leaves worlds alone that don't have more than ``fewer`` and up to ``more`` rows.
    """
    flat = size * size

    @wp.kernel(module="unique", enable_backward=False, module_options={"enable_mathdx_gemm": False})
    def newton(
        fewer: int,
        more: int,
        ahead: bool,
        entries: wp.array[int],
        opt_tolerance: wp.array[float],
        iterations: int,
        line_iterations: int,
        opt_timestep: wp.array[float],
        damping: wp.array2d[float],
        num_rows: wp.array[int],
        inertia: wp.array2d[float],
        passive_force: wp.array2d[float],
        bias_force: wp.array2d[float],
        applied_force: wp.array2d[float],
        jacobian: wp.array3d[float],
        row_stiffness: wp.array2d[float],
        row_reference: wp.array2d[float],
        row_limit: wp.array2d[float],
        acceleration: wp.array2d[float],
        damped_acceleration: wp.array2d[float],
        row_force: wp.array2d[float],
    ) -> None:
        world = wp.tid()
        rows = num_rows[world]
        if rows <= fewer or rows > more:
            return
        index = wp.tile_load(entries, shape=flat, storage="shared")
        mass = wp.tile_reshape(
            wp.tile_load_indexed(inertia[world], indices=index, shape=(flat,), storage="shared"), (size, size)
        )
        trace = float(0.0)
        for i in range(size):
            trace += mass[i, i]
        tolerance = opt_tolerance[0] * trace

        row = wp.tile_arange(max_rows, dtype=int)
        jac = wp.tile_load(jacobian[world], shape=(max_rows, size), storage="shared")
        jac_t = wp.tile_transpose(jac)
        stiffness = wp.tile_map(_known, wp.tile_load(row_stiffness[world], shape=max_rows), row, rows)
        reference = wp.tile_map(_known, wp.tile_load(row_reference[world], shape=max_rows), row, rows)
        limit = wp.tile_map(_known, wp.tile_load(row_limit[world], shape=max_rows), row, rows)
        smooth = (
            wp.tile_load(passive_force[world], shape=size)
            - wp.tile_load(bias_force[world], shape=size)
            + wp.tile_load(applied_force[world], shape=size)
        )
        acc = wp.tile_map(_sane, wp.tile_load(acceleration[world], shape=size))
        acc_column = wp.tile_reshape(acc, (size, 1))
        distance = wp.tile_reshape(wp.tile_matmul(jac, acc_column), (max_rows,)) - reference
        rest = wp.tile_reshape(wp.tile_matmul(mass, acc_column), (size,)) - smooth
        bent = wp.tile_zeros(shape=max_rows, dtype=float, storage="shared")
        factor = wp.tile_zeros(shape=(size, size), dtype=float, storage="shared")

        for iteration in range(iterations):
            force = wp.tile_map(_force, distance, stiffness, limit)
            pushing = wp.tile_reshape(wp.tile_matmul(jac_t, wp.tile_reshape(force, (max_rows, 1))), (size,))
            gradient = rest - pushing
            curvature = wp.tile_map(_curvature, distance, stiffness, limit)
            if iteration == 0 or wp.tile_sum(wp.tile_map(_differ, curvature, bent))[0] > 0.0:
                wp.tile_assign(bent, curvature)
                curvatures = wp.tile_broadcast(wp.tile_reshape(curvature, (max_rows, 1)), (max_rows, size))
                wp.tile_assign(factor, mass)
                wp.tile_matmul(jac_t, wp.tile_map(wp.mul, jac, curvatures), factor)
                wp.tile_cholesky_inplace(factor)
            search = wp.tile_cholesky_solve(factor, gradient) * -1.0
            decrement = -wp.tile_dot(gradient, search)[0]
            # Half of it is what the cost would fall by, were nothing to start or stop touching.
            if 0.5 * decrement < tolerance:
                break
            search_column = wp.tile_reshape(search, (size, 1))
            speed = wp.tile_reshape(wp.tile_matmul(jac, search_column), (max_rows,))
            resisting = wp.tile_reshape(wp.tile_matmul(mass, search_column), (size,))
            slope_start, bend = wp.tile_dot(rest, search)[0], wp.tile_dot(search, resisting)[0]
            step, low, high = float(1.0), float(0.0), float(-1.0)
            for _ in range(line_iterations):
                sums = wp.tile_reduce(wp.add, wp.tile_map(_along, distance, speed, stiffness, limit, step))[0]
                slope = slope_start + step * bend + sums[0]
                if wp.abs(slope) < _LINE_SLOPE * decrement:
                    break
                if slope < 0.0:
                    low = step
                else:
                    high = step
                step -= slope / (bend + sums[1])
                if high > 0.0 and (step <= low or step >= high):
                    step = 0.5 * (low + high)
            acc += search * step
            distance += speed * step
            rest += resisting * step
        wp.tile_store(row_force[world], wp.tile_map(_force, distance, stiffness, limit))
        wp.tile_store(acceleration[world], acc)
        if not ahead:
            return
        damped = wp.tile_diag_add(mass, wp.tile_load(damping[world], shape=size) * opt_timestep[0])
        wp.tile_cholesky_inplace(damped)
        wp.tile_store(damped_acceleration[world], wp.tile_cholesky_solve(damped, rest + smooth))

    return newton


@wp.kernel
def _advance(
    opt_timestep: wp.array[float],
    free_base: bool,
    acceleration: wp.array2d[float],
    num_rows: wp.array[int],
    max_rows: int,
    num_contacts: wp.array[int],
    num_pairs: wp.array[int],
    max_contacts: int,
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    guess: wp.array2d[float],
    flags: wp.array[int],
    diverged: wp.array[bool],
) -> None:
    """Integrate velocities, then positions. One thread a world; one that blew up stays where it was, at rest."""
    world = wp.tid()
    step, size = opt_timestep[0], qvel.shape[1]
    flag = int(0)
    for i in range(size):
        # Written so that what is not a number counts as well.
        if not wp.abs(qvel[world, i] + step * acceleration[world, i]) < _FASTEST:
            flag = DIVERGED
    if num_rows[world] > max_rows:
        flag |= int(mjw.OverflowType.NEFC)
    if wp.max(num_contacts[0], num_pairs[0]) > max_contacts:
        flag |= int(mjw.OverflowType.NARROWPHASE)
    flags[world] = flags[world] | flag
    if flag & DIVERGED != 0:
        diverged[world] = True
        for i in range(size):
            qvel[world, i] = 0.0
            guess[world, i] = 0.0
        return
    for i in range(size):
        qvel[world, i] += step * acceleration[world, i]
    first = int(0)
    if free_base:
        for i in range(3):
            qpos[world, i] += step * qvel[world, i]
        turn = step * wp.vec3(qvel[world, 3], qvel[world, 4], qvel[world, 5])
        angle = wp.length(turn)
        axis = turn / wp.max(angle, 1.0e-9)
        old = wp.quat(qpos[world, 4], qpos[world, 5], qpos[world, 6], qpos[world, 3])
        new = wp.normalize(old * wp.quat_from_axis_angle(axis, angle))
        qpos[world, 3] = new[3]
        for i in range(3):
            qpos[world, 4 + i] = new[i]
        first = 6
    for i in range(first, size):
        qpos[world, i + qpos.shape[1] - size] += step * qvel[world, i]
