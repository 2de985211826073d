# mypy: ignore-errors
# ruff: noqa: ANN202, UP018  (Warp needs the calls, which make a variable of a constant; it finds types)

# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""The kernel of MuJoCo's constraint solver for small robots: all of a world's iterations at one go.

MuJoCo Warp launches a dozen kernels in every iteration and goes on until the slowest world has converged. Here a
world's lanes solve it from start to end, with everything in registers, and each world stops by itself.

The problem is MuJoCo's: find the acceleration ``a`` that minimises

    ½ (a - a_smooth)ᵀ M (a - a_smooth) + Σ s_i(J_i a - r_i)

where a row's ``s_i`` is half a parabola of stiffness D_i (contacts, limits: they only push) or a parabola that goes on
as a line once its force reaches F_i (dry friction). It is convex and piecewise quadratic, so Newton steps with an
exact line search end after a few iterations. ``M a_smooth`` is the force without constraints.
"""

import functools

import warp as wp

from legged_gym.simulators.warp.lanes import from_lane, sum_of_lanes

wp.set_module_options({"enable_backward": False})

_REGISTERS = 128
"""Of a thread in the kernel for few rows. It could use more, but then fewer worlds would be on the way at once."""
_LINE_SLOPE = wp.constant(0.01)
"""The line search ends when the slope has fallen to this share of its start."""


@wp.struct
class Problem:
    """What the solver reads of all worlds: matrices and vectors over degrees of freedom, and the constraint rows."""

    entries: wp.array2d[int]
    """Where the inertia matrix's entries lie, (D, D); -1 for those that are always zero."""
    inertia: wp.array2d[float]
    passive_force: wp.array2d[float]
    bias_force: wp.array2d[float]
    applied_force: wp.array2d[float]
    damping: wp.array2d[float]
    num_rows: wp.array[int]
    jacobian: wp.array3d[float]
    jacobian_quads: wp.array3d[wp.vec4]
    """The same, four entries at a time."""
    stiffness: wp.array2d[float]
    reference: wp.array2d[float]
    limit: wp.array2d[float]


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


@functools.cache
def newton_kernel(size: int, max_rows: int, lanes: int) -> wp.Kernel:
    """Build the kernel for worlds of ``size`` degrees of freedom with up to ``max_rows`` constraint rows.

    Lane ``i`` holds the degrees of freedom and the rows ``i``, ``i + lanes`` and so on: ``x[a]`` of a vector over
    degrees of freedom is the one with number ``a * lanes + lane``, and ``x[c]`` of one over rows is the row's with
    number ``c * lanes + lane``. With 32 lanes all loops over them are unrolled, so that this is a matter of registers.
    """
    dofs, chunks, quads = -(-size // lanes), -(-max_rows // lanes), -(-size // 4)
    dof_vector, row_vector = wp.types.vector(length=dofs, dtype=float), wp.types.vector(length=chunks, dtype=float)
    matrix = wp.types.matrix(shape=(dofs, size), dtype=float)
    row_matrix = wp.types.matrix(shape=(chunks, 4 * quads), dtype=float)

    @wp.func
    def inertia_of(world: int, lane: int, problem: Problem) -> matrix:
        mass = matrix()
        for a in range(dofs):
            if a * lanes + lane < size:
                for j in range(size):
                    if problem.entries[a * lanes + lane, j] >= 0:
                        mass[a, j] = problem.inertia[world, problem.entries[a * lanes + lane, j]]
        return mass

    @wp.func
    def diagonal_of(mass: matrix, lane: int) -> dof_vector:
        diagonal = dof_vector()
        for a in range(dofs):
            for j in range(size):
                if j == a * lanes + lane:
                    diagonal[a] = mass[a, j]
        return diagonal

    @wp.func
    def smooth_force_of(world: int, lane: int, problem: Problem) -> dof_vector:
        force = dof_vector()
        for a in range(dofs):
            i = a * lanes + lane
            if i < size:
                force[a] = problem.passive_force[world, i] - problem.bias_force[world, i]
                force[a] = force[a] + problem.applied_force[world, i]
        return force

    @wp.func
    def sane_row_of(world: int, lane: int, values: wp.array2d[float]) -> dof_vector:
        """Return a vector over degrees of freedom, with zero instead of NaN."""
        row = dof_vector()
        for a in range(dofs):
            i = a * lanes + lane
            if i < size and wp.abs(values[world, i]) < 1.0e9:
                row[a] = values[world, i]
        return row

    @wp.func
    def rows_of(world: int, lane: int, number: int, values: wp.array2d[float]) -> row_vector:
        rows = row_vector()
        for c in range(chunks):
            if c * lanes + lane < number:
                rows[c] = values[world, c * lanes + lane]
        return rows

    @wp.func
    def jacobian_of(world: int, lane: int, number: int, problem: Problem) -> row_matrix:
        jac = row_matrix()
        for c in range(chunks):
            if c * lanes + lane < number:
                for q in range(quads):
                    four = problem.jacobian_quads[world, c * lanes + lane, q]
                    for e in range(4):
                        jac[c, 4 * q + e] = four[e]
        return jac

    @wp.func
    def times(symmetric: matrix, vector: dof_vector) -> dof_vector:
        """Return a matrix times a vector over degrees of freedom."""
        product = dof_vector()
        for j in range(size):
            value = from_lane(vector[j // lanes], j % lanes)
            for a in range(dofs):
                product[a] = product[a] + symmetric[a, j] * value
        return product

    @wp.func
    def along_rows(jac: row_matrix, vector: dof_vector) -> row_vector:
        """Return the Jacobian times a vector over degrees of freedom."""
        product = row_vector()
        for j in range(size):
            value = from_lane(vector[j // lanes], j % lanes)
            for c in range(chunks):
                product[c] = product[c] + jac[c, j] * value
        return product

    @wp.func
    def pushed(world: int, lane: int, number: int, forces: row_vector, problem: Problem) -> dof_vector:
        """Return the rows' forces along the degrees of freedom."""
        total = dof_vector()
        for c in range(chunks):
            for s in range(wp.min(lanes, number - c * lanes)):
                force = from_lane(forces[c], s)
                for a in range(dofs):
                    if a * lanes + lane < size:
                        total[a] = total[a] + problem.jacobian[world, c * lanes + s, a * lanes + lane] * force
        return total

    @wp.func
    def bent(world: int, lane: int, number: int, mass: matrix, curvatures: row_vector, problem: Problem) -> matrix:
        """Return the cost's second derivative: the inertia matrix and what the rows add."""
        total = mass
        for c in range(chunks):
            for s in range(wp.min(lanes, number - c * lanes)):
                curvature = from_lane(curvatures[c], s)
                if curvature > 0.0:
                    for a in range(dofs):
                        if a * lanes + lane < size:
                            own = curvature * problem.jacobian[world, c * lanes + s, a * lanes + lane]
                            for j in range(size):
                                total[a, j] = total[a, j] + own * problem.jacobian[world, c * lanes + s, j]
        return total

    @wp.func
    def factorised(symmetric: matrix, lane: int):
        """Return Cholesky's factor, its transpose without the diagonal, and one over the diagonal."""
        lower, upper, inverse = symmetric, matrix(), dof_vector()
        for k in range(size):
            root = 1.0 / wp.sqrt(wp.max(from_lane(lower[k // lanes, k], k % lanes), 1.0e-12))
            for a in range(dofs):
                lower[a, k] = wp.where(a * lanes + lane >= k, lower[a, k] * root, 0.0)
                inverse[a] = wp.where(a * lanes + lane == k, root, inverse[a])
            for j in range(size):
                if j > k:
                    factor = from_lane(lower[j // lanes, k], j % lanes)
                    for a in range(dofs):
                        lower[a, j] = lower[a, j] - lower[a, k] * factor
                        upper[a, j] = wp.where(a * lanes + lane == k, factor, upper[a, j])
        return lower, upper, inverse

    @wp.func
    def solution(lower: matrix, upper: matrix, inverse: dof_vector, right: dof_vector, lane: int) -> dof_vector:
        """Return what the factorised matrix turns into ``right``."""
        rest, half, result = right, dof_vector(), dof_vector()
        for k in range(size):
            value = from_lane(rest[k // lanes] * inverse[k // lanes], k % lanes)
            for a in range(dofs):
                half[a] = wp.where(a * lanes + lane == k, value, half[a])
                rest[a] = rest[a] - lower[a, k] * value
        for m in range(size):
            k = size - 1 - m
            value = from_lane(half[k // lanes] * inverse[k // lanes], k % lanes)
            for a in range(dofs):
                result[a] = wp.where(a * lanes + lane == k, value, result[a])
                half[a] = half[a] - upper[a, k] * value
        return result

    @wp.func
    def dot(one: dof_vector, other: dof_vector) -> float:
        return sum_of_lanes(wp.dot(one, other))

    @wp.func
    def forces_at(distance: row_vector, stiffness: row_vector, limit: row_vector) -> row_vector:
        forces = row_vector()
        for c in range(chunks):
            forces[c] = _force(distance[c], stiffness[c], limit[c])
        return forces

    @wp.func
    def curvatures_at(distance: row_vector, stiffness: row_vector, limit: row_vector) -> row_vector:
        curvatures = row_vector()
        for c in range(chunks):
            curvatures[c] = _curvature(distance[c], stiffness[c], limit[c])
        return curvatures

    @wp.func
    def differ(one: row_vector, other: row_vector) -> bool:
        number = float(0.0)
        for c in range(chunks):
            number += wp.where(one[c] == other[c], 0.0, 1.0)
        return sum_of_lanes(number) > 0.0

    @wp.func
    def best_step(
        distance: row_vector,
        speed: row_vector,
        stiffness: row_vector,
        limit: row_vector,
        slope_start: float,
        bend: float,
        enough: float,
        iterations: int,
    ) -> float:
        """Return where along the search line the cost is least; its slope without the rows is linear."""
        step, low, high = float(1.0), float(0.0), float(-1.0)
        for _ in range(iterations):
            there = distance + speed * step
            slope = -sum_of_lanes(wp.dot(speed, forces_at(there, stiffness, limit))) + slope_start + step * bend
            steepening = sum_of_lanes(wp.dot(wp.cw_mul(speed, speed), curvatures_at(there, stiffness, limit))) + bend
            if wp.abs(slope) < enough:
                break
            if slope < 0.0:
                low = step
            else:
                high = step
            step -= slope / steepening
            if high > 0.0 and (step <= low or step >= high):
                step = 0.5 * (low + high)
        return step

    @wp.kernel(
        module="unique",
        enable_backward=False,
        cuda_max_registers=_REGISTERS if chunks <= 2 else None,
        module_options={"max_unroll": 64 if lanes > 1 else 1},
    )
    def newton(
        worlds: wp.array[int],
        number: wp.array[int],
        slots: int,
        fewer: int,
        more: int,
        ahead: bool,
        iterations: int,
        line_iterations: int,
        opt_tolerance: wp.array[float],
        opt_timestep: wp.array[float],
        problem: Problem,
        acceleration: wp.array2d[float],
        damped_acceleration: wp.array2d[float],
        row_force: wp.array2d[float],
    ) -> None:
        slot, lane = wp.tid()
        for turn in range(slot, number[0], slots):
            world = worlds[turn]
            rows = problem.num_rows[world]
            if rows <= fewer or rows > more:
                continue
            rows = wp.min(rows, row_force.shape[1])
            mass, smooth = inertia_of(world, lane, problem), smooth_force_of(world, lane, problem)
            jac = jacobian_of(world, lane, rows, problem)
            stiffness = rows_of(world, lane, rows, problem.stiffness)
            limit = rows_of(world, lane, rows, problem.limit)
            acc = sane_row_of(world, lane, acceleration)
            distance = along_rows(jac, acc) - rows_of(world, lane, rows, problem.reference)
            rest = times(mass, acc) - smooth
            ones = dof_vector(1.0)
            tolerance = opt_tolerance[0] * dot(diagonal_of(mass, lane), ones)
            curvatures, lower, upper, inverse = row_vector(), matrix(), matrix(), dof_vector()
            changed = bool(True)
            for _ in range(iterations):
                gradient = rest - pushed(world, lane, rows, forces_at(distance, stiffness, limit), problem)
                if changed:
                    curvatures = curvatures_at(distance, stiffness, limit)
                    lower, upper, inverse = factorised(bent(world, lane, rows, mass, curvatures, problem), lane)
                search = -solution(lower, upper, inverse, gradient, lane)
                decrement = -dot(gradient, search)
                # Half of it is what the cost would fall by, were nothing to start or stop touching.
                if 0.5 * decrement < tolerance:
                    break
                speed, resisting = along_rows(jac, search), times(mass, search)
                slope_start, bend, enough = dot(rest, search), dot(search, resisting), _LINE_SLOPE * decrement
                step = best_step(distance, speed, stiffness, limit, slope_start, bend, enough, line_iterations)
                acc += search * step
                distance += speed * step
                rest += resisting * step
                changed = differ(curvatures_at(distance, stiffness, limit), curvatures)
            forces = forces_at(distance, stiffness, limit)
            for c in range(chunks):
                if c * lanes + lane < rows:
                    row_force[world, c * lanes + lane] = forces[c]
            for a in range(dofs):
                if a * lanes + lane < size:
                    acceleration[world, a * lanes + lane] = acc[a]
            if ahead:
                for a in range(dofs):
                    for j in range(size):
                        if j == a * lanes + lane:
                            mass[a, j] = mass[a, j] + problem.damping[world, j] * opt_timestep[0]
                lower, upper, inverse = factorised(mass, lane)
                damped = solution(lower, upper, inverse, rest + smooth, lane)
                for a in range(dofs):
                    if a * lanes + lane < size:
                        damped_acceleration[world, a * lanes + lane] = damped[a]

    return newton
