"""Whole videos: short ones, long ones, and the sum of their windows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from contracts.errors import NotAVideoError
from contracts.prediction import Prediction
from contracts.settings import EventSettings
from contracts.types import Clock, SampledFrame
from inference.bundle import SHIPPED, Bundle
from inference.prediction import predict, score_video
from inference.runtime import Runtime
from inference.windows import WindowSpec

SPEC = WindowSpec(16, 2, 0.08)


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(Bundle.load(SHIPPED / "everyday"))


def grey(model: Runtime, count: int, start_s: float = 3.0) -> Iterator[SampledFrame]:
    """An empty grey scene."""
    shape = model.bundle.input
    image = np.full((shape.height, shape.width, 3), 90, np.uint8)
    for index in range(count):
        pts_s = start_s + index * SPEC.period_s
        yield SampledFrame(
            image, index, 0, pts_s, time.time(), Clock.ARRIVAL, 0.0, time.monotonic()
        )


@pytest.mark.parametrize(
    ("frames", "windows"), [(1, 1), (3, 1), (15, 1), (16, 1), (18, 2), (40, 13)]
)
def test_every_video_has_windows(model: Runtime, frames: int, windows: int) -> None:
    reached: list[float] = []
    scored = score_video(model, SPEC, grey(model, frames), reached.append)
    assert len(scored.windows) == windows
    assert scored.duration_s == pytest.approx(frames * SPEC.period_s)
    assert scored.windows[0].media.start == pytest.approx(3.0)
    assert len(reached) == frames


def test_a_video_without_pictures_is_no_video(model: Runtime) -> None:
    with pytest.raises(NotAVideoError):
        score_video(model, SPEC, [])


def test_the_label_is_that_of_the_mean(model: Runtime) -> None:
    scored = score_video(model, SPEC, grey(model, 40))
    found: Prediction = predict(model.bundle, scored, EventSettings())
    mean = np.mean([window.scores for window in scored.windows], axis=0)
    assert found.label == model.bundle.label_names[int(mean.argmax())]
    assert found.probability == pytest.approx(float(mean.max()), abs=1e-4)
    assert sum(found.scores.values()) == pytest.approx(1.0, abs=0.01)
    assert '"video"' not in found.to_json()
