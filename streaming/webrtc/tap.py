"""What one browser is to be sent: the pictures of a published path, in a bounded queue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from contracts.types import Clock
from streaming.clock import CaptureClock
from streaming.rtsp.gop import Entry
from streaming.rtsp.options import RtspLimits
from streaming.rtsp.path import PublishedPath
from streaming.rtsp.reader import Reader
from streaming.rtsp.rtp import SenderReport, is_rtp, parse_sender_report
from streaming.rtsp.sdp import Media
from streaming.webrtc.access_units import AccessUnit, AccessUnits
from streaming.webrtc.options import VIDEO_CLOCK_HZ, RefusedError

MAX_WAITING = 120
"""Pictures: some four seconds. Who is further behind starts again at the present."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture for a browser.

    Attributes:
        data: Annex B.
        time: RTP time to send it under, unwrapped.
        captured_at: UTC epoch seconds.
        clock: What the capture time was read from.
        replayed: Whether it is older than the moment at which the browser came.
    """

    data: bytes
    time: int
    captured_at: float
    clock: Clock
    replayed: bool


class Tap(Reader):  # pylint: disable=too-many-instance-attributes  # one queue and its clock
    """Takes the packets of the video track from a published path. Lives on the server's loop.

    The pictures since the last key picture, which a decoder needs first, are put close before the
    newest one in time, so that the browser decodes them at once instead of playing them.
    """

    def __init__(
        self, path: PublishedPath, limits: RtspLimits, now: Callable[[], float] = time.time
    ) -> None:
        """Prepare; ``path.attach`` starts it.

        Args:
            path: What to watch.
            limits: Bounds of the queue.
            now: Gives UTC epoch seconds.

        Raises:
            RefusedError: There is no H.264 in it.
        """
        super().__init__()
        self._index, media = h264_track(path)
        self._units = AccessUnits(media)
        self._max_bytes = limits.reader_queue_bytes
        self._queue: deque[Picture] = deque()
        self._live = self._bytes = 0  # of the pictures in the queue that are not replayed
        self._report: SenderReport | None = None
        self._clock = CaptureClock()
        self._now = now
        self._filled = asyncio.Event()
        self._closed = False
        self._newest = 0

    @property
    def reordered(self) -> bool:
        """Whether B-frames were met, which browsers cannot play."""
        return self._units.reordered

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        return len(self._queue)

    async def next(self) -> Picture | None:
        """Wait for the next picture; None when there will be no more."""
        while not self._queue:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        picture = self._queue.popleft()
        if not picture.replayed:
            self._live -= 1
            self._bytes -= len(picture.data)
        return picture

    def push(self, index: int, packet: bytes) -> None:
        """Take an RTP packet of any track."""
        if index != self._index:
            return
        if self.starved:
            self.dropped += 1
            return
        unit = self._units.push(packet)
        if unit is not None:
            self._note(unit)
            self._put(self._picture(unit, unit.time, replayed=False))

    def push_rtcp(self, index: int, packet: bytes) -> None:
        """Take an RTCP packet of any track."""
        if index == self._index:
            self._report = parse_sender_report(packet) or self._report

    def flush(self) -> None:
        """Everything is on its way already."""

    def replay(self, reports: Iterable[Entry], packets: Iterable[Entry]) -> None:
        """Take the last sender reports and the media since the last random access point."""
        for index, packet in reports:
            self.push_rtcp(index, packet)
        self._clear()
        self._units.reset()
        pushed = (self._units.push(p) for i, p in packets if i == self._index and is_rtp(p))
        units = [unit for unit in pushed if unit is not None]
        for unit in units:
            self._note(unit)
        if not units:
            return
        last = max(units[-1].time, self._newest + len(units))
        first = last - len(units) + 1
        for place, unit in enumerate(units):
            self._put(self._picture(unit, first + place, replayed=first + place < last))

    def close(self) -> None:
        """End the waiting of ``next``, after what is in the queue."""
        self._closed = True
        self._filled.set()

    def _put(self, picture: Picture) -> None:
        """Queue a picture; a browser that is too slow begins again at a random access point."""
        if not picture.replayed:
            if self._live >= MAX_WAITING or self._bytes > self._max_bytes:
                self._clear()
                self._units.reset()
                self.starved = self.keyed
                return
            self._live += 1
            self._bytes += len(picture.data)
        self._newest = picture.time
        self._queue.append(picture)
        self._filled.set()

    def _clear(self) -> None:
        self.dropped += len(self._queue)
        self._queue.clear()
        self._live = self._bytes = 0

    def _note(self, unit: AccessUnit) -> None:
        """Keep the capture clock going."""
        sender_s = None
        if self._report is not None:
            ticks = (unit.time - self._report.rtp_time) % (1 << 32)
            ticks -= (1 << 32) if ticks >= 1 << 31 else 0
            sender_s = self._report.wall_clock_s + ticks / VIDEO_CLOCK_HZ
        self._clock.packet(unit.time / VIDEO_CLOCK_HZ, sender_s, self._now())

    def _picture(self, unit: AccessUnit, at: int, replayed: bool) -> Picture:
        captured_at, clock = self._clock.capture(unit.time / VIDEO_CLOCK_HZ)
        return Picture(unit.data, at, captured_at, clock, replayed)


def h264_track(path: PublishedPath) -> tuple[int, Media]:
    """The video of a path that browsers can play.

    Args:
        path: A published path.

    Returns:
        Index of the track, and the track.

    Raises:
        RefusedError: There is no video, or none in H.264.
    """
    media = path.description.media
    videos = [index for index, track in enumerate(media) if track.kind == "video"]
    for index in videos:
        if media[index].encoding == "H264":
            return index, media[index]
    if not videos:
        raise RefusedError(415, "no_video", "This path has no video.")
    name = media[videos[0]].encoding.replace("H265", "H.265") or "an unknown coding"
    raise RefusedError(
        415, "codec_not_playable", f"This video is coded as {name}; browsers play H.264 here."
    )
