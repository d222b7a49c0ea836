"""What the headers of H.264 tell: pictures that were lost on the way, and the order of pictures.

FFmpeg's decoder papers over lost pictures in silence: it fills a lost reference picture in with an
older one and marks nothing, so that everything up to the next keyframe is smeared. The numbers that
the encoder gives reference pictures show the hole (ITU-T H.264 sections 7.3.3 and 7.4.3,
``frame_num``). H.265 needs no such help: its decoder leaves out what refers to lost pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START = b"\x00\x00\x01"
_SLICE, _IDR, _SPS = 1, 5, 7
# Profiles whose parameter sets say more about chroma (section 7.3.2.1.1).
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_HEADER_BYTES = 64


@dataclass(slots=True)
class LossDetector:
    """Watches the packets of one H.264 stream, as start-code separated units (Annex B).

    Not for streams whose encoder leaves numbers out on purpose, which their parameter set says;
    there it finds nothing.
    """

    _numbering: _Numbering | None = None
    _previous: int | None = None

    def lost(self, packet: bytes) -> bool:
        """Tell whether a reference picture, or the top of this one, is missing before a packet.

        Args:
            packet: One coded picture with whatever precedes it. Anything else, even garbage, is
                taken without an error.
        """
        found = False
        first = True
        for unit in units(packet):
            kind, reference = unit[0] & 0x1F, bool(unit[0] & 0x60)
            try:
                if kind == _SPS:
                    self._numbering = _parse_sps(unit)
                elif kind in (_SLICE, _IDR):
                    found = self._slice(unit, reference, first) or found
                    first = False
            except _EndOfDataError:
                found = True
        return found

    def _slice(self, unit: bytes, reference: bool, first: bool) -> bool:
        if self._numbering is None or self._numbering.holes_allowed:
            return False
        bits = _Bits(_unescaped(unit[1 : 1 + _HEADER_BYTES]))
        headless = first and bits.unsigned() != 0
        if not first:
            bits.unsigned()
        bits.unsigned()  # slice_type
        bits.unsigned()  # pic_parameter_set_id
        bits.take(2 * self._numbering.separate_planes)
        number = bits.take(self._numbering.bits)
        before, modulus = self._previous, 1 << self._numbering.bits
        idr = unit[0] & 0x1F == _IDR
        missing = before is not None and not idr and (number - before) % modulus > 1
        if reference or missing:
            self._previous = number
        return missing or headless


@dataclass(frozen=True, slots=True)
class _Numbering:
    """How a stream numbers its reference pictures."""

    bits: int
    holes_allowed: bool
    separate_planes: bool


class _EndOfDataError(Exception):
    """A unit ended before what it must hold."""


@dataclass(slots=True)
class _Bits:
    """Reads bits and Exp-Golomb numbers (section 9.1)."""

    data: bytes
    _position: int = 0

    def take(self, count: int) -> int:
        """Read so many bits."""
        end = self._position + count
        if end > 8 * len(self.data):
            raise _EndOfDataError
        first, last = self._position // 8, (end + 7) // 8
        self._position = end
        chunk = int.from_bytes(self.data[first:last], "big")
        return chunk >> (8 * last - end) & ((1 << count) - 1)

    def unsigned(self) -> int:
        """Read ue(v)."""
        zeros = 0
        while self.take(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """Read se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def units(packet: bytes) -> Iterator[bytes]:
    """Split Annex B at its start codes into NAL units; empty ones are left out."""
    begin = packet.find(_START)
    while begin >= 0:
        end = packet.find(_START, begin + 3)
        unit = packet[begin + 3 : end if end >= 0 else None]
        if unit:
            yield unit
        begin = end


def _unescaped(data: bytes) -> bytes:
    """Remove emulation prevention (section 7.4.1.1)."""
    return data.replace(b"\x00\x00\x03", b"\x00\x00")


def _parse_sps(unit: bytes) -> _Numbering:
    """Read a sequence parameter set as far as needed (section 7.3.2.1.1)."""
    bits = _Bits(_unescaped(unit[1:]))
    profile = bits.take(8)
    bits.take(16)
    bits.unsigned()
    planes = _skip_chroma(bits) if profile in _HIGH_PROFILES else False
    number_bits = bits.unsigned() + 4
    _skip_order(bits, bits.unsigned())
    bits.unsigned()  # max_num_ref_frames
    # The standard allows 16 bits at most; more is a damaged set.
    return _Numbering(min(number_bits, 16), bits.take(1) == 1 or number_bits > 16, planes)


def reorders(unit: bytes) -> bool | None:
    """Tell from a sequence parameter set whether pictures are shown in another order than coded.

    That is what B-frames are used for (sections 7.3.2.1.1, E.1.1 and E.2.1).

    Args:
        unit: The parameter set, from its header byte on, without a start code.

    Returns:
        None if the set does not say, or is damaged.
    """
    bits = _Bits(_unescaped(unit[1:]))
    try:
        if _skip_to_size(bits) == 2:  # pic_order_cnt_type
            return False
        _skip_size(bits)
        if bits.take(1) == 0:  # vui_parameters_present_flag
            return None
        _skip_display(bits)
        if bits.take(1) == 0:  # bitstream_restriction_flag
            return None
        bits.take(1)
        for _ in range(4):
            bits.unsigned()
        return bits.unsigned() > 0  # max_num_reorder_frames
    except _EndOfDataError:
        return None


def _skip_to_size(bits: _Bits) -> int:
    """Skip the beginning of a parameter set; gives pic_order_cnt_type."""
    profile = bits.take(8)
    bits.take(16)
    bits.unsigned()
    if profile in _HIGH_PROFILES:
        _skip_chroma(bits)
    bits.unsigned()
    order = bits.unsigned()
    _skip_order(bits, order)
    return order


def _skip_order(bits: _Bits, order: int) -> None:
    """Skip what follows pic_order_cnt_type about the order of pictures."""
    if order == 0:
        bits.unsigned()
    elif order == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()


def _skip_size(bits: _Bits) -> None:
    """Skip from max_num_ref_frames to the cropping."""
    bits.unsigned()
    bits.take(1)
    bits.unsigned()
    bits.unsigned()
    if bits.take(1) == 0:  # frame_mbs_only_flag
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        for _ in range(4):
            bits.unsigned()


def _skip_display(bits: _Bits) -> None:
    """Skip the parameters for display and timing (section E.1.1) up to the restrictions."""
    if bits.take(1) and bits.take(8) == 255:  # aspect ratio, written out
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if bits.take(1):
        bits.take(4)
        if bits.take(1):
            bits.take(24)
    if bits.take(1):
        bits.unsigned()
        bits.unsigned()
    if bits.take(1):
        bits.take(65)
    buffers = [_skip_buffer(bits) for _ in range(2)]
    if any(buffers):
        bits.take(1)
    bits.take(1)


def _skip_buffer(bits: _Bits) -> bool:
    """Skip the parameters of a buffer if there are any (section E.1.2)."""
    if bits.take(1) == 0:
        return False
    count = bits.unsigned() + 1
    bits.take(8)
    for _ in range(min(count, 32)):
        bits.unsigned()
        bits.unsigned()
        bits.take(1)
    bits.take(20)
    return True


def _skip_chroma(bits: _Bits) -> bool:
    """Skip chroma format, depths and scaling lists; tell whether planes are coded apart."""
    chroma = bits.unsigned()
    planes = chroma == 3 and bits.take(1) == 1
    bits.unsigned()
    bits.unsigned()
    bits.take(1)
    if bits.take(1):
        for place in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if place < 6 else 64)
    return planes


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    """Section 7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
