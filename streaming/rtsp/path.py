"""One published path: takes packets, keeps what late joiners need, feeds readers."""

from __future__ import annotations

import time
from typing import Literal

from .gop import Entry, GopCache
from .options import MIB, PathInfo, RtspLimits
from .random_access import Inspector, inspector_for
from .reader import Reader
from .rtp import is_rtp, replayable_report, sequence, ssrc, timestamp
from .sdp import SessionDescription

_UNIT_BYTES = MIB
"""Kept of an access unit under way when nothing is replayed to new readers."""


class PublishedPath:  # pylint: disable=too-many-instance-attributes  # the counters are its report
    """A path while somebody publishes it. Lives on the server's event loop.

    Packets pass unchanged: sequence numbers, timestamps and sources are the publisher's, so its
    sender reports stay true for every reader.

    Attributes:
        name: Path name.
        description: What the publisher announced.
        packets_in: RTP and RTCP packets received.
        bytes_in: Their bytes.
    """

    def __init__(
        self,
        name: str,
        description: SessionDescription,
        transport: Literal["udp", "tcp"],
        limits: RtspLimits,
    ) -> None:
        """Start without media and readers.

        Args:
            name: Path name.
            description: What the publisher announced.
            transport: How its media come, for the report.
            limits: Bounds of the replay.
        """
        self.name = name
        self.description = description
        self.packets_in = 0
        self.bytes_in = 0
        self._transport = transport
        self._since = time.time()
        self._key, inspector = _key_track(description)
        self._replays = limits.gop_bytes > 0
        self._gop = GopCache(inspector, limits.gop_bytes if self._replays else _UNIT_BYTES)
        self._reports: dict[int, bytes] = {}
        self._last: dict[int, bytes] = {}
        self._readers: list[Reader] = []
        self._dropped = 0

    def rtp(self, index: int, packet: bytes) -> None:
        """Take one RTP packet of a track; readers get it at the next ``flush``."""
        self.packets_in += 1
        self.bytes_in += len(packet)
        if not is_rtp(packet):
            self._dropped += 1
            return
        self._last[index] = packet
        if index != self._key:
            self._gop.add(index, packet)
        elif self._gop.add_key(index, packet):
            self._revive()
        for reader in self._readers:
            reader.push(index, packet)

    def rtcp(self, index: int, packet: bytes) -> None:
        """Take one RTCP packet of a track and pass it on."""
        self.packets_in += 1
        self.bytes_in += len(packet)
        report = replayable_report(packet)
        if report is not None:
            self._reports[index] = report
        for reader in self._readers:
            reader.push_rtcp(index, packet)

    def flush(self) -> None:
        """Send what came since the last call."""
        for reader in self._readers:
            reader.flush()

    def attach(self, reader: Reader) -> None:
        """Replay to a new reader, then feed it."""
        reader.keyed = self._gop.seen_start
        reader.replay(self._reports.items(), self._replayed())
        if reader.keyed and not self._replayed():
            reader.starved = True
        self._readers.append(reader)

    def replay(self, reader: Reader) -> bool:
        """Replay once more to a reader that has lost the thread.

        Returns:
            Whether there is something to replay; the reader is left alone otherwise.
        """
        packets = self._replayed()
        if packets:
            reader.replay(self._reports.items(), packets)
        return bool(packets)

    def detach(self, reader: Reader) -> None:
        """Stop feeding a reader."""
        if reader in self._readers:
            self._readers.remove(reader)
            self._dropped += reader.dropped
        reader.close()

    def first_packet(self, index: int) -> tuple[int, int] | None:
        """Sequence number and RTP time of the first packet that a new reader would get.

        Returns:
            None for a track of which nothing is replayed.
        """
        for track, packet in self._replayed():
            if track == index:
                return sequence(packet), timestamp(packet)
        return None

    def source(self, index: int) -> int | None:
        """SSRC of a track; None before its first packet."""
        packet = self._last.get(index)
        return None if packet is None else ssrc(packet)

    def describe(self) -> bytes:
        """Session description for readers."""
        return self.description.for_readers({self._key: self._gop.sets})

    def info(self) -> PathInfo:
        """Report of this moment."""
        return PathInfo(
            name=self.name,
            codecs=tuple(media.encoding for media in self.description.media),
            transport=self._transport,
            since=self._since,
            readers=len(self._readers),
            bytes_in=self.bytes_in,
            packets_in=self.packets_in,
            packets_dropped=self._dropped + sum(reader.dropped for reader in self._readers),
        )

    def _replayed(self) -> list[Entry]:
        """What a new reader gets first."""
        return self._gop.packets if self._replays and self._gop.complete else []

    def _revive(self) -> None:
        """A random access point begins: readers who waited for one get its first packets."""
        for reader in self._readers:
            reader.keyed = True
            if reader.starved:
                reader.starved = False
                for index, packet in self._gop.packets[:-1]:
                    reader.push(index, packet)


def _key_track(description: SessionDescription) -> tuple[int, Inspector | None]:
    """The first video track whose payload can be inspected; (-1, None) without one."""
    for index, media in enumerate(description.media):
        inspector = inspector_for(media.encoding) if media.kind == "video" else None
        if inspector is not None:
            return index, inspector
    return -1, None
