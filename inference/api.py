"""REST API of the worker, ``/v1``.

Errors are ``application/problem+json`` (RFC 9457) with a stable ``code``. A bearer token is asked
for on every route but ``/healthz`` and ``/readyz`` as soon as one is set.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from contracts.errors import ActionstreamError, redact
from contracts.messages import StreamStatus
from contracts.settings import StreamSettings
from contracts.types import StreamState
from inference.bundle import Bundle
from inference.stream import AnalysedStream
from inference.worker import DuplicateStreamError, TooManyStreamsError, Worker

_OPEN = frozenset({"/healthz", "/readyz"})
_STATUS_OF: dict[type[ActionstreamError], HTTPStatus] = {
    DuplicateStreamError: HTTPStatus.CONFLICT,
    TooManyStreamsError: HTTPStatus.CONFLICT,
}


_FAMILIES: tuple[tuple[str, str, Callable[[Worker, StreamStatus], float]], ...] = (
    ("actionstream_windows_total", "counter", lambda _, status: status.windows),
    ("actionstream_dropped_windows_total", "counter", lambda _, status: status.dropped),
    (
        "actionstream_stream_live",
        "gauge",
        lambda _, status: int(status.state is StreamState.LIVE),
    ),
    ("actionstream_stream_fps", "gauge", lambda _, status: status.fps or 0.0),
    (
        "actionstream_backlog_frames",
        "gauge",
        lambda worker, status: worker.engine_backlog(status.stream),
    ),
)


class UnknownStreamError(ActionstreamError):
    """No stream of that name."""

    code = "unknown_stream"


class NoPictureError(ActionstreamError):
    """The stream has not brought a picture yet."""

    code = "no_picture"


_STATUS_OF |= {UnknownStreamError: HTTPStatus.NOT_FOUND, NoPictureError: HTTPStatus.NOT_FOUND}


def create_api(worker: Worker, broker_connected: Callable[[], bool]) -> FastAPI:
    """Build the API of a worker.

    Args:
        worker: Runs and is stopped elsewhere.
        broker_connected: Whether results leave the process now.

    Returns:
        The ASGI application.
    """
    api = FastAPI(
        title="actionstream worker",
        version=worker.model.bundle.version,
        description="Streams, scores and models of one worker.",
    )
    token = worker.settings.api.token
    if token is not None:
        _require_token(api, token.get_secret_value())
    _answer_errors(api)
    _add_health(api, worker, broker_connected)
    _add_streams(api, worker)

    @api.get("/v1/models", tags=["models"])
    def models() -> list[dict[str, Any]]:
        """The model in use: labels, input and measured figures."""
        return [describe_bundle(worker.model.bundle)]

    return api


def describe_bundle(bundle: Bundle) -> dict[str, Any]:
    """A bundle as programs see it: name, version, labels, input and measured figures."""
    return {
        "name": bundle.name,
        "version": bundle.version,
        "labels": [
            {"name": label.name, "title": label.title, "background": label.background}
            for label in bundle.labels
        ],
        "input": dict(bundle.manifest["input"]),
        "metrics": list(bundle.metrics),
    }


def _add_health(api: FastAPI, worker: Worker, broker_connected: Callable[[], bool]) -> None:
    @api.get("/healthz", tags=["health"], response_class=PlainTextResponse)
    def healthz() -> str:
        """The process answers."""
        return "ok"

    @api.get("/readyz", tags=["health"], response_class=PlainTextResponse)
    def readyz(response: Response) -> str:
        """Results are computed and leave the process; 503 says what is missing."""
        if worker.engine.failure is not None:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return "the engine failed"
        if not broker_connected():
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
            return "no connection to the MQTT broker"
        return "ready"

    @api.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    def metrics() -> str:
        """Counters in Prometheus' text format."""
        return render_metrics(worker, broker_connected())


def _add_streams(api: FastAPI, worker: Worker) -> None:
    @api.get("/v1/streams", tags=["streams"])
    def list_streams() -> list[StreamStatus]:
        """Every stream with its state."""
        return worker.statuses()

    @api.post("/v1/streams", tags=["streams"], status_code=HTTPStatus.CREATED)
    def add_stream(stream: StreamSettings) -> StreamStatus:
        """Begin to analyse a stream."""
        worker.add(stream)
        return worker.stream(stream.name).status()

    @api.get("/v1/streams/{name:path}/preview.jpg", tags=["streams"], response_class=Response)
    def preview(name: str, width: Annotated[int, Query(ge=32, le=1920)] = 480) -> Response:
        """Newest picture."""
        picture = _find(worker, name).preview(width)
        if picture is None:
            raise NoPictureError(f"{name} has brought no picture yet.")
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @api.get("/v1/streams/{name:path}", tags=["streams"])
    def show_stream(name: str) -> StreamStatus:
        """One stream with its state."""
        return _find(worker, name).status()

    @api.delete("/v1/streams/{name:path}", tags=["streams"], status_code=HTTPStatus.NO_CONTENT)
    def remove_stream(name: str) -> None:
        """Stop analysing a stream."""
        _find(worker, name)
        worker.remove(name)


def _find(worker: Worker, name: str) -> AnalysedStream:
    try:
        return worker.stream(name)
    except KeyError as exc:
        raise UnknownStreamError(f"There is no stream called {name}.") from exc


def _require_token(api: FastAPI, token: str) -> None:
    expected = f"Bearer {token}".encode()

    @api.middleware("http")
    async def check(
        request: Request, proceed: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        given = request.headers.get("authorization", "").encode()
        if request.url.path in _OPEN or hmac.compare_digest(given, expected):
            return await proceed(request)
        answer = _problem(HTTPStatus.UNAUTHORIZED, "unauthorized", "A bearer token is required.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer


def _answer_errors(api: FastAPI) -> None:
    @api.exception_handler(ActionstreamError)
    def known(_: Request, error: ActionstreamError) -> JSONResponse:
        status = _STATUS_OF.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        return _problem(status, error.code, str(error))

    @api.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", f"{where}: {first['msg']}"
        )

    @api.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        return _problem(status, status.phrase.lower().replace(" ", "_"), str(error.detail))


def _problem(status: HTTPStatus, code: str, detail: str) -> JSONResponse:
    content = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": redact(detail),
    }
    return JSONResponse(content, status.value, media_type="application/problem+json")


def render_metrics(worker: Worker, connected: bool) -> str:
    """Counters of every stream in Prometheus' text exposition format, version 0.0.4.

    Args:
        worker: Whose streams.
        connected: Whether the broker is reached.
    """
    statuses = worker.statuses()
    lines = ["# TYPE actionstream_broker_connected gauge"]
    lines.append(f"actionstream_broker_connected {int(connected)}")
    for family, kind, value in _FAMILIES:
        lines.append(f"# TYPE {family} {kind}")
        for status in statuses:
            name = status.stream.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            lines.append(f'{family}{{stream="{name}"}} {value(worker, status)}')
    return "\n".join(lines) + "\n"
