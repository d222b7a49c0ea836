"""Windows over the sampling grid: which frames they hold, when they are ready, what a hole does."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.types import Clock, SampledFrame
from inference.windows import FeatureRing, FeatureWindow, WindowSpec

SPEC = WindowSpec(frames=16, stride=2, period_s=0.08)
UTC0 = 1_763_634_000.0


def make_frame(index: int, run: int = 0) -> SampledFrame:
    """A frame at its exact place of the grid."""
    return SampledFrame(
        image=np.zeros((2, 2, 3), np.uint8),
        index=index,
        run=run,
        pts_s=5.0 + index * SPEC.period_s,
        captured_at=UTC0 + index * SPEC.period_s,
        clock=Clock.RTCP,
        decode_ms=1.0,
        ready_at=time.monotonic(),
    )


def feature(index: int) -> NDArray[np.float32]:
    """A feature that carries the number of its frame."""
    return np.full(3, index, np.float32)


def push_all(ring: FeatureRing, indices: list[int], run: int = 0) -> list[FeatureWindow]:
    """Push frames one by one and collect their windows."""
    return [w for i in indices for w in ring.push(make_frame(i, run), feature(i))]


def test_first_window_is_ready_with_its_last_frame() -> None:
    ring = FeatureRing(SPEC)
    assert not push_all(ring, list(range(15)))
    (window,) = push_all(ring, [15])
    assert window.features[:, 0].tolist() == list(range(16))
    assert window.media.start == pytest.approx(5.0)
    assert window.media.end == pytest.approx(6.28)
    assert window.window.end == pytest.approx(UTC0 + 1.28)
    assert window.used == 16


def test_windows_follow_at_the_stride() -> None:
    windows = push_all(FeatureRing(SPEC), list(range(30)))
    starts = [round((w.media.start - 5.0) / SPEC.period_s) for w in windows]
    assert starts == [0, 2, 4, 6, 8, 10, 12, 14]


def test_a_hole_repeats_the_frame_before_it_and_counts_as_missing() -> None:
    indices = [i for i in range(16) if i not in (7, 8)]
    (window,) = push_all(FeatureRing(SPEC), indices)
    assert window.features[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 9, 10, 11, 12, 13, 14, 15]
    assert window.used == 14


def test_a_window_that_ends_in_a_hole_comes_with_the_next_frame() -> None:
    ring = FeatureRing(SPEC)
    push_all(ring, list(range(15)))
    (window,) = push_all(ring, [16])
    assert window.features[-1, 0] == 14
    assert window.media.end == pytest.approx(6.28)


def test_a_new_run_never_shares_a_window_with_the_old() -> None:
    ring = FeatureRing(SPEC)
    push_all(ring, list(range(20)))
    assert not push_all(ring, list(range(15)), run=1)
    (window,) = push_all(ring, [15], run=1)
    assert window.features[:, 0].tolist() == list(range(16))


def test_reset_in_the_middle_of_a_run_keeps_the_grid() -> None:
    ring = FeatureRing(SPEC)
    push_all(ring, list(range(21)))
    ring.reset()
    windows = push_all(ring, list(range(31, 60)))
    starts = [round((w.media.start - 5.0) / SPEC.period_s) for w in windows]
    assert starts == [32, 34, 36, 38, 40, 42, 44]


def test_too_few_frames_make_no_window() -> None:
    assert not push_all(FeatureRing(SPEC), list(range(0, 64, 3)))


def test_stride_is_rounded_to_whole_frames() -> None:
    assert SPEC.with_stride(0.5).stride == 6
    assert SPEC.with_stride(0.01).stride == 1
    assert SPEC.with_stride(None) is SPEC


@given(
    st.sets(st.integers(0, 120), min_size=1),
    st.integers(1, 20),
    st.integers(1, 20),
    st.floats(0, 1),
)
def test_windows_equal_a_plain_slice_of_the_whole(
    present: set[int], frames: int, stride: int, min_filled: float
) -> None:
    """Against the obvious way: fill the grid of the whole video, then cut the windows out."""
    spec = WindowSpec(frames, stride, 0.08, min_filled)
    indices = sorted(i - min(present) for i in present)
    ring = FeatureRing(spec)
    got = [w for i in indices for w in ring.push(make_frame(i), feature(i))]
    held = [max(i for i in indices if i <= place) for place in range(indices[-1] + 1)]
    filled = [place in set(indices) for place in range(indices[-1] + 1)]
    expected = [
        held[start : start + frames]
        for start in range(0, len(held) - frames + 1, stride)
        if sum(filled[start : start + frames]) >= max(1, min_filled * frames)
    ]
    assert [w.features[:, 0].astype(int).tolist() for w in got] == expected
