"""RTP and RTCP headers (RFC 3550), as far as a relay looks into them."""

from __future__ import annotations

from dataclasses import dataclass

RTP_HEADER = 12
SEQUENCE_SPACE = 1 << 16
_SENDER_REPORT = 200
_SOURCE_DESCRIPTION = 202
_SENDER_REPORT_BYTES = 28
_NTP_TO_UNIX_S = 2_208_988_800


def is_rtp(packet: bytes) -> bool:
    """Whether the packet has an RTP version 2 header and something in it."""
    return len(packet) > RTP_HEADER and packet[0] & 0xC0 == 0x80


def payload_offset(packet: bytes) -> int:
    """Where the payload of an RTP packet begins (RFC 3550 section 5.1).

    Args:
        packet: A packet for which ``is_rtp`` holds.

    Returns:
        Bytes before the payload; the length of the packet when the header does not fit in it.
    """
    first = packet[0]
    offset = RTP_HEADER + 4 * (first & 0x0F)
    if first & 0x10:  # header extension: profile, length in words
        if offset + 4 > len(packet):
            return len(packet)
        offset += 4 + 4 * int.from_bytes(packet[offset + 2 : offset + 4], "big")
    return min(offset, len(packet))


def sequence(packet: bytes) -> int:
    """RTP sequence number, 0 to 65535."""
    return packet[2] << 8 | packet[3]


def timestamp(packet: bytes) -> int:
    """RTP timestamp in units of the clock rate."""
    return int.from_bytes(packet[4:8], "big")


def ssrc(packet: bytes) -> int:
    """RTP synchronisation source."""
    return int.from_bytes(packet[8:12], "big")


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender report says about time (RFC 3550 section 6.4.1).

    Attributes:
        ssrc: The source it speaks of.
        wall_clock_s: UTC epoch seconds at which the RTP time below was sampled.
        rtp_time: RTP timestamp of that moment.
    """

    ssrc: int
    wall_clock_s: float
    rtp_time: int


def parse_sender_report(packet: bytes) -> SenderReport | None:
    """Read the sender report at the start of an RTCP packet; None when there is none."""
    blocks = _blocks(packet)
    if not blocks or blocks[0][0] != _SENDER_REPORT or len(blocks[0][1]) < _SENDER_REPORT_BYTES:
        return None
    block = blocks[0][1]
    seconds = int.from_bytes(block[8:12], "big") - _NTP_TO_UNIX_S
    fraction = int.from_bytes(block[12:16], "big") / (1 << 32)
    return SenderReport(
        ssrc=int.from_bytes(block[4:8], "big"),
        wall_clock_s=seconds + fraction,
        rtp_time=int.from_bytes(block[16:20], "big"),
    )


def replayable_report(packet: bytes) -> bytes | None:
    """What of an RTCP packet may be repeated to a reader who comes later.

    Args:
        packet: Compound RTCP packet.

    Returns:
        Its sender report and source descriptions, without a BYE; None without a sender report.
    """
    if parse_sender_report(packet) is None:
        return None
    kept = (_SENDER_REPORT, _SOURCE_DESCRIPTION)
    return b"".join(block for kind, block in _blocks(packet) if kind in kept)


def _blocks(packet: bytes) -> list[tuple[int, bytes]]:
    """Type and bytes of each packet in a compound; empty when it is damaged."""
    blocks, position = [], 0
    while position < len(packet):
        if position + 4 > len(packet) or packet[position] & 0xC0 != 0x80:
            return []
        size = 4 + 4 * int.from_bytes(packet[position + 2 : position + 4], "big")
        block = packet[position : position + size]
        if len(block) < size:
            return []
        blocks.append((packet[position + 1], block))
        position += size
    return blocks
