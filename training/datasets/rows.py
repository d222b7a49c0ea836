"""One labelled segment as labelling tools export it, before the videos are put together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from contracts.types import Annotation
from training.datasets.files import Place, without_suffix


@dataclass(frozen=True, slots=True)
class Row:
    """What one line or entry says.

    Attributes:
        place: Where it stands, for messages.
        video: Name of the video, without ending.
        span: The segment, or None where only the video is named.
        part: Part of a split, if said.
        group: Group of the video, if said.
    """

    place: Place
    video: str
    span: Annotation | None
    part: str | None = None
    group: str | None = None


def file_stem(place: Place, name: Any) -> str:
    """Return the name of a video by its file, path or address, without folders and ending.

    Raises:
        ConfigError: It names no file.
    """
    text = str(name) if isinstance(name, str | int) else ""
    stem = PurePosixPath(without_suffix(text.rstrip("/"))).name
    if not stem:
        raise place.error(f"{name!r} names no video.")
    return stem


def json_cell(place: Place, text: str) -> Any:
    """Return what a cell of JSON holds.

    Raises:
        ConfigError: It is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise place.error(f"{text[:60]!r} is not JSON.") from exc
