"""Bring the videos of a subset into its folder: linked, copied or cut to their annotated spans."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from contracts.errors import ConfigError, NotAVideoError
from contracts.types import Annotation
from streaming.files import probe
from streaming.inputs import open_video, resolve
from streaming.reader import VideoReader, quarter_turns
from training.datasets.dataset import Dataset, Video, make_dataset

# x264: visually lossless for what a model sees, at a tenth of a lossless file.
_CODING: Final = {"crf": "18", "bf": "0", "preset": "veryfast"}
# Times of frames in a clip: fine enough for every frame rate.
_TICK: Final = Fraction(1, 90_000)
_EARLY_S: Final = 1e-4


class How(StrEnum):
    """How videos come into the subset's folder."""

    LINK = "link"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Clip:
    """A span of a video.

    Attributes:
        start_s: Start in the video, in seconds.
        end_s: End in the video; may be infinite.
    """

    start_s: float
    end_s: float


def place_videos(
    dataset: Dataset, folder: Path, how: How, watch: Callable[[int], None] = lambda number: None
) -> Dataset:
    """Link or copy the videos at hand, each under its name.

    Args:
        dataset: The videos.
        folder: Where they go; made when missing. Files of the same name are replaced.
        how: Linked (by absolute path) or copied.
        watch: Told how many videos are done.

    Returns:
        The dataset with the new paths.

    Raises:
        ConfigError: A file cannot be written, or a name leads out of the folder.
    """
    placed = []
    for number, video in enumerate(dataset.videos, start=1):
        placed.append(video)
        if video.path is not None and video.path.is_file():
            target = _target(folder, video.name, video.path.suffix)
            _bring(video.path, target, how)
            placed[-1] = replace(video, path=target)
        watch(number)
    return make_dataset(dataset.name, placed, dataset.labels)


def trim_videos(
    dataset: Dataset, folder: Path, margin_s: float, watch: Callable[[int], None]
) -> Dataset:
    """Cut the videos at hand into clips around their annotations.

    Spans that come closer than their margins are one clip, so background on either side of actions,
    and between close ones, is kept; a video without annotations is kept whole. Clips are H.264 in
    MP4, without sound, cut at exact frames, and keep part and group; times are those of the clip.

    Args:
        dataset: The videos; those without a file are left out.
        folder: Where the clips go, as ``NAME-001.mp4``; made when missing.
        margin_s: Background kept on either side, in seconds.
        watch: Told how many videos are done.

    Returns:
        The clips as a dataset.

    Raises:
        ConfigError: A file cannot be written, or a name leads out of the folder.
        SourceError: A video cannot be decoded.
    """
    clips: list[Video] = []
    for number, video in enumerate(dataset.videos, start=1):
        if video.path is not None and video.path.is_file():
            spans = clip_spans(video, margin_s)
            for index, span in enumerate(spans, start=1):
                name = video.name if len(spans) == 1 else f"{video.name}-{index:03d}"
                target = _target(folder, name, ".mp4")
                start_s, length_s = cut(video.path, span, target)
                clips.append(_clip(video, name, target, (start_s, length_s)))
        watch(number)
    return make_dataset(dataset.name, clips, dataset.labels)


def clip_spans(video: Video, margin_s: float) -> list[Clip]:
    """Return the spans of a video to cut out: annotations with their margins, joined."""
    joined: list[Clip] = []
    for span in sorted(video.annotations, key=lambda span: span.start_s):
        clip = Clip(max(0.0, span.start_s - margin_s), span.end_s + margin_s)
        if joined and clip.start_s <= joined[-1].end_s:
            joined[-1] = Clip(joined[-1].start_s, max(joined[-1].end_s, clip.end_s))
        else:
            joined.append(clip)
    return joined or [Clip(0.0, math.inf)]


def cut(path: Path, clip: Clip, target: Path) -> tuple[float, float]:
    """Cut a span out of a video, exactly: the frames with ``start_s <= time < end_s``.

    Times count from the video's first frame. The clip is encoded anew, since a stream can be cut
    without that at keyframes only; its frames keep their distances.

    Args:
        path: The video.
        clip: The span.
        target: The MP4 file to write.

    Returns:
        Time of the clip's first frame in the video, and its length, in seconds.

    Raises:
        SourceError: The video cannot be decoded, or has no frame in the span.
        ConfigError: The file cannot be written.
    """
    part = target.with_name(f".{target.stem}.{os.getpid()}.part.mp4")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        span = _encode(path, clip, part)
        part.replace(target)
    except OSError as exc:
        raise ConfigError(f"Cannot write {target}: {exc.strerror}.") from exc
    finally:
        part.unlink(missing_ok=True)
    return span


def _encode(path: Path, clip: Clip, part: Path) -> tuple[float, float]:
    rate = Fraction(probe(path).fps or 25.0).limit_denominator(1001)
    even = VideoReformatter()
    times_s: list[float] = []
    with av.open(str(part), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=rate, options=_CODING)
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _TICK
        stream.codec_context.thread_count = 1
        for time_s, frame in _frames(path, clip):
            if not times_s:
                # Chroma comes in pairs of pixels: an odd last row or column is scaled away.
                stream.width, stream.height = frame.width // 2 * 2, frame.height // 2 * 2
            size = (stream.width, stream.height)
            picture = even.reformat(frame, *size, format="yuv420p")
            times_s.append(time_s)
            picture.pts, picture.time_base = round((time_s - times_s[0]) / _TICK), _TICK
            out.mux(stream.encode(picture))
        if times_s:
            out.mux(stream.encode(None))
    if not times_s:
        raise NotAVideoError(
            f"{path} has no frame from {clip.start_s:.2f} s to {clip.end_s:.2f} s.",
            "`actionstream data check` finds annotations outside of their video.",
        )
    return times_s[0], times_s[-1] - times_s[0] + float(1 / rate)


def _frames(path: Path, clip: Clip) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield the frames of a span with their times."""
    with open_video(resolve(str(path))[0]) as (container, stream):
        base = stream.time_base or Fraction(1, 90_000)
        first_s = float((stream.start_time or 0) * base)
        if clip.start_s > 0:
            container.seek(math.floor((first_s + clip.start_s) / base), stream=stream)
        for decoded in VideoReader(container, stream).frames():
            time_s = (decoded.pts_s or 0.0) - first_s
            if time_s >= clip.end_s - _EARLY_S:
                return
            if time_s >= clip.start_s - _EARLY_S:
                yield time_s, _upright(decoded.frame)


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    """Turn a frame that a phone stored lying down: the clip carries no note of it."""
    turns = quarter_turns(frame)
    if not turns:
        return frame
    lying = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turned = np.ascontiguousarray(np.rot90(lying, turns))
    return av.VideoFrame.from_ndarray(turned, format="rgb24")


def _clip(video: Video, name: str, path: Path, span: tuple[float, float]) -> Video:
    start_s, length_s = span
    return replace(
        video,
        name=name,
        path=path,
        duration_s=round(length_s, 6),
        annotations=_shifted(video.annotations, start_s, length_s),
        ignored=_shifted(video.ignored, start_s, length_s),
    )


def _shifted(
    spans: Sequence[Annotation], start_s: float, length_s: float
) -> tuple[Annotation, ...]:
    """Bring annotations to a clip's time, as far as they lie in it."""
    moved = []
    for span in spans:
        begin = max(0.0, round(span.start_s - start_s, 6))
        end = min(length_s, round(span.end_s - start_s, 6))
        if end > begin:
            moved.append(Annotation(span.label, begin, round(end, 6)))
    return tuple(moved)


def _target(folder: Path, name: str, suffix: str) -> Path:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or not relative.name:
        raise ConfigError(f"The video name {name!r} leads out of {folder}.", "Rename it.")
    return folder / f"{relative}{suffix}"


def _bring(source: Path, target: Path, how: How) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(source) and not target.is_symlink():
            return
        part.unlink(missing_ok=True)
        if how is How.LINK:
            part.symlink_to(source.resolve())
        else:
            shutil.copy2(source, part)
        part.replace(target)
    except OSError as exc:
        raise ConfigError(f"Cannot write {target}: {exc.strerror}.") from exc
