"""The history of a worker: hears what it publishes, and is asked for what was."""

from __future__ import annotations

import os
import time
from pathlib import Path

from contracts.messages import Event, Labels, Message, Scores
from contracts.settings import HistorySettings
from contracts.types import TimeSpan
from inference.history.database import Database, HistoryStats
from inference.history.events import EventHistory
from inference.history.health import HealthTable, read_health
from inference.history.retention import Retention
from inference.history.scores import ScoreHistory


def default_path() -> Path:
    """Where the history lies unless a setting says otherwise (XDG Base Directory, version 0.8)."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "actionstream" / "history.sqlite3"


class History:
    """Scores and events of a worker in one file. Every method may be called from any thread.

    Attributes:
        database: The file, for what else is kept in it.
        scores: Scores of every window.
        events: Actions.
    """

    def __init__(self, settings: HistorySettings) -> None:
        """Open the file.

        Args:
            settings: Where it is and how much is kept.

        Raises:
            ConfigError: Another worker uses the file, or a newer version wrote it.
            HistoryError: The file cannot be opened or made.
        """
        path = settings.path.expanduser() if settings.path else default_path()
        self.database = Database(path, Retention(settings).step)
        self.scores = ScoreHistory(self.database)
        self.events = EventHistory(self.database)

    def message(self, stream: str, message: Message) -> None:
        """Keep what was published of a stream."""
        if isinstance(message, Scores):
            self.scores.add(message)
        elif isinstance(message, Event):
            self.events.put(message, time.time())
        elif isinstance(message, Labels):
            self.scores.labels(stream, message)

    def forget(self, stream: str) -> None:
        """Hear that a stream was removed; what it showed is kept until it is too old."""
        self.scores.forget(stream)

    def health(self, stream: str, span: TimeSpan, buckets: int) -> HealthTable:
        """How a stream fared; see :func:`read_health`."""
        return read_health(self.database, stream, span, buckets)

    @property
    def stats(self) -> HistoryStats:
        """Counters of this moment."""
        return self.database.stats

    def close(self) -> None:
        """Write what waits and close the file."""
        self.database.close()
