"""Segments from Label Studio: its JSON and JSON-MIN exports.

Regions of `TimelineLabels` count frames from 1, both ends included, and say nothing of the frame
rate; it is read from the video, to which `frameRate` of the `Video` tag must have been set (its
default is 24). Regions of `Labels` on a track (audio of a video) are in seconds. Of several
annotations of one task the one marked as ground truth counts, else the first that is not skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from contracts.types import Annotation
from streaming.files import probe
from streaming.inputs import VIDEO_SUFFIXES
from training.datasets.files import Place, VideoFiles, check_time
from training.datasets.rows import Row, file_stem

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")


def is_export(document: Any) -> bool:
    """Say whether JSON is such an export."""
    return (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and "id" in document[0]
        and _source(document[0]) is not None
    )


def read_tasks(path: Path, tasks: list[Any], files: VideoFiles) -> Iterator[Row]:
    """Read an export.

    Args:
        path: The file, for messages.
        tasks: Its content.
        files: The videos, for their frame rates.

    Yields:
        Its segments, and its videos.

    Raises:
        ConfigError: Damaged, or frames are given and the video is not there; says where.
        SourceError: A video cannot be opened.
    """
    for number, task in enumerate(tasks, start=1):
        place = Place(path, item=f"task {number}")
        source = _source(task) if isinstance(task, dict) else None
        if source is None:
            raise place.error("it names no video.")
        video = _video_name(place, source)
        yield Row(place, video, None)

        def rate(place: Place = place, video: str = video) -> float:
            return _rate(place, video, files)

        for value in _values(place, task):
            yield from (Row(place, video, span) for span in _spans(place, value, rate))


def _source(task: dict[str, Any]) -> str | None:
    """Return the first thing in a task that looks like a video."""
    data = task.get("data", task)
    for value in data.values() if isinstance(data, dict) else ():
        if isinstance(value, str) and Path(_address_path(value)).suffix.lower() in VIDEO_SUFFIXES:
            return value
    return None


def _address_path(address: str) -> str:
    """Return the path of a file: as it is, of a URL, or in ``…/local-files/?d=<path>``."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)


def _video_name(place: Place, source: str) -> str:
    """Return the name that a file had before it was uploaded."""
    stem = file_stem(place, _address_path(source))
    return _UPLOADED.sub("", stem) if "/upload/" in source else stem


def _values(place: Place, task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "annotations" not in task:  # JSON-MIN: the regions stand beside the data
        lists = [value for value in task.values() if isinstance(value, list)]
        yield from (item for items in lists for item in items if isinstance(item, dict))
        return
    annotations = task["annotations"]
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise place.error("annotations should be a list of objects.")
    kept = [entry for entry in annotations if not entry.get("was_cancelled")]
    kept.sort(key=lambda entry: not entry.get("ground_truth"))
    for item in (kept[0].get("result") or []) if kept else []:
        if isinstance(item, dict) and isinstance(item.get("value"), dict):
            yield item["value"]


def _spans(place: Place, value: dict[str, Any], rate: Callable[[], float]) -> Iterator[Annotation]:
    try:
        if "timelinelabels" in value:
            for frames in value["ranges"]:
                first, last = check_time(frames["start"]), check_time(frames["end"])
                start_s, end_s = max(first - 1, 0) / rate(), last / rate()
                yield from _labelled(value["timelinelabels"], start_s, end_s)
        elif "labels" in value and "start" in value:
            start_s, end_s = check_time(value["start"]), check_time(value["end"])
            yield from _labelled(value["labels"], start_s, end_s)
    except (KeyError, TypeError, ValueError) as exc:
        raise place.error(f"a region is damaged: {type(exc).__name__} {exc}.") from exc


def _labelled(labels: Any, start_s: float, end_s: float) -> Iterator[Annotation]:
    if end_s < start_s:
        raise ValueError("it ends before it starts")
    yield from (Annotation(str(label), start_s, end_s) for label in labels)


def _rate(place: Place, video: str, files: VideoFiles) -> float:
    path = files.find(video)
    fps = probe(path).fps if path is not None else None
    if fps is None:
        raise place.error(
            f"its segments are in frames, and the frame rate of {video} is unknown.",
            "Name the folder with the videos (--videos).",
        )
    return fps
