"""Events: thresholds, least duration, cooldown, ids and order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import EventRule
from contracts.settings import EventSettings
from inference.bundle import SHIPPED, find_bundle
from inference.events import EventChange, EventOptions, EventTracker, find_segments

LABELS = ("none", "walk", "run")
STEP = 0.16


def make_tracker(smoothing_s: float = 0.0, **rule: float) -> EventTracker:
    """A tracker with one rule for all labels and counted ids."""
    rules = {"*": EventRule(**{"enter": 0.6, "exit": 0.4, "min_duration_s": 0.3, **rule})}
    ids = (f"id{n}" for n in itertools.count())
    options = EventOptions(smoothing_s, update_s=1.0, gap_s=2.0, rules=rules)
    return EventTracker(LABELS, ["none"], options, new_id=lambda: next(ids))


def feed(
    tracker: EventTracker, walk: list[float], start: float = 0.0, step: float = STEP
) -> list[EventChange]:
    """Feed the score of `walk` at the stride; `none` takes the rest."""
    return [
        change
        for i, score in enumerate(walk)
        for change in tracker.update(
            start + i * step, np.array([1 - score, score, 0.0], np.float32)
        )
    ]


def test_an_action_begins_goes_on_and_ends_under_one_id() -> None:
    changes = feed(make_tracker(cooldown_s=0.3), [0.1] * 3 + [0.9] * 12 + [0.1] * 5)
    assert [c.type for c in changes] == ["new", "update", "end"]
    assert {c.id for c in changes} == {"id0"}
    new, update, end = changes
    assert new.start == pytest.approx(3 * STEP)
    assert new.end is None
    assert update.end is None
    assert end.start == new.start
    assert end.end == pytest.approx(15 * STEP)
    assert end.peak == pytest.approx(0.9)


def test_background_makes_no_event() -> None:
    assert not feed(make_tracker(), [0.0] * 50)


def test_a_flash_is_no_event() -> None:
    assert not feed(make_tracker(min_duration_s=0.5), [0.1, 0.9, 0.9, 0.1, 0.1, 0.9, 0.1])


def test_an_action_is_told_of_when_sure_and_dated_back_to_its_rise() -> None:
    tracker = make_tracker(enter=0.8, exit=0.3, min_duration_s=0.0)
    assert not feed(tracker, [0.1, 0.4, 0.5])
    (new,) = feed(tracker, [0.9], start=3 * STEP)
    assert new.start == pytest.approx(STEP)


def test_a_score_that_never_was_sure_is_no_event() -> None:
    assert not feed(make_tracker(enter=0.8, exit=0.3), [0.7] * 20 + [0.1] * 20)


def test_by_default_no_single_window_makes_an_event() -> None:
    options = EventOptions.from_settings(EventSettings())
    stride_s = find_bundle("everyday", SHIPPED).input.stride_s
    assert not feed(EventTracker(LABELS, ["none"], options), [0.0, 1.0, 0.0, 0.0], step=stride_s)
    (new,) = feed(EventTracker(LABELS, ["none"], options), [0.0, 1.0, 1.0], step=stride_s)
    assert new.label == "walk"


def test_between_the_thresholds_an_action_goes_on() -> None:
    changes = feed(make_tracker(), [0.9] * 4 + [0.5] * 10)
    assert [c.type for c in changes] == ["new", "update"]


def test_a_dip_shorter_than_the_cooldown_does_not_cut() -> None:
    changes = feed(make_tracker(cooldown_s=0.6), [0.9] * 5 + [0.1] * 2 + [0.9] * 5)
    assert {c.id for c in changes} == {"id0"}
    assert "end" not in [c.type for c in changes]


def test_a_dip_longer_than_the_cooldown_makes_two_events() -> None:
    changes = feed(make_tracker(cooldown_s=0.3), [0.9] * 5 + [0.1] * 5 + [0.9] * 5)
    assert [(c.type, c.id) for c in changes] == [("new", "id0"), ("end", "id0"), ("new", "id1")]


def test_silence_ends_the_action_at_its_last_score() -> None:
    tracker = make_tracker()
    feed(tracker, [0.9] * 5)
    (end,) = [c for c in feed(tracker, [0.9], start=10.0) if c.type == "end"]
    assert end.end == pytest.approx(4 * STEP)


def test_flush_ends_what_goes_on_and_only_that() -> None:
    tracker = make_tracker()
    feed(tracker, [0.9] * 5)
    assert [c.type for c in tracker.flush()] == ["end"]
    assert not tracker.flush()


def test_a_label_has_its_own_rule() -> None:
    tracker = make_tracker()
    rules = {"*": EventRule(enter=0.6), "walk": EventRule(enter=0.95)}
    tracker.configure(EventOptions(0.0, 1.0, 2.0, rules))
    assert not feed(tracker, [0.9] * 10)


def test_the_delay_of_smoothing_is_taken_off_again() -> None:
    tracker = make_tracker(smoothing_s=0.5, min_duration_s=0.0, cooldown_s=0.3)
    changes = feed(tracker, [0.0] * 10 + [1.0] * 20 + [0.0] * 20)
    # 1 - exp(-t / 0.5) passes 0.4 after 0.26 s: at the second score of the action.
    assert changes[0].start == pytest.approx((10 + 1) * STEP - 0.5)
    # exp(-t / 0.5) falls below 0.4 after 0.46 s.
    assert changes[-1].end == pytest.approx((30 + 2) * STEP - 0.5)


def test_an_action_that_was_there_from_the_start_does_not_begin_before_it() -> None:
    changes = feed(make_tracker(smoothing_s=0.5), [1.0] * 10)
    assert changes[0].start == 0.0


def test_segments_of_a_video_are_its_live_events() -> None:
    scores = [np.array([1 - s, s, 0.0], np.float32) for s in [0.1] * 5 + [0.9] * 10 + [0.1] * 9]
    (segment,) = find_segments(make_tracker(), ((i * STEP, s) for i, s in enumerate(scores)))
    assert segment.label == "walk"
    assert (segment.start_s, segment.end_s) == pytest.approx((5 * STEP, 15 * STEP))


@given(st.lists(st.floats(0, 1, width=32), max_size=200), st.floats(0, 1), st.floats(0, 2))
def test_every_event_begins_once_ends_once_and_in_between_only_updates(
    scores: list[float], smoothing_s: float, cooldown_s: float
) -> None:
    tracker = make_tracker(smoothing_s, cooldown_s=cooldown_s)
    changes = feed(tracker, scores) + tracker.flush()
    for _, group in itertools.groupby(sorted(changes, key=lambda c: c.id), key=lambda c: c.id):
        life = list(group)
        kinds = [c.type for c in life]
        assert kinds == ["new", *["update"] * (len(kinds) - 2), "end"]
        assert life[-1].end is not None
        assert life[-1].end >= life[-1].start
        assert all(c.peak <= 1.0 for c in life)
