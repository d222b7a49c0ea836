"""Readers by the names of their formats, and the one way to read any dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contracts.errors import ConfigError
from training.datasets import (
    activitynet,
    fights,
    folders,
    hmdb51,
    kinetics,
    kth,
    meccano,
    merl,
    segments,
    thumos14,
    ucf101,
    ut_interaction,
    weizmann,
)
from training.datasets.dataset import Dataset

AUTO = "auto"
"""Name that stands for whatever format is found."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one format is read.

    Attributes:
        read: Takes the path of the annotations and the folder of the videos, or None.
        summary: What it reads, in one line.
        recognise: Says whether a path holds this format; None where another name stands for it.
        general: Whether it fits much that a reader of its own fits better.
    """

    read: Callable[[Path, Path | None], Dataset]
    summary: str
    recognise: Callable[[Path], bool] | None
    general: bool = False


def _other_split(read: Callable[..., Dataset], number: int) -> Reader:
    return Reader(partial(read, split=number), f"its split {number}", None)


FORMATS: dict[str, Reader] = {
    "activitynet": Reader(activitynet.read, "ActivityNet's JSON, ours too", activitynet.recognise),
    "thumos14": Reader(
        thumos14.read, "folder of annotations_val and annotations_test", thumos14.recognise
    ),
    "ucf101": Reader(ucf101.read, "folder of the split lists; split 1", ucf101.recognise),
    "ucf101:2": _other_split(ucf101.read, 2),
    "ucf101:3": _other_split(ucf101.read, 3),
    "hmdb51": Reader(hmdb51.read, "folder of the split lists; split 1", hmdb51.recognise),
    "hmdb51:2": _other_split(hmdb51.read, 2),
    "hmdb51:3": _other_split(hmdb51.read, 3),
    "merl": Reader(merl.read, "folder of <subject>_<session>_label.mat", merl.recognise),
    "meccano": Reader(meccano.read, "folder of MECCANO_<part>_actions.csv", meccano.recognise),
    "kinetics": Reader(kinetics.read, "CSV with youtube_id, or their folder", kinetics.recognise),
    "kth": Reader(kth.read, "00sequences.txt", kth.recognise),
    "weizmann": Reader(
        weizmann.read, "folder of <action>/<actor>_<action>.avi", weizmann.recognise
    ),
    "ut_interaction": Reader(
        ut_interaction.read, "folder of set1, set2: <class>/seqNN_MMM.avi", ut_interaction.recognise
    ),
    "fights": Reader(fights.read, "folder with sources.csv", fights.recognise),
    "folders": Reader(
        folders.read, "one folder per class, below parts of a split or not", folders.recognise, True
    ),
    "segments": Reader(
        segments.read,
        "CSV or JSON of VIA, Label Studio, ELAN or your own",
        segments.recognise,
        True,
    ),
}
"""Every format by name; ``:2`` and ``:3`` name further official splits."""


def read_dataset(name: str, path: Path, videos: Path | None = None) -> Dataset:
    """Read a dataset of any format.

    Args:
        name: One of `FORMATS`, or `AUTO`.
        path: The annotations: a file or a folder, as the format has it.
        videos: Folder with the video files; without, formats that are folders of videos look beside
            their annotations, and for the others no video has a path.

    Returns:
        The dataset.

    Raises:
        ConfigError: No such format or path, nothing is recognised, or the files are damaged; says
            where and what was expected.
    """
    if name != AUTO and name not in FORMATS:
        raise ConfigError(f"No format {name!r}.", f"There are {AUTO}, {', '.join(FORMATS)}.")
    if not path.exists():
        raise ConfigError(f"There is no {path}.")
    return FORMATS[detect_format(path) if name == AUTO else name].read(path, videos)


def detect_format(path: Path) -> str:
    """Return the name of the format that a file or folder holds.

    Args:
        path: The annotations.

    Raises:
        ConfigError: None is recognised, or several.
    """
    for general in (False, True):
        found = [
            name
            for name, reader in FORMATS.items()
            if reader.general == general and reader.recognise and reader.recognise(path)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"{path} could be {' or '.join(found)}.", "Name the format instead of auto."
            )
    raise ConfigError(f"No format is recognised in {path}.", f"Name one of {', '.join(FORMATS)}.")
