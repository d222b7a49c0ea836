"""Actions that began, go on or ended, one row each."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts.messages import Event
from contracts.types import TimeSpan
from inference.history.database import Database
from inference.history.schema import stream_id
from inference.history.scores import find_stream

_UPSERT = """INSERT INTO events (id, stream, label, start, end, score, peak, model, updated)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        start = excluded.start, end = excluded.end, score = excluded.score, peak = excluded.peak,
        updated = excluded.updated"""
_SELECT = """SELECT events.id, streams.name AS stream, label, score, peak, start, end, model
    FROM events JOIN streams ON streams.id = events.stream"""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An action as it is known now.

    Attributes:
        id: As in its messages.
        stream: Name of the stream.
        label: The action.
        score: Smoothed score at its last message; of an ended one, the mean over the action.
        peak: Highest smoothed score.
        start: UTC seconds at which it began.
        end: UTC seconds at which it ended; nothing while it goes on.
        model: ``name@version``.
    """

    id: str
    stream: str
    label: str
    score: float
    peak: float
    start: float
    end: float | None
    model: str


class EventHistory:
    """Keeps the events of all streams. Thread-safe."""

    def __init__(self, database: Database) -> None:
        """Keep them in a database, and end those that a killed worker left open.

        They end at their last sign of life.
        """
        self._database = database
        database.write("UPDATE events SET end = max(start, updated) WHERE end IS NULL")

    def put(self, message: Event, now: float) -> bool:
        """Keep what changed; returns at once.

        Args:
            message: The change.
            now: UTC seconds; the event goes on at least until then, unless it ended.

        Returns:
            False if too much waits already and the change is lost.
        """
        return self._database.write(partial(_upsert, message, now))

    def read(
        self, span: TimeSpan, limit: int, stream: str | None = None, label: str | None = None
    ) -> list[KeptEvent]:
        """Read the newest events that touch a span, newest last.

        Args:
            span: UTC seconds.
            limit: Most events wanted.
            stream: Name of the stream; all without one.
            label: Of the actions; all without one.

        Raises:
            KeyError: Nothing was ever kept of the stream.
            HistoryError: The file cannot be read.
        """
        where = "start < :until AND (end IS NULL OR end >= :since)"
        values: dict[str, Any] = {"until": span.end, "since": span.start, "limit": limit}
        with self._database.read() as connection:
            if stream is not None:
                where += " AND stream = :stream"
                values["stream"] = find_stream(connection, stream)
            if label is not None:
                where += " AND label = :label"
                values["label"] = label
            rows = connection.execute(
                f"{_SELECT} WHERE {where} ORDER BY start DESC LIMIT :limit", values
            ).fetchall()
        return [KeptEvent(*row) for row in reversed(rows)]

    def find(self, stream: str, event: str) -> KeptEvent:
        """One event.

        Raises:
            KeyError: There is none of that id and stream.
            HistoryError: The file cannot be read.
        """
        with self._database.read() as connection:
            row = connection.execute(
                f"{_SELECT} WHERE events.id = ? AND name = ?", (event, stream)
            ).fetchone()
        if row is None:
            raise KeyError(event)
        return KeptEvent(*row)


def _upsert(message: Event, now: float, connection: sqlite3.Connection) -> None:
    connection.execute(
        _UPSERT,
        (
            message.id,
            stream_id(connection, message.stream),
            message.label,
            message.start,
            message.end,
            message.score,
            message.peak,
            message.model,
            now,
        ),
    )
