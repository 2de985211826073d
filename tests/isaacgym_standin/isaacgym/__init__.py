"""Stand-in of NVIDIA's Isaac Gym Preview 4 for tests: its documented Python API, on MuJoCo.

See ``README.md`` beside this package for what it models and what it does not.
"""

import sys

from ._rules import failure

if "torch" in sys.modules:
    raise ImportError("PyTorch was imported before isaacgym modules.  Please import torch after isaacgym modules.")
if failure("libpython"):
    raise ImportError("libpython3.8.so.1.0: cannot open shared object file: No such file or directory")

__version__ = "1.0rc4"
