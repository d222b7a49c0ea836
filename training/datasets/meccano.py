"""MECCANO's action segments: ``MECCANO_{train,val,test}_actions.csv``.

Ragusa et al., WACV 2021. Columns are video_id, action_id, action_name, start_frame and end_frame; a
frame is named by its picture, ``00042.jpg``, counted from 1 at 12 frames per second, and both ends
belong to the segment. Files without the row of column names are read too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import ConfigError
from contracts.types import Annotation
from training.datasets.dataset import Dataset, Video
from training.datasets.files import Place, VideoFiles, collect, read_rows

FPS = 12.0
_PARTS = {"train": "train", "val": "validation", "test": "test"}
_COLUMNS = ("video_id", "action_id", "action_name", "start_frame", "end_frame")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_FRAME = re.compile(r"(\d{1,9})(?:\.jpg)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Row:
    place: Place
    video: str
    number: int
    span: Annotation


def recognise(path: Path) -> bool:
    """Say whether a folder holds these files."""
    return any(_file(path, short).is_file() for short in _PARTS)


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read MECCANO's segments.

    Args:
        path: Folder of the files.
        videos: Folder with the videos, ``0001.mp4``.

    Returns:
        The dataset, labels in the order of their numbers; the group is the video, each of which
        shows a person of its own.

    Raises:
        ConfigError: Files are missing or damaged, or one video is in two parts; says where.
    """
    files = VideoFiles(videos)
    found: dict[str, Video] = {}
    labels: dict[int, str] = {}
    for short, part in _PARTS.items():
        spans: defaultdict[str, list[Annotation]] = defaultdict(list)
        for row in _read_file(_file(path, short)):
            if labels.setdefault(row.number, row.span.label) != row.span.label:
                raise row.place.error(
                    f"action {row.number} is {labels[row.number]!r} and {row.span.label!r}."
                )
            if row.video in found:
                raise row.place.error(f"video {row.video} is in {found[row.video].part} too.")
            spans[row.video].append(row.span)
        found |= {name: _video(name, part, each, files) for name, each in spans.items()}
    if not found:
        raise ConfigError(f"No MECCANO_<part>_actions.csv with segments in {path}.")
    return collect("meccano", found.values(), path, [labels[key] for key in sorted(labels)])


def _file(path: Path, short: str) -> Path:
    return path / f"MECCANO_{short}_actions.csv"


def _read_file(path: Path) -> Iterator[_Row]:
    for place, row in read_rows(path) if path.is_file() else ():
        if tuple(cell.lower() for cell in row[:5]) == _COLUMNS:
            continue
        if len(row) < 5 or not row[0] or _NUMBER.fullmatch(row[1]) is None:
            raise place.error(f"expected {', '.join(_COLUMNS)}.")
        first, last = (_FRAME.fullmatch(cell) for cell in row[3:5])
        if first is None or last is None or not 1 <= int(first[1]) <= int(last[1]):
            raise place.error(f"{row[3]!r} to {row[4]!r} are no frames like 00042.jpg.")
        span = Annotation(row[2], (int(first[1]) - 1) / FPS, int(last[1]) / FPS)
        yield _Row(place, row[0], int(row[1]), span)


def _video(name: str, part: str, spans: list[Annotation], files: VideoFiles) -> Video:
    return Video(
        name=name,
        path=files.find(name),
        duration_s=None,
        fps=FPS,
        part=part,
        group=name,
        annotations=tuple(sorted(spans, key=lambda span: (span.start_s, span.end_s))),
    )
