"""Settings of Isaac Gym, which runs PhysX."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from legged_gym.envs.base.admissible import Seconds, Speed


class PhysxSettings:
    """Isaac Gym's own settings, under legged_gym's names; see docs/isaacgym.md."""

    num_threads: Annotated[int, Ge(0), Le(1024)] = 10
    """Threads of its CPU pipeline."""
    substeps: Annotated[int, Ge(1), Le(1000)] = 1
    """Steps that a physics step is divided into; torques stay the same in all of them."""
    solver_type: Literal[0, 1] = 1
    """0: PGS; 1: TGS."""
    num_position_iterations: Annotated[int, Ge(1), Le(255)] = 4
    """Of the solver, in each step."""
    num_velocity_iterations: Annotated[int, Ge(0), Le(255)] = 0
    """Of the solver, in each step."""
    contact_offset: Annotated[float, Ge(0), Le(1)] = 0.01
    """Shapes nearer than this to each other get contacts, m."""
    rest_offset: Annotated[float, Ge(-1), Le(1)] = 0.0
    """Distance at which shapes come to rest, m."""
    bounce_threshold_velocity: Speed = 0.5
    """Slower impacts do not bounce, m/s."""
    max_depenetration_velocity: Annotated[float, Gt(0), Le(1e4)] = 1.0
    """Shapes that are inside each other are parted this fast at most, m/s."""
    max_gpu_contact_pairs: Annotated[int, Ge(1), Lt(2**31)] = 2**23
    """Room for contacts on the GPU, all robots together: 2**24 for 8000 robots and more."""
    default_buffer_size_multiplier: Annotated[float, Gt(0), Le(1000)] = 5.0
    """Makes PhysX's other buffers larger."""
    contact_collection: Literal[0, 1, 2] = 2
    """Contact forces are those of 0: no, 1: the last, 2: all of the substeps."""
    velocities_of: Literal["com", "link"] = "com"
    """Point of a link whose velocity Isaac Gym tells and is told: ``com``, as PhysX does, or ``link``, its
    origin. Its documentation does not say."""
    implicit_damping: bool = False
    """Let its joint drives integrate the D gain implicitly, as both MuJoCo back-ends do. legged_gym holds it
    for a whole physics step, and no more than that is known to work with Isaac Gym."""
    time_out: Seconds = 60.0
    """Seconds that Isaac Gym's process may take for a control step; its start may take ten times as long."""
