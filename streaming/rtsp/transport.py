"""The Transport header (RFC 2326 section 12.39)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MAX_OFFERS = 16
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Transport:
    """One way to carry a medium: an offer of the client, or the answer.

    Attributes:
        protocol: ``udp`` or ``tcp`` (interleaved in the RTSP connection).
        multicast: Whether the client asks for multicast.
        interleaved: Channels of RTP and RTCP.
        client_port: UDP ports of the client for RTP and RTCP.
        server_port: UDP ports of the server for RTP and RTCP.
        record: Whether the client will send.
        ssrc: Synchronisation source of the RTP packets, if known.
    """

    protocol: Literal["udp", "tcp"]
    multicast: bool = False
    interleaved: Pair | None = None
    client_port: Pair | None = None
    server_port: Pair | None = None
    record: bool = False
    ssrc: int | None = None

    def to_header(self) -> str:
        """Serialise as an answer."""
        parts = ["RTP/AVP/TCP" if self.protocol == "tcp" else "RTP/AVP", "unicast"]
        for name, pair in (
            ("interleaved", self.interleaved),
            ("client_port", self.client_port),
            ("server_port", self.server_port),
        ):
            if pair is not None:
                parts.append(f"{name}={pair[0]}-{pair[1]}")
        if self.ssrc is not None:
            parts.append(f"ssrc={self.ssrc:08X}")
        if self.record:
            parts.append("mode=record")
        return ";".join(parts)


def parse_transport(header: str) -> tuple[Transport, ...]:
    """Parse the client's offers in their order.

    Args:
        header: Value of the Transport header.

    Returns:
        The offers that are plain RTP over UDP or TCP and well formed; others are left out.
    """
    offers = (_parse_offer(text) for text in header.split(",")[:MAX_OFFERS])
    return tuple(offer for offer in offers if offer is not None)


def _parse_offer(text: str) -> Transport | None:
    """One offer; None when it is of another kind or damaged."""
    profile, *parts = (part.strip() for part in text.split(";"))
    kind = profile.upper()
    if kind not in ("RTP/AVP", "RTP/AVP/UDP", "RTP/AVP/TCP"):
        return None
    options = dict(_split_options(parts))
    try:
        return Transport(
            protocol="tcp" if kind.endswith("TCP") else "udp",
            multicast="multicast" in options,
            interleaved=_pair(options.get("interleaved"), 255),
            client_port=_pair(options.get("client_port"), 65535),
            server_port=_pair(options.get("server_port"), 65535),
            record=options.get("mode", "").strip('"').lower() in ("record", "receive"),
            ssrc=int(options["ssrc"], 16) & 0xFFFFFFFF if "ssrc" in options else None,
        )
    except ValueError:
        return None


def _split_options(parts: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Split ``name=value`` at the first equals sign, names in small letters."""
    for part in parts:
        name, _, value = part.partition("=")
        yield name.lower(), value


def _pair(text: str | None, highest: int) -> Pair | None:
    """Parse ``a-b`` or ``a`` (then b is a + 1); None without text.

    Raises:
        ValueError: No numbers, or out of range.
    """
    if text is None:
        return None
    first_text, _, second_text = text.partition("-")
    first = int(first_text)
    second = int(second_text) if second_text else first + 1
    if not (0 <= first <= highest and 0 <= second <= highest and first != second):
        raise ValueError("channels or ports out of range")
    return first, second
