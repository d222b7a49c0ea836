"""The embedded RTSP server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncIterator, Callable

from contracts.errors import ActionstreamError, ConfigError, PortInUseError

from .connection import Connection
from .hub import Hub
from .options import PathChange, PathInfo, RtspServerOptions

_log = logging.getLogger(__name__)
_CHECK_S = 0.5
_CLOSE_S = 2.0
_MAX_CHANGES = 1024


class RtspServer:
    """Takes streams from publishers and hands them to readers, so that nothing need be installed.

    Belongs to the event loop that called ``start``; all methods are for that loop only.

    Example:
        async with RtspServer(RtspServerOptions(port=8554)) as server:
            async for change in server.changes():
                print(change.kind, server.url(change.path.name))
    """

    def __init__(
        self,
        options: RtspServerOptions | None = None,
        on_change: Callable[[PathChange], None] | None = None,
    ) -> None:
        """Prepare a server.

        Args:
            options: Settings; the defaults without any.
            on_change: Called on the event loop when a path was published or has gone.
        """
        self._options = options or RtspServerOptions()
        self._hub = Hub(self._options)
        if on_change is not None:
            self._hub.listeners.append(on_change)
        self._listener: asyncio.Server | None = None
        self._housekeeping: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    async def __aenter__(self) -> RtspServer:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close."""
        await self.close()

    @property
    def port(self) -> int:
        """The TCP port it listens on; the configured one before ``start``."""
        if self._listener is None or not self._listener.sockets:
            return self._options.port
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def hub(self) -> Hub:
        """Where servers of other protocols meet the published paths, on the same event loop."""
        return self._hub

    @property
    def connections(self) -> int:
        """Open connections of clients."""
        return len(self._hub.connections)

    @property
    def sessions(self) -> int:
        """Publishing and reading sessions, those not yet started included."""
        return len(self._hub.sessions)

    def url(self, path: str) -> str:
        """URL under which this machine reaches a path."""
        host = self._options.host
        if host in ("", "0.0.0.0", "::"):
            host = "127.0.0.1" if host != "::" else "::1"
        return f"rtsp://{f'[{host}]' if ':' in host else host}:{self.port}/{path}"

    def paths(self) -> tuple[PathInfo, ...]:
        """Every path that is published now, by name."""
        return tuple(self._hub.paths[name][0].info() for name in sorted(self._hub.paths))

    async def changes(self) -> AsyncIterator[PathChange]:
        """Yield the paths published now, then every change, until the server closes.

        A consumer that falls 1024 changes behind loses the oldest.
        """
        queue: asyncio.Queue[PathChange | None] = asyncio.Queue()
        for info in self.paths():
            queue.put_nowait(PathChange("published", info))

        def listener(change: PathChange) -> None:
            if queue.qsize() >= _MAX_CHANGES:
                queue.get_nowait()
            queue.put_nowait(change)

        self._hub.listeners.append(listener)
        ended = asyncio.ensure_future(self._closed.wait())
        ended.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (change := await queue.get()) is not None:
                yield change
        finally:
            self._hub.listeners.remove(listener)
            ended.cancel()

    async def start(self) -> None:
        """Listen.

        Raises:
            PortInUseError: Another program listens on the address.
            ConfigError: The address is not one of this machine, or not permitted.
        """
        loop = asyncio.get_running_loop()
        host, port = self._options.host, self._options.port
        try:
            self._listener = await loop.create_server(
                lambda: Connection(self._hub), host, port, reuse_address=True, backlog=64
            )
        except OSError as exc:
            raise _listen_error(exc, host, port) from exc
        self._closed.clear()
        self._housekeeping = asyncio.create_task(self._watch(), name="rtsp-housekeeping")
        _log.info("RTSP server listens on %s", self.url(""))
        if not self._options.users and host not in ("127.0.0.1", "::1", "localhost"):
            _log.warning("RTSP server without users is open to everybody who reaches %s", host)

    async def close(self) -> None:
        """End all sessions and connections, and stop listening; may be called again."""
        if self._listener is None:
            return
        self._listener.close()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.gather(self._housekeeping, return_exceptions=True)
        for session in (*self._hub.sessions.values(), *self._hub.guests):
            session.close("the server closes", hang_up=True)
        for connection in list(self._hub.connections):
            connection.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._hub.wait_empty()
        self._listener = None
        self._closed.set()
        await asyncio.sleep(0)  # listeners hear of the last paths before changes() ends

    async def _watch(self) -> None:
        """End what is silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_CHECK_S)
            now_s = loop.time()
            for session in list(self._hub.sessions.values()):
                session.expire(now_s)
            for connection in list(self._hub.connections):
                connection.expire(now_s)


def _listen_error(exc: OSError, host: str, port: int) -> ActionstreamError:
    """Say what is wrong with the address."""
    if exc.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"RTSP port {port} on {host} is in use by another program.",
            "Stop it, or choose another port: --set rtsp.port=PORT",
        )
    if exc.errno in (errno.EACCES, errno.EPERM):
        return ConfigError(f"RTSP port {port} on {host} is not permitted.", "Use one above 1023.")
    return ConfigError(f"RTSP address {host}:{port} cannot be listened on: {exc.strerror}.")
