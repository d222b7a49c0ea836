"""Plain lists of segments: a table with columns video, label, start, end, or the same in JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.types import Annotation
from training.datasets.files import (
    Place,
    make_span,
    part_named,
    read_rows,
    read_text,
    without_suffix,
)
from training.datasets.rows import Row, file_stem

ALIASES = {
    "video": ("video", "video_id", "video_name", "file", "filename", "file_name", "path"),
    "label": ("label", "action", "class", "activity"),
    "start": ("start", "start_s", "start_time", "begin"),
    "end": ("end", "end_s", "end_time", "stop"),
    "part": ("part", "split", "subset"),
    "group": ("group",),
}
"""What the columns may be called; case does not count."""

_NEEDED = ("label", "start", "end")


def delimiter_of(path: Path) -> str | None:
    """Return what separates the cells of such a table, by its first line; None if it is no such."""
    header = next((line for line in read_text(path).split("\n") if line.strip()), "")
    for delimiter in (",", "\t", ";"):
        columns = _columns([cell.strip().strip('"') for cell in header.split(delimiter)])
        if all(name in columns for name in _NEEDED):
            return delimiter
    return None


def read_segments_table(path: Path) -> Iterator[Row]:
    """Read a table of segments; without a column of videos it is named after its only one.

    Yields:
        Its rows; one without label, start and end only names a video.

    Raises:
        ConfigError: Damaged; says where.
    """
    rows = read_rows(path, delimiter_of(path) or ",")
    _, header = next(rows, (Place(path, 1), []))
    columns = _columns(header)
    for place, cells in rows:
        padded = cells + [""] * (len(header) - len(cells))
        yield _row(place, {name: padded[index] for name, index in columns.items()})


def is_list(document: Any) -> bool:
    """Say whether JSON is a list of segments, or one video's annotations in our own form."""
    items = _items(document)
    return (
        isinstance(items, list)
        and bool(items)
        and isinstance(items[0], dict)
        and ("segment" in items[0] or all(name in _columns(list(items[0])) for name in _NEEDED))
    )


def read_segments_json(path: Path, document: Any) -> Iterator[Row]:
    """Read a list of segments, or one video's annotations.

    The latter are ``{"annotations": [{"label": "…", "segment": [start, end]}, …]}``.

    Args:
        path: The file, for messages and as name of its only video.
        document: Its content.

    Yields:
        Its rows.

    Raises:
        ConfigError: Damaged; says where.
    """
    for number, item in enumerate(_items(document), start=1):
        place = Place(path, item=f"segment {number}")
        if not isinstance(item, dict):
            raise place.error("expected an object with label, start and end.")
        cells = {name: item[key] for name, key in _keys(item).items()}
        if "segment" in item:
            cells["start"], cells["end"] = _pair(place, item["segment"])
        if any(isinstance(cell, list | dict) for cell in cells.values()):
            raise place.error("expected names and numbers.")
        yield _row(place, {name: "" if cell is None else str(cell) for name, cell in cells.items()})


def _items(document: Any) -> Any:
    if isinstance(document, dict):
        return document.get("segments", document.get("annotations"))
    return document


def _pair(place: Place, segment: Any) -> tuple[Any, Any]:
    if not isinstance(segment, list) or len(segment) != 2:
        raise place.error("expected a segment [start, end].")
    return segment[0], segment[1]


def _columns(header: list[str]) -> dict[str, int]:
    """Return where the known columns stand."""
    names = [name.strip().lower() for name in header]
    return {
        column: names.index(alias)
        for column, aliases in ALIASES.items()
        for alias in reversed(aliases)
        if alias in names
    }


def _keys(item: Mapping[str, Any]) -> dict[str, str]:
    keys = list(item)
    return {column: keys[index] for column, index in _columns(keys).items()}


def _row(place: Place, cells: Mapping[str, str]) -> Row:
    label, start, end = (cells.get(name, "") for name in _NEEDED)
    span: Annotation | None = None
    if label or start or end:
        if not label:
            raise place.error("a segment has no label.")
        span = make_span(place, label, start, end)
    return Row(
        place=place,
        video=_video(place, cells),
        span=span,
        part=part_named(place, cells.get("part", "")),
        group=cells.get("group") or None,
    )


def _video(place: Place, cells: Mapping[str, str]) -> str:
    """Keep folders: they tell videos apart; in a file about one video its own name stands."""
    if "video" not in cells:
        return file_stem(place, place.path.stem)
    name = without_suffix(cells["video"]).strip("/")
    if name in ("", "."):
        raise place.error("no video is named.")
    return name
