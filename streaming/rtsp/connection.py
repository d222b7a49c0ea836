"""One TCP connection: bytes to requests and media, answers back.

Everything runs inside the protocol's callbacks: no task per connection, and nothing per packet
but the parser, one look-up and the path's own work.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from .messages import MessageError, MessageParser, Request, Response, StatusError
from .methods import Reply, handle
from .reader import TcpReader
from .transport import Pair
from .udp import Address

if TYPE_CHECKING:
    from .hub import Hub
    from .session import Session

_log = logging.getLogger(__name__)
_SERVER = ("Server", "actionstream")
_WRITE_BUFFER_BYTES = 256 * 1024
_WRONG_PASSWORDS = 3
_MAX_UNREAD_ANSWERS = 1024 * 1024


class Connection(asyncio.Protocol):  # pylint: disable=too-many-instance-attributes  # owns a client
    """A client's connection, on the server's event loop.

    Attributes:
        hub: What all connections share.
        transport: The stream.
        peer: The client's address.
        local: Our address, as the client reached it.
        nonce: For Digest authentication.
        routes: What takes the payload of an interleaved channel.
        flush: Called after each batch of interleaved frames.
        reader: The reader that writes into this connection.
        congested: Whether the client takes nothing more for now.
        interleaving: The session whose media are interleaved here.
    """

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        """Wait for ``connection_made``."""
        self.hub = hub
        self.peer: Address = ("", 0)
        self.local: Address = ("", 0)
        self.nonce = secrets.token_hex(16)
        self.routes: dict[int, Callable[[bytes], None]] = {}
        self.flush: Callable[[], None] | None = None
        self.reader: TcpReader | None = None
        self.congested = False
        self.interleaving: Session | None = None
        limits = hub.options.limits
        self._session: Session | None = None
        self._parser = MessageParser(limits.head_bytes, limits.body_bytes)
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = self._loop.time()
        self._last_request = self._loop.time()
        self._wrong_passwords = 0

    @property
    def session(self) -> Session | None:
        """The session begun here last, while it lasts, for clients that omit the header."""
        session = self._session
        return session if session is not None and session.id in self.hub.sessions else None

    @session.setter
    def session(self, session: Session) -> None:
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the client, within the limit of connections (TCP_NODELAY: asyncio has set it)."""
        self.transport = cast("asyncio.Transport", transport)
        self.hub.connections.add(self)
        self.peer = transport.get_extra_info("peername") or ("", 0)
        self.local = transport.get_extra_info("sockname") or ("", 0)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        if len(self.hub.connections) > self.hub.options.limits.connections:
            _log.warning("too many connections, closing the one from %s", self.peer[0])
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what depends on this connection."""
        del exc
        self.hub.drop(self)
        for session in list(self.hub.sessions.values()):
            session.connection_lost(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the hot path of a publisher over TCP."""
        progress = False
        try:
            for item in self._parser.items(data):
                progress = True
                if isinstance(item, tuple):
                    route = self.routes.get(item[0])
                    if route is not None:
                        route(item[1])
                    elif not self.routes:
                        raise MessageError(400, "media without a session")
                elif isinstance(item, Request):
                    self._request(item)
                if self.transport.is_closing():
                    return
        except MessageError as exc:
            _log.info("closing the connection from %s: %s", self.peer[0], exc)
            self._answer(Response(exc.status), ())
            self.hang_up()
            return
        if self.flush is not None:
            self.flush()
        if not self._parser.pending:
            if progress:
                self._waiting_since = None
        elif progress or self._waiting_since is None:
            self._waiting_since = self._loop.time()

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self.congested = True
        if self.reader is not None:
            self.reader.pause()

    def resume_writing(self) -> None:
        """The client takes data again."""
        self.congested = False
        if self.reader is not None:
            self.reader.resume()

    def expire(self, now_s: float) -> None:
        """Close if the client dawdles over a request, or holds the connection without a session.

        Args:
            now_s: Time of the event loop.
        """
        timeouts = self.hub.options.timeouts
        waited_s = 0.0 if self._waiting_since is None else now_s - self._waiting_since
        idle_s = 0.0 if self.session else now_s - self._last_request
        if waited_s > timeouts.request_s or idle_s > timeouts.idle_s:
            _log.info("closing the connection from %s: silent", self.peer[0])
            self.transport.abort()

    def free_channels(self) -> Pair:
        """The lowest unused pair of interleaved channels.

        Raises:
            StatusError: 461, none is left.
        """
        for channel in range(0, 256, 2):
            if channel not in self.routes and channel + 1 not in self.routes:
                return channel, channel + 1
        raise StatusError(461, "no channels left")

    def forget(self, session: Session) -> None:
        """A session whose media were interleaved here has ended."""
        if self.interleaving is session:
            self.interleaving = None
            self.flush = None

    def hang_up(self) -> None:
        """Close, without waiting for a client that does not read."""
        if self.transport.get_write_buffer_size():
            self._loop.call_later(1.0, self.transport.abort)
        self.transport.close()

    def _request(self, request: Request) -> None:
        """Handle one request and answer it."""
        self._last_request = self._loop.time()
        sequence = request.header("CSeq") or ""
        if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 10):
            self._answer(Response(400), ())
            return
        echo = (("CSeq", sequence),)
        try:
            reply = handle(self, request)
        except StatusError as exc:
            # Our own worker asks again and again for a path that has gone.
            level = logging.DEBUG if exc.status == 404 else logging.INFO
            _log.log(level, "%s from %s: %d %s", request.method, self.peer[0], exc.status, exc.why)
            body = f"{exc.why}\n".encode()
            headers = (*exc.headers, ("Content-Type", "text/plain"))
            self._answer(Response(exc.status, headers, body), echo)
            return
        if reply.delay_s:
            self._loop.call_later(reply.delay_s, self._finish, reply, echo)
        else:
            self._finish(reply, echo)

    def _finish(self, reply: Reply, echo: tuple[tuple[str, str], ...]) -> None:
        """Write an answer, then start what it promises."""
        if not self.transport.is_closing():
            self._answer(reply.response, echo)
            if reply.then is not None:
                reply.then()

    def _answer(self, response: Response, echo: tuple[tuple[str, str], ...]) -> None:
        """Write an answer with the headers every answer has."""
        room = _MAX_UNREAD_ANSWERS + (self.hub.options.limits.gop_bytes if self.reader else 0)
        if self.transport.get_write_buffer_size() > room:
            _log.warning("%s asks and does not read the answers, closing", self.peer[0])
            self.transport.abort()
            return
        headers = (*echo, _SERVER, *response.headers)
        self.transport.write(Response(response.status, headers, response.body).to_bytes())

    def refuse_password(self) -> None:
        """Count a wrong password; a client that goes on guessing loses its connection."""
        self._wrong_passwords += 1
        if self._wrong_passwords >= _WRONG_PASSWORDS:
            self._loop.call_soon(self.hang_up)
