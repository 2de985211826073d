"""Force sensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._params import ForceSensorProperties
from ._scene import Actor
from ._states import read_contacts, rotate


def read(world: Any, actor: Actor) -> np.ndarray:
    """Return an actor's force sensors, (sensors, 6): the net contact force on the body; torques are zero."""
    group, row = world.group_of(actor)
    forces = read_contacts(group)[row]
    out = np.zeros((len(actor.asset.force_sensors), 6))
    for number, (link, pose, given) in enumerate(actor.asset.force_sensors):
        props: Any = given or ForceSensorProperties()
        if not props.enable_constraint_solver_forces:
            continue
        body = group.first_body[actor.handle] + link
        force = forces[None, body - 1]
        if not props.use_world_frame:
            force = rotate(group.xquat[row, body][None], force, back=True)
            force = rotate(np.array([[pose.r.w, pose.r.x, pose.r.y, pose.r.z]]), force, back=True)
        out[number, :3] = force[0]
    return out
