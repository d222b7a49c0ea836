"""Sliding windows over the features of one stream.

Every frame is encoded once; its feature is kept in a ring of one window's length, and each window
is read from the ring. A window covers ``frames`` places of the sampling grid, one starts every
``stride`` places counted from the first frame of a run, so the windows of a file are the same live
and offline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.types import SampledFrame, TimeSpan
from inference.bundle import ModelInput


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Shape of the windows.

    Attributes:
        frames: Places of the sampling grid in one window.
        stride: Places between the starts of two windows.
        period_s: Seconds between two places.
        min_filled: Least share of the places that frames of their own must fill.
    """

    frames: int
    stride: int
    period_s: float
    min_filled: float = 0.5

    @classmethod
    def of(cls, shape: ModelInput, min_filled: float = 0.5) -> WindowSpec:
        """Windows as a model wants them."""
        return cls(shape.frames, shape.stride, 1.0 / shape.fps, min_filled)

    @property
    def span_s(self) -> float:
        """Length of a window in seconds."""
        return self.frames * self.period_s

    def with_stride(self, stride_s: float | None) -> WindowSpec:
        """Same windows at another stride, rounded to whole places.

        Args:
            stride_s: Seconds between window starts; ``None`` leaves the stride.
        """
        if stride_s is None:
            return self
        stride = max(1, round(stride_s / self.period_s))
        return WindowSpec(self.frames, stride, self.period_s, self.min_filled)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureWindow:
    """One complete window.

    Attributes:
        features: ``(T, ...)``, oldest first, in the shape and type of one frame's feature.
        window: UTC span.
        media: Media-time span.
        used: Places filled by a frame of their own.
        newest: The newest frame seen when the window became complete.
    """

    features: NDArray[Any]
    window: TimeSpan
    media: TimeSpan
    used: int
    newest: SampledFrame


@dataclass(frozen=True, slots=True, eq=False)
class ScoredWindow:
    """One window as the model scored it.

    Attributes:
        scores: ``(C,)`` float32 in the order of the labels; they sum to one.
        window: UTC span.
        media: Media-time span.
        used: Places of the sampling grid filled by a frame of their own.
        missing: Places that repeat their predecessor.
        newest: The newest frame seen when the window was scored.
        features: ``(T, D)`` what an encoder said of the window's frames, oldest first; ``None``
            where the model keeps no features. A view of what was computed anyway.
    """

    scores: NDArray[np.float32]
    window: TimeSpan
    media: TimeSpan
    used: int
    missing: int
    newest: SampledFrame
    features: NDArray[np.float32] | None = None


class Run:
    """Where the present run of a stream lies on the sampling grid."""

    def __init__(self, period_s: float) -> None:
        """Start outside any run."""
        self._period_s = period_s
        self._number = -1
        self._origin_s = 0.0
        self.first = 0
        self.last = -1

    def forget(self) -> None:
        """Leave the run: no frame continues it."""
        self._number = -1

    def continues(self, frame: SampledFrame) -> bool:
        """Whether a frame follows on the last one."""
        return frame.run == self._number and frame.index > self.last

    def begin(self, frame: SampledFrame) -> None:
        """Begin a run with its first frame, which is still to come."""
        self._number = frame.run
        self.first = frame.index
        self.last = frame.index - 1
        self._origin_s = frame.pts_s - frame.index * self._period_s

    def spans(self, place: int, places: int, newest: SampledFrame) -> tuple[TimeSpan, TimeSpan]:
        """Time of the places that end with one.

        Args:
            place: The last of them.
            places: How many.
            newest: The newest frame, for the UTC clock.

        Returns:
            UTC span and media-time span.
        """
        end_s = self._origin_s + (place + 1) * self._period_s
        end_utc = newest.captured_at + (end_s - newest.pts_s)
        length_s = places * self._period_s
        return TimeSpan(end_utc - length_s, end_utc), TimeSpan(end_s - length_s, end_s)


class FeatureRing:
    """Features of the last ``spec.frames`` grid places of one stream.

    Not thread-safe: one thread pushes.
    """

    def __init__(self, spec: WindowSpec) -> None:
        """Start empty."""
        self.spec = spec
        self._features: NDArray[Any] | None = None
        self._filled = np.zeros(spec.frames, dtype=bool)
        self._run = Run(spec.period_s)

    def reset(self) -> None:
        """Forget every feature: the next frame starts afresh."""
        self._run.forget()

    def continues(self, frame: SampledFrame) -> bool:
        """Whether a frame follows on the last one, so that their difference means motion."""
        return self._run.continues(frame)

    def push(self, frame: SampledFrame, feature: NDArray[Any]) -> list[FeatureWindow]:
        """Add a frame and take the windows that it completes.

        A place that the video skipped repeats its predecessor and counts as missing.

        Args:
            frame: The frame, for its place and times.
            feature: What is kept of it, of one shape and type in all of a run.

        Returns:
            The windows completed by this frame, oldest first; usually none or one.
        """
        run = self._run
        if not run.continues(frame):
            self._start(frame, feature)
        ready: list[FeatureWindow] = []
        # After one ring's length of a hole, repeating its edge again changes nothing.
        hole_end = min(frame.index, run.last + self.spec.frames + 1)
        edge = self._feature(run.last).copy()
        for place in range(run.last + 1, hole_end):
            self._store(place, edge, filled=False)
            ready += self._window_ending(place, frame)
        self._store(frame.index, feature, filled=True)
        run.last = frame.index
        ready += self._window_ending(frame.index, frame)
        return ready

    def _start(self, frame: SampledFrame, feature: NDArray[Any]) -> None:
        self._features = np.zeros((self.spec.frames, *feature.shape), dtype=feature.dtype)
        self._filled[:] = False
        self._run.begin(frame)

    def _feature(self, place: int) -> NDArray[Any]:
        assert self._features is not None
        feature: NDArray[Any] = self._features[place % self.spec.frames]
        return feature

    def _store(self, place: int, feature: NDArray[Any], *, filled: bool) -> None:
        self._feature(place)[:] = feature
        self._filled[place % self.spec.frames] = filled

    def _window_ending(self, place: int, newest: SampledFrame) -> list[FeatureWindow]:
        spec = self.spec
        start = place + 1 - spec.frames
        used = int(self._filled.sum())
        if start < self._run.first or start % spec.stride:
            return []
        if used < max(1, spec.min_filled * spec.frames):
            return []
        assert self._features is not None
        features = np.roll(self._features, -((place + 1) % spec.frames), axis=0)
        features.setflags(write=False)
        window, media = self._run.spans(place, spec.frames, newest)
        return [FeatureWindow(features, window, media, used, newest)]


class StreamWindows:
    """What a model of sliding windows must remember of one stream."""

    def __init__(self, spec: WindowSpec) -> None:
        """Start without a past."""
        self.ring = FeatureRing(spec)
        self._last: SampledFrame | None = None

    @property
    def lead(self) -> int:
        """Frames that a stream without a past needs for its first window."""
        return self.ring.spec.frames

    def reset(self) -> None:
        """Forget the past: the next frame starts afresh."""
        self.ring.reset()
        self._last = None

    def pair(self, frame: SampledFrame) -> NDArray[np.uint8]:
        """Picture to compare a frame with: the one before it, or itself where a run begins."""
        last, self._last = self._last, frame
        follows = last is not None and last.run == frame.run and last.index < frame.index
        return last.image if last is not None and follows else frame.image
