"""One folder per class, as most people keep their own clips.

``<class>/clip.mp4``, or ``train|validation|test/<class>/clip.mp4`` where every top folder is named
like a part of a split. Which clips belong together, so that they never stand on both sides of a
split, cannot be read off most names; so a clip is a group of its own unless

- it lies in a folder of its recording, ``<class>/<recording>/clip.mp4``: then that is its group,
  for all classes; or
- ``groups.csv`` beside the class folders, with columns file and group, says otherwise.
"""

from __future__ import annotations

from pathlib import Path

from contracts.errors import ConfigError
from training.datasets.dataset import Dataset, Video
from training.datasets.files import (
    PART_NAMES,
    collect,
    list_videos,
    read_table,
    trimmed_clip,
    without_suffix,
)

_GROUPS = "groups.csv"


def recognise(path: Path) -> bool:
    """Say whether a folder holds folders with videos."""
    return path.is_dir() and any(
        len(file.relative_to(path).parts) > 1 for file in list_videos(path)
    )


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read a folder of class folders.

    Args:
        path: The folder.
        videos: Where the videos lie, if ``groups.csv`` is somewhere else.

    Returns:
        Trimmed clips; names are their places below the folder.

    Raises:
        ConfigError: No videos there, a video outside of the class folders, two of one name, or
            ``groups.csv`` is damaged or names a file that is not there.
    """
    folder = videos or path
    files = {file.relative_to(folder): file for file in list_videos(folder)}
    split = bool(files) and all(place.parts[0].lower() in PART_NAMES for place in files)
    groups = _read_groups(path / _GROUPS)
    found = [_video(place, file, split, groups) for place, file in files.items()]
    if unknown := groups.keys() - {video.name for video in found}:
        raise ConfigError(f"{path / _GROUPS} names {min(unknown)}, which is not in {folder}.")
    return collect("folders", found, folder)


def _read_groups(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    groups = {}
    for place, row in read_table(path, ("file", "group")):
        if not (row["file"] and row["group"]):
            raise place.error("expected a file and its group.")
        groups[without_suffix(row["file"])] = row["group"]
    return groups


def _video(place: Path, file: Path, split: bool, groups: dict[str, str]) -> Video:
    *above, _ = place.parts
    part = PART_NAMES[above.pop(0).lower()] if split else None
    if not above:
        raise ConfigError(f"{file} lies in no folder of a class.", "Move it into one.")
    name = without_suffix(place.as_posix())
    label, *recording = above
    group = groups.get(name) or "/".join(recording) or name
    return trimmed_clip(name, file, label, group, part)
