"""What people say about spans of a stream: given, listed, fetched for training, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.types import Picture, TimeSpan
from inference.api.problems import ApiError, NoHistoryError, SpanError
from inference.api.streams import find_stream
from inference.history.feedback import Feedback, FeedbackStore, Verdict, to_activitynet
from inference.stream import AnalysedStream
from inference.worker import Worker

MAX_SPAN_S = 600.0
_AHEAD_S = 60.0
"""A page's clock may differ so much from ours; beyond it, a span lies in the future."""
_MAX_EXPORTED = 10_000
Kept = Callable[[], FeedbackStore]
Limit = Annotated[int, Query(ge=1, le=1000, description="most wanted")]
MakeClip = Callable[[Sequence[Picture]], bytes]
"""Joins small pictures into an MP4 file, each shown until the next one's time."""


class UnknownFeedbackError(ApiError):
    """No feedback of that id."""

    code = "unknown_feedback"
    status = HTTPStatus.NOT_FOUND


class NotKeptError(ApiError):
    """The feedback is there, but not what is asked for of it."""

    code = "not_kept"
    status = HTTPStatus.NOT_FOUND


class UnknownLabelError(ApiError):
    """The stream's model does not know the label."""

    code = "unknown_label"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class GivenFeedback(BaseModel):
    """What a person says about a span."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "start": 1763634000.12,
                    "end": 1763634006.5,
                    "verdict": "other",
                    "label": "wave2",
                    "note": "both hands, from behind",
                }
            ]
        },
    )

    start: float = Field(ge=0, allow_inf_nan=False, description="UTC seconds")
    end: float = Field(ge=0, allow_inf_nan=False, description="UTC seconds, at most 600 later")
    verdict: Verdict = Field(
        description="the label is right, is wrong, or should have been this one"
    )
    label: str = Field(
        min_length=1,
        max_length=128,
        description="a label of the stream's model; with `other`, any text",
    )
    event: str | None = Field(None, max_length=64, description="id of the event it is about")
    note: str = Field("", max_length=2000, description="whatever else there is to say")

    @model_validator(mode="after")
    def _in_order(self) -> GivenFeedback:
        if not 0 < self.end - self.start <= MAX_SPAN_S:
            raise ValueError(f"a span ends after its start, and lasts at most {MAX_SPAN_S:g} s")
        if not self.label.isprintable() or not self.label.strip():
            raise ValueError("the label holds characters that cannot be printed, or none")
        return self


@dataclass(frozen=True, slots=True)
class FeedbackAnswer(Feedback):
    """Feedback as it is kept.

    Attributes:
        features: Where to fetch the features of its frames.
        clip: Where to fetch its pictures as a video.
    """

    features: str | None = None
    clip: str | None = None


@dataclass(frozen=True, slots=True)
class FeedbackDetail(FeedbackAnswer):
    """Feedback as it is kept, with the times of its frames.

    Attributes:
        times: UTC seconds of each row of its features.
    """

    times: tuple[float, ...] = ()


def feedback_routes(worker: Worker, store: FeedbackStore | None, make_clip: MakeClip) -> APIRouter:
    """Routes below ``/v1/feedback`` and ``/v1/streams/{name}/feedback``.

    Args:
        worker: Whose streams.
        store: Where feedback is kept; without it, every answer says that there is none.
        make_clip: Joins pictures into a video.

    Returns:
        The routes; they must come before those of single streams.
    """

    def kept() -> FeedbackStore:
        if store is None:
            raise NoHistoryError(
                "This worker keeps no feedback.", "See `history.enabled`, and its log."
            )
        return store

    router = APIRouter(prefix="/v1", tags=["feedback"])
    _add_giving(router, worker, kept)
    _add_listing(router, worker, kept)
    _add_single(router, kept, make_clip)
    return router


def _add_giving(router: APIRouter, worker: Worker, kept: Kept) -> None:
    @router.post("/streams/{name:path}/feedback", status_code=HTTPStatus.CREATED)
    def give(name: str, given: GivenFeedback) -> FeedbackAnswer:
        """Say of a span whether its label is right; kept with the features of its frames."""
        stream = find_stream(worker, name)
        now = time.time()
        _check(stream, given, now)
        span = TimeSpan(given.start, given.end)
        features = stream.recent.features.between(span)
        pictures = stream.recent.pictures.between(span) if worker.settings.feedback.clips else []
        feedback = Feedback(
            id=uuid4().hex,
            stream=name,
            start=given.start,
            end=given.end,
            verdict=given.verdict,
            label=given.label,
            event=given.event,
            note=given.note,
            model=stream.bundle.model_id,
            created=now,
            frames=0 if features is None else len(features.times),
            lacking="" if features is not None else _why_none(stream),
            pictures=len(pictures),
        )
        kept().add(feedback, features, pictures)
        return _answer(feedback)


def _add_listing(router: APIRouter, worker: Worker, kept: Kept) -> None:
    @router.get("/streams/{name:path}/feedback")
    def of_stream(name: str, limit: Limit = 100) -> list[FeedbackAnswer]:
        """What was said about a stream, newest last; also about one that is gone."""
        found = kept().newest(limit, name)
        if not found:
            find_stream(worker, name)
        return [_answer(one) for one in found]

    @router.get("/feedback")
    def of_all(stream: str | None = None, limit: Limit = 100) -> list[FeedbackAnswer]:
        """What was said about all streams, or one, newest last."""
        return [_answer(one) for one in kept().newest(limit, stream)]

    @router.get("/feedback.json")
    def export(stream: str | None = None) -> dict[str, Any]:
        """All of it as annotations in ActivityNet's form, for training."""
        return to_activitynet(kept().newest(_MAX_EXPORTED, stream))


def _add_single(router: APIRouter, kept: Kept, make_clip: MakeClip) -> None:
    @router.get("/feedback/{feedback}/features.npy", response_class=Response)
    def features(feedback: str) -> Response:
        """Features of its frames, (N, D) float16, as a NumPy file."""
        with _known(feedback):
            data = kept().features(feedback)
            if data is None:
                raise NotKeptError(f"No features: {kept().find(feedback).lacking}")
        return Response(data, media_type="application/octet-stream")

    @router.get("/feedback/{feedback}/clip.mp4", response_class=Response)
    def clip(feedback: str) -> Response:
        """Its small pictures as a video."""
        with _known(feedback):
            pictures = kept().pictures(feedback)
        if not pictures:
            raise NotKeptError(
                "No pictures are kept with this feedback.", "The setting `feedback.clips` does so."
            )
        return Response(make_clip(pictures), media_type="video/mp4")

    @router.get("/feedback/{feedback}")
    def show(feedback: str) -> FeedbackDetail:
        """One of them, with the times of its frames."""
        with _known(feedback):
            found = asdict(_answer(kept().find(feedback)))
            return FeedbackDetail(**found, times=tuple(kept().times(feedback)))

    @router.delete("/feedback/{feedback}", status_code=HTTPStatus.NO_CONTENT)
    def delete(feedback: str) -> None:
        """Delete it with all that is kept with it."""
        with _known(feedback):
            kept().delete(feedback)


@contextmanager
def _known(feedback: str) -> Iterator[None]:
    try:
        yield
    except KeyError as exc:
        raise UnknownFeedbackError(f"There is no feedback {feedback}.") from exc


def _check(stream: AnalysedStream, given: GivenFeedback, now: float) -> None:
    if given.end > now + _AHEAD_S:
        raise SpanError("The span lies in the future.", "Times are UTC seconds.")
    labels = stream.bundle.label_names
    if given.verdict is not Verdict.OTHER and given.label not in labels:
        raise UnknownLabelError(
            f"{stream.bundle.model_id} has no label {given.label!r}.",
            f"Labels: {', '.join(labels)}.",
        )


def _why_none(stream: AnalysedStream) -> str:
    """Say why there are no features of a span."""
    if not stream.recent.keep_s:
        return "The setting `feedback.recent_s` is 0: features are not kept."
    if not stream.bundle.features:
        return f"{stream.bundle.model_id} computes no features of single frames."
    return (
        f"The span is older than what is at hand (at most {stream.recent.keep_s:g} s), or nothing"
        " was analysed in it."
    )


def _answer(feedback: Feedback) -> FeedbackAnswer:
    base = f"/v1/feedback/{feedback.id}"
    return FeedbackAnswer(
        **asdict(feedback),
        features=f"{base}/features.npy" if feedback.frames else None,
        clip=f"{base}/clip.mp4" if feedback.pictures else None,
    )
