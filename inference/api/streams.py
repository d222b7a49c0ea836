"""Streams and the model: listed, added and removed while the worker runs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from contracts.messages import StreamStatus
from contracts.settings import StreamSettings
from inference.api.problems import ApiError, UnknownStreamError
from inference.bundle import Bundle
from inference.stream import AnalysedStream
from inference.worker import Worker


class NoPictureError(ApiError):
    """The stream has not brought a picture yet."""

    code = "no_picture"
    status = HTTPStatus.NOT_FOUND


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


def stream_routes(worker: Worker) -> APIRouter:
    """Routes below ``/v1/streams``, and ``/v1/models``.

    Args:
        worker: Whose streams.

    Returns:
        The routes.
    """
    router = APIRouter(prefix="/v1")

    @router.get("/models", tags=["models"])
    def models() -> list[dict[str, Any]]:
        """The model in use: labels, input and measured figures."""
        return [describe_bundle(worker.model.bundle)]

    @router.get("/streams", tags=["streams"])
    def list_streams() -> list[StreamStatus]:
        """Every stream with its state."""
        return worker.statuses()

    @router.post("/streams", tags=["streams"], status_code=HTTPStatus.CREATED)
    def add_stream(stream: StreamSettings) -> StreamStatus:
        """Begin to analyse a stream."""
        worker.add(stream)
        return worker.stream(stream.name).status()

    @router.get("/streams/{name:path}/preview.jpg", tags=["streams"], response_class=Response)
    def preview(name: str, width: Annotated[int, Query(ge=32, le=1920)] = 480) -> Response:
        """Newest picture."""
        picture = find_stream(worker, name).preview(width)
        if picture is None:
            raise NoPictureError(f"{name} has brought no picture yet.")
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    @router.get("/streams/{name:path}", tags=["streams"])
    def show_stream(name: str) -> StreamStatus:
        """One stream with its state."""
        return find_stream(worker, name).status()

    @router.delete("/streams/{name:path}", tags=["streams"], status_code=HTTPStatus.NO_CONTENT)
    def remove_stream(name: str) -> None:
        """Stop analysing a stream."""
        find_stream(worker, name)
        worker.remove(name)

    return router


def find_stream(worker: Worker, name: str) -> AnalysedStream:
    """Look a stream up.

    Args:
        worker: Whose stream.
        name: Its name.

    Returns:
        The stream.

    Raises:
        UnknownStreamError: There is none of that name.
    """
    try:
        return worker.stream(name)
    except KeyError as exc:
        raise UnknownStreamError(f"There is no stream called {name}.") from exc
