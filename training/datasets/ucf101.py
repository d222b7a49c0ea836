"""UCF101's split lists: ``classInd.txt``, ``trainlist0N.txt``, ``testlist0N.txt``, N from 1 to 3.

Soomro, Zamir, Shah: UCF101, 2012. Lines are ``<Class>/v_<Class>_gGG_cCC.avi``, in training lists
with the number of the class. Clips of one class and group GG were cut from one source video, and
the official splits keep groups whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from training.datasets.dataset import Dataset, Video
from training.datasets.files import VideoFiles, collect, read_lines, trimmed_clip

_CLIP = re.compile(r"(?P<name>(?P<label>[^/\\]+)/v_(?P<group>[^/\\]+_g\d+)_c\d+)\.avi")


def recognise(path: Path) -> bool:
    """Say whether a folder holds these lists."""
    return (path / "classInd.txt").is_file() and (path / "trainlist01.txt").is_file()


def read(path: Path, videos: Path | None = None, split: int = 1) -> Dataset:
    """Read one of UCF101's three splits.

    Args:
        path: Folder of the lists.
        videos: Folder with ``<Class>/v_….avi``, or with all files together.
        split: 1, 2 or 3.

    Returns:
        Trimmed clips in parts `train` and `test`; the group is class and number of the source,
        ``Archery_g08``.

    Raises:
        ConfigError: Lists are missing or damaged; says where.
    """
    numbers = dict(_read_classes(path / "classInd.txt"))
    files = VideoFiles(videos)
    found: list[Video] = []
    for part in ("train", "test"):
        found += _read_list(path / f"{part}list{split:02d}.txt", part, numbers, files)
    return collect("ucf101", found, path, numbers)


def _read_classes(path: Path) -> Iterator[tuple[str, str]]:
    for place, line in read_lines(path):
        number, _, label = line.partition(" ")
        if not (number.isdecimal() and label):
            raise place.error(f"expected number and class, found {line!r}.")
        yield label.strip(), number


def _read_list(
    path: Path, part: str, numbers: dict[str, str], files: VideoFiles
) -> Iterator[Video]:
    for place, line in read_lines(path):
        clip, _, number = line.partition(" ")
        match = _CLIP.fullmatch(clip)
        if match is None or match["label"] not in numbers:
            raise place.error(f"expected <Class>/v_<Class>_gGG_cCC.avi, found {line!r}.")
        label = match["label"]
        if number and number != numbers[label]:
            raise place.error(f"{label} has number {numbers[label]} in classInd.txt, not {number}.")
        name, group = match["name"], match["group"]
        yield trimmed_clip(name, files.find(name), label, group, part)
