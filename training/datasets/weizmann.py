"""Weizmann actions: ``<action>/<actor>_<action>.avi``.

Gorelick et al., TPAMI 2007: ten actions, nine actors, one clip each. The protocol is to leave one
actor out, so there is no split. A number after the action, ``lena_walk1.avi``, is passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

from training.datasets.dataset import Dataset
from training.datasets.files import collect, list_videos, trimmed_clip

LABELS = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
_CLIP = re.compile(r"(?P<actor>[a-z]+)_(?P<label>[a-z]+[12]?)")


def recognise(path: Path) -> bool:
    """Say whether a folder holds the actions' folders with such files."""
    clips = sorted(path.glob("*/*.avi"))
    return bool(clips) and all(_actor(clip) for clip in clips)


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read the Weizmann actions.

    Args:
        path: Folder of the actions' folders.
        videos: Where the videos lie, if somewhere else.

    Returns:
        Trimmed clips without a split; the group is the actor. Other files are passed over.

    Raises:
        ConfigError: No such clip there.
    """
    folder = videos or path
    clips = {file: actor for file in list_videos(folder) if (actor := _actor(file))}
    found = [
        trimmed_clip(f"{file.parent.name}/{file.stem}", file, file.parent.name, actor)
        for file, actor in clips.items()
    ]
    return collect("weizmann", found, folder, LABELS)


def _actor(path: Path) -> str | None:
    """Return whose clip this is, or None if it is none of Weizmann's."""
    match, label = _CLIP.fullmatch(path.stem), path.parent.name
    return (
        match["actor"] if match and label in LABELS and match["label"].startswith(label) else None
    )
