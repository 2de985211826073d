"""What happens when a caller breaks a rule of Isaac Gym, and failures that tests ask for."""

from __future__ import annotations

import os
import sys
import time

FAIL = "ISAACGYM_STANDIN_FAIL"
"""Comma-separated failures to show: libpython, no_gpu, np_float, create_sim, load_asset, prepare_sim,
hang[:N] and die[:N] (in the N-th call of simulate, the first by default), nan[:N], exit[:N]."""
RULES = "ISAACGYM_STANDIN_RULES"
"""``warn``: where the real one prints an error or quietly goes wrong, print a warning instead of raising."""
GPU = "ISAACGYM_STANDIN_GPU"
"""``cpu``: follow the rules of the GPU pipeline with tensors in the computer's memory."""
STILL = "ISAACGYM_STANDIN_STILL"
"""Any value: simulate, refreshes and setters of tensors do nothing, for measurements of what lies around them."""


class RuleBroken(RuntimeError):
    """A call that Isaac Gym's documentation forbids; there it crashes, prints an error or quietly goes wrong."""


def warns() -> bool:
    """Whether broken rules are only printed."""
    return os.environ.get(RULES) == "warn"


def stands_still() -> bool:
    """Whether nothing is to move."""
    return bool(os.environ.get(STILL))


def broken(rule: str) -> None:
    """Report a broken rule.

    Raises:
        RuleBroken: Unless ``ISAACGYM_STANDIN_RULES`` is ``warn``.
    """
    if warns():
        print(f"[Error] [carb.gym.plugin] {rule}", file=sys.stderr)
    else:
        raise RuleBroken(rule)


def require(condition: bool, rule: str) -> None:
    """Report ``rule`` as broken unless ``condition`` holds."""
    if not condition:
        broken(rule)


def failure(name: str) -> int:
    """Return 0, or when a test asks for this failure, the number after its colon (1 without one)."""
    for part in os.environ.get(FAIL, "").split(","):
        kind, _, number = part.strip().partition(":")
        if kind == name:
            return int(number or 1)
    return 0


def fail_in_simulate(call: int) -> None:
    """Hang, end or kill this process in its ``call``-th simulate, if a test asks for that."""
    if failure("hang") == call:
        print("stand-in: simulate hangs now", file=sys.stderr, flush=True)
        while True:
            time.sleep(3600)
    if failure("exit") == call:
        print("stand-in: simulate ends the process now", file=sys.stderr, flush=True)
        os._exit(3)
    if failure("die") == call:
        print("stand-in: Segmentation fault (core dumped)", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 11)
