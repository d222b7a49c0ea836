"""UT-Interaction, the segmented clips: ``set1/<class>/seqNN_MMM.avi``, and ``set2`` likewise.

Ryoo and Aggarwal, SDHA 2010: six interactions of two persons, ten sequences in each set. The
protocol is to leave one sequence out, set by set, so there is no split. Where there is a class
`none`, its clips show no interaction.

Two clips of set 1, ``punch/seq08_043`` and ``_044``, are both numbered 8 where others count one
punch to sequence 6. They show the two persons of sequence 8, so the number is believed.
"""

from __future__ import annotations

import re
from pathlib import Path

from training.datasets.dataset import Dataset
from training.datasets.files import collect, list_videos, trimmed_clip

LABELS = ("handshake", "hug", "kick", "none", "point", "punch", "push")
_CLIP = re.compile(r"seq(?P<sequence>\d+)_\d+", re.ASCII)


def recognise(path: Path) -> bool:
    """Say whether a folder holds the sets, or one set's classes."""
    clips = [*path.glob("set[12]/*/*.avi"), *path.glob("*/*.avi")]
    return bool(clips) and all(map(_is_clip, clips))


def read(path: Path, videos: Path | None = None) -> Dataset:
    """Read the segmented clips.

    Args:
        path: Folder that holds ``set1`` or ``set2`` or both, or one of these itself.
        videos: Where the videos lie, if somewhere else.

    Returns:
        Trimmed clips without a split; the group is the sequence, ``seq06``, whose numbers do not
        repeat between the sets. Other files are passed over.

    Raises:
        ConfigError: No such clip there.
    """
    folder = videos or path
    found = [
        trimmed_clip(
            name=file.relative_to(folder).with_suffix("").as_posix(),
            path=file,
            label=file.parent.name,
            group=file.stem.partition("_")[0],
        )
        for file in list_videos(folder)
        if _is_clip(file)
    ]
    return collect("ut_interaction", found, folder)


def _is_clip(path: Path) -> bool:
    return path.parent.name in LABELS and _CLIP.fullmatch(path.stem) is not None
