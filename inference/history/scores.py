"""Scores of every window: some 90 bytes each, read back as columns.

A score is kept as it was published, in ten-thousandths, so nothing is lost. A model with many
labels publishes the strongest few; these are kept with their places.
"""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.messages import Labels, Scores
from contracts.types import TimeSpan
from inference.history.database import Database
from inference.history.schema import stream_id
from inference.history.thinning import STRONGEST, peak_windows

STAGES = ("decode", "wait", "model", "total")
_SCALE = 10_000
_ABSENT = 0xFFFF
_PER_READ = 20_000
_PER_MS = 100
_LEAST_S = 0.0001
"""To which the times of windows are rounded."""
_INSERT = """INSERT OR REPLACE INTO scores VALUES (
    (SELECT id FROM streams WHERE name = ?), ?, ?, ?,
    (SELECT id FROM label_sets WHERE model = ? AND labels = ?), ?, ?, ?, ?, ?, ?, ?, ?)"""
_FACTS = 3 + len(STAGES)
_CHOSEN = "FROM scores WHERE stream = ? AND start IN (SELECT value FROM json_each(?))"
_IN_SPAN = "FROM scores WHERE stream = ? AND start >= ? AND start < ?"


@dataclass(frozen=True, slots=True)
class LabelSet:
    """What the places of a window's scores mean.

    Attributes:
        model: ``name@version``.
        labels: In the model's order.
    """

    model: str
    labels: tuple[str, ...]
    places: dict[str, int] = field(init=False, repr=False, compare=False)
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive what each window needs."""
        places = {label: place for place, label in enumerate(self.labels)}
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "text", json.dumps(self.labels, ensure_ascii=False))


def pack(label_set: LabelSet, scores: dict[str, float]) -> bytes:
    """Make the bytes that are kept of a window's scores, little-endian 16-bit numbers.

    All scores in the order of the labels if most are given, else the places of those given and
    then their scores: whichever is shorter, so that the length tells which.

    Args:
        label_set: Holds every label of the scores.
        scores: Label to score.
    """
    count = len(label_set.labels)
    if 2 * len(scores) < count:
        numbers = [label_set.places[label] for label in scores]
        numbers += [round(score * _SCALE) for score in scores.values()]
    else:
        numbers = [_ABSENT] * count
        for label, score in scores.items():
            numbers[label_set.places[label]] = round(score * _SCALE)
    return struct.pack(f"<{len(numbers)}H", *numbers)


def unpack(blobs: Sequence[bytes], count: int) -> NDArray[np.uint16]:
    """Read what :func:`pack` made.

    Args:
        blobs: Of windows with the same labels.
        count: How many labels these are.

    Returns:
        ``(N, count)`` scores in ten-thousandths; 65535 where none was given.
    """
    scores = np.full((len(blobs), count), _ABSENT, np.uint16)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs))
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length).tolist()
        chosen = blobs if len(rows) == len(blobs) else [blobs[row] for row in rows]
        numbers = np.frombuffer(b"".join(chosen), "<u2").reshape(len(rows), -1)
        if length == 2 * count:
            scores[rows] = numbers
        else:
            places, values = np.split(numbers.astype(np.intp), 2, axis=1)
            scores[np.array(rows)[:, None], places] = values
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Windows of a stream by time, as columns.

    Attributes:
        labels: Columns of the scores.
        model: ``name@version`` of the newest window's model; nothing without windows.
        start: ``(N,)`` float64 UTC seconds.
        end: ``(N,)`` float64 UTC seconds.
        seq: ``(N,)`` int64 numbers of the windows, as published.
        scores: ``(N, C)`` float32; NaN where the window's message had no score of the label.
        latency: ``(N, 4)`` float64 milliseconds of each of ``STAGES``.
        thinned: Whether windows were left out.
    """

    labels: tuple[str, ...]
    model: str | None
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    seq: NDArray[np.int64]
    scores: NDArray[np.float32]
    latency: NDArray[np.float64]
    thinned: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some consecutive windows.

    Attributes:
        facts: ``(N, 7)`` float64: start, end, seq and latencies in hundredths of a millisecond.
        scores: ``(N, C)`` uint16, C being the number of labels met so far.
    """

    facts: NDArray[np.float64]
    scores: NDArray[np.uint16]


class ScoreHistory:
    """Keeps the scores of all streams. Thread-safe."""

    def __init__(self, database: Database) -> None:
        """Keep them in a database."""
        self._database = database
        self._label_sets: dict[str, LabelSet] = {}

    def labels(self, stream: str, message: Labels) -> None:
        """Take the labels that the next scores of a stream belong to."""
        self._label_sets[stream] = LabelSet(message.model, tuple(message.labels))
        self._database.write(lambda connection: stream_id(connection, stream))

    def forget(self, stream: str) -> None:
        """Drop the labels of a stream that sends no more scores."""
        self._label_sets.pop(stream, None)

    def add(self, message: Scores) -> bool:
        """Keep the scores of a window; returns at once.

        Returns:
            False if too much waits already and they are lost.
        """
        label_set = self._label_sets.get(message.stream)
        if label_set is None or not message.scores.keys() <= label_set.places.keys():
            label_set = LabelSet(message.model, tuple(message.scores))
        return self._database.write(partial(_insert, label_set, message))

    def read(self, stream: str, span: TimeSpan, points: int) -> ScoreTable:
        """Read the windows that start in a span.

        Args:
            stream: Its name.
            span: UTC seconds.
            points: Most windows wanted; of more, those with the peaks are chosen.

        Raises:
            KeyError: Nothing was ever kept of the stream.
            HistoryError: The file cannot be read.
        """
        with self._database.read() as connection:
            number = find_stream(connection, stream)
            count, first, last = connection.execute(
                f"SELECT count(*), min(start), max(start) {_IN_SPAN}",
                (number, span.start, span.end),
            ).fetchone()
            buckets = max(1, points // STRONGEST) if count > points else 0
            if buckets:
                # Where nothing was scored, buckets would be wasted.
                span = TimeSpan(first, last + _LEAST_S)
            reader = _Reader(connection, number)
            edges = _edges(span, count, buckets)
            parts = [reader.read(*edge, span, buckets) for edge in pairwise(edges)]
        return reader.table(parts, bool(buckets))


class _Reader:
    """Reads parts of a span of one stream, and learns the labels as it meets them."""

    def __init__(self, connection: sqlite3.Connection, stream: int) -> None:
        self._cursor = connection.cursor()
        self._cursor.row_factory = None
        self._stream = stream
        self._sets: dict[int, tuple[str, list[str]]] = {}
        self._columns: dict[str, int] = {}
        self._model: str | None = None

    def read(self, start: float, end: float, span: TimeSpan, buckets: int) -> _Part:
        """Read windows, thinned by the buckets of the whole span unless there are none."""
        where, values = _IN_SPAN, (self._stream, start, end)
        rows = self._cursor.execute(f"SELECT start, label_set, scores {where}", values).fetchall()
        if not rows:
            return _Part(np.empty((0, _FACTS)), np.empty((0, len(self._columns)), np.uint16))
        starts, sets, blobs = zip(*rows, strict=True)
        scores = self._scores(np.array(sets), blobs)
        if not buckets:
            return _Part(self._facts(where, values), scores)
        bucket = (np.array(starts) - span.start) // ((span.end - span.start) / buckets)
        kept = peak_windows(np.where(scores == _ABSENT, 0, scores), bucket)
        # The rest of a row is read for those that stay only, which takes a third of the time.
        chosen = json.dumps([starts[row] for row in kept])
        return _Part(self._facts(_CHOSEN, (self._stream, chosen)), scores[kept])

    def _facts(self, where: str, values: Sequence[Any]) -> NDArray[np.float64]:
        rows = self._cursor.execute(
            f"SELECT start, end, seq, decode, wait, model, total {where} ORDER BY start", values
        )
        return np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, _FACTS)

    def table(self, parts: Sequence[_Part], thinned: bool) -> ScoreTable:
        """Put the parts together; labels that were never given are left out of many."""
        width = len(self._columns)
        facts = np.concatenate([part.facts for part in parts])
        scores = np.concatenate([_widened(part.scores, width) for part in parts])
        labels = np.array([*self._columns], object)
        given = (scores != _ABSENT).any(axis=0)
        return ScoreTable(
            labels=tuple(labels[given]),
            model=self._model,
            start=facts[:, 0],
            end=facts[:, 1],
            seq=facts[:, 2].astype(np.int64),
            scores=_fractions(scores[:, given]),
            latency=facts[:, 3:] / _PER_MS,
            thinned=thinned,
        )

    def _scores(self, sets: NDArray[np.int64], blobs: Sequence[bytes]) -> NDArray[np.uint16]:
        """Scores of windows with labels of several sets, in the columns of all labels so far."""
        for number in np.unique(sets).tolist():
            if number not in self._sets:
                query = "SELECT model, labels FROM label_sets WHERE id = ?"
                model, labels = self._cursor.execute(query, (number,)).fetchone()
                self._sets[number] = model, json.loads(labels)
                for label in self._sets[number][1]:
                    self._columns.setdefault(label, len(self._columns))
        self._model = self._sets[int(sets[-1])][0]
        scores = np.full((len(blobs), len(self._columns)), _ABSENT, np.uint16)
        for number in np.unique(sets).tolist():
            rows = np.flatnonzero(sets == number).tolist()
            labels = self._sets[number][1]
            columns = [self._columns[label] for label in labels]
            chosen = blobs if len(rows) == len(blobs) else [blobs[row] for row in rows]
            scores[np.ix_(rows, columns)] = unpack(chosen, len(labels))
        return scores


def find_stream(connection: sqlite3.Connection, name: str) -> int:
    """Number of a stream.

    Raises:
        KeyError: Nothing was ever kept of it.
    """
    found = connection.execute("SELECT id FROM streams WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise KeyError(name)
    number: int = found[0]
    return number


def _insert(label_set: LabelSet, message: Scores, connection: sqlite3.Connection) -> None:
    values = _values(label_set, message)
    try:
        connection.execute(_INSERT, values)
    except sqlite3.IntegrityError:
        # The first window of a stream, or of a model.
        stream_id(connection, message.stream)
        connection.execute(
            "INSERT OR IGNORE INTO label_sets (model, labels) VALUES (?, ?)",
            (label_set.model, label_set.text),
        )
        connection.execute(_INSERT, values)


def _values(label_set: LabelSet, message: Scores) -> tuple[Any, ...]:
    latency, quality = message.latency_ms, message.quality
    return (
        message.stream,
        message.window.start,
        message.window.end,
        message.seq,
        label_set.model,
        label_set.text,
        pack(label_set, message.scores),
        round(latency.decode * _PER_MS),
        round(latency.wait * _PER_MS),
        round(latency.model * _PER_MS),
        round(latency.total * _PER_MS),
        round(quality.brightness * 1000),
        round(quality.sharpness * 10),
        message.frames.missing,
    )


def _edges(span: TimeSpan, count: int, buckets: int) -> Iterator[float]:
    """Where to cut a span, so that no part is large; between buckets."""
    parts = min(max(1, math.ceil(count / _PER_READ)), max(1, buckets))
    for part in range(parts):
        yield span.start + (span.end - span.start) * (part * buckets // parts) / max(1, buckets)
    yield span.end


def _widened(scores: NDArray[np.uint16], width: int) -> NDArray[np.uint16]:
    return np.pad(scores, ((0, 0), (0, width - scores.shape[1])), constant_values=_ABSENT)


def _fractions(scores: NDArray[np.uint16]) -> NDArray[np.float32]:
    fractions = scores.astype(np.float32) / np.float32(_SCALE)
    fractions[scores == _ABSENT] = np.nan
    return fractions
