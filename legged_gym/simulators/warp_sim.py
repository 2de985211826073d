"""MuJoCo Warp: all robots in parallel on an NVIDIA GPU or, for tests, on the CPU."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator

import torch

from legged_gym.common.console import tell_if_slow
from legged_gym.common.errors import UserError
from legged_gym.simulators.mujoco_model import HeightField, SceneCfg, build_scene
from legged_gym.simulators.simulator import CAUSES, PhysicsParameters, Simulator

try:
    import mujoco_warp as mjw
    import warp as wp

    from legged_gym.simulators.warp import kernels
    from legged_gym.simulators.warp.devices import find_device
    from legged_gym.simulators.warp.lanes import Worlds
    from legged_gym.simulators.warp.progress import counting_compilations
    from legged_gym.simulators.warp.rows import ConstraintRows
    from legged_gym.simulators.warp.solver import NewtonSolver
    from legged_gym.simulators.warp.terrain import GroundContacts
    from legged_gym.simulators.warp.tree import TreeDynamics
    from legged_gym.simulators.warp.upstream import Upstream
except ImportError as error:
    raise UserError(f"the warp simulator needs MuJoCo Warp ({error}): pip install -e '.[warp]'") from error

_OVERFLOWS = (
    "contacts were lost because their buffer was full: raise config key 'sim.max_contacts' (now {contacts})",
    "constraints were lost because their buffer was full: raise config key 'sim.max_constraints' (now {constraints})",
    "contacts were lost because a link touched too many cells: raise config key 'terrain.horizontal_scale'",
    "simulation diverged and was stopped: lower config key 'sim.dt', or the gains and forces",
)
"""Messages for the entries of the overflow counter."""

_INTEGRATION = ("qpos", "qvel", "qfrc_applied", "qacc", "qacc_warmstart")
"""The fields of MuJoCo Warp's data on which a step depends. All others follow from them."""

_PER_ROBOT = (
    "geom_friction", "body_mass", "body_inertia", "body_ipos", "dof_frictionloss", "dof_damping", "dof_armature",
    "body_subtreemass", "body_invweight0", "dof_invweight0",
)  # fmt: skip
"""Model fields with a row for each robot: those that we set, then those that MuJoCo derives from them."""


class WarpSimulator(Simulator):
    """Steps all robots on one device. Each is a MuJoCo Warp world with its own model fields.

    Nothing here waits for the device, and on a GPU repeated work is replayed from CUDA graphs. Work is queued on
    PyTorch's current stream. If a caller captures that stream into its own graph, the work is recorded there instead.
    """

    def __init__(self, cfg: SceneCfg, terrain: HeightField | None, num_envs: int, device: str = "cuda:0") -> None:
        """Build the scene, allocate all worlds and compile the kernels; see :class:`Simulator`.

        The device is one of PyTorch's CUDA devices, or ``cpu``, which is slow.
        """
        self._wp_device = find_device(device)
        self.num_envs, self.device, self.dt = num_envs, device, cfg.sim.dt
        self._limits = cfg.sim.divergence
        self._max_contacts, self._max_constraints = cfg.sim.max_contacts, cfg.sim.max_constraints
        self.describe(build_scene(cfg, terrain))
        self._dofs = slice(self.scene.model.nv - self.num_dof, self.scene.model.nv)
        self._create_worlds(terrain)
        self._allocate()
        # MuJoCo Warp's own solver has loops inside a graph, which PyTorch can't record.
        self.capturable = self._wp_device.is_cuda and self._solver is not None
        self._graphs: dict[str, wp.Graph] = {}
        self._captures: list[wp.Graph] = []
        self._current = False
        what = "compiling MuJoCo Warp's kernels, which takes a minute or two at the first start"
        with counting_compilations() as compiled, tell_if_slow(what, so_far=lambda: f"{compiled.number} modules"):
            self._warm_up()

    def step(self, torques: torch.Tensor, refresh: bool = False) -> None:
        """Advance all robots by one physics step; see :meth:`Simulator.step`."""
        # The torques include the present velocity feedback. The damping replaces it by that at the step's end.
        torch.addcmul(torques, self._drive_damping, self.dof_vel, out=self._joint_torque)
        self._advance()
        if refresh:
            self._forward()
            self._read(self._all_worlds)
            self._replace_diverged()

    def set_drive_damping(self, damping: torch.Tensor) -> None:
        """Integrate this much velocity feedback implicitly; see :meth:`Simulator.set_drive_damping`."""
        inputs = [damping, self._joint_damping, self._data.qvel]
        outputs = [self._drive_damping, self._model.dof_damping, self._data.qfrc_passive]
        self._launch(kernels.write_damping, (self.num_envs, self.num_dof), inputs, outputs)

    def set_state(
        self, mask: torch.Tensor, root_states: torch.Tensor, dof_pos: torch.Tensor, dof_vel: torch.Tensor
    ) -> None:
        """Put the robots in ``mask`` into given states; see :meth:`Simulator.set_state`."""
        data, few = self._data, self._few_worlds
        with self._on_stream():
            few.clear()
        self._launch(
            kernels.write_state,
            self.num_envs,
            [mask, root_states, dof_pos, dof_vel, self.scene.free_base],
            [data.qpos, data.qvel, data.qfrc_applied, data.qacc, data.qacc_warmstart, few.index, few.number],
        )
        if self._tree is not None:
            # Results of the other robots stay unchanged.
            with self._on_stream():
                self._compute_forward(few)
        else:
            self._forward()
        self._read(few)

    def set_root_velocity(self, mask: torch.Tensor, velocity: torch.Tensor) -> None:
        """Replace the base's velocity of some robots; see :meth:`Simulator.set_root_velocity`."""
        if not self.scene.free_base:
            return
        data, few = self._data, self._few_worlds
        with self._on_stream():
            few.clear()
        outputs = [data.qpos, data.qvel, few.index, few.number]
        self._launch(kernels.write_root_velocity, self.num_envs, [mask, velocity], outputs)
        if self._tree is None:
            self._current = False
        elif self._current:
            with self._on_stream():
                self._compute_state(few, moved=False)

    def set_parameters(self, parameters: PhysicsParameters) -> None:
        """Write each robot's parameters into its own model fields and update what MuJoCo derives from them."""
        nominal, base = self.scene.model, int(self.scene.body_ids[0])
        fields = {name: wp.to_torch(getattr(self._model, name)) for name in _PER_ROBOT}
        fields["geom_friction"][:, self.scene.ground_id, 0] = parameters.friction
        mass = self.base_mass + parameters.added_mass
        fields["body_mass"][:, base] = mass
        inertia = torch.tensor(nominal.body_inertia[base], dtype=torch.float32, device=self.device)
        fields["body_inertia"][:, base] = inertia * (mass / (self.base_mass or 1.0)).unsqueeze(1)
        com = torch.tensor(nominal.body_ipos[base], dtype=torch.float32, device=self.device)
        fields["body_ipos"][:, base] = com + parameters.added_com
        fields["dof_frictionloss"][:, self._dofs] = parameters.joint_friction
        fields["dof_armature"][:, self._dofs] = parameters.joint_armature
        self._joint_damping.copy_(parameters.joint_damping)
        self.set_drive_damping(self._drive_damping)
        with self._on_stream():
            mjw.set_const(self._model, self._data)
        self._current = False

    def state(self) -> dict[str, torch.Tensor]:
        """Return positions, velocities, the solver's start, and the state tensors; see the base class."""
        own = {name: wp.to_torch(getattr(self._data, name)) for name in _INTEGRATION}
        own |= {name: getattr(self, name) for name in self.STATES} | {"drive_damping": self._drive_damping}
        return {name: tensor.clone() for name, tensor in own.items()}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Continue exactly; see :meth:`Simulator.load_state`."""
        for name in _INTEGRATION:
            wp.to_torch(getattr(self._data, name)).copy_(state[name])
        self.set_drive_damping(state["drive_damping"].to(self.device))
        self._forward()
        # The solver starts from the last solution.
        for name in _INTEGRATION:
            wp.to_torch(getattr(self._data, name)).copy_(state[name])
        for name in self.STATES:
            getattr(self, name).copy_(state[name])

    def _look_after(self) -> None:
        """Warn once about each kind of overflow."""
        # The copy of the last check has arrived long ago.
        self._warn(self._overflows_seen.tolist())
        self._count_overflows()
        self._overflows_seen.copy_(self._overflows, non_blocking=True)

    def upstream(self) -> Upstream:
        """Return copies of all worlds that MuJoCo Warp steps alone, to compare with."""
        fields, room = (_PER_ROBOT, _INTEGRATION), (self._max_contacts, self._max_constraints)
        return Upstream(self.scene.model, self._model, self._data, *fields, room, self._on_stream)

    def close(self) -> None:
        """Delete the worlds and CUDA graphs."""
        self._graphs.clear()
        self._captures.clear()
        del self._model, self._data

    # --- physics -------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Do one physics step. Values that only depend on the state are computed once for each state."""
        if self._current:
            self._run("step from forces", self._step_from_forces)
        else:
            self._run("step", self._step_from_state)
        self._current = False

    def _forward(self) -> None:
        """Compute everything that follows from the present state and torques."""
        self._run("forward", lambda: self._compute_forward(self._all_worlds))
        # MuJoCo Warp's own step needs values that its solver has overwritten.
        self._current = self._solver is not None

    def _step_from_state(self) -> None:
        self._compute_state(self._all_worlds)
        self._step_from_forces()

    def _step_from_forces(self) -> None:
        self._compute_acceleration(self._all_worlds, ahead=True)
        if self._solver is not None:
            self._solver.advance()
        else:
            mjw.euler(self._model, self._data)

    def _compute_forward(self, worlds: Worlds) -> None:
        self._compute_state(worlds)
        self._compute_acceleration(worlds, ahead=False)

    def _compute_state(self, worlds: Worlds, moved: bool = True) -> None:
        """Compute values that depend on positions and velocities, for some robots; with MuJoCo Warp's kernels, for all.

        If they have not ``moved``, as after a push, their contacts with the ground stay the same.
        """
        model, data = self._model, self._data
        if self._tree is not None and self._contacts is not None:
            self._tree.update(worlds)
            if moved:
                self._contacts.detect(worlds)
        else:
            mjw.fwd_kinematics(model, data)
            mjw.crb(model, data)
            mjw.fwd_velocity(model, data)
            mjw.collision(model, data)
        if self._solver is not None:
            self._rows.make(worlds, everyone=worlds is self._all_worlds)
        else:
            mjw.make_constraint(model, data)
            self._rows.sort_contacts()

    def _compute_acceleration(self, worlds: Worlds, ahead: bool) -> None:
        if self._solver is not None:
            self._solver.solve(worlds, everyone=worlds is self._all_worlds, ahead=ahead)
        else:
            mjw.fwd_acceleration(self._model, self._data, factorize=True)
            mjw.solve(self._model, self._data)

    def _read(self, worlds: Worlds) -> None:
        data, contact = self._data, self._data.contact
        bodies = [data.xpos, data.xquat, data.cvel, data.subtree_com]
        contacts = [
            self._rows.touching, self._rows.num_touching, self._model.geom_bodyid, contact.geom, contact.frame,
            contact.friction, contact.efc_address, data.efc.force,
        ]  # fmt: skip
        self._launch(
            kernels.read_bodies,
            (worlds.slots, self.num_bodies),
            [worlds.index, worlds.number, worlds.slots, *bodies, *contacts],
            [self.root_states, self.rigid_body_states, self.contact_forces],
        )

    def _replace_diverged(self) -> None:
        limits, data = self._limits, self._data
        most = [getattr(limits, f"max_{cause}") for cause in CAUSES[1:]]
        states = [data.qpos, data.qvel, data.qacc, data.qacc_warmstart]
        states += [self.root_states, self.rigid_body_states, self.contact_forces]
        outputs = [self._blew_up, *states, self.diverged]
        self._launch(kernels.replace_diverged, self.num_envs, [*most, self._start, self.num_dof], outputs)

    # --- preparation ---------------------------------------------------------------------------------------------

    def _create_worlds(self, terrain: HeightField | None) -> None:
        n, scene = self.num_envs, self.scene
        with wp.ScopedDevice(self._wp_device):
            self._model = mjw.put_model(scene.model, batch_sizes=dict.fromkeys(_PER_ROBOT, n))
            # These are much faster than MuJoCo Warp's own solver, which is used for all other scenes.
            solvable = NewtonSolver.supports(scene.model) and TreeDynamics.supports(scene.model)
            on_ground = solvable and GroundContacts.supports(scene)
            own_room = GroundContacts.room(scene, terrain) if on_ground else 0
            room = own_room or self._max_contacts
            self._data = mjw.make_data(scene.model, nworld=n, nconmax=room, njmax=self._max_constraints)
            model, data = self._model, self._data
            self._blew_up = wp.zeros(n, dtype=bool)
            self._all_worlds, self._few_worlds = Worlds.all(n), Worlds.few(n)
            self._rows = ConstraintRows(scene.model, model, data, own_room)
            self._solver = NewtonSolver(scene.model, model, data, self._rows, self._blew_up) if solvable else None
            # MuJoCo Warp's collision detection needs values that only its own kinematics computes.
            self._tree = TreeDynamics(scene.model, model, data) if on_ground else None
            self._contacts = GroundContacts(scene, terrain, model, data) if on_ground else None
        # Overflows are counted here, because a printed line for each would flood the terminal.
        self._model.opt.warn_overflow = 0

    def _allocate(self) -> None:
        device, first_position = self.device, self.scene.model.nq - self.num_dof
        self.dof_pos = wp.to_torch(self._data.qpos)[:, first_position:]
        self.dof_vel = wp.to_torch(self._data.qvel)[:, self._dofs]
        base = self.scene.model.body(self.scene.body_ids[0])
        w, x, y, z = base.quat
        start = [*self.scene.model.qpos0, *base.pos, x, y, z, w, *6 * [0.0]]
        self._start = torch.tensor(start, dtype=torch.float32, device=device)
        self._joint_torque = wp.to_torch(self._data.qfrc_applied)[:, self._dofs]
        self._drive_damping = torch.zeros(self.num_envs, self.num_dof, device=device)
        self._joint_damping = wp.to_torch(self._model.dof_damping)[:, self._dofs].clone()
        self._overflows = torch.zeros(len(_OVERFLOWS), dtype=torch.int32, device=device)
        self._overflows_seen = torch.zeros(len(_OVERFLOWS), dtype=torch.int32, pin_memory=self._wp_device.is_cuda)
        self._warned = [False] * len(_OVERFLOWS)

    def _warm_up(self) -> None:
        """Run every kernel once, which compiles it, and return to the start."""
        data = self._data
        changed = (data.qpos, data.qvel, data.qacc, data.qacc_warmstart, data.overflow, self._blew_up)
        with self._on_stream():
            start = [wp.clone(array) for array in changed]
            mjw.set_const(self._model, self._data)
            self._step_from_state()
            for array, value in zip(changed, start, strict=True):
                wp.copy(array, value)
        self._forward()
        self._read(self._all_worlds)
        self._replace_diverged()
        self._count_overflows()
        self._overflows.zero_()
        wp.synchronize_device(self._wp_device)

    # --- device --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _on_stream(self) -> Iterator[None]:
        """Queue Warp's work on PyTorch's current stream, also while that is captured."""
        if not self._wp_device.is_cuda:
            with wp.ScopedDevice(self._wp_device):
                yield
            return
        stream = wp.stream_from_torch(torch.device(self.device))
        with wp.ScopedStream(stream, sync_enter=False):
            if not torch.cuda.is_current_stream_capturing():
                yield
                return
            with wp.ScopedCapture(stream=stream, external=True) as capture:
                yield
        # The caller's graph uses the kernels that were loaded for it.
        self._captures.append(capture.graph)

    def _run(self, name: str, function: Callable[[], None]) -> None:
        """Queue the work of ``function``. On a GPU it is captured the first time and replayed afterwards."""
        if not self._wp_device.is_cuda or torch.cuda.is_current_stream_capturing():
            with self._on_stream():
                function()
            return
        if name not in self._graphs:
            # On Warp's own stream, because PyTorch's default one can't be captured.
            with wp.ScopedDevice(self._wp_device), wp.ScopedCapture() as capture:
                function()
            self._graphs[name] = capture.graph
        with self._on_stream():
            wp.capture_launch(self._graphs[name])

    def _launch(self, kernel: wp.Kernel, dim: int | tuple[int, ...], inputs: list, outputs: list) -> None:
        """Queue a kernel. Its arguments may be PyTorch's tensors."""
        arguments = [wp.from_torch(a.detach()) if isinstance(a, torch.Tensor) else a for a in (*inputs, *outputs)]
        with self._on_stream():
            wp.launch(kernel, dim=dim, inputs=arguments)

    def _count_overflows(self) -> None:
        self._launch(kernels.count_overflows, self.num_envs, [self._data.overflow], [self._overflows])

    def _warn(self, counts: list[int]) -> None:
        for kind, count in enumerate(counts):
            if count and not self._warned[kind]:
                text = _OVERFLOWS[kind].format(contacts=self._max_contacts, constraints=self._max_constraints)
                warnings.warn(f"{count} times a robot's {text}", stacklevel=3)
                self._warned[kind] = True
