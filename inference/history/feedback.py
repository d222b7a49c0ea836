"""What people say about spans of a stream, with what the model saw of them."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import ActionstreamError
from contracts.types import Picture
from inference.history.database import Database
from inference.history.schema import stream_id
from inference.recent import FeatureSpan

_COLUMNS = (
    "feedback.id, streams.name AS stream, start, end, verdict, label, event, note, model,"
    " created, frames, lacking,"
    " (SELECT COUNT(*) FROM feedback_pictures WHERE feedback = feedback.id) AS pictures"
)
_FROM = "FROM feedback JOIN streams ON streams.id = feedback.stream"


class Verdict(StrEnum):
    """What a person says: the label is right, it is wrong, or it should have been another."""

    RIGHT = "right"
    WRONG = "wrong"
    OTHER = "other"


class FeedbackFullError(ActionstreamError):
    """All the room for feedback is taken."""

    code = "feedback_full"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person said about a span.

    Attributes:
        id: Identifies it.
        stream: Name of the stream.
        start: UTC seconds at which the span begins.
        end: UTC seconds at which it ends.
        verdict: What is said of the label.
        label: The action: as told, or with ``other`` as it should have been told.
        event: Id of the event it is about, if it is about one.
        note: Whatever else the person wrote.
        model: ``name@version`` of the model that looked at the stream.
        created: UTC seconds at which it was given.
        frames: Frames whose features are kept with it.
        lacking: Why there are no features, in words; else empty.
        pictures: Small pictures kept with it.
    """

    id: str
    stream: str
    start: float
    end: float
    verdict: Verdict
    label: str
    event: str | None
    note: str
    model: str
    created: float
    frames: int = 0
    lacking: str = ""
    pictures: int = 0


class FeedbackStore:
    """Keeps feedback until somebody deletes it. Thread-safe."""

    def __init__(self, database: Database, max_bytes: int) -> None:
        """Keep the file.

        Args:
            database: An open history.
            max_bytes: Most bytes of features and pictures; beyond it feedback is refused.
        """
        self._database = database
        self._max_bytes = max_bytes

    def add(
        self, feedback: Feedback, features: FeatureSpan | None, pictures: Sequence[Picture]
    ) -> None:
        """Keep what a person said; waits until it is on disk.

        Args:
            feedback: What was said.
            features: Of the span's frames.
            pictures: Of the span.

        Raises:
            FeedbackFullError: There is no room for it.
            HistoryError: It could not be written.
        """
        files = (None, None) if features is None else (features.features, features.times)
        blobs = [None if array is None else to_npy(array) for array in files]
        size = sum(len(blob) for blob in blobs if blob) + sum(len(one.jpeg) for one in pictures)

        def work(connection: sqlite3.Connection) -> bool:
            taken = connection.execute("SELECT COALESCE(SUM(bytes), 0) FROM feedback").fetchone()[0]
            if taken + size > self._max_bytes:
                return False
            values = asdict(feedback) | {
                "stream": stream_id(connection, feedback.stream),
                "features": blobs[0],
                "times": blobs[1],
                "bytes": size,
            }
            connection.execute(_INSERT, values)
            connection.executemany(
                "INSERT OR IGNORE INTO feedback_pictures (feedback, at, jpeg) VALUES (?, ?, ?)",
                [(feedback.id, picture.at, picture.jpeg) for picture in pictures],
            )
            return True

        if not self._database.write_now(work):
            raise FeedbackFullError(
                f"Feedback fills the {self._max_bytes // 1_000_000} MB there are for it.",
                "Delete some, or raise `history.max_mb`.",
            )

    def find(self, feedback: str) -> Feedback:
        """One of them.

        Args:
            feedback: Its id.

        Raises:
            KeyError: There is none of that id.
            HistoryError: The file cannot be read.
        """
        return _feedback(self._row(f"SELECT {_COLUMNS} {_FROM} WHERE feedback.id = ?", feedback))

    def newest(self, limit: int, stream: str | None = None) -> list[Feedback]:
        """The newest ones, newest last.

        Args:
            limit: Most wanted.
            stream: Name of the stream; of all streams without one.

        Raises:
            HistoryError: The file cannot be read.
        """
        where, values = ("", []) if stream is None else ("WHERE streams.name = ?", [stream])
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} {_FROM} {where} ORDER BY created DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [_feedback(row) for row in reversed(rows)]

    def delete(self, feedback: str) -> None:
        """Delete one with all that is kept with it.

        Args:
            feedback: Its id.

        Raises:
            KeyError: There is none of that id.
            HistoryError: It could not be deleted.
        """
        deleted = self._database.write_now(
            lambda connection: (
                connection.execute("DELETE FROM feedback WHERE id = ?", (feedback,)).rowcount
            )
        )
        if not deleted:
            raise KeyError(feedback)

    def features(self, feedback: str) -> bytes | None:
        """Features of its frames as the content of a ``.npy`` file: ``(N, D)`` float16.

        Args:
            feedback: Its id.

        Returns:
            The file, or ``None`` where there are no features.

        Raises:
            KeyError: There is none of that id.
            HistoryError: The file cannot be read.
        """
        row = self._row("SELECT features FROM feedback WHERE id = ?", feedback)
        return None if row["features"] is None else bytes(row["features"])

    def times(self, feedback: str) -> list[float]:
        """UTC seconds of the frames whose features are kept.

        Args:
            feedback: Its id.

        Raises:
            KeyError: There is none of that id.
            HistoryError: The file cannot be read.
        """
        row = self._row("SELECT times FROM feedback WHERE id = ?", feedback)
        if row["times"] is None:
            return []
        times: list[float] = np.load(io.BytesIO(row["times"]), allow_pickle=False).tolist()
        return times

    def pictures(self, feedback: str) -> list[Picture]:
        """Pictures that are kept with it, oldest first.

        Args:
            feedback: Its id.

        Raises:
            KeyError: There is none of that id.
            HistoryError: The file cannot be read.
        """
        self._row("SELECT 1 FROM feedback WHERE id = ?", feedback)
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT at, jpeg FROM feedback_pictures WHERE feedback = ? ORDER BY at", (feedback,)
            ).fetchall()
        return [Picture(row["at"], bytes(row["jpeg"])) for row in rows]

    def _row(self, query: str, feedback: str) -> sqlite3.Row:
        with self._database.read() as connection:
            row: sqlite3.Row | None = connection.execute(query, (feedback,)).fetchone()
        if row is None:
            raise KeyError(feedback)
        return row


_INSERT = """INSERT INTO feedback (
        id, stream, start, end, verdict, label, event, note, model, created, frames, lacking,
        features, times, bytes
    ) VALUES (
        :id, :stream, :start, :end, :verdict, :label, :event, :note, :model, :created, :frames,
        :lacking, :features, :times, :bytes
    )"""


def to_npy(array: NDArray[Any]) -> bytes:
    """Write an array as the content of a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def to_activitynet(feedback: Iterable[Feedback]) -> dict[str, Any]:
    """Write feedback as annotations in ActivityNet's form, for training.

    Each span is a video of its own, named by its id: a stream has no file, and no beginning that
    times could count from. What the form has no words for is written under keys that other readers
    pass over. A verdict of ``wrong`` says what the span does not show, so it has no annotation.

    Args:
        feedback: What people said.

    Returns:
        The document, to be written as JSON.
    """
    found = list(feedback)
    labels = sorted({one.label for one in found if one.verdict is not Verdict.WRONG})
    root = {"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}
    nodes = [
        {"nodeId": number, "nodeName": label, "parentId": 0, "parentName": "Root"}
        for number, label in enumerate(labels, start=1)
    ]
    return {
        "version": "VERSION 1.3",
        "name": "feedback",
        "taxonomy": [root, *nodes],
        "database": {one.id: _entry(one) for one in found},
    }


def _entry(feedback: Feedback) -> dict[str, Any]:
    length_s = round(feedback.end - feedback.start, 4)
    told = {"label": feedback.label, "segment": [0.0, length_s]}
    return {
        "duration": length_s,
        "subset": None,
        "annotations": [] if feedback.verdict is Verdict.WRONG else [told],
        "group": feedback.stream,
        "start": feedback.start,
        "verdict": feedback.verdict,
        "not": feedback.label if feedback.verdict is Verdict.WRONG else None,
        "model": feedback.model,
        "features": f"/v1/feedback/{feedback.id}/features.npy" if feedback.frames else None,
    }


def _feedback(row: sqlite3.Row) -> Feedback:
    return Feedback(**{**dict(row), "verdict": Verdict(row["verdict"])})
