"""A session: one client publishing or reading one path (RFC 2326 section 3.4 and appendix A).

A session is not a connection. One whose media are interleaved ends with its connection; one over
UDP goes on until TEARDOWN or silence.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Literal

from .messages import StatusError
from .path import PublishedPath
from .reader import Reader, TcpReader, UdpReader
from .sdp import SessionDescription
from .transport import Pair, Transport
from .udp import UdpPair
from .url import RtspUrl

if TYPE_CHECKING:
    from .connection import Connection
    from .hub import Hub

_log = logging.getLogger(__name__)
_ORPHAN_S = 2.0
"""Silence after which a UDP publisher whose connection has closed is taken for dead."""


class State(Enum):
    """Where a session stands."""

    READY = "ready"
    PLAYING = "playing"
    RECORDING = "recording"
    CLOSED = "closed"


class Session:  # pylint: disable=too-many-instance-attributes  # protocol state, one owner
    """State of one session, on the server's event loop.

    Attributes:
        id: What the client shows in its Session header.
        base: URL of the path as the client wrote it.
        state: Where it stands.
        path: The path it reads, or publishes while recording.
        description: Description of the path.
        reads: Whether it reads rather than publishes.
    """

    def __init__(
        self,
        connection: Connection,
        base: RtspUrl,
        source: SessionDescription | PublishedPath,
    ) -> None:
        """Begin a session and register it.

        Args:
            connection: Where it was asked for.
            base: URL of the path.
            source: What will be published, or the path to read.

        Raises:
            StatusError: 503, too many sessions.
        """
        self.id = secrets.token_hex(12)
        self.base = base
        self.state = State.READY
        self.reads = isinstance(source, PublishedPath)
        self.path = source if isinstance(source, PublishedPath) else None
        self.description = source.description if isinstance(source, PublishedPath) else source
        self._hub: Hub = connection.hub
        self._connection: Connection | None = connection
        self._peer = connection.peer[0]
        self._channels: dict[int, Pair] = {}
        self._sockets: dict[int, UdpPair] = {}
        self._reader: Reader | None = None
        self._loop = asyncio.get_running_loop()
        self._seen = self._loop.time()
        self._counted = 0
        self._hub.add_session(self)

    def header(self) -> tuple[str, str]:
        """The Session header of an answer; the stated timeout is a little shorter than ours."""
        stated = max(1, int(self._hub.options.timeouts.session_s * 0.9))
        return "Session", f"{self.id};timeout={stated}"

    def touch(self, connection: Connection | None = None) -> None:
        """Note that the client is alive.

        Args:
            connection: Where a request came from; None for media and RTCP.

        Raises:
            StatusError: 454, the request comes from another host.
        """
        if connection is not None:
            if connection.peer[0] != self._peer:
                raise StatusError(454, "the session belongs to another host")
            if not self._channels:
                self._connection = connection
        self._seen = self._loop.time()

    def setup(self, index: int, offers: Sequence[Transport], connection: Connection) -> Transport:
        """Agree on how a track travels.

        Args:
            index: Track.
            offers: What the client offers, best first.
            connection: Where it asks.

        Returns:
            The transport for the answer.

        Raises:
            StatusError: 455 in a wrong state, 404 without such a track, 461 without a usable offer.
        """
        if self.state is not State.READY:
            raise StatusError(455, "media are running")
        if not 0 <= index < len(self.description.media):
            raise StatusError(404, "no such track")
        if index in self._channels or index in self._sockets:
            raise StatusError(455, "the track is set up already")
        for offer in offers:
            if offer.multicast or (offer.record and self.reads):
                continue
            if offer.protocol == "tcp" and not self._sockets:
                return self._setup_tcp(index, offer, connection)
            if offer.protocol == "udp" and self._hub.options.udp and not self._channels:
                return self._setup_udp(index, offer, connection)
        raise StatusError(461, "none of the transports offered is served")

    def play(self) -> str:
        """Check that playing can start, and describe its beginning.

        Returns:
            Value of the RTP-Info header; empty when nothing is known yet.

        Raises:
            StatusError: 454 when the path has gone, 455 when nothing is set up or it publishes.
        """
        path = self.path
        if path is None or not self.reads or not (self._channels or self._sockets):
            raise StatusError(455, "nothing to play")
        if self.state is State.PLAYING:
            return ""
        parts = []
        for index in sorted({*self._channels, *self._sockets}):
            first = path.first_packet(index)
            if first is not None:
                url = f"{self.base.base()}/trackID={index}"
                parts.append(f"url={url};seq={first[0]};rtptime={first[1]}")
        return ",".join(parts)

    def start_playing(self) -> None:
        """Begin to send; to be called after the answer to PLAY was written."""
        if self.state is not State.READY or self.path is None:
            return
        limits = self._hub.options.limits
        connection = self._connection
        if self._channels and connection is not None:
            reader = TcpReader(connection.transport.write, self._channels, limits)
            if connection.congested:
                reader.pause()
            connection.reader = reader
            self._reader = reader
        else:
            self._reader = UdpReader(self._sockets, limits)
        self.state = State.PLAYING
        self.path.attach(self._reader)

    def pause(self) -> None:
        """Stop the media, keep the set-up.

        Raises:
            StatusError: 455 while publishing: a paused publisher would keep readers waiting.
        """
        if not self.reads:
            raise StatusError(455, "a publisher cannot pause")
        self._stop_reading()
        if self.state is State.PLAYING:
            self.state = State.READY

    def record(self) -> None:
        """Publish the path.

        Raises:
            StatusError: 455 unless all announced tracks are set up; 403 when the path is taken.
        """
        if self.state is State.RECORDING:
            return
        count = len(self._channels) + len(self._sockets)
        if self.reads or count != len(self.description.media):
            raise StatusError(455, "not all announced tracks are set up")
        self._hub.check_free(self.base.name)
        transport: Literal["udp", "tcp"] = "udp" if self._sockets else "tcp"
        limits = self._hub.options.limits
        path = PublishedPath(self.base.name, self.description, transport, limits)
        self.path = path
        self.state = State.RECORDING
        for index, sockets in self._sockets.items():
            sockets.listen(partial(path.rtp, index), partial(path.rtcp, index), path.flush)
        if self._connection is not None:
            for index, (rtp, rtcp) in self._channels.items():
                self._connection.routes[rtp] = partial(path.rtp, index)
                self._connection.routes[rtcp] = partial(path.rtcp, index)
            self._connection.flush = path.flush
        self._hub.publish(path, self)

    def close(self, why: str, *, hang_up: bool = False) -> None:
        """End the session; may be called again.

        Args:
            why: For the log.
            hang_up: Whether to close the client's connection, so that it notices.
        """
        if self.state is State.CLOSED:
            return
        recorded = self.path if self.state is State.RECORDING else None
        self.state = State.CLOSED
        self._hub.sessions.pop(self.id, None)
        _log.debug("session on %s ends: %s", self.base.name, why)
        self._stop_reading()
        for sockets in self._sockets.values():
            sockets.close()
        connection = self._connection
        if connection is not None:
            for pair in self._channels.values():
                connection.routes.pop(pair[0], None)
                connection.routes.pop(pair[1], None)
            connection.forget(self)
            if hang_up:
                connection.hang_up()
        if recorded is not None:
            self._hub.unpublish(recorded)

    def connection_lost(self, connection: Connection) -> None:
        """A connection has closed; ends the session unless its media travel by UDP."""
        if self._connection is not connection:
            return
        if self._channels or self.state is State.READY:
            self.close("connection closed")
        self._connection = None

    def expire(self, now_s: float) -> None:
        """End the session if its client is silent.

        Args:
            now_s: Time of the event loop.
        """
        timeouts = self._hub.options.timeouts
        if self.state is State.RECORDING and self.path is not None:
            if self.path.packets_in != self._counted:
                self._counted = self.path.packets_in
                self._seen = now_s
            alone = self._connection is None
            limit_s = min(_ORPHAN_S, timeouts.publisher_s) if alone else timeouts.publisher_s
        elif self.state is State.PLAYING and self._channels:
            blocked = self._reader.blocked_since if self._reader else None
            self._seen = now_s if blocked is None else blocked
            limit_s = timeouts.session_s
        else:
            limit_s = timeouts.session_s
            if self._connection is None and any(s.refused for s in self._sockets.values()):
                limit_s = 0.0
        if now_s - self._seen > limit_s:
            _log.info("session on %s ends: silent for %.0f s", self.base.name, now_s - self._seen)
            self.close("silent", hang_up=True)

    def _setup_tcp(self, index: int, offer: Transport, connection: Connection) -> Transport:
        """Assign channels of the connection."""
        if self._channels and connection is not self._connection:
            raise StatusError(461, "all tracks must be interleaved in one connection")
        wanted = offer.interleaved or connection.free_channels()
        if wanted[1] != wanted[0] + 1 or any(c in connection.routes for c in wanted):
            raise StatusError(461, "channels are taken or no pair")
        if connection.interleaving not in (None, self):
            raise StatusError(461, "another session is interleaved in this connection")
        connection.interleaving = self
        self._connection = connection
        self._channels[index] = wanted
        for channel in wanted:  # receiver reports; replaced by the path when recording starts
            connection.routes[channel] = self._on_media_of_reader
        return Transport("tcp", interleaved=wanted, record=not self.reads, ssrc=self._source(index))

    def _setup_udp(self, index: int, offer: Transport, connection: Connection) -> Transport:
        """Open sockets."""
        if offer.client_port is None:
            raise StatusError(461, "no client ports")
        try:
            sockets = UdpPair(connection.local, connection.peer, offer.client_port)
        except OSError as exc:
            raise StatusError(461, f"no UDP: {exc.strerror}") from exc
        self._sockets[index] = sockets
        if self.reads:  # punch packets and receiver reports
            sockets.listen(self._on_media_of_reader, self._on_media_of_reader, _nothing)
        return Transport(
            "udp",
            client_port=offer.client_port,
            server_port=sockets.ports,
            record=not self.reads,
            ssrc=self._source(index),
        )

    def _source(self, index: int) -> int | None:
        """SSRC of a track to read, once known."""
        return self.path.source(index) if self.reads and self.path is not None else None

    def _on_media_of_reader(self, _packet: bytes) -> None:
        """A reader sent something: it lives."""
        self._seen = self._loop.time()

    def _stop_reading(self) -> None:
        """Leave the path."""
        if self._reader is not None and self.path is not None:
            self.path.detach(self._reader)
        if self._connection is not None and self._connection.reader is self._reader:
            self._connection.reader = None
        self._reader = None


def _nothing() -> None:
    """A reader's packets are not passed on."""
