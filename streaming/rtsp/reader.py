"""What sends media to one reader: interleaved in its connection, or by UDP.

A reader never slows the publisher. What it cannot take waits in a bounded queue; when that
overflows, or its oldest part grows too old, the queue is dropped and the reader stays without
media until the next random access point, so that it comes back at the present.
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from .gop import Entry
from .options import RtspLimits
from .transport import Pair
from .udp import UdpPair

_HEADER = struct.Struct(">BBH").pack
_DOLLAR = 0x24
_UDP_BURST_BYTES = 16 * 1024
_UDP_PAUSE_S = 0.002  # with the burst above at most 8 MB/s, which default socket buffers survive

T = TypeVar("T")


class SendQueue(Generic[T]):
    """What waits for a slow reader, bounded in bytes and in age."""

    def __init__(self, max_bytes: int, max_age_s: float) -> None:
        """Start empty."""
        self._items: deque[tuple[float, int, int, T]] = deque()
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._bytes = 0

    def __len__(self) -> int:
        """Number of waiting items."""
        return len(self._items)

    def put(self, item: T, size: int, packets: int, now_s: float) -> bool:
        """Append an item unless that would exceed a bound.

        Args:
            item: What to send later.
            size: Its bytes.
            packets: RTP and RTCP packets in it, for counting drops.
            now_s: Monotonic time.

        Returns:
            False when the item was not taken, because the queue is full or stale.
        """
        stale = self._items and now_s - self._items[0][0] > self._max_age_s
        if stale or self._bytes + size > self._max_bytes:
            return False
        self._items.append((now_s, size, packets, item))
        self._bytes += size
        return True

    def pop(self) -> T:
        """Take the oldest item."""
        _, size, _, item = self._items.popleft()
        self._bytes -= size
        return item

    def clear(self) -> int:
        """Drop everything; returns the number of packets lost."""
        lost = sum(packets for _, _, packets, _ in self._items)
        self._items.clear()
        self._bytes = 0
        return lost


class Reader(ABC):
    """A playing client as the published path sees it.

    Attributes:
        dropped: Packets it missed.
        starved: Whether it waits for the next random access point.
        keyed: Whether the path has random access points to wait for.
    """

    def __init__(self) -> None:
        """Start with nothing waiting."""
        self.dropped = 0
        self.starved = False
        self.keyed = False
        self._loop = asyncio.get_running_loop()

    @property
    def blocked_since(self) -> float | None:
        """Monotonic time since when the client takes nothing at all; None while it reads."""
        return None

    @abstractmethod
    def push(self, index: int, packet: bytes) -> None:
        """Take an RTP packet of a track for the next ``flush``."""

    @abstractmethod
    def push_rtcp(self, index: int, packet: bytes) -> None:
        """Take an RTCP packet of a track for the next ``flush``."""

    @abstractmethod
    def flush(self) -> None:
        """Send what was pushed, or let it wait within the bounds."""

    @abstractmethod
    def replay(self, reports: Iterable[Entry], packets: Iterable[Entry]) -> None:
        """Send the last sender reports and the media since the last random access point."""

    @abstractmethod
    def close(self) -> None:
        """Stop sending; what waits is dropped."""


class TcpReader(Reader):
    """Sends interleaved frames, several in one write."""

    def __init__(
        self, write: Callable[[bytes], None], channels: Mapping[int, Pair], limits: RtspLimits
    ) -> None:
        """Send through a connection.

        Args:
            write: Takes bytes for the RTSP connection; buffers what the client does not take.
            channels: RTP and RTCP channel of each track that was set up, by track index.
            limits: Bounds of the queue.
        """
        super().__init__()
        self._write = write
        self._channels = dict(channels)
        self._batch: list[bytes] = []
        self._queue: SendQueue[bytes] = SendQueue(limits.reader_queue_bytes, limits.reader_queue_s)
        self._blocked_since: float | None = None

    @property
    def blocked_since(self) -> float | None:
        """Monotonic time since when the connection takes nothing more."""
        return self._blocked_since

    def push(self, index: int, packet: bytes) -> None:
        """Frame an RTP packet."""
        pair = self._channels.get(index)
        if pair is None:
            return
        if self.starved:
            self.dropped += 1
            return
        self._batch.append(_HEADER(_DOLLAR, pair[0], len(packet)))
        self._batch.append(packet)

    def push_rtcp(self, index: int, packet: bytes) -> None:
        """Frame an RTCP packet."""
        pair = self._channels.get(index)
        if pair is not None and not self.starved:
            self._batch.append(_HEADER(_DOLLAR, pair[1], len(packet)))
            self._batch.append(packet)

    def flush(self) -> None:
        """Write, or queue while the connection is congested."""
        batch = self._batch
        if not batch:
            return
        data, packets = b"".join(batch), len(batch) // 2
        batch.clear()
        if self._blocked_since is None:
            self._write(data)
        elif not self._queue.put(data, len(data), packets, self._loop.time()):
            self.dropped += packets + self._queue.clear()
            self.starved = True

    def replay(self, reports: Iterable[Entry], packets: Iterable[Entry]) -> None:
        """Write at once: the amount is bounded by the group of pictures kept.

        Nothing is written into a congested connection, where repeated requests would pile up.
        """
        if self._blocked_since is not None:
            self.starved = True
            return
        for index, packet in reports:
            self.push_rtcp(index, packet)
        for index, packet in packets:
            self.push(index, packet)
        self.flush()

    def pause(self) -> None:
        """The connection is congested."""
        self._blocked_since = self._loop.time()

    def resume(self) -> None:
        """The connection takes data again: send what waits."""
        self._blocked_since = None
        while self._queue and self._blocked_since is None:
            self._write(self._queue.pop())
        if self._blocked_since is None and not self.keyed:
            self.starved = False

    def close(self) -> None:
        """Drop what waits."""
        self.dropped += self._queue.clear()


class UdpReader(Reader):
    """Sends datagrams; large bursts are spread, so that socket buffers do not overflow."""

    def __init__(self, pairs: Mapping[int, UdpPair], limits: RtspLimits) -> None:
        """Send through sockets.

        Args:
            pairs: Sockets of each track that was set up, by track index.
            limits: Bounds of the queue.
        """
        super().__init__()
        self._pairs = dict(pairs)
        self._queue: SendQueue[tuple[UdpPair, bytes]] = SendQueue(
            limits.gop_bytes + limits.reader_queue_bytes,  # the replay passes through it too
            limits.reader_queue_s,
        )
        self._budget = _UDP_BURST_BYTES
        self._timer: asyncio.TimerHandle | None = None

    def push(self, index: int, packet: bytes) -> None:
        """Send, or queue behind a burst."""
        pair = self._pairs.get(index)
        if pair is None:
            return
        if self.starved:
            self.dropped += 1
        elif self._timer is None and self._budget > 0:
            self._budget -= len(packet)
            self.dropped += not pair.send_rtp(packet)
        elif not self._queue.put((pair, packet), len(packet), 1, self._loop.time()):
            self.dropped += 1 + self._queue.clear()
            self.starved = True

    def push_rtcp(self, index: int, packet: bytes) -> None:
        """Send at once."""
        pair = self._pairs.get(index)
        if pair is not None:
            pair.send_rtcp(packet)

    def flush(self) -> None:
        """End a burst; whatever exceeded the budget follows in slices."""
        if self._queue:
            if self._timer is None:
                self._timer = self._loop.call_later(_UDP_PAUSE_S, self._slice)
        else:
            self._budget = _UDP_BURST_BYTES

    def replay(self, reports: Iterable[Entry], packets: Iterable[Entry]) -> None:
        """Send in slices."""
        for index, packet in reports:
            self.push_rtcp(index, packet)
        for index, packet in packets:
            self.push(index, packet)
        self.flush()

    def close(self) -> None:
        """Drop what waits."""
        if self._timer is not None:
            self._timer.cancel()
        self.dropped += self._queue.clear()

    def _slice(self) -> None:
        """Send one burst of the queue."""
        self._timer = None
        self._budget = _UDP_BURST_BYTES
        while self._queue and self._budget > 0:
            pair, packet = self._queue.pop()
            self._budget -= len(packet)
            self.dropped += not pair.send_rtp(packet)
        if not self._queue and not self.keyed:
            self.starved = False
        self.flush()
