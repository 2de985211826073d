"""``train.py`` with the runner of training_probe.py: settings only name classes that somebody has imported."""

from __future__ import annotations

import sys

import training_probe  # noqa: F401

from legged_gym.cli.arguments import run_main
from legged_gym.scripts.train import main

if __name__ == "__main__":
    sys.exit(run_main(main))
