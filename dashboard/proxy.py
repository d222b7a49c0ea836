"""The worker's REST API for the page, at the page's own address: `/api/x` is the worker's `/v1/x`.

The page needs neither the worker's address nor its token. Bodies are passed on as they come in
both directions, so that an upload needs no memory and progress arrives as it is made.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from contracts.settings import DashboardSettings
from dashboard.guard import problem, refusal

_log = logging.getLogger(__name__)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_TIMEOUT = httpx.Timeout(60.0, connect=2.0)
# Progress and live feeds are silent for as long as nothing happens.
_FEED_TIMEOUT = httpx.Timeout(60.0, connect=2.0, read=None)
_MAX_DISCARDED = 1 << 30
_FEED = "text/event-stream"

# What the worker needs to know of the request; cookies, addresses and the page's own credentials
# stay here.
_ASKED = (
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "if-range",
    "last-event-id",
    "range",
)
# RFC 9110, section 7.6.1, what this server says itself, and what would set something for all of it.
_NOT_PASSED = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    }
)


class Proxy:
    """Passes requests on to the worker; belongs to one event loop, ``close`` ends it."""

    def __init__(self, settings: DashboardSettings) -> None:
        """Prepare the connection; nothing is sent yet.

        Args:
            settings: Where the worker is, its token, and whether the page may change anything.
        """
        self._read_only = settings.read_only
        self._worker = httpx.URL(settings.worker_url)
        token = settings.worker_token
        self._headers = (
            {} if token is None else {"authorization": f"Bearer {token.get_secret_value()}"}
        )
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=256, max_keepalive_connections=16),
            # The worker is named by its URL; a proxy of the environment would only be in the way.
            trust_env=False,
        )
        self.router = APIRouter()
        self.router.add_api_route(
            "/api/{path:path}", self._pass, methods=_METHODS, include_in_schema=False
        )
        self.router.add_api_route("/worker.json", self._readiness, include_in_schema=False)

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _pass(self, request: Request) -> Response:
        refused = refusal(request, self._read_only)
        if refused is not None:
            return refused
        target = self._target(request.scope)
        if target is None:
            return problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such address.")
        return await self._ask(request, target)

    def _target(self, scope: Any) -> httpx.URL | None:
        """The worker's URL of a request: the same bytes, since names may hold escaped slashes."""
        raw: bytes = scope["raw_path"].split(b"?")[0]
        path = raw.removeprefix(b"/api/")
        # Whoever stands before the worker might walk up these and reach what is not ours.
        plain = path.lower().replace(b"%2e", b".").replace(b"%2f", b"/").replace(b"%5c", b"/")
        if path == raw or {b"..", b"."} & set(plain.replace(b"\\", b"/").split(b"/")):
            return None
        base = self._worker.raw_path.rstrip(b"/")
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        return self._worker.copy_with(raw_path=base + b"/v1/" + path + query)

    async def _ask(self, request: Request, target: httpx.URL) -> Response:
        headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
        feed = _FEED in request.headers.get("accept", "")
        body = _Body(request)
        question = self._client.build_request(
            request.method,
            target,
            headers=headers | self._headers,
            content=body.chunks() if body.expected else None,
            timeout=_FEED_TIMEOUT if feed else _TIMEOUT,
        )
        try:
            reply = await self._client.send(question, stream=True)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except httpx.TimeoutException:
            return problem(
                HTTPStatus.GATEWAY_TIMEOUT, "worker_slow", "The worker did not answer in time."
            )
        except httpx.HTTPError as exc:
            _log.debug("The worker does not answer: %s", type(exc).__name__)
            return self._away()
        if reply.status_code == HTTPStatus.UNAUTHORIZED:
            await reply.aclose()
            return problem(
                HTTPStatus.BAD_GATEWAY,
                "worker_refuses",
                "The worker wants another token. Set dashboard.worker_token to its api.token.",
            )
        await body.discard()
        return StreamingResponse(
            _chunks(reply), reply.status_code, headers=dict(_passed(reply.headers.multi_items()))
        )

    def _away(self) -> Response:
        where = str(self._worker.copy_with(userinfo=b""))
        return problem(
            HTTPStatus.BAD_GATEWAY,
            "worker_away",
            f"The worker does not answer at {where}. Is it running?",
        )

    async def _readiness(self) -> dict[str, Any]:
        """What the worker says of itself; never an error, which would fill a browser's console."""
        where = str(self._worker.copy_with(userinfo=b""))
        try:
            reply = await self._client.get(
                self._worker.join("/readyz"), headers=self._headers, timeout=2.0
            )
        except httpx.HTTPError:
            return {"answers": False, "ready": False, "words": "", "address": where}
        return {
            "answers": True,
            "ready": reply.status_code == HTTPStatus.OK,
            "words": reply.text[:300],
            "address": where,
        }


class _Body:
    """The body of a request on its way to the worker."""

    def __init__(self, request: Request) -> None:
        self._stream = request.stream()
        headers = request.headers
        self.expected = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes in."""
        async for chunk in self._stream:
            yield chunk

    async def discard(self) -> None:
        """Read what the worker did not want.

        A browser reads no answer before it has sent everything: a refusal would otherwise look
        like a broken connection.
        """
        if not self.expected:
            return
        left = _MAX_DISCARDED
        try:
            async for chunk in self._stream:
                left -= len(chunk)
                if left < 0:
                    return
        except (ClientDisconnect, RuntimeError):
            # It left, or everything had been read.
            return


def _passed(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in headers if name.lower() not in _NOT_PASSED)


async def _chunks(reply: httpx.Response) -> AsyncIterator[bytes]:
    """The body of an answer as it comes in, compressed as it is."""
    try:
        async for chunk in reply.aiter_raw():
            yield chunk
    except httpx.HTTPError as exc:
        # The status has been sent; a body that ends early is all that can be said now.
        _log.debug("The worker's answer broke off: %s", type(exc).__name__)
    finally:
        await reply.aclose()
