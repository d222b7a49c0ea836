"""How well and how soon live events tell what happens in streams.

An event and a truth belong together when they have the same label and overlap at all. Events choose
in the order in which they were announced: each takes the truth it overlaps most that is still free.
What is left over is *repeated* (it overlaps a truth of its label, but another event told of it
before), or *false* (it overlaps none). How tightly events fit is left to mean average precision
over temporal overlap, on the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.types import Annotation
from training.metrics.detection import DetectionResult, evaluate_detections
from training.metrics.matching import NOTHING, Indices, codes, match_detections, pair_spans
from training.metrics.spans import Floats, Spans

LIVE_TIOUS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Thresholds at which events are judged as detections."""

_ANY_OVERLAP = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event as it was told while the stream ran, all times in seconds of the stream.

    Attributes:
        label: The action.
        start_s: When it is said to have begun.
        end_s: When it is said to have ended; the end of the stream if it had not.
        score: How sure the event is (the highest smoothed score, ``peak``).
        announced_at_s: When it was first told.
    """

    label: str
    start_s: float
    end_s: float
    score: float
    announced_at_s: float


@dataclass(frozen=True, slots=True)
class LiveStream:
    """What happened in a stream and what was told of it.

    Attributes:
        name: Unique among the streams.
        duration_s: How long it was watched.
        truth: What happened.
        events: What was told, in any order.
    """

    name: str
    duration_s: float
    truth: tuple[Annotation, ...]
    events: tuple[LiveEvent, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LiveResult:
    """Figures of live events.

    Attributes:
        hours: How long was watched.
        truths: Number of truths.
        events: Number of events.
        latencies_s: (M,) float64: from the start of a truth to the announcement of its event, for
            every truth that was told of, rising. Below 0 where a false start ran into the truth.
        repeated: Events whose truth had been told of before.
        false: Events at which nothing of their label happened.
        false_labels: How often each label was told falsely.
        detection: The events as detections; None where nothing happened in any stream.
    """

    hours: float
    truths: int
    events: int
    latencies_s: Floats
    repeated: int
    false: int
    false_labels: dict[str, int]
    detection: DetectionResult | None

    @property
    def missed(self) -> int:
        """Truths that no event told of."""
        return self.truths - self.latencies_s.size

    @property
    def false_per_hour(self) -> float:
        """False events per hour watched."""
        return self.false / self.hours

    def latency_s(self, percentile: float) -> float | None:
        """Return a percentile of the latencies, 50 for the median; None where there is none."""
        if not self.latencies_s.size:
            return None
        return float(np.percentile(self.latencies_s, percentile))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, rounded to four digits."""
        latency = {name: self.latency_s(p) for name, p in (("median", 50), ("p95", 95))}
        return {
            "hours": round(self.hours, 4),
            "truths": self.truths,
            "events": self.events,
            "missed": self.missed,
            "repeated": self.repeated,
            "false": self.false,
            "false_per_hour": round(self.false_per_hour, 4),
            "false_labels": self.false_labels,
            "start_latency_s": {n: v if v is None else round(v, 4) for n, v in latency.items()},
            "detection": None if self.detection is None else self.detection.to_dict(),
        }


def evaluate_live(streams: Sequence[LiveStream], tious: Sequence[float] = LIVE_TIOUS) -> LiveResult:
    """Judge the events of streams.

    Args:
        streams: What happened and what was told.
        tious: Thresholds at which the events are judged as detections.

    Returns:
        The figures.

    Raises:
        ValueError: Nothing was watched.
    """
    hours = sum(stream.duration_s for stream in streams) / 3600.0
    if hours <= 0:
        raise ValueError("no stream was watched for any time")
    truth = Spans.from_annotations((stream.name, stream.truth) for stream in streams)
    told = [(stream.name, event) for stream in streams for event in stream.events]
    events = Spans.from_rows((n, e.label, e.start_s, e.end_s, e.score) for n, e in told)
    announced = np.array([event.announced_at_s for _, event in told], np.float64)
    found = _assign(truth, events, announced)
    _, of_truth, of_event = codes(truth.labels, events.labels)
    false = np.ones(len(events), np.bool_)
    false[pair_spans(events, truth, (of_event, of_truth), 0.0).rows] = False
    names, counts = np.unique(events.labels[false], return_counts=True)
    hit = found != NOTHING
    return LiveResult(
        hours=hours,
        truths=len(truth),
        events=len(events),
        latencies_s=np.sort(announced[hit] - truth.start_s[found[hit]]),
        repeated=int(np.count_nonzero(~hit & ~false)),
        false=int(np.count_nonzero(false)),
        false_labels=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        detection=evaluate_detections(truth, events, tious) if len(truth) else None,
    )


def _assign(truth: Spans, events: Spans, announced: Floats) -> Indices:
    """Row of the truth that each event tells of, or `NOTHING`; whoever was told first chooses."""
    found = np.full(len(events), NOTHING, np.intp)
    if len(truth):
        by_time = Spans(events.videos, events.labels, events.start_s, events.end_s, -announced)
        matches = match_detections(truth, by_time, (_ANY_OVERLAP,))
        found[matches.order] = matches.taken[0]
    return found
