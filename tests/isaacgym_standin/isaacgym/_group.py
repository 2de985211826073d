"""Envs made of the same assets, stepped as one batch of one MuJoCo model."""

from __future__ import annotations

import mujoco
import numpy as np
from mujoco.batch import Batch

from ._ground import GROUND_BIT, add_ground
from ._params import matrix_of
from ._rules import broken
from ._scene import Actor, Env, Sim

_RESETTING = [
    mujoco.mjtWarning.mjWARN_BADQPOS.value,
    mujoco.mjtWarning.mjWARN_BADQVEL.value,
    mujoco.mjtWarning.mjWARN_BADQACC.value,
]
_MOST_KINDS = 30
_FORCE = 1 << mujoco.mjtConDataField.mjCONDATA_FORCE.value


def build_model(sim: Sim, env: Env) -> mujoco.MjModel:
    """Make the model of an env; what differs between envs is set afterwards."""
    spec = mujoco.MjSpec()
    spec.compiler.balanceinertia = True
    spec.option.gravity = [sim.params.gravity.x, sim.params.gravity.y, sim.params.gravity.z]
    spec.option.timestep = sim.params.dt / max(sim.params.substeps, 1)
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.iterations, spec.option.ls_iterations = 20, 20
    spec.memory = 1 << 21
    for number, ground in enumerate(sim.grounds):
        add_ground(spec, ground, f"ground{number}")
    for actor in env.actors:
        actor.asset.add_to(spec, f"{actor.handle}/")
    _shape_collisions(spec, env)
    for body in spec.bodies[1:]:
        if body.geoms:
            spec.add_sensor(
                name=body.name, type=mujoco.mjtSensor.mjSENS_CONTACT, objtype=mujoco.mjtObj.mjOBJ_BODY,
                objname=body.name, intprm=[_FORCE, 3, 1],
            )  # fmt: skip
    return spec.compile()


def _shape_collisions(spec: mujoco.MjSpec, env: Env) -> None:
    """Let shapes collide as groups and filters say: same group, and no filter bit in common."""
    # Actors of the same group and filter share a bit, as MuJoCo has only 32.
    kinds = list(dict.fromkeys((actor.group, actor.filter) for actor in env.actors))
    if len(kinds) > _MOST_KINDS:
        broken(f"more than {_MOST_KINDS} kinds of collision group and filter in one env are not in the stand-in")
    masks = []
    for group, mask in kinds:
        met = [(group == g or -1 in (group, g)) and mask & m == 0 for g, m in kinds]
        masks.append(GROUND_BIT | sum(2 << number for number, meets in enumerate(met) if meets))
    for geom in spec.geoms:
        prefix, slash, _ = geom.name.partition("/")
        if slash:
            actor = env.actors[int(prefix)]
            kind = kinds.index((actor.group, actor.filter))
            geom.contype, geom.conaffinity = 2 << kind, masks[kind]
            # Its own friction is combined with the ground's beforehand.
            geom.priority = 1


class Group:
    """The batch, and where everything of its envs is in the sim's tensors."""

    def __init__(self, sim: Sim, envs: list[Env], threads: int) -> None:
        """Build the model and give every env's actors their properties; they have no states yet."""
        self.sim, self.envs = sim, envs
        self.model = build_model(sim, envs[0])
        self.batch = Batch(self.model, len(envs), nthread=threads)
        self._index()
        self._bind()
        self._resets = np.zeros(len(envs), dtype=int)
        for row, env in enumerate(envs):
            for actor in env.actors:
                self.write_properties(row, actor, derive=False)
        self.batch.set_const()

    def _index(self) -> None:
        model, template = self.model, self.envs[0].actors
        n = len(self.envs)
        counts = [len(actor.asset.links) for actor in template]
        self.first_body = np.cumsum([1, *counts])[:-1]
        self.mj_bodies = np.arange(1, model.nbody)
        names = [f"{a.handle}/{joint.name}" for a in template for joint in a.asset.dofs]
        joints = [model.joint(name).id for name in names]
        self.qpos_adr, self.dof_adr = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        self.first_dof = np.cumsum([0, *(len(actor.asset.dofs) for actor in template)])[:-1]
        self.root_qpos, self.root_dof = np.full(len(template), -1), np.full(len(template), -1)
        for slot, body in enumerate(self.first_body):
            if not template[slot].asset.fixed:
                joint = model.body_jntadr[body]
                self.root_qpos[slot], self.root_dof[slot] = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
        self.actor_index = self._indices(n, [(a.index, 1) for e in self.envs for a in e.actors])
        self.body_index = self._indices(n, [(a.first_body, len(a.asset.links)) for e in self.envs for a in e.actors])
        self.dof_index = self._indices(n, [(a.first_dof, len(a.asset.dofs)) for e in self.envs for a in e.actors])
        self.body_root = np.concatenate([np.full(c, b) for c, b in zip(counts, self.first_body)])
        sensed = [model.sensor(i).name for i in range(model.nsensor)]
        self.sensed = np.array([model.body(name).id - 1 for name in sensed], dtype=int)

    @staticmethod
    def _indices(n: int, runs: list[tuple[int, int]]) -> np.ndarray:
        flat = [np.arange(first, first + count) for first, count in runs]
        return np.concatenate(flat).reshape(n, -1) if flat else np.zeros((n, 0), dtype=int)

    def _bind(self) -> None:
        bind = self.batch.bind
        self.qpos, self.qvel, self.applied = bind("qpos"), bind("qvel"), bind("qfrc_applied")
        self.warmstart, self.xfrc = bind("qacc_warmstart"), bind("xfrc_applied")
        self.xpos, self.xquat, self.xipos = bind("xpos"), bind("xquat"), bind("xipos")
        self.cvel, self.subtree_com = bind("cvel"), bind("subtree_com")
        self.constraint, self.sensordata = bind("qfrc_constraint"), bind("sensordata")
        expand = self.batch.expand
        self.mass, self.ipos, self.iquat = expand("body_mass"), expand("body_ipos"), expand("body_iquat")
        self.inertia, self.friction = expand("body_inertia"), expand("geom_friction")
        self.damping, self.frictionloss = expand("dof_damping"), expand("dof_frictionloss")
        self.armature, self.range = expand("dof_armature"), expand("jnt_range")
        self.body_pos, self.body_quat = expand("body_pos"), expand("body_quat")
        n, dofs = len(self.envs), len(self.dof_adr)
        self.timestep = self.model.opt.timestep
        self.implicit = np.zeros((n, dofs))
        """Damping that makes springs and dampers of drives implicit, as PhysX's are."""
        self.props = {
            name: np.zeros((n, dofs))
            for name in ("driveMode", "velocity", "effort", "stiffness", "damping", "friction")
        }

    def write_properties(self, row: int, actor: Actor, derive: bool = True) -> None:
        """Write an actor's properties into its row of the model's fields.

        Args:
            row: The env's place in the batch.
            actor: The actor.
            derive: Update what MuJoCo derives from them; not needed when that follows for all.
        """
        self._write_dofs(row, actor)
        self._write_masses(row, actor)
        self._write_shapes(row, actor)
        if derive:
            self.batch.set_const([row])

    def _write_dofs(self, row: int, actor: Actor) -> None:
        first = self.first_dof[actor.handle]
        where = slice(first, first + len(actor.asset.dofs))
        for name, values in self.props.items():
            values[row, where] = actor.dof_props[name]
        adr = self.dof_adr[where]
        self.implicit[row, where] = actor.dof_props["damping"] + actor.dof_props["stiffness"] * self.timestep
        self.damping[row, adr] = self.implicit[row, where]
        self.armature[row, adr] = actor.dof_props["armature"]
        joints = self.model.dof_jntid[adr]
        limited = self.model.jnt_limited[joints].astype(bool)
        for side, name in enumerate(("lower", "upper")):
            self.range[row, joints[limited], side] = actor.dof_props[name][limited]

    def _write_masses(self, row: int, actor: Actor) -> None:
        for offset, props in enumerate(actor.body_props):
            body = self.first_body[actor.handle] + offset
            self.mass[row, body] = props.mass
            self.ipos[row, body] = [props.com.x, props.com.y, props.com.z]
            moments, axes = np.linalg.eigh(matrix_of(props.inertia))
            if np.linalg.det(axes) < 0:
                axes[:, 0] *= -1
            self.inertia[row, body] = np.maximum(moments, 0.0)
            mujoco.mju_mat2Quat(quat := np.zeros(4), axes.ravel())
            self.iquat[row, body] = quat
        self._write_damping(row, actor)

    def _write_damping(self, row: int, actor: Actor) -> None:
        """Let the asset's linear and angular damping slow the root down as a whole."""
        dof, options = self.root_dof[actor.handle], actor.asset.options
        if dof >= 0:
            first = self.first_body[actor.handle]
            bodies = slice(first, first + len(actor.asset.links))
            self.damping[row, dof : dof + 3] = options.linear_damping * self.mass[row, bodies].sum()
            self.damping[row, dof + 3 : dof + 6] = options.angular_damping * self.inertia[row, first].mean()

    def _write_shapes(self, row: int, actor: Actor) -> None:
        """Set friction; PhysX takes the mean of both sides', MuJoCo the one side's that has priority."""
        ground = self.sim.grounds[0].friction if self.sim.grounds else None
        first = self.first_body[actor.handle]
        shape = 0
        for offset in range(len(actor.asset.links)):
            adr, count = self.model.body_geomadr[first + offset], self.model.body_geomnum[first + offset]
            for geom in range(adr, adr + count):
                own = actor.shape_props[shape].friction
                self.friction[row, geom, 0] = own if ground is None else 0.5 * (own + ground)
                shape += 1

    def set_timestep(self, timestep: float) -> None:
        """Change the length of a substep, s."""
        self.timestep = timestep
        self.batch.expand("opt.timestep")[:] = timestep
        self.implicit[:] = self.props["damping"] + self.props["stiffness"] * timestep
        self.damping[:, self.dof_adr] = self.implicit

    def total_forces(self, efforts: np.ndarray, positions: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        """Return the force on each DOF from efforts and drives, (N, D).

        The drive, a spring and a damper limited by the maximal effort, works in every mode; targets only in theirs.
        """
        p = self.props
        mode = p["driveMode"]
        q, qd = self.qpos[:, self.qpos_adr], self.qvel[:, self.dof_adr]
        drive = p["stiffness"] * (np.where(mode == 1, positions, 0.0) - q)
        drive += p["damping"] * np.where(mode == 2, velocities, 0.0) - self.implicit * qd
        drive = np.clip(drive, -p["effort"], p["effort"])
        return drive + np.where(mode == 3, efforts, 0.0)

    def step(self, forces: np.ndarray) -> None:
        """Advance by one substep under ``forces``, (N, D)."""
        qd = self.qvel[:, self.dof_adr]
        # MuJoCo itself subtracts what damps, implicitly, so that is added here.
        self.applied[:, self.dof_adr] = forces + self.implicit * qd
        if self.props["friction"].any():
            self.frictionloss[:, self.dof_adr] = self.props["friction"] * np.abs(forces)
        self.batch.step()
        limit = self.props["velocity"]
        self.qvel[:, self.dof_adr] = np.clip(self.qvel[:, self.dof_adr], -limit, limit)

    def blown_up(self) -> np.ndarray:
        """Return rows whose state stopped being finite in the last step, which MuJoCo then replaced."""
        resets = self.batch.warning[:, _RESETTING, 1].sum(axis=1)
        rows = np.flatnonzero(resets != self._resets)
        self._resets = resets
        return rows
