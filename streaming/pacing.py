"""When frames are due: at once as they arrive, or at their time if the source has no pace."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from contracts.types import Clock, VideoInfo
from streaming.clock import CaptureClock
from streaming.inputs import Kind, Origin
from streaming.reader import PICTURE_FORMATS, PacketTimes
from streaming.sampler import Place

# A source that falls this far behind goes on from there: delay must not grow without end.
_LATE_S = 1.0


@dataclass(slots=True)
class Arriving:
    """Frames of a live connection: captured when the sender's report or their arrival says."""

    _clock: CaptureClock = field(default_factory=CaptureClock)

    @property
    def on_packet(self) -> PacketTimes | None:
        """Wants to know the times of every packet."""
        return self._clock.packet

    def capture(self, place: Place) -> tuple[float, Clock]:
        """Tell the capture time, without waiting.

        Args:
            place: Where the sampler put the frame.

        Returns:
            UTC seconds, and what they were read from.
        """
        return self._clock.capture(place.pts_s)


@dataclass(slots=True)
class Paced:
    """Frames of a source without a pace of its own, played in real time: captured when due.

    Attributes:
        stopping: Ends the waiting.
    """

    stopping: threading.Event
    _run: int | None = None
    _start_s: float = 0.0

    @property
    def on_packet(self) -> PacketTimes | None:
        """Does not want to know the times of packets: they are read ahead."""
        return None

    def capture(self, place: Place) -> tuple[float, Clock]:
        """Wait until the frame is due.

        Args:
            place: Where the sampler put the frame.

        Returns:
            UTC seconds of the moment it was due, and that this is no sender's clock.
        """
        now_s = time.monotonic()
        if place.run != self._run or now_s - (self._start_s + place.pts_s) > _LATE_S:
            self._run = place.run
            self._start_s = now_s - place.pts_s
        due_s = self._start_s + place.pts_s
        if due_s > now_s:
            self.stopping.wait(due_s - now_s)
        # Waking up late makes no later picture.
        return time.time() - (time.monotonic() - due_s), Clock.ARRIVAL


def timing_of(origin: Origin, format_name: str, stopping: threading.Event) -> Arriving | Paced:
    """Choose how a source is timed.

    Args:
        origin: The source.
        format_name: FFmpeg's name of the opened format.
        stopping: Ends the waiting of a paced source.
    """
    over_http = origin.kind is Kind.NETWORK and origin.url.startswith("http")
    waits = origin.kind in (Kind.FILE, Kind.PATTERN) or over_http
    return Paced(stopping) if waits and format_name not in PICTURE_FORMATS else Arriving()


def ends(timing: Arriving | Paced, info: VideoInfo) -> bool:
    """Whether a source ends by itself, which is no failure then: a file, here or on the web."""
    return isinstance(timing, Paced) and info.duration_s is not None
