"""What is to be said in the picture, and when: from a stream's messages to the text of a moment.

The scores of a window speak of one moment of it (`Labels.reference`). A picture is held until the
scores of its moment are known if that takes at most `MAX_HOLD_S`; where it takes longer, nothing is
held and the newest scores are drawn.
"""

from __future__ import annotations

import statistics
import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

from contracts.messages import ControlState, Event, Labels, Message, Scores
from streaming.drawing import Bar, Overlay

MAX_HOLD_S: Final = 0.2
"""Longest time by which a picture is delayed for the sake of its own scores."""

# Scores that come this much later than usual still find their picture held.
_MARGIN_S = 0.01
_REMEMBERED = 32
_MAX_EVENTS = 16
_BARS = 4
# Scores older than this say nothing about a picture.
_STALE_S = 3.0


@dataclass(frozen=True, slots=True)
class _Said:
    """The scores of one window.

    Attributes:
        moment: UTC seconds of the moment they speak of.
        delay_s: From that moment to their publishing.
        scores: By label.
    """

    moment: float
    delay_s: float
    scores: dict[str, float]


class Captions:
    """Hears what is published of one stream; thread-safe."""

    def __init__(self) -> None:
        """Begin without a word."""
        self._lock = threading.Lock()
        self._said: deque[_Said] = deque(maxlen=_REMEMBERED)
        self._events: dict[str, Event] = {}
        self._titles: dict[str, str] = {}
        self._background: frozenset[str] = frozenset()
        self._reference = 0.5
        self._paused = False

    def hear(self, message: Message) -> None:
        """Take note of a message; others than scores, events, labels and state do not matter."""
        with self._lock:
            if isinstance(message, Scores):
                self._hear_scores(message)
            elif isinstance(message, Event):
                self._hear_event(message)
            elif isinstance(message, Labels):
                titles = message.titles or message.labels
                self._titles = dict(zip(message.labels, titles, strict=False))
                self._background = frozenset(message.background)
                self._reference = message.reference
            elif isinstance(message, ControlState):
                self._paused = message.paused

    @property
    def hold_s(self) -> float:
        """How long a picture has to wait after its capture until its scores are known.

        ``0`` if that would be longer than `MAX_HOLD_S`: then the newest scores are drawn.
        """
        with self._lock:
            return self._hold_s()

    def overlay(self, captured_at: float) -> Overlay:
        """Say what to draw.

        Args:
            captured_at: UTC seconds at which the picture was captured.

        Returns:
            What was known of that moment, or is the newest known.
        """
        with self._lock:
            if self._paused:
                return Overlay("Analysis paused")
            said = self._scores_of(captured_at)
            if said is None:
                return Overlay("No scores" if self._said else "No scores yet")
            strongest = sorted(said.scores.items(), key=lambda pair: -pair[1])
            bars = tuple(Bar(self._title(name), score) for name, score in strongest[:_BARS])
            quiet = strongest[0][0] in self._background
            return Overlay(bars[0].title, quiet, bars, self._event(captured_at))

    def _hear_scores(self, message: Scores) -> None:
        window = message.window
        moment = window.start + self._reference * (window.end - window.start)
        if self._said and moment < self._said[-1].moment:
            # The clock was set, or the source began anew.
            self._said.clear()
        self._said.append(_Said(moment, message.published_at - moment, message.scores))

    def _hear_event(self, event: Event) -> None:
        self._events.pop(event.id, None)
        if event.type != "end":
            self._events[event.id] = event
        while len(self._events) > _MAX_EVENTS:
            del self._events[next(iter(self._events))]

    def _hold_s(self) -> float:
        delays = [said.delay_s for said in self._said]
        if len(delays) < 2 or statistics.median(delays) + _MARGIN_S > MAX_HOLD_S:
            return 0.0
        usual_s = statistics.quantiles(delays, n=10, method="inclusive")[-1]
        return min(MAX_HOLD_S, max(0.0, usual_s + _MARGIN_S))

    def _scores_of(self, captured_at: float) -> _Said | None:
        """The newest scores of this moment or before it; unless pictures are held, the newest."""
        limit = captured_at if self._hold_s() else float("inf")
        for said in reversed(self._said):
            if said.moment <= limit:
                return said if captured_at - said.moment <= _STALE_S else None
        return None

    def _event(self, captured_at: float) -> str:
        """The event in progress that began last."""
        begun = [event for event in self._events.values() if event.start <= captured_at]
        if not begun:
            return ""
        event = max(begun, key=lambda each: each.start)
        return f"{self._title(event.label)} for {captured_at - event.start:.0f} s"

    def _title(self, label: str) -> str:
        return self._titles.get(label, label)
