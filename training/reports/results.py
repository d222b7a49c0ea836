"""Files of detections, as anybody's detector writes them: ActivityNet's submission JSON, or CSV.

The JSON is that of the ActivityNet challenge (evaluation code, `README`): ``{"results": {video:
[{"label", "score", "segment": [start, end]}]}}``, with any other keys beside ``results``. The CSV
has a header line; its columns may stand in any order.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from contracts.errors import ConfigError, SourceNotFoundError
from training.metrics.spans import Spans

_COLUMNS = {
    "video": ("video", "video_id", "video-id", "video_name", "video-name", "filename"),
    "label": ("label", "class", "action", "category"),
    "start": ("start", "start_s", "t-start", "t_start"),
    "end": ("end", "end_s", "t-end", "t_end"),
    "score": ("score", "confidence"),
}
_Row = tuple[str, str, float, float, float]


def read_results(path: Path) -> Spans:
    """Read detections.

    Args:
        path: ``.json`` as ActivityNet's submissions, or ``.csv``.

    Returns:
        The spans in the file's order, seconds (or whatever unit the truth is in).

    Raises:
        SourceNotFoundError: No such file.
        ConfigError: It is of another form; the message says where.
    """
    read = {".json": _json_rows, ".csv": _csv_rows}.get(path.suffix.lower())
    if read is None:
        raise ConfigError(
            f"{path} is neither .json nor .csv.",
            "Results are read as ActivityNet's JSON or as CSV: video,label,start,end,score.",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not text in UTF-8.") from exc
    except OSError as exc:
        raise SourceNotFoundError(f"{path} cannot be read: {exc.strerror}.") from exc
    spans = Spans.from_rows(read(path, text))
    _check(path, spans)
    return spans


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    try:
        results = json.loads(text)["results"]
        videos = list(results.items())
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path} is not JSON: {exc}.") from exc
    except (KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(
            f"{path} holds no `results` by video.",
            'Expected {"results": {video: [{"label", "score", "segment": [start, end]}]}}.',
        ) from exc
    for video, found in videos:
        place = f"{path}, results[{video!r}]"
        if not isinstance(found, list):
            raise ConfigError(f"{place} is no list of detections.")
        for index, item in enumerate(found):
            try:
                start, end = item["segment"]
                score = float(item["score"])
                yield video, str(item["label"]), float(start), float(end), score
            except (KeyError, TypeError, ValueError, OverflowError) as exc:
                _refuse(f"{place}[{index}]", exc)


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    rows = csv.reader(text.splitlines())
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        video, label, start, end, score = (_column(path, header, name) for name in _COLUMNS)
        for row in rows:
            if row:
                times = float(row[start]), float(row[end])
                yield row[video], row[label], *times, float(row[score])
    except (csv.Error, IndexError, ValueError) as exc:
        _refuse(f"{path}, line {rows.line_num}", exc)


def _column(path: Path, header: list[str], name: str) -> int:
    for known in _COLUMNS[name]:
        if known in header:
            return header.index(known)
    raise ConfigError(
        f"{path} has no column {name!r}: its first line is {','.join(header)!r}.",
        f"It may also be called {', '.join(_COLUMNS[name][1:])}.",
    )


def _check(path: Path, spans: Spans) -> None:
    """Spans that run backwards or are no numbers would be judged without a word."""
    numbers: dict[str, Any] = {"start": spans.start_s, "end": spans.end_s, "score": spans.scores}
    for name, values in numbers.items():
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise ConfigError(f"{path}: the {name} of detection {wrong[0] + 1} is no number.")
    backwards = np.flatnonzero(spans.end_s < spans.start_s)
    if len(backwards):
        first = backwards[0]
        raise ConfigError(
            f"{path}: detection {first + 1} (video {str(spans.videos[first])!r}) ends before it "
            "starts."
        )


def _refuse(place: str, exc: Exception) -> NoReturn:
    what = f"lacks {exc.args[0]!r}" if isinstance(exc, KeyError) else f"cannot be read: {exc}"
    raise ConfigError(f"{place} {what}.") from exc
