"""The engine: live equals offline, streams do not mix, overload drops whole windows."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.types import Clock, SampledFrame, StreamName, WindowScores
from inference.bundle import SHIPPED, Bundle
from inference.engine import Engine, measure_quality, score_frames
from inference.runtime import Runtime
from inference.windows import WindowSpec
from tests.conftest import wait_for


class SlowRuntime(Runtime):
    """The real model on a machine that does nothing for a while."""

    def __init__(self, bundle: Bundle) -> None:
        self.running = threading.Event()
        self.running.set()
        super().__init__(bundle)

    def encode(self, frames: NDArray[np.uint8], previous: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode once the machine goes on."""
        self.running.wait(30)
        return super().encode(frames, previous)


@pytest.fixture(name="model", scope="module")
def fixture_model() -> Runtime:
    """The shipped model."""
    return Runtime(Bundle.load(SHIPPED / "everyday"))


def spec_of(model: Runtime) -> WindowSpec:
    """The shipped model's windows."""
    shape = model.bundle.input
    return WindowSpec(shape.frames, shape.stride, 1.0 / shape.fps)


def make_frames(model: Runtime, count: int, seed: int) -> Iterator[SampledFrame]:
    """A noisy square that wanders, different for each seed."""
    rng = np.random.default_rng(seed)
    shape = model.bundle.input
    start = time.time() - count / shape.fps
    for index in range(count):
        image = rng.integers(90, 110, (shape.height, shape.width, 3), dtype=np.uint8)
        left = (7 * seed + 3 * index) % (shape.width - 20)
        image[20:70, left : left + 20] = 200
        yield SampledFrame(
            image=image,
            index=index,
            run=0,
            pts_s=index / shape.fps,
            captured_at=start + index / shape.fps,
            clock=Clock.RTCP,
            decode_ms=1.0,
            ready_at=time.monotonic(),
        )


class Collector:
    """Keeps what the engine says, by stream."""

    def __init__(self) -> None:
        self.windows: dict[str, list[WindowScores]] = defaultdict(list)

    def __call__(self, name: StreamName, window: WindowScores) -> None:
        self.windows[name].append(window)


def test_live_scores_equal_offline_scores_and_streams_do_not_mix(model: Runtime) -> None:
    spec, got = spec_of(model), Collector()
    engine = Engine(model, spec, got, max_lag_s=100)
    names = [StreamName(f"cam{n}") for n in range(3)]
    for name in names:
        engine.add(name)
    engine.start()
    for frames in zip(*(make_frames(model, 60, seed) for seed in range(3)), strict=True):
        for name, frame in zip(names, frames, strict=True):
            engine.submit(name, frame)
    count = (60 - spec.frames) // spec.stride + 1
    wait_for(lambda: all(len(got.windows[n]) == count for n in names), "windows of three streams")
    engine.stop()
    for seed, name in enumerate(names):
        offline = list(score_frames(model, spec, make_frames(model, 60, seed)))
        live = np.stack([w.scores for w in got.windows[name]])
        assert np.abs(live - np.stack([w.scores for w in offline])).max() < 1e-4
        assert [w.media for w in got.windows[name]] == [w.media for w in offline]


def test_overload_drops_whole_windows_and_counts_them() -> None:
    model = SlowRuntime(Bundle.load(SHIPPED / "everyday"))
    spec, got, name = spec_of(model), Collector(), StreamName("cam")
    engine = Engine(model, spec, got, max_lag_s=2.0)
    engine.add(name)
    model.running.clear()
    engine.start()
    frames = list(make_frames(model, 200, seed=1))
    for frame in frames[:100]:
        engine.submit(name, frame)
    assert engine.stats(name).backlog <= 25
    assert engine.stats(name).dropped_frames >= 50
    assert engine.stats(name).dropped_windows >= 25
    model.running.set()
    for frame in frames[100:]:
        engine.submit(name, frame)
        time.sleep(0.002)
    last_s = frames[-1].pts_s + spec.period_s
    wait_for(
        lambda: got.windows[name] and got.windows[name][-1].media.end > last_s - 0.2, "last window"
    )
    engine.stop()
    offline = {round(w.media.start, 3): w.scores for w in score_frames(model, spec, iter(frames))}
    for window in got.windows[name]:
        # A window that held frames from both sides of a hole would differ from the whole video's.
        assert window.frames_missing == 0
        if window.media.start > 0:
            expected = offline[round(window.media.start, 3)]
            assert np.abs(window.scores - expected).max() < 0.2


def test_a_removed_stream_says_nothing_more(model: Runtime) -> None:
    spec, got, name = spec_of(model), Collector(), StreamName("cam")
    engine = Engine(model, spec, got, max_lag_s=100)
    engine.add(name)
    engine.start()
    for frame in make_frames(model, spec.frames + 2 * spec.stride, seed=0):
        engine.submit(name, frame)
    wait_for(lambda: len(got.windows[name]) == 3, "three windows")
    engine.remove(name)
    for frame in make_frames(model, 40, seed=0):
        engine.submit(name, frame)
    engine.stop()
    assert len(got.windows[name]) == 3
    assert engine.stats(name).windows == 0


def test_memory_of_a_stream_does_not_grow(model: Runtime) -> None:
    """What the ring and the engine hold is bounded, however long the video."""
    spec = spec_of(model)
    count = sum(1 for _ in score_frames(model, spec, make_frames(model, 500, seed=2)))
    assert count == (500 - spec.frames) // spec.stride + 1


def test_quality_of_known_pictures() -> None:
    black = np.zeros((96, 128, 3), np.uint8)
    assert measure_quality(black).brightness == 0
    assert measure_quality(black).sharpness == 0
    checks = np.zeros((96, 128, 3), np.uint8)
    checks[::2, ::2] = 255
    assert measure_quality(checks).brightness == pytest.approx(0.25, abs=0.01)
    assert measure_quality(checks).sharpness > 1000
