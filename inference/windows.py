"""Sliding windows over the features of one stream.

Every frame is encoded once; its feature is kept in a ring of one window's length, and each window
is read from the ring. A window covers ``frames`` places of the sampling grid, one starts every
``stride`` places counted from the first frame of a run, so the windows of a file are the same live
and offline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.types import SampledFrame, TimeSpan


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
        features: ``(T, D)`` float32, oldest first.
        window: UTC span.
        media: Media-time span.
        used: Places filled by a frame of their own.
        newest: The newest frame seen when the window became complete.
    """

    features: NDArray[np.float32]
    window: TimeSpan
    media: TimeSpan
    used: int
    newest: SampledFrame


class FeatureRing:
    """Features of the last ``spec.frames`` grid places of one stream.

    Not thread-safe: one thread pushes.
    """

    def __init__(self, spec: WindowSpec) -> None:
        """Start empty."""
        self.spec = spec
        self._features: NDArray[np.float32] | None = None
        self._filled = np.zeros(spec.frames, dtype=bool)
        self._run = -1
        self._first = 0
        self._last = -1
        self._origin_s = 0.0

    def reset(self) -> None:
        """Forget every feature: the next frame starts afresh."""
        self._run = -1

    def continues(self, frame: SampledFrame) -> bool:
        """Whether a frame follows on the last one, so that their difference means motion."""
        return frame.run == self._run and frame.index > self._last

    def push(self, frame: SampledFrame, feature: NDArray[np.float32]) -> list[FeatureWindow]:
        """Add a frame and take the windows that it completes.

        A place that the video skipped repeats its predecessor and counts as missing.

        Args:
            frame: The frame, for its place and times.
            feature: ``(D,)`` float32.

        Returns:
            The windows completed by this frame, oldest first; usually none or one.
        """
        if not self.continues(frame):
            self._start(frame, feature.shape[0])
        ready: list[FeatureWindow] = []
        # After one ring's length of a hole, repeating its edge again changes nothing.
        hole_end = min(frame.index, self._last + self.spec.frames + 1)
        edge = self._feature(self._last).copy()
        for place in range(self._last + 1, hole_end):
            self._store(place, edge, filled=False)
            ready += self._window_ending(place, frame)
        self._store(frame.index, feature, filled=True)
        self._last = frame.index
        ready += self._window_ending(frame.index, frame)
        return ready

    def _start(self, frame: SampledFrame, size: int) -> None:
        self._features = np.zeros((self.spec.frames, size), dtype=np.float32)
        self._filled[:] = False
        self._run = frame.run
        self._first = frame.index
        self._last = frame.index - 1
        self._origin_s = frame.pts_s - frame.index * self.spec.period_s

    def _feature(self, place: int) -> NDArray[np.float32]:
        assert self._features is not None
        feature: NDArray[np.float32] = self._features[place % self.spec.frames]
        return feature

    def _store(self, place: int, feature: NDArray[np.float32], *, filled: bool) -> None:
        self._feature(place)[:] = feature
        self._filled[place % self.spec.frames] = filled

    def _window_ending(self, place: int, newest: SampledFrame) -> list[FeatureWindow]:
        spec = self.spec
        start = place + 1 - spec.frames
        used = int(self._filled.sum())
        if start < self._first or start % spec.stride:
            return []
        if used < max(1, spec.min_filled * spec.frames):
            return []
        assert self._features is not None
        features = np.roll(self._features, -((place + 1) % spec.frames), axis=0)
        features.setflags(write=False)
        end_s = self._origin_s + (place + 1) * spec.period_s
        end_utc = newest.captured_at + (end_s - newest.pts_s)
        return [
            FeatureWindow(
                features=features,
                window=TimeSpan(end_utc - spec.span_s, end_utc),
                media=TimeSpan(end_s - spec.span_s, end_s),
                used=used,
                newest=newest,
            )
        ]
