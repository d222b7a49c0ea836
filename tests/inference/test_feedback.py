"""Feedback, small pictures and those of events: given and fetched as a page and a trainer do."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from contracts.settings import HistorySettings, Settings
from contracts.types import Picture, TimeSpan
from inference.api.pictures import NEAR_S
from inference.bundle import SHIPPED, Bundle
from inference.history.feedback import Feedback, FeedbackFullError, FeedbackStore, Verdict
from inference.history.store import History
from inference.runtime import Runtime
from inference.worker import Worker
from streaming.clips import join_pictures
from tests.conftest import wait_for
from tests.inference.workers import Record, api_of, ask, demo, running_worker
from training.datasets import activitynet

_SETTINGS = Settings.model_validate({"streams": [], "feedback": {"clips": True}})


@pytest.fixture(name="history", scope="module")
def fixture_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """An open history."""
    history = History(HistorySettings(path=tmp_path_factory.mktemp("history") / "h.sqlite3"))
    yield history
    history.close()


@pytest.fixture(name="worker", scope="module")
def fixture_worker(history: History) -> Iterator[Worker]:
    """A worker that has analysed some seconds of the demo clip."""
    record = Record()
    model = Runtime(Bundle.load(SHIPPED / "everyday"))
    with running_worker(model, record, _SETTINGS, history) as worker:
        worker.add(demo("hall/a", loop=True))
        wait_for(lambda: any(event.type == "end" for event in record.events), "an event", 60)
        pictures = worker.stream("hall/a").recent.pictures
        wait_for(lambda: len(pictures.between(TimeSpan(0, 1e10))) > 4, "pictures", 30)
        yield worker


@pytest.fixture(name="api", scope="module")
def fixture_api(worker: Worker, history: History) -> FastAPI:
    """Its API."""
    return api_of(worker, history)


def give(api: FastAPI, worker: Worker, **more: object) -> httpx.Response:
    """Say something about the last seconds of the stream."""
    at = [one.at for one in worker.stream("hall/a").recent.pictures.between(TimeSpan(0, 1e10))]
    said = {"start": at[1], "end": at[-1], "verdict": "other", "label": "juggling"} | more
    return ask(api, "POST", "/v1/streams/hall/a/feedback", json=said)


def test_feedback_is_kept_with_what_the_model_saw(api: FastAPI, worker: Worker) -> None:
    answer = give(api, worker, note="with three balls", event="e1")
    assert answer.status_code == 201
    kept = answer.json()
    fps = worker.model.bundle.input.fps
    assert kept["frames"] == pytest.approx((kept["end"] - kept["start"]) * fps, abs=1.01)
    assert (kept["lacking"], kept["model"]) == ("", worker.model.bundle.model_id)
    assert (kept["note"], kept["event"]) == ("with three balls", "e1")

    detail = ask(api, "GET", f"/v1/feedback/{kept['id']}").json()
    assert detail == kept | {"times": detail["times"]}
    assert kept["start"] <= detail["times"][0] < detail["times"][-1] < kept["end"]

    features = np.load(io.BytesIO(ask(api, "GET", kept["features"]).content))
    assert features.shape == (kept["frames"], worker.model.bundle.features)
    assert features.dtype == np.float16
    expected = worker.stream("hall/a").recent.features.between(TimeSpan(kept["start"], kept["end"]))
    assert expected is not None
    assert np.array_equal(features, expected.features)


def test_feedback_has_a_clip_if_the_settings_allow_it(api: FastAPI, worker: Worker) -> None:
    kept = give(api, worker).json()
    clip = ask(api, "GET", kept["clip"])
    assert clip.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(clip.content), "r") as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    pictures = worker.stream("hall/a").recent.pictures.between(TimeSpan(kept["start"], kept["end"]))
    assert shown == pytest.approx([one.at - pictures[0].at for one in pictures], abs=0.002)


def test_feedback_is_listed_newest_last_and_deleted(api: FastAPI, worker: Worker) -> None:
    ids = [give(api, worker, verdict="right", label="walk").json()["id"] for _ in range(2)]
    for path in ("/v1/feedback?limit=2", "/v1/streams/hall/a/feedback?limit=2"):
        assert [one["id"] for one in ask(api, "GET", path).json()] == ids
    assert ask(api, "GET", "/v1/feedback?stream=b").json() == []
    assert ask(api, "DELETE", f"/v1/feedback/{ids[0]}").status_code == 204
    for method, path in [
        ("DELETE", ""),
        ("GET", ""),
        ("GET", "/features.npy"),
        ("GET", "/clip.mp4"),
    ]:
        gone = ask(api, method, f"/v1/feedback/{ids[0]}{path}")
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_feedback")


def test_an_older_span_is_kept_without_features_and_says_so(api: FastAPI, worker: Worker) -> None:
    kept = give(api, worker, start=1000.0, end=1002.0).json()
    assert (kept["frames"], kept["features"], kept["clip"]) == (0, None, None)
    assert "600 s" in kept["lacking"]
    nothing = ask(api, "GET", f"/v1/feedback/{kept['id']}/features.npy")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_kept")
    assert "600 s" in nothing.json()["detail"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"start": 10.0, "end": 10.0}, "invalid_request"),
        ({"start": 10.0, "end": 9.0}, "invalid_request"),
        ({"start": 10.0, "end": 611.0}, "invalid_request"),
        ({"start": -1.0, "end": 1.0}, "invalid_request"),
        ({"start": 1e10, "end": 1e10 + 1}, "bad_span"),
        ({"verdict": "maybe"}, "invalid_request"),
        ({"verdict": "right"}, "unknown_label"),
        ({"verdict": "wrong"}, "unknown_label"),
        ({"label": "x" * 129}, "invalid_request"),
        ({"label": " "}, "invalid_request"),
        ({"label": "a\nb"}, "invalid_request"),
        ({"colour": "red"}, "invalid_request"),
    ],
)
def test_feedback_that_cannot_be_meant_is_refused(
    api: FastAPI, worker: Worker, said: dict[str, object], code: str
) -> None:
    answer = give(api, worker, **said)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_feedback_about_nobody_is_refused(api: FastAPI) -> None:
    said = {"start": 1.0, "end": 2.0, "verdict": "other", "label": "x"}
    assert ask(api, "POST", "/v1/streams/b/feedback", json=said).status_code == 404
    assert ask(api, "GET", "/v1/streams/b/feedback").status_code == 404


def test_the_export_is_read_by_the_training_tools(
    api: FastAPI, worker: Worker, tmp_path: Path
) -> None:
    right = give(api, worker, verdict="right", label="walk").json()
    wrong = give(api, worker, verdict="wrong", label="run").json()
    document = ask(api, "GET", "/v1/feedback.json?stream=hall/a").json()
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    videos = {video.name: video for video in activitynet.read(path).videos}
    (told,) = videos[right["id"]].annotations
    assert told.label == "walk"
    assert told.end_s == pytest.approx(right["end"] - right["start"], abs=1e-3)
    assert videos[wrong["id"]].annotations == ()
    assert document["database"][wrong["id"]]["not"] == "run"
    assert document["database"][right["id"]]["features"] == right["features"]


def test_without_a_history_there_is_no_feedback_but_a_reason(worker: Worker) -> None:
    api = api_of(worker)
    said = {"start": 1.0, "end": 2.0, "verdict": "other", "label": "x"}
    for method, path in [
        ("POST", "streams/hall/a/feedback"),
        ("GET", "streams/hall/a/feedback"),
        ("GET", "feedback"),
        ("DELETE", "feedback/x"),
    ]:
        answer = ask(api, method, f"/v1/{path}", json=said)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_history")


def test_there_is_an_end_to_the_room_for_feedback(tmp_path: Path) -> None:
    history = History(HistorySettings(path=tmp_path / "h.sqlite3"))
    store = FeedbackStore(history.database, max_bytes=100)
    said = Feedback("f1", "b", 1.0, 2.0, Verdict.OTHER, "x", None, "", "m@1", 3.0)
    store.add(said, None, [Picture(1.0, bytes(60))])
    with pytest.raises(FeedbackFullError, match=r"history\.max_mb"):
        store.add(replace(said, id="f2"), None, [Picture(1.0, bytes(60))])
    assert [one.id for one in store.newest(10)] == ["f1"]
    store.delete("f1")
    store.add(replace(said, id="f2"), None, [Picture(1.0, bytes(60))])
    history.close()


def test_pictures_of_the_recent_past_are_small_and_in_time(api: FastAPI) -> None:
    times = ask(api, "GET", "/v1/streams/hall/a/pictures").json()["at"]
    assert abs(times[-1] - time.time()) < 20
    assert times == sorted(times)
    since = ask(api, "GET", f"/v1/streams/hall/a/pictures?since={times[2]}&until={times[4]}")
    assert since.json()["at"] == times[2:4]
    picture = ask(api, "GET", f"/v1/streams/hall/a/picture.jpg?at={times[2] + 0.01}")
    assert float(picture.headers["picture-at"]) == pytest.approx(times[2], abs=1e-3)
    image = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (180, 320, 3)
    for path, code in [
        (f"hall/a/picture.jpg?at={times[0] - 10 * NEAR_S}", "no_picture"),
        ("b/pictures", "unknown_stream"),
    ]:
        answer = ask(api, "GET", f"/v1/streams/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_an_event_keeps_a_few_pictures_beyond_the_recent_past(
    api: FastAPI, worker: Worker, history: History
) -> None:
    history.database.flush()
    events = history.events.read(TimeSpan(0, 1e10), 100, "hall/a")
    event = next(event for event in events if event.end is not None)
    assert worker.event_pictures is not None
    times = worker.event_pictures.times(event.id)
    assert 1 <= len(times) <= 8
    assert event.end is not None
    assert event.start - 0.5 < times[0] <= times[-1] < event.end + 0.5
    found = worker.event_pictures.nearest("hall/a", times[0])
    assert found is not None
    assert found == Picture(times[0], found.jpeg)
    shown = ask(api, "GET", f"/v1/streams/hall/a/picture.jpg?at={times[0]}")
    assert shown.content == found.jpeg


def test_a_clip_of_pictures_of_two_sizes_and_odd_sides() -> None:
    def picture(at: float, height: int, width: int) -> Picture:
        _, data = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))
        return Picture(at, data.tobytes())

    data = join_pictures([picture(5.0, 33, 51), picture(5.5, 40, 60)])
    with av.open(io.BytesIO(data), "r") as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(50, 32)] * 2
