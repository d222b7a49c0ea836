"""Values that cross module borders: frames on their way in, window scores on their way out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import numpy as np
from numpy.typing import NDArray

StreamName = NewType("StreamName", str)
"""Name of a stream: its path on the RTSP server without the leading slash, as ``hall/cam1``."""


class StreamState(StrEnum):
    """Where a stream is in its life.

    ``connecting → live ⇄ stalled → offline → connecting``: a stream that brings no frame is
    ``stalled`` at once and ``offline`` when it stays away.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    OFFLINE = "offline"


class Clock(StrEnum):
    """What a capture time was read from: the sender's own report, or the moment of arrival."""

    RTCP = "rtcp"
    ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a model wants to see of a video.

    Attributes:
        fps: Sampled frames per second of media time.
        width: Width in pixels to which the whole picture is stretched.
        height: Height in pixels to which the whole picture is stretched.
    """

    fps: float
    width: int
    height: int

    @property
    def period_s(self) -> float:
        """Seconds between two sampled frames."""
        return 1.0 / self.fps


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a stream or file turned out to hold."""

    width: int
    height: int
    fps: float | None
    codec: str
    duration_s: float | None = None

    @property
    def resolution(self) -> str:
        """Width and height as people write them, ``1280x720``."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True, eq=False)
class SampledFrame:
    """One frame that the sampler chose, already small and RGB.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, read-only, of the size that ``Sampling`` names.
        index: Place on the sampling grid, ``0`` at the first frame of this run. A hole in the
            indices is a frame that the video did not have.
        run: Grows by one whenever continuity is lost (connection, gap, jump of time, picture
            size); frames of different runs must not share a window.
        pts_s: Media time in seconds as the container tells it.
        captured_at: UTC epoch seconds at which the camera or publisher captured the frame.
        clock: What ``captured_at`` was read from.
        decode_ms: Time spent decoding and converting, in milliseconds.
        ready_at: ``time.monotonic()`` when the frame was handed over.
    """

    image: NDArray[np.uint8]
    index: int
    run: int
    pts_s: float
    captured_at: float
    clock: Clock
    decode_ms: float
    ready_at: float


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a stream's source fares.

    Attributes:
        name: Name of the stream.
        state: Where it is in its life.
        since: UTC seconds at which it entered the state.
        info: What it holds, once opened.
        fps: Measured frames per second.
        error: What is wrong, in words; cleared by the next frame.
        frames: Frames decoded since the start.
        errors: Damaged packets and frames left out since the start.
    """

    name: str
    state: StreamState
    since: float
    info: VideoInfo | None = None
    fps: float | None = None
    error: str | None = None
    frames: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A half-open span ``[start, end)`` in seconds, of UTC or of media time."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time of a window went, in milliseconds.

    Attributes:
        decode: Decoding and converting the newest frame.
        wait: From the hand-over of the newest frame to the start of its inference.
        model: Encoder and head.
        total: From the capture of the newest frame to the moment of publishing.
    """

    decode: float
    wait: float
    model: float
    total: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How usable the newest picture of a window is.

    Attributes:
        brightness: Mean luma, 0 (black) to 1 (white).
        sharpness: Variance of the Laplacian of the luma in 0-255 units, as blur checks use it.
    """

    brightness: float
    sharpness: float


@dataclass(frozen=True, slots=True, eq=False)
class WindowScores:
    """What the model says about one window of one stream.

    Attributes:
        window: UTC span of the window.
        media: Media-time span of the window.
        scores: ``(C,)`` float32 class probabilities in the order of the bundle's labels, read-only.
        clock: What the UTC times were read from.
        frames_used: Grid places filled by a frame of their own.
        frames_missing: Grid places that the video did not fill (their predecessor stands in).
        latency: Where the time went.
        quality: Of the newest picture.
    """

    window: TimeSpan
    media: TimeSpan
    scores: NDArray[np.float32]
    clock: Clock
    frames_used: int
    frames_missing: int
    latency: Latency
    quality: Quality


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture of a stream.

    Attributes:
        at: UTC seconds of its capture.
        jpeg: A JPEG file.
    """

    at: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of media time during which an action happens, ``[start_s, end_s)``."""

    label: str
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """A span of media time that a person or the renderer labelled, ``[start_s, end_s)``."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Truth:
    """The labelled content of one video.

    Attributes:
        duration_s: Length of the video in seconds.
        labels: Every label that may occur.
        annotations: By start; unlabelled time is background.
    """

    duration_s: float
    labels: tuple[str, ...]
    annotations: tuple[Annotation, ...]
