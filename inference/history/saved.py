"""What people changed of the streams over REST and MQTT, so that a restart does not undo it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.messages import EventRule
from contracts.settings import StreamSettings
from inference.history.database import Database, HistoryError
from inference.stream import Control

_LOG = logging.getLogger(__name__)
_RULES = TypeAdapter(dict[str, EventRule])


class Origin(StrEnum):
    """Who named a stream: the settings, a caller of the API, or whoever publishes its path."""

    SETTINGS = "settings"
    API = "api"
    DISCOVERED = "discovered"


@dataclass(frozen=True, slots=True)
class SavedStream:
    """A stream as people left it.

    Attributes:
        settings: As they were changed last.
        origin: Who named it first.
        removed: Whether it was taken away since.
    """

    settings: StreamSettings
    origin: Origin
    removed: bool = False

    def over(self, named: StreamSettings) -> StreamSettings:
        """What holds for a stream that is named anew: its URL, and else what was changed here."""
        return self.settings.model_copy(update={"url": named.url})


class SavedState:
    """The saved streams and what was tuned of them. Thread-safe.

    A history that fails now costs the memory of a change, not the change: it is logged.
    """

    def __init__(self, database: Database) -> None:
        """Keep the file.

        Args:
            database: An open history.
        """
        self._database = database

    def streams(self) -> dict[str, SavedStream]:
        """Every saved stream by name."""
        rows = self._read("SELECT * FROM saved_streams")
        found: dict[str, SavedStream] = {}
        for row in rows:
            try:
                settings = StreamSettings.model_validate_json(row["settings"])
                found[row["name"]] = SavedStream(
                    settings, Origin(row["origin"]), bool(row["removed"])
                )
            except ValueError as exc:
                _LOG.warning("the saved stream %s cannot be read: %s", row["name"], exc)
        return found

    def save_stream(self, stream: SavedStream) -> None:
        """Remember a stream that was added, changed or removed; waits until that is on disk."""
        settings = stream.settings
        values = (settings.name, settings.model_dump_json(), stream.origin, stream.removed)
        self._now(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO saved_streams (name, settings, origin, removed)"
                " VALUES (?, ?, ?, ?)",
                values,
            ),
            settings.name,
        )

    def forget_stream(self, name: str) -> None:
        """Forget a stream, as if it had never been changed, added or removed."""
        self._now(
            lambda connection: connection.execute(
                "DELETE FROM saved_streams WHERE name = ?", (name,)
            ),
            name,
        )

    def control(self, name: str) -> Control:
        """What was tuned of a stream."""
        for row in self._read("SELECT paused, rules FROM saved_controls WHERE stream = ?", name):
            try:
                return Control(bool(row["paused"]), _RULES.validate_json(row["rules"]))
            except ValidationError as exc:
                _LOG.warning("the saved rules of %s cannot be read: %s", name, exc)
        return Control()

    def save_control(self, name: str, control: Control) -> None:
        """Remember what was tuned; returns at once."""
        if control == Control():
            self._database.write("DELETE FROM saved_controls WHERE stream = ?", (name,))
            return
        rules = _RULES.dump_json(dict(control.rules)).decode()
        self._database.write(
            "INSERT OR REPLACE INTO saved_controls (stream, paused, rules) VALUES (?, ?, ?)",
            (name, control.paused, rules),
        )

    def _read(self, query: str, *parameters: str) -> list[sqlite3.Row]:
        try:
            with self._database.read() as connection:
                return connection.execute(query, parameters).fetchall()
        except HistoryError as exc:
            _LOG.warning("what was changed of the streams is not put back: %s", exc)
            return []

    def _now(self, work: Callable[[sqlite3.Connection], Any], name: str) -> None:
        try:
            self._database.write_now(work)
        except HistoryError as exc:
            _LOG.warning("a restart will undo what was changed of %s: %s", name, exc)
