"""Which frames of a video a model sees: the nearest to a regular grid of media time.

Pure: the same media times give the same frames and indices, live or from a file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# A frame may come this much before its place on the grid, as a share of the period ...
_EARLY_SHARE = 0.25
# ... and a little more, because containers round media time to a millisecond: without it, frame
# rates that meet the limit exactly (50 fps sampled at 12.5) would be sampled by rounding errors.
_ROUNDING_S = 0.001
# Weight of the newest frame distance in the running mean that stands in for missing times.
_MEAN_WEIGHT = 0.1
_DEFAULT_FPS = 25.0


@dataclass(frozen=True, slots=True)
class Place:
    """What the sampler says about one frame.

    Attributes:
        run: Grows by one whenever continuity is lost.
        index: Place on the grid of this run, or ``None`` if the frame is not wanted.
        pts_s: Media time in seconds, derived if the container gave none.
    """

    run: int
    index: int | None
    pts_s: float


class FrameSampler:
    """Chooses the frames of one stream, in the order of their media time.

    The grid starts at the first frame of a run. Place ``k`` is taken by the first frame at or
    after ``k`` periods less a quarter; a place that no frame comes near stays empty and shows as
    a hole in the indices. Not thread-safe: one decoder thread owns it.
    """

    def __init__(self, period_s: float, *, gap_s: float = 1.0) -> None:
        """Start before the first frame.

        Args:
            period_s: Seconds between two wanted frames.
            gap_s: A longer silence of media time breaks continuity.
        """
        self._period_s = period_s
        self._early_s = period_s * _EARLY_SHARE + _ROUNDING_S
        self._gap_s = gap_s
        self._frame_s = 1.0 / _DEFAULT_FPS
        self._run = -1
        self._origin_s = 0.0
        self._last_s: float | None = None
        self._next = 0
        self._size: tuple[int, int] | None = None

    def restart(self, fps: float | None = None) -> None:
        """Begin a new run with the next frame: the connection was lost or the file changed.

        Args:
            fps: Frame rate that the container states; used only where media times are missing.
        """
        self._last_s = None
        self._frame_s = 1.0 / (fps or _DEFAULT_FPS)

    def offer(self, pts_s: float | None, size: tuple[int, int]) -> Place:
        """Decide about the next decoded frame.

        Args:
            pts_s: Media time in seconds; may be negative; ``None`` if the container has none.
            size: Width and height of the picture.

        Returns:
            Its run and, if it is wanted, its place.
        """
        if pts_s is None:
            pts_s = 0.0 if self._last_s is None else self._last_s + self._frame_s
        if self._last_s is None or size != self._size or self._jumped(pts_s - self._last_s):
            self._begin(pts_s, size)
        elif pts_s > self._last_s:
            self._frame_s += _MEAN_WEIGHT * (pts_s - self._last_s - self._frame_s)
        self._last_s = pts_s
        return Place(self._run, self._take(pts_s - self._origin_s), pts_s)

    def _jumped(self, step_s: float) -> bool:
        """Time leapt ahead or back; a step back within a period is a frame out of order."""
        return step_s > self._gap_s or step_s < -self._period_s

    def _begin(self, pts_s: float, size: tuple[int, int]) -> None:
        self._run += 1
        self._origin_s = pts_s
        self._size = size
        self._next = 0

    def _take(self, elapsed_s: float) -> int | None:
        index = math.floor((elapsed_s + self._early_s) / self._period_s)
        if index < self._next:
            return None
        self._next = index + 1
        return index
