"""How a stream fared over time: latencies and what is missing, by buckets of time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from contracts.types import TimeSpan
from inference.history.database import Database
from inference.history.scores import STAGES, find_stream

_PER_MS = 100
_PERCENTILES = (50, 95)


@dataclass(frozen=True, slots=True, eq=False)
class HealthTable:
    """Buckets of equal length, by time.

    Attributes:
        at: ``(B,)`` float64 UTC seconds at which each bucket begins.
        windows: ``(B,)`` int64 windows that start in the bucket.
        missing: ``(B,)`` int64 windows that were published and not kept: holes in their numbers.
        frames_missing: ``(B,)`` int64 places of these windows that the video did not fill.
        latency: ``(B, 2, 4)`` float64 milliseconds: median and 95th percentile of each of
            ``STAGES``; NaN without windows.
    """

    at: NDArray[np.float64]
    windows: NDArray[np.int64]
    missing: NDArray[np.int64]
    frames_missing: NDArray[np.int64]
    latency: NDArray[np.float64]


def read_health(database: Database, stream: str, span: TimeSpan, buckets: int) -> HealthTable:
    """Read how a stream fared.

    Args:
        database: Of the history.
        stream: Name of the stream.
        span: UTC seconds.
        buckets: Into how many parts to cut the span.

    Raises:
        KeyError: Nothing was ever kept of the stream.
        HistoryError: The file cannot be read.
    """
    width = (span.end - span.start) / buckets
    table = HealthTable(
        at=span.start + np.arange(buckets, dtype=np.float64) * width,
        windows=np.zeros(buckets, np.int64),
        missing=np.zeros(buckets, np.int64),
        frames_missing=np.zeros(buckets, np.int64),
        latency=np.full((buckets, len(_PERCENTILES), len(STAGES)), np.nan),
    )
    with database.read() as connection:
        number = find_stream(connection, stream)
        cursor = connection.cursor()
        cursor.row_factory = None
        cursor.execute(
            """SELECT start, seq, missing, decode, wait, model, total
            FROM scores WHERE stream = ? AND start >= ? AND start < ?""",
            (number, span.start, span.end),
        )
        facts = np.fromiter(chain.from_iterable(cursor), np.float64).reshape(-1, 3 + len(STAGES))
    _fill(table, facts, np.minimum((facts[:, 0] - span.start) // width, buckets - 1))
    return table


def _fill(table: HealthTable, facts: NDArray[np.float64], bucket: NDArray[np.float64]) -> None:
    # Numbers start again with the worker.
    skipped = np.maximum(np.diff(facts[:, 1], prepend=facts[:1, 1] - 1) - 1, 0)
    edges = np.searchsorted(bucket, np.arange(len(table.at) + 1))
    for index, (first, last) in enumerate(pairwise(edges)):
        if first < last:
            part = facts[first:last]
            table.windows[index] = last - first
            table.missing[index] = skipped[first:last].sum()
            table.frames_missing[index] = part[:, 2].sum()
            table.latency[index] = np.percentile(part[:, 3:], _PERCENTILES, axis=0) / _PER_MS
