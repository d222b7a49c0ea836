"""MERL Shopping: ``<subject>_<session>_label.mat``, whose `tlabs` holds the frames of five actions.

Singh et al., CVPR 2016. `tlabs` is a cell of five Kx2 matrices of frames, counted from 1, both ends
included, at 30 frames per second. Subjects are split as in Lea et al., CVPR 2017: 1 to 20 train, 21
to 26 validate, 27 to 41 test.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import ConfigError, MissingDependencyError
from contracts.types import Annotation
from training.datasets.dataset import PARTS, Dataset, Video
from training.datasets.files import Place, VideoFiles, collect, read_lines

LABELS = (
    "Reach To Shelf",
    "Retract From Shelf",
    "Hand In Shelf",
    "Inspect Product",
    "Inspect Shelf",
)
FPS = 30.0
_LAST_SUBJECT = {"train": 20, "validation": 26, "test": 41}
_SESSION = re.compile(r"(?P<name>(?P<subject>\d{1,3})_\d{1,3})(?:_label)?")


def recognise(path: Path) -> bool:
    """Say whether a folder holds such files."""
    return next(path.rglob("*_label.mat"), None) is not None


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read MERL Shopping's labels.

    Args:
        path: Folder with the ``.mat`` files, of MATLAB's version 5 or 7.3; the split lists
            ``train.txt``, ``validation.txt`` and ``test.txt`` in it, lines like ``27_1``, come
            before the rule above.
        videos: Folder with ``27_1_crop.mp4`` or ``27_1.*``.

    Returns:
        The dataset; the group is the subject.

    Raises:
        ConfigError: Files are missing or damaged; says which.
        MissingDependencyError: scipy or h5py is not installed.
    """
    listed, files = _read_lists(path), VideoFiles(videos)
    found = [_read_session(file, listed, files) for file in sorted(path.rglob("*.mat"))]
    return collect("merl", found, path, LABELS)


def part_of(subject: int) -> str | None:
    """Return the part that a subject belongs to; None for numbers beyond 41."""
    return next((part for part, last in _LAST_SUBJECT.items() if 1 <= subject <= last), None)


def _read_lists(path: Path) -> dict[str, str]:
    listed: dict[str, str] = {}
    for part in PARTS:
        if (path / f"{part}.txt").is_file():
            for place, line in read_lines(path / f"{part}.txt"):
                if _SESSION.fullmatch(line) is None:
                    raise place.error(f"expected subject_session, found {line!r}.")
                if listed.setdefault(line, part) != part:
                    raise place.error(f"{line} stands in two lists.")
    return listed


def _read_session(path: Path, listed: dict[str, str], files: VideoFiles) -> Video:
    match = _SESSION.fullmatch(path.stem)
    if match is None:
        raise Place(path).error("the name should be <subject>_<session>_label.mat.")
    name, subject = match["name"], match["subject"]
    spans = sorted(_read_spans(path), key=lambda span: (span.start_s, span.end_s))
    return Video(
        name=name,
        path=files.find(f"{name}_crop", name),
        duration_s=None,
        fps=FPS,
        part=listed.get(name) if listed else part_of(int(subject)),
        group=f"subject{subject}",
        annotations=tuple(spans),
    )


def _read_spans(path: Path) -> Iterator[Annotation]:
    try:
        matlab = importlib.import_module("training.datasets.matlab")
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f"Reading {path.name} needs {exc.name}.", "pip install 'actionstream[train]'"
        ) from exc
    try:
        cell = matlab.read_cell(path, "tlabs")
    except ValueError as exc:
        raise ConfigError(f"Cannot read {path}: {exc}.") from exc
    if len(cell) != len(LABELS):
        raise Place(path).error(f"tlabs has {len(cell)} cells, expected {len(LABELS)}.")
    for label, matrix in zip(LABELS, cell, strict=True):
        if matrix.size and matrix.shape[1] != 2:
            raise Place(path).error(f"{label}: {matrix.shape} is not Kx2.")
        for first, last in matrix.reshape(-1, 2):
            if not (math.isfinite(first) and 1 <= first <= last < 1e9):
                raise Place(path).error(f"{label}: frames {first:g} to {last:g} are no span.")
            yield Annotation(label, float(first - 1) / FPS, float(last) / FPS)
