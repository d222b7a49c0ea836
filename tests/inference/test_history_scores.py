"""Scores and events are read back as they were published; thinning keeps peaks; old things go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contracts.asyncapi import EXAMPLES
from contracts.messages import Event, Labels, Scores, score_table
from contracts.settings import HistorySettings
from contracts.topics import Kind
from contracts.types import Latency, TimeSpan
from inference.history.database import Database
from inference.history.retention import Retention
from inference.history.scores import LabelSet, ScoreTable, pack, unpack
from inference.history.store import History
from inference.history.thinning import peak_windows

DAY_S = 86_400
NOW = 1.8e9
STRIDE_S = 0.2


@pytest.fixture(name="history")
def fixture_history(tmp_path: Path) -> Iterator[History]:
    """An empty history, whose own retention finds nothing too old."""
    path = tmp_path / "history.sqlite3"
    with closing(
        History(HistorySettings(path=path, scores_days=3650, events_days=3650))
    ) as history:
        yield history


def _window(stream: str, seq: int, scores: dict[str, float], **more: float) -> Scores:
    """The example of the documentation, as another window."""
    known = EXAMPLES[Kind.SCORES]
    assert isinstance(known, Scores)
    start = round(more.get("start", NOW + seq * STRIDE_S), 4)
    return replace(
        known,
        stream=stream,
        seq=seq,
        window=TimeSpan(start, round(start + 1.6, 4)),
        scores=scores,
        latency_ms=Latency(3.21, 4.5, 11.2, more.get("total", 64.57)),
    )


def _event(number: int, kind: str = "new", **more: object) -> Event:
    known = EXAMPLES[Kind.EVENTS]
    assert isinstance(known, Event)
    values = {"id": f"e{number}", "type": kind, "start": NOW + number, "end": None, **more}
    return replace(known, **values)  # type: ignore[arg-type] # as the caller says


def _read(history: History, stream: str = "a", points: int = 10_000) -> ScoreTable:
    history.database.flush()
    return history.scores.read(stream, TimeSpan(NOW - DAY_S, NOW + DAY_S), points)


def test_scores_are_read_back_as_they_were_published(history: History) -> None:
    rng = np.random.default_rng(1)
    labels = [f"label {number}" for number in range(13)]
    windows = [
        _window("a", seq, score_table(labels, rng.dirichlet(np.ones(13)).tolist()))
        for seq in range(50)
    ]
    history.message("a", Labels(model="m@1", labels=labels))
    for window in windows:
        history.message("a", window)
    table = _read(history)
    assert table.labels == tuple(labels)
    assert table.model == "m@1"
    assert not table.thinned
    assert table.start.tolist() == [window.window.start for window in windows]
    assert table.end.tolist() == [window.window.end for window in windows]
    assert table.seq.tolist() == list(range(50))
    published = [list(window.scores.values()) for window in windows]
    assert table.scores == pytest.approx(np.array(published), abs=1e-6)
    assert table.latency[0].tolist() == [3.21, 4.5, 11.2, 64.57]


def test_of_many_labels_the_published_ones_are_kept(history: History) -> None:
    labels = [f"label {number}" for number in range(600)]
    history.message("a", Labels(model="m@1", labels=labels))
    scores = [0.0] * 600
    scores[7], scores[599] = 0.75, 0.25
    sent = score_table(labels, scores)
    history.message("a", _window("a", 0, sent))
    history.message("a", _window("a", 1, {"label 599": 1.0}))
    table = _read(history)
    assert set(table.labels) == set(sent)
    by_label = dict(zip(table.labels, table.scores.T.tolist(), strict=True))
    assert by_label["label 7"] == [0.75, pytest.approx(np.nan, nan_ok=True)]
    assert by_label["label 599"] == [0.25, 1.0]


def test_a_stream_may_change_its_model(history: History) -> None:
    history.message("a", Labels(model="m@1", labels=["walk", "none"]))
    history.message("a", _window("a", 0, {"walk": 0.9, "none": 0.1}))
    history.message("a", Labels(model="n@2", labels=["none", "fall"]))
    history.message("a", _window("a", 1, {"none": 0.3, "fall": 0.7}))
    table = _read(history)
    assert (table.labels, table.model) == (("walk", "none", "fall"), "n@2")
    nan = float("nan")
    assert table.scores == pytest.approx(
        np.array([[0.9, 0.1, nan], [nan, 0.3, 0.7]]), nan_ok=True, abs=1e-6
    )


def test_scores_before_their_labels_are_kept_too(history: History) -> None:
    history.message("a", _window("a", 0, {"walk": 0.9, "none": 0.1}))
    assert _read(history).labels == ("walk", "none")


def test_streams_are_kept_apart_and_unknown_ones_are_said(history: History) -> None:
    for name in ("a", "b"):
        history.message(name, _window(name, 0, {"walk": 0.9 if name == "a" else 0.4}))
    assert _read(history, "b").scores.tolist() == [[pytest.approx(0.4)]]
    with pytest.raises(KeyError, match="c"):
        _read(history, "c")
    history.message("c", Labels(model="m@1", labels=["walk"]))
    assert _read(history, "c").start.size == 0


def test_a_long_span_is_read_in_parts(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.history.scores._PER_READ", 70)
    for seq in range(1000):
        history.message("a", _window("a", seq, {"walk": 0.5, "none": 0.1}))
    history.message("a", _window("a", 1000, {"walk": 0.9, "fall": 0.8}))
    assert _read(history).seq.tolist() == list(range(1001))
    span = TimeSpan(NOW, NOW + 201 * STRIDE_S * 5)
    table = history.scores.read("a", span, 100)
    assert table.thinned
    assert 20 <= len(table.seq) <= 100
    assert table.scores[-1].tolist()[2] == pytest.approx(0.8)


@settings(max_examples=50)
@given(
    st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10_000)), max_size=9),
    st.integers(8, 40),
)
def test_packed_scores_come_out_as_they_went_in(windows: list[dict[str, int]], count: int) -> None:
    labels = LabelSet("m@1", tuple("abcdefgh") + tuple(str(number) for number in range(count - 8)))
    blobs = [
        pack(labels, {label: value / 10_000 for label, value in window.items()})
        for window in windows
    ]
    for window, row in zip(windows, unpack(blobs, count).tolist(), strict=True):
        found = {
            label: value for label, value in zip(labels.labels, row, strict=True) if value <= 10_000
        }
        assert found == window


@settings(max_examples=50)
@given(
    arrays.arrays(np.uint16, st.tuples(st.integers(1, 30), st.integers(1, 7))),
    st.data(),
    st.integers(1, 6),
)
def test_thinning_keeps_the_peaks(
    scores: np.ndarray[tuple[int, int], np.dtype[np.uint16]], data: st.DataObject, strongest: int
) -> None:
    numbers = st.lists(st.integers(0, 12), min_size=len(scores), max_size=len(scores))
    bucket = np.array(sorted(data.draw(numbers)), np.float64)
    kept = peak_windows(scores, bucket, strongest)
    assert np.all(np.diff(kept) > 0)
    for number in np.unique(bucket):
        rows = np.flatnonzero(bucket == number)
        ours = np.intersect1d(rows, kept)
        assert 0 < len(ours) <= strongest
        peaks = np.sort(scores[rows].max(axis=0))[-strongest:]
        # As many classes as are looked at keep their highest score, and these are the highest ones.
        held = np.sort(scores[ours].max(axis=0))[-strongest:]
        assert held.tolist() == peaks.tolist()


def test_a_short_peak_in_a_day_is_not_lost(history: History) -> None:
    quiet = {"walk": 0.01, "fall": 0.0, "none": 0.99}
    for seq in range(3000):
        history.message("a", _window("a", seq, quiet, start=NOW + seq * 20.0))
    history.message("a", _window("a", 3000, {**quiet, "fall": 0.8}, start=NOW + 31_415.9))
    history.database.flush()
    table = history.scores.read("a", TimeSpan(NOW, NOW + DAY_S), 100)
    assert table.thinned
    assert len(table.start) <= 100
    peak = table.scores[:, table.labels.index("fall")].argmax()
    assert (table.start[peak], table.seq[peak]) == (NOW + 31_415.9, 3000)


def test_an_event_is_one_row_from_its_beginning_to_its_end(history: History) -> None:
    history.events.put(_event(1, score=0.6, peak=0.6), NOW + 2)
    history.events.put(_event(1, "update", score=0.8, peak=0.9), NOW + 3)
    history.database.flush()
    everything = TimeSpan(0, np.inf)
    (event,) = history.events.read(everything, 10)
    assert (event.end, event.score, event.peak) == (None, 0.8, 0.9)
    history.events.put(_event(1, "end", end=NOW + 4, score=0.7, peak=0.9), NOW + 4.5)
    history.database.flush()
    (event,) = history.events.read(everything, 10, "hall/cam1", "walk")
    assert (event.start, event.end, event.score) == (NOW + 1, NOW + 4, 0.7)
    assert history.events.find("hall/cam1", "e1") == event


def test_the_newest_events_that_touch_a_span_are_given_newest_last(history: History) -> None:
    for number in range(20):
        history.events.put(_event(number, "end", end=NOW + number + 1.5), NOW)
    history.events.put(_event(5, "end", id="other", stream="b", end=NOW + 9.0), NOW)
    history.database.flush()
    found = history.events.read(TimeSpan(NOW + 3.1, NOW + 7), 3, "hall/cam1")
    assert [event.id for event in found] == ["e4", "e5", "e6"]
    found = history.events.read(TimeSpan(NOW + 3.1, NOW + 5.5), 100)
    assert {event.id for event in found} == {"e2", "e3", "e4", "e5", "other"}
    assert history.events.read(TimeSpan(0, NOW + 99), 10, label="run") == []
    with pytest.raises(KeyError):
        history.events.read(TimeSpan(0, NOW), 10, "nowhere")
    with pytest.raises(KeyError):
        history.events.find("b", "e4")


def test_events_that_a_killed_worker_left_open_end_at_their_last_sign(tmp_path: Path) -> None:
    limits = HistorySettings(path=tmp_path / "history.sqlite3", events_days=3650)
    with closing(History(limits)) as history:
        history.events.put(_event(1), NOW + 2)
        history.events.put(_event(1, "update"), NOW + 3.5)
        history.events.put(_event(2, "end", end=NOW + 9), NOW + 9.5)
    with closing(History(limits)) as history:
        history.events.put(_event(3), NOW + 20)
        history.database.flush()
        ends = [event.end for event in history.events.read(TimeSpan(0, np.inf), 10)]
    assert ends == [NOW + 3.5, NOW + 9, None]


@contextmanager
def _tidied(path: Path, limits: HistorySettings, now: float) -> Iterator[tuple[Any, int]]:
    """A closed history after its retention: a connection to it, and the steps this took."""
    retention = Retention(limits, lambda: now)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        steps = 1
        while retention.step(connection):
            steps += 1
        yield connection, steps


def test_what_is_too_old_goes_and_what_goes_on_stays(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    with closing(History(HistorySettings(path=path))) as history:
        for day in range(10):
            for name in ("a", "b"):
                window = _window(name, day, {"walk": 0.5}, start=NOW - day * DAY_S)
                history.message(name, window)
            history.events.put(_event(day, "end", start=NOW - day * DAY_S, end=NOW), NOW)
        history.events.put(_event(99, start=NOW - 9 * DAY_S), NOW)
    limits = HistorySettings(scores_days=2.5, events_days=4.5)
    with _tidied(path, limits, NOW) as (file, _):
        starts = [row[0] for row in file.execute("SELECT start FROM scores WHERE stream = 1")]
        assert starts == [NOW - 2 * DAY_S, NOW - DAY_S, NOW]
        assert file.execute("SELECT count(*) FROM scores").fetchone() == (2 * 3,)
        kept = [row[0] for row in file.execute("SELECT id FROM events ORDER BY id")]
        assert kept == ["e0", "e1", "e2", "e3", "e4", "e99"]


def test_a_file_that_is_too_large_loses_its_oldest_scores_in_small_steps(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    Database(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("INSERT INTO streams VALUES (1, 'a')")
        file.execute("INSERT INTO label_sets VALUES (1, 'm@1', '[]')")
        file.execute("INSERT INTO events VALUES ('e', 1, 'walk', 1, 2, 1, 1, 'm', 2)")
        file.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 18000)"
            " INSERT INTO scores SELECT 1, i, i, i, 1, zeroblob(700), 0, 0, 0, 0, 0, 0, 0 FROM n"
        )
        file.commit()
    assert path.stat().st_size > 13e6
    limits = HistorySettings(scores_days=3650, events_days=3650, max_mb=10)
    with _tidied(path, limits, 20_000.0) as (file, steps):
        kept, oldest = file.execute("SELECT count(*), min(start) FROM scores").fetchone()
        assert file.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert steps > 5
    assert 7e6 < path.stat().st_size <= 10e6
    assert 8000 <= kept < 13_000
    assert oldest == 18_001 - kept


def test_health_tells_latencies_and_holes(history: History) -> None:
    for seq in (*range(100), *range(105, 200)):
        total = 100.0 + seq % 100
        history.message("a", _window("a", seq, {"walk": 0.5}, total=total))
    history.database.flush()
    health = history.health("a", TimeSpan(NOW, NOW + 60), 3)
    assert health.at.tolist() == [NOW, NOW + 20, NOW + 40]
    assert health.windows.tolist() == [100, 95, 0]
    assert health.missing.tolist() == [0, 5, 0]
    assert health.frames_missing.tolist() == [0, 0, 0]
    assert health.latency[0, :, 3] == pytest.approx([149.5, 194.05])
    assert np.isnan(health.latency[2]).all()


def test_numbers_that_start_again_are_no_holes(history: History) -> None:
    for place, seq in enumerate((7, 8, 0, 1, 2)):
        start = NOW + place * STRIDE_S
        history.message("a", _window("a", seq, {"walk": 0.5}, start=start))
    history.database.flush()
    assert history.health("a", TimeSpan(NOW, NOW + 60), 1).missing.tolist() == [0]
