"""The API as an ASGI application."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from inference.api.auth import TokenCheck
from inference.api.health import health_routes
from inference.api.openapi import describe_api
from inference.api.problems import answer_errors
from inference.api.streams import stream_routes
from inference.worker import Worker

API_VERSION: Final = "1.0.0"
"""Of the interface, as it stands in the first part of every path."""


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
        title="actionstream",
        version=API_VERSION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=_operation_id,
    )
    token = worker.settings.api.token
    if token is not None:
        api.add_middleware(TokenCheck, token=token.get_secret_value())
    answer_errors(api)
    for router in (*further, health_routes(worker, broker_connected), stream_routes(worker)):
        api.include_router(router)
    _add_documentation(api)
    describe_api(api, token_required=token is not None)
    return api


def _operation_id(route: APIRoute) -> str:
    """Method and path in words: unique, and the same whatever the function is called."""
    words = re.findall(r"[a-z0-9_]+", route.path_format.removeprefix("/v1"))
    return "_".join([*sorted(route.methods or ()), *words]).lower()


def _add_documentation(api: FastAPI) -> None:
    """Serve Swagger UI from this machine: FastAPI's own page would fetch it from elsewhere."""
    files = StaticFiles(packages=[("fastapi_swagger", "resources")])
    api.mount("/docs/assets", files, name="documentation")

    @api.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title="actionstream: REST API",
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon-32x32.png",
        )
