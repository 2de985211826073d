"""Watch trainings in a browser: ``python legged_gym/scripts/dashboard.py``. It opens TensorBoard's grouped page."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import socket
import sys

from legged_gym.cli import types
from legged_gym.cli.arguments import Parser, run_main
from legged_gym.common.errors import UserError
from legged_gym.common.paths import log_folder, relative

# isort: split
from tensorboard import default, program  # After our own imports, which handle Ctrl-C.
from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
from tensorboard.plugins.image.images_plugin import ImagesPlugin

_DESCRIPTION = "Watch trainings in a browser, also while they run. Ctrl-C ends the server."
_EPILOG = """\
examples:
  python legged_gym/scripts/dashboard.py
  python legged_gym/scripts/dashboard.py --logdir logs/qmini --port 6007 --bind_all

All other options are passed on to TensorBoard; 'tensorboard --help' lists them."""


def make_parser() -> Parser:
    """Return the parser of the command line. Unknown arguments go to TensorBoard."""
    parser = Parser(description=_DESCRIPTION, epilog=_EPILOG)
    add = parser.add_argument
    add("--logdir", metavar="DIR", default=relative(log_folder()), help="folder with runs (default: %(default)s)")
    add("--port", type=types.any_port, metavar="N", help="port of the page (default: 6006 or a free one; 0: any)")
    add("--host", metavar="ADDRESS", help="where the page is served (default: for this computer only)")
    add("--bind_all", action="store_true", help="serve the page for every computer that reaches this one")
    parser.refuse("--host", lambda args: args.bind_all, "has no effect with --bind_all")
    return parser


def main() -> None:
    """Serve TensorBoard's pages until Ctrl-C.

    Raises:
        UserError: TensorBoard does not know an option, or can't serve there.
    """
    args, others = make_parser().parse()
    if not os.path.isdir(args.logdir) and args.logdir != log_folder():
        raise UserError(f"--logdir takes a folder with runs, got '{args.logdir}'")
    _check_address("0.0.0.0" if args.bind_all else args.host or "localhost", args.port or 0)
    # TensorBoard opens the first page that has something to show.
    first = (CustomScalarsPlugin, ImagesPlugin)
    plugins = [plugin for plugin in default.get_plugins() if plugin not in first]
    server = program.TensorBoard([*plugins[:1], *first, *plugins[1:]])
    served = ["--bind_all"] if args.bind_all else [f"--host={args.host}"] if args.host else []
    served += [f"--port={args.port}"] if args.port is not None else []
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            server.configure(["tensorboard", f"--logdir={args.logdir}", *served, *others])
    except SystemExit as end:
        if end.code:
            raise UserError(f"TensorBoard: {said.getvalue().strip().splitlines()[-1]}") from None
        raise
    if not glob.glob(os.path.join(glob.escape(args.logdir), "**", "events.out.tfevents*"), recursive=True):
        print("no training has begun yet: the page fills some seconds after one has", flush=True)
    if server.main():
        # It has said why.
        sys.exit(2)


def _check_address(host: str, port: int) -> None:
    """Refuse an address where nothing can be served."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        raise UserError(f"can't serve the page at {host}:{port}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(run_main(main))
