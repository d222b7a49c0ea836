"""Tables of the history, as an ordered list of steps: the file's version is the steps it has taken.

A step that was released is never changed; what comes later is a further step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.errors import ConfigError

_SCORES_AND_EVENTS = (
    "CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    # The columns of the scores: one row per model and set of labels, in the order of the scores.
    """CREATE TABLE label_sets (
        id INTEGER PRIMARY KEY, model TEXT NOT NULL, labels TEXT NOT NULL, UNIQUE (model, labels)
    )""",
    # Clustered by stream and time, which is how it is asked for. Whole numbers are small in
    # SQLite: latencies in hundredths of a millisecond, brightness in thousandths, sharpness in
    # tenths.
    """CREATE TABLE scores (
        stream INTEGER NOT NULL REFERENCES streams,
        start REAL NOT NULL,
        end REAL NOT NULL,
        seq INTEGER NOT NULL,
        label_set INTEGER NOT NULL REFERENCES label_sets,
        scores BLOB NOT NULL,
        decode INTEGER NOT NULL,
        wait INTEGER NOT NULL,
        model INTEGER NOT NULL,
        total INTEGER NOT NULL,
        brightness INTEGER NOT NULL,
        sharpness INTEGER NOT NULL,
        missing INTEGER NOT NULL,
        PRIMARY KEY (stream, start)
    ) WITHOUT ROWID""",
    """CREATE TABLE events (
        id TEXT PRIMARY KEY,
        stream INTEGER NOT NULL REFERENCES streams,
        label TEXT NOT NULL,
        start REAL NOT NULL,
        end REAL,
        score REAL NOT NULL,
        peak REAL NOT NULL,
        model TEXT NOT NULL,
        updated REAL NOT NULL
    )""",
    "CREATE INDEX events_of_stream ON events (stream, start)",
    "CREATE INDEX events_by_start ON events (start)",
)

_PICTURES_FEEDBACK_AND_CHANGES = (
    # What an event showed goes with the event.
    """CREATE TABLE event_pictures (
        event TEXT NOT NULL REFERENCES events ON DELETE CASCADE,
        stream INTEGER NOT NULL REFERENCES streams,
        at REAL NOT NULL,
        jpeg BLOB NOT NULL,
        PRIMARY KEY (event, at)
    )""",
    "CREATE INDEX event_pictures_of_stream ON event_pictures (stream, at)",
    "CREATE INDEX event_pictures_by_time ON event_pictures (at)",
    # Features and their times as NumPy writes them to a file; NULL where none were at hand.
    """CREATE TABLE feedback (
        id TEXT PRIMARY KEY,
        stream INTEGER NOT NULL REFERENCES streams,
        start REAL NOT NULL,
        end REAL NOT NULL,
        verdict TEXT NOT NULL,
        label TEXT NOT NULL,
        event TEXT,
        note TEXT NOT NULL,
        model TEXT NOT NULL,
        created REAL NOT NULL,
        frames INTEGER NOT NULL,
        lacking TEXT NOT NULL,
        features BLOB,
        times BLOB,
        bytes INTEGER NOT NULL
    )""",
    "CREATE INDEX feedback_of_stream ON feedback (stream, created)",
    """CREATE TABLE feedback_pictures (
        feedback TEXT NOT NULL REFERENCES feedback ON DELETE CASCADE,
        at REAL NOT NULL,
        jpeg BLOB NOT NULL,
        PRIMARY KEY (feedback, at)
    )""",
    """CREATE TABLE saved_streams (
        name TEXT PRIMARY KEY,
        settings TEXT NOT NULL,
        origin TEXT NOT NULL,
        removed INTEGER NOT NULL
    )""",
    """CREATE TABLE saved_controls (
        stream TEXT PRIMARY KEY, paused INTEGER NOT NULL, rules TEXT NOT NULL
    )""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_SCORES_AND_EVENTS, _PICTURES_FEEDBACK_AND_CHANGES)
"""Statements of each step. Names of streams are held once, in ``streams``: see ``stream_id``."""


def migrate(
    connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS
) -> None:
    """Bring a file to the newest version; each step is taken as a whole or not at all.

    Args:
        connection: Without an open transaction, in autocommit mode.
        migrations: The steps.

    Raises:
        ConfigError: The file was written by a newer version of the product.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        raise ConfigError(
            f"The history was written by a newer version (its format is {version}, this version"
            f" reads up to {len(migrations)}).",
            "Run the newer version, or set `history.path` to another file.",
        )
    for number, statements in enumerate(migrations[version:], start=version + 1):
        with transaction(connection):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Let what the block writes take effect as a whole or not at all.

    Args:
        connection: In autocommit mode, without an open transaction.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk ends the transaction by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def stream_id(connection: sqlite3.Connection, name: str) -> int:
    """Number of a stream in the other tables; a new name gets one.

    Args:
        connection: The writer's.
        name: Name of the stream.
    """
    connection.execute("INSERT OR IGNORE INTO streams (name) VALUES (?)", (name,))
    found: int = connection.execute("SELECT id FROM streams WHERE name = ?", (name,)).fetchone()[0]
    return found
