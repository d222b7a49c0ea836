"""Serving ASGI applications inside our own event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from contracts.errors import ActionstreamError, PortInUseError

# Long enough to answer what is under way, short enough that Ctrl-C feels immediate.
_GRACE_S = 1


class _Server(uvicorn.Server):
    """A server that leaves the signals to whoever owns the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serve(app: Any, host: str, port: int, setting: str) -> AsyncIterator[int]:
    """Serve an application while the context lasts.

    Args:
        app: ASGI application.
        host: Address to listen on.
        port: Port to listen on; ``0`` picks one.
        setting: Key of the port's setting, for the message when it is taken.

    Yields:
        The port.

    Raises:
        PortInUseError: Another program listens there.
        ActionstreamError: The address is not one of this machine's, or the port is not allowed.
    """
    listener = bind(host, port, setting)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        ws_max_queue=8,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {setting}")
    try:
        while not server.started:
            if task.done():
                await task
                raise ActionstreamError(f"The server of `{setting}` did not start.")
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Listen on an address, or say why that is not possible.

    Args:
        host: Address.
        port: Port; ``0`` picks one.
        setting: Key of the port's setting, for the message.

    Returns:
        The listening socket.

    Raises:
        PortInUseError: Another program listens there.
        ActionstreamError: The address is not one of this machine's, or the port is not allowed.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"Port {port} on {host} is taken by another program.",
                f"Stop that program, or choose another port: --set {setting}=PORT",
            ) from exc
        raise ActionstreamError(f"Cannot listen on {host}:{port}: {exc.strerror}.") from exc
    listener.setblocking(False)
    return listener
