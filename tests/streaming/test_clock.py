"""Capture clock: sender reports, arrival times, clocks that cannot be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.types import Clock
from streaming.clock import CaptureClock

NOON = 1_700_000_000.0


def test_the_sender_knows_when_it_captured() -> None:
    clock = CaptureClock()
    clock.packet(10.0, NOON + 10.0, NOON + 10.3)
    assert clock.capture(10.0) == (NOON + 10.0, Clock.RTCP)


def test_until_the_first_report_arrival_counts() -> None:
    clock = CaptureClock()
    clock.packet(0.0, None, NOON)
    assert clock.capture(0.0) == (NOON, Clock.ARRIVAL)
    clock.packet(0.04, NOON - 0.2, NOON + 0.04)
    assert clock.capture(0.04)[1] is Clock.RTCP


def test_without_any_packet_it_does_not_fail() -> None:
    assert CaptureClock().capture(3.0)[1] is Clock.ARRIVAL


@pytest.mark.parametrize("wrong_s", [-3600.0, -11.0, 1.0, 86_400.0 * 365])
def test_a_sender_whose_clock_cannot_be_right_is_not_believed(wrong_s: float) -> None:
    clock = CaptureClock()
    clock.packet(5.0, NOON + wrong_s, NOON)
    assert clock.capture(5.0) == (NOON, Clock.ARRIVAL)


@pytest.mark.parametrize("ahead_s", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_a_sender_a_little_ahead_is_held_to_what_arrival_proves(ahead_s: float) -> None:
    clock = CaptureClock()
    order = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11]  # decoding order with B-frames
    captured = []
    for sent, shown in enumerate(order):
        pts_s = shown * 0.04
        clock.packet(pts_s, NOON + pts_s + ahead_s, NOON + sent * 0.04)
        captured.append(clock.capture(pts_s)[0] - pts_s)
    # Constant once the furthest reference was seen: times neither jump nor flicker.
    assert captured[1:] == pytest.approx([NOON - 0.12] * 12, abs=0.001)


def test_a_replayed_burst_does_not_make_later_frames_late() -> None:
    clock = CaptureClock()
    for place in range(50):  # two seconds of pictures at once
        clock.packet(place * 0.04, None, NOON + place * 0.001)
    clock.packet(2.0, None, NOON + 0.09)
    # The newest of the burst is nearest to live: it, not the first, sets the clock.
    assert clock.capture(2.0)[0] == pytest.approx(NOON + 0.09)
    assert clock.capture(0.0)[0] == pytest.approx(NOON - 1.91, abs=0.01)


def test_delayed_packets_do_not_shift_capture() -> None:
    clock = CaptureClock()
    for place in range(200):
        late_s = 0.3 if place % 7 == 3 else 0.0
        clock.packet(place * 0.04, None, NOON + place * 0.04 + late_s)
        assert clock.capture(place * 0.04)[0] == pytest.approx(NOON + place * 0.04, abs=0.02)


def test_a_sender_with_a_slow_clock_is_followed() -> None:
    clock = CaptureClock()
    for place in range(100_000):  # more than an hour, 0.2 ms lost per second
        pts_s = place * 0.04
        arrival = NOON + pts_s * 1.0002
        clock.packet(pts_s, None, arrival)
    assert clock.capture(pts_s)[0] == pytest.approx(arrival, abs=0.001)


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_our_own_clock_may_be_set(jump_s: float) -> None:
    clock = CaptureClock()
    clock.packet(0.0, None, NOON)
    clock.packet(1.0, None, NOON + 1.0 + jump_s)
    assert clock.capture(1.0)[0] == pytest.approx(NOON + 1.0 + jump_s)


def test_media_time_may_begin_anew() -> None:
    clock = CaptureClock()
    clock.packet(60.0, None, NOON)
    clock.packet(0.0, None, NOON + 0.04)
    assert clock.capture(0.0)[0] == pytest.approx(NOON + 0.04)


def test_frames_out_of_order_keep_their_times() -> None:
    clock = CaptureClock()
    for pts_s, arrival in ((0.0, 0.0), (0.12, 0.04), (0.04, 0.08), (0.08, 0.12)):
        clock.packet(pts_s, None, NOON + arrival)
    offset_s = clock.capture(0.12)[0] - 0.12
    assert clock.capture(0.04)[0] - 0.04 == pytest.approx(offset_s)


@given(
    st.lists(
        st.tuples(
            st.floats(-1e5, 1e5),
            st.none() | st.floats(0, 4e9),
            st.floats(1e9, 2e9),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_capture_is_never_in_the_future(packets: list[tuple[float, float | None, float]]) -> None:
    clock = CaptureClock()
    for pts_s, sender, arrival in packets:
        clock.packet(pts_s, sender, arrival)
        assert clock.capture(pts_s)[0] <= arrival
