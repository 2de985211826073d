"""Random properties after a configuration's ranges, as gymutil has them for older environments."""

from __future__ import annotations

from bisect import bisect
from typing import Any

import numpy as np

_MOST_MATERIALS = 64000


def _schedule(params: dict[str, Any], step: int) -> float:
    """Return how much of the randomization counts at this step, 0 to 1."""
    kind, steps = params.get("schedule"), params.get("schedule_steps")
    if kind == "linear":
        return min(step, steps) / steps
    return float(step >= steps) if kind == "constant" else 1.0


def generate_random_samples(
    attr_randomization_params: dict[str, Any], shape: Any, curr_gym_step_count: int, extern_sample: Any = None
) -> Any:
    """Draw from ``range`` by ``distribution``: uniform, loguniform or gaussian (mean and deviation)."""
    params = attr_randomization_params
    part = _schedule(params, curr_gym_step_count)
    # A factor fades in from 1, what is added from 0.
    neutral = 1.0 - part if params["operation"] == "scaling" else 0.0
    if extern_sample is not None:
        return extern_sample * part + neutral
    first, second = params["range"]
    if params["distribution"] == "gaussian":
        return np.random.normal(first * part + neutral, second * part, shape)
    low, high = first * part + neutral, second * part + neutral
    if params["distribution"] == "loguniform":
        return np.exp(np.random.uniform(np.log(low), np.log(high), shape))
    return np.random.uniform(low, high, shape)


def get_bucketed_val(new_prop_val: Any, attr_randomization_params: dict[str, Any]) -> float:
    """Return the bucket's lower end that a value falls into."""
    first, second = attr_randomization_params["range"]
    if attr_randomization_params["distribution"] != "uniform":
        first, second = first - 2 * np.sqrt(second), first + 2 * np.sqrt(second)
    count = attr_randomization_params["num_buckets"]
    buckets = [(second - first) * i / count + first for i in range(count)]
    return buckets[bisect(buckets, np.asarray(new_prop_val).item()) - 1]


def apply_random_samples(
    prop: Any, og_prop: Any, attr: str, attr_randomization_params: dict[str, Any], curr_gym_step_count: int,
    extern_sample: Any = None,
) -> None:  # fmt: skip
    """Set one attribute of a property to its original, ``og_prop``, times or plus a random sample."""
    params = attr_randomization_params
    scales = params["operation"] == "scaling"
    if attr == "gravity":
        sample = generate_random_samples(params, 3, curr_gym_step_count)
        for axis, drawn in zip("xyz", sample):
            old = getattr(og_prop["gravity"], axis)
            setattr(prop.gravity, axis, old * drawn if scales else old + drawn)
        return
    shape = prop[attr].shape if isinstance(prop, np.ndarray) else 1
    sample = generate_random_samples(params, shape, curr_gym_step_count, extern_sample)
    value = og_prop[attr] * sample if scales else og_prop[attr] + sample
    if isinstance(prop, np.ndarray):
        prop[attr] = value
    else:
        setattr(prop, attr, get_bucketed_val(value, params) if params.get("num_buckets") else value)


def check_buckets(gym: Any, envs: list[Any], dr_params: dict[str, Any]) -> None:
    """Check that there will not be more materials than PhysX can have.

    Raises:
        AssertionError: There will be.
    """
    total, shapes = 0, 0
    for properties in dr_params["actor_params"].values():
        ranges = properties.get("rigid_shape_properties", {})
        counts = [ranges[name].get("num_buckets", 0) for name in ("restitution", "friction") if name in ranges]
        total += int(np.prod([count for count in counts if count])) if any(counts) else 0
    for env in envs:
        for handle in range(gym.get_actor_count(env)):
            properties = dr_params["actor_params"].get(gym.get_actor_name(env, handle), {})
            shapes += gym.get_actor_rigid_shape_count(env, handle) if "rigid_shape_properties" in properties else 0
    if total > _MOST_MATERIALS or (shapes > _MOST_MATERIALS and total == 0):
        raise AssertionError(f"{total} material buckets for {shapes} shapes; there can be {_MOST_MATERIALS}")
