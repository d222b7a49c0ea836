"""Segments from the VGG Image Annotator, version 3 (Dutta and Zisserman, ACM MM 2019).

Both of its files: the project (JSON) and the export (CSV). A piece of metadata with two times is a
segment; its attributes, by the names of their options where they have any, are its labels. Regions
and still frames are passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.types import Annotation
from training.datasets.files import Place, check_time, read_lines
from training.datasets.rows import Row, file_stem, json_cell

CSV_MARK = "# CSV_HEADER"
_ATTRIBUTES = ("# ATTRIBUTE = ", "# ATTRIBUTES = ")
_UNSET = ("", "_DEFAULT")
_CHECKBOX = 2


def is_project(document: Any) -> bool:
    """Say whether JSON is a project of VIA 3."""
    return isinstance(document, dict) and {"file", "view", "metadata"} <= document.keys()


def read_project(path: Path, document: dict[str, Any]) -> Iterator[Row]:
    """Read a project.

    Args:
        path: The file, for messages.
        document: Its content.

    Yields:
        Its segments, and its videos without any.

    Raises:
        ConfigError: Damaged; says where.
    """
    views = {}
    for view, entry in _entries(Place(path, item="view"), document["view"]):
        place = Place(path, item=f"view {view}")
        views[view] = _view_file(place, entry, document["file"])
        yield Row(place, views[view], None)
    for key, entry in _entries(Place(path, item="metadata"), document["metadata"]):
        place = Place(path, item=f"metadata {key}")
        view = str(entry.get("vid"))
        if view not in views:
            raise place.error(f"there is no view {view}.")
        spans = _spans(place, entry.get("z"), entry.get("av"), document.get("attribute"))
        yield from (Row(place, views[view], span) for span in spans)


def read_export(path: Path) -> Iterator[Row]:
    """Read an export to CSV.

    Yields:
        Its segments; videos whose rows hold none.

    Raises:
        ConfigError: Damaged; says where.
    """
    attributes: Any = {}
    header: list[str] = []
    for place, line in read_lines(path):
        if line.startswith(CSV_MARK):
            header = [cell.strip() for cell in line.partition("=")[2].split(",")]
        elif mark := next((mark for mark in _ATTRIBUTES if line.startswith(mark)), None):
            attributes = json_cell(place, line.removeprefix(mark))
        elif not line.startswith("#"):
            row = _cells(place, header, line)
            video = _listed_file(place, row)
            yield Row(place, video, None)
            metadata = json_cell(place, row.get("metadata") or "{}")
            for span in _spans(place, _times(place, row), metadata, attributes):
                yield Row(place, video, span)


def _cells(place: Place, header: list[str], line: str) -> dict[str, str]:
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error as exc:
        raise place.error(f"not a row of a table: {exc}.") from exc
    if "file_list" not in header or len(cells) < len([name for name in header if name]):
        raise place.error(f"expected cells {', '.join(header) or 'after a CSV_HEADER'}.")
    return dict(zip(header, cells, strict=False))


def _listed_file(place: Place, row: dict[str, str]) -> str:
    """Return the first of the files, a list in JSON; older exports name one as it is."""
    text = row["file_list"]
    files = json_cell(place, text) if text.startswith("[") else [text]
    return file_stem(place, files[0] if files else None)


def _times(place: Place, row: dict[str, str]) -> Any:
    if "temporal_coordinates" in row:
        return json_cell(place, row["temporal_coordinates"] or "[]")
    pair = [row.get("temporal_segment_start", ""), row.get("temporal_segment_end", "")]
    return [json_cell(place, text) for text in pair if text]


def _spans(place: Place, times: Any, values: Any, attributes: Any) -> Iterator[Annotation]:
    if not isinstance(times, list) or len(times) != 2:
        return
    try:
        start_s, end_s = sorted(check_time(time) for time in times)
    except ValueError as exc:
        raise place.error(f"{exc}.") from exc
    labels = [label for label in _labels(values, attributes) if label not in _UNSET]
    if not labels:
        raise place.error("the segment has no label.", "Label it, or delete it.")
    yield from (Annotation(label, start_s, end_s) for label in labels)


def _labels(values: Any, attributes: Any) -> Iterator[str]:
    for key, value in values.items() if isinstance(values, dict) else ():
        attribute = attributes.get(key) if isinstance(attributes, dict) else None
        attribute = attribute if isinstance(attribute, dict) else {}
        options = attribute.get("options")
        chosen = str(value).split(",") if attribute.get("type") == _CHECKBOX else [str(value)]
        for option in chosen:
            name = options.get(option, option) if isinstance(options, dict) else option
            yield str(name).strip()


def _entries(place: Place, mapping: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(mapping, dict):
        raise place.error("expected an object.")
    for key, entry in mapping.items():
        if not isinstance(entry, dict):
            raise place.error(f"expected an object at {key}.")
        yield key, entry


def _view_file(place: Place, view: dict[str, Any], files: Any) -> str:
    numbers = view.get("fid_list")
    first = str(numbers[0]) if isinstance(numbers, list) and numbers else ""
    entry = files.get(first) if isinstance(files, dict) else None
    if not isinstance(entry, dict):
        raise place.error(f"there is no file {first!r}.")
    return file_stem(place, entry.get("fname") or entry.get("src"))
