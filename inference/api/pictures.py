"""Small pictures of a stream's recent past, and those that are kept of its events."""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from contracts.types import Picture, TimeSpan
from inference.api.problems import UnknownStreamError
from inference.api.streams import NoPictureError
from inference.worker import Worker

NEAR_S = 10.0
"""A picture that is farther from the time asked for would mislead."""
_MAX_TIMES = 10_000
_Utc = Annotated[float | None, Query(ge=0, allow_inf_nan=False, description="UTC seconds")]


def picture_routes(worker: Worker) -> APIRouter:
    """Routes ``/v1/streams/{name}/pictures`` and ``…/picture.jpg``.

    Args:
        worker: Whose streams.

    Returns:
        The routes; they must come before those of single streams.
    """
    router = APIRouter(prefix="/v1/streams/{name:path}", tags=["pictures"])

    @router.get("/pictures")
    def pictures(name: str, since: _Utc = None, until: _Utc = None) -> dict[str, list[float]]:
        """UTC seconds of the pictures that can be asked for, oldest first."""
        span = TimeSpan(since or 0.0, math.inf if until is None else until)
        times: set[float] = set()
        if worker.event_pictures is not None:
            times.update(worker.event_pictures.between(name, span, _MAX_TIMES))
        try:
            recent = worker.stream(name).recent.pictures
        except KeyError as exc:
            if not times:
                raise UnknownStreamError(f"There is no stream called {name}.") from exc
        else:
            times.update(picture.at for picture in recent.between(span))
        return {"at": sorted(times)}

    @router.get("/picture.jpg", response_class=Response, responses=_RESPONSES)
    def picture(
        name: str,
        at: Annotated[float, Query(ge=0, allow_inf_nan=False, description="UTC seconds")],
    ) -> Response:
        """The kept picture nearest to a time; its own time is in the header ``Picture-At``."""
        found = _nearest(worker, name, at)
        if found is None:
            raise NoPictureError(f"No picture of {name} is kept within {NEAR_S:g} s of that time.")
        headers = {"Picture-At": f"{found.at:.4f}", "Cache-Control": _cache(found, at)}
        return Response(found.jpeg, media_type="image/jpeg", headers=headers)

    return router


_RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK.value: {"content": {"image/jpeg": {}}, "description": "The picture"}
}


def _nearest(worker: Worker, name: str, at: float) -> Picture | None:
    found: list[Picture | None] = []
    try:
        found.append(worker.stream(name).recent.pictures.nearest(at))
    except KeyError:
        if worker.event_pictures is None:
            raise UnknownStreamError(f"There is no stream called {name}.") from None
    if worker.event_pictures is not None:
        found.append(worker.event_pictures.nearest(name, at))
    near = [one for one in found if one is not None and abs(one.at - at) <= NEAR_S]
    return min(near, key=lambda picture: abs(picture.at - at), default=None)


def _cache(picture: Picture, at: float) -> str:
    """A picture of a past time stays what it is; a nearer one may still come to a present one."""
    exact = abs(picture.at - at) < 0.001 or at < time.time() - NEAR_S
    return "private, max-age=3600" if exact else "no-store"
