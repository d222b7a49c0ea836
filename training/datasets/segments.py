"""Segments as labelling tools export them: the form is found by its header or keys.

Plain tables and JSON (`plain`), VIA 3 (`via`), Label Studio (`label_studio`), ELAN (`elan`). CVAT
is not among them: it has boxes and frames, but no segments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from contracts.errors import ConfigError
from training.datasets import elan, label_studio, plain, via
from training.datasets.dataset import Dataset, Video
from training.datasets.files import Place, VideoFiles, collect, read_json, read_text
from training.datasets.rows import Row

_SUFFIXES = (".csv", ".tsv", ".txt", ".json")
_HINT = (
    "Expected a table with columns label, start, end and best video, the same as a list in JSON, "
    "or an export of VIA 3, Label Studio or ELAN."
)
_Read = Callable[[VideoFiles], Iterator[Row]]


def recognise(path: Path) -> bool:
    """Say whether a file is of one of the forms."""
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        return False
    try:
        return _reading(path) is not None
    except ConfigError:
        return False


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read segments.

    Args:
        path: A file of one of the forms, or a folder of such files, as where there is one for each
            video.
        videos: Folder with the videos.

    Returns:
        The dataset. The group is the video itself unless a table says otherwise.

    Raises:
        ConfigError: Of none of the forms, or damaged; says where.
        SourceError: A video whose frame rate is needed cannot be opened.
    """
    files = VideoFiles(videos)
    sources = [path]
    if path.is_dir():
        sources = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
    rows: list[Row] = []
    for source in sources:
        reading = _reading(source)
        if reading is None:
            raise Place(source).error("no known form of segments.", _HINT)
        rows += reading(files)
    return collect("segments", _join(rows, files), path)


def _reading(path: Path) -> _Read | None:
    """Return what reads a file, or None if it is of no known form."""
    if path.suffix.lower() == ".json":
        document = read_json(path)
        if via.is_project(document):
            return lambda _: via.read_project(path, document)
        if label_studio.is_export(document):
            return lambda files: label_studio.read_tasks(path, document, files)
        return (
            (lambda _: plain.read_segments_json(path, document))
            if plain.is_list(document)
            else None
        )
    if via.CSV_MARK in read_text(path):
        return lambda _: via.read_export(path)
    if plain.delimiter_of(path):
        return lambda _: plain.read_segments_table(path)
    return (lambda _: elan.read_export(path)) if elan.is_export(path) else None


def _join(rows: Iterable[Row], files: VideoFiles) -> Iterator[Video]:
    by_video: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_video[row.video].append(row)
    for name, each in by_video.items():
        spans = [row.span for row in each if row.span is not None]
        yield Video(
            name=name,
            path=files.find(name),
            duration_s=None,
            fps=None,
            part=_only(each, "part", [row.part for row in each]),
            group=_only(each, "group", [row.group for row in each]) or name,
            annotations=tuple(sorted(spans, key=lambda span: (span.start_s, span.end_s))),
        )


def _only(rows: list[Row], what: str, values: list[str | None]) -> str | None:
    """Return what rows say of their video; those that say nothing agree with all."""
    said: dict[str, Row] = {}
    for row, value in zip(rows, values, strict=True):
        if value is not None:
            said.setdefault(value, row)
    if len(said) > 1:
        _, row = list(said.items())[1]
        raise row.place.error(f"{row.video} is in {what} {' and '.join(said)}.")
    return next(iter(said), None)
