"""The stream page in a real browser beside the real demo stack: what a person sees and does."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from contracts.messages import EventRule
from inference.events import EventOptions, EventTracker, find_segments
from stack.broadcast import DEMO_TRUTH
from tests.conftest import find_peer, wait_for
from tests.e2e.live_stack import Listener, Ports, running

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.timeout(600)]

ASSETS = Path(__file__).resolve().parents[2] / "dashboard" / "assets"
CHROMIUM_ARGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
KEPT_S = 10
"""What the dashboard itself remembers: what is older comes from the worker's history."""
SLOW_S = 60.0


@dataclass
class Visit:
    """A page of the stream `demo`, and what the console complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to the console."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def until(self, script: str, what: str) -> Any:
        """Wait until a script returns something true."""
        result: list[Any] = [None]

        def holds() -> bool:
            result[0] = self.page.evaluate(script)
            return bool(result[0])

        wait_for(holds, what, SLOW_S, every_s=0.1)
        return result[0]

    def points(self) -> dict[str, dict[float, float]]:
        """Drawn points by class: score by UTC seconds."""
        lines = self.page.evaluate(
            """() => actionstream.page.graph.lines.filter((line) => line.visible).map((line) => ({
              name: line.meta.name, y: line.y,
              x: line.x.map((x) => x / 1000 + new Date(x).getTimezoneOffset() * 60)}))"""
        )
        return {
            line["name"]: {
                round(x, 3): y for x, y in zip(line["x"], line["y"], strict=True) if y is not None
            }
            for line in lines
        }

    def lane(self, name: str) -> list[dict[str, Any]]:
        """Spans of a row of the timeline."""
        spans: list[dict[str, Any]] = self.page.evaluate(
            "(name) => actionstream.streamPage.timeline.lanes.get(name).spans", name
        )
        return spans


@pytest.fixture(name="ports", scope="module")
def fixture_ports() -> Ports:
    """Ports of the module's stack."""
    return Ports()


@pytest.fixture(name="heard", scope="module")
def fixture_heard(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """A running `actionstream demo` whose dashboard remembers little; gives what MQTT said."""
    folder = tmp_path_factory.mktemp("demo")
    with running(["demo", "--set", f"dashboard.window_s={KEPT_S}"], folder, ports) as (_, listener):
        yield listener


@pytest.fixture(name="open_page", scope="module")
def fixture_open_page(heard: Listener, ports: Ports) -> Iterator[Callable[[], Visit]]:
    """Opens the page anew; afterwards no console may have complained."""
    del heard
    visits: list[Visit] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_peer("chromium"), args=CHROMIUM_ARGS
        )

        def open_page() -> Visit:
            context: Any = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(1000 * SLOW_S)
            visit = Visit(context.new_page())
            visits.append(visit)
            visit.page.goto(f"http://127.0.0.1:{ports.page}/stream/demo")
            visit.until("() => actionstream.page?.graph?.lines[0]?.x.length > 20", "twenty points")
            return visit

        yield open_page
        browser.close()
    assert [complaint for visit in visits for complaint in visit.complaints] == []


@pytest.fixture(name="visit", scope="module")
def fixture_visit(open_page: Callable[[], Visit]) -> Visit:
    """One page for all tests but those of opening it; it shows every class."""
    visit = open_page()
    visit.page.locator("#lines").select_option("1000")
    visit.until("() => actionstream.page.graph.lines.every((line) => line.visible)", "every line")
    return visit


def moments(heard: Listener) -> dict[float, dict[str, float]]:
    """Scores by the moment that they speak of, as MQTT told them."""
    reference = heard.of("demo", "labels")[-1]["reference"]
    found = {}
    for message in heard.of("demo", "scores"):
        start, end = message["window"]["start"], message["window"]["end"]
        found[round(start + reference * (end - start), 3)] = message["scores"]
    return found


def agree(points: dict[str, dict[float, float]], told: dict[float, dict[str, float]]) -> int:
    """Compare every drawn point with the message of its moment; gives how many there were."""
    compared = 0
    for label, line in points.items():
        for time, score in line.items():
            near = next(
                (told[key] for key in (time, time + 0.001, time - 0.001) if key in told), None
            )
            assert near is not None, f"nobody said anything of {time}"
            assert score == pytest.approx(near[label], abs=6e-4)
            compared += 1
    return compared


def test_lines_are_the_messages_also_from_before_the_page_was_open(
    visit: Visit, heard: Listener, open_page: Callable[[], Visit]
) -> None:
    assert agree(visit.points(), moments(heard)) > 100
    # Until there is more than the dashboard remembers, so that the rest must be the history's.
    first = heard.of("demo", "scores")[0]["window"]["end"]
    wait_for(
        lambda: heard.of("demo", "scores")[-1]["window"]["end"] - first > 2 * KEPT_S,
        "a longer past",
        SLOW_S,
    )
    late = open_page()
    late.page.locator("#span").select_option("60")
    late.until(f"() => actionstream.page.graph.lines[0].x.length > {8 * 1.5 * KEPT_S}", "the past")
    points = late.points()
    assert (
        min(min(line) for line in points.values() if line)
        < late.page.evaluate("() => Date.now() / 1000") - 1.5 * KEPT_S
    )
    assert agree(points, moments(heard)) > 1000
    late.page.close()


def test_the_past_is_scrolled_to_and_its_picture_is_shown(visit: Visit, heard: Listener) -> None:
    page = visit.page
    page.locator("#span").select_option("10")
    page.get_by_role("button", name="Earlier").click()
    page.get_by_role("button", name="Earlier").click()
    assert page.locator("#pause").inner_text() == "Back to live"
    first, last = visit.until(
        """() => { const {from, to} = actionstream.page.graph.drawn;
          return to < actionstream.page.graph.lastTime - 5 && [from, to]; }""",
        "the past",
    )
    times = [time for time in visit.points()["none"] if first <= time <= last]
    assert len(times) > 20
    assert agree(visit.points(), moments(heard)) > 100
    page.locator("#plot").focus()
    page.keyboard.press("ArrowLeft")
    visit.until(
        """() => document.getElementById("past").naturalWidth > 0
          && !document.getElementById("past").hidden""",
        "the picture of then",
    )
    assert page.locator("#past-time").inner_text().startswith("Past")
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    visit.until("() => document.getElementById('past').hidden", "the live picture")
    assert page.locator("#pause").inner_text() == "Pause"


def said_by_api(
    ports: Ports, since: float, until: float
) -> tuple[list[str], dict[int, list[float]]]:
    """Labels, and by number the start, end and scores of the windows around a span."""
    answer = httpx.get(
        f"http://127.0.0.1:{ports.api}/v1/streams/demo/scores",
        params={"since": since - 10, "until": until},
    ).json()
    columns = (answer["seq"], answer["start"], answer["end"], answer["scores"])
    rows = zip(*columns, strict=True)
    return answer["labels"], {seq: [seq, start, end, *scores] for seq, start, end, scores in rows}


def test_the_csv_is_what_the_api_says(visit: Visit, ports: Ports, tmp_path: Path) -> None:
    page = visit.page
    page.locator("#pause").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    since, until = page.evaluate(
        "() => [actionstream.page.graph.view.range().from, actionstream.page.graph.view.range().to]"
    )
    file = tmp_path / "scores.csv"
    download.value.save_as(file)
    with page.expect_download() as picture:
        page.get_by_role("button", name="PNG").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")
    page.locator("#pause").click()
    with file.open(encoding="utf-8", newline="") as text:
        header, *rows = list(csv.reader(text))
    labels, known = said_by_api(ports, since, until)
    assert header == ["seq", "start", "end", *labels]
    assert len(rows) > 50
    for row in rows:
        assert [float(value) for value in row] == pytest.approx(known[int(row[0])])


def test_a_slider_changes_the_next_events_and_goes_back(visit: Visit, heard: Listener) -> None:
    page = visit.page
    for rule, value in (("enter", "0.02"), ("exit", "0.01")):
        slider = page.locator(f"input[data-rule={rule}]")
        slider.evaluate(
            "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')) }",
            value,
        )
    wait_for(lambda: visit.lane("tried"), "the preview", SLOW_S, every_s=0.1)
    before = len(heard.of("demo", "events"))
    page.get_by_role("button", name="Apply").click()
    visit.until("() => actionstream.page.control.rules['*'].enter === 0.02", "rules in force")
    # By the usual rules nothing is told that never came above a half.
    wait_for(
        lambda: any(
            event["type"] == "new" and event["peak"] < 0.4
            for event in heard.of("demo", "events")[before:]
        ),
        "an event by the new rules",
        SLOW_S,
    )
    page.get_by_role("button", name="Back to default").click()
    visit.until("() => actionstream.page.control.rules['*'].enter === 0.5", "the default")
    wait_for(lambda: heard.of("demo", "state")[-1]["rules"]["*"]["enter"] == 0.5, "told", SLOW_S)


def test_feedback_is_stored_listed_and_deleted(visit: Visit, ports: Ports) -> None:
    page = visit.page
    route = f"http://127.0.0.1:{ports.api}/v1/streams/demo/feedback"
    page.locator("body").press("f")
    page.locator("#span-menu").get_by_role("button", name="Right").click()
    page.locator("#feedback li").wait_for()
    (stored,) = httpx.get(route).json()
    assert stored["verdict"] == "right"
    assert 0 < stored["end"] - stored["start"] < 30
    assert [span["key"] for span in visit.lane("marked")] == [stored["id"]]
    page.locator("#feedback li").get_by_role("button", name="Delete").click()
    wait_for(lambda: httpx.get(route).json() == [], "nothing stored", SLOW_S, every_s=0.2)


def test_an_event_opens_by_its_address(visit: Visit, ports: Ports) -> None:
    page = visit.page
    ended = "() => [...actionstream.streamPage.events.values()].find((event) => event.end !== null)"
    event = visit.until(ended, "an event that is over")
    page.goto(f"http://127.0.0.1:{ports.page}/stream/demo?event={event['id']}")
    dialog = page.locator("#event-dialog")
    dialog.locator("svg").wait_for()
    assert dialog.locator("h2").inner_text() == event["title"]
    visit.until(
        "() => document.querySelector('#event-dialog figure img')?.naturalWidth > 0", "its pictures"
    )
    page.keyboard.press("Escape")
    visit.until("() => !location.search.includes('event=')", "an address without the action")


def test_an_annotation_file_is_laid_over_the_stream(visit: Visit) -> None:
    page = visit.page
    page.locator("#span").select_option("30")
    page.locator("#truth-file input[type=file]").set_input_files(DEMO_TRUTH)
    visit.until(
        "() => document.querySelector('#truth-file .words').textContent.includes('agrees')",
        "the agreement",
    )
    truth = {(span["title"], round(span["start"])): span for span in visit.lane("truth")}
    mine = {(span["title"], round(span["start"])): span for span in visit.lane("file")}
    assert len(truth.keys() & mine.keys()) >= min(2, len(truth))


def scored(seed: int) -> list[tuple[float, list[float]]]:
    """Windows with rises, dips, a silence and a step back of the clock."""
    rng = np.random.default_rng(seed)
    logits = np.zeros(3)
    at, windows = 100.0, []
    for number in range(400):
        logits = 0.92 * logits + rng.normal(0, 0.6, 3)
        at += {150: 3.0, 300: -1.0}.get(number, float(rng.uniform(0.1, 0.3)))
        shares = np.exp(logits) / np.exp(logits).sum()
        windows.append((at, [float(share) for share in shares.astype(np.float32)]))
    return windows


@pytest.mark.parametrize("smoothing_s", [0.0, 0.2])
def test_the_preview_follows_the_rules_of_the_worker(visit: Visit, smoothing_s: float) -> None:
    """The same scores and rules through the page's tracker and the worker's."""
    rules = {
        "*": EventRule(enter=0.5, exit=0.3, min_duration_s=0.2, cooldown_s=0.4),
        "b": EventRule(enter=0.6, exit=0.2, cooldown_s=1.0),
    }
    labels = ["a", "b", "none"]
    for seed in range(5):
        windows = scored(seed)
        options = EventOptions(smoothing_s, 1.0, 2.0, rules)
        tracker = EventTracker(labels, ["none"], options)
        arrays = [(at, np.array(scores, dtype=np.float32)) for at, scores in windows]
        expected = [(s.label, s.start_s, s.end_s) for s in find_segments(tracker, arrays)]
        found = visit.page.evaluate(
            """([windows, labels, options]) => {
              const tracker = new actionstream.EventTracker(labels, ["none"], options);
              for (const [at, scores] of windows) tracker.update(at, scores);
              tracker.flush();
              return tracker.ended.map(({column, start, end}) => [labels[column], start, end]);
            }""",
            [
                windows,
                labels,
                {
                    "smoothing_s": smoothing_s,
                    "rules": {label: asdict(rule) for label, rule in rules.items()},
                },
            ],
        )
        assert len(expected) > 5
        assert sorted(map(tuple, found)) == [
            (label, pytest.approx(start, abs=1e-6), pytest.approx(end, abs=1e-6))
            for label, start, end in sorted(expected)
        ]
