"""The media since the last random access point, for replay to readers who come later."""

from __future__ import annotations

from .random_access import Inspector, ParameterSets
from .rtp import SEQUENCE_SPACE, sequence

Entry = tuple[int, bytes]
"""Track index and RTP packet. A plain tuple, because one is made per packet."""

MAX_PACKETS = 65536
_MAX_LATE = 512
"""Packets by which UDP may deliver late; an older number means that the numbering restarted."""


class GopCache:  # pylint: disable=too-many-instance-attributes  # one state machine
    """Packets of all tracks in order of arrival, from the last random access point on.

    The key track (the first video track that can be inspected) decides where a group of pictures
    starts: at the first packet of the access unit in which a random access point shows, so that
    parameter sets sent just before it stay in front of it. A group that outgrows its bound is
    given up; until the next random access point only the access unit under way is kept.

    Attributes:
        packets: What is kept.
        complete: Whether it begins at a random access point.
        seen_start: Whether there ever was one.
        sets: Parameter sets in force on the key track.
    """

    def __init__(self, inspector: Inspector | None, max_bytes: int) -> None:
        """Start empty.

        Args:
            inspector: Of the key track; None when there is no key track.
            max_bytes: Bound of the kept packets.
        """
        self.packets: list[Entry] = []
        self.complete = False
        self.seen_start = False
        self.sets = ParameterSets()
        self._inspector = inspector
        self._bytes_left = self._max_bytes = max_bytes
        self._unit = 0
        self._unit_time = b""
        self._unit_is_start = False
        self._highest = -1

    def add(self, index: int, packet: bytes) -> None:
        """Keep a packet of another track than the key track."""
        if not self.seen_start:
            return
        self.packets.append((index, packet))
        self._bytes_left -= len(packet)
        if self._bytes_left < 0 or len(self.packets) > MAX_PACKETS:
            self._give_up()

    def add_key(self, index: int, packet: bytes) -> bool:
        """Keep a packet of the key track.

        Returns:
            Whether this packet shows that a random access point begins; ``packets`` then holds
            the access unit up to and with this packet, and nothing before it.
        """
        number = sequence(packet)
        late = (self._highest - number) % SEQUENCE_SPACE
        in_order = self._highest < 0 or not 0 < late < _MAX_LATE
        if in_order:
            self._highest = number
            if packet[4:8] != self._unit_time:
                self._begin_unit(packet[4:8])
        self.packets.append((index, packet))
        self._bytes_left -= len(packet)
        found = (
            in_order
            and not self._unit_is_start
            and self._inspector is not None
            and self._inspector(packet, self.sets)
        )
        if found:
            self._begin_group()
        if self._bytes_left < 0 or len(self.packets) > MAX_PACKETS:
            self._give_up()
        return found

    def _begin_unit(self, time: bytes) -> None:
        """Note where an access unit starts."""
        self._unit_time = time
        self._unit_is_start = False
        if not self.complete:
            self.packets.clear()
            self._bytes_left = self._max_bytes
        self._unit = len(self.packets)

    def _begin_group(self) -> None:
        """Forget everything before the access unit under way."""
        del self.packets[: self._unit]
        self._bytes_left = self._max_bytes - sum(len(packet) for _, packet in self.packets)
        self._unit = 0
        self._unit_is_start = self.complete = self.seen_start = True

    def _give_up(self) -> None:
        """Let the group go; a part of it would be of no use."""
        self.packets.clear()
        self._bytes_left = self._max_bytes
        self._unit = 0
        self.complete = False
