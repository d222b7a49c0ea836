"""The newest windows of one stream in a bounded ring of numpy arrays.

Every row carries the revision at which it arrived, so that a client that knows revision *n* gets
exactly the rows after *n*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.messages import Scores

MAX_COLUMNS = 1024
STAGES = ("decode", "wait", "model", "total")

# A hole in time is told from jitter by comparing with the usual stride of this many windows.
_STRIDE_WINDOWS = 15
_HOLE_STRIDES = 3.0
_LEAST_HOLE_S = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a ring in the order of their arrival; copies, so that the ring may go on.

    Attributes:
        revision: ``(N,)`` int64, rising: the store's revision at which the row arrived.
        start: ``(N,)`` float64, UTC seconds at which the window starts.
        end: ``(N,)`` float64, UTC seconds at which the window ends.
        scores: ``(N, C)`` float32 in 0-1, NaN where the message named no score.
        top: ``(N,)`` int32 column of the strongest class.
        gap: ``(N,)`` bool, true where windows are missing before the row.
        latency_ms: ``(N, 4)`` float32: decode, wait, model, total.
        reference: Which time in its window a score speaks of, 0 (its start) to 1 (its end).
    """

    revision: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    scores: NDArray[np.float32]
    top: NDArray[np.int32]
    gap: NDArray[np.bool_]
    latency_ms: NDArray[np.float32]
    reference: float = 0.5

    @property
    def moment(self) -> NDArray[np.float64]:
        """``(N,)`` UTC seconds that each window's scores speak of: where they are drawn."""
        return self.start + self.reference * (self.end - self.start)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.revision)

    def since(self, time_s: float) -> Rows:
        """Rows whose moment is not before a time."""
        return self._where(self.moment >= time_s)

    def after(self, revision: int) -> Rows:
        """Rows that arrived after a revision."""
        return self._where(self.revision > revision)

    def thinned(self, spacing_s: float) -> Rows:
        """At most one row per cell of ``spacing_s``; rows after a gap always stay."""
        cell = np.floor(self.moment / spacing_s)
        keep = np.ones(len(self), dtype=bool)
        keep[1:] = (cell[1:] != cell[:-1]) | self.gap[1:]
        return self if keep.all() else self._where(keep)

    def _where(self, keep: NDArray[np.bool_]) -> Rows:
        return Rows(
            revision=self.revision[keep],
            start=self.start[keep],
            end=self.end[keep],
            scores=self.scores[keep],
            top=self.top[keep],
            gap=self.gap[keep],
            latency_ms=self.latency_ms[keep],
            reference=self.reference,
        )


class ScoreRing:
    """Ring of the newest ``capacity`` windows; columns are labels.

    Attributes:
        received: Windows that ever arrived.
        lost: Windows that never arrived, counted from holes in ``seq``.
        overwritten: Revision of the newest row that fell out of the ring, 0 if none did.
        reference: Which time in its window a score speaks of, 0 (its start) to 1 (its end).
    """

    def __init__(self, capacity: int) -> None:
        """Reserve the arrays; the system gives their memory as it is first written."""
        self.received = 0
        self.lost = 0
        self.overwritten = 0
        self.reference = 0.5
        self._columns: dict[str, int] = {}
        self._capacity = capacity
        self._count = 0
        self._last_seq: int | None = None
        self._revision = np.zeros(capacity, dtype=np.int64)
        self._start = np.zeros(capacity, dtype=np.float64)
        self._end = np.zeros(capacity, dtype=np.float64)
        self._top = np.zeros(capacity, dtype=np.int32)
        self._gap = np.zeros(capacity, dtype=bool)
        self._latency = np.zeros((capacity, len(STAGES)), dtype=np.float32)
        self._scores = np.zeros((capacity, 0), dtype=np.float32)

    @property
    def labels(self) -> list[str]:
        """Labels in the order of the columns."""
        return list(self._columns)

    def relabel(self, labels: list[str]) -> bool:
        """Take over a model's labels; what is known of a label that stays is kept.

        Args:
            labels: Labels in the model's order; those beyond ``MAX_COLUMNS`` are left out.

        Returns:
            Whether the columns changed.
        """
        wanted = list(dict.fromkeys(labels))[:MAX_COLUMNS]
        if wanted == self.labels:
            return False
        scores = np.full((self._capacity, len(wanted)), np.nan, dtype=np.float32)
        place = np.zeros(len(self._columns) + 1, dtype=np.int32)
        for new, label in enumerate(wanted):
            old = self._columns.get(label)
            if old is not None:
                scores[:, new] = self._scores[:, old]
                place[old] = new
        self._top = place[self._top]
        self._scores = scores
        self._columns = {label: column for column, label in enumerate(wanted)}
        return True

    def append(self, message: Scores, revision: int) -> None:
        """Store one window.

        Args:
            message: The scores as received.
            revision: Revision of the store, higher than any before.
        """
        gap = self._hole_before(message)
        unknown = [label for label in message.scores if label not in self._columns]
        if unknown:
            self.relabel(self.labels + unknown)
        row = self._count % self._capacity
        if self._count >= self._capacity:
            self.overwritten = int(self._revision[row])
        self._revision[row] = revision
        self._start[row] = message.window.start
        self._end[row] = message.window.end
        self._gap[row] = gap
        self._top[row] = self._columns.get(message.top.label, 0)
        latency = message.latency_ms
        self._latency[row] = (latency.decode, latency.wait, latency.model, latency.total)
        self._scores[row] = np.nan
        for label, score in message.scores.items():
            column = self._columns.get(label)
            if column is not None:
                self._scores[row, column] = score
        self._count += 1
        self.received += 1
        self._last_seq = message.seq

    def rows(self, newest: int | None = None) -> Rows:
        """The newest rows, or all that are kept, oldest first."""
        kept = min(self._count, self._capacity)
        number = kept if newest is None else min(newest, kept)
        order = np.arange(self._count - number, self._count) % self._capacity
        return Rows(
            revision=self._revision[order],
            start=self._start[order],
            end=self._end[order],
            scores=self._scores[order],
            top=self._top[order],
            gap=self._gap[order],
            latency_ms=self._latency[order],
            reference=self.reference,
        )

    def _hole_before(self, message: Scores) -> bool:
        """Whether windows are missing before this one; counts those that ``seq`` shows as lost."""
        if self._last_seq is None:
            return False
        # A number that does not grow is a worker that started again: nothing was lost then.
        skipped = message.seq - self._last_seq - 1
        if skipped > 0:
            self.lost += skipped
        return skipped != 0 or self._time_hole_before(message.window.end)

    def _time_hole_before(self, end: float) -> bool:
        ends = self.rows(_STRIDE_WINDOWS).end
        if len(ends) < 3:
            return False
        stride = float(np.median(np.diff(ends)))
        step = end - float(ends[-1])
        return step < 0 or step > max(_LEAST_HOLE_S, _HOLE_STRIDES * stride)
