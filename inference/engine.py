"""From sampled frames of many streams to scored windows, in one thread, in batches.

Decoder threads hand frames over with :meth:`Engine.submit`; the engine's own thread lets what has
come from all streams pass through the model in batches. What is remembered of a stream is the
model's affair: a ring of features or pictures, or a state. When the machine is too slow, a stream's
whole backlog is dropped and its memory starts again: windows are lost as a whole, and never hold
frames from both sides of a hole. The backlog, and with it the lag, is bounded by ``max_lag_s``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.types import Latency, Quality, SampledFrame, StreamName, WindowScores
from inference.runtime import ActionModel, StreamMemory
from inference.windows import ScoredWindow, WindowSpec

_LOG = logging.getLogger(__name__)
_MAX_BATCH = 16

OnWindow = Callable[[StreamName, WindowScores], None]
OnScored = Callable[[ScoredWindow], None]


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters of one stream since it was added.

    Attributes:
        windows: Windows scored.
        dropped_windows: Windows left out because the machine was too slow.
        dropped_frames: Sampled frames left out with them.
        backlog: Frames waiting now.
    """

    windows: int = 0
    dropped_windows: int = 0
    dropped_frames: int = 0
    backlog: int = 0


def score_batch(
    model: ActionModel, batch: Sequence[tuple[StreamMemory, SampledFrame]]
) -> Iterator[tuple[StreamMemory, WindowScores]]:
    """Let a batch of frames pass through the model, and time it.

    Args:
        model: The model.
        batch: Frames with their streams, each stream's frames in order.

    Yields:
        The windows that the frames completed with their streams, each stream's in order.
    """
    for stream, _, scores in _advance(model, batch):
        yield stream, scores


def _advance(
    model: ActionModel, batch: Sequence[tuple[StreamMemory, SampledFrame]]
) -> Iterator[tuple[StreamMemory, ScoredWindow, WindowScores]]:
    started = time.monotonic()
    windows = model.advance(batch)
    model_ms = (time.monotonic() - started) * 1000
    for stream, window in windows:
        yield stream, window, _window_scores(window, started, model_ms)


def score_frames(
    model: ActionModel, spec: WindowSpec, frames: Iterable[SampledFrame]
) -> Iterator[WindowScores]:
    """Score the windows of one video as fast as possible, by the same steps as live.

    Args:
        model: The model.
        spec: Shape of the windows.
        frames: The sampled frames in order.

    Yields:
        Every window, in order.
    """
    stream = model.new_stream(spec)
    source = iter(frames)
    while batch := [(stream, frame) for frame in islice(source, _MAX_BATCH)]:
        for _, window in score_batch(model, batch):
            yield window


def measure_quality(image: NDArray[np.uint8]) -> Quality:
    """Measure brightness and sharpness.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(luma, cv2.CV_32F).var())
    return Quality(brightness=round(float(luma.mean()) / 255, 3), sharpness=round(sharpness, 1))


def _window_scores(window: ScoredWindow, started: float, model_ms: float) -> WindowScores:
    newest = window.newest
    window.scores.setflags(write=False)
    return WindowScores(
        window=window.window,
        media=window.media,
        scores=window.scores,
        clock=newest.clock,
        frames_used=window.used,
        frames_missing=window.missing,
        latency=Latency(
            decode=round(newest.decode_ms, 2),
            wait=round(max(0.0, started - newest.ready_at) * 1000, 2),
            model=round(model_ms, 2),
            total=round((time.time() - newest.captured_at) * 1000, 2),
        ),
        quality=measure_quality(newest.image),
    )


@dataclass(slots=True, eq=False)
class _Lane:
    """One stream inside the engine."""

    name: StreamName
    memory: StreamMemory
    max_backlog: int
    on_scored: OnScored | None
    backlog: deque[SampledFrame] = field(default_factory=deque)
    stats: EngineStats = field(default_factory=EngineStats)
    dropped: bool = False


class Engine:
    """Scores the windows of all streams in one thread.

    Every method may be called from any thread; ``on_window`` is called on the engine's thread.
    """

    def __init__(
        self, model: ActionModel, spec: WindowSpec, on_window: OnWindow, max_lag_s: float = 2.0
    ) -> None:
        """Prepare; nothing runs before :meth:`start`.

        Args:
            model: Scores all streams.
            spec: Shape of the windows.
            on_window: Receives every scored window; must not block.
            max_lag_s: Seconds of frames that may wait for one stream before they are dropped.
        """
        self.model = model
        self._spec = spec
        self._on_window = on_window
        self._max_lag_s = max_lag_s
        self._lanes: dict[StreamName, _Lane] = {}
        self._work = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Start the engine's thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; frames that wait are dropped."""
        with self._work:
            self._stopping = True
            self._work.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def add(self, name: StreamName, on_scored: OnScored | None = None) -> None:
        """Make room for a stream; adding it again starts it afresh.

        Args:
            name: Of the stream.
            on_scored: Receives every window with the features it was scored by, before
                ``on_window``, on the engine's thread; what it keeps of them it must copy.
        """
        memory = self.model.new_stream(self._spec)
        # Less than a window could never be scored.
        least = memory.lead + self._spec.stride
        backlog = max(least, round(self._max_lag_s / self._spec.period_s))
        lane = _Lane(name, memory, backlog, on_scored)
        with self._work:
            self._lanes[name] = lane

    def remove(self, name: StreamName) -> None:
        """Forget a stream and what waits of it."""
        with self._work:
            self._lanes.pop(name, None)

    def stats(self, name: StreamName) -> EngineStats:
        """Counters of a stream; zeros for one that is not here."""
        with self._work:
            lane = self._lanes.get(name)
            if lane is None:
                return EngineStats()
            return replace(lane.stats, backlog=len(lane.backlog))

    def submit(self, name: StreamName, frame: SampledFrame) -> None:
        """Hand a frame over; never blocks.

        Args:
            name: A stream that was added; frames of others are ignored.
            frame: Its next sampled frame.
        """
        with self._work:
            lane = self._lanes.get(name)
            if lane is None or self._stopping:
                return
            if len(lane.backlog) >= lane.max_backlog:
                self._drop_backlog(lane)
            lane.backlog.append(frame)
            self._work.notify()

    def _drop_backlog(self, lane: _Lane) -> None:
        frames = len(lane.backlog)
        lane.backlog.clear()
        lane.dropped = True
        # Those of the frames themselves, and those that starting afresh costs.
        windows = (frames + lane.memory.lead - 1) // self._spec.stride
        lane.stats = replace(
            lane.stats,
            dropped_windows=lane.stats.dropped_windows + windows,
            dropped_frames=lane.stats.dropped_frames + frames,
        )
        _LOG.warning(
            "%s: the machine is too slow, %d windows dropped (%d so far)",
            lane.name,
            windows,
            lane.stats.dropped_windows,
        )

    def _run(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._process(batch)
        except Exception as exc:  # pylint: disable=broad-exception-caught # edge of the thread
            _LOG.exception("the engine stopped")
            self.failure = exc

    def _next_batch(self) -> list[tuple[_Lane, SampledFrame]] | None:
        """Wait for frames and take them in turn from each stream; ``None`` ends the thread."""
        with self._work:
            while not self._stopping:
                batch: list[tuple[_Lane, SampledFrame]] = []
                waiting = [lane for lane in self._lanes.values() if lane.backlog]
                while waiting and len(batch) < _MAX_BATCH:
                    for lane in waiting[: _MAX_BATCH - len(batch)]:
                        batch.append((lane, self._take(lane)))
                    waiting = [lane for lane in waiting if lane.backlog]
                if batch:
                    return batch
                self._work.wait()
            return None

    @staticmethod
    def _take(lane: _Lane) -> SampledFrame:
        if lane.dropped:
            lane.memory.reset()
            lane.dropped = False
        return lane.backlog.popleft()

    def _process(self, batch: list[tuple[_Lane, SampledFrame]]) -> None:
        lanes = {id(lane.memory): lane for lane, _ in batch}
        pairs = [(lane.memory, frame) for lane, frame in batch]
        for memory, window, scores in _advance(self.model, pairs):
            lane = lanes[id(memory)]
            with self._work:
                alive = self._lanes.get(lane.name) is lane
                lane.stats = replace(lane.stats, windows=lane.stats.windows + 1)
            if alive and lane.on_scored is not None:
                lane.on_scored(window)
            if alive:
                self._on_window(lane.name, scores)
