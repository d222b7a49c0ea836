"""From annotated videos to samples: their frames, small and cached."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from contracts.errors import ConfigError, SourceError
from contracts.types import Annotation
from streaming.files import probe as probe_file
from training.datasets.dataset import Video
from training.samples import FrameCache, Sample

Progress = Callable[[int, int], None]
"""Is told after each video how many are done, and of how many."""

_NAMED = 3

_log = logging.getLogger(__name__)


def ignore_progress(_done: int, _total: int) -> None:
    """Show nothing."""


def load_samples(
    source: str,
    videos: Sequence[Video],
    cache: FrameCache,
    *,
    progress: Progress = ignore_progress,
) -> list[Sample]:
    """Load the frames of videos.

    Videos without a file and files that cannot be decoded are left out, with one warning that
    counts them.

    Args:
        source: Name of the dataset.
        videos: Annotated videos.
        cache: Keeps the decoded frames; they are memory-mapped.
        progress: Is told how far the work is.

    Returns:
        A sample per video that can be read, in their order, with key ``source/name``.

    Raises:
        ConfigError: There are videos, and none can be read.
    """
    samples: list[Sample] = []
    left_out: list[str] = []
    for number, video in enumerate(videos, start=1):
        try:
            samples.append(_load(source, video, cache))
        except SourceError as exc:
            left_out.append(f"{video.name} ({exc.message})")
        progress(number, len(videos))
    if left_out:
        _warn_or_raise(source, left_out, len(videos))
    return samples


def probe(video: Video) -> Video:
    """Fill in what the annotations do not say and the file does: length and frame rate.

    The end of a trimmed clip becomes its length.

    Args:
        video: Any video.

    Returns:
        The same video, if it has no file or everything is known; else with what the file states.

    Raises:
        SourceError: The file cannot be opened.
    """
    known = video.duration_s is not None and video.fps is not None
    if video.path is None or (known and not _open_ended(video.annotations)):
        return video
    info = probe_file(video.path)
    duration_s = info.duration_s if video.duration_s is None else video.duration_s
    return replace(
        video,
        duration_s=duration_s,
        fps=info.fps if video.fps is None else video.fps,
        annotations=tuple(_close(span, duration_s) for span in video.annotations),
    )


def _load(source: str, video: Video, cache: FrameCache) -> Sample:
    if video.path is None:
        raise SourceError("no file")
    frames, times_s = cache.video(video.path)
    return Sample(
        key=f"{source}/{video.name}",
        frames=frames,
        times_s=times_s,
        segments=video.annotations,
        group=video.group,
        source=source,
    )


def _warn_or_raise(source: str, left_out: list[str], total: int) -> None:
    examples = ", ".join(left_out[:_NAMED]) + (", …" if len(left_out) > _NAMED else "")
    if len(left_out) == total:
        raise ConfigError(
            f"None of the {total} videos of {source} can be read: {examples}.",
            "Name the folder with the video files.",
        )
    _log.warning("%s: %d of %d videos left out: %s", source, len(left_out), total, examples)


def _open_ended(spans: Iterable[Annotation]) -> bool:
    return any(math.isinf(span.end_s) for span in spans)


def _close(span: Annotation, duration_s: float | None) -> Annotation:
    if duration_s is None or math.isfinite(span.end_s):
        return span
    return replace(span, end_s=duration_s)
