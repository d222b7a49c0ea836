"""A bearer token on every route but those that a supervisor asks."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from inference.api.problems import problem

_OPEN = frozenset({"/healthz", "/readyz"})


def require_token(api: FastAPI, token: str) -> None:
    """Refuse every request without a token.

    Args:
        api: The application.
        token: What is asked for.
    """
    expected = f"Bearer {token}".encode()

    @api.middleware("http")
    async def check(
        request: Request, proceed: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        given = request.headers.get("authorization", "").encode()
        if request.url.path in _OPEN or hmac.compare_digest(given, expected):
            return await proceed(request)
        return problem(
            HTTPStatus.UNAUTHORIZED,
            "unauthorized",
            "A bearer token is required.",
            {"WWW-Authenticate": "Bearer"},
        )
