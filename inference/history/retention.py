"""Old things go, in steps so small that the writer is never late."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable

from contracts.settings import HistorySettings

_DAY_S = 86_400
_WINDOWS = 2000
_EVENTS = 200
_PAGES = 256
_PAGE_BYTES = 4096
"""Of every file that SQLite makes, unless told otherwise."""
_MUCH_FREE = 0.1


class Retention:
    """Forgets what is too old, and the oldest when the file is too large."""

    def __init__(self, settings: HistorySettings, clock: Callable[[], float] = time.time) -> None:
        """Take the limits.

        Args:
            settings: Ages and size.
            clock: Tells UTC seconds.
        """
        self._settings = settings
        self._clock = clock

    def step(self, connection: sqlite3.Connection) -> bool:
        """Forget a little; some milliseconds.

        Args:
            connection: The writer's, in autocommit mode.

        Returns:
            Whether there is more to do.
        """
        now = self._clock()
        scores_after = now - self._settings.scores_days * _DAY_S
        events_after = now - self._settings.events_days * _DAY_S
        if _delete_scores(connection, scores_after) or _delete_events(connection, events_after):
            return True
        pages, free = _pages(connection)
        limit = self._settings.max_mb * 1_000_000 // _PAGE_BYTES
        too_large = pages - free > limit and (
            _delete_scores(connection, math.inf) or _delete_events(connection, math.inf)
        )
        # Pages in use are cheaper to fill again than to give back, as long as they are few.
        if free and (pages > limit or free > _MUCH_FREE * pages):
            # Executed as a script: a plain statement gives back one page only, as it returns one
            # row for each.
            connection.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
            return _pages(connection)[0] < pages
        return bool(too_large)


def _pages(connection: sqlite3.Connection) -> tuple[int, int]:
    """Pages of the file, and how many of them are free."""
    pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count")
    )
    return pages, free


def _delete_scores(connection: sqlite3.Connection, before: float) -> int:
    """Delete windows of the stream with the oldest one; gives how many."""
    oldest = connection.execute(
        """SELECT id, (SELECT min(start) FROM scores WHERE stream = streams.id) AS oldest
        FROM streams WHERE oldest < ? ORDER BY oldest LIMIT 1""",
        (before,),
    ).fetchone()
    if oldest is None:
        return 0
    return connection.execute(
        """DELETE FROM scores WHERE stream = ? AND start < ? AND start <= (
            SELECT max(start) FROM (
                SELECT start FROM scores WHERE stream = ? ORDER BY start LIMIT ?))""",
        (oldest[0], before, oldest[0], _WINDOWS),
    ).rowcount


def _delete_events(connection: sqlite3.Connection, before: float) -> int:
    """Delete the oldest events that have ended; gives how many."""
    return connection.execute(
        """DELETE FROM events WHERE id IN (
            SELECT id FROM events WHERE start < ? AND end IS NOT NULL ORDER BY start LIMIT ?)""",
        (before, _EVENTS),
    ).rowcount
