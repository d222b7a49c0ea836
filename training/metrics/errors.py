"""What is wrong with detections: a breakdown of errors in the manner of DETAD.

After Alwassel et al., "Diagnosing Error in Temporal Action Detectors" (ECCV 2018), and its
code (HumamAlwassel/DETAD, analyze_fp_error_types). Of each class only the best 10·G detections are
looked at, G being the number of its truths. A detection that found no truth is named by the truth
it overlaps most, of whatever class:

    overlap            right label        other label
    threshold or more  double detection   wrong label
    0.1 or more        localisation       confusion
    less               background         background

Deviations: precision is not normalised by class size (the gains are of plain mAP, which is what
stands everywhere else), and detections on ignored spans are not judged. Of truths overlapped
equally, the earlier names the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.detection import average_precision
from training.metrics.matching import Indices, Matches, pair_spans
from training.metrics.spans import Floats, Spans

GROUPS = 10
"""Rank groups: the best G detections of each class, the next G, … up to 10·G."""

LEAST_TIOU = 0.1
"""Below this overlap a detection is said to lie on background."""


class Outcome(IntEnum):
    """What became of a detection."""

    TRUE_POSITIVE = 0
    DOUBLE_DETECTION = 1
    WRONG_LABEL = 2
    LOCALISATION = 3
    CONFUSION = 4
    BACKGROUND = 5

    @property
    def title(self) -> str:
        """Name for people, as ``double detection``."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True, eq=False)
class ErrorBreakdown:
    """What became of the best detections, at each threshold.

    Attributes:
        tious: (K,) float64: thresholds.
        counts: (K, 10, 6) int: detections by rank group and `Outcome`.
        missed: (K,) int: truths that none of them found.
        truths: Number of truths.
        gains: (K, 6) float64: by how much mean average precision grows if the errors of one kind
            had not been made; 0 for right ones.
    """

    tious: Floats
    counts: NDArray[np.int64]
    missed: NDArray[np.int64]
    truths: int
    gains: Floats

    def shares(self) -> Floats:
        """Return the share of each outcome in its rank group (K, 10, 6); 0 in empty groups."""
        total = self.counts.sum(axis=2, keepdims=True)
        return np.asarray(self.counts / np.maximum(total, 1))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values: by threshold, what became of how many."""
        return {
            f"{tiou:.2f}": {
                "outcomes": {o.title: int(counts[:, o].sum()) for o in Outcome},
                "by_rank": {o.title: counts[:, o].tolist() for o in Outcome},
                "map_gain": {o.title: round(float(gain[o]), 4) for o in Outcome if o},
                "missed": missed,
                "truths": self.truths,
            }
            for tiou, counts, gain, missed in zip(
                self.tious, self.counts, self.gains, self.missed.tolist(), strict=True
            )
        }


def break_down(matches: Matches, truth: Spans, detections: Spans) -> ErrorBreakdown:
    """Name what became of each of the best 10·G detections of every class.

    Args:
        matches: From `match_detections` on these very truths and detections.
        truth: What there is to find.
        detections: What was found.

    Returns:
        Counts by rank and outcome, missed truths, and what each kind of error costs.
    """
    classes = np.repeat(np.arange(len(matches.labels)), np.diff(matches.bounds))
    group = (np.arange(len(classes)) - matches.bounds[classes]) // matches.truths[classes]
    outcomes = name_outcomes(matches, truth, detections.select(matches.order))
    tail = group >= GROUPS
    plain = average_precision(matches, np.broadcast_to(tail, outcomes.shape))
    gains = np.zeros((len(matches.tious), len(Outcome)))
    for kind in tuple(Outcome)[1:]:
        better = average_precision(matches, tail | (outcomes == kind))
        gains[:, kind] = (better - plain).mean(axis=1)
    judged = (matches.hits | ~matches.ignored) & ~tail
    return ErrorBreakdown(
        tious=matches.tious,
        counts=np.stack(
            [_count(group[keep], o[keep]) for keep, o in zip(judged, outcomes, strict=True)]
        ),
        missed=len(truth) - (matches.hits & ~tail).sum(axis=1),
        truths=len(truth),
        gains=gains,
    )


def name_outcomes(matches: Matches, truth: Spans, ranked: Spans) -> NDArray[np.int8]:
    """Return the `Outcome` (K, P) of every detection, in the order of the matches.

    Args:
        matches: What was found.
        truth: What there is to find.
        ranked: The detections in the order of the matches.
    """
    best = pair_spans(ranked, truth, None, min(LEAST_TIOU, float(matches.tious.min()))).best()
    overlap = np.zeros(len(ranked))
    overlap[best.rows] = best.tious
    same = np.zeros(len(ranked), np.bool_)
    same[best.rows] = truth.labels[best.truths] == ranked.labels[best.rows]
    near = overlap >= matches.tious[:, None]
    outcomes = np.select(
        [matches.hits, near & same, near, overlap < LEAST_TIOU, same],
        [
            Outcome.TRUE_POSITIVE,
            Outcome.DOUBLE_DETECTION,
            Outcome.WRONG_LABEL,
            Outcome.BACKGROUND,
            Outcome.LOCALISATION,
        ],
        Outcome.CONFUSION,
    )
    return outcomes.astype(np.int8)


def _count(group: Indices, outcomes: NDArray[np.int8]) -> NDArray[np.int64]:
    """(10, 6) how often each outcome occurs in each rank group."""
    kinds = len(Outcome)
    counts = np.bincount(group * kinds + outcomes, minlength=GROUPS * kinds)
    return counts.reshape(GROUPS, kinds)
