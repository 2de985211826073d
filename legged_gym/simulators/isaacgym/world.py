"""Isaac Gym's side of the simulation: builds robots and ground as legged_gym does, and steps them.

Part of the process of :mod:`legged_gym.simulators.isaacgym.worker`, so written for Python 3.8.
"""

import os
from typing import Any, Dict, List, Optional

import numpy as np
from isaacgym import gymapi, gymtorch

import torch  # isort: skip (Isaac Gym refuses to be imported after it)

ROOT_CHANGED, JOINTS_CHANGED, VELOCITY_CHANGED = 1, 2, 4
"""Bits of ``changed``."""
_NO_LIMIT = 1e6
"""N·m."""


class World:
    """All robots and their ground.

    Joints and links have two orders: the order of ``settings``, in which everything in shared memory is, and Isaac
    Gym's own, in which it keeps its tensors; see :class:`Order`.

    Shared memory, N robots, D joints, B links, S physics steps; all float32 but the last two, which are uint8:

    ================== ============ =======================================================================
    name               shape        meaning
    ================== ============ =======================================================================
    targets            (S, N, D)    angles aimed at in each physics step, rad
    stiffness, damping (N, D)       gains, N·m/rad and N·m·s/rad
    limits             (D,)         largest torques, N·m
    torques            (N, D)       to apply, or those of the last physics step, N·m
    drive_damping      (N, D)       part of the torques to integrate implicitly, N·m·s/rad
    root               (N, 13)      state of the base, of the link's origin
    dof                (N, D, 2)    angles and velocities
    bodies             (N, B, 13)   states of the links, of their origins
    forces             (N, B, 3)    net contact forces, N
    changed            (N,)         bits: 1, ``root`` is to be set; 2, ``dof``; 4, only the velocity in ``root``
    redamped           (N,)         whether ``drive_damping`` changed
    ================== ============ =======================================================================
    """

    def __init__(self, settings: Dict[str, Any], arrays: Dict[str, Any], shared: Dict[str, Any]) -> None:
        """Build everything."""
        self._settings, self._arrays = settings, arrays
        self._shared = {name: torch.from_numpy(array) for name, array in shared.items()}
        self._gpu_pipeline = settings["gpu_pipeline"]
        self._gym = gymapi.acquire_gym()
        self._sim = self._create_sim()
        self._add_ground()
        self._create_robots()
        _succeed(self._gym.prepare_sim(self._sim), "prepare_sim")
        self._acquire_tensors()
        self._drive_damping: Optional[torch.Tensor] = None

    # --- steps ---------------------------------------------------------------------------------------------------

    def follow(self, num_targets: int) -> None:
        """Do the physics steps of a control step by the torque law in shared memory."""
        stiffness, damping = (self._joints_here(self._shared[name]) for name in ("stiffness", "damping"))
        limits = self._joints_here(self._shared["limits"].unsqueeze(0))
        targets = [self._joints_here(target) for target in self._shared["targets"][:num_targets]]
        products = [stiffness * target for target in targets]
        position, velocity = self._dof[..., 0], self._dof[..., 1]
        torques = torch.empty_like(stiffness)
        for step in range(self._settings["decimation"]):
            torch.addcmul(products[min(step, num_targets - 1)], stiffness, position, value=-1.0, out=torques)
            torques.addcmul_(damping, velocity, value=-1.0)
            torch.min(torques, limits, out=torques)
            torch.max(torques, -limits, out=torques)
            self._simulate(torques)
        self._shared["torques"].copy_(self._dof_order.to_ours(torques))
        self._publish()

    def step(self, refresh: bool) -> None:
        """Do one physics step with the torques in shared memory."""
        self._simulate(self._joints_here(self._shared["torques"]))
        if refresh:
            self._publish()
        else:
            self._publish_joints()

    def apply_states(self) -> None:
        """Put robots into the states in shared memory that are marked as changed."""
        changed = self._shared["changed"]
        roots = ((changed & (ROOT_CHANGED | VELOCITY_CHANGED)) != 0).nonzero().flatten()
        joints = ((changed & JOINTS_CHANGED) != 0).nonzero().flatten()
        # Each of them once for each step: a second call would take back what the first one set.
        if len(roots) and not self._settings["fix_base_link"]:
            self._apply_roots(roots)
        if len(joints):
            rows = joints.to(self._device)
            self._dof[rows] = self._dof_order.to_theirs(self._shared["dof"][joints].to(self._device))
            self._dof_rows = self._actors[rows].contiguous()
            indices = gymtorch.unwrap_tensor(self._dof_rows)
            done = self._gym.set_dof_state_tensor_indexed(self._sim, self._dof_tensor, indices, len(joints))
            _succeed(done, "set_dof_state_tensor_indexed")
        changed.zero_()

    def _apply_roots(self, robots: torch.Tensor) -> None:
        self._gym.refresh_actor_root_state_tensor(self._sim)
        rows = robots.to(self._device)
        actors = self._actors[rows].contiguous()
        state = self._shared["root"][robots].to(self._device)
        whole = ((self._shared["changed"][robots] & ROOT_CHANGED) != 0).to(self._device).unsqueeze(1)
        state[:, :7] = torch.where(whole, state[:, :7], self._root[actors.long(), :7])
        if self._coms is not None:
            state[:, 7:10] -= velocity_shift(state, self._coms[rows, 0].t())
        self._root[actors.long()] = state
        # Kept, because Isaac Gym is only told where they lie.
        self._root_rows = actors
        indices = gymtorch.unwrap_tensor(self._root_rows)
        done = self._gym.set_actor_root_state_tensor_indexed(self._sim, self._root_tensor, indices, len(robots))
        _succeed(done, "set_actor_root_state_tensor_indexed")

    def apply_drive_damping(self) -> None:
        """Give the joint drives of robots that are marked the damping in shared memory, beside the joints' own."""
        redamped = self._shared["redamped"]
        self._drive_damping = self._joints_here(self._shared["drive_damping"])
        damping = self._drive_damping.cpu().numpy()
        for robot in redamped.nonzero().flatten().tolist():
            properties = self._dof_properties(robot)
            properties["damping"] += damping[robot]
            # What the torque law asks for is within the limits already.
            properties["effort"].fill(_NO_LIMIT)
            done = self._gym.set_actor_dof_properties(self._envs[robot], self._handles[robot], properties)
            _succeed(done, "set_actor_dof_properties")
        redamped.zero_()

    def _simulate(self, torques: torch.Tensor) -> None:
        """Do a physics step with torques in Isaac Gym's order."""
        if self._drive_damping is None:
            self._torques.copy_(torques)
        else:
            # The drives will take the damping of the new velocities off, which the torques hold of the old ones.
            torch.addcmul(torques, self._drive_damping, self._dof[..., 1], out=self._torques)
        gym, sim = self._gym, self._sim
        _succeed(gym.set_dof_actuation_force_tensor(sim, self._torque_tensor), "set_dof_actuation_force_tensor")
        gym.simulate(sim)
        if not self._gpu_pipeline:
            gym.fetch_results(sim, True)
        gym.refresh_dof_state_tensor(sim)

    def _publish_joints(self) -> None:
        self._shared["dof"].copy_(self._dof_order.to_ours(self._dof))

    def _publish(self) -> None:
        """Bring all of the shared memory's states up to date."""
        gym, sim = self._gym, self._sim
        gym.refresh_actor_root_state_tensor(sim)
        gym.refresh_rigid_body_state_tensor(sim)
        gym.refresh_net_contact_force_tensor(sim)
        self._publish_joints()
        self._shared["forces"].copy_(self._body_order.to_ours(self._forces))
        bodies = self._body_order.to_ours(self._bodies)
        self._shared["bodies"].copy_(bodies)
        if self._coms is not None:
            shift = velocity_shift(bodies.view(-1, 13), self._all_coms)
            self._shared["bodies"].view(-1, 13)[:, 7:10] += shift.to("cpu")
        self._shared["root"].copy_(self._root[self._actors.long()])
        self._shared["root"][:, 7:10] = self._shared["bodies"][:, 0, 7:10]

    def _joints_here(self, values: torch.Tensor) -> torch.Tensor:
        """Return values of joints in Isaac Gym's order and on its device."""
        return self._dof_order.to_theirs(values.to(self._device))

    # --- preparation ---------------------------------------------------------------------------------------------

    def _create_sim(self) -> Any:
        settings, params = self._settings, gymapi.SimParams()
        params.dt = settings["dt"]
        params.substeps = settings["substeps"]
        params.up_axis = gymapi.UP_AXIS_Z
        params.gravity = gymapi.Vec3(*settings["gravity"])
        params.use_gpu_pipeline = params.physx.use_gpu = self._gpu_pipeline
        for name, value in settings["physx"].items():
            setattr(params.physx, name, value)
        params.physx.contact_collection = gymapi.ContactCollection(settings["contact_collection"])
        sim = self._gym.create_sim(settings["gpu"], -1, gymapi.SIM_PHYSX, params)
        if sim is None:
            raise RuntimeError("create_sim failed" + (f" on GPU {settings['gpu']}" if self._gpu_pipeline else ""))
        return sim

    def _add_ground(self) -> None:
        """Add a plane or, where there are heights, a mesh of two triangles for each cell of their grid."""
        friction = self._settings["ground_friction"]
        heights = self._arrays.get("heights")
        params = gymapi.PlaneParams() if heights is None else gymapi.TriangleMeshParams()
        params.static_friction = params.dynamic_friction = friction
        params.restitution = 0.0
        if heights is None:
            params.normal = gymapi.Vec3(0.0, 0.0, 1.0)
            self._gym.add_ground(self._sim, params)
            return
        vertices, triangles = mesh_of_heights(heights, self._settings["horizontal_scale"])
        params.nb_vertices, params.nb_triangles = len(vertices), len(triangles)
        params.transform.p.x, params.transform.p.y = self._settings["origin"]
        params.transform.p.z = 0.0
        self._gym.add_triangle_mesh(self._sim, vertices.flatten(), triangles.flatten(), params)

    def _create_robots(self) -> None:
        """Load the URDF and put every robot into an environment of its own."""
        gym, settings = self._gym, self._settings
        folder, file = os.path.split(settings["file"])
        self._asset = gym.load_asset(self._sim, folder, file, self._asset_options())
        if self._asset is None:
            raise RuntimeError(f"load_asset failed on '{settings['file']}'")
        self._find_names()
        self._envs: List[Any] = []
        self._handles: List[Any] = []
        self._link_coms: List[List[List[float]]] = []
        per_row = int(np.sqrt(settings["num_envs"]))
        corner = gymapi.Vec3(0.0, 0.0, 0.0)
        for robot in range(settings["num_envs"]):
            self._envs.append(gym.create_env(self._sim, corner, corner, per_row))
            self._handles.append(self._create_robot(robot))
            self._link_coms.append(self._shift_base(robot))

    def _asset_options(self) -> Any:
        options = gymapi.AssetOptions()
        options.default_dof_drive_mode = int(gymapi.DOF_MODE_EFFORT)
        options.collapse_fixed_joints = True
        options.flip_visual_attachments = False
        options.fix_base_link = self._settings["fix_base_link"]
        options.disable_gravity = False
        for name, value in self._settings["asset"].items():
            setattr(options, name, value)
        return options

    def _find_names(self) -> None:
        gym, settings = self._gym, self._settings
        bodies, dofs = gym.get_asset_rigid_body_names(self._asset), gym.get_asset_dof_names(self._asset)
        self._body_order = Order(settings["body_names"], bodies, "link")
        self._dof_order = Order(settings["dof_names"], dofs, "joint")
        self._base = bodies.index(settings["body_names"][0])
        if len(dofs) != len(settings["dof_names"]):
            extra = ", ".join(sorted(set(dofs) - set(settings["dof_names"])))
            raise RuntimeError(f"Isaac Gym moves joints of this URDF that MuJoCo does not: {extra}")
        # Before the order moves to a GPU, as Isaac Gym takes joint properties from the processor.
        self._joint_properties = {
            name: self._dof_order.to_theirs(torch.tensor(self._arrays["joint_" + name])).numpy()
            for name in ("friction", "damping", "armature")
        }

    def _create_robot(self, robot: int) -> Any:
        gym, settings = self._gym, self._settings
        shapes = gym.get_asset_rigid_shape_properties(self._asset)
        for shape in shapes:
            shape.friction = float(self._arrays["friction"][robot])
        gym.set_asset_rigid_shape_properties(self._asset, shapes)
        pose = gymapi.Transform()
        pose.p = gymapi.Vec3(*(float(x) for x in self._arrays["start"][robot, :3]))
        pose.r = gymapi.Quat(*(float(x) for x in self._arrays["start"][robot, 3:7]))
        env = self._envs[robot]
        handle = gym.create_actor(env, self._asset, pose, settings["name"], robot, settings["self_collisions"], 0)
        _succeed(gym.set_actor_dof_properties(env, handle, self._dof_properties(robot)), "set_actor_dof_properties")
        return handle

    def _dof_properties(self, robot: int) -> Any:
        """Return the URDF's joint limits with a robot's own friction, damping and armature."""
        properties = self._gym.get_asset_dof_properties(self._asset)
        properties["driveMode"].fill(int(gymapi.DOF_MODE_EFFORT))
        properties["stiffness"].fill(0.0)
        for name, values in self._joint_properties.items():
            properties[name][:] = values[robot]
        return properties

    def _shift_base(self, robot: int) -> List[List[float]]:
        """Give a robot's base its mass and centre of mass; return the centres of mass of all links."""
        env, handle = self._envs[robot], self._handles[robot]
        links = self._gym.get_actor_rigid_body_properties(env, handle)
        base = links[self._base]
        share = 1.0 + float(self._arrays["added_mass"][robot]) / (base.mass or 1.0)
        base.mass *= share
        for row in (base.inertia.x, base.inertia.y, base.inertia.z):
            row.x, row.y, row.z = row.x * share, row.y * share, row.z * share
        base.com += gymapi.Vec3(*(float(x) for x in self._arrays["added_com"][robot]))
        # Otherwise Isaac Gym would make up an inertia from the shapes.
        done = self._gym.set_actor_rigid_body_properties(env, handle, links, recomputeInertia=False)
        _succeed(done, "set_actor_rigid_body_properties")
        return [[link.com.x, link.com.y, link.com.z] for link in links]

    def _acquire_tensors(self) -> None:
        """Bind Isaac Gym's tensors; descriptors are kept, for they are what it is called with."""
        gym, sim, n = self._gym, self._sim, self._settings["num_envs"]
        self._root_tensor = gym.acquire_actor_root_state_tensor(sim)
        self._dof_tensor = gym.acquire_dof_state_tensor(sim)
        self._body_tensor = gym.acquire_rigid_body_state_tensor(sim)
        self._force_tensor = gym.acquire_net_contact_force_tensor(sim)
        gym.refresh_actor_root_state_tensor(sim)
        gym.refresh_dof_state_tensor(sim)
        self._root = gymtorch.wrap_tensor(self._root_tensor)
        self._dof = gymtorch.wrap_tensor(self._dof_tensor).view(n, -1, 2)
        self._bodies = gymtorch.wrap_tensor(self._body_tensor).view(n, -1, 13)
        self._forces = gymtorch.wrap_tensor(self._force_tensor).view(n, -1, 3)
        self._device = self._root.device
        self._body_order.move(self._device)
        self._dof_order.move(self._device)
        self._coms: Optional[torch.Tensor] = None
        if self._settings["velocities_of"] == "com":
            coms = self._body_order.to_ours(torch.tensor(self._link_coms, device=self._device))
            self._coms, self._all_coms = coms, coms.reshape(-1, 3).t().contiguous()
        actors = [gym.get_actor_index(env, handle, gymapi.DOMAIN_SIM) for env, handle in zip(self._envs, self._handles)]
        self._actors = torch.tensor(actors, dtype=torch.int32, device=self._device)
        self._torques = torch.zeros(self._dof.shape[:2], device=self._device)
        self._torque_tensor = gymtorch.unwrap_tensor(self._torques)


class Order:
    """Leads from one order of names to another; where both are the same, tensors are passed on as they are."""

    def __init__(self, ours: List[str], theirs: List[str], kind: str) -> None:
        """Find each of our names in Isaac Gym's order, which may hold more.

        Raises:
            RuntimeError: Isaac Gym does not have one of them.
        """
        missing = [name for name in ours if name not in theirs]
        if missing:
            raise RuntimeError(f"Isaac Gym made no {kind} '{missing[0]}' of this URDF: it has {', '.join(theirs)}")
        self._same = ours == theirs
        self._ours = torch.tensor([theirs.index(name) for name in ours])
        self._theirs = torch.argsort(self._ours)

    def move(self, device: torch.device) -> None:
        """Get ready for tensors on a device."""
        self._ours, self._theirs = self._ours.to(device), self._theirs.to(device)

    def to_ours(self, values: torch.Tensor) -> torch.Tensor:
        """Bring the second dimension into our order."""
        return values if self._same else values.index_select(1, self._ours)

    def to_theirs(self, values: torch.Tensor) -> torch.Tensor:
        """Bring the second dimension into Isaac Gym's order, in which there must not be more names."""
        return values if self._same else values.index_select(1, self._theirs)


def velocity_shift(states: torch.Tensor, coms: torch.Tensor) -> torch.Tensor:
    """Return what makes of the velocity of a link's centre of mass that of its origin.

    Args:
        states: Position, quaternion and velocities of links, world frame, (n, 13).
        coms: Centres of mass in the links' own frames, m, (3, n).

    Returns:
        Differences, m/s, world frame, (n, 3).
    """
    # By components, each in one piece of memory: several times as fast as by vectors.
    x, y, z, w, _, _, _, wx, wy, wz = states.t()[3:].contiguous().unbind()
    cx, cy, cz = coms.unbind()
    tx, ty, tz = 2.0 * (y * cz - z * cy), 2.0 * (z * cx - x * cz), 2.0 * (x * cy - y * cx)
    ax, ay, az = cx + w * tx + y * tz - z * ty, cy + w * ty + z * tx - x * tz, cz + w * tz + x * ty - y * tx
    return torch.stack((ay * wz - az * wy, az * wx - ax * wz, ax * wy - ay * wx), dim=-1)


def mesh_of_heights(heights: np.ndarray, scale: float) -> Any:
    """Make a mesh of heights, (X, Y), m, ``scale`` m apart; its cells are divided as MuJoCo divides them.

    Returns:
        Vertices (X·Y, 3), float32, m, and triangles that look up (2 (X - 1)(Y - 1), 3), uint32.
    """
    num_x, num_y = heights.shape
    x, y = np.meshgrid(np.arange(num_x) * scale, np.arange(num_y) * scale, indexing="ij")
    vertices = np.stack((x, y, heights), axis=-1).reshape(-1, 3).astype(np.float32)
    number = np.arange(num_x * num_y, dtype=np.uint32).reshape(num_x, num_y)
    near, far_x, far_y, far = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    triangles = np.stack((near, far_x, far_y, far_x, far, far_y), axis=-1)
    return vertices, np.ascontiguousarray(triangles.reshape(-1, 3))


def _succeed(done: Any, what: str) -> None:
    """Isaac Gym tells of a failure by returning False, or nothing at all."""
    if done is False:
        raise RuntimeError(f"Isaac Gym's {what} failed")
