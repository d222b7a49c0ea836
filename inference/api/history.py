"""What a stream showed before: scores, events and how it fared."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, field
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from contracts.types import TimeSpan
from inference.api.problems import ApiError, NoHistoryError, SpanError, UnknownStreamError
from inference.history.events import KeptEvent
from inference.history.health import HealthTable
from inference.history.pictures import EventPictures
from inference.history.scores import STAGES, ScoreTable
from inference.history.store import History

MAX_POINTS = 20_000
LONGEST_S = 86_400.0
_RECENT_S = 600.0
_HOUR_S = 3600.0
_EVENT_MARGIN_S = 2.0
_EVENT_POINTS = 600
_Since = Annotated[
    float | None, Query(ge=0, allow_inf_nan=False, description="UTC seconds of the earliest")
]
_Until = Annotated[
    float | None, Query(ge=0, allow_inf_nan=False, description="UTC seconds; only what is earlier")
]
_Limit = Annotated[int, Query(ge=1, le=1000, description="most wanted; the newest count")]
_Label = Annotated[str | None, Query(max_length=128, description="events of this label only")]
_TIME = 1763634000.2


class UnknownEventError(ApiError):
    """No event of that id."""

    code = "unknown_event"
    status = HTTPStatus.NOT_FOUND


@dataclass(frozen=True, slots=True)
class LatencyColumns:
    """Where the time of each window went, in milliseconds.

    Attributes:
        decode: Decoding and converting the newest frame.
        wait: From the hand-over of the newest frame to the start of its inference.
        model: Encoder and head.
        total: From the capture of the newest frame to the moment of publishing.
    """

    decode: list[float]
    wait: list[float]
    model: list[float]
    total: list[float]


@dataclass(frozen=True, slots=True)
class ScoresAnswer:
    """Windows of a stream by time, as columns of equal length.

    Attributes:
        stream: Name of the stream.
        labels: Of the columns of the scores.
        model: ``name@version`` that made the newest window; nothing without windows.
        start: UTC seconds.
        end: UTC seconds.
        scores: Of each window one score per label; nothing where its message had none.
        seq: Numbers of the windows; they start again with the worker.
        latency: Where the time went.
        thinned: Whether windows were left out; those with the highest scores were kept.
    """

    stream: Annotated[str, Field(examples=["hall/cam1"])]
    labels: Annotated[list[str], Field(examples=[["wave", "none"]])]
    model: Annotated[str | None, Field(examples=["everyday@1.1"])]
    start: Annotated[list[float], Field(examples=[[_TIME, _TIME + 0.2]])]
    end: Annotated[list[float], Field(examples=[[_TIME + 1.6, _TIME + 1.8]])]
    scores: Annotated[list[list[float | None]], Field(examples=[[[0.91, 0.09], [0.93, 0.07]]])]
    seq: Annotated[list[int], Field(examples=[[1201, 1202]])]
    latency: LatencyColumns
    thinned: bool


@dataclass(frozen=True, slots=True)
class EventDetail(KeptEvent):
    """An event with what it looked like.

    Attributes:
        scores: From two seconds before it to two seconds after.
        pictures: UTC seconds of its pictures, for ``/v1/streams/{name}/picture.jpg``.
    """

    scores: ScoresAnswer | None = None
    pictures: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StagePercentiles:
    """Median and 95th percentile of a stage in each bucket, in milliseconds."""

    p50: list[float | None]
    p95: list[float | None]


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """How a stream fared, as columns: one place for each bucket of time.

    Attributes:
        stream: Name of the stream.
        bucket_s: Length of a bucket in seconds.
        at: UTC seconds at which each bucket begins.
        windows: Windows that start in the bucket.
        missing: Windows that were published and are not in the history: holes in their numbers.
        frames_missing: Places of the windows that the video did not fill.
        latency: By stage; nothing in buckets without windows.
    """

    stream: str
    bucket_s: float
    at: list[float]
    windows: list[int]
    missing: list[int]
    frames_missing: list[int]
    latency: dict[str, StagePercentiles]


class _Past:
    """Answers to what the routes ask."""

    def __init__(self, history: History | None, pictures: EventPictures | None) -> None:
        self._history = history
        self._pictures = pictures

    @property
    def history(self) -> History:
        """The history.

        Raises:
            NoHistoryError: There is none.
        """
        if self._history is None:
            raise NoHistoryError(
                "This worker keeps no history.", "See `history.enabled`, and its log."
            )
        return self._history

    def scores(self, name: str, span: TimeSpan, points: int) -> dict[str, Any]:
        """Windows of a stream, ready to be sent."""
        with _known_stream(name):
            return _score_columns(name, self.history.scores.read(name, span, points))

    def event(self, name: str, event: str) -> dict[str, Any]:
        """An event with its scores and the times of its pictures, ready to be sent."""
        try:
            found = self.history.events.find(name, event)
        except KeyError as exc:
            raise UnknownEventError(f"{name} has no event {event}.") from exc
        until = (time.time() if found.end is None else found.end) + _EVENT_MARGIN_S
        since = max(found.start - _EVENT_MARGIN_S, until - LONGEST_S)
        return asdict(found) | {
            "scores": self.scores(name, TimeSpan(since, until), _EVENT_POINTS),
            "pictures": self._pictures.times(event) if self._pictures else [],
        }


def history_routes(history: History | None, pictures: EventPictures | None = None) -> APIRouter:
    """Routes to scores, events and health of streams, and to the events of all streams.

    Args:
        history: What is asked; without it, every answer says that there is none.
        pictures: Of events.

    Returns:
        The routes; they must come before those of single streams.
    """
    router = APIRouter(prefix="/v1", tags=["history"])
    past = _Past(history, pictures)
    _add_scores(router, past)
    _add_events(router, past)
    _add_health(router, past)
    return router


def _add_scores(router: APIRouter, past: _Past) -> None:
    @router.get("/streams/{name:path}/scores", response_model=ScoresAnswer)
    def stream_scores(
        name: str,
        since: _Since = None,
        until: _Until = None,
        points: Annotated[
            int, Query(ge=1, le=MAX_POINTS, description="most windows wanted")
        ] = MAX_POINTS,
    ) -> Response:
        """Scores of the windows that start in a span: the last ten minutes, unless said otherwise.

        If there are more than `points`, the span is cut into equal buckets, and of each the windows
        stay in which one of its strongest classes has its peak. At most a day at once.
        """
        return _json(past.scores(name, _span(since, until, _RECENT_S), points))


def _add_events(router: APIRouter, past: _Past) -> None:
    @router.get("/streams/{name:path}/events/{event}", response_model=EventDetail)
    def stream_event(name: str, event: str) -> Response:
        """One event with its scores and the times of its pictures."""
        return _json(past.event(name, event))

    @router.get("/streams/{name:path}/events")
    def stream_events(
        name: str,
        since: _Since = None,
        until: _Until = None,
        label: _Label = None,
        limit: _Limit = 100,
    ) -> list[KeptEvent]:
        """Events of a stream that touch a span, newest last; `end` is null while one goes on."""
        with _known_stream(name):
            return past.history.events.read(_any_span(since, until), limit, name, label)

    @router.get("/events")
    def all_events(
        since: _Since = None, until: _Until = None, label: _Label = None, limit: _Limit = 100
    ) -> list[KeptEvent]:
        """Events of all streams that touch a span, newest last; also of streams that are gone."""
        return past.history.events.read(_any_span(since, until), limit, label=label)


def _add_health(router: APIRouter, past: _Past) -> None:
    @router.get("/streams/{name:path}/health")
    def stream_health(
        name: str,
        since: _Since = None,
        until: _Until = None,
        buckets: Annotated[int, Query(ge=1, le=1440, description="parts of the span")] = 60,
    ) -> HealthAnswer:
        """Latency by stage and what is missing, over the last hour unless said otherwise.

        At most a day at once.
        """
        span = _span(since, until, _HOUR_S)
        with _known_stream(name):
            return _health_columns(name, span, past.history.health(name, span, buckets))


@contextmanager
def _known_stream(name: str) -> Iterator[None]:
    try:
        yield
    except KeyError as exc:
        raise UnknownStreamError(f"Nothing is known of a stream called {name}.") from exc


def _any_span(since: float | None, until: float | None) -> TimeSpan:
    return TimeSpan(since or 0.0, math.inf if until is None else until)


def _span(since: float | None, until: float | None, usual_s: float) -> TimeSpan:
    """The span that is meant, where one end or both are not said."""
    if until is None:
        until = time.time() if since is None else max(time.time(), since + usual_s)
    if since is None:
        since = max(0.0, until - usual_s)
    if not since < until:
        raise SpanError("`since` must be before `until`.", "Both are UTC seconds.")
    if until - since > LONGEST_S:
        raise SpanError("A span may last a day at most.", "Ask for several, one after another.")
    return TimeSpan(since, until)


def _score_columns(name: str, table: ScoreTable) -> dict[str, Any]:
    # Single precision has more digits than were published.
    scores = table.scores.astype(np.float64).round(4)
    stages = zip(STAGES, table.latency.T.tolist(), strict=True)
    return {
        "stream": name,
        "labels": list(table.labels),
        "model": table.model,
        "start": table.start.tolist(),
        "end": table.end.tolist(),
        "scores": _or_none(scores),
        "seq": table.seq.tolist(),
        "latency": dict(stages),
        "thinned": table.thinned,
    }


def _health_columns(name: str, span: TimeSpan, table: HealthTable) -> HealthAnswer:
    by_stage: NDArray[np.float64] = np.moveaxis(table.latency.round(2), 0, -1)
    return HealthAnswer(
        stream=name,
        bucket_s=(span.end - span.start) / len(table.at),
        at=table.at.tolist(),
        windows=table.windows.tolist(),
        missing=table.missing.tolist(),
        frames_missing=table.frames_missing.tolist(),
        latency={
            stage: StagePercentiles(_or_none(by_stage[0, index]), _or_none(by_stage[1, index]))
            for index, stage in enumerate(STAGES)
        },
    )


def _or_none(values: NDArray[np.float64]) -> list[Any]:
    """As lists, with ``None`` for NaN, which JSON lacks."""
    unknown = np.isnan(values)
    given: NDArray[Any] = values.astype(object) if unknown.any() else values
    given[unknown] = None
    listed: list[Any] = given.tolist()
    return listed


def _json(content: dict[str, Any]) -> Response:
    """Columns as JSON; the usual way looks at every number in Python."""
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json")
