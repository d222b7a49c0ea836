"""Spans of many videos as labels of equal steps of time, for figures of sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.types import Annotation
from training.metrics.segmental import (
    FrameLabels,
    edit_score,
    frame_accuracy,
    join,
    midpoint_map,
    segmental_f1,
)

BACKGROUND = 0
"""Id of moments at which nothing happens."""

_PERCENT = (10, 25, 50)


def label_moments(
    spans: Iterable[Annotation], ids: Mapping[str, int], moments: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Say what happens at each moment.

    Args:
        spans: In any order; where they overlap, the one that began last counts.
        ids: Number of each label; spans of other labels are passed over.
        moments: (T,) seconds.

    Returns:
        (T,) label ids, `BACKGROUND` between spans.
    """
    found = np.full(len(moments), BACKGROUND, np.int64)
    for span in sorted(spans, key=lambda span: span.start_s):
        if span.label in ids:
            found[(moments >= span.start_s) & (moments < span.end_s)] = ids[span.label]
    return found


def moments_of(duration_s: float, period_s: float) -> NDArray[np.float64]:
    """Return the middles of the steps of a video, at least one."""
    count = max(1, round(duration_s / period_s))
    return np.asarray((np.arange(count) + 0.5) * period_s, np.float64)


def judge_sequences(
    videos: Sequence[FrameLabels], period_s: float, *, joined: bool
) -> dict[str, Any]:
    """Judge sequences of labels.

    Args:
        videos: Truth and answer for every step, `BACKGROUND` where nothing happens.
        period_s: Seconds of a step, for the record.
        joined: Whether all videos are judged as one sequence, as MERL Shopping is.

    Returns:
        JSON values: shares of 1, F1 by overlap in percent.
    """
    judged = [join(videos)] if joined else videos
    figures: dict[str, Any] = {
        "period_s": round(period_s, 4),
        "joined": joined,
        "accuracy": round(frame_accuracy(judged), 4),
        "edit": round(edit_score(judged, BACKGROUND), 4),
        "f1": {str(k): round(segmental_f1(judged, BACKGROUND, k / 100), 4) for k in _PERCENT},
    }
    if all(video.scores is not None for video in judged):
        figures["midpoint_map"] = round(midpoint_map(judged, BACKGROUND), 4)
    return figures
