"""What a publisher sends: a source's own H.264 or H.265 packets, else H.264 made on the spot."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from fractions import Fraction
from typing import Final, Protocol, cast

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from streaming.inputs import Origin, open_video
from streaming.reader import PacketTimes, VideoReader, quarter_turns, sender_utc_s

CLOCK: Final = Fraction(1, 90_000)
"""RTP's clock for video (RFC 6184 section 8.2.1)."""

_COPIED: Final = frozenset({"h264", "hevc"})
# Packets looked at to find out how far a file's decoding times run ahead of its media times.
_LOOKAHEAD = 64
_MAX_SIZE = (1920, 1080)
_KEYFRAME_S = 1.0
_DEFAULT_FPS = 25.0
_MIN_FPS = 0.1
_MAX_FPS = 480.0
_ENCODER: Final = {
    # No frames held back: neither by lookahead nor by B-frames.
    "preset": "superfast",
    "tune": "zerolatency",
    "profile": "main",
    "crf": "23",
    "forced-idr": "1",
}


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One picture on its way out, encoded or not.

    Attributes:
        pts_s: Media time in seconds, from the start of the file.
        send_s: Media time at which a real encoder would have had it ready: not before any
            picture it needs was captured.
        duration_s: How long it is shown.
        key: Whether a reader can begin with it.
        content: The encoded packet or the decoded frame.
    """

    pts_s: float
    send_s: float
    duration_s: float
    key: bool
    content: Packet[VideoStream] | av.VideoFrame


class Writer(Protocol):
    """Sends units to one output."""

    def write(self, unit: Unit, output_s: float) -> None:
        """Send one unit with the given time, in seconds, on the output's clock."""


def frame_s(stream: VideoStream) -> float:
    """Nominal distance of a source's frames, in seconds."""
    rate = float(stream.average_rate or 0.0)
    return 1.0 / (rate if _MIN_FPS <= rate <= _MAX_FPS else _DEFAULT_FPS)


def can_copy(origin: Origin) -> bool:
    """Whether a source's packets can go out as they are: codec, and no rotation to be lost."""
    with open_video(origin) as (container, stream):
        if stream.codec_context.name not in _COPIED:
            return False
        first = next(VideoReader(container, stream).frames(), None)
        return first is not None and quarter_turns(first.frame) == 0


def decoded_units(
    container: InputContainer, stream: VideoStream, on_packet: PacketTimes | None
) -> Iterator[Unit]:
    """Pictures of a source, to be encoded anew.

    Args:
        container: The opened source.
        stream: Its video.
        on_packet: For a live source, told the times of every packet.

    Yields:
        Decoded frames in display order.
    """
    step_s, start_s = frame_s(stream), _start_s(stream, on_packet)
    pts_s = -step_s
    for decoded in VideoReader(container, stream, on_packet).frames():
        pts_s += step_s
        if decoded.pts_s is not None:
            pts_s = decoded.pts_s - start_s
        yield Unit(pts_s, pts_s, step_s, True, decoded.frame)


def copied_units(
    container: InputContainer, stream: VideoStream, on_packet: PacketTimes | None
) -> Iterator[Unit]:
    """Packets of a source as they are.

    Args:
        container: The opened source.
        stream: Its video, such that `can_copy`.
        on_packet: For a live source, told the times of every packet.

    Yields:
        Packets in decoding order.
    """
    step_s, start_s = frame_s(stream), _start_s(stream, on_packet)
    packets = _timed(container, stream, on_packet)
    # Packets of a live source must not be held back.
    ahead = list(itertools.islice(packets, _LOOKAHEAD if on_packet is None else 0))
    reorder_s = max((pts_s - dts_s for _, pts_s, dts_s in ahead), default=0.0)
    for packet, pts_s, dts_s in itertools.chain(ahead, packets):
        yield Unit(
            pts_s=pts_s - start_s,
            send_s=dts_s + reorder_s - start_s,
            duration_s=float((packet.duration or 0) * packet.time_base) or step_s,
            key=packet.is_keyframe,
            content=packet,
        )


def _start_s(stream: VideoStream, on_packet: PacketTimes | None) -> float:
    """Files begin at 0, whatever their container counts from; live time is left as it is."""
    if on_packet is not None:
        return 0.0
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _timed(
    container: InputContainer, stream: VideoStream, on_packet: PacketTimes | None
) -> Iterator[tuple[Packet[VideoStream], float, float]]:
    """Packets with media and decoding time; FFmpeg gives none for an RTSP stream's first."""
    untimed: list[Packet[VideoStream]] = []
    step_s = frame_s(stream)
    for packet in container.demux(stream):
        if packet.size and packet.pts is None:
            untimed.append(packet)
        elif packet.pts is not None:
            pts_s = float(packet.pts * packet.time_base)
            dts_s = pts_s if packet.dts is None else float(packet.dts * packet.time_base)
            if on_packet is not None:
                on_packet(pts_s, sender_utc_s(packet), time.time())
            for place, early in enumerate(untimed):
                earlier_s = (len(untimed) - place) * step_s
                yield early, pts_s - earlier_s, dts_s - earlier_s
            untimed.clear()
            yield packet, pts_s, dts_s


@dataclass(slots=True)
class CopyWriter:
    """Sends a source's packets without touching a picture.

    Attributes:
        output: The opened output.
        template: The source's stream.
    """

    output: OutputContainer
    template: InitVar[VideoStream]
    _stream: VideoStream = field(init=False)
    _count: int = 0

    def __post_init__(self, template: VideoStream) -> None:
        """Add a stream like the source's."""
        self._stream = self.output.add_stream_from_template(template)

    def write(self, unit: Unit, output_s: float) -> None:
        """Send a packet."""
        packet = cast("Packet[VideoStream]", unit.content)
        # RTP carries no decoding times, but the muxer insists on growing ones below the media
        # times, and RTSP sources do not know them: any such numbers will do.
        self._count += 1
        packet.stream = self._stream
        packet.time_base = CLOCK
        packet.pts = round(output_s / CLOCK)
        packet.dts = self._count - (1 << 40)
        self.output.mux(packet)


@dataclass(slots=True)
class EncodeWriter:
    """Sends H.264 without B-frames and with a keyframe each second.

    Attributes:
        output: The opened output.
        first: The first picture: its size holds for all.
        step_s: Nominal distance of frames in seconds.
    """

    output: OutputContainer
    first: InitVar[Unit]
    step_s: InitVar[float]
    _stream: VideoStream = field(init=False)
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)
    _next_key_s: float = 0.0
    _last_pts: int = -1

    def __post_init__(self, first: Unit, step_s: float) -> None:
        """Add a stream with an encoder."""
        rate = Fraction(1 / step_s).limit_denominator(1001)
        self._stream = self.output.add_stream("libx264", rate=rate, options=dict(_ENCODER))
        self._stream.width, self._stream.height = fitting(cast("av.VideoFrame", first.content))
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = CLOCK
        context.gop_size = round(10 / step_s)
        context.thread_count = 2

    def write(self, unit: Unit, output_s: float) -> None:
        """Encode and send a frame."""
        pts = round(output_s / CLOCK)
        if pts <= self._last_pts:
            return
        self._last_pts = pts
        frame = self._picture(cast("av.VideoFrame", unit.content))
        frame.pts, frame.time_base = pts, CLOCK
        # The source's picture types must not steer the encoder.
        key = output_s >= self._next_key_s
        frame.pict_type = PictureType.I if key else PictureType.NONE
        if key:
            self._next_key_s = output_s + _KEYFRAME_S
        self.output.mux(self._stream.encode(frame))

    def _picture(self, frame: av.VideoFrame) -> av.VideoFrame:
        return self._reformatter.reformat(
            upright(frame),
            width=self._stream.width,
            height=self._stream.height,
            format="yuv420p",
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )


def upright(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame as people see it: itself, or a turned copy."""
    turns = quarter_turns(frame)
    if not turns:
        return frame
    turned = np.rot90(frame.to_ndarray(format="rgb24"), turns)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(turned, np.uint8), format="rgb24")


def fitting(frame: av.VideoFrame) -> tuple[int, int]:
    """Size to encode: upright, at most full HD, even as 4:2:0 wants it, the shape kept."""
    width, height = frame.width, frame.height
    if quarter_turns(frame) % 2:
        width, height = height, width
    scale = min(1.0, _MAX_SIZE[0] / width, _MAX_SIZE[1] / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
