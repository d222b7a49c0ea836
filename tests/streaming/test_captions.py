"""Scores are drawn on the pictures they speak of, or the newest where that would take too long."""

from __future__ import annotations

import pytest

from contracts.messages import ControlState, Event, FrameCount, Labels, Scores, TopScore
from contracts.types import Clock, Latency, Quality, TimeSpan
from streaming.captions import MAX_HOLD_S, Captions
from streaming.drawing import Overlay

START = 1_763_640_000.0
STRIDE_S = 0.125
LABELS = Labels(
    model="m@1",
    labels=["walk", "jump", "none"],
    titles=["Walk", "Jump", "Nothing"],
    background=["none"],
    reference=0.9,
)


def scores(number: int, delay_s: float, table: dict[str, float] | None = None) -> Scores:
    """Scores of the moment `START + number * STRIDE_S`, published so much later."""
    moment = START + number * STRIDE_S
    window = TimeSpan(moment - 1.8, moment + 0.2)
    table = table or {"walk": number / 100, "jump": 1 - number / 100, "none": 0.0}
    top = max(table, key=lambda label: table[label])
    return Scores(
        stream="cam",
        seq=number,
        window=window,
        media=window,
        top=TopScore(top, table[top]),
        scores=table,
        model="m@1",
        clock=Clock.RTCP,
        frames=FrameCount(16, 0),
        latency_ms=Latency(1, 1, 1, 1),
        quality=Quality(0, 0),
        published_at=moment + delay_s,
    )


def told(delay_s: float, count: int = 20) -> Captions:
    """Captions that heard scores with a steady delay."""
    captions = Captions()
    captions.hear(LABELS)
    for number in range(count):
        captions.hear(scores(number, delay_s))
    return captions


def walked(overlay: Overlay) -> float:
    """The score of walking that is shown."""
    return next(row.score for row in overlay.bars if row.title == "Walk")


@pytest.mark.parametrize("delay_s", [0.05, 0.13, 0.18])
def test_a_picture_waits_for_its_own_scores(delay_s: float) -> None:
    captions = told(delay_s)
    assert delay_s < captions.hold_s <= min(delay_s + 0.02, MAX_HOLD_S)
    for number in (3, 9, 14):
        at = START + number * STRIDE_S
        assert walked(captions.overlay(at + 0.001)) == number / 100
        assert walked(captions.overlay(at + STRIDE_S - 0.001)) == number / 100


@pytest.mark.parametrize("delay_s", [0.21, 0.8])
def test_where_that_takes_too_long_the_newest_are_drawn(delay_s: float) -> None:
    captions = told(delay_s)
    assert captions.hold_s == 0
    assert walked(captions.overlay(START + 3 * STRIDE_S)) == 0.19


def test_one_late_window_does_not_change_the_delay() -> None:
    captions = told(0.1)
    before = captions.hold_s
    captions.hear(scores(20, 0.9))
    assert captions.hold_s == pytest.approx(before, abs=0.01)


def test_the_panel_says_what_is_known() -> None:
    captions = Captions()
    assert captions.overlay(START).heading == "No scores yet"
    captions.hear(LABELS)
    for number in range(3):
        captions.hear(scores(number, 0.1, {"walk": 0.2, "jump": 0.7, "none": 0.1}))
    overlay = captions.overlay(START + 0.3)
    assert (overlay.heading, overlay.quiet) == ("Jump", False)
    assert [row.title for row in overlay.bars] == ["Jump", "Walk", "Nothing"]
    captions.hear(scores(3, 0.1, {"walk": 0.1, "jump": 0.1, "none": 0.8}))
    assert captions.overlay(START + 0.4).quiet
    assert captions.overlay(START + 60).heading == "No scores"
    captions.hear(ControlState(stream="cam", paused=True, rules={}))
    assert captions.overlay(START + 0.3) == Overlay("Analysis paused")


def test_the_event_in_progress_is_told_from_its_start_to_its_end() -> None:
    captions = told(0.1)

    def event(kind: str, label: str, start: float) -> Event:
        return Event.from_json(
            f'{{"schema":1,"stream":"cam","id":"{label}","type":"{kind}","label":"{label}",'
            f'"start":{start},"score":0.9,"peak":0.9,"model":"m@1"}}'
        )

    captions.hear(event("new", "walk", START + 0.5))
    assert not captions.overlay(START + 0.4).event
    assert captions.overlay(START + 2.5).event == "Walk for 2 s"
    captions.hear(event("new", "jump", START + 2))
    assert captions.overlay(START + 2.9).event == "Jump for 1 s"
    captions.hear(event("end", "jump", START + 2))
    captions.hear(event("update", "walk", START + 0.5))
    assert captions.overlay(START + 2.9).event == "Walk for 2 s"
    captions.hear(event("end", "walk", START + 0.5))
    assert not captions.overlay(START + 2.9).event


def test_time_that_steps_back_begins_anew() -> None:
    captions = told(0.1)
    captions.hear(scores(-80_000, 0.1, {"walk": 0.0, "jump": 0.0, "none": 1.0}))
    assert captions.overlay(START - 80_000 * STRIDE_S + 0.1).heading == "Nothing"
