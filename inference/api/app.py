"""The API as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter, FastAPI

from inference.api.auth import require_token
from inference.api.health import health_routes
from inference.api.problems import answer_errors
from inference.api.streams import stream_routes
from inference.worker import Worker


def create_api(
    worker: Worker, broker_connected: Callable[[], bool], further: Sequence[APIRouter] = ()
) -> FastAPI:
    """Build the API of a worker.

    Args:
        worker: Runs and is stopped elsewhere.
        broker_connected: Whether results leave the process now.
        further: Routes of what runs beside the worker. They come first: a stream's name may hold
            slashes, so that the routes of streams match much.

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
        require_token(api, token.get_secret_value())
    answer_errors(api)
    for router in (*further, health_routes(worker, broker_connected), stream_routes(worker)):
        api.include_router(router)
    return api
