"""A pair of UDP sockets, RTP on an even port and RTCP on the next (RFC 3550 section 11)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from .transport import Pair

Address = tuple[Any, ...]
"""Socket address as the socket module gives it: host, port and, for IPv6, flow and scope."""

_ATTEMPTS = 32
_PACKETS_PER_WAKE = 64
_BUFFER_BYTES = 1024 * 1024  # the kernel grants what it allows; bursts of key pictures need room
_MAX_DATAGRAM = 65536


class UdpPair:
    """Sockets for one medium of one client, connected, so that only that client is heard.

    Attributes:
        ports: Our ports for RTP and RTCP.
        refused: Whether the client's host said that nobody listens there any more.
    """

    def __init__(self, local: Address, peer: Address, client_ports: Pair) -> None:
        """Bind a free even/odd pair and connect it.

        Args:
            local: Our address of the RTSP connection; its port is ignored.
            peer: The client's address; its port is ignored.
            client_ports: The client's ports for RTP and RTCP.

        Raises:
            OSError: No ports are free, or the client's ports cannot be addressed.
        """
        self._rtp, self._rtcp = _bind_pair(local)
        self.ports: Pair = (self._rtp.getsockname()[1], self._rtcp.getsockname()[1])
        self.refused = False
        self._loop: asyncio.AbstractEventLoop | None = None
        try:
            self._rtp.connect(_with_port(peer, client_ports[0]))
            self._rtcp.connect(_with_port(peer, client_ports[1]))
        except OSError:
            self.close()
            raise

    def listen(
        self,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
        after: Callable[[], None],
    ) -> None:
        """Hand packets over as they come, on the running loop.

        Args:
            on_rtp: Takes each packet on the RTP port.
            on_rtcp: Takes each packet on the RTCP port.
            after: Called after each batch of packets.
        """
        self._loop = asyncio.get_running_loop()
        for sock, sink in ((self._rtp, on_rtp), (self._rtcp, on_rtcp)):
            self._loop.add_reader(sock, self._receive, sock, sink, after)

    def send_rtp(self, packet: bytes) -> bool:
        """Send to the client's RTP port; False when the packet was lost here."""
        return self._send(self._rtp, packet)

    def send_rtcp(self, packet: bytes) -> bool:
        """Send to the client's RTCP port; False when the packet was lost here."""
        return self._send(self._rtcp, packet)

    def close(self) -> None:
        """Close both sockets; may be called again."""
        for sock in (self._rtp, self._rtcp):
            if self._loop is not None and sock.fileno() >= 0:
                self._loop.remove_reader(sock)
            sock.close()

    def _send(self, sock: socket.socket, packet: bytes) -> bool:
        try:
            sock.send(packet)
        except ConnectionRefusedError:
            self.refused = True
            return False
        except OSError:  # a full buffer, an oversized packet, an unreachable network: lost
            return False
        return True

    def _receive(
        self, sock: socket.socket, sink: Callable[[bytes], None], after: Callable[[], None]
    ) -> None:
        """Take what has arrived, within a bound that leaves the loop to others."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_PACKETS_PER_WAKE):
                try:
                    sink(sock.recv(_MAX_DATAGRAM))
                except ConnectionRefusedError:
                    self.refused = True
                if sock.fileno() < 0:
                    return
        after()


def _bind_pair(local: Address) -> tuple[socket.socket, socket.socket]:
    """Two neighbouring ports, the first even.

    Raises:
        OSError: None found.
    """
    error: OSError | None = None
    for _ in range(_ATTEMPTS):
        first = _bind(local, 0)
        port = first.getsockname()[1]
        try:
            second = _bind(local, port ^ 1)
        except OSError as exc:
            error = exc
            first.close()
            continue
        return (first, second) if port % 2 == 0 else (second, first)
    raise OSError("no free pair of UDP ports") from error


def _bind(local: Address, port: int) -> socket.socket:
    """A non-blocking UDP socket.

    Raises:
        OSError: The port is taken.
    """
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        sock.bind(_with_port(local, port))
    except OSError:
        sock.close()
        raise
    return sock


def _with_port(address: Address, port: int) -> Address:
    """The same host with another port."""
    return (address[0], port, *address[2:])
