"""How many truths a number of proposals per video finds: AR@AN and the area under it.

After ActivityNet's proposal task (activitynet/ActivityNet, Evaluation/eval_proposal.py): labels do
not count, a truth is found when any of the proposals looked at reaches the overlap, and a video
with many proposals gets many of the budget: each gives the same *share* of its proposals, so that
the average over videos is the number on the axis. Of equal scores, undefined there, the earlier row
goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.detection import ACTIVITYNET_TIOUS
from training.metrics.matching import NOTHING, Indices, codes, pair_spans
from training.metrics.spans import Floats, Spans

_POINTS = 100


@dataclass(frozen=True, slots=True, eq=False)
class ProposalResult:
    """Recall by the average number of proposals per video.

    Attributes:
        tious: (K,) float64: thresholds.
        numbers: (100,) float64: average number of proposals per video.
        recall: (K, 100) float64: share of the truths that were found.
    """

    tious: Floats
    numbers: Floats
    recall: Floats

    @property
    def average_recall(self) -> Floats:
        """(100,) recall, averaged over the thresholds."""
        return np.asarray(self.recall.mean(axis=0))

    @property
    def auc(self) -> float:
        """Area under the average recall, as a share of the largest possible."""
        return float(np.trapezoid(self.average_recall, self.numbers) / self.numbers[-1])

    def at(self, number: float) -> float:
        """Return the average recall at an average number of proposals (AR@AN), interpolated."""
        return float(np.interp(number, self.numbers, self.average_recall))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, rounded to four digits."""
        return {
            "auc": round(self.auc, 4),
            "proposals_per_video": np.round(self.numbers, 4).tolist(),
            "average_recall": np.round(self.average_recall, 4).tolist(),
        }


def evaluate_proposals(
    truth: Spans,
    proposals: Spans,
    largest: float = 100.0,
    tious: Sequence[float] = ACTIVITYNET_TIOUS,
) -> ProposalResult:
    """Judge proposals, whatever their labels.

    Args:
        truth: What there is to find.
        proposals: In any order; those of videos without truth only take part in the share that
            every video gives, as in the official code.
        largest: Average number of proposals per video at the right end of the axis.
        tious: Thresholds of temporal overlap.

    Returns:
        Recall by number of proposals.

    Raises:
        ValueError: There is no truth or no proposal for any of its videos.
    """
    videos, of_truth, of_proposal = codes(truth.videos, proposals.videos)
    made = np.bincount(of_proposal[of_proposal != NOTHING], minlength=len(videos))
    if not made.sum():
        raise ValueError("no proposal lies in a video with truth")
    ratio = largest * len(videos) / len(proposals)
    used = np.minimum((made * ratio).astype(np.int64), made)
    if not used.sum():
        raise ValueError(f"no video has proposals enough for {largest:g} on average")
    share = np.arange(1, _POINTS + 1) / _POINTS * (largest * len(videos) / used.sum())
    limits = np.minimum((used[:, None] * share).astype(np.int64), used[:, None])
    thresholds = np.asarray(tious, np.float64)
    first = _first_finder((truth, proposals), _ranks(of_proposal, proposals.scores), thresholds)
    recall = [(row[:, None] < limits[of_truth]).mean(axis=0) for row in first]
    return ProposalResult(thresholds, share * (used.sum() / len(videos)), np.stack(recall))


def _ranks(groups: Indices, scores: Floats) -> NDArray[np.int64]:
    """Place of each proposal among those of its video, the best first."""
    order = np.lexsort((-scores, groups))
    sorted_groups = groups[order]
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.searchsorted(sorted_groups, sorted_groups)
    return ranks


def _first_finder(
    spans: tuple[Spans, Spans], ranks: NDArray[np.int64], tious: Floats
) -> NDArray[np.int64]:
    """(K, G) rank of the best proposal that finds each truth."""
    truth, proposals = spans
    pairs = pair_spans(proposals, truth, None, float(tious.min()))
    first = np.full((len(tious), len(truth)), np.iinfo(np.int64).max)
    for row, tiou in zip(first, tious, strict=True):
        keep = pairs.tious >= tiou
        np.minimum.at(row, pairs.truths[keep], ranks[pairs.rows[keep]])
    return first
