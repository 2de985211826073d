"""Protects the page from requests of other sites in the same browser.

A site can make a browser connect to a server on the user's own computer: by a WebSocket, which the same-origin policy
does not cover, or by mapping its own name to that server's address (DNS rebinding). The header ``Origin`` shows the
first, ``Host`` the second.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

log = logging.getLogger("legged_gym.page")

_Process = Callable[[ServerConnection, Request], Response | None]


def refusal(headers: Headers, host: str) -> str | None:
    """Return why a request with these headers to this address is refused, or None if it is allowed."""
    asked = headers.get_all("Host")
    if len(asked) != 1 or not _is_this_computer(asked[0], host):
        return f"Host is {', '.join(asked) or 'missing'}, which is not a name of this computer"
    for origin in headers.get_all("Origin"):
        if urlsplit(origin).netloc.lower() != asked[0].lower():
            return f"Origin is {origin}, which is not the site {asked[0]}"
    return None


def _is_this_computer(asked: str, host: str) -> bool:
    """Return whether ``Host`` is an address or a name of this computer, which no foreign site can have."""
    try:
        name = urlsplit(f"//{asked}").hostname or ""
    except ValueError:
        return False
    if name in {"localhost", host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def guarded(host: str) -> Iterator[None]:
    """Make WebSocket servers that start inside the block refuse foreign requests and log errors in one line.

    Args:
        host: The address on which it listens.
    """
    serve = websockets.asyncio.server.serve

    def serve_guarded(handler: Callable[[ServerConnection], Awaitable[None]], *args: Any, **kwargs: Any) -> Any:
        process: _Process | None = kwargs.pop("process_request", None)

        def process_guarded(connection: ServerConnection, request: Request) -> Response | None:
            reason = refusal(request.headers, host)
            if reason is not None:
                log.warning("page: refused a request: %s", reason)
                return connection.respond(http.HTTPStatus.FORBIDDEN, "This page is for its own computer's browser.\n")
            return process(connection, request) if process is not None else None

        async def handle(connection: ServerConnection) -> None:
            asyncio.get_running_loop().set_exception_handler(_tell_in_a_line)
            try:
                await handler(connection)
            except Exception as error:
                # The browser sent an invalid message. Only that browser is disconnected.
                log.warning("page: dropped a connection: %s: %s", type(error).__name__, _line(error))
                await connection.close(1007)

        return serve(handle, *args, process_request=process_guarded, **kwargs)

    with mock.patch.object(websockets.asyncio.server, "serve", serve_guarded):
        yield


def _tell_in_a_line(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    what = context["message"] if error is None else f"{type(error).__name__}: {_line(error)}"
    log.warning("page: a message had no effect: %s", what)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
