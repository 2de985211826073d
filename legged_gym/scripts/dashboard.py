"""Watch trainings in a browser: ``python legged_gym/scripts/dashboard.py``; TensorBoard, opened on the grouped page."""

from __future__ import annotations

import glob
import os
import sys

from tensorboard import default, program
from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
from tensorboard.plugins.image.images_plugin import ImagesPlugin

from legged_gym.common.paths import log_folder

_FIRST = (CustomScalarsPlugin, ImagesPlugin)
"""TensorBoard opens the first page that has something to show."""


def main() -> None:
    """Serve TensorBoard's pages until Ctrl-C; takes TensorBoard's own arguments, ``--logdir`` being ``logs``."""
    arguments = sys.argv[1:]
    if not any(argument.startswith("--logdir") for argument in arguments):
        logs = log_folder()
        arguments = ["--logdir", logs, *arguments]
        if not glob.glob(os.path.join(logs, "**", "events.out.tfevents*"), recursive=True):
            print("no training has begun yet: the page fills some seconds after one has", flush=True)
    others = [plugin for plugin in default.get_plugins() if plugin not in _FIRST]
    server = program.TensorBoard([*others[:1], *_FIRST, *others[1:]])
    server.configure(["tensorboard", *arguments])
    try:
        status = server.main()
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
