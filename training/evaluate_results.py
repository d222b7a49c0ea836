"""Judging anybody's result files against a truth; no model is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import ConfigError
from contracts.types import Annotation
from training.datasets.dataset import Dataset, Video
from training.metrics.segmental import FrameLabels
from training.metrics.spans import Spans
from training.reports.detection import RULES, Judged, make_section
from training.reports.results import read_results
from training.sequences import BACKGROUND, judge_sequences, label_moments, moments_of

MERL = "merl"
"""Rules of MERL Shopping: beside the average precisions, figures of one joined sequence."""

RESULT_RULES = (*RULES, MERL)
_MERL_FPS = 30.0


def judge_results(dataset: Dataset, results: Path, rules: str, part: str | None) -> dict[str, Any]:
    """Judge a file of detections.

    Args:
        dataset: Annotated videos.
        results: ActivityNet's JSON or CSV, see `training.reports.results`.
        rules: One of `RESULT_RULES`.
        part: Part of the truth's split, or None for all.

    Returns:
        A section of a report.

    Raises:
        ConfigError: A file is of another form, or the truth has no video of the part.
        SourceNotFoundError: There is no such file.
    """
    videos = dataset.part(part) if part else dataset.videos
    if not videos:
        raise ConfigError(f"{dataset.name} has no video of part {part!r}.")
    found = _only_part(read_results(results), dataset, part)
    ignored = Spans.from_annotations((video.name, video.ignored) for video in videos)
    judged = Judged(
        truth=Spans.from_annotations((video.name, _closed(video)) for video in videos),
        found=found,
        ignored=ignored if len(ignored) else None,
        durations={video.name: v for video in videos if (v := video.duration_s) is not None},
        names=tuple(video.name for video in videos),
        rules="activitynet" if rules == MERL else rules,
    )
    if rules == MERL:
        judged = replace(judged, extra={"segmental": _sequences(videos, found)})
    return make_section(f"Detections of {results.name}", judged)


def _only_part(found: Spans, dataset: Dataset, part: str | None) -> Spans:
    """Leave out videos that the truth knows, but has in another part."""
    others = [video.name for video in dataset.videos if part and video.part != part]
    return found.select(~np.isin(found.videos, others)) if others else found


def _closed(video: Video) -> list[Annotation]:
    """Annotations whose end is known.

    Raises:
        ConfigError: One has no end, and the video's length is not known.
    """
    closed = []
    for span in video.annotations:
        if np.isfinite(span.end_s):
            closed.append(span)
        elif video.duration_s is not None:
            closed.append(replace(span, end_s=video.duration_s))
        else:
            raise ConfigError(
                f"{video.name!r} is trimmed and of unknown length: detections cannot be judged.",
                "Judge trimmed clips with --model instead.",
            )
    return closed


def _sequences(videos: Sequence[Video], found: Spans) -> dict[str, Any]:
    """Label each frame by the surest detection that covers it, and judge all videos as one."""
    labels = sorted({span.label for video in videos for span in video.annotations})
    ids = {label: index for index, label in enumerate(labels, start=1)}
    frames = [_frames(video, found.select(found.videos == video.name), ids) for video in videos]
    return judge_sequences(frames, 1 / _MERL_FPS, joined=True)


def _frames(video: Video, found: Spans, ids: Mapping[str, int]) -> FrameLabels:
    spans = _closed(video)
    ends = [video.duration_s or 0.0, *(span.end_s for span in spans), *found.end_s.tolist()]
    moments = moments_of(max(ends), 1 / (video.fps or _MERL_FPS))
    answers = np.full(len(moments), BACKGROUND, np.int64)
    scores = np.zeros((len(moments), len(ids) + 1))
    for row in np.argsort(found.scores, kind="stable"):
        number = ids.get(str(found.labels[row]))
        if number is not None:
            inside = (moments >= found.start_s[row]) & (moments < found.end_s[row])
            answers[inside] = number
            scores[inside, number] = found.scores[row]
    return FrameLabels(label_moments(spans, ids, moments), answers, scores)
