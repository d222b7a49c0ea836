"""Measuring a bundle on any annotated dataset: clips by their label, untrimmed video by its events.

Video goes the way that files go in `actionstream predict`, which is that of a live stream: the same
sampler, windows, smoothing, thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from contracts.errors import ConfigError, SourceError
from inference.bundle import Bundle
from training.datasets.dataset import Dataset, Video
from training.evaluate_streams import collect, judge_streams
from training.reports import classification
from training.reports.remarks import background_notes, label_notes
from training.watching import WatchedVideo, Watcher

OnVideo = Callable[[str], None]
_CLIP_SLACK_S = 0.2


def choose_videos(dataset: Dataset, part: str | None) -> tuple[Video, ...]:
    """Choose the videos of a part whose files are at hand.

    Args:
        dataset: Any dataset.
        part: A part of its split, or None for all.

    Returns:
        The videos; all of them where the dataset names no split.

    Raises:
        ConfigError: There is none; the message says why.
    """
    chosen = _of_part(dataset, part)
    if not chosen:
        counts = Counter(video.part or "no part" for video in dataset.videos)
        known = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        raise ConfigError(
            f"{dataset.name} has no video of part {part!r}.", f"Videos by part: {known or 'none'}."
        )
    present = tuple(video for video in chosen if video.path is not None)
    if not present:
        raise ConfigError(
            f"{dataset.name}: none of {len(chosen)} videos has a file.",
            "Name the folder that holds them with --videos.",
        )
    return present


def _of_part(dataset: Dataset, part: str | None) -> tuple[Video, ...]:
    split = any(video.part for video in dataset.videos)
    return dataset.part(part) if part and split else dataset.videos


def _missing_notes(dataset: Dataset, part: str | None, present: int) -> list[str]:
    missing = len(_of_part(dataset, part)) - present
    notes = [f"{missing:,} videos have no file and were left out."] if missing else []
    if part and not any(video.part for video in dataset.videos):
        notes.append("The data name no split: every video was judged.")
    return notes


def is_clip(video: Video) -> bool:
    """Whether a video is trimmed: one action from its first to its last moment."""
    if len(video.annotations) != 1 or video.ignored:
        return False
    span = video.annotations[0]
    end = np.inf if video.duration_s is None else video.duration_s - _CLIP_SLACK_S
    return span.start_s <= _CLIP_SLACK_S and span.end_s >= end


def evaluate_dataset(
    watcher: Watcher, dataset: Dataset, part: str | None, on_video: OnVideo = lambda _: None
) -> list[dict[str, Any]]:
    """Measure a model on a dataset.

    Args:
        watcher: The model.
        dataset: Its videos, trimmed or not.
        part: Part of its split, or None for all.
        on_video: Is told the name of each video before it is read.

    Returns:
        Sections of a report: windows and clips of trimmed video; windows and events of untrimmed
        video.

    Raises:
        ConfigError: There is nothing to judge.
        SourceError: No video can be read; of several, those that can are judged.
    """
    videos = choose_videos(dataset, part)
    notes = _missing_notes(dataset, part, len(videos))
    watched, problems = [], []
    for video in videos:
        on_video(video.name)
        try:
            watched.append(watcher.watch(video))
        except SourceError as error:
            problems.append(error)
    if problems:
        notes.append(f"{len(problems):,} videos cannot be read, the first: {problems[0].message}")
    if not watched:
        raise problems[0]
    if all(is_clip(video) for video in videos):
        return _judge_clips(watcher.bundle, watched, notes)
    return judge_streams(watcher, watched, notes)


def _judge_clips(
    bundle: Bundle, watched: Sequence[WatchedVideo], notes: list[str]
) -> list[dict[str, Any]]:
    found = collect(bundle, watched, clips=True)
    clips, windows = found.clips(), found.windows()
    truth = [bundle.label_names[index] for index in np.unique(clips.truth)]
    notes = [*notes, *label_notes(found.unknown, "clips"), *background_notes(bundle, truth)]
    return [
        classification.make_section("Clips", clips, "clips", windows, notes),
        classification.make_section("Windows", windows, "windows"),
    ]
