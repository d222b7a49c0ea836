"""Settings and public values of the WebRTC endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.types import Clock

VIDEO_CLOCK_HZ = 90_000
"""RTP clock of all video (RFC 3551 section 5)."""


@dataclass(frozen=True, slots=True)
class WebrtcOptions:
    """What browsers may do, and how their media travel.

    Attributes:
        host: Address that media come from. A loopback address keeps them on this machine; any
            address of this machine offers it alone; ``0.0.0.0`` offers those of all interfaces.
        max_viewers: Most browsers that watch at once; the publishers count apart.
        max_publishers: Most browsers that publish at once.
        connect_s: A browser that has asked must be connected by then.
        silent_s: A browser from which nothing was heard for so long has gone. Browsers report on
            what they receive about once a second.
    """

    host: str = "127.0.0.1"
    max_viewers: int = 32
    max_publishers: int = 8
    connect_s: float = 10.0
    silent_s: float = 8.0


@dataclass(frozen=True, slots=True)
class CaptureTime:
    """What ties the RTP times that a browser sees to the time of capture.

    Attributes:
        rtp_time: An RTP time on the wire.
        captured_at: UTC epoch seconds at which the picture of that time was captured.
        clock: What the capture time was read from.
        live_from: RTP time of the first picture that is not replayed; earlier ones are sent all at
            once, so that the decoder can begin, and better stay unseen.
    """

    rtp_time: int
    captured_at: float
    clock: Clock
    live_from: int


class RefusedError(Exception):
    """A browser's request cannot be met.

    Attributes:
        status: HTTP status.
        code: Stable identifier for programs.
        why: One sentence for people.
    """

    def __init__(self, status: int, code: str, why: str) -> None:
        """Store the answer."""
        super().__init__(why)
        self.status = status
        self.code = code
        self.why = why
