"""What is said over MQTT: one type per topic, with its JSON in both directions.

Field names are the contract of the product. Receivers ignore fields they do not know, so that
fields may be added. Times are UTC epoch seconds unless a field says *media*.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from contracts.errors import ActionstreamError
from contracts.topics import Kind
from contracts.types import Clock, Latency, Quality, StreamState, TimeSpan

MAX_LABELS_IN_FULL = 32
TOP_LABELS = 20
MAX_PAYLOAD_BYTES = 1_000_000
SCHEMA_VERSION: Literal[1] = 1

_FROZEN = ConfigDict(allow_inf_nan=False, ser_json_inf_nan="null")
_STRICT = ConfigDict(allow_inf_nan=False, extra="forbid")


class BadMessageError(ActionstreamError):
    """A payload does not follow its schema."""

    code = "bad_message"


class Message:
    """Base of all payloads: JSON in, JSON out.

    Attributes:
        KIND: The topic the payload belongs to.
    """

    __slots__ = ()
    KIND: ClassVar[Kind]

    def to_json(self) -> bytes:
        """Serialise to UTF-8 JSON."""
        return _adapter(type(self)).dump_json(self)

    @classmethod
    def from_json(cls, payload: bytes | str) -> Self:
        """Parse and check a payload.

        Args:
            payload: UTF-8 JSON.

        Returns:
            The checked message.

        Raises:
            BadMessageError: The payload is no JSON, too large or does not fit; says which field.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise BadMessageError(
                f"A {cls.KIND} message has {len(payload)} bytes.", "The limit is 1 MB."
            )
        try:
            message: Self = _adapter(cls).validate_json(payload)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "payload"
            raise BadMessageError(
                f"A {cls.KIND} message is wrong at {where}: {first['msg']}."
            ) from exc

        return message

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema (2020-12) of the payload."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **_adapter(cls).json_schema(mode="serialization"),
        }


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Build each type's validator once: building costs a thousand times a validation."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class StreamStatus(Message):
    """State of one stream; retained, sent whenever it changes and every few seconds while live.

    Attributes:
        schema: Version of this payload.
        stream: Name of the stream.
        state: Where the stream is in its life.
        since: UTC seconds at which it entered the state.
        resolution: ``WIDTHxHEIGHT`` of the picture, once known.
        fps: Measured frames per second, once known.
        codec: Name of the video codec, once known.
        model: ``name@version`` of the model that looks at it.
        error: What is wrong, in words, or nothing.
        windows: Windows published since the worker started.
        dropped: Windows left out because the machine was too slow.
        annotate: Whether the video with the scores drawn in is wanted, as ``<stream>/annotated``.
    """

    KIND: ClassVar[Kind] = Kind.STATUS

    schema: Literal[1] = SCHEMA_VERSION
    stream: str
    state: StreamState
    since: float
    resolution: str | None = None
    fps: float | None = None
    codec: str | None = None
    model: str | None = None
    error: str | None = None
    windows: int = 0
    dropped: int = 0
    annotate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class Labels(Message):
    """The labels of a stream's model, in the model's order; retained.

    Attributes:
        schema: Version of this payload.
        model: ``name@version``.
        labels: Every label.
        titles: The labels as people read them, in the same order; empty if there are none.
        background: Labels that mean that nothing of interest happens; they never make events.
        reference: Which time in its window a score speaks of, from 0 (its start) to 1 (its end).
    """

    KIND: ClassVar[Kind] = Kind.LABELS

    schema: Literal[1] = SCHEMA_VERSION
    model: str
    labels: list[str]
    titles: list[str] = field(default_factory=list)
    background: list[str] = field(default_factory=list)
    reference: float = Field(default=0.5, ge=0, le=1)


@dataclass(frozen=True, slots=True, config=_FROZEN)
class TopScore:
    """The strongest class of a window."""

    label: str
    score: float = Field(ge=0, le=1)


@dataclass(frozen=True, slots=True, config=_FROZEN)
class FrameCount:
    """How many of a window's places the video filled."""

    used: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class Scores(Message):
    """Scores of one window; not retained.

    Attributes:
        schema: Version of this payload.
        stream: Name of the stream.
        seq: Grows by one per published window of a stream: a hole is a lost message.
        window: UTC span of the window.
        media: Span of the window in media time.
        top: The strongest class.
        scores: Every class up to 32 classes, else the strongest 20.
        model: ``name@version``.
        clock: What the UTC times were read from.
        frames: How many places of the window the video filled.
        latency_ms: Where the time went; ``total`` from capture of the newest frame to publishing.
        quality: Brightness and sharpness of the newest picture.
        published_at: UTC seconds at which the message was made.
    """

    KIND: ClassVar[Kind] = Kind.SCORES

    schema: Literal[1] = SCHEMA_VERSION
    stream: str
    seq: int
    window: TimeSpan
    media: TimeSpan
    top: TopScore
    scores: dict[str, float]
    model: str
    clock: Clock
    frames: FrameCount
    latency_ms: Latency
    quality: Quality
    published_at: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class Event(Message):
    """An action that began, goes on or ended; QoS 1, not retained.

    Attributes:
        schema: Version of this payload.
        stream: Name of the stream.
        id: The same in every message about one action.
        type: ``new`` when it began, ``update`` while it goes on, ``end`` once it is over.
        label: The action.
        start: UTC seconds at which it began.
        end: UTC seconds at which it ended; nothing while it goes on.
        score: Smoothed score now (``end``: its mean over the action).
        peak: Highest smoothed score so far.
        model: ``name@version``.
    """

    KIND: ClassVar[Kind] = Kind.EVENTS

    schema: Literal[1] = SCHEMA_VERSION
    stream: str
    id: str
    type: Literal["new", "update", "end"]
    label: str
    start: float
    end: float | None = None
    score: float
    peak: float
    model: str


@dataclass(frozen=True, slots=True, config=_FROZEN)
class TruthSpan:
    """One labelled span in media seconds."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class TruthMessage(Message):
    """What a published video is known to show; retained, sent anew by the publisher at each loop.

    Attributes:
        schema: Version of this payload.
        stream: Name of the stream.
        started_at: UTC seconds at which media time 0 of this loop was sent.
        duration_s: Length of the video.
        annotations: Labelled spans in media time; the rest is background.
    """

    KIND: ClassVar[Kind] = Kind.TRUTH

    schema: Literal[1] = SCHEMA_VERSION
    stream: str
    started_at: float
    duration_s: float
    annotations: list[TruthSpan]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class EventRule:
    """When scores become an event.

    Attributes:
        enter: Smoothed score at which an action is sure, and is reported.
        exit: Smoothed score above which it is dated back to its start, and below which it ends.
        min_duration_s: Time the score must stay above ``exit`` before the event is reported.
        cooldown_s: Time below ``exit`` after which the action is over; shorter dips do not cut it.
    """

    enter: float = Field(
        default=0.5, gt=0, le=1, description="smoothed score at which an action is reported"
    )
    exit: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="smoothed score above which it has begun, and below which it ends",
    )
    min_duration_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description="time the score must stay above `exit` before the event is reported",
    )
    cooldown_s: float = Field(
        default=0.6, ge=0, le=600, description="time below `exit` after which the action is over"
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class Command(Message):
    """A request to a stream; the answer is its ``state`` message.

    Attributes:
        schema: Version of this payload.
        paused: Stop or take up the analysis of the stream; nothing leaves it as it is.
        rules: New event rules by label; ``*`` means every label without one of its own. ``null``
            instead of a rule goes back to what the settings say of the label.
    """

    KIND: ClassVar[Kind] = Kind.SET

    schema: Literal[1] = SCHEMA_VERSION
    paused: bool | None = None
    rules: dict[str, EventRule | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_FROZEN)
class ControlState(Message):
    """What is in force for a stream; retained.

    Attributes:
        schema: Version of this payload.
        stream: Name of the stream.
        paused: Whether the analysis rests.
        rules: Event rules by label; ``*`` holds for every other label.
        error: Why the last command was refused, if it was.
        defaults: The rules that the settings name, to which ``null`` goes back.
        smoothing_s: Time constant of the exponential smoothing before the rules.
    """

    KIND: ClassVar[Kind] = Kind.STATE

    schema: Literal[1] = SCHEMA_VERSION
    stream: str
    paused: bool
    rules: dict[str, EventRule]
    error: str | None = None
    defaults: dict[str, EventRule] = field(default_factory=dict)
    smoothing_s: float = Field(default=0.2, ge=0)


MESSAGES: tuple[type[Message], ...] = (
    StreamStatus,
    Labels,
    Scores,
    Event,
    TruthMessage,
    Command,
    ControlState,
)


def score_table(labels: list[str], scores: list[float]) -> dict[str, float]:
    """Choose which scores a message carries: all of a few labels, the strongest of many.

    Args:
        labels: Labels in the model's order.
        scores: One score per label.

    Returns:
        Label to score with four digits: up to 32 in the model's order, else the strongest first.
    """
    pairs = list(zip(labels, (round(score, 4) for score in scores), strict=True))
    if len(pairs) <= MAX_LABELS_IN_FULL:
        return dict(pairs)
    return dict(sorted(pairs, key=lambda pair: -pair[1])[:TOP_LABELS])
