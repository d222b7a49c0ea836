"""Worker and REST API with the shipped model and real video files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from contracts.errors import ConfigError
from contracts.messages import (
    Command,
    ControlState,
    Event,
    EventRule,
    Labels,
    Scores,
    StreamStatus,
)
from contracts.settings import Settings, StreamSettings
from contracts.types import StreamState
from inference.api.app import create_api
from inference.bundle import SHIPPED, Bundle
from inference.runtime import Runtime
from inference.worker import Discovery, DuplicateStreamError, TooManyStreamsError, Worker
from stack.broadcast import DEMO_CLIP
from stack.sources import make_opener
from tests.conftest import wait_for


@dataclass
class Record:
    """Keeps what a worker publishes."""

    statuses: list[StreamStatus] = field(default_factory=list)
    all_labels: list[Labels] = field(default_factory=list)
    all_scores: list[Scores] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    states: list[ControlState] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def status(self, message: StreamStatus) -> None:
        """Keep a state."""
        self.statuses.append(message)

    def labels(self, stream: str, message: Labels) -> None:
        """Keep labels."""
        assert stream
        self.all_labels.append(message)

    def scores(self, message: Scores) -> bool:
        """Keep scores."""
        self.all_scores.append(message)
        return True

    def event(self, message: Event) -> bool:
        """Keep an event."""
        self.events.append(message)
        return True

    def state(self, message: ControlState) -> None:
        """Keep an answer."""
        self.states.append(message)

    def forget(self, stream: str) -> None:
        """Keep a name."""
        self.forgotten.append(stream)


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(Bundle.load(SHIPPED / "everyday"))


@pytest.fixture(name="record")
def fixture_record() -> Record:
    """What the worker of a test publishes."""
    return Record()


@pytest.fixture(name="worker")
def fixture_worker(model: Runtime, record: Record) -> Iterator[Worker]:
    """A running worker without streams."""
    yield from run_worker(model, record, Settings(streams=[], max_streams=2))


def run_worker(model: Runtime, record: Record, settings: Settings) -> Iterator[Worker]:
    """Run a worker until the generator is closed."""
    worker = Worker(settings, model, record, make_opener(model.bundle, settings.source))
    worker.start()
    yield worker
    worker.stop()


def demo(name: str, **more: bool) -> StreamSettings:
    """The demo clip as a stream."""
    return StreamSettings(name=name, url=str(DEMO_CLIP), **more)


def test_a_stream_tells_labels_states_and_scores(worker: Worker, record: Record) -> None:
    worker.add(demo("a"))
    wait_for(lambda: len(record.all_scores) > 5, "scores")
    assert record.all_labels[0].labels == list(worker.model.bundle.label_names)
    states = [status.state for status in record.statuses]
    assert list(dict.fromkeys(states)) == [StreamState.CONNECTING, StreamState.LIVE]
    assert [s.seq for s in record.all_scores] == list(range(len(record.all_scores)))
    first = record.all_scores[0]
    assert sum(first.scores.values()) == pytest.approx(1.0, abs=0.01)
    assert first.top.score == max(first.scores.values())
    window_s = worker.model.bundle.input.window_s
    assert first.media.end - first.media.start == pytest.approx(window_s)
    assert worker.statuses()[0].resolution == "640x360"


def test_names_are_unique_and_streams_are_limited(worker: Worker) -> None:
    worker.add(demo("a"))
    with pytest.raises(DuplicateStreamError):
        worker.add(demo("a"))
    worker.add(demo("b"))
    with pytest.raises(TooManyStreamsError, match="max_streams"):
        worker.add(demo("c"))


def test_a_removed_stream_is_taken_back(worker: Worker, record: Record) -> None:
    worker.add(demo("a"))
    wait_for(lambda: record.all_scores, "scores")
    worker.remove("a")
    assert record.forgotten == ["a"]
    assert record.statuses[-1].state is StreamState.OFFLINE
    assert not worker.statuses()
    with pytest.raises(KeyError):
        worker.remove("a")


def test_a_command_changes_the_rules_or_says_why_not(worker: Worker, record: Record) -> None:
    worker.add(demo("a"))
    label = worker.model.bundle.label_names[0]
    worker.on_command("a", Command(rules={label: EventRule(enter=0.9)}))
    assert record.states[-1].rules[label].enter == 0.9
    assert record.states[-1].error is None
    worker.on_command("a", Command(rules={"flying": EventRule()}))
    assert "flying" in str(record.states[-1].error)
    assert "flying" not in record.states[-1].rules
    worker.on_command("nobody", Command(paused=True))


def test_published_paths_are_analysed_as_they_appear(model: Runtime, record: Record) -> None:
    settings = Settings()

    async def paths() -> AsyncIterator[frozenset[str]]:
        yield frozenset()
        yield frozenset({"x", "bad name", "hall/y"})
        await asyncio.Event().wait()

    async def main(worker: Worker) -> None:
        run = asyncio.create_task(worker.run(Discovery(paths, lambda _: str(DEMO_CLIP))))
        await asyncio.to_thread(
            wait_for, lambda: len({s.stream for s in record.all_scores}) == 2, "two streams"
        )
        run.cancel()

    for worker in run_worker(model, record, settings):
        asyncio.run(main(worker))
        assert [s.stream for s in worker.statuses()] == ["hall/y", "x"]


def test_auto_needs_someone_who_tells_the_paths(model: Runtime, record: Record) -> None:
    for worker in run_worker(model, record, Settings()):
        with pytest.raises(ConfigError, match=r"rtsp\.api_url"):
            asyncio.run(worker.run(None))


def ask(api: FastAPI, method: str, path: str, **more: dict[str, str]) -> httpx.Response:
    """One request to an application in this process."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]

    return asyncio.run(main())


def test_the_api_says_what_is_wrong(worker: Worker) -> None:
    api = create_api(worker, lambda: False)
    assert ask(api, "GET", "/healthz").text == "ok"
    assert ask(api, "GET", "/readyz").status_code == 503
    for method, path, status, code in [
        ("GET", "/v1/streams/x", 404, "unknown_stream"),
        ("GET", "/v1/streams/x/preview.jpg", 404, "unknown_stream"),
        ("DELETE", "/v1/streams/x", 404, "unknown_stream"),
        ("GET", "/nothing", 404, "not_found"),
        ("PATCH", "/v1/streams", 405, "method_not_allowed"),
        ("GET", "/v1/streams/x/preview.jpg?width=9", 422, "invalid_request"),
    ]:
        answer = ask(api, method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == code


def test_the_api_asks_for_its_token(model: Runtime, record: Record) -> None:
    settings = Settings.model_validate({"streams": [], "api": {"token": "carrot"}})
    for worker in run_worker(model, record, settings):
        api = create_api(worker, lambda: True)
        assert ask(api, "GET", "/readyz").text == "ready"
        assert ask(api, "GET", "/v1/models").status_code == 401
        wrong = ask(api, "GET", "/v1/models", headers={"Authorization": "Bearer leek"})
        assert wrong.status_code == 401
        right = ask(api, "GET", "/v1/models", headers={"Authorization": "Bearer carrot"})
        assert right.json()[0]["name"] == worker.model.bundle.name


def test_metrics_survive_hostile_names(worker: Worker) -> None:
    worker.add(StreamSettings(name='a"b\\c', url=str(DEMO_CLIP)))
    text = ask(create_api(worker, lambda: True), "GET", "/metrics").text
    assert 'actionstream_windows_total{stream="a\\"b\\\\c"}' in text


def test_the_clip_is_where_the_tests_expect_it() -> None:
    assert DEMO_CLIP.is_file()
    assert Path(DEMO_CLIP).stat().st_size <= 2_000_000
