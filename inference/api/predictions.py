"""Videos over REST: scored at once or as a job, one or several."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from inference.api.problems import MEDIA_TYPE, Problem
from inference.predictions.intake import Intake, IntakeRules
from inference.predictions.jobs import Job, JobState, Video
from inference.predictions.receiving import FORM, JSON, Body, VideoRequest, receive_videos
from inference.predictions.service import PredictionService
from inference.predictions.views import Batch, JobView, ScoredPrediction, job_json, result_csv
from inference.predictions.views import result_json as render_result

_TAGS: Final = ["predictions"]
# Progress comes a few times a second; more often nobody can see.
_EVENTS_EVERY_S = 0.2
_EXAMPLE: Final = {
    "label": "walk",
    "probability": 0.7312,
    "scores": {"walk": 0.7312, "wave2": 0.2301, "none": 0.0387},
    "segments": [{"label": "walk", "start": 1.2, "end": 4.96, "score": 0.9312}],
    "model": "everyday@1.1.0",
    "duration_s": 6.4,
}
_FORM_SCHEMA: Final = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "description": "the video; several are a batch",
        }
    },
    "additionalProperties": False,
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {"schema": _FORM_SCHEMA},
            JSON: {
                "schema": {
                    **VideoRequest.model_json_schema(),
                    "description": "exactly one of the fields",
                },
                "examples": {
                    "path": {"value": {"path": "hall/monday.mp4"}},
                    "paths": {"value": {"paths": ["hall/monday.mp4", "hall/tuesday.mp4"]}},
                    "video": {"value": {"video": "AAAAIGZ0eXBpc29t"}},
                },
            },
        },
    }
}
_LOCATION: Final = {
    "Location": {"schema": {"type": "string"}, "description": "path of the job"},
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "What the video shows", "content": {JSON: {"example": _EXAMPLE}}},
    202: {"model": JobView, "description": "A job was made", "headers": _LOCATION},
    **{
        status: {"model": Problem, "description": text, "content": {MEDIA_TYPE: {}}}
        for status, text in {
            400: "The request cannot be read",
            403: "The path leads out of the media root, or there is none",
            404: "No such video below the media root",
            408: "The request came too slowly",
            409: "The job was cancelled",
            413: "Too many bytes",
            415: "Neither a form nor JSON",
            422: "Not a video, too long, too large, or asked for impossibly: see `code`",
            429: "The queue is full",
            507: "No room for the upload",
        }.items()
    },
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Parameters of a prediction.

    Attributes:
        model: Name of the model; the worker's own if left out.
        windows: Whether the scores of every window are wanted.
        at_once: Whether the client waits for the answer.
        key: Idempotency key.
    """

    model: str | None
    windows: bool
    at_once: bool
    key: str | None

    def fingerprint(self, videos: Iterable[Video]) -> str:
        """What tells this request from another one with the same key."""
        text = [str(self.model), *(f"{video.name}\0{video.digest}" for video in videos)]
        return hashlib.sha256("\n".join(text).encode("utf-8", "surrogateescape")).hexdigest()


def _asked(
    model: Annotated[str | None, Query(max_length=200, description="name of a model")] = None,
    windows: Annotated[bool, Query(description="add the scores of every window")] = False,
    wait: Annotated[bool, Query(description="answer when done; else at once, with a job")] = True,
    prefer: Annotated[
        str, Header(alias="Prefer", description="`respond-async` is `wait=false`")
    ] = "",
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="the same key with the same request gives the same job",
        ),
    ] = None,
) -> _Asked:
    at_once = wait and "respond-async" not in prefer.lower()
    return _Asked(model, windows, at_once, idempotency_key)


def prediction_routes(service: PredictionService) -> APIRouter:
    """Routes ``/v1/predictions`` and below ``/v1/jobs``.

    Args:
        service: Does the work; started and stopped elsewhere.

    Returns:
        The routes.
    """
    router = APIRouter(prefix="/v1", tags=list(_TAGS))
    _add_predictions(router, service)
    _add_jobs(router, service)
    _add_results(router, service)
    return router


def _add_predictions(router: APIRouter, service: PredictionService) -> None:
    parsing = asyncio.Semaphore(1)

    @router.post(
        "/predictions",
        response_model=ScoredPrediction | Batch,
        responses=_ANSWERS,
        openapi_extra=_BODY,
    )
    async def predict(request: Request, asked: Annotated[_Asked, Depends(_asked)]) -> Response:
        """Say what a video shows.

        A form sends files as `file`; JSON names a video below the media root (`path`, `paths`) or
        holds it in base64 (`video`). Several videos are a batch, answered with a list in which each
        has its prediction or its problem. The scores are those of the same video streamed.
        """
        folder = service.folder_of(asked.model)
        with Intake(service.places, _rules(service), lambda: service.retry_s) as intake:
            body = Body(request, service.settings.timeout_s, parsing)
            batch = await receive_videos(body, intake)
            videos = intake.take()
        fingerprint = asked.fingerprint(videos)
        job = service.new_job(videos, folder, batch)
        if (known := service.repeated(job, asked.key, fingerprint)) is not None:
            job = known
        else:
            service.submit(job, asked.key, fingerprint)
        if not asked.at_once:
            headers = {"Location": _path(job)}
            return Response(job_json(job), HTTPStatus.ACCEPTED, headers, JSON)
        await _wait(request, service, job, abandon=asked.key is None)
        return await _answer(job, windows=asked.windows)


def _rules(service: PredictionService) -> IntakeRules:
    settings = service.settings
    return IntakeRules(settings.max_mb * 2**20, media_root=settings.media_root)


async def _wait(request: Request, service: PredictionService, job: Job, *, abandon: bool) -> None:
    """Wait for a job's end; the job of a client that went away is cancelled."""
    gone = asyncio.create_task(_gone(request))
    end = asyncio.create_task(job.end())
    try:
        await asyncio.wait({gone, end}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        end.cancel()
        if abandon and not job.state.final:
            service.cancel(job)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _answer(job: Job, *, windows: bool) -> Response:
    error = next((work.error for work in job.works if work.error is not None), None)
    if job.state is not JobState.DONE and error is not None and not job.batch:
        raise error
    # Joining megabytes of windows takes a while.
    text = await asyncio.to_thread(render_result, job, windows=windows)
    return Response(text, headers={"Content-Location": _path(job)}, media_type=JSON)


def _path(job: Job) -> str:
    return f"/v1/jobs/{job.id}"


def _finder(service: PredictionService) -> Any:
    """The dependency that looks the job up which a path names."""

    def find(job_id: str) -> Job:
        return service.jobs.get(job_id)

    return Depends(find)


def _add_jobs(router: APIRouter, service: PredictionService) -> None:
    found = _finder(service)

    @router.get("/jobs/{job_id}", response_model=JobView)
    async def show_job(job: Job = found) -> Response:
        """How a job fares, with its result once it is done."""
        return Response(await asyncio.to_thread(job_json, job), media_type=JSON)

    @router.delete("/jobs/{job_id}", response_model=JobView)
    async def cancel_job(job: Job = found) -> Response:
        """Cancel a job; one that has ended stays as it is."""
        service.cancel(job)
        await job.end()
        return Response(job_json(job, with_result=False), media_type=JSON)

    @router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
    async def follow_job(job: Job = found) -> AsyncIterable[ServerSentEvent]:
        """Follow a job by server-sent events: its description at every change, until its end.

        The event is called after the state; the last one is `done`, `failed` or `cancelled`.
        """
        while True:
            state = job.state
            yield ServerSentEvent(
                raw_data=job_json(job, with_result=False).decode(), event=state.value
            )
            if state.final:
                return
            await job.change()
            if not job.state.final:
                await asyncio.sleep(_EVENTS_EVERY_S)


def _add_results(router: APIRouter, service: PredictionService) -> None:
    found = _finder(service)

    @router.get("/jobs/{job_id}/result.json", response_model=ScoredPrediction | Batch)
    async def result_json(job: Job = found) -> Response:
        """The result of a job with the scores of every window, to be saved."""
        text = await asyncio.to_thread(render_result, job, windows=True)
        return Response(text, headers=_saved_as(job, "json"), media_type=JSON)

    @router.get(
        "/jobs/{job_id}/result.csv",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def result_csv_file(job: Job = found) -> Response:
        """The scores of every window, a line each, to be saved."""
        lines = result_csv(job)
        return StreamingResponse(lines, headers=_saved_as(job, "csv"), media_type="text/csv")


def _saved_as(job: Job, suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="prediction-{job.id}.{suffix}"'}
