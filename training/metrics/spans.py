"""Truth and detections of many videos as arrays, and their temporal overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.types import Annotation

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Labelled spans of many videos, column by column; row i of every column is one span.

    Attributes:
        videos: (N,) str: names of the videos.
        labels: (N,) str: names of the classes.
        start_s: (N,) float64.
        end_s: (N,) float64, not before the start.
        scores: (N,) float64; of truths all ones.
    """

    videos: NDArray[np.str_]
    labels: NDArray[np.str_]
    start_s: Floats
    end_s: Floats
    scores: Floats

    def __len__(self) -> int:
        """Number of spans."""
        return len(self.start_s)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[str, str, float, float, float]]) -> Spans:
        """Take (video, label, start_s, end_s, score) rows."""
        videos, labels, starts, ends, scores = list(zip(*rows, strict=True)) or ((),) * 5
        return cls(
            np.asarray(videos, np.str_),
            np.asarray(labels, np.str_),
            np.asarray(starts, np.float64),
            np.asarray(ends, np.float64),
            np.asarray(scores, np.float64),
        )

    @classmethod
    def from_annotations(cls, videos: Iterable[tuple[str, Iterable[Annotation]]]) -> Spans:
        """Take what was labelled in each video: (name, its annotations)."""
        return cls.from_rows(
            (name, span.label, span.start_s, span.end_s, 1.0)
            for name, spans in videos
            for span in spans
        )

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Spans:
        """Return some of the spans, by mask or by index."""
        return Spans(
            self.videos[rows],
            self.labels[rows],
            self.start_s[rows],
            self.end_s[rows],
            self.scores[rows],
        )


def temporal_iou(
    start_s: Floats, end_s: Floats, others_start: Floats, others_end: Floats
) -> Floats:
    """Return intersection over union (N, M) of N spans with M others; 0 where both are empty."""
    return paired_iou(start_s[:, None], end_s[:, None], others_start, others_end)


def paired_iou(start_s: Floats, end_s: Floats, others_start: Floats, others_end: Floats) -> Floats:
    """Return intersection over union of spans with their partners, place by place (broadcast)."""
    shared = np.minimum(end_s, others_end) - np.maximum(start_s, others_start)
    shared = np.maximum(shared, 0.0)
    union = (end_s - start_s) + (others_end - others_start) - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap
