"""Fights of surveillance cameras: ``sources.csv`` with columns clip, label and source.

Aktı, Tataroğlu, Ekenel: Vision-based Fight Detection from Surveillance Cameras, 2019. Clips of one
source were cut from one video. Where the source is unknown a clip is a group of its own, and may
yet show the scene of another: whoever wants to be sure leaves these out.
"""  # noqa: RUF002 (the author's name)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.datasets.dataset import Dataset, Video
from training.datasets.files import (
    VideoFiles,
    collect,
    read_table,
    trimmed_clip,
    without_suffix,
)

LABELS = ("fight", "no_fight")
_FILE = "sources.csv"


def recognise(path: Path) -> bool:
    """Say whether a folder holds the list."""
    return (path / _FILE).is_file()


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read the fights.

    Args:
        path: Folder of the list and the clips.
        videos: Where the clips lie, if somewhere else.

    Returns:
        Trimmed clips without a split; the group is the source, ``source03``.

    Raises:
        ConfigError: The list is missing or damaged; says where.
    """
    found = _read_list(path / _FILE, VideoFiles(videos or path))
    return collect("fights", found, path / _FILE, LABELS)


def _read_list(path: Path, files: VideoFiles) -> Iterator[Video]:
    for place, row in read_table(path, ("clip", "label", "source")):
        name = without_suffix(row["clip"])
        if not row["clip"] or row["label"] not in LABELS:
            raise place.error(f"expected a clip and one of {', '.join(LABELS)}.")
        yield trimmed_clip(name, files.find(name), row["label"], row["source"] or name)
