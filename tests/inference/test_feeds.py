"""Server-sent events and the websocket over real HTTP: what is heard is what MQTT carries."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from contracts.messages import (
    ControlState,
    Event,
    FrameCount,
    Message,
    Scores,
    StreamStatus,
    TopScore,
)
from contracts.settings import ApiSettings, Settings, StreamSettings
from contracts.types import Clock, Latency, Quality, StreamState, TimeSpan
from inference.api.app import create_api
from inference.api.feeds import feed_routes
from inference.api.subscriptions import (
    MAX_LISTENERS,
    QUEUE,
    Feeds,
    TooManyListenersError,
    Wish,
)
from inference.bundle import SHIPPED, Bundle
from inference.runtime import Runtime
from inference.tee import TeePublisher
from inference.worker import Worker
from stack.broadcast import DEMO_CLIP
from stack.serving import serve
from stack.sources import make_opener
from tests.conftest import wait_for

MODEL = "everyday@1"


def scores(seq: int, stream: str = "hall") -> Scores:
    """A message of one window."""
    window = TimeSpan(seq / 8, seq / 8 + 2)
    return Scores(
        stream=stream,
        seq=seq,
        window=window,
        media=window,
        top=TopScore("walk", 0.9),
        scores={"walk": 0.9, "none": 0.1},
        model=MODEL,
        clock=Clock.RTCP,
        frames=FrameCount(16, 0),
        latency_ms=Latency(1, 2, 3, 40),
        quality=Quality(0.5, 100),
        published_at=seq / 8 + 2.1,
    )


def event(number: int, stream: str = "hall") -> Event:
    """A message of one event."""
    return Event(
        id=str(number),
        stream=stream,
        model=MODEL,
        label="walk",
        type="new",
        score=0.9,
        peak=0.9,
        start=float(number),
    )


def status(stream: str = "hall", state: StreamState = StreamState.LIVE) -> StreamStatus:
    """A message of one state."""
    return StreamStatus(stream=stream, state=state, since=1.0)


@dataclass
class Silent:
    """A publisher that reaches nobody else."""

    heard: list[Message] = field(default_factory=list)

    def status(self, message: StreamStatus) -> None:
        """Keep it."""
        self.heard.append(message)

    def labels(self, stream: str, message: Message) -> None:
        """Keep it."""
        assert stream
        self.heard.append(message)

    def scores(self, message: Scores) -> bool:
        """Keep it."""
        self.heard.append(message)
        return True

    def event(self, message: Event) -> bool:
        """Keep it."""
        self.heard.append(message)
        return True

    def state(self, message: ControlState) -> None:
        """Keep it."""
        self.heard.append(message)

    def forget(self, stream: str) -> None:
        """Nothing is retained."""


@dataclass
class Served:
    """A running API and what feeds it."""

    port: int
    feeds: Feeds
    worker: Worker
    sent: Silent

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def listeners(self) -> int:
        """How many listen now."""
        return self.feeds.listeners

    def socket(
        self, query: str = "", headers: dict[str, str] | None = None, origin: str | None = None
    ) -> ClientConnection:
        """Open a websocket."""
        return connect(
            f"ws://127.0.0.1:{self.port}/v1/live/ws{query}",
            additional_headers=headers,
            origin=origin,  # type: ignore[arg-type]
            proxy=None,
            close_timeout=0.2,
        )


@contextmanager
def serving(model: Runtime, token: str | None = None) -> Iterator[Served]:
    """Serve the API of a worker without streams."""
    secret = None if token is None else SecretStr(token)
    settings = Settings(streams=[], api=ApiSettings(token=secret))
    feeds, sent = Feeds(), Silent()
    worker = Worker(settings, model, TeePublisher(sent, [feeds]), make_opener(settings.source))
    api = create_api(worker, lambda: True, [feed_routes(worker, feeds)])
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(api, "127.0.0.1", 0, "api.port")) as port,
    ):
        try:
            yield Served(port, feeds, worker, sent)
        finally:
            feeds.close()


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(Bundle.load(SHIPPED / "everyday"))


@pytest.fixture(name="served")
def fixture_served(model: Runtime) -> Iterator[Served]:
    """An API that asks for no token."""
    with serving(model) as served:
        yield served


@dataclass
class Heard:
    """One server-sent event."""

    kind: str = "message"
    data: str = ""
    id: str | None = None


@contextmanager
def listening(
    served: Served, path: str = "/v1/live", headers: dict[str, str] | None = None
) -> Iterator[Iterator[Heard]]:
    """Listen as a browser's EventSource does, once the server has taken the listener in."""
    before = served.listeners()
    with httpx.stream("GET", served.url + path, headers=headers, timeout=10) as answer:
        answer.raise_for_status()
        assert answer.headers["content-type"].startswith("text/event-stream")
        wait_for(lambda: served.listeners() > before, "listener")
        yield parse(answer.iter_lines())
    wait_for(lambda: served.listeners() <= before, "end of the listener")


def parse(lines: Iterator[str]) -> Iterator[Heard]:
    """Server-sent events of a stream (HTML standard, section 9.2.6)."""
    heard = Heard()
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            heard.kind = value
        elif name == "data":
            heard.data = value
        elif name == "id":
            heard.id = value
        elif not line:
            if heard.data:
                yield heard
            heard = Heard()


def test_messages_are_those_of_mqtt(served: Served) -> None:
    told: list[tuple[str, StreamStatus | Scores | Event | ControlState]] = [
        ("status", status()),
        ("scores", scores(1)),
        ("event", event(1)),
        ("state", ControlState(stream="hall", paused=False, rules={})),
        ("scores", scores(2, "yard")),
    ]
    with listening(served) as heard:
        for _, message in told:
            served.feeds.message(message.stream, message)
        for kind, message in told:
            got = next(heard)
            assert (got.kind, got.data.encode()) == (kind, message.to_json())
            assert (got.id is not None) == (kind == "event")


def test_a_listener_chooses_kinds_and_stream(served: Served) -> None:
    with listening(served, "/v1/live?kinds=event,status") as heard:
        for message in (scores(1), event(1), scores(2), status("yard")):
            served.feeds.message(message.stream, message)
        assert [next(heard).kind, next(heard).kind] == ["event", "status"]
    with served.socket("?kinds=scores") as socket:
        wait_for(served.listeners, "listener")
        served.feeds.message("hall", event(2))
        served.feeds.message("hall", scores(3))
        assert json.loads(socket.recv(5))["data"]["seq"] == 3


def test_what_does_not_exist_is_refused(served: Served) -> None:
    wrong = httpx.get(f"{served.url}/v1/live?kinds=score")
    assert wrong.status_code == 422
    assert "scores" in wrong.json()["detail"]
    missing = httpx.get(f"{served.url}/v1/streams/hall/live")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_stream")
    for query in ("?kinds=score", "?stream=hall"):
        with served.socket(query) as socket, pytest.raises(ConnectionClosed) as closed:
            socket.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
    assert served.listeners() == 0


def test_state_stands_and_missed_events_come_first(served: Served) -> None:
    served.feeds.message("hall", status())
    served.feeds.message("hall", event(1))
    with listening(served) as heard:
        assert next(heard).kind == "status"
        served.feeds.message("hall", event(2))
        last = next(heard)
    served.feeds.message("hall", scores(1))
    for number in (3, 4):
        served.feeds.message("hall", event(number))
    assert last.id is not None
    with listening(served, headers={"Last-Event-ID": last.id}) as heard:
        missed = [next(heard) for _ in range(3)]
    assert [got.kind for got in missed] == ["status", "event", "event"]
    assert [json.loads(got.data)["id"] for got in missed[1:]] == ["3", "4"]
    # The ID of another run of the process says nothing: all is news.
    with listening(served, "/v1/live?kinds=event", {"Last-Event-ID": "feed0123-9"}) as heard:
        assert [json.loads(next(heard).data)["id"] for _ in range(4)] == ["1", "2", "3", "4"]


def test_events_beyond_the_buffer_are_counted(served: Served) -> None:
    with listening(served) as heard:
        served.feeds.message("hall", event(0))
        last = next(heard).id
    for number in range(1, 2101):
        served.feeds.message("yard" if number == 5 else "hall", event(number))
    assert last is not None
    with listening(served, headers={"Last-Event-ID": last}) as heard:
        lost, first = next(heard), next(heard)
    assert (lost.kind, lost.data) == ("lost", '{"event":100}')
    assert json.loads(first.data)["id"] == "101"
    with served.socket(f"?kinds=event&last_event_id={last}") as socket:
        assert json.loads(socket.recv(5)) == {
            "kind": "lost",
            "stream": "",
            "id": None,
            "data": {"event": 100},
        }


def drained(push: Callable[[Feeds], None]) -> list[tuple[str, str]]:
    """What a listener hears that was asleep while messages came."""

    async def main() -> list[tuple[str, str]]:
        feeds = Feeds()
        listener = feeds.subscribe(Wish())
        push(feeds)
        feeds.close()
        return [(item.kind, item.data) async for batch in listener.batches() for item in batch]

    return asyncio.run(main())


def test_the_oldest_scores_give_way_and_events_stay() -> None:
    def push(feeds: Feeds) -> None:
        feeds.message("hall", event(0))
        for seq in range(QUEUE + 50):
            feeds.message("hall", scores(seq))
        feeds.message("hall", event(1))

    lost, *heard = drained(push)
    assert lost == ("lost", '{"scores":52}')
    assert [kind for kind, _ in heard] == ["event", *["scores"] * (QUEUE - 2), "event"]
    assert json.loads(heard[-2][1])["seq"] == QUEUE + 49


def test_lost_events_are_told() -> None:
    def push(feeds: Feeds) -> None:
        for number in range(QUEUE + 7):
            feeds.message("hall", event(number))
        feeds.message("hall", scores(1))

    lost, *heard = drained(push)
    assert lost == ("lost", '{"event":7,"scores":1}')
    assert [json.loads(data)["id"] for _, data in heard] == [str(n) for n in range(7, QUEUE + 7)]


def test_a_client_that_does_not_read_holds_nothing_up(served: Served) -> None:
    with listening(served) as heard, listening(served) as lively:
        started = time.monotonic()
        for seq in range(30_000):
            served.feeds.message("hall", scores(seq))
            if seq % 100 == 0:
                while json.loads(next(lively).data)["seq"] != seq:
                    pass
        served.feeds.message("hall", event(1))
        assert time.monotonic() - started < 20
        got, lost, seen = next(heard), 0, 0
        while got.kind != "event":
            if got.kind == "lost":
                lost += json.loads(got.data)["scores"]
            else:
                seen += 1
            got = next(heard)
        assert lost > 1000
        assert lost + seen == 30_000


def test_listeners_that_leave_cost_nothing(served: Served) -> None:
    with listening(served), served.socket():
        wait_for(lambda: served.listeners() == 2, "both listeners")
    wait_for(lambda: not served.listeners(), "end of both")


def test_there_is_a_limit_of_listeners(served: Served) -> None:
    async def fill() -> None:
        for _ in range(MAX_LISTENERS):
            served.feeds.subscribe(Wish())
        with pytest.raises(TooManyListenersError):
            served.feeds.subscribe(Wish())

    asyncio.run(fill())
    refused = httpx.get(f"{served.url}/v1/live")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.json()["code"] == "too_many_listeners"
    with served.socket() as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013


def refusal(socket: Connection) -> int | None:
    """Code with which a websocket is closed; nothing if it stays open."""
    try:
        socket.recv(5)
    except ConnectionClosed as exc:
        return None if exc.rcvd is None else exc.rcvd.code
    return None


def test_a_token_is_asked_for(model: Runtime) -> None:
    right = {"Authorization": "Bearer secret"}
    with serving(model, "secret") as served:
        served.feeds.message("hall", status())
        assert httpx.get(f"{served.url}/v1/live").status_code == 401
        with listening(served, headers=right) as heard:
            assert next(heard).kind == "status"
        with served.socket(headers=right) as socket:
            assert json.loads(socket.recv(5))["kind"] == "status"
        with served.socket(origin="https://elsewhere.example") as socket:
            socket.send('{"token": "secret"}')
            assert json.loads(socket.recv(5))["kind"] == "status"
        for wrong in ('{"token": "secreT"}', "[1]", "no JSON", '{"token": null}', "{" * 10_000):
            with served.socket() as socket:
                socket.send(wrong)
                assert refusal(socket) == 1008
        with served.socket(headers={"Authorization": "Bearer other"}) as socket:
            assert refusal(socket) == 1008
        wait_for(lambda: not served.listeners(), "end of all")


def test_pages_from_elsewhere_may_not_listen(served: Served) -> None:
    served.feeds.message("hall", status())
    with served.socket(origin="https://elsewhere.example") as socket:
        assert refusal(socket) == 1008
    with served.socket(origin=served.url) as socket:
        assert refusal(socket) is None


def test_a_stream_is_heard_until_it_is_removed(served: Served) -> None:
    served.worker.start()
    try:
        served.worker.add(StreamSettings(name="hall/cam1", url=str(DEMO_CLIP), loop=True))
        with listening(served, "/v1/streams/hall/cam1/live?kinds=scores") as heard:
            first = json.loads(next(heard).data)
            assert first["stream"] == "hall/cam1"
            served.worker.remove("hall/cam1")
            rest = list(heard)
        sent = [m.to_json() for m in served.sent.heard if isinstance(m, Scores)]
        assert [got.data.encode() for got in rest] == sent[len(sent) - len(rest) :]
    finally:
        served.worker.stop()
    with pytest.raises(httpx.HTTPStatusError), listening(served, "/v1/streams/hall/cam1/live"):
        pass


def test_open_feeds_do_not_hold_up_the_end(model: Runtime) -> None:
    with serving(model) as served:
        with listening(served), served.socket():
            wait_for(lambda: served.listeners() == 2, "both listeners")
            started = time.monotonic()
            served.feeds.close()
            wait_for(lambda: not served.listeners(), "end of both")
        assert time.monotonic() - started < 2
        with pytest.raises((InvalidStatus, ConnectionClosed)), served.socket() as socket:
            socket.recv(5)
