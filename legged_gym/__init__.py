"""Qmini RL GYM: teaches the Qmini biped to walk."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from legged_gym.common.lazy import lazy_attributes

if TYPE_CHECKING:
    from legged_gym.api import load_policy, make_env


_PACKAGE = os.path.dirname(os.path.realpath(__file__))

# Until a command handles signals itself, Ctrl-C ends it at once, without a traceback from the imports.
_STARTED = sys.argv[0] if getattr(sys, "argv", None) else ""
IS_COMMAND = (
    os.path.basename(_STARTED).startswith("qmini-")
    or os.path.dirname(os.path.realpath(_STARTED)) == os.path.join(_PACKAGE, "scripts")
    # While Python is still looking for our module, this is the name it runs under.
    or _STARTED == "-m"
)
"""True in a command of this project, e.g. ``train.py``; False in a program that imports the package."""
if IS_COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# MuJoCo steps on threads of its own between PyTorch's. By default, PyTorch's OpenMP threads spin while they wait for
# work and take the cores from MuJoCo: on two cores with other load, a step then took ten times as long. It must be set
# before PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# rsl_rl reads the revision with GitPython, which without this can't even be imported on a machine that has no git.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

__version__ = "0.2.0"

IS_CHECKOUT = not os.path.isdir(os.path.join(_PACKAGE, "resources"))
"""Whether the code runs from a checkout; an installed package has ``resources`` in it."""

LEGGED_GYM_ROOT_DIR = os.path.dirname(_PACKAGE) if IS_CHECKOUT else _PACKAGE
"""The folder that contains ``resources``. Asset paths may start with this name in braces."""

LEGGED_GYM_ENVS_DIR = os.path.join(_PACKAGE, "envs")
"""One folder for each robot."""

__getattr__ = lazy_attributes(__name__, dict.fromkeys(("load_policy", "make_env"), "legged_gym.api"))
