"""Figures of a classifier beyond its confusion matrix: averages, top-k, calibration, certainty."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.confusion import Confusion
from training.metrics.spans import Floats

Ids = NDArray[np.integer]
Scores = NDArray[np.floating]

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Averages:
    """Precision, recall and F1, averaged over classes in one way."""

    precision: float
    recall: float
    f1: float


def macro_average(confusion: Confusion) -> Averages:
    """Average over the classes that occur or were answered, each counting the same.

    As scikit-learn's ``average="macro", zero_division=0``: a class that was never answered has
    precision 0, one that never occurs has recall 0.
    """
    figures = _per_class(confusion)
    judged = confusion.counts.sum(axis=0) + confusion.counts.sum(axis=1) > 0
    return _average(figures, judged.astype(np.float64))


def weighted_average(confusion: Confusion) -> Averages:
    """Average over the classes that occur, each counting as often as it occurs."""
    return _average(_per_class(confusion), confusion.counts.sum(axis=1).astype(np.float64))


def balanced_accuracy(confusion: Confusion) -> float:
    """Return the mean recall of the classes that occur; 0 where none does."""
    occurs = confusion.counts.sum(axis=1) > 0
    return _average(_per_class(confusion), occurs.astype(np.float64)).recall


def _per_class(confusion: Confusion) -> Floats:
    """(3, C) precision, recall, F1; 0 where undefined."""
    right = np.diag(confusion.counts).astype(np.float64)
    answered, occurs = confusion.counts.sum(axis=0), confusion.counts.sum(axis=1)
    return np.stack(
        [
            right / np.maximum(answered, 1),
            right / np.maximum(occurs, 1),
            2 * right / np.maximum(answered + occurs, 1),
        ]
    )


def _average(figures: Floats, weights: Floats) -> Averages:
    """Weighted mean over the classes."""
    precision, recall, f1 = (figures @ weights / max(weights.sum(), 1.0)).tolist()
    return Averages(precision, recall, f1)


def top_k_accuracy(truth: Ids, scores: Scores, k: int) -> float:
    """Return the share of samples whose true class is among the k best-scored.

    Args:
        truth: (N,) int: label ids.
        scores: (N, C) floating; of equal scores the lower id goes first, so that a constant answer
            gains nothing by ties.
        k: How many answers each sample has; 1 gives the accuracy.

    Returns:
        0 to 1; 0 where there is no sample.
    """
    mine = np.take_along_axis(scores, truth[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < truth[:, None]
    ahead = ((scores > mine) | ((scores == mine) & earlier)).sum(axis=1)
    return float(np.mean(ahead < k)) if truth.size else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How far the scores say how often the answers are right, by bins of the answer's score.

    Attributes:
        edges: (B + 1,) float64: limits of the bins, 0 to 1; a bin holds its upper limit.
        counts: (B,) int: samples in each.
        confidence: (B,) float64: mean score of the answers; 0 in empty bins.
        accuracy: (B,) float64: share of right answers; 0 in empty bins.
    """

    edges: Floats
    counts: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of both, weighted by the samples."""
        distance = np.abs(self.accuracy - self.confidence)
        return float(np.sum(distance * self.counts) / max(1, int(self.counts.sum())))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, rounded to four digits."""
        return {
            "expected_calibration_error": round(self.error, 4),
            "edges": np.round(self.edges, 4).tolist(),
            "counts": self.counts.tolist(),
            "confidence": np.round(self.confidence, 4).tolist(),
            "accuracy": np.round(self.accuracy, 4).tolist(),
        }


def calibration(truth: Ids, scores: Scores, bins: int = 15) -> Calibration:
    """Compare what the best scores promise with how often they are right.

    After Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 2: bins of
    equal width over the score of the answer, 15 as there.

    Args:
        truth: (N,) int: label ids.
        scores: (N, C) floating: probabilities.
        bins: Number of bins.

    Returns:
        What a reliability diagram shows, and the expected calibration error.
    """
    answers = scores.argmax(axis=1) if truth.size else truth
    sure = scores.max(axis=1) if truth.size else np.zeros(0)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, sure, "left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = np.maximum(counts, 1)
    return Calibration(
        edges,
        counts,
        np.bincount(place, sure, bins) / filled,
        np.bincount(place, answers == truth, bins) / filled,
    )


def wilson_interval(right: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Return the limits between which the true share lies with 95 % certainty.

    After Wilson (1927), without continuity correction. It holds for independent samples: clips of
    one actor or source are not, and the truth is less certain than the interval says.

    Args:
        right: Right answers.
        total: All answers.
        z: Quantile of the normal distribution for another certainty.

    Returns:
        Lower and upper limit; (0, 1) where there is no sample.

    Raises:
        ValueError: More are right than there are.
    """
    if not 0 <= right <= total:
        raise ValueError(f"{right} right of {total}")
    if not total:
        return 0.0, 1.0
    share, spread = right / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    # At 0 and 1 the limit is the share itself, which rounding would miss.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
