"""Where a decoder can start: key pictures and parameter sets in RTP payloads.

Covers H.264 (RFC 6184), H.265 (RFC 7798), MPEG-4 part 2 (RFC 6416), VP8 (RFC 7741) and JPEG
(RFC 2435). For any other payload there is no inspector, and new readers start with live packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .rtp import payload_offset

MAX_SETS = 16
"""Parameter sets remembered of one type; real streams have one or two."""
_PPS_H264 = 8
_PPS_H265 = 34


class ParameterSets(dict[int, list[bytes]]):
    """Parameter sets in force, by NAL unit type."""

    def remember(self, kind: int, nal: bytes) -> None:
        """Take one set seen in the stream, unless it is known already.

        Several picture parameter sets may be in force; a new sequence or video parameter set
        replaces the old one and outdates what depends on it.
        """
        known = self.setdefault(kind, [])
        if nal in known:
            return
        if kind not in (_PPS_H264, _PPS_H265):
            for dependent in [other for other in self if other > kind]:
                del self[dependent]
            known.clear()
        if len(known) < MAX_SETS:
            known.append(nal)


Inspector = Callable[[bytes, ParameterSets], bool]
"""Takes a packet for which ``is_rtp`` holds; says whether its access unit can be decoded without
earlier ones, and remembers the parameter sets in it."""


def inspector_for(encoding: str) -> Inspector | None:
    """The inspector for an encoding name of an SDP; None where there is none."""
    return _INSPECTORS.get(encoding)


def h264_starts(packet: bytes, sets: ParameterSets) -> bool:
    """Whether an H.264 packet holds (part of) an IDR picture, or an exact recovery point."""
    offset = payload_offset(packet)
    if offset + 1 >= len(packet):
        return False
    kind = packet[offset] & 0x1F
    if kind == 1:
        return False
    if kind in (28, 29):  # FU-A, FU-B
        return packet[offset + 1] & 0x1F == 5
    if kind == 24:  # STAP-A
        found = [_h264_nal(nal, sets) for nal in aggregated(packet, offset + 1)]
        return True in found  # after all were looked at, for their parameter sets
    return _h264_nal(packet[offset:], sets)


def h265_starts(packet: bytes, sets: ParameterSets) -> bool:
    """Whether an H.265 packet holds (part of) an IRAP picture: IDR, CRA or BLA."""
    offset = payload_offset(packet)
    if offset + 2 >= len(packet):
        return False
    kind = packet[offset] >> 1 & 0x3F
    if kind < 16:
        return False
    if kind == 49:  # fragmentation unit
        return 16 <= packet[offset + 2] & 0x3F <= 23
    if kind == 48:  # aggregation packet, without decoding order numbers
        found = [_h265_nal(nal, sets) for nal in aggregated(packet, offset + 2)]
        return True in found  # after all were looked at, for their parameter sets
    return _h265_nal(packet[offset:], sets)


def mpeg4_starts(packet: bytes, _sets: ParameterSets) -> bool:
    """Whether an MPEG-4 part 2 intra plane begins in the packet (ISO 14496-2 section 6.2.5)."""
    found = packet.find(b"\x00\x00\x01\xb6", payload_offset(packet))
    return 0 <= found < len(packet) - 4 and packet[found + 4] >> 6 == 0


def vp8_starts(packet: bytes, _sets: ParameterSets) -> bool:
    """Whether a VP8 key frame begins in the packet (RFC 7741 sections 4.2 and 4.3)."""
    position = payload_offset(packet)
    data = packet[position : position + 8].ljust(8, b"\xff")
    if data[0] & 0x17 != 0x10:  # S set, partition 0
        return False
    size = 1
    if data[0] & 0x80:
        extension = data[1]
        size += 1
        if extension & 0x80:
            size += 2 if data[2] & 0x80 else 1
        size += bool(extension & 0x40) + bool(extension & 0x30)
    return data[size] & 1 == 0


def jpeg_starts(packet: bytes, _sets: ParameterSets) -> bool:
    """Every JPEG picture stands alone."""
    return payload_offset(packet) < len(packet)


def aggregated(payload: bytes, start: int) -> Iterator[bytes]:
    """Take an aggregation packet apart (RFC 6184 section 5.7.1, RFC 7798 section 4.4.2).

    Args:
        payload: Of an RTP packet.
        start: Length of the header before the first NAL unit's length.

    Yields:
        Its NAL units, up to the first that is cut off.
    """
    position = start
    while position + 2 < len(payload):
        size = payload[position] << 8 | payload[position + 1]
        if size == 0 or position + 2 + size > len(payload):
            return
        yield payload[position + 2 : position + 2 + size]
        position += 2 + size


def _h264_nal(nal: bytes, sets: ParameterSets) -> bool:
    """Judge one whole NAL unit."""
    kind = nal[0] & 0x1F
    if kind in (7, _PPS_H264):
        sets.remember(kind, nal)
    # SEI recovery point (H.264 section D.1.8) as the first message, with recovery_frame_cnt 0
    recovery = kind == 6 and len(nal) > 3 and nal[1] == 6 and nal[3] & 0x80 != 0
    return kind == 5 or recovery


def _h265_nal(nal: bytes, sets: ParameterSets) -> bool:
    """Judge one whole NAL unit."""
    kind = nal[0] >> 1 & 0x3F
    if 32 <= kind <= _PPS_H265:
        sets.remember(kind, nal)
    return 16 <= kind <= 23


_INSPECTORS: dict[str, Inspector] = {
    "H264": h264_starts,
    "H265": h265_starts,
    "MP4V-ES": mpeg4_starts,
    "VP8": vp8_starts,
    "JPEG": jpeg_starts,
}
