"""Average precision of single frames, as online action detection is judged.

Frames of all videos are joined. THUMOS14 reports the mean of the plain average precision (area
under the precision-recall steps, no envelope) over the action classes, without background and
without Ambiguous frames; TVSeries reports *calibrated* average precision (De Geest et al.,
"Online Action Detection", ECCV 2016), which weighs false positives as if a class had as many
positive as negative frames, so that rare and frequent actions compare: precision =
TP / (TP + FP / w) with w = negatives / positives.

Deviation: frames of equal score count as one step, so that their order does not matter; the usual
code sorts them as it happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.spans import Floats


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """Average precision of the classes that occur.

    Attributes:
        labels: (C) classes with at least one frame, without background.
        frames: (C,) int: frames of each.
        ap: (C,) float64: average precision, 0 to 1.
        calibrated: (C,) float64: calibrated average precision, 0 to 1.
    """

    labels: tuple[str, ...]
    frames: NDArray[np.int64]
    ap: Floats
    calibrated: Floats

    @property
    def map(self) -> float:
        """Mean of the average precision; 0 where no class occurs."""
        return float(self.ap.mean()) if self.labels else 0.0

    @property
    def calibrated_map(self) -> float:
        """Mean of the calibrated average precision; 0 where no class occurs."""
        return float(self.calibrated.mean()) if self.labels else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, rounded to four digits."""
        return {
            "map": round(self.map, 4),
            "calibrated_map": round(self.calibrated_map, 4),
            "frames": dict(zip(self.labels, self.frames.tolist(), strict=True)),
            "ap": dict(zip(self.labels, np.round(self.ap, 4).tolist(), strict=True)),
            "calibrated_ap": dict(
                zip(self.labels, np.round(self.calibrated, 4).tolist(), strict=True)
            ),
        }


def evaluate_frames(
    labels: Sequence[str],
    truth: NDArray[np.bool_],
    scores: NDArray[np.floating[Any]],
    ignored: NDArray[np.bool_] | None = None,
    background: str | None = None,
) -> FrameResult:
    """Judge the scores of every frame of all videos, joined.

    Args:
        labels: (C) classes.
        truth: (N, C) bool: what each frame shows; several at once are allowed.
        scores: (N, C) floating: score of each class in each frame.
        ignored: (N,) bool: frames that do not count (Ambiguous).
        background: The class that is not averaged.

    Returns:
        Average precision by class. A class without a frame has none.

    Raises:
        ValueError: Shapes do not fit together, or a score is not a number.
    """
    if truth.shape != scores.shape or truth.ndim != 2 or truth.shape[1] != len(labels):
        raise ValueError(f"{len(labels)} labels, truth {truth.shape}, scores {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("a frame has a score that is not a number")
    if ignored is not None:
        truth, scores = truth[~ignored], scores[~ignored]
    occurs = truth.any(axis=0) & (np.asarray(labels) != background)
    judged = np.flatnonzero(occurs).tolist()
    figures = [_average_precisions(truth[:, c], scores[:, c]) for c in judged]
    ap, calibrated = np.array(figures, np.float64).reshape(-1, 2).T
    return FrameResult(
        tuple(labels[c] for c in judged), truth[:, judged].sum(axis=0), ap, calibrated
    )


def _average_precisions(
    truth: NDArray[np.bool_], scores: NDArray[np.floating[Any]]
) -> tuple[float, float]:
    """Plain and calibrated average precision of a class with at least one frame."""
    order = np.argsort(-scores)
    step_ends = np.append(np.flatnonzero(np.diff(scores[order])), truth.size - 1)
    right = np.cumsum(truth[order])[step_ends]
    wrong = step_ends + 1 - right
    positives = int(right[-1])
    found = np.diff(right, prepend=0) / positives
    # Without negatives nothing can be wrong, and any weight serves.
    weight = max(truth.size - positives, 1) / positives
    # The first steps may hold wrong frames only; both denominators are above 0 all the same.
    plain = np.sum(found * right / (right + wrong))
    return float(plain), float(np.sum(found * right / (right + wrong / weight)))
