"""What `actionstream watch` knows: the newest of every stream, kept from messages alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from contracts.messages import BadMessageError, Event, Scores, StreamStatus
from contracts.mqtt import Received
from contracts.topics import Kind, Topics

MAX_STREAMS = 1_000
MAX_EVENTS = 200
RECENT = 50
SILENT_S = 3.0
"""A stream without a message for so long does not show its last score as if it were new."""


@dataclass(slots=True)
class StreamView:
    """The newest of one stream.

    Attributes:
        name: Name of the stream.
        status: Its last status message.
        scores: Its last scores.
        lost: Holes in ``seq``: messages that did not reach us.
        windows: Scores received since we watch.
        latencies_ms: From capture to publishing, of the last windows.
        arrivals_s: Monotonic seconds at which the last windows arrived.
    """

    name: str
    status: StreamStatus | None = None
    scores: Scores | None = None
    lost: int = 0
    windows: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    arrivals_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add_scores(self, scores: Scores, now_s: float) -> None:
        """Take in the scores of a window."""
        if self.scores is not None and scores.seq > self.scores.seq:
            # A smaller number is a worker that was started anew, not a loss.
            self.lost += scores.seq - self.scores.seq - 1
        self.scores = scores
        self.windows += 1
        self.latencies_ms.append(scores.latency_ms.total)
        self.arrivals_s.append(now_s)

    @property
    def latency_ms(self) -> float | None:
        """Median latency of the last windows."""
        return median(self.latencies_ms) if self.latencies_ms else None

    @property
    def windows_per_s(self) -> float | None:
        """Rate at which the last windows arrived."""
        if len(self.arrivals_s) < 2 or self.arrivals_s[-1] <= self.arrivals_s[0]:
            return None
        return (len(self.arrivals_s) - 1) / (self.arrivals_s[-1] - self.arrivals_s[0])

    def is_silent(self, now_s: float) -> bool:
        """Whether no scores came lately."""
        return not self.arrivals_s or now_s - self.arrivals_s[-1] > SILENT_S

    @property
    def strongest(self) -> list[tuple[str, float]]:
        """The three strongest classes and their scores."""
        if self.scores is None:
            return []
        return sorted(self.scores.scores.items(), key=lambda pair: -pair[1])[:3]


@dataclass(frozen=True, slots=True)
class Change:
    """Something worth a line of log.

    Attributes:
        stream: Whom it concerns; empty for the service itself.
        text: What happened.
    """

    stream: str
    text: str


class Board:
    """Turns messages into the newest state; pure, belongs to one thread."""

    def __init__(self, topics: Topics) -> None:
        """Start without streams.

        Args:
            topics: How topics are built.
        """
        self.service = "unknown"
        self.streams: dict[str, StreamView] = {}
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.bad_messages = 0
        self._topics = topics

    def take(self, received: Received, now_s: float) -> Change | None:
        """Take in a message.

        Args:
            received: As it arrived.
            now_s: Monotonic seconds.

        Returns:
            What is worth telling, if anything: a new state, another top label, an event.
        """
        if received.topic == self._topics.status:
            return self._take_service(received.payload.decode("utf-8", "replace"))
        parsed = self._topics.parse(received.topic)
        if parsed is None:
            return None
        name, kind = parsed
        if not received.payload:
            if kind is Kind.STATUS and name in self.streams:
                del self.streams[name]
                return Change(name, "removed")
            return None
        try:
            return self._take_stream(name, kind, received.payload, now_s)
        except BadMessageError as exc:
            self.bad_messages += 1
            return Change(name, exc.message)

    def _take_service(self, status: str) -> Change | None:
        if status == self.service:
            return None
        self.service = status
        return Change("", f"service is {status}")

    def _take_stream(self, name: str, kind: Kind, payload: bytes, now_s: float) -> Change | None:
        if kind not in (Kind.STATUS, Kind.SCORES, Kind.EVENTS):
            return None
        if name not in self.streams and len(self.streams) >= MAX_STREAMS:
            return None
        view = self.streams.setdefault(name, StreamView(name))
        if kind is Kind.STATUS:
            return _take_status(view, StreamStatus.from_json(payload))
        if kind is Kind.SCORES:
            return _take_scores(view, Scores.from_json(payload), now_s)
        event = Event.from_json(payload)
        self._remember(event)
        if event.type == "update":
            return None
        return Change(name, describe_event(event))

    def _remember(self, event: Event) -> None:
        """Keep one entry per action, the newest message about it."""
        for index, known in enumerate(self.events):
            if (known.stream, known.id) == (event.stream, event.id):
                self.events[index] = event
                return
        self.events.appendleft(event)


def _take_status(view: StreamView, status: StreamStatus) -> Change | None:
    before, view.status = view.status, status
    if before is not None and (before.state, before.error) == (status.state, status.error):
        return None
    details = [status.resolution, status.codec, status.model, status.error]
    return Change(view.name, " ".join([status.state, *(part for part in details if part)]))


def _take_scores(view: StreamView, scores: Scores, now_s: float) -> Change | None:
    before, lost = view.scores, view.lost
    view.add_scores(scores, now_s)
    top = scores.top
    if view.lost > lost:
        return Change(view.name, f"{view.lost - lost} windows lost before seq {scores.seq}")
    if before is not None and before.top.label == top.label:
        return None
    return Change(
        view.name, f"{top.label} {top.score:.2f} (latency {scores.latency_ms.total:.0f} ms)"
    )


def describe_event(event: Event) -> str:
    """Say in a few words what an event message tells."""
    if event.type != "end" or event.end is None:
        return f"{event.type} {event.label} {event.score:.2f}"
    length_s = event.end - event.start
    return (
        f"end {event.label} after {length_s:.1f} s, mean {event.score:.2f}, peak {event.peak:.2f}"
    )
