"""Kinetics' lists of clips: CSV with columns label, youtube_id, time_start, time_end and split.

Carreira and Zisserman, CVPR 2017, and later; the same for 400, 600 and 700 classes. Test lists may
lack labels. Other columns, `is_cc` for one, are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.errors import ConfigError
from contracts.types import Annotation
from training.datasets.dataset import Dataset, Video
from training.datasets.files import VideoFiles, collect, make_span, part_named, read_table

_COLUMNS = ("youtube_id", "time_start", "time_end", "split")
_NAMES = ("train.csv", "val.csv", "validate.csv", "validation.csv", "test.csv")


def recognise(path: Path) -> bool:
    """Say whether a file, or the lists in a folder, are of this form."""
    return any("youtube_id" in _header(file) for file in _lists(path))


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read Kinetics' lists.

    Args:
        path: One list, or a folder with ``train.csv``, ``val.csv`` or ``validate.csv``,
            ``test.csv``.
        videos: Folder with the clips as they are usually kept, cut and named
            ``<youtube_id>_<start>_<end>.*`` with six digits each, in folders by class or not.

    Returns:
        Trimmed clips, named so; the group is the YouTube video.

    Raises:
        ConfigError: Damaged; says where.
    """
    files = VideoFiles(videos)
    lists = _lists(path)
    if not lists:
        raise ConfigError(f"No list in {path}.", f"Expected one of {', '.join(_NAMES)}.")
    return collect("kinetics", (video for file in lists for video in _read_list(file, files)), path)


def _lists(path: Path) -> list[Path]:
    if path.is_dir():
        return [path / name for name in _NAMES if (path / name).is_file()]
    return [path] if path.suffix.lower() == ".csv" else []


def _header(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(1000)
    except OSError:
        return ""


def _read_list(path: Path, files: VideoFiles) -> Iterator[Video]:
    for place, row in read_table(path, _COLUMNS):
        label, source = row.get("label", ""), row["youtube_id"]
        span = make_span(place, label, row["time_start"], row["time_end"])
        if not source:
            raise place.error("no youtube_id.")
        name = f"{source}_{int(span.start_s):06d}_{int(span.end_s):06d}"
        length_s = span.end_s - span.start_s
        yield Video(
            name=name,
            path=files.find(name),
            duration_s=length_s,
            fps=None,
            part=part_named(place, row["split"]),
            group=source,
            annotations=(Annotation(label, 0.0, length_s),) if label else (),
        )
