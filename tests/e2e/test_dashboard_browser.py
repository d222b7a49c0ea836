"""The page in a real browser, fed over a real broker: what a person would see."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio.from_thread
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from contracts.messages import Event, Labels, Message, StreamStatus, TruthMessage, TruthSpan
from contracts.mqtt import MqttConnection, Outgoing
from contracts.settings import DashboardSettings, MqttSettings, Settings
from contracts.topics import Kind, Topics
from contracts.types import StreamState
from dashboard.app import create_app
from stack.broker import Broker, start_broker
from stack.serving import serve
from tests.conftest import find_peer, pick_port, wait_for
from tests.dashboard import messages
from tests.dashboard.messages import LABELS, MODEL, STRIDE_S, WINDOW_S

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(120)]

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TITLES = ["Walk", "Jump", "Nothing"]
PHASE_S = 4.0
"""The scripted person walks and jumps in turns of this length."""


@dataclass
class Feed:
    """Publishes what a worker would: a stream whose truth is known, at the real pace."""

    mqtt: MqttSettings
    stream: str = "cam"
    sent: dict[float, dict[str, float]] = field(default_factory=dict)
    skip: int = 0
    started_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        """Connect."""
        self.topics = Topics(self.mqtt.prefix)
        self.connection = MqttConnection(self.mqtt, "feed")
        self.connection.start()
        self.halt = threading.Event()
        self.numbers = itertools.count(1)
        self.thread = threading.Thread(target=self._run)

    def start(self) -> Feed:
        """Announce the stream and begin to send scores."""
        self.connection.retain(self.topics.status, b"online")
        self.retain(Labels(model=MODEL, labels=list(LABELS), titles=TITLES, background=["none"]))
        self.retain(self.status(StreamState.LIVE))
        turns = [
            TruthSpan(LABELS[number % 2], number * PHASE_S, (number + 1) * PHASE_S)
            for number in range(25)
        ]
        self.retain(
            TruthMessage(
                stream=self.stream, started_at=self.started_at, duration_s=100, annotations=turns
            )
        )
        self.thread.start()
        return self

    def status(self, state: StreamState, error: str | None = None) -> StreamStatus:
        """A status message."""
        return replace(messages.status(state, self.stream, error), since=time.time())

    def retain(self, message: Message) -> None:
        """Publish a retained message."""
        self.connection.retain(self.topics.stream(self.stream, message.KIND), message.to_json())

    def send(self, message: Message, qos: int = 0) -> None:
        """Publish a message that is not retained."""
        topic = self.topics.stream(self.stream, message.KIND)
        self.connection.publish(Outgoing(topic, message.to_json(), qos=qos, retain=False))

    def close(self) -> None:
        """Stop sending and disconnect."""
        self.halt.set()
        if self.thread.is_alive():
            self.thread.join()
        self.connection.stop()

    def _run(self) -> None:
        while not self.halt.wait(STRIDE_S):
            seq = next(self.numbers)
            if self.skip:
                self.skip -= 1
                continue
            end = round(time.time(), 3)
            centre = end - WINDOW_S / 2
            now = LABELS[int((centre - self.started_at) // PHASE_S) % 2]
            table = {label: 0.84 if label == now else 0.08 for label in LABELS}
            table["none"] = round(0.01 + (seq % 50) / 1000, 3)
            self.sent[round(centre, 3)] = table
            self.send(messages.scores(seq, end, table, self.stream))
            self._event(centre)

    def _event(self, centre: float) -> None:
        """The event of the current turn, as it goes on."""
        turn = max(0, int((centre - self.started_at) // PHASE_S))
        self.send(
            Event(
                stream=self.stream,
                id=f"turn{turn}",
                type="update",
                label=LABELS[turn % 2],
                start=self.started_at + turn * PHASE_S,
                end=None if centre < self.started_at + (turn + 0.9) * PHASE_S else centre,
                score=0.84,
                peak=0.84,
                model=MODEL,
            ),
            qos=1,
        )


@pytest.fixture(name="broker")
def fixture_broker() -> Iterator[list[Broker]]:
    """A running broker; a test may put a restarted one in its place."""
    holder = [start_broker(MqttSettings(port=pick_port()))]
    yield holder
    holder[0].stop()


@pytest.fixture(name="mqtt")
def fixture_mqtt(broker: list[Broker]) -> MqttSettings:
    """How to reach the broker."""
    return broker[0].settings


@pytest.fixture(name="url")
def fixture_url(mqtt: MqttSettings) -> Iterator[str]:
    """A running dashboard without a worker's API."""
    with serve_dashboard(mqtt) as url:
        yield url


@contextmanager
def serve_dashboard(mqtt: MqttSettings) -> Iterator[str]:
    """Serve a dashboard in a thread; yields its URL."""
    settings = Settings(mqtt=mqtt, dashboard=DashboardSettings(worker_url="http://127.0.0.1:9"))
    served = serve(create_app(settings), "127.0.0.1", 0, "dashboard.port")
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served) as port,
    ):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(name="browser", scope="module")
def fixture_browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=CHROMIUM_ARGS
        )
        yield browser
        browser.close()


@dataclass
class Viewer:
    """A page and what it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to the console and the network."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._request(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "blob:", "data:")):
            self.foreign.append(url)

    def open(self, url: str) -> None:
        """Go to a page and wait until it lives."""
        self.page.goto(url)
        self.wait(
            "() => window.actionstream?.page?.overview && actionstream.page.attached",
            "overview",
            60,
        )

    def wait(self, script: str, what: str, timeout_s: float = 20) -> Any:
        """Wait until a script returns something true."""
        result: list[Any] = [None]

        def holds() -> bool:
            result[0] = self.page.evaluate(script)
            return bool(result[0])

        wait_for(holds, what, timeout_s, every_s=0.1)
        return result[0]

    def text(self, selector: str) -> str:
        """Text that is shown."""
        return self.page.locator(selector).inner_text()

    def wait_text(self, selector: str, wanted: str, timeout_s: float = 20) -> None:
        """Wait until some text is shown."""
        wait_for(lambda: wanted in self.text(selector), f"“{wanted}”", timeout_s, every_s=0.1)

    def lines(self) -> list[dict[str, Any]]:
        """Name, times and values of the lines as Plotly has them; times in UTC seconds."""
        return list(
            self.page.evaluate(
                """() => document.querySelector("#graph .js-plotly-plot").data
                  .filter((trace) => trace.type === "scatter")
                  .map((trace) => ({name: trace.name, y: trace.y, x: trace.x.map((x) =>
                    x / 1000 + new Date(x).getTimezoneOffset() * 60)}))"""
            )
        )

    def bars(self, row: str) -> list[str]:
        """Titles of the spans in a row of the timeline."""
        titles: list[str] = self.page.evaluate(
            """(row) => actionstream.streamPage.timeline.lanes.get(row).spans
              .map((span) => span.title)""",
            row.lower(),
        )
        return titles


@pytest.fixture(name="visit")
def fixture_visit(browser: Browser) -> Iterator[Callable[..., Viewer]]:
    """Makes viewers; afterwards nobody may have complained or fetched anything from elsewhere."""
    with ExitStack() as stack:
        viewers: list[Viewer] = []

        def visit(width: int = 1280, height: int = 800, scheme: str = "light") -> Viewer:
            context: Any = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            stack.callback(context.close)
            viewers.append(Viewer(context.new_page()))
            return viewers[-1]

        yield visit
        for viewer in viewers:
            assert not viewer.foreign
            assert not viewer.complaints


def test_lines_move_and_agree_with_the_messages(
    mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]
) -> None:
    with closing(Feed(mqtt).start()) as feed:
        viewer = visit()
        viewer.open(f"{url}/stream/cam")
        viewer.wait(
            "() => actionstream.page.graph.lines[0]?.x.length > 40", "forty points", timeout_s=30
        )
        wait_for(lambda: viewer.bars("Truth"), "truth strip", every_s=0.1)
        lines = {line["name"]: line for line in viewer.lines()}
        assert list(lines) == TITLES
        compared = 0
        for label, title in zip(LABELS, TITLES, strict=True):
            for x, y in zip(lines[title]["x"], lines[title]["y"], strict=True):
                if y is not None:
                    assert y == pytest.approx(feed.sent[round(x, 3)][label], abs=6e-4)
                    compared += 1
        assert compared > 100
        newest = lines["Walk"]["x"][-1]
        wait_for(lambda: viewer.lines()[0]["x"][-1] > newest + 0.5, "moving lines", every_s=0.1)
        # What is new is drawn soon: within a second of the window's end even on a busy machine.
        behind = time.time() - (viewer.lines()[0]["x"][-1] + WINDOW_S / 2)
        assert behind < 1.5
        assert {"Walk", "Jump"} <= set(viewer.bars("Truth"))
        assert set(viewer.bars("Detected")) <= {"Walk", "Jump"}
        assert viewer.bars("Detected")
        viewer.wait_text("#tiles", "100 %".replace(" ", "\u00a0"))
        viewer.wait_text("#tiles", "100 ms")
        assert viewer.text("#action") in ("Walk", "Jump")
        assert viewer.text("#state") == "Live"
        assert viewer.page.locator("#event-rows tr").count() >= 1


def test_a_hole_is_a_gap_and_counted(
    mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]
) -> None:
    with closing(Feed(mqtt).start()) as feed:
        viewer = visit()
        viewer.open(f"{url}/stream/cam")
        viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 5", "points")
        assert None not in viewer.lines()[0]["y"]
        feed.skip = 4
        wait_for(lambda: None in viewer.lines()[0]["y"], "gap", every_s=0.1)
        viewer.wait_text("#tiles", "4 lost")


def test_states_are_told(mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]) -> None:
    viewer = visit()
    viewer.open(url)
    viewer.wait_text("#empty-title", "No stream yet")
    assert "ffmpeg -re" in viewer.text("#push")
    with closing(Feed(mqtt).start()) as feed:
        viewer.page.locator("#cards a").click()
        viewer.wait_text("#state", "Live")
        feed.retain(feed.status(StreamState.STALLED))
        viewer.wait_text("#state", "Stalled")
        viewer.wait_text("#words", "No picture for")
        feed.retain(feed.status(StreamState.OFFLINE, "404 Not Found"))
        viewer.wait_text("#words", "404 Not Found")
        assert viewer.text("#action") == "Offline"
        feed.connection.retain(feed.topics.status, b"offline")
        viewer.wait_text("#notice", "The worker is offline")
    assert "the worker does not answer" in viewer.text("#video .no-picture")


def test_a_restart_of_the_broker_is_survived(
    broker: list[Broker], url: str, visit: Callable[..., Viewer]
) -> None:
    with closing(Feed(broker[0].settings).start()):
        viewer = visit()
        viewer.open(f"{url}/stream/cam")
        viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 5", "points")
        port = broker[0].settings.port
        broker[0].stop()
        viewer.wait_text("#notice", "broker")
        viewer.wait_text("#service", "No broker")
        broker[0] = start_broker(MqttSettings(port=port))
        viewer.wait_text("#service", "Worker online", timeout_s=30)
        newest = viewer.lines()[0]["x"][-1]
        wait_for(lambda: viewer.lines()[0]["x"][-1] > newest, "new points", 30, every_s=0.1)
        # The time without a broker is a gap.
        assert None in viewer.lines()[0]["y"]


def test_without_a_broker_the_page_says_so(visit: Callable[..., Viewer]) -> None:
    port = pick_port()
    with serve_dashboard(MqttSettings(port=port)) as url:
        viewer = visit()
        viewer.open(url)
        viewer.wait_text("#empty-title", f"No MQTT broker at mqtt://127.0.0.1:{port}")
        assert "actionstream up" in viewer.text("#empty-text")


def test_hostile_names_are_text(mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]) -> None:
    name = "<script>document.title='hurt'</script><img src=x onerror=document.title='hurt'>"
    evil = "<b onclick=alert(1)>x</b><img src=y onerror=document.title='hurt'>"
    with closing(Feed(mqtt, stream=name).start()) as feed, closing(Feed(mqtt, "other").start()):
        feed.retain(
            Labels(
                model=MODEL, labels=list(LABELS), titles=[evil, evil, "None"], background=["none"]
            )
        )
        viewer = visit()
        viewer.open(url)
        viewer.wait("() => actionstream.page.overview.streams.length == 2", "both streams")
        viewer.page.locator("#cards a", has_text="<script>").click()
        viewer.wait_text("#action", "<b onclick")
        viewer.wait("() => actionstream.page.graph.lines[0].x.length > 20", "points")
        assert viewer.page.evaluate("() => actionstream.page.stream") == name
        viewer.page.reload()
        viewer.wait_text("#action", "<b onclick")
        assert viewer.page.evaluate("() => actionstream.page.stream") == name
        assert viewer.page.title() != "hurt"
        assert viewer.page.locator("[data-page=stream] img").count() == 2
        feed.connection.publish(
            Outgoing(feed.topics.stream(name, Kind.SCORES), b"\xff{", qos=0, retain=False)
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction_only(
    mqtt: MqttSettings, url: str, visit: Callable[..., Viewer], scheme: str
) -> None:
    with closing(Feed(mqtt).start()), closing(Feed(mqtt, "long/" + "name" * 20).start()):
        viewer = visit(width=360, height=740, scheme=scheme)
        viewer.open(f"{url}/stream/cam")
        viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 5", "points")
        widths = viewer.page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert widths[0] <= widths[1]
        ground = viewer.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        red = int(ground.removeprefix("rgb(").split(",")[0])
        assert (red < 60) == (scheme == "dark")


def test_a_hidden_page_asks_nothing_and_catches_up(
    mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]
) -> None:
    with closing(Feed(mqtt).start()):
        viewer = visit()
        viewer.open(f"{url}/stream/cam")
        viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 5", "points")
        hide = """(hidden) => {
          Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
          return actionstream.page.graph.lastTime; }"""
        asleep_at = viewer.page.evaluate(hide, True)
        assert viewer.page.evaluate("() => actionstream.page.feed.socket") is None
        wait_for(lambda: time.time() > asleep_at + WINDOW_S / 2 + 2, "two seconds of sleep")
        assert viewer.page.evaluate("() => actionstream.page.graph.lastTime") == asleep_at
        viewer.page.evaluate(hide, False)
        viewer.wait(f"() => actionstream.page.graph.lastTime > {asleep_at + 2}", "newer points")
        # What came during the sleep was sent afterwards: no hole in the lines.
        assert None not in viewer.lines()[0]["y"]


def test_where_websockets_are_blocked_the_page_polls(
    mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]
) -> None:
    with closing(Feed(mqtt).start()):
        viewer = visit()
        viewer.page.add_init_script(
            """window.WebSocket = class {
              constructor() { setTimeout(() => this.onclose?.(), 5); }
              close() {}
            }"""
        )
        viewer.open(f"{url}/stream/cam")
        viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 20", "points")
        assert None not in viewer.lines()[0]["y"]


def test_lines_can_be_hidden_by_keyboard(
    mqtt: MqttSettings, url: str, visit: Callable[..., Viewer]
) -> None:
    with closing(Feed(mqtt).start()):
        viewer = visit()
        viewer.open(f"{url}/stream/cam")
        viewer.wait("() => actionstream.page.graph.lines[0]?.x.length > 5", "points")
        row = viewer.page.locator("#legend").get_by_role("button", name="Jump")
        row.focus()
        viewer.page.keyboard.press("Enter")
        assert row.get_attribute("aria-pressed") == "false"
        viewer.wait(
            """() => document.querySelector("#graph .js-plotly-plot").data[1].visible === false""",
            "hidden line",
        )
        viewer.page.get_by_role("button", name="Pause", exact=True).press("Enter")
        button = viewer.page.get_by_role("button", name="Back to live")
        assert button.get_attribute("aria-pressed") == "true"
