"""Which detection finds which truth, by ActivityNet's rules, for all videos and classes at once.

ActivityNet's evaluation (activitynet/ActivityNet, Evaluation/eval_detection.py) goes through the
predictions of a class by falling score; each takes, of the truths of its video, the one it overlaps
most and that is still free, as long as the overlap reaches the threshold. That is a matching in
which every truth prefers the higher score; where one side agrees on a ranking, exactly one matching
is stable, and deferred acceptance (Gale and Shapley 1962) reaches it with all predictions of all
classes proposing at once. Hence the same result as the loop, in a few rounds over arrays.

Undefined there and fixed here: of equal scores the earlier row goes first, of equal overlaps the
earlier truth. A span without length overlaps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics.spans import Floats, Spans, paired_iou

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

NOTHING = -1
"""Stands where a detection found no truth."""

# Rows whose pairs are laid out at once: with a hundred truths each, 3 million pairs of 8 bytes.
_BLOCK = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Which detections are right.

    Attributes:
        labels: (C) classes that occur in the truth, sorted.
        truths: (C,) int: truths of each class.
        tious: (K,) float64: thresholds.
        order: (P,) int: rows of the detections, class after class, by falling score; those of
            classes that do not occur in the truth are left out.
        bounds: (C + 1,) int: the detections of class c stand at ``bounds[c]:bounds[c + 1]``.
        scores: (P,) float64: scores in this order.
        taken: (K, P) int: row of the truth that a detection found, or `NOTHING`.
        ignored: (P,) bool: lies on an ignored span, so not wrong where it is not right.
    """

    labels: tuple[str, ...]
    truths: NDArray[np.int64]
    tious: Floats
    order: Indices
    bounds: Indices
    scores: Floats
    taken: Indices
    ignored: Mask

    @property
    def hits(self) -> Mask:
        """(K, P) bool: the detection is right."""
        return np.not_equal(self.taken, NOTHING)

    def of_class(self, number: int) -> slice:
        """Return the places at which the detections of a class stand."""
        return slice(int(self.bounds[number]), int(self.bounds[number + 1]))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Overlaps of spans with truths of the same group.

    Attributes:
        rows: (M,) int: rows of the spans, ascending; of one row, the largest overlap first.
        truths: (M,) int: rows of the truths.
        tious: (M,) float64, above 0.
    """

    rows: Indices
    truths: Indices
    tious: Floats

    def best(self) -> Pairs:
        """Return the largest overlap of every row that has one."""
        first = np.flatnonzero(np.diff(self.rows, prepend=NOTHING))
        return Pairs(self.rows[first], self.truths[first], self.tious[first])


def match_detections(
    truth: Spans, detections: Spans, tious: Sequence[float] | Floats, ignored: Spans | None = None
) -> Matches:
    """Match detections with truths of the same video and label.

    Args:
        truth: What there is to find.
        detections: In any order; of videos without truth all are wrong.
        tious: Thresholds in (0, 1]; an overlap equal to the threshold counts.
        ignored: Spans of any label; a detection that finds no truth and overlaps one of them,
            however little, is neither right nor wrong (THUMOS14's evaluation kit).

    Returns:
        What was found at each threshold.

    Raises:
        ValueError: There is no truth, a threshold is out of range or a score is not a number.
    """
    thresholds = np.atleast_1d(np.asarray(tious, np.float64))
    if truth.start_s.size == 0:
        raise ValueError("there is no truth to compare with")
    if not thresholds.size or thresholds.min() <= 0 or thresholds.max() > 1:
        raise ValueError(f"tIoU thresholds lie above 0 and not above 1, not {thresholds.tolist()}")
    if np.isnan(detections.scores).any():
        raise ValueError("a detection has a score that is not a number")
    labels, of_truth, of_detection = codes(truth.labels, detections.labels)
    order = np.lexsort((-detections.scores, of_detection))
    order = order[np.count_nonzero(of_detection == NOTHING) :]
    ranked, classes = detections.select(order), of_detection[order]
    pairs = pair_spans(ranked, truth, (classes, of_truth), float(thresholds.min()))
    return Matches(
        labels=tuple(labels.tolist()),
        truths=np.bincount(of_truth, minlength=len(labels)),
        tious=thresholds,
        order=order,
        bounds=np.searchsorted(classes, np.arange(len(labels) + 1)),
        scores=ranked.scores,
        taken=np.stack([_take(pairs, float(t), (len(ranked), len(truth))) for t in thresholds]),
        ignored=_lie_on(ranked, ignored),
    )


def pair_spans(
    spans: Spans, truth: Spans, classes: tuple[Indices, Indices] | None, least: float
) -> Pairs:
    """Pair spans with the truths of their video that they overlap.

    Args:
        spans: The spans.
        truth: The truths.
        classes: Class numbers of spans and of truths, which must be equal in a pair; None pairs
            whatever lies in one video.
        least: Smallest overlap that is of interest; 0 takes every pair that overlaps at all.

    Returns:
        The pairs.
    """
    names, of_truth, of_span = codes(truth.videos, spans.videos)
    if classes is not None:
        of_span = np.where(of_span == NOTHING, NOTHING, classes[0] * len(names) + of_span)
        of_truth = classes[1] * len(names) + of_truth
    found = list(_overlaps((spans, of_span), (truth, of_truth), least))
    pairs = Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))
    order = np.lexsort((pairs.truths, -pairs.tious, pairs.rows))
    return Pairs(pairs.rows[order], pairs.truths[order], pairs.tious[order])


def codes(
    truth: NDArray[np.str_], names: NDArray[np.str_]
) -> tuple[NDArray[np.str_], Indices, Indices]:
    """Number names by their place among those of the truth.

    Args:
        truth: (G,) names that count.
        names: (P,) names.

    Returns:
        The distinct names of the truth, sorted; the number of each of the truth's names; the number
        of each of the others, `NOTHING` where the truth does not know it.
    """
    known, of_truth = np.unique(truth, return_inverse=True)
    if not known.size:
        return known, of_truth, np.full(len(names), NOTHING, np.intp)
    place = np.minimum(np.searchsorted(known, names), known.size - 1)
    return known, of_truth, np.where(known[place] == names, place, NOTHING)


def expand(first: Indices, count: Indices) -> tuple[Indices, Indices]:
    """Lay out ranges one after another.

    Args:
        first: (N,) int: where the range of each row begins.
        count: (N,) int: how long it is.

    Returns:
        For each item of each range, its row and its place.
    """
    rows = np.repeat(np.arange(count.size), count)
    within = np.arange(rows.size) - np.repeat(np.cumsum(count) - count, count)
    return rows, first[rows] + within


def _overlaps(
    grouped: tuple[Spans, Indices], grouped_truth: tuple[Spans, Indices], least: float
) -> Iterator[tuple[Indices, Indices, Floats]]:
    """Yield (row, truth, tIoU) of the pairs within a group, some thousand rows at a time."""
    (spans, groups), (truth, truth_groups) = grouped, grouped_truth
    by_group = np.argsort(truth_groups, kind="stable")
    first = np.searchsorted(truth_groups[by_group], groups)
    count = np.searchsorted(truth_groups[by_group], groups, "right") - first
    for begin in range(0, max(len(spans), 1), _BLOCK):
        rows, truths = expand(first[begin : begin + _BLOCK], count[begin : begin + _BLOCK])
        rows, truths = rows + begin, by_group[truths]
        tious = paired_iou(
            spans.start_s[rows], spans.end_s[rows], truth.start_s[truths], truth.end_s[truths]
        )
        keep = (tious >= least) & (tious > 0)
        yield rows[keep], truths[keep], tious[keep]


def _take(pairs: Pairs, tiou: float, sizes: tuple[int, int]) -> Indices:
    """Return the truth that each row gets, when lower rows choose first."""
    keep = pairs.tious >= tiou
    rows = pairs.rows[keep]
    begin = np.flatnonzero(np.diff(rows, prepend=NOTHING))
    holder = _propose(pairs.truths[keep], begin, np.append(begin[1:], rows.size), sizes[1])
    held = np.flatnonzero(holder != begin.size)
    taken = np.full(sizes[0], NOTHING)
    taken[rows[begin[holder[held]]]] = held
    return taken


def _propose(wishes: Indices, begin: Indices, end: Indices, truths: int) -> Indices:
    """Deferred acceptance: truths hold the first proposer that comes, until an earlier one does.

    Args:
        wishes: The truths that proposers wish for, the dearest first.
        begin: (N,) int: where the wishes of each proposer begin.
        end: (N,) int: where they end.
        truths: Number of truths.

    Returns:
        The proposer that each truth ends up with, N where there is none.
    """
    holder = np.full(truths, begin.size)
    cursor, active = begin.copy(), np.arange(begin.size)
    while active.size:
        wanted = wishes[cursor[active]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, active)
        after = holder[wanted]
        displaced = np.unique(before[(before != after) & (before != begin.size)])
        refused = np.concatenate([active[after != active], displaced])
        cursor[refused] += 1
        active = refused[cursor[refused] < end[refused]]
    return holder


def _lie_on(spans: Spans, ignored: Spans | None) -> Mask:
    """Whether spans overlap an ignored span of their video."""
    found = np.zeros(len(spans), np.bool_)
    if ignored is not None:
        found[pair_spans(spans, ignored, None, 0.0).rows] = True
    return found
