"""Figures of frame-wise segmentation: accuracy, edit score, segmental F1@k, midpoint-hit mAP.

After Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection" (CVPR
2017), and its code (colincsl/TemporalConvolutionalNetworks, metrics.py). A *run* is a longest
stretch of frames with one label. Edit score and F1 average over videos, each video counting the
same; MERL Shopping is judged as one sequence, which `join` makes of all videos. (Later papers on
Breakfast, GTEA and 50 Salads pool the counts of all videos into one F1 instead.)

All figures are shares of 1. Deviation: a video without any action in truth and answer counts as
right (1), where the code divides by zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics.matching import Indices, expand
from training.metrics.spans import Floats, paired_iou

Ids = NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class FrameLabels:
    """Truth and answer for every frame of a video.

    Attributes:
        truth: (T,) int: label ids.
        answers: (T,) int: label ids.
        scores: (T, C) floating: score of each label; only `midpoint_map` asks for them.
    """

    truth: Ids
    answers: Ids
    scores: NDArray[np.floating] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Stretches of equal labels without background.

    Attributes:
        labels: (R,) int: label ids.
        start: (R,) int: first frame.
        end: (R,) int: the frame after the last.
    """

    labels: Ids
    start: NDArray[np.int64]
    end: NDArray[np.int64]


def join(videos: Sequence[FrameLabels]) -> FrameLabels:
    """Join videos into one sequence, as MERL Shopping is judged."""
    scores = [video.scores for video in videos if video.scores is not None]
    return FrameLabels(
        np.concatenate([video.truth for video in videos]),
        np.concatenate([video.answers for video in videos]),
        np.concatenate(scores) if len(scores) == len(videos) else None,
    )


def runs_of(labels: Ids, background: int | None) -> Runs:
    """Collapse frames into runs and leave the background out.

    Args:
        labels: (T,) int: label ids.
        background: Id of the background, or None where every label counts.
    """
    starts = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1))
    ends = np.append(starts[1:], labels.size)[: starts.size]
    found = labels[starts]
    keep = np.ones(found.size, np.bool_) if background is None else found != background
    return Runs(found[keep], starts[keep], ends[keep])


def frame_accuracy(videos: Sequence[FrameLabels]) -> float:
    """Return the share of frames with the right label, averaged over videos."""
    return float(np.mean([np.mean(video.truth == video.answers) for video in videos]))


def edit_score(videos: Sequence[FrameLabels], background: int | None) -> float:
    """Return how well the order of the runs fits, averaged over videos.

    One less the Levenshtein distance between the labels of the runs, over the longer of the two.

    Args:
        videos: The videos.
        background: Id of the label whose runs do not count.
    """
    return float(np.mean([_edit_score(video, background) for video in videos]))


def segmental_f1(videos: Sequence[FrameLabels], background: int | None, tiou: float) -> float:
    """Return F1@k: harmonic mean of precision and recall over runs, averaged over videos.

    A run of the answer is right if, of all true runs of its label, the one it overlaps most (the
    earlier of equals) reaches the overlap and no earlier run of the answer has taken it; there is
    no second choice.

    Args:
        videos: The videos.
        background: Id of the label whose runs do not count.
        tiou: Least intersection over union; k is that in percent.
    """
    return float(np.mean([_segmental_f1(video, background, tiou) for video in videos]))


def midpoint_map(videos: Sequence[FrameLabels], background: int | None) -> float:
    """Return mean average precision where a run is right if its middle lies inside the truth.

    After Rohrbach et al., "A Database for Fine Grained Activity Detection of Cooking Activities"
    (CVPR 2012), as THUMOS14's evaluation kit counts: the score of a run is the highest of its label
    inside it; of several runs with their middle in one true run, the surest is right; average
    precision is the mean of the precision at each right one, without envelope. Of equal scores the
    earlier run goes first.

    Args:
        videos: The videos, with scores.
        background: Id of the label that is not averaged.

    Returns:
        Mean over the labels that occur in the truth; 0 where none does.

    Raises:
        ValueError: A video has no scores.
    """
    columns = zip(*(_midpoints(video, background) for video in videos), strict=True)
    labels, hits, scores = (np.concatenate(column) for column in columns)
    truths = np.concatenate([runs_of(video.truth, background).labels for video in videos])
    known, counts = np.unique(truths, return_counts=True)
    found = []
    for label, count in zip(known, counts, strict=True):
        mine = labels == label
        right = hits[mine][np.argsort(-scores[mine], kind="stable")]
        precision = np.cumsum(right) / np.arange(1, right.size + 1)
        found.append(np.sum(precision, where=right) / count)
    return float(np.mean(found)) if found else 0.0


def _edit_score(video: FrameLabels, background: int | None) -> float:
    """Edit score of one video."""
    truth = runs_of(video.truth, background).labels
    answers = runs_of(video.answers, background).labels
    longer = max(truth.size, answers.size)
    return 1.0 - _levenshtein(truth, answers) / longer if longer else 1.0


def _levenshtein(first: Ids, second: Ids) -> int:
    """Fewest insertions, deletions and substitutions between two sequences (unit costs).

    A row of the table at a time. Insertions run along the row, each one dearer than the place
    before: the cheapest way to a place is a running minimum once the price of the way is taken off.
    """
    way = np.arange(second.size + 1)
    row = way.copy()
    for item in first:
        substituted = row[:-1] + (second != item)
        best = np.append(row[0] + 1, np.minimum(substituted, row[1:] + 1))
        row = np.minimum.accumulate(best - way) + way
    return int(row[-1])


def _segmental_f1(video: FrameLabels, background: int | None, tiou: float) -> float:
    """F1@k of one video."""
    truth, answers = runs_of(video.truth, background), runs_of(video.answers, background)
    count = truth.labels.size + answers.labels.size
    if not count:
        return 1.0
    rows, truths = _touching(answers, truth)
    same = answers.labels[rows] == truth.labels[truths]
    rows, truths = rows[same], truths[same]
    overlaps = paired_iou(
        *_seconds(answers.start[rows], answers.end[rows]),
        *_seconds(truth.start[truths], truth.end[truths]),
    )
    order = np.lexsort((truths, -overlaps, rows))
    best = order[np.flatnonzero(np.diff(rows[order], prepend=-1))]
    right = np.unique(truths[best][overlaps[best] >= tiou]).size
    return 2.0 * right / count


def _touching(runs: Runs, truth: Runs) -> tuple[Indices, Indices]:
    """Pairs of runs that share a frame; both are sorted and free of overlap among themselves."""
    first = np.searchsorted(truth.end, runs.start, "right")
    return expand(first, np.searchsorted(truth.start, runs.end, "left") - first)


def _seconds(*frames: NDArray[np.int64]) -> tuple[Floats, ...]:
    """Frame numbers as the floats that overlaps are computed with."""
    return tuple(part.astype(np.float64) for part in frames)


def _midpoints(video: FrameLabels, background: int | None) -> tuple[Ids, NDArray[np.bool_], Floats]:
    """Label, verdict and score of every run of the answer."""
    if video.scores is None:
        raise ValueError("midpoint-hit mAP needs the scores of every frame")
    truth, answers = runs_of(video.truth, background), runs_of(video.answers, background)
    scores = np.array(
        [
            video.scores[start:end, label].max()
            for label, start, end in zip(answers.labels, answers.start, answers.end, strict=True)
        ],
        np.float64,
    )
    middle = (answers.start + answers.end) / 2
    hit = np.searchsorted(truth.start, middle, "right") - 1
    inside = hit >= 0
    inside[inside] &= middle[inside] < truth.end[hit[inside]]
    inside[inside] &= answers.labels[inside] == truth.labels[hit[inside]]
    surest = np.lexsort((-scores, np.where(inside, hit, -1)))
    first = surest[np.flatnonzero(np.diff(np.where(inside, hit, -1)[surest], prepend=-1))]
    hits = np.zeros(scores.size, np.bool_)
    hits[first] = True
    return answers.labels, hits, scores
