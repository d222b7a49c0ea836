"""From RTP packets of H.264 to coded pictures (RFC 6184), without touching what is coded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from streaming.h264 import reorders
from streaming.rtsp.random_access import ParameterSets, aggregated, h264_starts
from streaming.rtsp.rtp import SEQUENCE_SPACE, payload_offset, sequence, timestamp
from streaming.rtsp.sdp import Media

_START = b"\x00\x00\x00\x01"
_STAP_A, _FU_A = 24, 28
_SPS, _PPS = 7, 8
_TIME_SPACE = 1 << 32
_MAX_UNIT_BYTES = 8 * 1024 * 1024
# B-frames step back by a few pictures. A sender that begins anew steps anywhere.
_REORDERED_WITHIN = 90_000


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture.

    Attributes:
        data: Its NAL units behind start codes (Annex B); a key picture has its parameter sets.
        time: RTP time in units of 1/90000 s, unwrapped: beyond 32 bits instead of round.
        key: Whether a decoder can begin with it.
    """

    data: bytes
    time: int
    key: bool


class AccessUnits:  # pylint: disable=too-many-instance-attributes  # one state machine
    """Puts the pictures of one track together, in the order of the packets.

    After a lost packet nothing comes out until the next key picture: a browser would show smeared
    pictures without a word.

    Attributes:
        reordered: Whether pictures come in another order than they are shown: B-frames.
    """

    def __init__(self, media: Media) -> None:
        """Start with the parameter sets that the publisher announced.

        Args:
            media: The track.
        """
        self._sets = ParameterSets()
        for nal in announced_sets(media):
            self._sets.remember(nal[0] & 0x1F, nal)
        self.reordered = self._says_reordered()
        self._unit = bytearray()
        self._has_sets = self._key = self._damaged = False
        self._waits_for_key = True
        self._next: int | None = None
        self._wire_time: int | None = None
        self._time = 0
        self._newest: int | None = None

    def reset(self) -> None:
        """Forget the picture under way and wait for a key picture."""
        self._begin()
        self._waits_for_key = True
        self._next = self._newest = None

    def push(self, packet: bytes) -> AccessUnit | None:
        """Take the next packet.

        Args:
            packet: One for which ``is_rtp`` holds.

        Returns:
            The picture that it completes.
        """
        number = sequence(packet)
        if self._next is not None and number != self._next:
            self._damaged = self._waits_for_key = True
        self._next = (number + 1) % SEQUENCE_SPACE
        done = None
        if timestamp(packet) != self._wire_time:
            done = self._finish()  # its last packet had no marker
            self._set_time(timestamp(packet))
        self._key = h264_starts(packet, self._sets) or self._key
        self._append(packet)
        if packet[1] & 0x80:  # marker: the last packet of a picture
            done = self._finish() or done
        return done

    def _append(self, packet: bytes) -> None:
        payload = packet[payload_offset(packet) :]
        if packet[0] & 0x20 and payload:  # padding
            payload = payload[: max(0, len(payload) - payload[-1])]
        if not payload or len(self._unit) > _MAX_UNIT_BYTES:
            self._damaged = True
            return
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            self._append_fragment(payload)
        elif kind == _STAP_A:
            for nal in aggregated(payload, 1):
                self._append_nal(nal)
        elif kind < _STAP_A:
            self._append_nal(payload)
        else:  # interleaved modes, which no browser speaks
            self._damaged = True

    def _append_nal(self, nal: bytes) -> None:
        if nal[0] & 0x1F == _SPS:
            self._has_sets = True
            self.reordered = self.reordered or self._says_reordered()
        self._unit += _START
        self._unit += nal

    def _append_fragment(self, payload: bytes) -> None:
        """Section 5.8."""
        if len(payload) < 3:
            self._damaged = True
        elif payload[1] & 0x80:
            self._append_nal(bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)) + payload[2:])
        elif not self._unit:
            self._damaged = True
        else:
            self._unit += payload[2:]

    def _finish(self) -> AccessUnit | None:
        """End the picture under way; None if there is none, or none that can be decoded."""
        data, key, whole = bytes(self._unit), self._key, bool(self._unit) and not self._damaged
        has_sets = self._has_sets
        self._begin()
        if not whole:
            self._waits_for_key = self._waits_for_key or bool(data)
            return None
        if self._waits_for_key and not key:
            return None
        self._waits_for_key = False
        if key and not has_sets:
            nals = [nal for kind in (_SPS, _PPS) for nal in self._sets.get(kind, ())]
            data = b"".join(_START + nal for nal in nals) + data
        return AccessUnit(data, self._time, key)

    def _begin(self) -> None:
        self._unit.clear()
        self._has_sets = self._key = self._damaged = False

    def _set_time(self, wire: int) -> None:
        before, self._wire_time = self._wire_time, wire
        if before is None:
            before = self._time = wire
        step = (wire - before) % _TIME_SPACE
        self._time += step - _TIME_SPACE if step >= _TIME_SPACE // 2 else step
        if self._newest is not None and 0 < self._newest - self._time < _REORDERED_WITHIN:
            self.reordered = True
        self._newest = self._time

    def _says_reordered(self) -> bool:
        return any(reorders(nal) is True for nal in self._sets.get(_SPS, ()))


def announced_sets(media: Media) -> Iterator[bytes]:
    """Parameter sets of a track's description (RFC 6184 section 8.1)."""
    prefix = f"a=fmtp:{media.payload_type} "
    for line in media.lines:
        if not line.startswith(prefix):
            continue
        for part in line[len(prefix) :].split(";"):
            name, _, value = part.strip().partition("=")
            if name == "sprop-parameter-sets":
                yield from _decoded(value)


def _decoded(value: str) -> Iterator[bytes]:
    for text in value.split(","):
        try:
            nal = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            continue
        if nal and nal[0] & 0x1F in (_SPS, _PPS):
            yield nal
