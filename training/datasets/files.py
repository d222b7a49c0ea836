"""What every reader needs: text, tables, JSON and errors that name file and line; video files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from contracts.errors import ConfigError
from contracts.types import Annotation
from streaming.inputs import VIDEO_SUFFIXES
from training.datasets.dataset import Dataset, Video, make_dataset

TRIMMED_END_S = math.inf
"""End of the one span of a trimmed clip whose length is unknown."""

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""What datasets call the parts of a split, in small letters."""

_CLOCK = re.compile(r"(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d{1,2}(?:[.,]\d+)?)")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, for messages.

    Attributes:
        path: The file.
        line: Number of the line from 1, or None for the file as a whole.
        item: Name of the entry, where lines say nothing (JSON).
    """

    path: Path
    line: int | None = None
    item: str | None = None

    def error(self, problem: str, hint: str = "") -> ConfigError:
        """Return an error that says what is wrong here.

        Args:
            problem: What is wrong and what was expected.
            hint: What the user can do about it.
        """
        where = str(self.path)
        if self.line is not None:
            where += f", line {self.line}"
        if self.item is not None:
            where += f", {self.item}"
        return ConfigError(f"{where}: {problem}", hint)


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without byte order mark; all line ends become one.

    Raises:
        ConfigError: It cannot be read or is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise Place(path).error("not UTF-8 text.", "Save it as UTF-8.") from exc
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise ConfigError(f"Cannot read {path}: {reason}.") from exc


def read_lines(path: Path) -> Iterator[tuple[Place, str]]:
    """Read the lines of a text file that hold something.

    Yields:
        The place, and the line without space at its ends.

    Raises:
        ConfigError: It cannot be read or is not text.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if text := line.strip():
            yield Place(path, number), text


def read_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[Place, list[str]]]:
    """Read the rows of a table in text, quoted as spreadsheets do, without empty ones.

    Yields:
        The place, and the cells without space at their ends.

    Raises:
        ConfigError: It cannot be read or is no table.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if any(row):
                yield Place(path, reader.line_num), row
    except csv.Error as exc:
        raise Place(path, reader.line_num).error(f"not a row of a table: {exc}.") from exc


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[Place, dict[str, str]]]:
    """Read a comma-separated table whose first row names its columns.

    Args:
        path: The file.
        columns: Columns that must be there; others are read too.

    Yields:
        The place, and the cells by column.

    Raises:
        ConfigError: It cannot be read, or a column or cell is missing.
    """
    rows = read_rows(path)
    place, header = next(rows, (Place(path, 1), []))
    if missing := [name for name in columns if name not in header]:
        raise place.error(
            f"no column {', '.join(missing)}; found {', '.join(header) or 'nothing'}."
        )
    for place, row in rows:
        if len(row) < len(header):
            raise place.error(f"{len(row)} cells, expected {len(header)}: {', '.join(header)}.")
        yield place, dict(zip(header, row, strict=False))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ConfigError: It cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as exc:
        raise Place(path, exc.lineno).error(f"not JSON: {exc.msg}.") from exc
    except (RecursionError, ValueError) as exc:  # nested too deep; a number of a million digits
        raise Place(path).error(f"not JSON that can be read: {exc}.") from exc


def parse_time(text: str) -> float:
    """Read a time: seconds, ``mm:ss.mmm`` or ``hh:mm:ss.mmm``; the fraction may follow a comma.

    Returns:
        Seconds.

    Raises:
        ValueError: Not such a time, negative or not finite.
    """
    if match := _CLOCK.fullmatch(text.strip()):
        seconds = float(match["s"].replace(",", "."))
        time_s = int(match["h"] or 0) * 3600.0 + int(match["m"]) * 60.0 + seconds
    else:
        time_s = float(text.replace(",", "."))
    return check_time(time_s)


def check_time(value: Any) -> float:
    """Return a time in seconds.

    Raises:
        ValueError: Not a number, negative or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number of seconds")
    time_s = float(value) if abs(value) < 1e15 else math.inf
    if not (math.isfinite(time_s) and time_s >= 0):
        raise ValueError(f"{value!r} is not a time from 0 on")
    return time_s


def make_span(place: Place, label: str, start: str, end: str) -> Annotation:
    """Make an annotation of two times in text.

    Raises:
        ConfigError: They are no times, or the span ends before it starts.
    """
    try:
        span = Annotation(label, parse_time(start), parse_time(end))
    except (ValueError, OverflowError) as exc:
        raise place.error(
            f"{start!r} to {end!r} is not a span.", "Give seconds, or hours as hh:mm:ss.mmm."
        ) from exc
    if span.end_s < span.start_s:
        raise place.error(f"the span {start} to {end} ends before it starts.")
    return span


def part_named(place: Place, name: str) -> str | None:
    """Return the part of a split by any usual name; None for none.

    Raises:
        ConfigError: No such part.
    """
    if not name:
        return None
    part = PART_NAMES.get(name.lower())
    if part is None:
        raise place.error(f"no part {name!r}.", f"There are {', '.join(PART_NAMES)}.")
    return part


def without_suffix(name: str) -> str:
    """Return the name of a video file without its ending, with ``/`` between folders."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.name and path.suffix.lower() in VIDEO_SUFFIXES:
        path = path.with_suffix("")
    return str(path)


def list_videos(folder: Path) -> list[Path]:
    """Return the video files below a folder, sorted; hidden ones are left out.

    Raises:
        ConfigError: No such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"No folder {folder}.")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


class VideoFiles:
    """Finds the files of videos below a folder, whatever their ending and however deep."""

    def __init__(self, folder: Path | None) -> None:
        """List the folder once.

        Args:
            folder: Where video files lie; None if there are none.

        Raises:
            ConfigError: No such folder.
        """
        self._by_stem: dict[str, list[tuple[str, Path]]] = {}
        for path in list_videos(folder) if folder is not None else ():
            name = "/" + without_suffix(path.relative_to(folder or path).as_posix())
            self._by_stem.setdefault(path.stem, []).append((name, path))

    def find(self, *names: str) -> Path | None:
        """Return the file of a video.

        A name with folders, ``wave/001``, fits ``…/wave/001.mp4``, or ``001.mp4`` directly in the
        folder; never ``walk/001.mp4``.

        Args:
            *names: What the file may be called, best first, without ending.

        Returns:
            The file, or None.

        Raises:
            ConfigError: Several files are called so.
        """
        for name in names:
            stem = PurePosixPath(name).name
            files = self._by_stem.get(stem, [])
            found = [path for full, path in files if full.endswith("/" + name)]
            found = found or [path for full, path in files if full == "/" + stem]
            if len(found) > 1:
                raise ConfigError(
                    f"Which file is the video {name}: {found[0]} or {found[1]}?",
                    "Leave only one of them in the folder.",
                )
            if found:
                return found[0]
        return None


def trimmed_clip(
    name: str, path: Path | None, label: str, group: str, part: str | None = None
) -> Video:
    """Make a video that is one action from end to end, and whose length nobody says.

    Args:
        name: Its name.
        path: Its file, if there is one.
        label: Its label.
        group: Its group.
        part: Its part of the split.
    """
    whole = Annotation(label, 0.0, TRIMMED_END_S)
    return Video(name, path, None, None, part, group, (whole,))


def collect(
    name: str, videos: Iterable[Video], source: Path, labels: Iterable[str] = ()
) -> Dataset:
    """Make a dataset of what was read from files.

    Args:
        name: Name of the dataset.
        videos: In any order.
        source: File or folder they were read from.
        labels: Labels in the dataset's own order; those that occur, sorted, without.

    Raises:
        ConfigError: No video; two videos have one name; a label is not in the list.
    """
    found = tuple(videos)
    if not found:
        raise ConfigError(f"{source} names no video.")
    try:
        return make_dataset(name, found, labels)
    except ValueError as exc:
        raise ConfigError(f"{source}: {exc}.") from exc
