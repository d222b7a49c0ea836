"""The life of a stream as an explicit state machine, and the pauses between its attempts. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from contracts.types import StreamState

_FIRST_PAUSE_S = 0.2


class Lifecycle:
    """``connecting → live ⇄ stalled → offline``; any frame makes the stream live.

    Every method takes monotonic seconds and says whether the state changed. Not thread-safe.

    Attributes:
        state: Where the stream is.
    """

    def __init__(self, stall_s: float, offline_s: float, now_s: float) -> None:
        """Begin to connect.

        Args:
            stall_s: A live stream without a frame for so long is stalled.
            offline_s: A stream without a frame for so long is offline.
            now_s: Monotonic seconds.
        """
        self.state = StreamState.CONNECTING
        self._stall_s = stall_s
        self._offline_s = offline_s
        self._frame_s = now_s

    def frame(self, now_s: float) -> bool:
        """A frame came."""
        self._frame_s = now_s
        return self._enter(StreamState.LIVE)

    def lost(self) -> bool:
        """The connection broke: a live stream stalls at once."""
        return self.state is StreamState.LIVE and self._enter(StreamState.STALLED)

    def gone(self) -> bool:
        """It ended, or cannot be had: offline without waiting."""
        return self._enter(StreamState.OFFLINE)

    def tick(self, now_s: float) -> bool:
        """Time passed."""
        silent_s = now_s - self._frame_s
        if silent_s >= self._offline_s:
            return self._enter(StreamState.OFFLINE)
        return silent_s >= self._stall_s and self.lost()

    def _enter(self, state: StreamState) -> bool:
        changed = state is not self.state
        self.state = state
        return changed


@dataclass(slots=True)
class Backoff:
    """Growing pauses with jitter, so that many streams do not all come back at the same moment.

    Attributes:
        max_s: Longest pause.
    """

    max_s: float
    _next_s: float = _FIRST_PAUSE_S
    _random: random.Random = field(default_factory=random.Random)

    def reset(self) -> None:
        """It worked: the next pause is short again."""
        self._next_s = _FIRST_PAUSE_S

    def pause_s(self, at_most_s: float | None = None) -> float:
        """Give the next pause, three quarters to all of the nominal one.

        Args:
            at_most_s: Cap of this pause, if lower than the usual.
        """
        nominal_s = min(self._next_s, self.max_s if at_most_s is None else at_most_s)
        self._next_s = min(2 * self._next_s, self.max_s)
        return nominal_s * self._random.uniform(0.75, 1.0)


class RateMeter:
    """Frames per second over the last few seconds.

    A burst (a server replays the pictures since the last keyframe) has many frames in no time but
    not in media time; an overloaded decoder shows in time, not in media time. The lower one holds.
    """

    def __init__(self, span_s: float = 3.0) -> None:
        """Measure over `span_s` seconds."""
        self._span_s = span_s
        self._frames: list[tuple[float, float]] = []

    def frame(self, now_s: float, pts_s: float) -> None:
        """A frame was decoded at monotonic `now_s` with media time `pts_s`."""
        self._frames.append((now_s, pts_s))
        self._forget(now_s)

    def fps(self, now_s: float) -> float | None:
        """Rate now, or nothing before there are enough frames."""
        self._forget(now_s)
        if len(self._frames) < 3:
            return None
        (first_s, first_pts_s), (last_s, last_pts_s) = self._frames[0], self._frames[-1]
        spans = [last_s - first_s, abs(last_pts_s - first_pts_s)]
        return round((len(self._frames) - 1) / max(*spans, 1e-3), 2)

    def _forget(self, now_s: float) -> None:
        while self._frames and self._frames[0][0] < now_s - self._span_s:
            self._frames.pop(0)
