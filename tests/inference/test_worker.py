"""Worker and REST API with the shipped model and real video files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contracts.errors import BundleError, ConfigError
from contracts.messages import Command, EventRule
from contracts.settings import Settings, StreamSettings
from contracts.types import StreamState
from inference.api.app import create_api
from inference.bundle import SHIPPED, Bundle
from inference.runtime import Runtime
from inference.worker import Discovery, DuplicateStreamError, TooManyStreamsError, Worker
from stack.broadcast import DEMO_CLIP
from tests.conftest import wait_for
from tests.inference.workers import Record, api_of, ask, demo, running_worker


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
    with running_worker(model, record, Settings(streams=[], max_streams=2)) as worker:
        yield worker


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
        yield frozenset({"x", "bad name", "hall/y", "x/annotated"})
        await asyncio.Event().wait()

    async def main(worker: Worker) -> None:
        run = asyncio.create_task(worker.run(Discovery(paths, lambda _: str(DEMO_CLIP))))
        await asyncio.to_thread(
            wait_for, lambda: len({s.stream for s in record.all_scores}) == 2, "two streams"
        )
        run.cancel()

    with running_worker(model, record, settings) as worker:
        asyncio.run(main(worker))
        assert [s.stream for s in worker.statuses()] == ["hall/y", "x"]


def test_auto_needs_someone_who_tells_the_paths(model: Runtime, record: Record) -> None:
    with (
        running_worker(model, record, Settings()) as worker,
        pytest.raises(ConfigError, match=r"rtsp\.api_url"),
    ):
        asyncio.run(worker.run(None))


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
    with running_worker(model, record, settings) as worker:
        api = create_api(worker, lambda: True)
        assert ask(api, "GET", "/readyz").text == "ready"
        assert ask(api, "GET", "/v1/models").status_code == 401
        wrong = ask(api, "GET", "/v1/models", headers={"Authorization": "Bearer leek"})
        assert wrong.status_code == 401
        right = ask(api, "GET", "/v1/models", headers={"Authorization": "Bearer carrot"})
        assert right.json()[0]["name"] == worker.model.bundle.name


def test_a_stream_changes_its_model_and_its_numbers_go_on(worker: Worker, record: Record) -> None:
    api = api_of(worker)
    worker.add(demo("a", loop=True))
    worker.on_command("a", Command(rules={"wave2": EventRule(enter=0.9)}))
    wait_for(lambda: len(record.all_scores) > 3, "scores")

    changed = ask(api, "PUT", "/v1/streams/a", json={"model": "fight"})
    assert changed.status_code == 200
    assert changed.json()["chosen_model"] == "fight"
    wait_for(lambda: record.all_scores[-1].model.startswith("fight@"), "scores of fight", 20)
    assert "wave2" not in record.states[-1].rules
    assert record.all_labels[-1].labels == ["fight", "no_fight"]
    models = {model["name"]: model for model in ask(api, "GET", "/v1/models").json()}
    assert models["fight"]["streams"] == ["a"]
    assert models["everyday"] == models["everyday"] | {"default": True, "streams": []}
    fight = worker.stream("a").engine

    assert ask(api, "PUT", "/v1/streams/a", json={"model": None}).json()["chosen_model"] is None
    count = len(record.all_scores)
    wait_for(lambda: len(record.all_scores) > count + 3, "scores", 20)
    assert record.all_scores[-1].model.startswith("everyday@")
    assert [scores.seq for scores in record.all_scores] == list(range(len(record.all_scores)))
    for scores in record.all_scores:
        assert ("fight" in scores.scores) == scores.model.startswith("fight@")
    assert worker.engines.in_use() == [worker.model.bundle]
    assert fight is not worker.stream("a").engine


def test_only_streams_that_need_a_model_keep_it_open(worker: Worker) -> None:
    worker.add(demo("a", model="fight"))
    worker.add(demo("b", model="fight"))
    assert worker.stream("a").engine is worker.stream("b").engine
    worker.remove("a")
    assert len(worker.engines.in_use()) == 2
    worker.remove("b")
    assert worker.engines.in_use() == [worker.model.bundle]


def test_an_unknown_model_is_refused_with_those_there_are(worker: Worker) -> None:
    api = api_of(worker)
    given = demo("a").model_dump()
    for wanted in ("nonsense", str(SHIPPED / "fight")):
        answer = ask(api, "POST", "/v1/streams", json=given | {"model": wanted})
        assert answer.status_code == 422
        assert answer.json()["code"] == "unknown_model"
        assert "everyday, drawn, fight" in answer.json()["detail"]
    with pytest.raises(BundleError):
        worker.add(demo("a", model="nonsense"))
    assert not worker.statuses()


def test_a_change_leaves_what_it_does_not_name(worker: Worker, record: Record) -> None:
    api = api_of(worker)
    url = "rtsp://joe:secret@127.0.0.1:9/x"
    worker.add(StreamSettings(name="a", url=url, loop=True))
    shown = ask(api, "GET", "/v1/streams/a").json()
    assert shown["url"] == "rtsp://joe:***@127.0.0.1:9/x"
    assert shown["origin"] == "api"

    body = {"name": "a", "url": shown["url"], "annotate": True}
    assert ask(api, "PUT", "/v1/streams/a", json=body).json()["annotate"] is True
    assert worker.stream("a").settings == StreamSettings(
        name="a", url=url, loop=True, annotate=True
    )
    assert record.statuses[-1].annotate

    for path, change, status, code in [
        ("a", {"name": "b"}, 422, "stream_renamed"),
        ("a", {"url": ""}, 422, "invalid_request"),
        ("a", {"colour": "red"}, 422, "invalid_request"),
        ("b", {"loop": False}, 404, "unknown_stream"),
    ]:
        answer = ask(api, "PUT", f"/v1/streams/{path}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_metrics_survive_hostile_names(worker: Worker) -> None:
    worker.add(StreamSettings(name='a"b\\c', url=str(DEMO_CLIP)))
    text = ask(create_api(worker, lambda: True), "GET", "/metrics").text
    assert 'actionstream_windows_total{stream="a\\"b\\\\c"}' in text


def test_the_clip_is_where_the_tests_expect_it() -> None:
    assert DEMO_CLIP.is_file()
    assert Path(DEMO_CLIP).stat().st_size <= 2_000_000
