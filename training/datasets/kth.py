"""KTH actions: ``00sequences.txt``, the frames of each video in which its person is at it.

Schüldt, Laptev, Caputo, ICPR 2004. Lines are ``person01_boxing_d1  frames  1-95, 96-185, …``,
counted from 1, both ends included, at 25 frames per second; other text is for people. Six actions,
25 persons and four scenes make 599 videos, since ``person13_handclapping_d3`` is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from contracts.types import Annotation
from training.datasets.dataset import Dataset, Video
from training.datasets.files import Place, VideoFiles, collect, read_lines

FPS = 25.0
LABELS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
PERSONS = {
    "train": (11, 12, 13, 14, 15, 16, 17, 18),
    "validation": (19, 20, 21, 23, 24, 25, 1, 4),
    "test": (22, 2, 3, 5, 6, 7, 8, 9, 10),
}
"""The persons of each part, as the authors split them."""

_FILE = "00sequences.txt"
_VIDEO = re.compile(r"person(?P<person>\d\d)_(?P<label>[a-z]+)_d[1-4]\b", re.ASCII)
_FRAMES = re.compile(r"\s+frames\s+(?P<ranges>[\d\s,-]+)", re.ASCII)
_RANGE = re.compile(r"(\d{1,6})\s*-\s*(\d{1,6})", re.ASCII)


def recognise(path: Path) -> bool:
    """Say whether this is the list, or a folder that holds it."""
    return path.name == _FILE or (path / _FILE).is_file()


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read KTH's list.

    Args:
        path: The list, or the folder that holds it.
        videos: Folder with ``person01_boxing_d1_uncomp.avi`` and so on.

    Returns:
        The dataset in the authors' parts; the group is the person. In time without annotation the
        person is out of the picture.

    Raises:
        ConfigError: Damaged; says where.
    """
    path = path / _FILE if path.is_dir() else path
    return collect("kth", _read_list(path, VideoFiles(videos)), path, LABELS)


def _read_list(path: Path, files: VideoFiles) -> Iterator[Video]:
    parts = {person: part for part, persons in PERSONS.items() for person in persons}
    for place, line in read_lines(path):
        match = _VIDEO.match(line)
        if match is None or "missing" in line:
            continue
        person, label = match["person"], match["label"]
        if label not in LABELS or int(person) not in parts:
            raise place.error(f"{match[0]} is none of KTH's persons and actions.")
        yield Video(
            name=match[0],
            path=files.find(f"{match[0]}_uncomp", match[0]),
            duration_s=None,
            fps=FPS,
            part=parts[int(person)],
            group=f"person{person}",
            annotations=tuple(_spans(place, label, line[match.end() :])),
        )


def _spans(place: Place, label: str, text: str) -> Iterator[Annotation]:
    match = _FRAMES.fullmatch(text)
    for item in match["ranges"].strip(", \t").split(",") if match else [""]:
        frames = _RANGE.fullmatch(item.strip())
        if frames is None or not 1 <= int(frames[1]) <= int(frames[2]):
            raise place.error(f"expected 'frames 1-95, 96-185, …', found {text.strip()!r}.")
        yield Annotation(label, (int(frames[1]) - 1) / FPS, int(frames[2]) / FPS)
