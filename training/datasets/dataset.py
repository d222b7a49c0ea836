"""The one form of annotated video that every reader gives and every tool takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contracts.types import Annotation

PARTS = ("train", "validation", "test")
"""Parts of a split, by the names every dataset's own names are brought to."""


@dataclass(frozen=True, slots=True)
class Video:
    """One annotated video.

    Attributes:
        name: Unique in its dataset; the same on every machine.
        path: The file, or None where only annotations are at hand.
        duration_s: Length in seconds, or None where the annotations do not say.
        fps: Frames per second, or None where the annotations do not say.
        part: One of `PARTS`, or None where the dataset names no split.
        group: Who or what must not stand on both sides of a split (an actor, a source video); the
            video's own name where nothing is known.
        annotations: Labelled spans by start; a trimmed clip has one, ``[0, inf)`` if its length is
            unknown.
        ignored: Spans that are neither right nor wrong when results are judged (THUMOS14's
            ``Ambiguous``).
    """

    name: str
    path: Path | None
    duration_s: float | None
    fps: float | None
    part: str | None
    group: str
    annotations: tuple[Annotation, ...]
    ignored: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Annotated videos with their labels.

    Attributes:
        name: Name of the format or of the dataset.
        labels: Every label that may occur, in the order of label ids.
        videos: Sorted by name.
    """

    name: str
    labels: tuple[str, ...]
    videos: tuple[Video, ...]

    def part(self, name: str) -> tuple[Video, ...]:
        """Return the videos of one part of the split."""
        return tuple(video for video in self.videos if video.part == name)


def make_dataset(name: str, videos: Iterable[Video], labels: Iterable[str] = ()) -> Dataset:
    """Sort videos and collect their labels.

    Args:
        name: Name of the dataset.
        videos: In any order.
        labels: Labels in the dataset's own order; those that occur, sorted, without.

    Returns:
        The dataset.

    Raises:
        ValueError: Two videos have one name, or a label is not among those given.
    """
    ordered = tuple(sorted(videos, key=lambda video: video.name))
    if len({video.name for video in ordered}) != len(ordered):
        raise ValueError(f"{name}: two videos have one name")
    found = {span.label for video in ordered for span in video.annotations}
    known = tuple(labels) or tuple(sorted(found))
    if unknown := found - set(known):
        raise ValueError(f"{name}: labels that are not in its list: {', '.join(sorted(unknown))}")
    return Dataset(name, known, ordered)
