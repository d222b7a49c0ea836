"""Changes over REST and MQTT outlive the worker, however it ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.messages import Command, EventRule
from contracts.settings import HistorySettings, Settings, StreamSettings
from inference.bundle import SHIPPED, Bundle
from inference.history.saved import Origin
from inference.history.store import History
from inference.runtime import Runtime
from inference.worker import Discovery, Worker
from stack.broadcast import DEMO_CLIP
from tests.inference.workers import Record, api_of, ask, demo, running_worker


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(Bundle.load(SHIPPED / "everyday"))


@contextmanager
def lifetime(
    model: Runtime, folder: Path, streams: list[StreamSettings] | str
) -> Iterator[tuple[Worker, History, Record]]:
    """A worker from its start to its end, over the same history as those before."""
    settings = Settings.model_validate({"streams": streams, "feedback": {"recent_s": 0}})
    history, record = History(HistorySettings(path=folder / "h.sqlite3")), Record()
    try:
        with running_worker(model, record, settings, history) as worker:
            yield worker, history, record
    finally:
        history.close()


def test_streams_over_rest_and_rules_over_mqtt_come_back(model: Runtime, tmp_path: Path) -> None:
    with lifetime(model, tmp_path, []) as (worker, history, _):
        api = api_of(worker, history)
        for name in ("hall/a", "b"):
            stream = demo(name, loop=True).model_dump()
            assert ask(api, "POST", "/v1/streams", json=stream).status_code == 201
        assert ask(api, "PUT", "/v1/streams/hall/a", json={"model": "fight"}).is_success
        assert ask(api, "DELETE", "/v1/streams/b").status_code == 204
        rules = {"fight": EventRule(enter=0.9)}
        worker.on_command("hall/a", Command(paused=True, rules=dict(rules)))
    with lifetime(model, tmp_path, []) as (worker, _, record):
        assert [stream.name for stream in worker.streams()] == ["hall/a"]
        assert worker.stream("hall/a").settings == demo("hall/a", loop=True, model="fight")
        assert worker.origin("hall/a") is Origin.API
        assert record.states[0].paused
        assert record.states[0].rules["fight"] == rules["fight"]
        # What is as the settings say is not remembered, so that the settings can change it.
        worker.on_command("hall/a", Command(paused=False, rules={"fight": None}))
    with lifetime(model, tmp_path, []) as (worker, _, record):
        assert not record.states[0].paused
        assert "fight" not in record.states[0].rules
        worker.remove("hall/a")
        worker.add(demo("hall/a"))
        assert worker.stream("hall/a").control.rules == {}


def test_the_settings_win_over_what_was_saved_of_a_url(model: Runtime, tmp_path: Path) -> None:
    named = StreamSettings(name="a", url=str(DEMO_CLIP))
    with lifetime(model, tmp_path, [named]) as (worker, _, _):
        worker.change(named.model_copy(update={"url": "rtsp://127.0.0.1:9/x", "annotate": True}))
    with lifetime(model, tmp_path, [named]) as (worker, _, _):
        assert worker.stream("a").settings == named.model_copy(update={"annotate": True})
        worker.remove("a")
    with lifetime(model, tmp_path, [named]) as (worker, _, _):
        assert not worker.streams()
    moved = named.model_copy(update={"url": "rtsp://127.0.0.1:9/y"})
    with lifetime(model, tmp_path, [moved]) as (worker, _, _):
        assert [stream.settings for stream in worker.streams()] == [moved]


def test_a_removed_path_stays_out_until_it_is_published_anew(
    model: Runtime, tmp_path: Path
) -> None:
    async def follow(worker: Worker, *steps: set[str]) -> None:
        done = asyncio.Event()

        async def paths() -> AsyncIterator[frozenset[str]]:
            for step in steps:
                yield frozenset(step)
            done.set()
            await asyncio.Event().wait()

        run = asyncio.create_task(worker.run(Discovery(paths, lambda _: str(DEMO_CLIP))))
        await asyncio.wait_for(done.wait(), 20)
        run.cancel()

    def names(worker: Worker) -> list[str]:
        return [stream.name for stream in worker.streams()]

    with lifetime(model, tmp_path, "auto") as (worker, _, _):
        asyncio.run(follow(worker, {"x", "y"}))
        worker.remove("x")
        asyncio.run(follow(worker, {"x", "y", "z"}))
        assert names(worker) == ["y", "z"]
    with lifetime(model, tmp_path, "auto") as (worker, _, _):
        asyncio.run(follow(worker, {"x", "y"}))
        assert names(worker) == ["y"]
        asyncio.run(follow(worker, {"y"}, {"x", "y"}))
        assert names(worker) == ["x", "y"]
    with lifetime(model, tmp_path, "auto") as (worker, _, _):
        asyncio.run(follow(worker, {"x"}))
        assert names(worker) == ["x"]


def test_a_saved_stream_whose_model_is_gone_does_not_stop_the_others(
    model: Runtime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with lifetime(model, tmp_path, []) as (worker, history, _):
        worker.add(demo("a"))
        worker.add(demo("b"))
        gone = demo("a", model="gone").model_dump_json()
        history.database.write("UPDATE saved_streams SET settings = ? WHERE name = 'a'", (gone,))
        history.database.write(
            "INSERT INTO saved_streams VALUES ('c', '{\"nonsense\": 1}', 'api', 0)"
        )
    with lifetime(model, tmp_path, []) as (worker, _, _):
        assert [stream.name for stream in worker.streams()] == ["b"]
    assert "gone" in caplog.text
    assert "the saved stream c cannot be read" in caplog.text


def test_what_was_answered_survives_a_kill(model: Runtime, tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
from contracts.messages import Command
from tests.inference.test_saved import lifetime
from tests.inference.workers import api_of, ask, demo
from inference.bundle import SHIPPED, Bundle
from inference.runtime import Runtime

with lifetime(Runtime(Bundle.load(SHIPPED / "everyday")), Path({str(tmp_path)!r}), []) as (w, h, _):
    api = api_of(w, h)
    assert ask(api, "POST", "/v1/streams", json=demo("a").model_dump()).status_code == 201
    w.on_command("a", Command(paused=True))
    said = {{"start": 1.0, "end": 2.0, "verdict": "other", "label": "x"}}
    assert ask(api, "POST", "/v1/streams/a/feedback", json=said).status_code == 201
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        timeout=100,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == -signal.SIGKILL
    with lifetime(model, tmp_path, []) as (worker, history, record):
        assert [stream.name for stream in worker.streams()] == ["a"]
        assert record.states[0].paused
        assert len(ask(api_of(worker, history), "GET", "/v1/feedback").json()) == 1
