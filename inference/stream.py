"""One analysed stream: frames in, messages out.

The source's thread hands frames and states in, the engine's thread hands scored windows in; a lock
keeps the stream's counters and its event tracker whole between them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from contracts.messages import (
    Command,
    ControlState,
    Event,
    EventRule,
    FrameCount,
    Labels,
    Scores,
    StreamStatus,
    TopScore,
    score_table,
)
from contracts.settings import EventSettings, StreamSettings
from contracts.types import (
    Picture,
    SampledFrame,
    Sampling,
    SourceStatus,
    StreamName,
    StreamState,
    TimeSpan,
    WindowScores,
)
from inference.bundle import Bundle
from inference.engine import Engine
from inference.events import DEFAULT_RULE, EventChange, EventOptions, EventTracker, rules_of
from inference.recent import PICTURE_WIDTH, RecentPast, evenly_spread

_LOG = logging.getLogger(__name__)
_EVENT_PICTURES = 8
_EVENT_MARGIN_S = 0.25
"""Half the time between two pictures: so the shortest event has one."""


class Preview(Protocol):
    """The newest picture of a source."""

    def jpeg(self, width: int) -> bytes | None:
        """Encode it at a width in pixels; ``None`` before the first picture."""

    def picture(self, width: int, after: float | None = None) -> Picture | None:
        """Encode it with its time; ``None`` if there is none but that of ``after`` (UTC s)."""


class Source(Protocol):
    """What a stream needs of its video, whatever brings it."""

    def start(self) -> None:
        """Begin to read, in a thread of its own."""

    def stop(self) -> None:
        """End the thread within a second."""

    def wake(self) -> None:
        """Try again at once: somebody knows that the video is there."""

    @property
    def status(self) -> SourceStatus:
        """How the source fares now."""

    @property
    def preview(self) -> Preview:
        """Its newest picture."""


OnFrame = Callable[[SampledFrame], None]
OnStatus = Callable[[SourceStatus], None]
OpenSource = Callable[[StreamSettings, Sampling, OnFrame, OnStatus], Source]
KeepPictures = Callable[[Event, Sequence[Picture]], None]


class Publisher(Protocol):
    """Where results go; every method may be called from any thread and never blocks."""

    def status(self, message: StreamStatus) -> None:
        """Publish a stream's state."""

    def labels(self, stream: str, message: Labels) -> None:
        """Publish the labels of a stream's model."""

    def scores(self, message: Scores) -> bool:
        """Publish the scores of a window; false if they are lost."""

    def event(self, message: Event) -> bool:
        """Publish a change of an event; false if an older one is lost for it."""

    def state(self, message: ControlState) -> None:
        """Publish what is in force for a stream."""

    def forget(self, stream: str) -> None:
        """Take back everything retained of a stream."""


@dataclass(frozen=True, slots=True)
class StreamParts:
    """What all streams of a worker share that look through the same model.

    Attributes:
        bundle: Of the model.
        engine: Runs the model.
        publisher: Where results go.
        open_source: Opens a stream's video.
        events: How scores become events, where a stream has no rules of its own.
        recent_s: How long features and small pictures are at hand.
        keep_pictures: Is handed the pictures of an event that ended; must not block.
    """

    bundle: Bundle
    engine: Engine
    publisher: Publisher
    open_source: OpenSource
    events: EventSettings
    recent_s: float = 0.0
    keep_pictures: KeepPictures | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """What people changed of a stream while it ran.

    Attributes:
        paused: Whether the analysis rests.
        rules: Event rules by label, where they are not those of the settings.
    """

    paused: bool = False
    rules: Mapping[str, EventRule] = field(default_factory=dict)


class AnalysedStream:
    """One stream from its source to its messages. Thread-safe."""

    def __init__(self, settings: StreamSettings, parts: StreamParts) -> None:
        """Prepare; nothing runs before :meth:`start`.

        Args:
            settings: Name and URL.
            parts: What it shares with the other streams.
        """
        self.settings = settings
        self.name = StreamName(settings.name)
        self.recent = RecentPast(parts.recent_s, 1 / parts.bundle.input.fps)
        self._parts = parts
        self._lock = threading.RLock()
        self._seq = 0
        self._paused = False
        self._rules = rules_of(parts.events)
        self._labels: list[str] = []
        self._tracker = self._new_tracker()
        self._source: Source | None = None
        self._seen = SourceStatus(settings.name, StreamState.CONNECTING, time.time())

    @property
    def bundle(self) -> Bundle:
        """Bundle of the model that looks at it."""
        return self._parts.bundle

    @property
    def engine(self) -> Engine:
        """Engine that scores it."""
        return self._parts.engine

    def start(self) -> None:
        """Publish the labels and begin to read."""
        bundle = self._parts.bundle
        recent = self.recent if self._parts.recent_s else None
        self._parts.engine.add(self.name, recent.features.add if recent else None)
        self._parts.publisher.labels(
            self.name,
            Labels(
                model=bundle.model_id,
                labels=self._labels,
                titles=[label.title for label in bundle.labels],
                background=list(bundle.background_names),
                reference=bundle.input.reference,
            ),
        )
        self._publish_control()
        self._open()

    def change(self, settings: StreamSettings, parts: StreamParts) -> None:
        """Go on with another video or model; numbering goes on too.

        Rules for labels that the new model lacks are dropped.

        Args:
            settings: Of the same name.
            parts: Of the model to look through from now on.
        """
        self.close_source()
        with self._lock:
            self.settings = settings
            self._end_events()
            self._parts.engine.remove(self.name)
            if parts.bundle is not self._parts.bundle:
                self.recent.forget_features(1 / parts.bundle.input.fps)
            self._parts = parts
            self._tracker = self._new_tracker()
        self._seen = SourceStatus(self.name, StreamState.CONNECTING, time.time())
        self.start()

    def stop(self) -> None:
        """End the source and every event that goes on."""
        self.close_source()
        if self._seen.state is not StreamState.OFFLINE:
            self._seen = replace(self._seen, state=StreamState.OFFLINE, since=time.time())
            self._publish(self._seen)
        self._parts.engine.remove(self.name)
        self._end_events()

    def reopen(self) -> None:
        """Connect at once, for a path that came back; numbering goes on."""
        source = self._source
        if source is None:
            self._open()
        else:
            source.wake()

    def close_source(self) -> None:
        """Stop trying to read; :meth:`reopen` takes it up again."""
        source, self._source = self._source, None
        if source is not None:
            source.stop()

    def source_status(self) -> SourceStatus:
        """How the source is doing now."""
        source = self._source
        if source is not None:
            self._seen = source.status
        return self._seen

    def status(self) -> StreamStatus:
        """State and counters of the stream now."""
        return self._status_message(self.source_status())

    def publish_status(self) -> None:
        """Publish the present state, for the measured rate and the counters in it."""
        self._publish(self.source_status())

    def preview(self, width: int) -> Picture | None:
        """Newest picture, a width in pixels."""
        source = self._source
        return source.preview.picture(width) if source else None

    def take_picture(self) -> None:
        """Keep a small picture, if the source has a new one and nobody paused the stream."""
        source = self._source
        if source is not None and not self._paused:
            pictures = self.recent.pictures
            taken = source.preview.picture(PICTURE_WIDTH, after=pictures.newest_at())
            if taken is not None:
                pictures.add(taken)

    @property
    def control(self) -> Control:
        """What people changed of it."""
        defaults = rules_of(self._parts.events)
        with self._lock:
            rules = {name: rule for name, rule in self._rules.items() if rule != defaults.get(name)}
            return Control(self._paused, rules)

    def restore(self, control: Control) -> None:
        """Put back what people changed before the process ended; before :meth:`start`."""
        with self._lock:
            self._paused = control.paused
            self._rules |= control.rules
            self._tracker = self._new_tracker()

    def command(self, command: Command, error: str | None = None) -> None:
        """Put a command in force and answer it.

        Args:
            command: What to change.
            error: Why the command cannot be followed, if it cannot.
        """
        unknown = set(command.rules or {}) - set(self._labels) - {DEFAULT_RULE}
        if unknown:
            error = f"no such label: {', '.join(sorted(unknown))}"
        if error is None:
            with self._lock:
                if command.paused is not None:
                    self._paused = command.paused
                self._change_rules(command.rules or {})
                self._tracker.configure(self._event_options())
            if command.paused:
                self._end_events()
        self._publish_control(error)

    def on_window(self, window: WindowScores, bundle: Bundle | None = None) -> None:
        """Publish a scored window and what it means for the events; called by the engine.

        Args:
            window: What the model said.
            bundle: Of the model that said it; what one says that was exchanged is not heard.
        """
        with self._lock:
            if bundle is not None and bundle is not self._parts.bundle:
                return
            message = self._scores_message(window)
            self._seq += 1
            self._parts.publisher.scores(message)
            moment = self._parts.bundle.input.moment_of(window.window)
            for change in self._tracker.update(moment, window.scores):
                self._publish_event(change)

    def _open(self) -> None:
        self._source = self._parts.open_source(
            self.settings, self._parts.bundle.input.sampling, self._on_frame, self._on_status
        )
        self._source.start()

    def _on_frame(self, frame: SampledFrame) -> None:
        if not self._paused:
            self._parts.engine.submit(self.name, frame)

    def _on_status(self, status: SourceStatus) -> None:
        before, self._seen = self._seen, status
        if (before.state, before.error) != (status.state, status.error):
            level = logging.WARNING if status.error else logging.INFO
            _LOG.log(level, "%s: %s%s", self.name, status.state, _because(status.error))
        if status.state in (StreamState.STALLED, StreamState.OFFLINE):
            self._end_events()
        self._publish(status)

    def _publish(self, status: SourceStatus) -> None:
        self._parts.publisher.status(self._status_message(status))

    def _status_message(self, status: SourceStatus) -> StreamStatus:
        counters = self._parts.engine.stats(self.name)
        return StreamStatus(
            stream=self.name,
            state=status.state,
            since=status.since,
            resolution=status.info.resolution if status.info else None,
            fps=None if status.fps is None else round(status.fps, 2),
            codec=status.info.codec if status.info else None,
            model=self._parts.bundle.model_id,
            error=status.error,
            windows=self._seq,
            dropped=counters.dropped_windows,
            annotate=self.settings.annotate,
        )

    def _scores_message(self, window: WindowScores) -> Scores:
        scores = [float(score) for score in window.scores]
        best = max(range(len(scores)), key=scores.__getitem__)
        return Scores(
            stream=self.name,
            seq=self._seq,
            window=_rounded(window.window),
            media=_rounded(window.media),
            top=TopScore(self._labels[best], round(scores[best], 4)),
            scores=score_table(self._labels, scores),
            model=self._parts.bundle.model_id,
            clock=window.clock,
            frames=FrameCount(window.frames_used, window.frames_missing),
            latency_ms=window.latency,
            quality=window.quality,
            published_at=time.time(),
        )

    def _publish_event(self, change: EventChange) -> None:
        event = Event(
            stream=self.name,
            id=change.id,
            type=change.type,
            label=change.label,
            start=change.start,
            end=change.end,
            score=round(change.score, 4),
            peak=round(change.peak, 4),
            model=self._parts.bundle.model_id,
        )
        self._parts.publisher.event(event)
        if event.end is not None and self._parts.keep_pictures is not None:
            around = TimeSpan(event.start - _EVENT_MARGIN_S, event.end + _EVENT_MARGIN_S)
            pictures = evenly_spread(self.recent.pictures.between(around), _EVENT_PICTURES)
            if pictures:
                self._parts.keep_pictures(event, pictures)

    def _end_events(self) -> None:
        with self._lock:
            for change in self._tracker.flush():
                self._publish_event(change)

    def _change_rules(self, rules: Mapping[str, EventRule | None]) -> None:
        """Put rules in force; ``None`` goes back to what the settings say of a label."""
        defaults = rules_of(self._parts.events)
        for label, given in rules.items():
            rule = given or defaults.get(label)
            if rule is None:
                self._rules.pop(label, None)
            else:
                self._rules[label] = rule

    def _publish_control(self, error: str | None = None) -> None:
        self._parts.publisher.state(
            ControlState(
                stream=self.name,
                paused=self._paused,
                rules=dict(self._rules),
                error=error,
                defaults=rules_of(self._parts.events),
                smoothing_s=self._parts.events.smoothing_s,
            )
        )

    def _new_tracker(self) -> EventTracker:
        """Follow actions by the present model, under the rules for labels that it knows."""
        bundle = self._parts.bundle
        self._labels = list(bundle.label_names)
        known = {DEFAULT_RULE, *self._labels, *self._parts.events.labels}
        self._rules = {label: rule for label, rule in self._rules.items() if label in known}
        return EventTracker(self._labels, bundle.background_names, self._event_options())

    def _event_options(self) -> EventOptions:
        return EventOptions.from_settings(self._parts.events, self._rules)


def _rounded(span: TimeSpan) -> TimeSpan:
    """To a tenth of a millisecond: more digits are noise that every reader would have to read."""
    return TimeSpan(round(span.start, 4), round(span.end, 4))


def _because(error: str | None) -> str:
    return f" ({error})" if error else ""
