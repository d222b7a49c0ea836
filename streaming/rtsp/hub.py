"""What all connections of one server share: settings, published paths, sessions, listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from .auth import Authenticator
from .messages import StatusError
from .options import PathChange, RtspServerOptions
from .path import PublishedPath

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

_log = logging.getLogger(__name__)


class Guest(Protocol):
    """A client of another protocol than RTSP that publishes or reads a path beside the sessions."""

    @property
    def path(self) -> PublishedPath | None:
        """What it publishes or reads."""

    @property
    def reads(self) -> bool:
        """Whether it reads rather than publishes."""

    def close(self, why: str, *, hang_up: bool = False) -> None:
        """End it; may be called again.

        Args:
            why: For the log.
            hang_up: Whether to close the client's connection, so that it notices.
        """


class Hub:
    """The state of a server, on its event loop.

    Attributes:
        options: The server's settings.
        auth: Decides who may do what.
        paths: Published paths with the session that publishes each, by name.
        sessions: Sessions by identifier.
        guests: Clients of other protocols; they count as sessions.
        connections: Open connections.
        listeners: Called, on the event loop, with every change of a path.
    """

    def __init__(self, options: RtspServerOptions) -> None:
        """Start without clients."""
        self.options = options
        self.auth = Authenticator(options.users, options.auth_methods)
        self.paths: dict[str, tuple[PublishedPath, Session | Guest]] = {}
        self.sessions: dict[str, Session] = {}
        self.guests: set[Guest] = set()
        self.connections: set[Connection] = set()
        self.listeners: list[Callable[[PathChange], None]] = []
        self._empty = asyncio.Event()

    def drop(self, connection: Connection) -> None:
        """A connection has closed."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def wait_empty(self) -> None:
        """Wait until no connection is open."""
        self._empty.clear()
        if self.connections:
            await self._empty.wait()

    def path(self, name: str) -> PublishedPath:
        """A published path.

        Raises:
            StatusError: 404, nobody publishes it.
        """
        if name not in self.paths:
            raise StatusError(404, f"nobody publishes {name!r}")
        return self.paths[name][0]

    def check_free(self, name: str) -> None:
        """Make sure that a path may be published now.

        Raises:
            StatusError: 403, it has a publisher, and the settings keep him.
        """
        if name in self.paths and not self.options.replace_publisher:
            raise StatusError(403, f"{name!r} already has a publisher")

    def add_session(self, session: Session) -> None:
        """Register a session.

        Raises:
            StatusError: 503, too many sessions.
        """
        self._check_room()
        self.sessions[session.id] = session

    def add_guest(self, guest: Guest) -> None:
        """Register a client of another protocol.

        Raises:
            StatusError: 503, too many sessions.
        """
        self._check_room()
        self.guests.add(guest)

    def publish(self, path: PublishedPath, session: Session | Guest) -> None:
        """Make a path available, in the place of an earlier publisher."""
        previous = self.paths.get(path.name)
        if previous is not None:
            previous[1].close("another publisher took the path over", hang_up=True)
        self.paths[path.name] = (path, session)
        _log.info("path %s published (%s)", path.name, ", ".join(path.info().codecs))
        self._notify("published", path)

    def unpublish(self, path: PublishedPath) -> None:
        """Take a path away and end its readers."""
        if self.paths.get(path.name, (None, None))[0] is not path:
            return
        info = path.info()
        del self.paths[path.name]
        for session in (*self.sessions.values(), *self.guests):
            if session.path is path and session.reads:
                session.close("the publisher has gone", hang_up=True)
        _log.info("path %s gone, %d packets dropped", path.name, info.packets_dropped)
        self._notify("gone", path)

    def _check_room(self) -> None:
        if len(self.sessions) + len(self.guests) >= self.options.limits.sessions:
            raise StatusError(503, "too many sessions")

    def _notify(self, kind: Literal["published", "gone"], path: PublishedPath) -> None:
        """Tell the listeners, each in a call of its own, so that none can break a session."""
        loop = asyncio.get_running_loop()
        change = PathChange(kind, path.info())
        for listener in self.listeners:
            loop.call_soon(listener, change)
