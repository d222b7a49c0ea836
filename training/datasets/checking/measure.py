"""Look into one video: a few frames of a long one, every frame of a short one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from contracts.errors import SourceError
from contracts.types import VideoInfo
from streaming.files import probe
from streaming.inputs import open_video, resolve
from streaming.pixels import FrameScaler
from streaming.reader import DecodedFrame, VideoReader, quarter_turns

PROBES: Final = 8
"""Places at which a video is looked at, spread evenly over its length."""
THUMB_PX: Final = 32
"""Side of the small grey pictures by which videos are compared."""

# A video of at most so many frames is decoded whole: 40 s at 25 fps, a few seconds of work.
_WHOLE_FRAMES: Final = 1000
# Frames looked at from each place of a longer one, and the most that are decoded to get there.
_RUN_FRAMES: Final = 12
_APPROACH_FRAMES: Final = 600
# Sharpness depends on the size of the picture: all are measured at this many lines, or their own
# if they have fewer.
_LINES: Final = 240
# Brightest level of a bar that is meant to be black, after lossy coding.
_BAR_LEVEL: Final = 24.0
# Grey levels by which no pixel of a repeated frame may differ: coding noise, not movement.
_SAME_LEVELS: Final = 2
_PREVIEW_PX: Final = 192
_JPEG_QUALITY: Final = 70

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """What was seen of one video.

    Attributes:
        info: What the file says of itself; None if it cannot be opened.
        problem: Why it cannot be read; empty if it can.
        frames: Frames that were decoded and looked at.
        damaged: Damaged packets and frames met.
        reached_s: Media time of the last frame decoded, from the first.
        brightness: Mean luma, 0 (black) to 1 (white); median over the places.
        sharpness: Variance of the Laplacian over variance of the luma, at 240 lines at most;
            median over the places.
        repeated: Share of the frames that equal the one before.
        bars: Share of the picture under black bars.
        thumbs: (P, 3, 32, 32) uint8 luma: of each place the frame before, the nearest and the one
            after; P is `PROBES`, fewer if the video ends early.
        preview: A JPEG of a frame from the middle; empty if there is none.
    """

    info: VideoInfo | None
    problem: str = ""
    frames: int = 0
    damaged: int = 0
    reached_s: float = 0.0
    brightness: float = 0.0
    sharpness: float = 0.0
    repeated: float = 0.0
    bars: float = 0.0
    thumbs: Gray = field(default_factory=lambda: np.empty((0, 3, THUMB_PX, THUMB_PX), np.uint8))
    preview: bytes = b""


def measure_video(path: Path) -> Measures:
    """Decode a video, sparsely if it is long, and measure what was seen.

    At most 1000 frames are decoded of a short video; of a longer one, at each of 8 places, 12
    frames and those needed to get there from the keyframe before.

    Args:
        path: A video file.

    Returns:
        The measures; of an unreadable file only `problem` says something.
    """
    try:
        info = probe(path)
    except SourceError as error:
        return Measures(None, problem=error.message)
    look = _Look(info)
    try:
        with open_video(resolve(str(path))[0]) as (container, stream):
            duration_s = info.duration_s or _counted_s(container, stream, info)
            places_s = (np.arange(PROBES) + 0.5) * duration_s / PROBES
            if duration_s * (info.fps or 25.0) <= _WHOLE_FRAMES:
                _look_through(container, stream, look, places_s)
            else:
                _look_sparsely(container, stream, look, places_s)
    except SourceError as error:
        return look.measures(error.message)
    return look.measures()


def _counted_s(container: InputContainer, stream: VideoStream, info: VideoInfo) -> float:
    """Count the packets of a format that does not say how long it is."""
    packets = sum(1 for packet in container.demux(stream) if packet.size)
    container.seek(0)
    return packets / (info.fps or 25.0)


def _look_through(
    container: InputContainer, stream: VideoStream, look: _Look, places_s: NDArray[np.float64]
) -> None:
    reader = VideoReader(container, stream)
    early_s = _half_step_s(stream)
    for time_s, decoded in _timed(reader, _start_s(stream)):
        if look.frames >= 2 * _WHOLE_FRAMES:
            break
        due = look.places < PROBES and time_s >= places_s[look.places] - early_s
        look.see(decoded.frame, time_s, is_place=due)
    look.damaged += reader.errors


def _look_sparsely(
    container: InputContainer, stream: VideoStream, look: _Look, places_s: NDArray[np.float64]
) -> None:
    start_s, early_s = _start_s(stream), _half_step_s(stream)
    for place_s in places_s:
        container.seek(round((start_s + place_s) * av.time_base))
        look.jump()
        reader = VideoReader(container, stream)
        seen = 0
        for number, (time_s, decoded) in enumerate(_timed(reader, start_s)):
            if time_s >= place_s - early_s or number >= _APPROACH_FRAMES:
                look.see(decoded.frame, time_s, is_place=seen == 0)
                seen += 1
            if seen >= _RUN_FRAMES:
                break
        look.damaged += reader.errors


def _timed(reader: VideoReader, start_s: float) -> Iterator[tuple[float, DecodedFrame]]:
    """Give each frame its time from the start; a frame without one counts as the next."""
    time_s, step_s = 0.0, 2 * _half_step_s(reader.stream)
    for decoded in reader.frames():
        time_s = time_s + step_s if decoded.pts_s is None else decoded.pts_s - start_s
        yield time_s, decoded


def _half_step_s(stream: VideoStream) -> float:
    """Half the time between two frames: the first frame not earlier by more is the nearest."""
    return 0.5 / float(stream.average_rate or 25)


def _start_s(stream: VideoStream) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


@dataclass(slots=True)
class _Look:
    """Gathers what is seen of one video, frame by frame."""

    info: VideoInfo
    frames: int = 0
    places: int = 0
    damaged: int = 0
    reached_s: float = 0.0
    _compared: int = 0
    _repeated: int = 0
    _before: Gray | None = None
    _scale: FrameScaler | None = None
    _quality: list[tuple[float, float]] = field(default_factory=list)
    _thumbs: list[list[Gray]] = field(default_factory=list)
    _thumb: Gray | None = None
    _lightest: Gray | None = None
    _preview: bytes = b""

    def jump(self) -> None:
        """The next frame does not follow the last."""
        self._before = self._thumb = None

    def see(self, frame: av.VideoFrame, time_s: float, *, is_place: bool) -> None:
        """Take a frame in.

        Args:
            frame: The frame, of any size.
            time_s: Its time from the start of the video.
            is_place: Whether it stands for one of the places.
        """
        small = self._shrunk(frame)
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._before is not None and self._before.shape == luma.shape:
            self._compared += 1
            self._repeated += int(cv2.absdiff(luma, self._before).max() <= _SAME_LEVELS)
        self._before = luma
        self.frames += 1
        self.reached_s = max(self.reached_s, time_s)
        thumb = cv2.resize(luma, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
        self._note(np.asarray(thumb, np.uint8), is_place)
        if is_place:
            self._take(small, luma)

    def measures(self, problem: str = "") -> Measures:
        """Sum up; `problem` is why reading stopped early."""
        if not self._quality:
            problem = problem or "no frame of it can be decoded"
            return Measures(self.info, problem=problem, damaged=self.damaged)
        brightness, sharpness = np.median(np.asarray(self._quality), axis=0)
        thumbs = np.stack([np.stack(place) for place in self._thumbs])
        thumbs.setflags(write=False)
        return Measures(
            info=self.info,
            problem=problem,
            frames=self.frames,
            damaged=self.damaged,
            reached_s=self.reached_s,
            brightness=float(brightness),
            sharpness=float(sharpness),
            repeated=self._repeated / max(1, self._compared),
            bars=0.0 if self._lightest is None else _bars(self._lightest),
            thumbs=thumbs,
            preview=self._preview,
        )

    def _shrunk(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        if self._scale is None:
            lines = min(_LINES, frame.height)
            self._scale = FrameScaler(max(1, round(frame.width * lines / frame.height)), lines)
        turns = quarter_turns(frame)
        small = self._scale(frame)
        return np.ascontiguousarray(np.rot90(small, turns)) if turns else small

    def _note(self, thumb: Gray, is_place: bool) -> None:
        """Keep the pictures of places, each with its neighbours as far as it has some."""
        if self._thumb is not None and self._thumbs and self._thumbs[-1][1] is self._thumb:
            self._thumbs[-1][2] = thumb
        if is_place:
            self._thumbs.append([thumb if self._thumb is None else self._thumb, thumb, thumb])
        self._thumb = thumb

    def _take(self, small: NDArray[np.uint8], luma: Gray) -> None:
        self.places += 1
        self._quality.append((float(luma.mean()) / 255.0, relative_sharpness(luma)))
        if self._lightest is None or self._lightest.shape != luma.shape:
            self._lightest = luma
        self._lightest = np.maximum(self._lightest, luma)
        if self.places <= (PROBES + 1) // 2:
            self._preview = _jpeg(small)


def relative_sharpness(luma: Gray) -> float:
    """Variance of the Laplacian over the variance of the picture itself.

    The plain variance of the Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield
    microscopy, ICPR 2000) grows with contrast; divided by the picture's own variance, a sharp
    picture in fog is not taken for a blurred one in sunshine.

    Args:
        luma: (H, W) uint8.

    Returns:
        0 for a flat picture; some 0.04 to 1 for sharp ones at 240 lines.
    """
    contrast = float(luma.var())
    return float(cv2.Laplacian(luma, cv2.CV_32F).var()) / contrast if contrast > 1.0 else 0.0


def _bars(lightest: Gray) -> float:
    """Share of the picture in black rows and columns at its edges; 0 if all of it is black."""
    rows = np.flatnonzero(lightest.mean(axis=1) > _BAR_LEVEL)
    columns = np.flatnonzero(lightest.mean(axis=0) > _BAR_LEVEL)
    if not (rows.size and columns.size):
        return 0.0
    inner = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return float(1.0 - inner / lightest.size)


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    height = max(1, round(_PREVIEW_PX * image.shape[0] / image.shape[1]))
    small = cv2.resize(image, (_PREVIEW_PX, height), interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return coded.tobytes()
