"""Fewer windows for a graph, without losing a peak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRONGEST = 5
"""Classes of each bucket whose peak is kept: as many lines as a graph usually shows."""


def peak_windows(
    scores: NDArray[np.uint16], bucket: NDArray[np.float64], strongest: int = STRONGEST
) -> NDArray[np.intp]:
    """Choose the windows that hold the peaks.

    Of each bucket, the classes with the highest scores in it are looked at, and of each of these
    the first window in which it is highest is kept. So the highest score of every bucket is kept,
    and whatever rises above the others for a moment.

    Args:
        scores: ``(N, C)`` scores in any unit, by time.
        bucket: ``(N,)`` whole number of each window's bucket, never falling.
        strongest: Classes looked at in each bucket.

    Returns:
        Indices of the kept windows, rising; at most ``strongest`` of each bucket.
    """
    if not scores.size:
        return np.empty(0, np.intp)
    first = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    row = np.repeat(np.arange(len(first)), np.diff(first, append=len(bucket)))
    peaks = np.maximum.reduceat(scores, first, axis=0)
    count = min(strongest, scores.shape[1])
    classes = np.argpartition(peaks, -count, axis=1)[:, -count:]
    is_peak = (
        np.take_along_axis(scores, classes[row], 1) == np.take_along_axis(peaks, classes, 1)[row]
    )
    kept = [at[np.unique(row[at], return_index=True)[1]] for at in map(np.flatnonzero, is_peak.T)]
    return np.unique(np.concatenate(kept))
