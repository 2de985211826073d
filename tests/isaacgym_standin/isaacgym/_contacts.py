"""Lists of contacts."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from ._params import RIGID_CONTACT
from ._scene import Env


def read_list(world: Any, env: Env) -> np.ndarray:
    """Return the contacts in an env, one element each of ``RigidContact.dtype``.

    Bodies are indices in the env, -1 for the ground; the normal points from the first body to the second.
    """
    if not env.actors:
        return np.zeros(0, dtype=RIGID_CONTACT)
    group, row = world.rows[env.index]
    model, data = group.batch.get_model(row), group.batch.get_data(row)
    mujoco.mj_forward(model, data)
    out = np.zeros(data.ncon, dtype=RIGID_CONTACT)
    force = np.zeros(6)
    for number, (item, contact) in enumerate(zip(out, data.contact)):
        bodies = [int(model.geom_bodyid[geom]) for geom in contact.geom]
        mujoco.mj_contactForce(model, data, number, force)
        item["env0"], item["env1"] = (env.index if body else -1 for body in bodies)
        item["body0"], item["body1"] = (body - 1 for body in bodies)
        for name, body in zip(("localPos0", "localPos1"), bodies):
            local = data.xmat[body].reshape(3, 3).T @ (contact.pos - data.xpos[body])
            item[name] = tuple(local)
        item["normal"] = tuple(contact.frame[:3])
        item["minDist"], item["initialOverlap"] = contact.dist, -min(contact.dist, 0.0)
        item["lambda"], item["friction"] = force[0], contact.friction[0]
        tangents = contact.frame.reshape(3, 3)[1:]
        item["lambdaFriction"] = tuple(force[1:3] @ tangents)
    return out
