"""The small pictures of events that ended, kept with them in the history."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from contracts.messages import Event
from contracts.types import Picture, TimeSpan
from inference.history.database import Database
from inference.history.schema import stream_id

_LOG = logging.getLogger(__name__)
_TOTAL = "SELECT COALESCE(SUM(LENGTH(jpeg)), 0) FROM event_pictures"


class EventPictures:
    """Pictures of events. Thread-safe."""

    def __init__(self, database: Database, max_bytes: int) -> None:
        """Keep the file.

        Args:
            database: An open history; its events are written before their pictures are handed over.
            max_bytes: Beyond it, the oldest pictures go.
        """
        self._database = database
        self._max_bytes = max_bytes
        self._bytes: int | None = None

    def keep(self, event: Event, pictures: Sequence[Picture]) -> None:
        """Keep what an event showed; returns at once.

        Args:
            event: One that ended. Without it in the history, nothing is kept.
            pictures: A few.
        """

        def work(connection: sqlite3.Connection) -> None:
            known = connection.execute("SELECT 1 FROM events WHERE id = ?", (event.id,)).fetchone()
            if known is None:
                return
            stream = stream_id(connection, event.stream)
            connection.executemany(
                "INSERT OR REPLACE INTO event_pictures (event, stream, at, jpeg)"
                " VALUES (?, ?, ?, ?)",
                [(event.id, stream, picture.at, picture.jpeg) for picture in pictures],
            )
            self._trim(connection, sum(len(picture.jpeg) for picture in pictures))

        self._database.write(work)

    def times(self, event: str) -> list[float]:
        """UTC seconds of an event's pictures, oldest first.

        Args:
            event: Its id.

        Raises:
            HistoryError: The file cannot be read.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT at FROM event_pictures WHERE event = ? ORDER BY at", (event,)
            )
            return [row["at"] for row in rows]

    def between(self, stream: str, span: TimeSpan, limit: int) -> list[float]:
        """UTC seconds of the pictures that are kept of a stream, oldest first.

        Args:
            stream: Its name.
            span: UTC seconds.
            limit: Most times wanted; the newest count.

        Raises:
            HistoryError: The file cannot be read.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT at FROM event_pictures"
                " WHERE stream = (SELECT id FROM streams WHERE name = ?) AND at >= ? AND at < ?"
                " ORDER BY at DESC LIMIT ?",
                (stream, span.start, span.end, limit),
            )
            return [row["at"] for row in rows][::-1]

    def nearest(self, stream: str, at: float) -> Picture | None:
        """The picture of a stream that is nearest to a time.

        Args:
            stream: Its name.
            at: UTC seconds.

        Raises:
            HistoryError: The file cannot be read.
        """
        found: list[Picture] = []
        with self._database.read() as connection:
            for condition in ("at <= ? ORDER BY at DESC", "at > ? ORDER BY at"):
                row = connection.execute(
                    "SELECT at, jpeg FROM event_pictures WHERE stream ="
                    f" (SELECT id FROM streams WHERE name = ?) AND {condition} LIMIT 1",
                    (stream, at),
                ).fetchone()
                if row is not None:
                    found.append(Picture(row["at"], row["jpeg"]))
        return min(found, key=lambda picture: abs(picture.at - at), default=None)

    def _trim(self, connection: sqlite3.Connection, added: int) -> None:
        """Delete the oldest beyond the limit; on the writer's thread.

        The sum is counted along, and taken anew from the file now and then: pictures also go with
        their events.
        """
        if self._bytes is not None:
            self._bytes += added
        if self._bytes is None or self._bytes > self._max_bytes:
            self._bytes = connection.execute(_TOTAL).fetchone()[0]
        while self._bytes > self._max_bytes:
            # A tenth at once: so the sum is not taken at every event.
            connection.execute(
                "DELETE FROM event_pictures WHERE at <= (SELECT at FROM event_pictures ORDER BY at"
                " LIMIT 1 OFFSET (SELECT COUNT(*) / 10 FROM event_pictures))"
            )
            self._bytes = connection.execute(_TOTAL).fetchone()[0]
            _LOG.debug("the oldest pictures of events were deleted")
