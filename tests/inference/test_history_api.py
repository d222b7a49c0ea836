"""The routes to what was: scores, events, health, and what they say when there is nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from contracts.asyncapi import EXAMPLES
from contracts.messages import Event, Labels, Scores
from contracts.settings import HistorySettings, Settings
from contracts.topics import Kind
from contracts.types import TimeSpan
from inference.bundle import SHIPPED, Bundle
from inference.history.store import History
from inference.runtime import Runtime
from inference.worker import Worker
from tests.conftest import wait_for
from tests.inference.workers import Record, api_of, ask, demo, running_worker

NAME = "hall/cam1"
HERE = f"/v1/streams/{NAME}"


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(Bundle.load(SHIPPED / "everyday"))


@pytest.fixture(name="history")
def fixture_history(tmp_path: Path) -> Iterator[History]:
    """An empty history."""
    with closing(History(HistorySettings(path=tmp_path / "history.sqlite3"))) as history:
        yield history


@pytest.fixture(name="worker")
def fixture_worker(model: Runtime, history: History) -> Iterator[Worker]:
    """A running worker without streams."""
    with running_worker(model, Record(), Settings(streams=[]), history) as worker:
        yield worker


@pytest.fixture(name="api")
def fixture_api(worker: Worker, history: History) -> FastAPI:
    """Its API."""
    return api_of(worker, history)


@pytest.fixture(name="began")
def fixture_began(history: History) -> float:
    """UTC second, two minutes ago, at which the kept windows and events of a stream begin."""
    began = float(int(time.time()) - 120)
    scores, event = EXAMPLES[Kind.SCORES], EXAMPLES[Kind.EVENTS]
    assert isinstance(scores, Scores)
    assert isinstance(event, Event)
    history.message(NAME, Labels(model=scores.model, labels=[*scores.scores]))
    for seq in range(100):
        start = began + seq
        history.message(NAME, replace(scores, seq=seq, window=TimeSpan(start, start + 1.5)))
    for number in range(5):
        start = began + 20 * number
        history.message(NAME, replace(event, id=f"e{number}", start=start, end=start + 4))
    history.database.flush()
    return began


def _get(api: FastAPI, path: str, **query: Any) -> Any:
    answer = ask(api, "GET", path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _problem(api: FastAPI, path: str, **query: Any) -> tuple[int, str]:
    answer = ask(api, "GET", path, params=query)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_scores_come_as_columns(api: FastAPI, began: float) -> None:
    scores = _get(api, f"{HERE}/scores")
    assert scores["stream"] == NAME
    assert scores["labels"] == ["walk", "wave2", "none"]
    assert scores["scores"] == [[0.93, 0.04, 0.03]] * 100
    assert scores["start"] == [began + second for second in range(100)]
    assert scores["seq"] == list(range(100))
    assert scores["latency"]["total"] == [64.5] * 100
    assert not scores["thinned"]
    some = _get(api, f"{HERE}/scores", since=began + 10, until=began + 20)
    assert some["seq"] == list(range(10, 20))
    few = _get(api, f"{HERE}/scores", since=began, until=began + 100, points=10)
    assert few["thinned"]
    assert 0 < len(few["seq"]) <= 10


def test_events_of_one_stream_and_of_all(api: FastAPI, history: History, began: float) -> None:
    known = EXAMPLES[Kind.EVENTS]
    assert isinstance(known, Event)
    more = replace(known, stream="b", id="b1", label="run", start=began + 50, end=None, type="new")
    history.message("b", more)
    history.database.flush()
    ids = [event["id"] for event in _get(api, f"{HERE}/events")]
    assert ids == ["e0", "e1", "e2", "e3", "e4"]
    ids = [event["id"] for event in _get(api, f"{HERE}/events", limit=2, until=began + 60)]
    assert ids == ["e1", "e2"]
    everything = _get(api, "/v1/events", since=began + 30)
    assert [(e["id"], e["stream"]) for e in everything] == [
        ("e2", NAME),
        ("b1", "b"),
        ("e3", NAME),
        ("e4", NAME),
    ]
    assert everything[1]["end"] is None
    assert _get(api, f"{HERE}/events", label="run") == []
    assert [event["id"] for event in _get(api, "/v1/events", label="run")] == ["b1"]


def test_an_event_comes_with_its_scores_and_pictures(api: FastAPI, began: float) -> None:
    event = _get(api, f"{HERE}/events/e1")
    assert (event["start"], event["end"], event["label"]) == (began + 20, began + 24, "walk")
    assert event["scores"]["seq"] == list(range(18, 26))
    assert event["pictures"] == []
    assert _problem(api, f"{HERE}/events/e9") == (404, "unknown_event")
    assert _problem(api, "/v1/streams/b/events/e1") == (404, "unknown_event")


def test_health_over_time(api: FastAPI, began: float) -> None:
    health = _get(api, f"{HERE}/health", since=began, until=began + 120, buckets=2)
    assert health["bucket_s"] == 60
    assert health["at"] == [began, began + 60]
    assert health["windows"] == [60, 40]
    assert health["missing"] == [0, 0]
    assert health["latency"]["model"] == {"p50": [11.2, 11.2], "p95": [11.2, 11.2]}
    quiet = _get(api, f"{HERE}/health", since=began - 60, until=began + 60, buckets=2)
    assert quiet["latency"]["wait"]["p50"] == [None, 4.0]


@pytest.mark.parametrize("kind", ["scores", "health"])
def test_spans_are_checked(api: FastAPI, began: float, kind: str) -> None:
    assert _problem(api, f"{HERE}/{kind}", since=began, until=began)[0] == 422
    assert _problem(api, f"{HERE}/{kind}", since=began - 90_000)[0] == 422
    assert _problem(api, f"{HERE}/{kind}", since="nan")[0] == 422
    assert _problem(api, f"{HERE}/{kind}", points=0, buckets=0)[0] == 422
    assert _get(api, f"{HERE}/{kind}", since=began + 1e9)["stream"] == NAME


def test_unknown_streams_are_said(api: FastAPI) -> None:
    for kind in ("scores", "health", "events"):
        assert _problem(api, f"/v1/streams/nowhere/{kind}") == (404, "unknown_stream")
    assert _get(api, "/v1/events") == []


def test_without_a_history_the_answer_says_so(worker: Worker) -> None:
    api = api_of(worker)
    for path in (f"{HERE}/scores", f"{HERE}/events", f"{HERE}/events/e1", f"{HERE}/health"):
        assert _problem(api, path) == (503, "no_history")
    assert _problem(api, "/v1/events") == (503, "no_history")


def test_a_full_disk_shows_in_metrics_and_not_in_readiness(
    api: FastAPI, history: History, began: float
) -> None:
    assert began
    metrics = ask(api, "GET", "/metrics").text
    assert "actionstream_history_dropped_total 0" in metrics
    history.database.write_now(lambda c: c.execute("PRAGMA max_page_count = 1").fetchall())
    history.database.write("INSERT INTO streams VALUES (9, ?)", ("x" * 99_999,))
    wait_for(lambda: history.stats.error, "full disk")
    assert "actionstream_history_dropped_total 1" in ask(api, "GET", "/metrics").text
    ready = ask(api, "GET", "/readyz")
    assert ready.status_code == 200
    assert "disk is full" in ready.text


def test_what_a_worker_publishes_is_what_the_history_tells(
    model: Runtime, history: History
) -> None:
    record = Record()
    with running_worker(model, record, Settings(streams=[]), history) as worker:
        api = api_of(worker, history)
        worker.add(demo("demo"))
        wait_for(lambda: record.events and len(record.all_scores) > 20, "scores and an event", 30)
    history.database.flush()
    scores = _get(api, "/v1/streams/demo/scores")
    assert scores["labels"] == record.all_labels[0].labels
    assert scores["seq"] == [message.seq for message in record.all_scores]
    assert scores["start"] == [message.window.start for message in record.all_scores]
    published = [list(message.scores.values()) for message in record.all_scores]
    for row, expected in zip(scores["scores"], published, strict=True):
        assert row == pytest.approx(expected, abs=1e-3)
    ended = {event.id: event for event in record.events if event.type == "end"}
    kept = {event["id"]: event for event in _get(api, "/v1/streams/demo/events")}
    assert kept.keys() == {event.id for event in record.events}
    for known, event in ended.items():
        assert (kept[known]["start"], kept[known]["end"]) == (event.start, event.end)
