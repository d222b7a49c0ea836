"""Predictions and jobs as programs read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from contracts.prediction import Prediction
from inference.api.problems import Problem, describe_error
from inference.predictions.errors import NoResultError
from inference.predictions.jobs import Job, JobState, Work


@dataclass(frozen=True, slots=True)
class Windows:
    """The scores of every window, in columns.

    Attributes:
        labels: The classes, in the order of each row of scores.
        start: Media seconds at which each window begins.
        end: Media seconds at which it ends.
        scores: A row for each window, a score for each label.
    """

    labels: list[str]
    start: list[float]
    end: list[float]
    scores: list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPrediction(Prediction):
    """A prediction, with the scores of every window where they are asked for."""

    windows: Windows | None = None


@dataclass(frozen=True, slots=True)
class FailedVideo:
    """A video of a batch that could not be scored."""

    video: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Batch:
    """The answers for several videos, in the order in which they were sent."""

    predictions: list[ScoredPrediction | FailedVideo]


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(title="Job"))
class JobView:
    """How a job fares.

    Attributes:
        id: What to ask for it by.
        state: Where it is.
        progress: Share of the work that is done, 0 to 1.
        media_s: Seconds of video that are done.
        created_at: UTC seconds.
        finished_at: UTC seconds, once it has ended.
        result: The answer, once done; of a batch always a list.
        problem: Why there is no answer, once failed or cancelled.
    """

    id: str
    state: JobState
    progress: float = Field(ge=0, le=1)
    media_s: float
    created_at: float
    finished_at: float | None = None
    result: ScoredPrediction | Batch | None = None
    problem: Problem | None = None


_JOB = TypeAdapter(JobView)
_BATCH_ITEM = TypeAdapter(FailedVideo)


def job_json(job: Job, *, with_result: bool = True) -> bytes:
    """Describe a job.

    Args:
        job: The job.
        with_result: Whether its answer, if there is one, is part of the description.
    """
    error = next((work.error for work in job.works if work.error is not None), None)
    failed = job.state in (JobState.FAILED, JobState.CANCELLED) and error is not None
    view = JobView(
        id=job.id,
        state=job.state,
        progress=round(job.progress, 4),
        media_s=round(job.media_s, 3),
        created_at=job.created_at,
        finished_at=job.finished_at,
        problem=describe_error(error) if failed and error is not None else None,
    )
    text = _JOB.dump_json(view, exclude_none=True)
    if not with_result or job.state is not JobState.DONE:
        return text
    return text[:-1] + b',"result":' + result_json(job) + b"}"


def result_json(job: Job, *, windows: bool = False) -> bytes:
    """The answer of a job.

    Args:
        job: One that is done.
        windows: Whether the scores of every window are part of it.

    Raises:
        NoResultError: It is not done.
    """
    if job.state is not JobState.DONE:
        raise NoResultError(f"The job is {job.state}: it has no result.")
    if not job.batch:
        return _work_json(job.works[0], windows=windows)
    items = (_work_json(work, windows=windows, named=True) for work in job.works)
    return b'{"predictions":[' + b",".join(items) + b"]}"


def _work_json(work: Work, *, windows: bool, named: bool = False) -> bytes:
    if work.scored is None:
        if work.error is None:
            raise NoResultError("The job is not done: it has no result.")
        return _BATCH_ITEM.dump_json(FailedVideo(work.video.name, describe_error(work.error)))
    text = work.scored.prediction.to_json().encode()
    if named:
        text = text[:-1] + b',"video":' + json.dumps(work.video.name).encode() + b"}"
    if windows:
        text = text[:-1] + b',"windows":' + work.scored.windows + b"}"
    return text


def result_csv(job: Job) -> Iterator[str]:
    """The windows of a job as `actionstream predict --csv` writes them.

    Args:
        job: One that is done.

    Yields:
        The header, then a line for each window; videos of a batch that failed have none.

    Raises:
        NoResultError: It is not done.
    """
    if job.state is not JobState.DONE:
        raise NoResultError(f"The job is {job.state}: it has no result.")
    return _csv_lines([work for work in job.works if work.scored is not None])


def _csv_lines(works: list[Work]) -> Iterator[str]:
    header = True
    for work in works:
        windows: dict[str, Any] = json.loads(work.scored.windows) if work.scored else {}
        if header:
            yield csv_line(["video", "start", "end", *windows["labels"]])
            header = False
        columns = (windows["start"], windows["end"], windows["scores"])
        for start, end, scores in zip(*columns, strict=True):
            numbers = (f"{score:.4f}" for score in scores)
            yield csv_line([work.video.name, str(start), str(end), *numbers])


def csv_line(fields: list[str]) -> str:
    """Write one line of CSV (RFC 4180), quoting where it must.

    Args:
        fields: Of the line.
    """
    special = frozenset(',"\r\n')
    quoted = (
        '"' + field.replace('"', '""') + '"' if special & set(field) else field for field in fields
    )
    return ",".join(quoted) + "\n"
