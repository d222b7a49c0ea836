"""Increments: nothing missing, nothing twice, shared within a tick."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.messages import ControlState, EventRule
from contracts.topics import Topics
from contracts.types import StreamState
from dashboard.increments import MAX_LINES, Ask, Increments
from dashboard.store import Store
from tests.dashboard.messages import (
    NOW,
    STRIDE_S,
    WINDOW_S,
    event,
    feed,
    feed_run,
    labels,
    scores,
    status,
    truth,
)

ADDRESS = "mqtt://broker:1883"


class Client:
    """Asks as the page does."""

    def __init__(self, increments: Increments, stream: str = "cam") -> None:
        self.increments = increments
        self.ask = Ask(stream)

    def get(self, now_s: float) -> dict[str, Any] | None:
        """Ask once and remember what is known now."""
        text = self.increments.answer(self.ask, now_s)
        if text is None:
            return None
        answer: dict[str, Any] = json.loads(text)
        self.ask = Ask(self.ask.stream, answer["rev"], answer["epoch"])
        return answer

    def detail(self, now_s: float) -> dict[str, Any]:
        """Ask once, expecting news of the stream."""
        answer = self.get(now_s)
        assert answer is not None
        detail: dict[str, Any] = answer["detail"]
        return detail


@pytest.fixture(name="store")
def fixture_store() -> Store:
    """A store that knows one stream."""
    store = Store(Topics(), window_s=60)
    feed(store, labels())
    feed(store, status())
    return store


def test_a_new_client_gets_the_whole_window_at_once(store: Store) -> None:
    feed_run(store, "walk", NOW, 100)
    now_s = NOW + 99 * STRIDE_S + 0.2
    detail = Client(Increments(store, ADDRESS)).detail(now_s)
    assert detail["full"]
    assert [label["title"] for label in detail["labels"]] == ["To walk", "To jump", "To none"]
    assert len(detail["points"]["t"]) == 100
    assert detail["points"]["t"][0] == pytest.approx(NOW - WINDOW_S / 2, abs=1e-3)
    assert detail["points"]["s"][0] == [900, 50, 50]


def test_increments_join_into_exactly_what_was_sent(store: Store) -> None:
    client = Client(Increments(store, ADDRESS))
    got: list[float] = []
    for step in range(50):
        feed_run(store, "walk", NOW + step * STRIDE_S, 1, first_seq=step)
        answer = client.get(NOW + step * STRIDE_S + 0.15)
        assert answer is not None
        assert answer["detail"]["full"] is (step == 0)
        got += answer["detail"].get("points", {}).get("t", [])
    sent = [round(NOW + step * STRIDE_S - WINDOW_S / 2, 3) for step in range(50)]
    assert got == sent


def test_points_that_arrive_within_a_tick_wait_for_the_next(store: Store) -> None:
    increments = Increments(store, ADDRESS)
    first, second = Client(increments), Client(increments)
    feed_run(store, "walk", NOW, 1)
    assert len(first.detail(NOW)["points"]["t"]) == 1
    feed_run(store, "walk", NOW + STRIDE_S, 1, first_seq=1)
    assert len(second.detail(NOW + 0.05)["points"]["t"]) == 1
    assert first.detail(NOW + 0.11) == second.detail(NOW + 0.11)


def test_without_news_there_is_no_answer(store: Store) -> None:
    client = Client(Increments(store, ADDRESS))
    feed_run(store, "walk", NOW, 1)
    assert client.get(NOW + 0.1) is not None
    # The summary is made anew twice a second but sent only if it says something new.
    assert client.get(NOW + 0.3) is None
    assert client.get(NOW + 0.7) is None


def test_a_client_that_slept_too_long_gets_everything_anew(store: Store) -> None:
    client = Client(Increments(store, ADDRESS))
    feed_run(store, "walk", NOW, 10)
    client.detail(NOW + 2)
    feed_run(store, "jump", NOW + 10, 2000, first_seq=10)
    detail = client.detail(NOW + 10 + 2000 * STRIDE_S)
    assert detail["full"]
    assert len(detail["points"]["t"]) == pytest.approx(61 / STRIDE_S, abs=8)


def test_a_restarted_dashboard_sends_everything_anew(store: Store) -> None:
    feed_run(store, "walk", NOW, 5)
    client = Client(Increments(store, ADDRESS))
    client.detail(NOW + 1)
    client.increments = Increments(store, ADDRESS)
    assert client.detail(NOW + 1)["full"]


def test_new_labels_send_everything_anew(store: Store) -> None:
    client = Client(Increments(store, ADDRESS))
    feed_run(store, "walk", NOW, 5)
    client.detail(NOW + 1)
    feed(store, labels(("none", "walk")))
    detail = client.detail(NOW + 1.2)
    assert detail["full"]
    assert [label["name"] for label in detail["labels"]] == ["none", "walk"]
    assert detail["points"]["s"][0] == [50, 900]


def test_of_many_classes_a_newly_strong_one_gets_a_line(store: Store) -> None:
    names = [f"class{number}" for number in range(100)]
    feed(store, labels(names))
    table = {name: 0.5 if int(name[5:]) < MAX_LINES else 0.0 for name in names}
    feed(store, scores(0, NOW, table))
    client = Client(Increments(store, ADDRESS))
    assert [label["index"] for label in client.detail(NOW)["labels"]] == list(range(MAX_LINES))
    feed(store, scores(1, NOW + STRIDE_S, table | {"class77": 0.9}))
    detail = client.detail(NOW + 0.2)
    assert detail["full"]
    assert 77 in [label["index"] for label in detail["labels"]]


def test_gaps_are_marked(store: Store) -> None:
    feed_run(store, "walk", NOW, 5)
    feed_run(store, "walk", NOW + 3, 5, first_seq=9)
    detail = Client(Increments(store, ADDRESS)).detail(NOW + 4)
    assert detail["points"]["gap"] == [5]
    assert detail["summary"]["lost"] == 4
    assert detail["summary"]["received"] == 10


def test_events_and_the_overview_come_when_they_change(store: Store) -> None:
    client = Client(Increments(store, ADDRESS))
    first = client.get(NOW)
    assert first is not None
    assert first["overview"]["address"] == ADDRESS
    feed(store, event(1, NOW, None))
    assert client.detail(NOW + 0.1)["events"][0]["title"] == "To walk"
    feed(store, status(StreamState.STALLED))
    later = client.get(NOW + 0.7)
    assert later is not None
    assert later["overview"]["streams"][0]["state"] == "stalled"
    assert later["detail"]["summary"]["words"].startswith("No picture for")
    assert "events" not in later["detail"]


def test_a_card_tells_what_happens_and_what_last_did(store: Store) -> None:
    client = Client(Increments(store, ADDRESS), "")
    feed_run(store, "walk", NOW, 5)
    feed(store, event(1, NOW - 9, NOW - 5, "jump"))
    answer = client.get(NOW + 1)
    assert answer is not None
    assert answer["at"] == NOW + 1
    card = answer["overview"]["streams"][0]
    assert (card["title"], card["score"], card["fps"], card["latency"]) == ("To walk", 0.9, 25, 100)
    assert card["event"] == {"title": "To jump", "label": 1, "start": NOW - 9, "end": NOW - 5}
    feed(store, status(StreamState.OFFLINE, error="404 Not Found"))
    later = client.get(NOW + 2)
    assert later is not None
    card = later["overview"]["streams"][0]
    assert card["fps"] is None
    assert card["latency"] is None
    assert card["words"].startswith("404 Not Found Nobody has sent this video")


def test_figures_of_all_streams_come_to_those_who_ask(store: Store) -> None:
    increments = Increments(store, ADDRESS)
    feed_run(store, "walk", NOW, 5)
    assert "health" not in (Client(increments, "").get(NOW + 1) or {})
    answer = json.loads(increments.answer(Ask(health=True), NOW + 1) or "")
    (vitals,) = answer["health"]
    assert (vitals["received"], vitals["lost"], vitals["places"]) == (5, 0, 80)
    assert vitals["latency"]["model"] == 20
    # Published and received in the same moment of these tests.
    assert vitals["latency"]["publish"] == 0
    known = Ask("", answer["rev"], answer["epoch"], health=True)
    assert increments.answer(known, NOW + 1.3) is None
    feed_run(store, "walk", NOW + 1, 1, first_seq=7)
    (vitals,) = json.loads(increments.answer(known, NOW + 2.5) or "")["health"]
    assert (vitals["received"], vitals["lost"]) == (6, 2)


def test_the_rules_in_force_come_when_they_change(store: Store) -> None:
    client = Client(Increments(store, ADDRESS))
    assert client.detail(NOW)["control"] is None
    rules = {"walk": EventRule(enter=0.8)}
    feed(store, ControlState(stream="cam", paused=True, rules=rules, error="no such label"))
    control = client.detail(NOW + 1)["control"]
    assert control["paused"]
    assert control["rules"]["walk"]["enter"] == 0.8
    assert control["error"] == "no such label"
    feed(store, scores(1, NOW + 1, {"walk": 1.0}))
    assert "control" not in client.detail(NOW + 2)
    store.feed(Topics().stream("cam", ControlState.KIND), b"", NOW)
    assert client.detail(NOW + 3)["control"] is None


def test_the_truth_is_laid_out_and_agreement_counted(store: Store) -> None:
    feed(store, truth(NOW, 30, ("walk", 2, 10), ("jump", 10, 20)))
    feed_run(store, "walk", NOW + 1, 150)
    summary = Client(Increments(store, ADDRESS)).detail(NOW + 25)["summary"]
    assert summary["truth"][:2] == [
        [0, "To walk", NOW + 2, NOW + 10],
        [1, "To jump", NOW + 10, NOW + 20],
    ]
    right, judged = summary["agreement"]
    # Of windows 1.28 s long every 0.16 s, (8 - 1.28) / 0.16 + 1 lie inside the 8 s of walking.
    assert right == pytest.approx(43, abs=1)
    assert judged > right + 50


def test_latency_is_summed_up(store: Store) -> None:
    for seq in range(100):
        message = scores(seq, NOW + seq * 0.1, {"walk": 1.0}, total_ms=float(seq))
        feed(store, message, NOW + seq * 0.1)
    latency = Client(Increments(store, ADDRESS)).detail(NOW + 10)["summary"]["latency"]
    assert latency == {"p95": 94.0, "decode": 4.0, "wait": 1.0, "model": 20.0, "total": 49.5} | {
        "p95": pytest.approx(94.05, abs=0.1)
    }


def test_a_wrong_clock_moves_the_axis_with_the_windows(store: Store) -> None:
    feed(store, scores(0, NOW - 5000, {"walk": 1.0}), NOW)
    detail = Client(Increments(store, ADDRESS)).detail(NOW)
    assert detail["now"] == pytest.approx(NOW - 4999.5)
    assert len(detail["points"]["t"]) == 1
    assert detail["summary"]["behind"] == pytest.approx(4999.5)


def test_names_are_sorted_as_people_count() -> None:
    store = Store(Topics(), window_s=60)
    for name in ("cam10", "cam2", "Cam1", "a/3", "²"):
        feed(store, status(stream=name), stream=name)
    answer = Client(Increments(store, ADDRESS), "").get(NOW)
    assert answer is not None
    names = [stream["name"] for stream in answer["overview"]["streams"]]
    assert names == ["a/3", "Cam1", "cam2", "cam10", "²"]


def test_a_long_window_is_thinned(store: Store) -> None:
    long = Store(Topics(), window_s=3600)
    feed(long, labels())
    feed_run(long, "walk", NOW, 12_000)
    now_s = NOW + 12_000 * STRIDE_S
    client = Client(Increments(long, ADDRESS))
    points = len(client.detail(now_s)["points"]["t"])
    assert points <= 1500
    for step in range(60):
        feed_run(long, "walk", now_s + step * STRIDE_S, 1, first_seq=12_000 + step)
        answer = client.get(now_s + step * STRIDE_S + 0.1)
        points += len((answer or {}).get("detail", {}).get("points", {}).get("t", []))
    assert points <= 1500
    assert store.revision
