"""The recent past of a stream: bounded, in order, and what the model truly computed."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.types import Clock, Picture, SampledFrame, StreamName, TimeSpan
from inference.bundle import SHIPPED, Bundle
from inference.engine import Engine
from inference.recent import FeatureTrail, PictureTrail, evenly_spread
from inference.runtime import Runtime
from inference.windows import ScoredWindow, WindowSpec
from tests.conftest import wait_for

_PERIOD_S = 0.125


def frame_at(model: Runtime, index: int, image: NDArray[np.uint8]) -> SampledFrame:
    """A frame of a stream that began at 1000 s UTC."""
    at = index / model.bundle.input.fps
    return SampledFrame(image, index, 0, at, 1000 + at, Clock.RTCP, 1.0, time.monotonic())


def window_of(end: int, places: int, first: int = 0) -> ScoredWindow:
    """A window whose features say their place in the stream."""
    spots = np.arange(end - places, end, dtype=np.float32)
    span = TimeSpan(1000 + spots[0] * _PERIOD_S, 1000 + end * _PERIOD_S)
    media = TimeSpan(span.start - 1000 - first * _PERIOD_S, span.end - 1000 - first * _PERIOD_S)
    newest = SampledFrame(
        np.zeros((1, 1, 3), np.uint8), end - 1, 0, media.end, span.end, Clock.RTCP, 0.0, 0.0
    )
    features = np.repeat(spots[:, np.newaxis], 3, axis=1)
    return ScoredWindow(np.ones(1, np.float32), span, media, places, 0, newest, features)


def test_the_trail_holds_what_the_model_computed_of_each_frame() -> None:
    model = Runtime(Bundle.load(SHIPPED / "everyday"))
    shape = model.bundle.input
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, shape.height, shape.width, 3), np.uint8)
    trail, name, windows = FeatureTrail(60, 1 / shape.fps), StreamName("a"), []
    engine = Engine(model, WindowSpec.of(shape), lambda _, window: windows.append(window), 60)
    engine.add(name, trail.add)
    engine.start()
    for index, image in enumerate(images):
        engine.submit(name, frame_at(model, index, image))
    wait_for(lambda: len(windows) == 40 - shape.frames + 1, "all windows", 30)
    engine.stop()

    kept = trail.between(TimeSpan(1000, 1100))
    assert kept is not None
    expected = model.encode(images, images[[0, *range(39)]])
    assert kept.features.dtype == np.float16
    assert np.allclose(kept.features, expected, rtol=2e-3, atol=2e-3)
    assert np.allclose(kept.times, 1000 + np.arange(40) / shape.fps)
    part = trail.between(TimeSpan(1002, 1003))
    assert part is not None
    assert len(part.times) == shape.fps
    assert np.array_equal(part.features, kept.features[16:24])


@given(st.lists(st.integers(1, 12), min_size=1, max_size=60), st.integers(1, 40))
def test_every_place_is_kept_once_and_the_ring_is_bounded(steps: list[int], places: int) -> None:
    trail = FeatureTrail(places * _PERIOD_S, _PERIOD_S)
    end = 8
    seen = list(range(8))
    trail.add(window_of(end, 8))
    for step in steps:
        end += step
        # A hole longer than a window: the places between were in no window.
        seen += range(max(end - step, end - 8), end)
        trail.add(window_of(end, 8))
    first = seen[-places:][0]
    kept = trail.between(TimeSpan(1000 + first * _PERIOD_S, 2000))
    assert kept is not None
    assert kept.features[:, 0].tolist() == seen[-places:]
    assert np.allclose(kept.times, 1000 + _PERIOD_S * np.array(seen[-places:]))


def test_a_span_that_is_not_wholly_at_hand_has_no_features() -> None:
    trail = FeatureTrail(10 * _PERIOD_S, _PERIOD_S)
    assert trail.between(TimeSpan(0, 2000)) is None
    for end in range(8, 30):
        trail.add(window_of(end, 8))
    assert trail.between(TimeSpan(1000, 2000)) is None
    assert trail.between(TimeSpan(1500, 2000)) is None
    assert trail.between(TimeSpan(1000 + 25 * _PERIOD_S, 2000)) is not None


def test_a_new_run_is_kept_whole() -> None:
    trail = FeatureTrail(100, _PERIOD_S)
    trail.add(window_of(8, 8))
    trail.add(window_of(9, 8))
    # Media time began anew: nothing of this window was in the one before.
    trail.add(window_of(109, 8, first=101))
    kept = trail.between(TimeSpan(1000, 2000))
    assert kept is not None
    assert kept.features[:, 0].tolist() == [*range(9), *range(101, 109)]


def test_nothing_is_kept_where_nothing_is_wanted() -> None:
    trail, pictures = FeatureTrail(0, _PERIOD_S), PictureTrail(0)
    trail.add(window_of(8, 8))
    pictures.add(Picture(1000, b"x"))
    assert trail.between(TimeSpan(0, 2000)) is None
    assert pictures.between(TimeSpan(0, 2000)) == []
    assert pictures.nearest(1000) is None


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 400)), max_size=200))
def test_pictures_are_bounded_and_in_order(given_pictures: list[tuple[float, int]]) -> None:
    trail = PictureTrail(60, max_bytes=2000)
    for at, size in given_pictures:
        trail.add(Picture(at, bytes(size)))
        kept = trail.between(TimeSpan(-1, 2000))
        assert kept[-1].at == at
        assert all(one.at < other.at for one, other in pairwise(kept))
        assert kept[0].at >= at - 60
        assert len(kept) <= 120
        assert sum(len(one.jpeg) for one in kept) <= 2000


def test_the_nearest_picture_is_found_on_both_sides() -> None:
    trail = PictureTrail(60)
    for at in (10.0, 10.5, 11.0):
        trail.add(Picture(at, str(at).encode()))
    for wanted, found in [(0, 10.0), (10.24, 10.0), (10.26, 10.5), (99, 11.0)]:
        nearest = trail.nearest(wanted)
        assert nearest is not None
        assert nearest.at == found


@pytest.mark.parametrize("count", [0, 1, 8, 9, 100])
def test_chosen_pictures_are_evenly_spread(count: int) -> None:
    pictures = [Picture(float(at), b"") for at in range(count)]
    chosen = [picture.at for picture in evenly_spread(pictures, 8)]
    assert len(chosen) == min(count, 8)
    if count > 8:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        steps = np.diff(chosen)
        assert steps.max() - steps.min() <= 1
