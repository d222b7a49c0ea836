"""Publishes a stream's video with what is known about it drawn in.

Frames come from the stream's own decoder, which never waits: they are handed over through a short
queue that loses its oldest. Drawing and encoding run in a thread of their own, sending in a process
of its own. Whatever goes wrong there, the analysis does not notice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from contracts.errors import ActionstreamError, SourceRefusedError, redact
from streaming.captions import Captions
from streaming.drawing import Painter
from streaming.lifecycle import Backoff
from streaming.sender import PacketSender
from streaming.tracks import CLOCK, fitting, upright

log = logging.getLogger(__name__)

# What may wait: the frames of the longest hold at 60 a second, and a few that the encoder needs.
_QUEUE = 16
# A frame this long past its time makes room for the newer ones behind it, and so does one with so
# many behind it where frames are not held.
_LATE_S = 0.1
_BEHIND = 3
_KEYFRAME_S = 1.0
_RETRY_MAX_S = 10.0
# A wrong password will hardly become right.
_REFUSED_PAUSE_S = 60.0
_STOP_S = 1.0
_RATE: Final = Fraction(25)
_ENCODER: Final = {
    "preset": "ultrafast",
    # No frames held back, and none that refer to later ones: browsers can show it (RFC 7742).
    "tune": "zerolatency",
    "profile": "baseline",
    "crf": "24",
    "forced-idr": "1",
}


@dataclass(slots=True)
class _Encoder:
    """Draws into pictures of one size and encodes them.

    Attributes:
        size: Width and height of the frames that come in.
        width: Of the pictures that go out.
        height: Of the pictures that go out.
    """

    size: tuple[int, int]
    width: int
    height: int
    painter: Painter = field(init=False)
    _context: VideoCodecContext = field(init=False)
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    _last_at: float = 0.0
    _next_key_at: float = 0.0

    def __post_init__(self) -> None:
        """Open the encoder."""
        self.painter = Painter(self.width, self.height)
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = self.width, self.height, "yuv420p"
        context.time_base, context.framerate = CLOCK, _RATE
        context.gop_size = round(10 * _RATE)
        context.thread_count = 1
        context.options = dict(_ENCODER)
        self._context = context

    def follows(self, frame: av.VideoFrame, captured_at: float) -> bool:
        """Whether a frame can go on after those before: its size, a later time."""
        return (frame.width, frame.height) == self.size and captured_at > self._last_at

    def encode(self, frame: av.VideoFrame, captions: Captions, captured_at: float) -> _Encoded:
        """Draw and encode one frame."""
        self._last_at = captured_at
        picture = self._picture(frame)
        self.painter.paint(picture, captions.overlay(captured_at), captured_at)
        drawn = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        drawn.pts, drawn.time_base = round(captured_at / CLOCK), CLOCK
        key = captured_at >= self._next_key_at
        drawn.pict_type = PictureType.I if key else PictureType.NONE
        if key:
            self._next_key_at = captured_at + _KEYFRAME_S
        data = b"".join(bytes(packet) for packet in self._context.encode(drawn))
        return _Encoded(data, captured_at, key)

    def _picture(self, frame: av.VideoFrame) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """A copy as planar 4:2:0; the decoder's own frame belongs to others too."""
        picture = self._reformatter.reformat(
            upright(frame),
            width=self.width,
            height=self.height,
            format="yuv420p",
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        return np.array(picture.to_ndarray(), np.uint8)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A packet, when its picture was captured, and whether it is a keyframe."""

    data: bytes
    captured_at: float
    key: bool


class AnnotatedOutput:
    """One stream's annotated video. `put` belongs to the decoder's thread."""

    def __init__(self, url: str, captions: Captions) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            url: Where to publish it; may hold a login.
            captions: What is to be drawn.
        """
        self.dropped = 0
        self._url = url
        self._captions = captions
        self._frames: deque[tuple[av.VideoFrame, float]] = deque()
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._backoff = Backoff(_RETRY_MAX_S)
        self._sender: PacketSender | None = None
        self._thread = threading.Thread(target=self._work, name="annotate", daemon=True)

    def start(self) -> None:
        """Begin; connects when the first frame comes."""
        self._thread.start()

    def put(self, frame: av.VideoFrame, captured_at: float) -> None:
        """Hand a frame over; the oldest one that waits is lost if too many do."""
        with self._news:
            if len(self._frames) >= _QUEUE:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append((frame, captured_at))
            self._news.notify()

    def stop(self) -> None:
        """End within about a second."""
        self._stopping.set()
        if (sender := self._sender) is not None:
            sender.cut()
        with self._news:
            self._frames.clear()
            self._news.notify()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _work(self) -> None:
        """Outermost edge of the thread."""
        try:
            while not self._stopping.is_set():
                self._stopping.wait(self._publish())
        except Exception as exc:  # pylint: disable=broad-exception-caught  # edge of the thread
            log.exception("%s: the annotated video failed: %r", redact(self._url), exc)

    def _publish(self) -> float:
        """Publish until something is in the way; give the pause before the next attempt."""
        started_s = time.monotonic()
        try:
            while not self._stopping.is_set():
                self._publish_size()
        except ActionstreamError as exc:
            if self._stopping.is_set():
                return 0.0
            log.warning("%s: %s", redact(self._url), exc)
            if isinstance(exc, SourceRefusedError):
                return _REFUSED_PAUSE_S
        if time.monotonic() - started_s > _RETRY_MAX_S:
            self._backoff.reset()
        return self._backoff.pause_s()

    def _publish_size(self) -> None:
        """Publish for as long as the picture keeps its size: a connection announces one size."""
        with self._news:
            self._frames.clear()
        if (first := self._take()) is None:
            return
        encoder = _Encoder((first[0].width, first[0].height), *fitting(first[0]))
        self._sender = sender = PacketSender(self._url)
        try:
            taken: tuple[av.VideoFrame, float] | None = first
            while taken is not None and encoder.follows(*taken):
                packet = encoder.encode(taken[0], self._captions, taken[1])
                sender.send(packet.data, packet.captured_at, packet.key)
                taken = self._take()
        finally:
            self._sender = None
            sender.close()

    def _take(self) -> tuple[av.VideoFrame, float] | None:
        """The next frame, when its time has come; nothing once it is to stop."""
        while not self._stopping.is_set():
            hold_s = self._captions.hold_s
            with self._news:
                while not self._frames and not self._stopping.is_set():
                    self._news.wait()
                if self._stopping.is_set():
                    return None
                frame, captured_at = self._frames.popleft()
                waiting = len(self._frames)
            early_s = captured_at + hold_s - time.time()
            # Delay must not grow where drawing and encoding are too slow for the video.
            if waiting and (early_s < -_LATE_S if hold_s else waiting >= _BEHIND):
                self.dropped += 1
                continue
            self._stopping.wait(min(max(0.0, early_s), hold_s))
            return frame, captured_at
        return None
