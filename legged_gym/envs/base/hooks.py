"""legged_gym's methods and attributes: those that a task calls, and replacements for the others.

Every method that a user's class overrides is called where legged_gym calls it, or the class is refused when it is made.
Nothing is ignored silently.
"""

from __future__ import annotations

import difflib
import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType
from typing import TypeVar

from legged_gym.common.errors import UserError

_Method = TypeVar("_Method", bound=Callable[..., None])

INDEXED = frozenset((
    "reset_idx", "_resample_commands", "_reset_dofs", "_reset_root_states", "_update_terrain_curriculum",
    "update_command_curriculum",
))  # fmt: skip
"""Hooks that take indices of robots, ``env_ids``, as in legged_gym. The base class's hooks also take a mask."""
TIMED = frozenset(("_post_physics_step_callback", "_push_robots"))
"""Hooks that legged_gym calls depending on the host's step counter."""

_TERRAIN = "override _make_terrain(cfg, seed), which returns a Terrain"
_PARAMETERS = "set domain_rand.*, or change self.rand.physics in _init_buffers and call self.sim.set_parameters with it"
_OBSERVE = "override compute_observations and set self.obs_buf and self.privileged_obs_buf there"
_WRITE = "write to self.root_states, self.dof_pos or self.dof_vel in _reset_root_states, _reset_dofs or _push_robots"
_VIEWER = "viewers show a task from outside: see scripts/play.py and the section viewer"
_HOLDS = "the simulator holds the scene: see legged_gym.simulators"

REFUSED = {
    "create_sim": "add a Simulator to legged_gym.simulators.SIMULATORS; for other ground " + _TERRAIN,
    "_create_envs": "set asset.*, and put what you look up by name into _init_buffers",
    "_process_rigid_shape_props": _PARAMETERS,
    "_process_rigid_body_props": _PARAMETERS,
    "_process_dof_props": "set control.* and rewards.soft_*, or change self.torque_limits in _init_buffers",
    "_create_ground_plane": "set terrain.mesh_type = 'plane'",
    "_create_heightfield": _TERRAIN,
    "_create_trimesh": _TERRAIN,
    "_get_env_origins": "change self.env_origins in _init_buffers",
    "set_camera": "set viewer.pos and viewer.lookat",
    "render": _VIEWER,
    "_draw_debug_vis": _VIEWER,
    "get_privileged_observations": _OBSERVE,
    "_prepare_rewards": "it is called _prepare_reward_function, as in legged_gym",
    **{
        f"_{name}": f"it is called {name}, as in legged_gym"
        for name in ("check_termination", "compute_reward", "compute_observations", "post_physics_step")
    },
}
"""Methods that would never be called, and what to do instead."""

GONE = {
    "dof_state": "read and write self.dof_pos and self.dof_vel",
    "sim_params": "read self.cfg.sim",
    "physics_engine": "--sim chooses the simulator; it is self.sim",
    "graphics_device_id": _VIEWER,
    "base_pos": "read self.root_states[:, 0:3]",
    **dict.fromkeys(("envs", "actor_handles", "robot_asset"), _HOLDS),
    **dict.fromkeys(("rigid_state", "rigid_body_state", "rigid_body_states_view"), "read self.rigid_body_states"),
    **dict.fromkeys(("feet_pos", "foot_positions"), "read self.rigid_body_states[:, self.feet_indices, 0:3]"),
    **dict.fromkeys(("feet_vel", "foot_velocities"), "read self.rigid_body_states[:, self.feet_indices, 7:10]"),
    **dict.fromkeys(("rpy", "base_euler_xyz"), "call get_euler_xyz(self.base_quat) of legged_gym.utils.math"),
    **dict.fromkeys(("obs_history", "obs_history_buf"), "set env.history_length"),
    "env_frictions": "read self.friction_coeffs",
    "motor_strengths": "read self.rand.torque_multiplier",
    "height_samples": "call self.ground.height_at(points), m",
    "get_privileged_observations": "call get_observations()['privileged']",
}
"""Attributes of legged_gym that don't exist here, and what to use instead."""


def takes_mask(method: _Method) -> _Method:
    """Mark a hook of :data:`INDEXED` as one that takes a mask of robots, bool, (N,), instead of indices.

    Then the host need not wait for the number of robots, and the step can run as a CUDA graph.
    """
    method.takes_mask = True  # type: ignore[attr-defined]
    return method


def overridden(cls: type, base: type) -> frozenset[str]:
    """Return the overridden hooks that need legged_gym's way: indices, or the host's step counter."""
    indexed = {name for name in INDEXED if not getattr(getattr(cls, name), "takes_mask", False)}
    return frozenset(indexed | {name for name in TIMED if getattr(cls, name) is not getattr(base, name)})


def check_class(cls: type, base: type) -> None:
    """Check the methods that a class and its parents add to ``base``.

    Raises:
        UserError: A method is never called, the constructor has legged_gym's arguments, or a method calls Isaac Gym.
    """
    for name, method in _own_methods(cls, base):
        if name in REFUSED:
            raise UserError(f"{cls.__name__}.{name} would never be called: {REFUSED[name]}")
        if not name.startswith("__") and (name.startswith("_reward_") or inspect.isfunction(getattr(base, name, None))):
            _check_signature(cls, name, method, getattr(base, name, names_in))
        if name == "__init__" and {"sim_params", "physics_engine"} & set(inspect.signature(method).parameters):
            raise UserError(
                f"{cls.__name__}.__init__ takes legged_gym's arguments: take (self, cfg, **kwargs) and pass both on, "
                "or put it into _init_buffers"
            )
        if name in _BUILDING and name not in names_in([method]):
            raise UserError(f"{cls.__name__}.{name} must call super().{name}, which makes what a step needs")
        if any(_calls_isaac_gym(code) for code in _codes(method.__code__)):
            raise UserError(f"{cls.__name__}.{name} calls Isaac Gym (self.gym): {_WRITE}")


_BUILDING = ("__init__", "_init_buffers", "_prepare_reward_function")
"""Methods that make what only we know of."""


def _check_signature(cls: type, name: str, method: FunctionType, ours: Callable[..., object]) -> None:
    """Refuse a method that can't be called as ours is, or as a reward is."""
    taken = [] if name.startswith("_reward_") else list(inspect.signature(ours).parameters.values())[1:]
    needed = [p for p in taken if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    try:
        inspect.signature(method).bind(None, *needed)
    except TypeError:
        call = f"{name}({', '.join(p.name for p in needed)})"
        raise UserError(f"{cls.__name__}.{name}{inspect.signature(method)} can't be called as self.{call}") from None


def _calls_isaac_gym(code: CodeType) -> bool:
    """Whether code calls more of Isaac Gym than :class:`FreshTensors` provides."""
    instructions = list(dis.get_instructions(code))
    return any(
        (i.opname == "LOAD_GLOBAL" and i.argval in ("gymapi", "gymtorch"))
        or (i.opname in _LOADS and i.argval == "gym" and not str(after.argval).startswith("refresh_"))
        for i, after in zip(instructions, [*instructions[1:], instructions[-1]], strict=True)
    )


_LOADS = ("LOAD_ATTR", "LOAD_METHOD")


class FreshTensors:
    """Replaces ``self.gym``. Its ``refresh_*_tensor(sim)`` do nothing, because the tensors are always fresh."""

    def __getattr__(self, name: str) -> Callable[[object], None]:
        """Return a method that does nothing, or raise an error with the replacement."""
        if not (name.startswith("refresh_") and name.endswith("_tensor")):
            raise AttributeError(f"self.gym has no '{name}': {_WRITE}")
        return lambda sim: None


def stores(cls: type, base: type, attribute: str) -> bool:
    """Whether a class's own method, not of ``base``, assigns ``self.<attribute>`` and so updates it itself."""
    instructions = (i for _, method in _own_methods(cls, base) for i in dis.get_instructions(method))
    return any(i.opname == "STORE_ATTR" and i.argval == attribute for i in instructions)


def by_hand(cls: type, base: type, hook: str) -> bool:
    """Whether a class overrides a hook without calling the one that it overrides."""
    return any(name == hook and hook not in names_in([method]) for name, method in _own_methods(cls, base))


def uncalled(cls: type, base: type) -> list[str]:
    """Return a class's methods that its code never names, if they are private or have nearly the name of one of ours.

    A base class of another package called them, or they are mistyped.
    """
    own = [value for parent in cls.__mro__ if parent not in base.__mro__ for value in vars(parent).values()]
    functions = [getattr(value, "fget", None) or getattr(value, "__func__", value) for value in own]
    known = names_in(function for function in functions if isinstance(function, FunctionType)) | {*dir(base)}
    names = {name for name, _ in _own_methods(cls, base) if name[:2] != "__" and not name.startswith("_reward_")}
    ours = [name for name in dir(base) if not name.startswith("_reward_")]
    near = {name: difflib.get_close_matches(name, ours, n=1, cutoff=0.85) for name in names - known}
    meant = {name: f" (did you mean {close[0]}?)" if close else "" for name, close in near.items()}
    return sorted(f"{name}: nothing calls it{meant[name]}" for name in near if near[name] or name[:1] == "_")


def names_in(functions: Iterable[FunctionType]) -> set[str]:
    """Return all attributes and texts in the code of functions."""
    codes = [code for function in functions for code in _codes(function.__code__)]
    return {word for code in codes for word in (*code.co_names, *code.co_consts) if isinstance(word, str)}


def rewards_that_read(task: type, key: str) -> list[str]:
    """Return the rewards whose code in a task's class names the setting ``rewards.…``; none if other code does, too."""
    setting = key.removeprefix("rewards.")
    functions = ((name, getattr(value, "fget", value)) for kind in task.__mro__ for name, value in vars(kind).items())
    readers = {name for name, code in functions if isinstance(code, FunctionType) and setting in names_in([code])}
    rewards = [name.removeprefix("_reward_") for name in sorted(readers) if name.startswith("_reward_")]
    return rewards if setting != key and len(rewards) == len(readers) else []


def missing(cls: type, name: str) -> str:
    """Return an error for a missing attribute, with the replacement if legged_gym has it."""
    instead = GONE.get(name) or REFUSED.get(name)
    return f"'{cls.__name__}' has no attribute '{name}'" + (f": {instead}" if instead else "")


def _own_methods(cls: type, base: type) -> Iterator[tuple[str, FunctionType]]:
    for parent in cls.__mro__:
        if parent not in base.__mro__:
            yield from ((name, value) for name, value in vars(parent).items() if isinstance(value, FunctionType))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
