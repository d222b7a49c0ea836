"""What the dashboard knows: everything that MQTT said lately, within bounds.

One writer (the subscriber's thread) and many readers (the event loop) share it under one lock.
Every message raises the revision, so that a reader can ask for what changed since its last look.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.errors import redact
from contracts.messages import (
    BadMessageError,
    ControlState,
    Event,
    FrameCount,
    Labels,
    Scores,
    StreamStatus,
    TruthMessage,
)
from contracts.topics import OFFLINE, ONLINE, Kind, Topics
from contracts.types import StreamState
from dashboard.ring import MAX_COLUMNS, ScoreRing

MAX_STREAMS = 256
MAX_EVENTS = 200
MAX_TRUTHS = 32
MAX_NAME = 128
"""Characters of a stream's name; the settings allow no more."""
MAX_TITLE = 60
PUBLISH_WINDOWS = 32
"""Windows of which the time from publishing to arrival is remembered."""

# Windows per second that the ring has room for; a faster stream keeps less than the whole window.
_FASTEST_WINDOWS = 25


@dataclass(slots=True)
class Stream:
    """What is known of one stream.

    Attributes:
        name: Its name.
        ring: Its newest windows.
        status: Its last status message.
        titles: Labels as people read them.
        background: Labels that mean that nothing of interest happens.
        events: Its newest events by id, oldest first.
        control: Rules in force and whether the analysis rests, once said.
        truths: Announcements of what its video shows, oldest first.
        last_top: Strongest class of the newest window and its score.
        last_end: UTC seconds at which the newest window ended.
        media_zero: UTC seconds at which media time 0 was, by the newest window.
        heard_at: UTC seconds at which anything was last heard of it.
        offset_s: How far the clock of its windows is behind ours; 0 while they agree.
        revision: Revision of the newest message of each kind.
        frames: How many places of all its windows were filled by frames, and how many were not.
        publish_s: Seconds from publishing to the arrival here, of the newest windows.
    """

    name: str
    ring: ScoreRing
    status: StreamStatus | None = None
    titles: dict[str, str] = field(default_factory=dict)
    background: frozenset[str] = frozenset()
    events: OrderedDict[str, Event] = field(default_factory=OrderedDict)
    control: ControlState | None = None
    truths: deque[TruthMessage] = field(default_factory=lambda: deque(maxlen=MAX_TRUTHS))
    last_top: tuple[str, float] | None = None
    last_end: float | None = None
    media_zero: float | None = None
    heard_at: float = 0.0
    offset_s: float = 0.0
    revision: dict[Kind, int] = field(default_factory=dict)
    frames: FrameCount = field(default_factory=lambda: FrameCount(0, 0))
    publish_s: deque[float] = field(default_factory=lambda: deque(maxlen=PUBLISH_WINDOWS))

    @property
    def state(self) -> StreamState:
        """Where the stream is in its life, as far as was said."""
        return self.status.state if self.status else StreamState.CONNECTING

    def title(self, label: str) -> str:
        """The label as people read it."""
        return self.titles.get(label) or label.replace("_", " ").capitalize()[:MAX_TITLE]

    def changed_since(self, kind: Kind, revision: int) -> bool:
        """Whether a message of this kind came after a revision."""
        return self.revision.get(kind, 0) > revision


class Store:
    """Everything known, behind one lock.

    Attributes:
        lock: Held by whoever reads or writes; held briefly.
        streams: By name.
        revision: Grows with every change.
        broker_connected: Whether the subscriber is connected.
        broker_error: Why the broker refuses us, in words, if it does.
        worker_online: What the service said of itself; ``None`` while it said nothing.
        bad_messages: Messages that did not follow their schema.
        refused_streams: Messages of streams beyond ``MAX_STREAMS`` or with too long a name.
    """

    def __init__(self, topics: Topics, window_s: float) -> None:
        """Start empty.

        Args:
            topics: The topics to understand.
            window_s: Seconds of windows to keep per stream.
        """
        self.lock = threading.Lock()
        self.streams: dict[str, Stream] = {}
        self.revision = 0
        self.broker_connected = False
        self.broker_error = ""
        self.worker_online: bool | None = None
        self.bad_messages = 0
        self.refused_streams = 0
        self.topics = topics
        self.window_s = window_s
        self._capacity = int(window_s * _FASTEST_WINDOWS) + _FASTEST_WINDOWS

    def set_connected(self, connected: bool, error: str = "") -> None:
        """Note that the broker was found or lost."""
        with self.lock:
            self.revision += 1
            self.broker_connected = connected
            self.broker_error = redact(error)

    def feed(self, topic: str, payload: bytes, now_s: float) -> None:
        """Take in one message; whatever does not belong here or is malformed is only counted.

        Args:
            topic: As received.
            payload: As received; empty removes a retained stream.
            now_s: UTC seconds of the arrival.
        """
        with self.lock:
            if topic == self.topics.status:
                self._service(payload)
                return
            parsed = self.topics.parse(topic)
            if parsed is None:
                return
            name, kind = parsed
            try:
                self._take(name, kind, payload, now_s)
            except BadMessageError:
                self.bad_messages += 1

    def _service(self, payload: bytes) -> None:
        word = payload.decode("utf-8", errors="replace")
        self.revision += 1
        self.worker_online = {ONLINE: True, OFFLINE: False}.get(word)

    def _take(self, name: str, kind: Kind, payload: bytes, now_s: float) -> None:
        """Route one message of a stream to the method of its kind."""
        if kind is Kind.SET:
            return
        if not payload:
            self._cleared(name, kind)
            return
        message = _PARSERS[kind].from_json(payload)
        if kind in _PASSING and name not in self.streams:
            # The last window of a stream that was just removed must not bring it back.
            return
        stream = self._stream(name, now_s)
        if stream is None:
            self.refused_streams += 1
            return
        self.revision += 1
        stream.heard_at = now_s
        stream.revision[kind] = self.revision
        if isinstance(message, Scores):
            self._scores(stream, message, now_s)
        elif isinstance(message, StreamStatus):
            stream.status = message
        elif isinstance(message, Labels):
            _labels(stream, message)
        elif isinstance(message, Event):
            _event(stream, message)
        elif isinstance(message, TruthMessage):
            _truth(stream, message)
        elif isinstance(message, ControlState):
            stream.control = message

    def _cleared(self, name: str, kind: Kind) -> None:
        """An empty retained message takes back what was said."""
        stream = self.streams.get(name)
        if stream is None:
            return
        self.revision += 1
        if kind is Kind.STATUS:
            del self.streams[name]
        elif kind is Kind.TRUTH:
            stream.truths.clear()
            stream.revision[kind] = self.revision
        elif kind is Kind.STATE:
            stream.control = None
            stream.revision[kind] = self.revision

    def _stream(self, name: str, now_s: float) -> Stream | None:
        """Find or make a stream; at the limit the longest silent dead one makes room."""
        stream = self.streams.get(name)
        if stream is not None:
            return stream
        if len(name) > MAX_NAME:
            return None
        if len(self.streams) >= MAX_STREAMS:
            dead = [one for one in self.streams.values() if one.state is StreamState.OFFLINE]
            if not dead:
                return None
            del self.streams[min(dead, key=lambda one: one.heard_at).name]
        stream = Stream(name, ScoreRing(self._capacity), heard_at=now_s)
        self.streams[name] = stream
        return stream

    def _scores(self, stream: Stream, message: Scores, now_s: float) -> None:
        before = stream.ring.labels
        stream.ring.append(message, self.revision)
        if stream.ring.labels != before:
            stream.revision[Kind.LABELS] = self.revision
        stream.last_top = (message.top.label, message.top.score)
        stream.last_end = message.window.end
        stream.frames = FrameCount(
            stream.frames.used + message.frames.used,
            stream.frames.missing + message.frames.missing,
        )
        stream.publish_s.append(now_s - message.published_at)
        stream.media_zero = message.window.end - message.media.end
        stream.offset_s = _offset(stream.offset_s, now_s - message.window.end)


# A healthy stream is behind the clock by less than this; beyond it the clocks disagree.
_PLAUSIBLE_DELAY_S = (-0.25, 5.0)
# Where a disagreeing clock is put: as far behind ours as a healthy stream usually is.
_USUAL_DELAY_S = 0.5


def _offset(before_s: float, delay_s: float) -> float:
    """Follow how far a stream's clock is behind ours, without shaking while they agree.

    A camera with a wrong clock, or a worker on a machine with one, must not push its lines out of
    the graph: its time is shifted, by a constant for as long as that constant fits.
    """
    low, high = _PLAUSIBLE_DELAY_S
    if low <= delay_s <= high:
        return 0.0
    if low <= delay_s - before_s <= high:
        return before_s
    return delay_s - _USUAL_DELAY_S


def _labels(stream: Stream, message: Labels) -> None:
    stream.ring.relabel(message.labels)
    pairs = zip(message.labels, message.titles, strict=False)
    stream.titles = {label: title[:MAX_TITLE] for label, title in list(pairs)[:MAX_COLUMNS]}
    stream.background = frozenset(message.background[:MAX_COLUMNS])
    stream.ring.reference = message.reference


def _event(stream: Stream, message: Event) -> None:
    stream.events[message.id] = message
    while len(stream.events) > MAX_EVENTS:
        stream.events.popitem(last=False)


def _truth(stream: Stream, message: TruthMessage) -> None:
    if stream.truths and message.started_at <= stream.truths[-1].started_at:
        # Sent again (retained, after a reconnect), or the publisher's clock went back.
        if message == stream.truths[-1]:
            return
        stream.truths.clear()
    stream.truths.append(message)


_PASSING = (Kind.SCORES, Kind.EVENTS)
_PARSERS: dict[Kind, type[Scores | StreamStatus | Labels | Event | TruthMessage | ControlState]] = {
    Kind.SCORES: Scores,
    Kind.STATUS: StreamStatus,
    Kind.LABELS: Labels,
    Kind.EVENTS: Event,
    Kind.TRUTH: TruthMessage,
    Kind.STATE: ControlState,
}


def describe_state(stream: Stream, now_s: float) -> str:
    """Say in words how a stream fares.

    Args:
        stream: The stream.
        now_s: UTC seconds now.

    Returns:
        One short sentence without a password in it; nothing while all is well.
    """
    error = redact(stream.status.error)[:300] if stream.status and stream.status.error else ""
    silent_s = max(0.0, now_s - stream.status.since) if stream.status else 0.0
    words = {
        StreamState.CONNECTING: "Connecting to the video …",
        StreamState.LIVE: "",
        StreamState.STALLED: f"No picture for {_span(silent_s)}; waiting for it to go on.",
        StreamState.OFFLINE: f"Nobody has sent this video for {_span(silent_s)}.",
    }
    return f"{error} {words[stream.state]}".strip()


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


def shown_columns(scores: NDArray[np.float32], most: int) -> list[int]:
    """Choose the columns worth a line of their own.

    Args:
        scores: ``(N, C)`` float32, NaN where nothing is known.
        most: Lines that can be told apart.

    Returns:
        All columns if there are few enough, else those with the highest peaks, in column order.
    """
    columns = scores.shape[1]
    if columns <= most:
        return list(range(columns))
    peaks = np.nan_to_num(scores, nan=-1.0).max(axis=0, initial=-1.0)
    strongest = np.argsort(-peaks, kind="stable")[:most]
    return sorted(int(column) for column in strongest)
