"""Streams and the model: listed, added and removed while the worker runs."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from contracts.errors import redact
from contracts.messages import StreamStatus
from contracts.settings import StreamSettings
from inference.api.problems import ApiError, UnknownStreamError
from inference.bundle import Bundle
from inference.history.saved import Origin
from inference.stream import AnalysedStream
from inference.worker import Worker


class NoPictureError(ApiError):
    """The stream has not brought a picture yet."""

    code = "no_picture"
    status = HTTPStatus.NOT_FOUND


class UnknownModelError(ApiError):
    """No model of that name can be chosen."""

    code = "unknown_model"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class RenamedError(ApiError):
    """A stream keeps its name."""

    code = "stream_renamed"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDetail(StreamStatus):
    """A stream with its state and what it was set to.

    Attributes:
        url: Where its video comes from, without the password.
        loop: Whether a file starts again when it ends.
        chosen_model: Bundle chosen for this stream; nothing where the default one holds.
        origin: Who named it: the settings, the API, or whoever publishes its path.
        paused: Whether its analysis rests.
    """

    url: str
    loop: bool
    chosen_model: str | None
    origin: Origin
    paused: bool


class StreamChange(BaseModel):
    """What to change of a stream; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"model": "fight", "annotate": True}]}
    )

    name: str | None = Field(None, description="its name, if it is said again")
    url: str | None = Field(None, min_length=1, description="where its video comes from")
    loop: bool | None = Field(None, description="start a file again when it ends")
    annotate: bool | None = Field(None, description="publish it with the scores drawn in")
    model: str | None = Field(None, description="name of a bundle; `null` goes back to the default")

    def of(self, settings: StreamSettings) -> StreamSettings:
        """Settings of a stream with this change.

        Args:
            settings: Those before. Their URL without its password stands for the URL itself: it is
                what the API shows.
        """
        given = {
            key: value
            for key, value in self.model_dump(exclude_unset=True, exclude={"name"}).items()
            if value is not None or key == "model"
        }
        if given.get("url") == redact(settings.url):
            del given["url"]
        return settings.model_copy(update=given)


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
    _add_models(router, worker)
    _add_reading(router, worker)
    _add_changing(router, worker)
    return router


def _add_models(router: APIRouter, worker: Worker) -> None:
    @router.get("/models", tags=["models"])
    def models() -> list[dict[str, Any]]:
        """Every model that a stream can choose, the default first: labels, input and figures."""
        streams = worker.streams()
        default = worker.model.bundle
        return [
            describe_bundle(bundle)
            | {
                "default": bundle.name == default.name,
                "streams": [one.name for one in streams if one.bundle.name == bundle.name],
            }
            for bundle in choosable(worker)
        ]


def _add_reading(router: APIRouter, worker: Worker) -> None:
    @router.get("/streams", tags=["streams"])
    def list_streams() -> list[StreamDetail]:
        """Every stream with its state."""
        return [_detail(worker, stream) for stream in worker.streams()]

    @router.get("/streams/{name:path}/preview.jpg", tags=["streams"], response_class=Response)
    def preview(name: str, width: Annotated[int, Query(ge=32, le=1920)] = 480) -> Response:
        """Newest picture; the time of its capture is in the header ``Picture-At``."""
        picture = find_stream(worker, name).preview(width)
        if picture is None:
            raise NoPictureError(f"{name} has brought no picture yet.")
        headers = {"Picture-At": f"{picture.at:.4f}", "Cache-Control": "no-store"}
        return Response(picture.jpeg, media_type="image/jpeg", headers=headers)

    @router.get("/streams/{name:path}", tags=["streams"])
    def show_stream(name: str) -> StreamDetail:
        """One stream with its state."""
        return _detail(worker, find_stream(worker, name))


def _add_changing(router: APIRouter, worker: Worker) -> None:
    @router.post("/streams", tags=["streams"], status_code=HTTPStatus.CREATED)
    def add_stream(stream: StreamSettings) -> StreamDetail:
        """Begin to analyse a stream, now and after a restart."""
        _check_model(worker, stream.model)
        worker.add(stream)
        return _detail(worker, find_stream(worker, stream.name))

    @router.put("/streams/{name:path}", tags=["streams"])
    def change_stream(name: str, change: StreamChange) -> StreamDetail:
        """Change where a stream comes from, or its model; it starts again, its `seq` goes on."""
        stream = find_stream(worker, name)
        if change.name not in (None, name):
            raise RenamedError(f"{name} cannot be renamed.", "Remove it, and add another.")
        if change.model != stream.settings.model:
            _check_model(worker, change.model)
        try:
            worker.change(change.of(stream.settings))
        except KeyError as exc:
            raise UnknownStreamError(f"{name} was removed meanwhile.") from exc
        return _detail(worker, stream)

    @router.delete("/streams/{name:path}", tags=["streams"], status_code=HTTPStatus.NO_CONTENT)
    def remove_stream(name: str) -> None:
        """Stop analysing a stream."""
        find_stream(worker, name)
        worker.remove(name)


def choosable(worker: Worker) -> list[Bundle]:
    """Bundles that a stream may choose, the default first."""
    default = worker.model.bundle
    others = worker.engines.models.available()
    return [default, *(bundle for bundle in others if bundle.name != default.name)]


def _check_model(worker: Worker, name: str | None) -> None:
    # Names alone: over the network, a path would tell what lies on this machine.
    names = [bundle.name for bundle in choosable(worker)]
    if name is not None and name not in names:
        raise UnknownModelError(f"There is no model {name!r}.", f"There are: {', '.join(names)}.")


def _detail(worker: Worker, stream: AnalysedStream) -> StreamDetail:
    return StreamDetail(
        **asdict(stream.status()),
        url=redact(stream.settings.url),
        loop=stream.settings.loop,
        chosen_model=stream.settings.model,
        origin=worker.origin(stream.name),
        paused=stream.control.paused,
    )


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
