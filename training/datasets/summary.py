"""What a dataset holds, in figures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from contracts.types import Annotation
from training.datasets.dataset import PARTS, Dataset, Video

NO_PART = "no part"
"""What videos outside of any part are counted under."""


@dataclass(frozen=True, slots=True)
class PartFigures:
    """One part of a split.

    Attributes:
        part: One of `PARTS`, or `NO_PART`.
        videos: Number of videos.
        files: Of these, how many have a file.
        groups: Number of groups.
        segments: Number of annotations.
        ignored: Number of ignored spans.
        hours: Length of the videos, or None if that of any is unknown.
        labelled_hours: Sum of the annotations' lengths, or None if that of any is unknown.
    """

    part: str
    videos: int
    files: int
    groups: int
    segments: int
    ignored: int
    hours: float | None
    labelled_hours: float | None


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """One label.

    Attributes:
        label: The label.
        segments: Number of annotations by part; parts without videos are missing.
        videos: Number of videos that have it.
        median_s: Median length of its annotations, or None if that of any is unknown, or none is.
    """

    label: str
    segments: dict[str, int]
    videos: int
    median_s: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a dataset holds.

    Attributes:
        name: Name of the dataset.
        parts: Figures of the parts that have videos.
        labels: Figures of every label, in the order of label ids.
    """

    name: str
    parts: tuple[PartFigures, ...]
    labels: tuple[LabelFigures, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON takes them."""
        return asdict(self)


def summarise(dataset: Dataset) -> Summary:
    """Count a dataset's videos, groups, segments and hours."""
    by_part: defaultdict[str, list[Video]] = defaultdict(list)
    for video in dataset.videos:
        by_part[video.part or NO_PART].append(video)
    parts = [name for name in (*PARTS, NO_PART) if name in by_part]
    return Summary(
        dataset.name,
        tuple(_part(name, by_part[name]) for name in parts),
        tuple(_labels(dataset, parts)),
    )


def _part(name: str, videos: list[Video]) -> PartFigures:
    spans = [span for video in videos for span in video.annotations]
    return PartFigures(
        part=name,
        videos=len(videos),
        files=sum(video.path is not None for video in videos),
        groups=len({video.group for video in videos}),
        segments=len(spans),
        ignored=sum(len(video.ignored) for video in videos),
        hours=_hours(video.duration_s for video in videos),
        labelled_hours=_hours(map(_length, spans)),
    )


def _labels(dataset: Dataset, parts: list[str]) -> Iterable[LabelFigures]:
    spans: dict[str, list[tuple[str, Video, Annotation]]] = {name: [] for name in dataset.labels}
    for video in dataset.videos:
        for span in video.annotations:
            spans[span.label].append((video.part or NO_PART, video, span))
    for label, found in spans.items():
        lengths = [_length(span) for _, _, span in found]
        known = [length for length in lengths if length is not None]
        yield LabelFigures(
            label=label,
            segments={part: sum(each == part for each, _, _ in found) for part in parts},
            videos=len({video.name for _, video, _ in found}),
            median_s=median(known) if known and len(known) == len(lengths) else None,
        )


def _length(span: Annotation) -> float | None:
    return span.end_s - span.start_s if math.isfinite(span.end_s) else None


def _hours(lengths_s: Iterable[float | None]) -> float | None:
    total_s = 0.0
    for length_s in lengths_s:
        if length_s is None:
            return None
        total_s += length_s
    return total_s / 3600
