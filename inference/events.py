"""From window scores to events: smoothing, two thresholds, least duration, cooldown.

Two thresholds with one memory, as edges are found in pictures (Canny 1986, section VII): a score
above ``exit`` may be an action, one that reaches ``enter`` is. So an action can be told of late,
when it is sure, and yet be dated back to when its score rose.

Pure: time comes in with the scores, as the moment they speak of (``ModelInput.moment_of``).
Exponential smoothing delays by its time constant, so an action starts that much before its smoothed
score last rose above ``exit``, and ends that much before it fell below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from contracts.messages import EventRule
from contracts.settings import EventSettings
from contracts.types import Segment

DEFAULT_RULE = "*"
_GAP_S = 2.0


@dataclass(frozen=True, slots=True)
class EventChange:
    """Something that happened to an event.

    Attributes:
        id: The same for every change of one event.
        type: ``new``, ``update`` or ``end``.
        label: The action.
        start: When it began, in the time the tracker is fed with.
        end: When it ended; ``None`` while it goes on.
        score: Smoothed score now; at the end, the mean over the action.
        peak: Highest smoothed score so far.
    """

    id: str
    type: Literal["new", "update", "end"]
    label: str
    start: float
    end: float | None
    score: float
    peak: float


@dataclass(frozen=True, slots=True)
class EventOptions:
    """How scores become events.

    Attributes:
        smoothing_s: Time constant of the exponential smoothing; ``0`` leaves the scores as they
            are.
        update_s: Time between two updates of one event.
        gap_s: Without scores for so long, every event ends.
        rules: Rule by label; ``*`` holds for every other label.
    """

    smoothing_s: float
    update_s: float
    gap_s: float
    rules: Mapping[str, EventRule]

    @classmethod
    def from_settings(
        cls, settings: EventSettings, rules: Mapping[str, EventRule] | None = None
    ) -> EventOptions:
        """Take the settings, with the rules in force now if they were changed since."""
        return cls(
            smoothing_s=settings.smoothing_s,
            update_s=settings.update_s,
            gap_s=_GAP_S,
            rules=dict(rules or rules_of(settings)),
        )

    def rule(self, label: str) -> EventRule:
        """Rule in force for a label."""
        return self.rules.get(label) or self.rules[DEFAULT_RULE]


def rules_of(settings: EventSettings) -> dict[str, EventRule]:
    """Rules by label as the settings name them, ``*`` for every other label."""
    return {DEFAULT_RULE: settings.rule, **settings.labels}


@dataclass(slots=True)
class _Candidate:
    """A label whose score is up; an event once it was high enough for long enough."""

    id: str
    start: float
    peak: float
    total: float = 0.0
    count: int = 0
    announced_at: float | None = None
    fell_at: float | None = None

    def add(self, score: float) -> None:
        """Take a score that counts towards the action."""
        self.peak = max(self.peak, score)
        self.total += score
        self.count += 1

    def change(
        self, kind: Literal["new", "update", "end"], label: str, score: float
    ) -> EventChange:
        """Describe the present state as a change of a kind."""
        end = self.fell_at if kind == "end" else None
        return EventChange(self.id, kind, label, self.start, end, score, self.peak)


class EventTracker:
    """Follows the actions of one stream. Not thread-safe."""

    def __init__(
        self,
        labels: Sequence[str],
        background: Iterable[str],
        options: EventOptions,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        """Start with nothing going on.

        Args:
            labels: The model's labels, in the order of its scores.
            background: Labels that never make events.
            options: Thresholds and times; may be replaced while running by :meth:`configure`.
            new_id: Makes the events' ids.
        """
        self._labels = tuple(labels)
        self._watched = [i for i, label in enumerate(labels) if label not in set(background)]
        self._options = options
        self._new_id = new_id
        self._smooth: NDArray[np.float64] | None = None
        self._at = self._began = -math.inf
        self._open: dict[int, _Candidate] = {}

    def configure(self, options: EventOptions) -> None:
        """Put other rules in force from the next scores on."""
        self._options = options

    def update(self, at: float, scores: NDArray[np.float32]) -> list[EventChange]:
        """Take the scores of the next window.

        Args:
            at: The moment that the scores speak of, in seconds of any clock that only goes forward.
            scores: ``(C,)`` class probabilities.

        Returns:
            What changed, ends before beginnings.
        """
        changes: list[EventChange] = []
        if self._smooth is None or not 0 <= at - self._at <= self._options.gap_s:
            changes += self.flush()
            smooth, self._began = scores.astype(np.float64), at
        else:
            smooth = self._smooth + self._weight(at - self._at) * (scores - self._smooth)
        self._smooth, self._at = smooth, at
        now = max(at - self._options.smoothing_s, self._began)
        for index in self._watched:
            changes += self._follow(index, now, float(smooth[index]))
        return sorted(changes, key=lambda change: change.type != "end")

    def flush(self) -> list[EventChange]:
        """End whatever goes on, at the time of the last scores.

        Returns:
            The ends.
        """
        changes = []
        for index, candidate in self._open.items():
            if candidate.announced_at is not None:
                if candidate.fell_at is None:
                    candidate.fell_at = self._at
                changes.append(self._end(index, candidate))
        self._open.clear()
        self._smooth = None
        return changes

    def _weight(self, elapsed: float) -> float:
        tau = self._options.smoothing_s
        return 1.0 if tau <= 0 else 1.0 - math.exp(-elapsed / tau)

    def _follow(self, index: int, at: float, score: float) -> list[EventChange]:
        rule = self._options.rule(self._labels[index])
        candidate = self._open.get(index)
        if score < min(rule.exit, rule.enter):
            return [] if candidate is None else self._fall(index, candidate, at, rule)
        if candidate is None:
            candidate = self._open[index] = _Candidate(self._new_id(), at, score)
        candidate.fell_at = None
        candidate.add(score)
        return self._announce(index, candidate, at, score)

    def _fall(
        self, index: int, candidate: _Candidate, at: float, rule: EventRule
    ) -> list[EventChange]:
        """The score is down: the end, unless it comes back within the cooldown."""
        if candidate.fell_at is None:
            candidate.fell_at = at
        if candidate.announced_at is not None and at - candidate.fell_at < rule.cooldown_s:
            return []
        del self._open[index]
        return [] if candidate.announced_at is None else [self._end(index, candidate)]

    def _announce(
        self, index: int, candidate: _Candidate, at: float, score: float
    ) -> list[EventChange]:
        label = self._labels[index]
        if candidate.announced_at is None:
            rule = self._options.rule(label)
            if candidate.peak < rule.enter or at - candidate.start < rule.min_duration_s:
                return []
            candidate.announced_at = at
            return [candidate.change("new", label, score)]
        if at - candidate.announced_at < self._options.update_s:
            return []
        candidate.announced_at = at
        return [candidate.change("update", label, score)]

    def _end(self, index: int, candidate: _Candidate) -> EventChange:
        mean = candidate.total / max(1, candidate.count)
        return candidate.change("end", self._labels[index], mean)


def find_segments(
    tracker: EventTracker, scored: Iterable[tuple[float, NDArray[np.float32]]]
) -> list[Segment]:
    """Find the actions of a whole video by the rules that hold live.

    Args:
        tracker: A fresh tracker.
        scored: Of each window in order, the moment of media time that it speaks of and its
            ``(C,)`` scores.

    Returns:
        The actions, by start.
    """
    changes = [change for moment, scores in scored for change in tracker.update(moment, scores)]
    segments = [
        Segment(change.label, change.start, change.end, round(change.score, 4))
        for change in [*changes, *tracker.flush()]
        if change.type == "end" and change.end is not None
    ]
    return sorted(segments, key=lambda segment: segment.start_s)
