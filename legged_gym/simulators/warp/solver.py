# mypy: ignore-errors
# ruff: noqa: RUF046, UP018  (Warp needs the calls: they make a variable of a constant)

# Warp compiles these functions itself; Python's typing rules do not hold in them.
"""MuJoCo's constraint solver and its step in time for small robots.

The step in time is MuJoCo's semi-implicit Euler step, with the joints' damping at the step's end.
"""

from __future__ import annotations

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from legged_gym.simulators.warp.lanes import Worlds, clear, lanes_of
from legged_gym.simulators.warp.newton import Problem, newton_kernel
from legged_gym.simulators.warp.rows import FEW_ROWS, ConstraintRows

wp.set_module_options({"enable_backward": False})

_CROWDED = 512
"""Crowded worlds that are solved at the same time: mostly there are a handful of them."""
_MANY = 1 << 30
_DENSE_OR_AUTO = mujoco.mjtJacobian.mjJAC_AUTO
_FASTEST = wp.constant(1.0e6)
"""No joint moves that fast, rad/s or m/s, unless the simulation blew up."""
DIVERGED = wp.constant(1 << 30)
"""Flag in ``Data.overflow`` of a world that blew up, beside MuJoCo Warp's own."""


class NewtonSolver:
    """Solves all worlds; made for one model and its data."""

    def __init__(
        self,
        model: mujoco.MjModel,
        device_model: mjw.Model,
        data: mjw.Data,
        rows: ConstraintRows,
        blew_up: wp.array[bool],
    ) -> None:
        """Build the kernels for this number of degrees of freedom and of constraints.

        Args:
            model: The model.
            device_model: The same on the device.
            data: Its worlds.
            rows: What makes their constraint rows.
            blew_up: Where worlds are marked whose step blew up, (N,).
        """
        self._model, self._data = device_model, data
        size = int(model.nv)
        entries = np.full((size, size), -1, dtype=np.int32)
        for row in range(size):
            for address in range(model.M_rowadr[row], model.M_rowadr[row] + model.M_rownnz[row]):
                column = model.M_colind[address]
                entries[row, column] = entries[column, row] = address
        device = data.qacc.device
        self._lanes = lanes_of(device)
        self._problem = _gather(device_model, data, entries)
        self._crowded = Worlds(rows.crowded, rows.num_crowded, min(_CROWDED, data.nworld))
        # Kernels for worlds with more rows than the first number, up to the second, with room for the third.
        few, room = int(FEW_ROWS), data.njmax
        kinds = [(-1, few, few), (few, _MANY, room)] if room > few else [(-1, _MANY, room)]
        self._kernels = [(newton_kernel(size, space, self._lanes), fewer, more) for fewer, more, space in kinds]
        self._streams = [wp.Stream(device) if device.is_cuda else None for _ in self._kernels]
        self._head_start = wp.zeros(1, dtype=int)
        self._damped = wp.zeros_like(data.qacc)
        self._blew_up = blew_up

    @staticmethod
    def supports(model: mujoco.MjModel) -> bool:
        """Whether this solver knows all forces and constraints of a model."""
        pyramidal = model.opt.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL
        nothing_else = model.neq == model.ntendon == model.nu == 0
        only_three = all(model.geom_condim[i] == 3 for i in range(model.ngeom) if model.geom_contype[i])
        small = 0 < model.nv <= 32 and model.opt.jacobian == _DENSE_OR_AUTO
        return bool(pyramidal and nothing_else and only_three and small)

    def solve(self, worlds: Worlds, everyone: bool, ahead: bool) -> None:
        """Write ``qacc`` and ``efc.force`` of worlds from a first ``qacc``; ``ahead`` prepares :meth:`advance`, too."""
        model, data = self._model, self._data
        limits = [ahead, model.opt.iterations, model.opt.ls_iterations, model.opt.tolerance, model.opt.timestep]
        outputs = [data.qacc, self._damped, data.efc.force]
        # All at the same time, and crowded worlds first: one takes as long as thousands of the others, and behind those
        # it would wait until the first of them have left the GPU.
        for (kernel, fewer, more), stream in reversed(list(zip(self._kernels, self._streams, strict=True))):
            listed = self._crowded if everyone and fewer >= 0 else worlds
            with wp.ScopedStream(stream):
                if fewer < 0:
                    clear(self._head_start)
                wp.launch(
                    kernel,
                    dim=(listed.slots, self._lanes),
                    inputs=[listed.index, listed.number, listed.slots, fewer, more, *limits, self._problem],
                    outputs=outputs,
                    block_dim=32,
                )
        for stream in self._streams:
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
            outputs=[data.qpos, data.qvel, data.qacc, data.overflow, self._blew_up],
        )  # fmt: skip


def _gather(model: mjw.Model, data: mjw.Data, entries: np.ndarray) -> Problem:
    """Put the arrays that the kernels need into their structure."""
    problem, rows = Problem(), data.efc
    problem.entries = wp.array(entries, dtype=int)
    problem.inertia, problem.damping, problem.num_rows = data.M, model.dof_damping, data.nefc
    problem.passive_force, problem.bias_force = data.qfrc_passive, data.qfrc_bias
    problem.applied_force = data.qfrc_applied
    problem.jacobian, problem.stiffness, problem.reference, problem.limit = rows.J, rows.D, rows.aref, rows.frictionloss
    shape = (data.nworld, rows.J.shape[1], rows.J.shape[2] // 4)
    problem.jacobian_quads = wp.array(ptr=rows.J.ptr, dtype=wp.vec4, shape=shape, device=rows.J.device)
    return problem


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
    blew_up: wp.array[bool],
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
        blew_up[world] = True
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
