"""From an opened video to decoded frames and, chosen and shrunk, to what the model sees."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from contracts.types import Clock, SampledFrame, Sampling
from streaming.h264 import LossDetector
from streaming.pixels import FrameScaler
from streaming.sampler import Place

# Streams that refresh line by line never send a keyframe; ten seconds of 25 fps are enough waiting.
_PATIENCE_FRAMES = 250
# A file whose every read fails is at its end for us; one bad block is not.
_MAX_READ_ERRORS = 50
# Frames held at the start for want of a time; a format that has none at all goes on without.
_MAX_HELD = 4
PICTURE_FORMATS: Final = frozenset({"mpjpeg"})
"""FFmpeg's names of formats of single pictures over HTTP. FFmpeg invents their times, 25 a second
however many come: the moment of arrival is their media time."""

# FFmpeg's names of formats without packet counts of their own, H.264 in start-code form.
_STREAMED: Final = frozenset({"rtsp", "mpegts", "hls", "rtp", "h264"})
# AVProducerReferenceTime: int64 microseconds of the sender's wall clock, int flags.
_PRFT: Final = struct.Struct("=q")

PacketTimes = Callable[[float, float | None, float], None]
"""Called per packet with media time, sender's wall clock if known, and UTC of arrival."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """One whole decoded picture.

    Attributes:
        frame: The picture in its own size and pixel format.
        pts_s: Media time in seconds, ``None`` if the container has none.
        decode_ms: Time its decoding took.
    """

    frame: av.VideoFrame
    pts_s: float | None
    decode_ms: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as people see the picture, after rotation."""
        frame = self.frame
        upright = frame.rotation % 180 == 0
        return (frame.width, frame.height) if upright else (frame.height, frame.width)


@dataclass(slots=True)
class KeyframeGate:
    """Holds frames back until a whole picture: after joining, and after damage.

    A decoder that lost its reference pictures smears grey over the next frames; a model would
    take that for movement.
    """

    _closed: bool = True
    _waited: int = 0

    def close(self) -> None:
        """Something was damaged: wait for the next keyframe."""
        if not self._closed:
            self._closed = True
            self._waited = 0

    def admit(self, key: bool) -> bool:
        """Whether the next frame may be used."""
        self._waited += 1
        if key or self._waited > _PATIENCE_FRAMES:
            self._closed = False
        return not self._closed


@dataclass(slots=True)
class VideoReader:
    """Reads and decodes one opened video. Owned by one thread.

    Attributes:
        container: The opened container.
        stream: Its video stream.
        on_packet: Told the times of every packet, for the capture clock.
        errors: Packets and frames that were damaged and left out.
    """

    container: InputContainer
    stream: VideoStream
    on_packet: PacketTimes | None = None
    errors: int = 0
    _gate: KeyframeGate = field(default_factory=KeyframeGate)
    _losses: LossDetector | None = field(init=False)
    _clocked: bool = field(init=False)
    _arrival_s: float = 0.0

    def __post_init__(self) -> None:
        """Watch for losses where the format can have some: MP4 and Matroska count their packets."""
        self._clocked = self.container.format.name in PICTURE_FORMATS
        streamed = self.container.format.name in _STREAMED
        h264 = self.stream.codec_context.name == "h264"
        self._losses = LossDetector() if streamed and h264 else None

    def frames(self) -> Iterator[DecodedFrame]:
        """Decode until the end, first frames timed.

        FFmpeg gives no time for the first picture of an RTSP stream: it is held until two later
        ones tell how far frames are apart.

        Yields:
            Undamaged frames in display order; damaged ones and those that refer to them are left
            out.

        Raises:
            av.error.FFmpegError: Reading failed (not: a damaged packet).
        """
        held: list[DecodedFrame] = []
        frames = self._decoded()
        for frame in frames:
            held.append(frame)
            timed = sum(one.pts_s is not None for one in held)
            if held[0].pts_s is not None or timed == 2 or len(held) == _MAX_HELD:
                break
        yield from backdated(held)
        yield from frames

    def _decoded(self) -> Iterator[DecodedFrame]:
        """Decode, without the frames that are damaged or refer to damaged ones."""
        for packet in self._packets():
            if packet.is_corrupt or (self._losses and self._losses.lost(bytes(packet))):
                self._damaged()
            started_s = time.perf_counter()
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self._damaged()
                continue
            spent_ms = 1e3 * (time.perf_counter() - started_s)
            for frame in frames:
                if frame.is_corrupt:
                    self._damaged()
                if self._gate.admit(bool(frame.key_frame)):
                    yield DecodedFrame(frame, self._media_s(frame), spent_ms / len(frames))

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Read on after damaged blocks; give up when nothing else comes."""
        failures = 0
        while failures < _MAX_READ_ERRORS:
            try:
                for packet in self.container.demux(self.stream):
                    failures = 0
                    self._note_times(packet)
                    yield packet
                return
            except av.error.InvalidDataError:
                failures += 1
                self._damaged()

    def _note_times(self, packet: Packet[VideoStream]) -> None:
        """Stamp arrival here, after the blocking read."""
        arrival_utc_s = time.time()
        if self._clocked:
            self._arrival_s = media_s = time.monotonic()
        elif packet.pts is not None:
            media_s = float(packet.pts * packet.time_base)
        else:
            return
        if self.on_packet is not None:
            self.on_packet(media_s, sender_utc_s(packet), arrival_utc_s)

    def _media_s(self, frame: av.VideoFrame) -> float | None:
        return self._arrival_s if self._clocked else _seconds(frame.pts, frame)

    def _damaged(self) -> None:
        self.errors += 1
        self._gate.close()


def sender_utc_s(packet: Packet[VideoStream]) -> float | None:
    """Wall clock of the sender at a packet's media time, once it has reported (RTCP)."""
    if not packet.has_sidedata("prft"):
        return None
    microseconds: int = _PRFT.unpack_from(bytes(packet.get_sidedata("prft")))[0]
    return microseconds / 1e6


def backdated(frames: list[DecodedFrame]) -> list[DecodedFrame]:
    """Give leading frames without media time the one that the next two imply.

    Args:
        frames: Consecutive frames.

    Returns:
        The same frames; unchanged if fewer than two have a time.
    """
    times = [frame.pts_s for frame in frames if frame.pts_s is not None]
    if len(times) < 2:
        return frames
    step_s = times[1] - times[0]
    missing = len(frames) - len(times)
    return [
        replace(frame, pts_s=times[0] - (missing - place) * step_s)
        if frame.pts_s is None
        else frame
        for place, frame in enumerate(frames)
    ]


def _seconds(pts: int | None, frame: av.VideoFrame) -> float | None:
    return None if pts is None or frame.time_base is None else float(pts * frame.time_base)


@dataclass(slots=True)
class Shrinker:
    """Makes what the model sees of a decoded frame: small, RGB, upright. Owned by one thread.

    Attributes:
        sampling: Size wanted.
    """

    sampling: Sampling
    _upright: FrameScaler = field(init=False)
    _lying: FrameScaler = field(init=False)

    def __post_init__(self) -> None:
        """Prepare for both orientations: phones store upright video lying down."""
        self._upright = FrameScaler(self.sampling.width, self.sampling.height)
        self._lying = FrameScaler(self.sampling.height, self.sampling.width)

    def __call__(
        self, decoded: DecodedFrame, place: Place, captured_at: float, clock: Clock
    ) -> SampledFrame:
        """Convert one frame.

        Args:
            decoded: The frame, of any size and format.
            place: Where the sampler put it; wanted, that is, with an index.
            captured_at: UTC seconds of its capture.
            clock: What they were read from.

        Returns:
            The sampled frame, its image read-only.

        Raises:
            ValueError: The sampler did not want the frame.
        """
        if place.index is None:
            raise ValueError("the sampler did not choose this frame")
        started_s = time.perf_counter()
        image = self._image(decoded.frame)
        spent_ms = 1e3 * (time.perf_counter() - started_s)
        return SampledFrame(
            image=image,
            index=place.index,
            run=place.run,
            pts_s=place.pts_s,
            captured_at=captured_at,
            clock=clock,
            decode_ms=decoded.decode_ms + spent_ms,
            ready_at=time.monotonic(),
        )

    def _image(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        turns = quarter_turns(frame)
        image = (self._lying if turns % 2 else self._upright)(frame)
        if turns:
            image = np.ascontiguousarray(np.rot90(image, turns))
        image.setflags(write=False)
        return image


def quarter_turns(frame: av.VideoFrame) -> int:
    """Counter-clockwise quarter turns that make a frame upright; FFmpeg's decoders apply none."""
    return round(frame.rotation / 90) % 4
