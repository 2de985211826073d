"""Watch trainings in a browser: ``python legged_gym/scripts/dashboard.py``; TensorBoard, opened on the grouped page."""

from __future__ import annotations

import argparse
import glob
import os
import sys

from tensorboard import default, program
from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
from tensorboard.plugins.image.images_plugin import ImagesPlugin

from legged_gym.cli import types
from legged_gym.common.paths import log_folder

_DESCRIPTION = "Watch trainings in a browser, also while they run. Ctrl-C ends it."
_EPILOG = """\
examples:
  python legged_gym/scripts/dashboard.py
  python legged_gym/scripts/dashboard.py --logdir logs/qmini --port 6007 --bind_all

All other options are passed on to TensorBoard; 'tensorboard --help' lists them."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; arguments that it does not know go to TensorBoard."""
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    add = parser.add_argument
    add("--logdir", metavar="DIR", default=log_folder(), help="folder with runs (default: %(default)s)")
    add("--port", type=types.any_port, metavar="N", help="port of the page (default: 6006 or a free one; 0: any)")
    add("--host", metavar="ADDRESS", help="where the page is served (default: for this computer only)")
    add("--bind_all", action="store_true", help="serve the page for every computer that reaches this one")
    return parser


def main() -> None:
    """Serve TensorBoard's pages until Ctrl-C."""
    args, others = make_parser().parse_known_args()

    if not glob.glob(os.path.join(glob.escape(args.logdir), "**", "events.out.tfevents*"), recursive=True):
        print("no training has begun yet: the page fills some seconds after one has", flush=True)
    # TensorBoard opens the first page that has something to show.
    first = (CustomScalarsPlugin, ImagesPlugin)
    plugins = [plugin for plugin in default.get_plugins() if plugin not in first]
    server = program.TensorBoard([*plugins[:1], *first, *plugins[1:]])
    served = ["--bind_all"] if args.bind_all else [f"--host={args.host}"] if args.host else []
    served += [f"--port={args.port}"] if args.port is not None else []
    server.configure(["tensorboard", f"--logdir={args.logdir}", *served, *others])
    try:
        status = server.main()
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
