"""Sampler: the grid, holes, runs, missing and rounded times."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.sampler import FrameSampler, Place

SIZE = (640, 360)
PERIOD_S = 0.08
RATES = [5, 10, 15, 24, 25, Fraction(30000, 1001), 30, 50, 60]


def _sample(times: list[float | None], period_s: float = PERIOD_S) -> list[Place]:
    sampler = FrameSampler(period_s)
    return [sampler.offer(time_s, SIZE) for time_s in times]


def _taken(places: list[Place]) -> list[tuple[int, int | None]]:
    return [(n, place.index) for n, place in enumerate(places) if place.index is not None]


def test_25_fps_gives_every_second_frame() -> None:
    places = _sample([n / 25 for n in range(10)])
    assert _taken(places) == [(0, 0), (2, 1), (4, 2), (6, 3), (8, 4)]


def test_30_fps_gives_the_first_frame_not_too_early_for_each_place() -> None:
    assert _taken(_sample([n / 30 for n in range(13)])) == [
        (0, 0),
        (2, 1),
        (5, 2),
        (7, 3),
        (9, 4),
        (12, 5),
    ]


def test_10_fps_leaves_a_hole_where_there_is_no_frame() -> None:
    indices = [place.index for place in _sample([n / 10 for n in range(9)])]
    assert indices == [0, 1, 2, 4, 5, 6, 7, 9, 10]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("start_s", [0.0, -0.5, 12345.678])
def test_indices_follow_media_time(rate: Fraction, start_s: float) -> None:
    for place in _sample([start_s + float(n / rate) for n in range(2000)]):
        assert place.run == 0
        if place.index is not None:
            off_s = place.pts_s - start_s - place.index * PERIOD_S
            assert -PERIOD_S / 4 - 0.002 <= off_s < PERIOD_S * 3 / 4


@pytest.mark.parametrize("rate", [25, 30, Fraction(30000, 1001), 50, 15, 10, 5])
@pytest.mark.parametrize("clock", [1000, 90_000])
def test_rounded_timestamps_choose_the_same_frames(rate: Fraction, clock: int) -> None:
    exact = _sample([float(n / rate) for n in range(600)])
    rounded = _sample([math.floor(n / rate * clock + Fraction(1, 2)) / clock for n in range(600)])
    if rate == Fraction(30000, 1001) and clock == 1000:
        # 29.97 fps drifts over the grid: now and then the limit falls within the rounding.
        differing = sum(a.index != b.index for a, b in zip(exact, rounded, strict=True))
        assert differing <= 6
    else:
        assert _taken(exact) == _taken(rounded)


@pytest.mark.parametrize("step_s", [-0.2, -100.0, 1.2, 3600.0])
def test_a_leap_of_time_begins_a_new_run(step_s: float) -> None:
    places = _sample([0.0, 0.04, 0.08, 0.08 + step_s, 0.12 + step_s, 0.16 + step_s])
    assert [(place.run, place.index) for place in places[3:]] == [(1, 0), (1, None), (1, 1)]


def test_a_short_gap_is_a_hole_not_a_new_run() -> None:
    places = _sample([0.0, 0.08, 0.88, 0.96])
    assert [(place.run, place.index) for place in places] == [(0, 0), (0, 1), (0, 11), (0, 12)]


def test_a_frame_out_of_order_is_left_out() -> None:
    places = _sample([0.0, 0.08, 0.16, 0.12, 0.24])
    assert [place.index for place in places] == [0, 1, 2, None, 3]


def test_repeated_times_are_taken_once() -> None:
    assert [place.index for place in _sample([0.0, 0.0, 0.08, 0.08])] == [0, None, 1, None]


def test_another_picture_size_begins_a_new_run() -> None:
    sampler = FrameSampler(PERIOD_S)
    sampler.offer(0.0, (640, 360))
    assert sampler.offer(0.08, (360, 640)) == Place(1, 0, 0.08)


def test_restart_begins_a_new_run_even_if_time_goes_on() -> None:
    sampler = FrameSampler(PERIOD_S)
    sampler.offer(0.0, SIZE)
    sampler.restart()
    assert sampler.offer(0.04, SIZE) == Place(1, 0, 0.04)


def test_missing_times_follow_the_stated_rate_then_the_measured_one() -> None:
    sampler = FrameSampler(PERIOD_S)
    sampler.restart(50.0)
    assert [sampler.offer(None, SIZE).pts_s for _ in range(3)] == pytest.approx([0.0, 0.02, 0.04])
    for n in range(200):
        sampler.offer(10.0 + n / 10, SIZE)
    assert sampler.offer(None, SIZE).pts_s == pytest.approx(10.0 + 200 / 10, abs=0.001)


@given(
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=200),
    st.floats(0.01, 2.0),
)
def test_any_times_give_growing_indices_and_runs(
    times: list[float | None], period_s: float
) -> None:
    before = (-1, -1)
    for place in _sample(times, period_s):
        assert place.run >= max(before[0], 0)
        if place.index is not None:
            assert (place.run, place.index) > before
            before = (place.run, place.index)


@given(st.lists(st.floats(-0.004, 0.004), min_size=50, max_size=50))
def test_jitter_below_the_tolerance_changes_no_choice(jitter: list[float]) -> None:
    jitter[0] = 0.0
    places = _sample([n / 25 + shake for n, shake in enumerate(jitter)])
    assert _taken(places) == [(n, n // 2) for n in range(0, 50, 2)]
