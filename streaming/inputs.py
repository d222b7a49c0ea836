"""Where video comes from: files, directories, devices, network addresses and test patterns.

Everything is opened by `open_video`; every FFmpeg error becomes one of ours here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from contracts.errors import (
    NotAVideoError,
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnreachableError,
    redact,
)
from contracts.settings import SourceSettings
from contracts.types import VideoInfo

# fmt: off
VIDEO_SUFFIXES: Final = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mjpeg", ".mkv",
    ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv", ".y4m",
))
# fmt: on

_PATTERNS: Final = {
    "testsrc2": "testsrc2=size={size}:rate={rate}",
    "smptebars": "smptebars=size={size}:rate={rate}",
    "black": "color=black:size={size}:rate={rate}",
    "grey": "color=gray:size={size}:rate={rate}",
    "noise": "color=gray:size={size}:rate={rate},noise=alls=60:allf=t",
}
_PATTERN_DEFAULTS: Final = {"size": "640x360", "rate": "25"}

# Last resort against a server that trickles bytes for ever; FFmpeg's own socket timeout acts long
# before. Loose, because PyAV polls it under the interpreter lock.
_OPEN_GUARD_S = 20.0
_READ_GUARD_S = 30.0

# What FFmpeg calls pictures that are not encoded.
_RAW: Final = frozenset({"rawvideo", "wrapped_avframe"})
# Rates outside are made-up numbers of containers that know none.
_MIN_FPS = 0.1
_MAX_FPS = 480.0


class Kind(StrEnum):
    """How a source behaves."""

    RTSP = "rtsp"
    NETWORK = "network"
    FILE = "file"
    DEVICE = "device"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing that FFmpeg can open.

    Attributes:
        kind: How it behaves.
        name: What to call it in messages; without password.
        url: What FFmpeg opens.
        format: FFmpeg's name of the format, where it cannot be guessed.
        options: FFmpeg's options.
    """

    kind: Kind
    name: str
    url: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)


def resolve(url: str, settings: SourceSettings | None = None) -> tuple[Origin, ...]:
    """Find out what the user named.

    Args:
        url: RTSP or HTTP URL, file, directory of videos, ``/dev/video0`` or ``test:`` pattern.
        settings: How network sources are read; default values if absent.

    Returns:
        What to open, one after another: a directory gives its videos sorted by name, everything
        else one origin.

    Raises:
        SourceNotFoundError: No such file or directory, no video in the directory, or no such
            pattern; the message lists the accepted ones.
    """
    settings = settings or SourceSettings()
    scheme, colon, rest = url.partition(":")
    if scheme == "test" and colon:
        return (_pattern(rest),)
    if scheme in ("rtsp", "rtsps"):
        return (Origin(Kind.RTSP, redact(url), url, options=_rtsp_options(settings)),)
    if scheme != "file" and rest.startswith("//"):
        return (Origin(Kind.NETWORK, redact(url), url, options=_socket_options(settings)),)
    path = Path(rest.removeprefix("//") if scheme == "file" else url).expanduser()
    if path.is_dir():
        return _directory(path)
    if not path.exists():
        what = "device" if path.is_relative_to("/dev") else "file"
        raise SourceNotFoundError(f"There is no {what} {path}.", "Check the name.")
    if path.is_char_device():
        return (Origin(Kind.DEVICE, str(path), str(path), format="video4linux2,v4l2"),)
    return (_file(path),)


def _rtsp_options(settings: SourceSettings) -> dict[str, str]:
    return {
        "rtsp_transport": settings.transport,
        # With audio beside it, FFmpeg shifts media time when the first sender report comes in.
        "allowed_media_types": "video",
        # FFmpeg's defaults watch the stream for a second or more before the first picture.
        "probesize": "32768",
        "analyzeduration": "0",
        "fpsprobesize": "0",
        # A keyframe comes as one burst of datagrams.
        "buffer_size": "1048576",
        "timeout": _socket_timeout_us(settings),
    }


def _socket_options(settings: SourceSettings) -> dict[str, str]:
    return {"rw_timeout": _socket_timeout_us(settings)}


def _socket_timeout_us(settings: SourceSettings) -> str:
    """Give a silent connection up between `stalled` and `offline`, so that a retry comes first."""
    return str(round(1e6 * min(2 * settings.stall_s, settings.offline_s)))


def _pattern(text: str) -> Origin:
    name, _, query = text.partition("?")
    chosen = {**_PATTERN_DEFAULTS, **dict(parse_qsl(query))}
    if name not in _PATTERNS or chosen.keys() != _PATTERN_DEFAULTS.keys():
        raise SourceNotFoundError(
            f"There is no test pattern `test:{text}`.",
            f"Known: {', '.join(f'test:{known}' for known in _PATTERNS)}; "
            "`?size=1280x720&rate=30` may follow.",
        )
    graph = _PATTERNS[name].format(**chosen)
    return Origin(Kind.PATTERN, f"test:{text}", graph, format="lavfi")


def _directory(path: Path) -> tuple[Origin, ...]:
    videos = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise SourceNotFoundError(f"The directory {path} holds no video file.")
    return tuple(_file(video) for video in videos)


def _file(path: Path) -> Origin:
    # The prefix keeps FFmpeg from reading a protocol into a name with a colon.
    return Origin(Kind.FILE, str(path), f"file:{path}")


@contextmanager
def open_video(origin: Origin) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open an origin and find its video; FFmpeg's errors while it is read are translated too.

    Args:
        origin: What to open.

    Yields:
        The container, closed on leaving, and its video stream, set to decode on one thread: many
        streams share the machine, and threads of one decoder would only add delay.

    Raises:
        SourceNotFoundError: No such file, device or path on the server.
        SourceRefusedError: Wrong or missing user or password.
        SourceUnreachableError: Nobody answers.
        NotAVideoError: Holds no video that can be decoded.
    """
    with translated(origin):
        container = av.open(
            origin.url,
            mode="r",
            format=origin.format,
            options=dict(origin.options),
            metadata_errors="replace",
            timeout=(_OPEN_GUARD_S, _READ_GUARD_S) if origin.kind in _NETWORKED else None,
        )
        with container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream):
                raise NotAVideoError(f"{origin.name} holds no video.", "It may be sound only.")
            if stream.codec_context is None:
                raise NotAVideoError(f"{origin.name} holds video in an unknown format.")
            stream.codec_context.thread_count = 1
            yield container, stream


def describe(container: InputContainer, stream: VideoStream) -> VideoInfo:
    """Say what an opened video holds."""
    # Without watching the stream for long, FFmpeg's guess may be twice the rate: only what the
    # stream itself states counts.
    rate = float(stream.average_rate or 0.0)
    length = container.duration
    codec = stream.codec_context.codec.canonical_name
    return VideoInfo(
        width=stream.width,
        height=stream.height,
        fps=rate if _MIN_FPS <= rate <= _MAX_FPS else None,
        codec="raw" if codec in _RAW else codec,
        duration_s=length / av.time_base if length else None,
    )


@contextmanager
def translated(origin: Origin) -> Iterator[None]:
    """Turn FFmpeg's errors into ours.

    Args:
        origin: What is being opened or read, for the message.

    Raises:
        SourceError: The one that fits the FFmpeg error.
    """
    try:
        yield
    except av.error.FFmpegError as exc:
        raise _translate(exc, origin) from exc


_NETWORKED: Final = frozenset({Kind.RTSP, Kind.NETWORK})
_NOT_FOUND = (av.error.FileNotFoundError, av.error.HTTPNotFoundError)
_REFUSED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)
_NO_VIDEO = (
    av.error.InvalidDataError,
    av.error.DemuxerNotFoundError,
    av.error.DecoderNotFoundError,
    av.error.PatchWelcomeError,
    av.error.EOFError,
)


def _translate(exc: av.error.FFmpegError, origin: Origin) -> SourceError:
    name = origin.name
    networked = origin.kind in _NETWORKED
    error = SourceError(f"{name} cannot be read: {reason(exc)}.")
    if origin.kind is Kind.PATTERN:
        error = SourceNotFoundError(f"{name} is no valid test pattern.", "Check size and rate.")
    elif isinstance(exc, _NOT_FOUND):
        hint = "Nobody publishes it, or its name is another." if networked else "Check the name."
        error = SourceNotFoundError(f"{name} does not exist.", hint)
    elif isinstance(exc, _REFUSED):
        error = SourceRefusedError(f"{name} refuses the user or password.", "Check both.")
    elif isinstance(exc, av.error.PermissionError):
        error = SourceRefusedError(f"{name} may not be read.", "Check its permissions.")
    elif isinstance(exc, av.error.ProtocolNotFoundError):
        error = SourceNotFoundError(f"{name} names an unknown protocol.", "Use rtsp:// or http://.")
    elif networked:
        error = SourceUnreachableError(f"{name} cannot be reached: {reason(exc)}.")
    elif isinstance(exc, _NO_VIDEO):
        error = NotAVideoError(f"{name} is not a video that can be read.", "It may be damaged.")
    return error


def reason(exc: av.error.FFmpegError) -> str:
    """Say in a few words what FFmpeg means."""
    if isinstance(exc, (av.error.TimeoutError, av.error.ExitError)):
        return "no answer in time"
    if isinstance(exc, av.error.EOFError):
        return "the connection was closed"
    return (exc.strerror or "unknown error").lower()
