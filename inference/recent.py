"""The last minutes of a stream: what the model computed of its frames, and small pictures.

A person's feedback is worth the most with what the model saw, and an event is told best with a few
pictures; both come when the moment has passed. So each stream keeps a bounded past: the features of
its frames as float16 in a ring that is allocated once, and a few small JPEG pictures a second.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.types import Picture, TimeSpan
from inference.windows import ScoredWindow

PICTURE_WIDTH = 320
PICTURES_PER_S = 2.0
MAX_PICTURE_BYTES = 16_000_000
"""Of one stream; 600 s of typical pictures are about 9 MB."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpan:
    """Features of consecutive frames.

    Attributes:
        times: ``(N,)`` float64 UTC seconds of the frames' places on the sampling grid.
        features: ``(N, D)`` float16.
    """

    times: NDArray[np.float64]
    features: NDArray[np.float16]


class FeatureTrail:
    """Features of the frames of the last while. Thread-safe; adding takes some microseconds."""

    def __init__(self, keep_s: float, period_s: float) -> None:
        """Start empty; memory is taken with the first features.

        Args:
            keep_s: How long features are kept; ``0`` keeps none.
            period_s: Seconds between two frames.
        """
        self._period_s = period_s
        self._places = math.ceil(keep_s / period_s)
        self._features: NDArray[np.float16] | None = None
        self._times: NDArray[np.float64] = np.empty(0, np.float64)
        self._count = 0
        self._media_end_s = -math.inf
        self._lock = threading.Lock()

    def add(self, window: ScoredWindow) -> None:
        """Keep what is new in a window; called by the engine.

        Args:
            window: The next one of the stream.
        """
        if window.features is None or not self._places:
            return
        features = window.features[-self._new_places(window) :]
        if len(features) > self._places:
            features = features[-self._places :]
        first_s = window.window.end - len(features) * self._period_s
        with self._lock:
            if self._features is None:
                self._features = np.empty((self._places, features.shape[1]), np.float16)
                self._times = np.empty(self._places, np.float64)
            places = (self._count + np.arange(len(features))) % self._places
            self._features[places] = features
            self._times[places] = first_s + self._period_s * np.arange(len(features))
            self._count += len(features)

    def between(self, span: TimeSpan) -> FeatureSpan | None:
        """Look up the features of a span.

        Args:
            span: UTC seconds.

        Returns:
            Those of the frames that begin in it, oldest first; ``None`` if it begins before the
            oldest that is kept, or holds none.
        """
        with self._lock:
            if self._features is None:
                return None
            order = np.arange(max(0, self._count - self._places), self._count) % self._places
            times = self._times[order]
            # A span that is only partly at hand would be passed off as the whole.
            if span.start < times[0] - self._period_s:
                return None
            chosen = (times >= span.start) & (times < span.end)
            if not chosen.any():
                return None
            return FeatureSpan(times[chosen], self._features[order[chosen]])

    def _new_places(self, window: ScoredWindow) -> int:
        """Places of a window that the one before it, of the same run, did not have.

        Media time tells: UTC is corrected now and then, and may step back.
        """
        assert window.features is not None
        places = len(window.features)
        step = (window.media.end - self._media_end_s) / self._period_s
        self._media_end_s = window.media.end
        new = round(step) if 0 < step < places else places
        return max(1, new)


class PictureTrail:
    """Small pictures of the last while, by time. Thread-safe."""

    def __init__(self, keep_s: float, max_bytes: int = MAX_PICTURE_BYTES) -> None:
        """Start empty.

        Args:
            keep_s: How long pictures are kept.
            max_bytes: Beyond it, the oldest go sooner.
        """
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._pictures: deque[Picture] = deque(maxlen=math.ceil(keep_s * PICTURES_PER_S))
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> None:
        """Keep a picture, and drop those that are too old.

        Args:
            picture: Newer than those before; if time stepped back, what lies ahead is dropped.
        """
        if not self._pictures.maxlen:
            return
        with self._lock:
            while self._pictures and self._pictures[-1].at >= picture.at:
                self._bytes -= len(self._pictures.pop().jpeg)
            if len(self._pictures) == self._pictures.maxlen:
                self._drop_oldest()
            self._pictures.append(picture)
            self._bytes += len(picture.jpeg)
            while self._pictures[0].at < picture.at - self._keep_s or (
                self._bytes > self._max_bytes and len(self._pictures) > 1
            ):
                self._drop_oldest()

    def newest_at(self) -> float | None:
        """UTC seconds of the newest picture."""
        with self._lock:
            return self._pictures[-1].at if self._pictures else None

    def between(self, span: TimeSpan) -> list[Picture]:
        """Pictures of a span of UTC seconds, oldest first."""
        with self._lock:
            return [one for one in self._pictures if span.start <= one.at < span.end]

    def nearest(self, at: float) -> Picture | None:
        """The picture nearest to a time in UTC seconds."""
        with self._lock:
            pictures = list(self._pictures)
        place = bisect_left(pictures, at, key=lambda picture: picture.at)
        near = pictures[max(0, place - 1) : place + 1]
        return min(near, key=lambda picture: abs(picture.at - at), default=None)

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._pictures.popleft().jpeg)


class RecentPast:
    """What is at hand of one stream's last while."""

    def __init__(self, keep_s: float, period_s: float) -> None:
        """Start empty.

        Args:
            keep_s: How long; ``0`` keeps nothing.
            period_s: Seconds between two frames that the model sees.
        """
        self.keep_s = keep_s
        self.pictures = PictureTrail(keep_s)
        self.features = FeatureTrail(keep_s, period_s)

    def forget_features(self, period_s: float) -> None:
        """Begin anew with the features, which another model computes from now on."""
        self.features = FeatureTrail(self.keep_s, period_s)


class Pictured(Protocol):
    """A stream that small pictures are taken of."""

    def take_picture(self) -> None:
        """Keep its newest picture, if there is a new one."""


class PictureTaker:
    """Takes the small pictures of all streams, in a thread of its own."""

    def __init__(self, streams: Callable[[], Iterable[Pictured]]) -> None:
        """Prepare; :meth:`start` begins.

        Args:
            streams: Those that are analysed now; called from the taker's thread.
        """
        self._streams = streams
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    def start(self) -> None:
        """Begin to take pictures."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            began_s = time.monotonic()
            for stream in self._streams():
                try:
                    stream.take_picture()
                except Exception:  # pylint: disable=broad-exception-caught # edge of the thread
                    _LOG.exception("a picture cannot be taken")
            pause_s = max(0.05, 1 / PICTURES_PER_S - (time.monotonic() - began_s))


def evenly_spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """Choose some pictures with equal steps between them, the first and last among them.

    Args:
        pictures: Oldest first.
        count: At most so many, at least two.
    """
    if len(pictures) <= count:
        return list(pictures)
    return [pictures[round(place)] for place in np.linspace(0, len(pictures) - 1, count)]
