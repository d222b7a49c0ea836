"""Segments from ELAN: its export "Tab-delimited text".

With or without a row of column names; one annotation per row, or a column for each tier. The label
is the annotation. A file that names no video is named after its only one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from training.datasets.files import Place, make_span, read_text
from training.datasets.rows import Row, file_stem

_CLOCK = re.compile(r"\d+:\d\d:\d\d[.,]\d+", re.ASCII)
_OTHER = re.compile(r"tier|participant|annotator|begin time.*|end time.*|duration.*|file.*|media.*")
_FILE = re.compile(r"(file|media).*")


def is_export(path: Path) -> bool:
    """Say whether a file is such an export, by its first lines."""
    rows = [cells for _, cells in _rows(path)][:2]
    return any(
        any(cell.lower().startswith("begin time") for cell in row) or len(_clocks(row)) >= 2
        for row in rows
        if len(row) >= 3
    )


def read_export(path: Path) -> Iterator[Row]:
    """Read an export.

    Yields:
        Its segments.

    Raises:
        ConfigError: Damaged; says where.
    """
    header: list[str] = []
    for number, (place, cells) in enumerate(_rows(path)):
        # Names may be in any of ELAN's languages; what they are not is times.
        if number == 0 and not _clocks(cells) and not _seconds(cells):
            header = [cell.lower() for cell in cells]
        elif any(name.startswith("begin time") for name in header):
            yield from _named(place, header, cells)
        else:
            yield _unnamed(place, cells)


def _rows(path: Path) -> Iterator[tuple[Place, list[str]]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip() and not line.startswith(("#", '"#')):
            yield Place(path, number), [cell.strip() for cell in line.split("\t")]


def _clocks(cells: list[str]) -> list[str]:
    return [cell for cell in cells if _CLOCK.fullmatch(cell)]


def _seconds(cells: list[str]) -> bool:
    return any(re.fullmatch(r"\d+(\.\d+)?", cell, re.ASCII) for cell in cells)


def _named(place: Place, header: list[str], cells: list[str]) -> Iterator[Row]:
    row = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))
    start, end = _time(place, row, "begin time"), _time(place, row, "end time")
    files = [cell for name, cell in row.items() if _FILE.fullmatch(name) and cell]
    for name, cell in row.items():
        if cell and not _OTHER.fullmatch(name):
            span = make_span(place, cell, start, end)
            yield Row(place, file_stem(place, files[0] if files else place.path.stem), span)


def _time(place: Place, row: dict[str, str], kind: str) -> str:
    """Return a time in the clearest of the formats that ELAN writes side by side."""
    for ending in ("hh:mm:ss.ms", "ss.msec"):
        if cell := row.get(f"{kind} - {ending}"):
            return cell
    if cell := row.get(f"{kind} - msec"):
        return f"{float(cell) / 1000}" if cell.isdecimal() else cell
    raise place.error(f"no {kind}.", "Export times as hh:mm:ss.ms, or as ss.msec.")


def _unnamed(place: Place, cells: list[str]) -> Row:
    times = _clocks(cells)
    if len(times) < 2 or not cells[-1] or cells[-1] in times:
        raise place.error(
            "expected tier, begin and end as hh:mm:ss.ms, and the annotation.",
            "Export from ELAN with the names of the columns.",
        )
    return Row(place, file_stem(place, place.path.stem), make_span(place, cells[-1], *times[:2]))
