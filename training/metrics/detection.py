"""Mean average precision of detections over temporal overlap, as ActivityNet and THUMOS14 count it.

Per class over all videos, by the matching in `training.metrics.matching`; average precision is the
area under the precision envelope (precision at a recall is the best at that recall or above), as in
Pascal VOC since 2010. The mean runs over the classes of the truth; a class without detections
counts 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.matching import Mask, Matches, match_detections
from training.metrics.spans import Floats, Spans

ACTIVITYNET_TIOUS = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""Thresholds over which ActivityNet averages: 0.5, 0.55, … 0.95."""

THUMOS_TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Thresholds over which papers average on THUMOS14."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall as the score threshold falls.

    Attributes:
        recall: (N,) float64, rising.
        precision: (N,) float64, as counted (not the envelope).
        scores: (N,) float64, falling: the threshold of each point.
    """

    recall: Floats
    precision: Floats
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class DetectionResult:
    """Average precision by class and threshold.

    Attributes:
        matches: What was found, and in which order.
        ap: (K, C) float64: average precision, 0 to 1.
    """

    matches: Matches
    ap: Floats

    @property
    def labels(self) -> tuple[str, ...]:
        """(C) classes."""
        return self.matches.labels

    @property
    def tious(self) -> Floats:
        """(K,) thresholds."""
        return self.matches.tious

    @property
    def map(self) -> Floats:
        """(K,) mean average precision at each threshold."""
        return np.asarray(self.ap.mean(axis=1))

    @property
    def average_map(self) -> float:
        """Mean over the thresholds of the mean average precision."""
        return float(self.ap.mean())

    def curve(self, label: str, tiou: int) -> Curve:
        """Return the precision-recall curve of a class.

        Args:
            label: The class.
            tiou: Number of the threshold.

        Raises:
            ValueError: There is no such class.
        """
        number = self.labels.index(label)
        places = self.matches.of_class(number)
        hits = self.matches.hits[tiou, places]
        counted = hits | ~self.matches.ignored[places]
        recall, precision = _precision_recall(hits, counted, int(self.matches.truths[number]))
        return Curve(recall[counted], precision[counted], self.matches.scores[places][counted])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, rounded to four digits."""
        return {
            "tious": np.round(self.tious, 4).tolist(),
            "map": np.round(self.map, 4).tolist(),
            "average_map": round(self.average_map, 4),
            "truths": dict(zip(self.labels, self.matches.truths.tolist(), strict=True)),
            "ap": dict(zip(self.labels, np.round(self.ap.T, 4).tolist(), strict=True)),
        }


def evaluate_detections(
    truth: Spans,
    detections: Spans,
    tious: Sequence[float] = ACTIVITYNET_TIOUS,
    ignored: Spans | None = None,
) -> DetectionResult:
    """Judge the detections of many videos.

    Args:
        truth: What there is to find.
        detections: What was found, in any order.
        tious: Thresholds of temporal overlap, in (0, 1].
        ignored: Spans on which a detection that finds nothing is not wrong (THUMOS14's
            ``Ambiguous``).

    Returns:
        Average precision by class and threshold, with everything behind it.

    Raises:
        ValueError: There is no truth, a threshold is out of range or a score is not a number.
    """
    matches = match_detections(truth, detections, tious, ignored)
    return DetectionResult(matches, average_precision(matches))


def average_precision(matches: Matches, without: Mask | None = None) -> Floats:
    """Return average precision (K, C).

    Args:
        matches: What was found.
        without: (K, P) bool: detections to leave out, as if they had never been made.

    Returns:
        Average precision at each threshold, of each class.
    """
    hits = matches.hits
    counted = hits | ~matches.ignored
    if without is not None:
        hits, counted = hits & ~without, counted & ~without
    ap = np.zeros((len(matches.tious), len(matches.labels)))
    for number, truths in enumerate(matches.truths.tolist()):
        places = matches.of_class(number)
        found = hits[:, places]
        _, precision = _precision_recall(found, counted[:, places], truths)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        ap[:, number] = np.sum(envelope, axis=1, where=found) / truths
    return ap


def _precision_recall(
    hits: NDArray[np.bool_], counted: NDArray[np.bool_], truths: int
) -> tuple[Floats, Floats]:
    """Recall and precision after each detection, along the last axis."""
    right = np.cumsum(hits, axis=-1)
    judged = np.cumsum(counted, axis=-1)
    return right / truths, right / np.maximum(judged, 1)
