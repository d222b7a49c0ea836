"""A bearer token on every route but those that a supervisor asks and those that explain the API."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.api.problems import problem

OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json")
"""Paths without a token; those below them too."""


class TokenCheck:
    """Middleware that refuses every plain request without the token.

    Websockets pass: browsers cannot send a header with them, so that their routes ask themselves.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Wrap an application.

        Args:
            app: The application.
            token: What is asked for.
        """
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        refusal = problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "A bearer token is required.",
            {"WWW-Authenticate": "Bearer"},
        )
        await refusal(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        path = scope["path"]
        if any(path == open_path or path.startswith(f"{open_path}/") for open_path in OPEN):
            return True
        given = Headers(scope=scope).get("authorization", "").encode()
        return hmac.compare_digest(given, self._expected)
