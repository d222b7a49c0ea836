"""A day of a stream in seconds: what `benchmarks.endurance` runs whole, and times far from zero."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.endurance import Day, LoopModel, load_pictures, problems, rough_day, smooth_day
from contracts.settings import Settings
from contracts.types import Clock, SampledFrame
from inference.windows import FeatureRing, WindowSpec
from stack.models import open_bundle
from streaming.sampler import FrameSampler

_SPEC = WindowSpec(frames=16, stride=2, period_s=1 / 12.5)
_DAY = 1_080_000  # sampled frames of 24 hours
_YEAR = 365 * _DAY
_UTC = 1_763_634_000.0


@pytest.fixture(name="pictures", scope="module")
def fixture_pictures() -> list[NDArray[np.uint8]]:
    """The beginning of the demo clip, in which somebody waves."""
    return load_pictures(open_bundle(Settings().model), 100)


@pytest.fixture(name="model", scope="module")
def fixture_model(pictures: list[NDArray[np.uint8]]) -> LoopModel:
    """The default model, which knows their features."""
    return LoopModel(open_bundle(Settings().model), pictures)


def test_a_smooth_day(model: LoopModel, pictures: list[NDArray[np.uint8]]) -> None:
    """Two minutes of it: each window of the loop has the same scores each time, bit for bit."""
    day = Day(model, pictures)
    day.live(smooth_day(1 / 30, day.camera_fps))
    day.end()
    assert not problems(day)
    shape = model.bundle.input
    frames = round(120 * shape.fps)
    assert (day.found.frames, day.found.runs) == (frames, 1)
    windows = (frames - shape.frames) // shape.stride + 1
    # All but the first, whose first frame has none before it.
    assert (day.ledger.windows, day.found.equal) == (windows, windows - 1)


def test_a_rough_day(model: LoopModel, pictures: list[NDArray[np.uint8]]) -> None:
    """Trouble every four seconds: lost frames, silences, jumps of time, lost connections."""
    day = Day(model, pictures)
    day.live(rough_day(1 / 30, day.camera_fps, every_s=4.0))
    day.end()
    assert not problems(day)
    assert day.found.runs > 5
    assert 0 < day.found.equal < day.ledger.windows
    assert not model.differing


def test_drift_would_be_seen(model: LoopModel, pictures: list[NDArray[np.uint8]]) -> None:
    """One changed bit of one score, and one lost number."""
    day = Day(model, pictures)
    day.live(smooth_day(1 / 360, day.camera_fps))
    nudged = np.nextafter(model.score(model.last), np.float32(2))
    assert model.compare(model.last, model.score(model.last)) is True
    assert model.compare(model.last, nudged) is False
    assert model.compare(model.last[:, ::-1], nudged) is None
    day.found.unequal += 1
    day.ledger.misnumbered += 1
    assert len(problems(day)) >= 2


@given(st.integers(0, _YEAR), st.sampled_from([90_000, 1000]))
def test_the_grid_of_the_sampler_does_not_drift(place: int, ticks: int) -> None:
    """Frames at their places are taken at their places after a year, though times are rounded."""
    sampler = FrameSampler(_SPEC.period_s, gap_s=1e12)
    found = []
    for index in (0, place, place + 1):
        pts_s = round(Fraction(index * ticks * 2, 25)) / ticks
        found.append(sampler.offer(pts_s, (640, 360)).index)
        # The camera's frame between two places is for neither.
        assert sampler.offer(pts_s + 0.04, (640, 360)).index is None or index < place
    assert found[1] in (place, None)  # 0 was taken before
    assert found[2] == place + 1


@given(st.integers(16, _YEAR), st.floats(-95_444, 95_444))
def test_windows_lie_on_their_grid_after_a_year(last: int, origin_s: float) -> None:
    """To a microsecond, in media time and in UTC."""
    ring, feature = FeatureRing(_SPEC), np.zeros(1, np.float32)
    windows = []
    for index in (0, *range(last - 15 - last % 2, last + 1)):
        at_s = float(Fraction(index * 2, 25))
        frame = SampledFrame(
            np.zeros((1, 1, 3), np.uint8),
            index,
            0,
            origin_s + at_s,
            _UTC + at_s,
            Clock.RTCP,
            0.0,
            0.0,
        )
        windows += ring.push(frame, feature)
    start_s = float(Fraction((last - 15 - (last + 1) % 2) * 2, 25))
    assert windows[-1].media.start == pytest.approx(origin_s + start_s, abs=1e-6)
    assert windows[-1].window.start == pytest.approx(_UTC + start_s, abs=1e-6)
