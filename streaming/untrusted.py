"""A video that a stranger sent: an open file, ordinary formats, nothing opened beside it, bounded.

FFmpeg reads many formats that are lists of other files or addresses, and follows them. Here it may
open nothing at all: it is given an open file, and neither a protocol but that nor a format that
names other files is allowed. Memory and time are bounded by the process that this runs in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from contracts.errors import (
    NotAVideoError,
    PictureTooLargeError,
    SourceError,
    VideoTooLongError,
)
from contracts.types import SampledFrame, Sampling, VideoInfo
from streaming.files import at_least_one, sampled
from streaming.inputs import Kind, Origin, describe, open_video
from streaming.reader import DecodedFrame, Shrinker, VideoReader
from streaming.sampler import FrameSampler

# fmt: off
FORMATS: Final = (
    "mov", "mp4", "matroska", "webm", "avi", "flv", "mpegts", "mpeg", "mpegvideo", "asf", "mxf",
    "ogg", "m4v", "h264", "hevc", "mjpeg", "ivf", "obu", "yuv4mpegpipe", "gif",
)
"""FFmpeg's names of the formats accepted. Left out is whatever names further files: playlists
(``hls``, ``concat``, ``sdp``, ``dash``), numbered pictures (``image2``), text with references."""
# fmt: on

# Codecs round a picture's sides up to whole blocks; the exact size is checked on every picture.
_BLOCKS_SHARE = 1.25
_BLOCKS_PX = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted.

    Attributes:
        max_duration_s: Longest video, in media seconds.
        max_pixels: Largest picture, width times height.
    """

    max_duration_s: float
    max_pixels: int


@dataclass(slots=True)
class UntrustedVideo:
    """An opened video whose stated size and length are accepted. Owned by one thread.

    Attributes:
        name: What to call it in messages.
        info: What it states of itself.
    """

    name: str
    info: VideoInfo
    _container: InputContainer
    _stream: VideoStream
    _limits: Limits

    def frames(self, sampling: Sampling) -> Iterator[SampledFrame]:
        """Read the sampled frames as `streaming.files.read_frames` does.

        Args:
            sampling: Frame rate and size wanted.

        Yields:
            Frames in order.

        Raises:
            NotAVideoError: No picture can be decoded.
            PictureTooLargeError: A picture is larger than the video stated.
            VideoTooLongError: It goes on for longer than it stated.
        """
        sampler = FrameSampler(sampling.period_s)
        sampler.restart(self.info.fps)
        decoded = VideoReader(self._container, self._stream).frames()
        checked = self._checked(at_least_one(decoded, self.name))
        most = self._limits.max_duration_s * sampling.fps + 1
        for count, frame in enumerate(sampled(checked, sampler, Shrinker(sampling))):
            # Times that begin anew again and again stay within the limit; their number does not.
            if count > most:
                raise self._too_long()
            yield frame

    def _checked(self, frames: Iterator[DecodedFrame]) -> Iterator[DecodedFrame]:
        start_s: float | None = None
        for frame in frames:
            width, height = frame.size
            self.check_size(width, height)
            if frame.pts_s is not None:
                start_s = frame.pts_s if start_s is None else min(start_s, frame.pts_s)
                self.check_length(frame.pts_s - start_s)
            yield frame

    def check_size(self, width: int, height: int) -> None:
        """Compare a picture with the limit.

        Raises:
            PictureTooLargeError: It is larger.
        """
        if width * height > self._limits.max_pixels:
            raise PictureTooLargeError(
                f"A picture of {self.name} has {width} x {height} pixels; at most "
                f"{self._limits.max_pixels} in all are accepted.",
                "Send it smaller, or raise `predictions.max_pixels`.",
            )

    def check_length(self, seconds: float) -> None:
        """Compare a length with the limit.

        Raises:
            VideoTooLongError: It is longer.
        """
        if seconds > self._limits.max_duration_s:
            raise self._too_long()

    def _too_long(self) -> VideoTooLongError:
        return VideoTooLongError(
            f"{self.name} is longer than {self._limits.max_duration_s:g} s.",
            "Cut it into parts, or raise `predictions.max_duration_s`.",
        )


@contextmanager
def open_untrusted(file: int, name: str, limits: Limits) -> Iterator[UntrustedVideo]:
    """Open a video and check what it states of itself.

    Args:
        file: Descriptor of a regular file, at its start; stays the caller's.
        name: What to call it in messages.
        limits: What is accepted.

    Yields:
        The video, not decoded yet.

    Raises:
        NotAVideoError: Not a video, or of a format that is not accepted.
        PictureTooLargeError: Its pictures are too large.
        VideoTooLongError: It is too long.
    """
    options = {
        "fd": str(file),
        "protocol_whitelist": "fd",
        "format_whitelist": ",".join(FORMATS),
    }
    origin = Origin(Kind.FILE, name, "fd:", options=options)
    with ExitStack() as opened:
        try:
            container, stream = opened.enter_context(open_video(origin))
        except SourceError as exc:
            if not isinstance(exc.__cause__, av.error.ArgumentError):
                raise
            # So FFmpeg says that the format is not on the list.
            raise NotAVideoError(
                f"{name} is not a video of a format that is accepted.", "MP4 is, for example."
            ) from exc
        video = UntrustedVideo(name, describe(container, stream), container, stream, limits)
        video.check_size(stream.width, stream.height)
        video.check_length(video.info.duration_s or 0.0)
        most = round(limits.max_pixels * _BLOCKS_SHARE) + _BLOCKS_PX
        stream.codec_context.options = {"max_pixels": str(most)}
        yield video
