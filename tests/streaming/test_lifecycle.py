"""State machine, pauses between attempts and measured frame rate."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.types import StreamState
from streaming.lifecycle import Backoff, Lifecycle, RateMeter

CONNECTING, LIVE, STALLED, OFFLINE = StreamState


def _life() -> Lifecycle:
    return Lifecycle(stall_s=2.0, offline_s=6.0, now_s=100.0)


def test_a_stream_that_never_comes_goes_offline_without_stalling() -> None:
    life = _life()
    assert life.state is CONNECTING
    assert not life.lost()
    assert not life.tick(103.0)
    assert life.tick(106.0)
    assert life.state is OFFLINE
    assert not life.tick(107.0)


def test_silence_stalls_then_ends_and_a_frame_revives() -> None:
    life = _life()
    assert life.frame(101.0)
    assert not life.frame(101.04)
    assert not life.tick(103.0)
    assert life.tick(103.1)
    assert life.state is STALLED
    assert life.tick(107.1)
    assert life.state is OFFLINE
    assert life.frame(120.0)
    assert life.state is LIVE


def test_a_lost_connection_stalls_at_once() -> None:
    life = _life()
    life.frame(101.0)
    assert life.lost()
    assert life.state is STALLED
    assert life.frame(101.5)
    assert life.state is LIVE


def test_what_cannot_be_had_is_offline_at_once() -> None:
    life = _life()
    assert life.gone()
    assert life.state is OFFLINE
    assert not life.lost()


@given(st.lists(st.tuples(st.sampled_from(["frame", "tick", "lost", "gone"]), st.floats(0, 5))))
def test_every_change_is_reported_and_allowed(steps: list[tuple[str, float]]) -> None:
    life, now_s = _life(), 100.0
    allowed = {
        CONNECTING: {LIVE, OFFLINE},
        LIVE: {STALLED, OFFLINE},
        STALLED: {LIVE, OFFLINE},
        OFFLINE: {LIVE},
    }
    for what, passed_s in steps:
        now_s += passed_s
        before = life.state
        if what in ("frame", "tick"):
            changed = (life.frame if what == "frame" else life.tick)(now_s)
        else:
            changed = (life.lost if what == "lost" else life.gone)()
        assert changed == (life.state is not before)
        assert not changed or life.state in allowed[before]


def test_pauses_grow_from_short_to_the_longest() -> None:
    backoff = Backoff(10.0, _random=random.Random(1))
    pauses = [backoff.pause_s() for _ in range(12)]
    assert pauses[0] <= 0.2
    for place, pause_s in enumerate(pauses):
        nominal_s = min(0.2 * 2**place, 10.0)
        assert 0.75 * nominal_s <= pause_s <= nominal_s
    backoff.reset()
    assert backoff.pause_s() <= 0.2


def test_one_pause_may_be_capped() -> None:
    backoff = Backoff(10.0)
    for _ in range(10):
        assert backoff.pause_s(1.5) <= 1.5


def test_rate_of_a_steady_stream() -> None:
    meter = RateMeter()
    for n in range(100):
        meter.frame(n / 25, n / 25)
    assert meter.fps(99 / 25) == pytest.approx(25.0)


def test_rate_is_unknown_before_and_after() -> None:
    meter = RateMeter()
    assert meter.fps(0.0) is None
    for n in range(10):
        meter.frame(n / 25, n / 25)
    assert meter.fps(100.0) is None


def test_a_burst_is_no_high_rate_and_an_overload_is_a_low_one() -> None:
    burst, slow = RateMeter(), RateMeter()
    for n in range(50):
        burst.frame(n / 1000, n / 25)
        slow.frame(n / 10, n / 25)
    assert burst.fps(0.05) == pytest.approx(25.0)
    assert slow.fps(4.9) == pytest.approx(10.0)
