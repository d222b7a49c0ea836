"""HMDB51's split lists: ``<class>_test_splitN.txt``, N from 1 to 3.

Kuehne et al.: HMDB, ICCV 2011. Lines are a file and 1 (training), 2 (test) or 0 (in neither). The
name of a file ends in its class and what was noted of it, ``_dive_f_cm_np1_ri_bad_32.avi``; what
comes before names the film or video it was cut from. The official splits keep the clips of one film
together within a class only: in each, well over a hundred films have clips of other classes on
the other side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import ConfigError
from training.datasets.dataset import Dataset, Video
from training.datasets.files import VideoFiles, collect, read_lines, trimmed_clip, without_suffix

_PARTS = {"0": None, "1": "train", "2": "test"}
_NOTES = re.compile(r"_[fulh]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:bad|med|goo)_\d+$")


def recognise(path: Path) -> bool:
    """Say whether a folder holds these lists."""
    return next(path.glob("*_test_split1.txt"), None) is not None


def read(path: Path, videos: Path | None = None, split: int = 1) -> Dataset:
    """Read one of HMDB51's three splits.

    Args:
        path: Folder of the lists.
        videos: Folder with ``<class>/<file>``, or with all files together.
        split: 1, 2 or 3.

    Returns:
        Trimmed clips in parts `train` and `test`, and those in neither; the group is the film or
        video they were cut from, by their names.

    Raises:
        ConfigError: Lists are missing or damaged; says where.
    """
    files = VideoFiles(videos)
    ending = f"_test_split{split}.txt"
    lists = sorted(path.glob(f"*{ending}"))
    if not lists:
        raise ConfigError(f"No <class>{ending} in {path}.")
    found: list[Video] = []
    for file in lists:
        found += _read_list(file, file.name.removesuffix(ending), files)
    return collect("hmdb51", found, path)


def source_of(stem: str, label: str) -> str:
    """Return the film or video that a clip was cut from, by its name.

    Args:
        stem: Name of the file without ending.
        label: Its class.
    """
    return _NOTES.sub("", stem).removesuffix(f"_{label}")


def _read_list(path: Path, label: str, files: VideoFiles) -> Iterator[Video]:
    for place, line in read_lines(path):
        clip, _, code = line.rpartition(" ")
        if code not in _PARTS or not clip:
            raise place.error(f"expected a file and 0, 1 or 2, found {line!r}.")
        stem = without_suffix(clip.strip())
        name = f"{label}/{stem}"
        yield trimmed_clip(name, files.find(name), label, source_of(stem, label), _PARTS[code])
