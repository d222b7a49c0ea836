"""Settings and public values of the RTSP server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RtspUser:
    """Somebody who may publish or read.

    Patterns are shell globs over the whole path name, where ``*`` also matches slashes: ``*`` is
    every path, ``site/*`` everything below ``site``. A user with an empty name stands for clients
    that show no credentials.

    Attributes:
        name: User name; empty for anonymous clients.
        password: Secret, never part of ``repr`` or of a log line.
        publish: Patterns of the paths the user may publish.
        read: Patterns of the paths the user may read.
    """

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RtspLimits:
    """What one client, and all clients together, may cost.

    Attributes:
        connections: Open TCP connections; further ones are closed at once.
        sessions: Publishing and reading sessions together; further ones are answered with 503.
        head_bytes: Request line and headers of one request.
        body_bytes: Body of one request (an SDP).
        gop_bytes: Media kept per path for replay to a new reader, so that its first picture comes
            at once. A player that keeps to the timestamps then stays as far behind as the key
            picture was old; 0 replays nothing, and readers begin at the next key picture.
        reader_queue_bytes: Media waiting for one slow reader before it is dropped.
        reader_queue_s: Age, in seconds, of the oldest waiting media before it is dropped.
    """

    connections: int = 256
    sessions: int = 256
    head_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    gop_bytes: int = 8 * MIB
    reader_queue_bytes: int = 4 * MIB
    reader_queue_s: float = 5.0


@dataclass(frozen=True, slots=True)
class RtspTimeouts:
    """When silence ends a connection or a session, in seconds.

    Attributes:
        request_s: From the first byte of a request, or from connecting, to a complete request.
        idle_s: A connection without a session.
        session_s: A UDP reader, or a session not yet started, that sends no request and no RTCP.
            Clients are told a little less, so that their keepalive comes in time.
        publisher_s: A publisher that sends neither RTP nor RTCP.
    """

    request_s: float = 10.0
    idle_s: float = 60.0
    session_s: float = 60.0
    publisher_s: float = 10.0


@dataclass(frozen=True, slots=True)
class RtspServerOptions:  # pylint: disable=too-many-instance-attributes  # settings, a flat list
    """How the server listens, whom it admits and what it spends.

    Attributes:
        host: Address to listen on; loopback unless told otherwise.
        port: TCP port; 0 lets the system choose, see ``RtspServer.port``.
        users: Who may publish and read; empty admits everybody.
        auth_methods: Challenges offered, best first. Only MD5 digests are offered, because
            FFmpeg gives up on others.
        udp: Whether media may also travel by UDP.
        replace_publisher: Whether a second publisher takes a path over (the default, so that a
            camera that lost its connection gets back in at once) or is refused.
        limits: Bounds on what clients may cost.
        timeouts: When silence ends a session.
    """

    host: str = "127.0.0.1"
    port: int = 8554
    users: tuple[RtspUser, ...] = ()
    auth_methods: tuple[Literal["digest", "basic"], ...] = ("digest", "basic")
    udp: bool = True
    replace_publisher: bool = True
    limits: RtspLimits = RtspLimits()
    timeouts: RtspTimeouts = RtspTimeouts()


@dataclass(frozen=True, slots=True)
class PathInfo:  # pylint: disable=too-many-instance-attributes  # a report, nothing to split off
    """One published path at one moment.

    Attributes:
        name: Path name without leading slash, for example ``site/cam1``.
        codecs: Encoding names of the tracks as in the SDP, for example ``("H264", "OPUS")``.
        transport: How the publisher sends its media, ``tcp`` or ``udp``.
        since: When the publisher started, UTC epoch seconds.
        readers: Clients that are playing now.
        bytes_in: RTP and RTCP received so far.
        packets_in: RTP and RTCP packets received so far.
        packets_dropped: Packets that slow readers missed, malformed ones included.
    """

    name: str
    codecs: tuple[str, ...]
    transport: str
    since: float
    readers: int
    bytes_in: int
    packets_in: int
    packets_dropped: int


@dataclass(frozen=True, slots=True)
class PathChange:
    """A path was published or has gone.

    Attributes:
        kind: What happened.
        path: The path at that moment.
    """

    kind: Literal["published", "gone"]
    path: PathInfo
