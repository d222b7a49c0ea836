"""The dashboard as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from dash import ClientsideFunction, Dash, Input
from fastapi import FastAPI, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.settings import Settings
from contracts.topics import Topics
from dashboard.control import control_routes
from dashboard.increments import Increments
from dashboard.layout import PATHS, page
from dashboard.live import Live
from dashboard.preview import CAPTURED, Previews
from dashboard.proxy import Proxy
from dashboard.signalling import Signalling
from dashboard.store import Store
from dashboard.subscriber import Subscriber

_ASSETS = Path(__file__).with_name("assets")
_TITLE = "actionstream"

# Dash's own document names no language, which screen readers need, and shows Dash's own icon.
_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
{%css%}
</head>
<body>
{%app_entry%}
<footer>
{%config%}
{%scripts%}
{%renderer%}
</footer>
</body>
</html>
"""

# Everything is served from here; inline scripts are Dash's own start-up code and configuration.
_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self' ws: wss:; frame-ancestors 'self'; base-uri 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def create_app(settings: Settings) -> FastAPI:
    """Build the application.

    Its lifespan starts and stops the subscription; without a broker it serves the page, which
    says so.

    Args:
        settings: All settings.

    Returns:
        The ASGI application.

    Raises:
        ConfigError: ``mqtt.url`` is no broker's URL.
    """
    store = Store(Topics(settings.mqtt.prefix), settings.dashboard.window_s)
    subscriber = Subscriber(settings.mqtt, store)
    live = Live(Increments(store, subscriber.address))
    previews = Previews(settings.dashboard)
    proxy = Proxy(settings.dashboard)
    signalling = Signalling(settings.dashboard)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        subscriber.start()
        try:
            yield
        finally:
            live.close()
            await previews.close()
            await proxy.close()
            await signalling.close()
            await asyncio.to_thread(subscriber.stop)

    app = FastAPI(title=_TITLE, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(live.router)
    app.include_router(proxy.router)
    app.include_router(signalling.router)
    app.include_router(control_routes(subscriber, settings.dashboard.read_only))
    _add_previews(app, previews)
    _add_page(app, settings)
    return app


def _add_previews(app: FastAPI, previews: Previews) -> None:
    @app.get("/preview/{stream:path}.jpg")
    async def preview(stream: str) -> Response:
        picture = await previews.get(stream)
        headers = {"Cache-Control": "no-store"}
        if picture.missing is not None:
            # Not an error to the browser, which would fill its console with what is normal.
            return Response(status_code=204, headers=headers | {"X-Missing": picture.missing})
        return Response(
            picture.jpeg, media_type="image/jpeg", headers=headers | {CAPTURED: picture.at}
        )


def _add_page(app: FastAPI, settings: Settings) -> None:
    """Add the page at ``/`` and at ``/stream/<name>``, and ``/healthz``."""
    # Dash's types know of no FastAPI server and leave methods untyped.
    dash: Any = Dash(
        _TITLE,
        server=cast(Any, app),
        title=_TITLE,
        update_title="",
        index_string=_DOCUMENT,
        assets_folder=str(_ASSETS),
        serve_locally=True,
        add_log_handler=False,
    )
    # Else every page would open a websocket of Dash's own, which nothing here uses.
    dash.backend.websocket_capability = False
    dash.layout = page(settings)
    dash.clientside_callback(
        ClientsideFunction("actionstream", "choose"),
        Input("chooser", "value"),
        prevent_initial_call=True,
    )

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    # Added last and therefore outermost: Dash must already see the rewritten path.
    app.add_middleware(_Edge)


class _Edge:
    """Serves the page at deep links, too, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_page = (scope["path"].rstrip("/") or "/") in PATHS
        is_page = is_page or scope["path"].startswith("/stream/")

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if not is_page and headers.get("content-type", "").startswith("text/html"):
                    # Dash answers every address that it does not know with the page, which then
                    # says that there is nothing.
                    message = {**message, "status": 404}
                headers.update(_SECURITY)
            await send(message)

        if is_page:
            # The scripts read from the browser's address which page and which stream it is.
            scope = {**scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, receive, secured)
