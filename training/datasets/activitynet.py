"""ActivityNet's JSON: that of ActivityNet 1.3, and the form in which our own tools write.

``{"version", "taxonomy": [{"nodeId", "nodeName", "parentId", "parentName"}], "database": {video:
{"duration", "subset", "annotations": [{"label", "segment": [start, end]}], "url"}}}``, times in
seconds (Heilbron et al., CVPR 2015, and the evaluation code that goes with it).

What it has no words for is written under keys that other readers pass over: ``name`` of the
dataset; ``fps``, ``group`` and ``ignored`` of a video. A ``null`` stands for what is not known: a
duration, a subset, or the end of a trimmed clip whose length nobody measured.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from contracts.errors import ConfigError
from contracts.types import Annotation
from training.datasets.dataset import Dataset, Video
from training.datasets.files import (
    TRIMMED_END_S,
    Place,
    VideoFiles,
    check_time,
    collect,
    part_named,
    read_json,
)

_SUBSETS = {"train": "training", "validation": "validation", "test": "testing", None: None}
_ROOT = "Root"


def recognise(path: Path) -> bool:
    """Say whether a file is of this form, by its beginning."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        return _is_document(read_json(path))
    except ConfigError:
        return False


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read annotations in ActivityNet's form.

    Args:
        path: The JSON file.
        videos: Folder with the videos as ``NAME.*`` or, as ActivityNet's are often kept,
            ``v_NAME.*``.

    Returns:
        The dataset; labels in the order of the taxonomy's leaves, or sorted where it has none. The
        group is the video itself unless the file says otherwise.

    Raises:
        ConfigError: Not of this form; says where.
    """
    document = read_json(path)
    if not _is_document(document):
        raise Place(path).error(
            'not in ActivityNet\'s form, {"database": {video: {"annotations": […]}}}.'
        )
    files = VideoFiles(videos)
    found = [_video(Place(path, item=name), entry, files) for name, entry in _entries(document)]
    name = document.get("name")
    return collect(
        name if isinstance(name, str) else "activitynet", found, path, _leaves(path, document)
    )


def write(dataset: Dataset, path: Path) -> None:
    """Write a dataset in ActivityNet's form, whole or not at all.

    What is read back equals it, but for the places of the video files.

    Args:
        dataset: Any dataset.
        path: The JSON file; its folder is made.

    Raises:
        ConfigError: It cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # What a file's name holds beyond Unicode is written as JSON's own escapes.
            part.write_text(_document(dataset), encoding="utf-8", errors="backslashreplace")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(f"Cannot write {path}: {exc.strerror}.") from exc


def _document(dataset: Dataset) -> str:
    """Write one line per label and video, which people can read and tools compare."""
    root = {"nodeId": 0, "nodeName": _ROOT, "parentId": None, "parentName": None}
    nodes = [root] + [
        {"nodeId": number, "nodeName": label, "parentId": 0, "parentName": _ROOT}
        for number, label in enumerate(dataset.labels, start=1)
    ]
    videos = [f"{_json(video.name)}: {_json(_entry(video))}" for video in dataset.videos]
    return (
        f'{{"version": "VERSION 1.3", "name": {_json(dataset.name)}, "taxonomy": [\n'
        + ",\n".join(map(_json, nodes))
        + '\n], "database": {\n'
        + ",\n".join(videos)
        + "\n}}\n"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_document(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("database"), dict)


def _entries(document: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    database: dict[str, Any] = document["database"]
    return database.items()


def _leaves(path: Path, document: dict[str, Any]) -> list[str]:
    """Labels of the taxonomy: its nodes that are nobody's parent, in their order."""
    nodes = document.get("taxonomy") or []
    try:
        parents = {node["parentId"] for node in nodes}
        leaves = [
            str(node["nodeName"])
            for node in nodes
            # A root is no label, even if nobody calls it parent.
            if node["parentId"] is not None and node["nodeId"] not in parents
        ]
    except (TypeError, KeyError) as exc:
        raise Place(path, item="taxonomy").error(
            "expected nodes with nodeId, nodeName and parentId."
        ) from exc
    return leaves


def _video(place: Place, entry: Any, files: VideoFiles) -> Video:
    if not isinstance(entry, dict) or place.item is None:
        raise place.error("expected an object with annotations.")
    subset = entry.get("subset") or ""
    group = entry.get("group") or place.item
    if not (isinstance(subset, str) and isinstance(group, str)):
        raise place.error("subset and group are names.")
    return Video(
        name=place.item,
        path=files.find(place.item, f"v_{place.item}"),
        duration_s=_number(place, entry, "duration"),
        fps=_number(place, entry, "fps"),
        part=part_named(place, subset),
        group=group,
        annotations=_spans(place, entry.get("annotations")),
        ignored=_spans(place, entry.get("ignored")),
    )


def _number(place: Place, entry: dict[str, Any], key: str) -> float | None:
    value = entry.get(key)
    try:
        return None if value is None else check_time(value)
    except ValueError as exc:
        raise place.error(f"{key}: {exc}.") from exc


def _spans(place: Place, items: Any) -> tuple[Annotation, ...]:
    """Read segments; a few of ActivityNet's own are empty, and stay."""
    spans = []
    try:
        for item in items or ():
            start, end = item["segment"]
            end_s = TRIMMED_END_S if end is None else check_time(end)
            span = Annotation(item["label"], check_time(start), end_s)
            if not isinstance(span.label, str) or span.end_s < span.start_s:
                raise ValueError(f"{item} has no label, or ends before it starts")
            spans.append(span)
    except (KeyError, TypeError, ValueError) as exc:
        reason = f"{exc}" if isinstance(exc, ValueError) else "no such keys"
        raise place.error(
            f'{reason}; expected [{{"label": "…", "segment": [start, end]}}, …] in seconds.'
        ) from exc
    return tuple(sorted(spans, key=lambda span: span.start_s))


def _entry(video: Video) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "subset": _SUBSETS[video.part],
        "duration": video.duration_s,
        "annotations": _items(video.annotations),
    }
    if video.fps is not None:
        entry["fps"] = video.fps
    if video.group != video.name:
        entry["group"] = video.group
    if video.ignored:
        entry["ignored"] = _items(video.ignored)
    return entry


def _items(spans: Iterable[Annotation]) -> list[dict[str, Any]]:
    return [
        {
            "label": span.label,
            "segment": [span.start_s, None if math.isinf(span.end_s) else span.end_s],
        }
        for span in spans
    ]
