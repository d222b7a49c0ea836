"""WebRTC through the dashboard: offers and answers pass here, the media go straight to the browser.

So the page needs one origin only, and the server of WHEP and WHIP need not let pages of others in.
Watching is as free as the dashboard itself, which shows the server its own user; who publishes must
show his.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Path, Request, Response
from starlette.requests import ClientDisconnect

from contracts.settings import DashboardSettings
from dashboard.guard import problem, refusal

_log = logging.getLogger(__name__)
_SDP = "application/sdp"
_MAX_BYTES = 64 * 1024
_BODY_S = 5.0
# The server may wait a moment for its first picture before it says when that was captured.
_TIMEOUT = httpx.Timeout(8.0, connect=1.0)
_Kind = Literal["whep", "whip"]
_Stream = Annotated[str, Path(max_length=256)]
_Session = Annotated[str, Path(max_length=256)]


class Signalling:
    """Passes WHEP and WHIP requests on. Belongs to one event loop; ``close`` ends it.

    ``POST /whep/<stream>`` and ``POST /whip/<stream>`` answer with the place of the session, of
    which ``DELETE`` ends it and ``GET`` tells when its pictures were captured.

    What the server refuses to a viewer comes with status 200 and its problem details as the body:
    that a video cannot be played is normal, and browsers fill their console with other statuses.
    """

    def __init__(self, settings: DashboardSettings) -> None:
        """Prepare the connection; nothing is sent yet.

        Args:
            settings: Where the server is, and whether anything may be published from the page.
        """
        self._read_only = settings.read_only
        self._base = httpx.URL(settings.whep_url) if settings.whep_url else None
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=8),
            # The server is named by its URL; a proxy of the environment would only be in the way.
            trust_env=False,
        )
        self.router = APIRouter()
        for kind, offer, session in (
            ("whep", self._watch, self._viewer),
            ("whip", self._publish, self._publisher),
        ):
            methods = ["GET", "DELETE"] if kind == "whep" else ["DELETE"]
            place = f"/{kind}/{{stream:path}}"
            self.router.add_api_route(
                f"{place}/session/{{session}}", session, methods=methods, include_in_schema=False
            )
            self.router.add_api_route(place, offer, methods=["POST"], include_in_schema=False)

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _watch(self, request: Request, stream: _Stream) -> Response:
        refused = refusal(request, read_only=False)
        return refused or _quiet(await self._offer(request, "whep", stream))

    async def _publish(self, request: Request, stream: _Stream) -> Response:
        refused = refusal(request, self._read_only)
        return refused or await self._offer(request, "whip", stream)

    async def _viewer(self, request: Request, stream: _Stream, session: _Session) -> Response:
        refused = refusal(request, read_only=False)
        return refused or _quiet(await self._ask(request, "whep", f"{stream}/whep/{session}"))

    async def _publisher(self, request: Request, stream: _Stream, session: _Session) -> Response:
        refused = refusal(request, self._read_only)
        return refused or await self._ask(request, "whip", f"{stream}/whip/{session}")

    async def _offer(self, request: Request, kind: _Kind, stream: str) -> Response:
        """Pass an offer on, and name the session's place here."""
        try:
            offer = await _read(request)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if isinstance(offer, Response):
            return offer
        answer = await self._ask(request, kind, f"{stream}/{kind}", offer)
        if answer.status_code == HTTPStatus.CREATED:
            session = answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
            answer.headers["Location"] = f"/{kind}/{quote(stream)}/session/{session}"
        return answer

    async def _ask(
        self, request: Request, kind: _Kind, path: str, offer: bytes | None = None
    ) -> Response:
        """Ask the server; what it answers, or why it cannot be asked."""
        if self._base is None:
            text = "No server of WebRTC is set (dashboard.whep_url)."
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "no_webrtc", text)
        if {".", ".."} & set(path.split("/")):  # would walk up at the server
            return problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such address.")
        headers = {"Content-Type": _SDP} if offer is not None else {}
        auth: httpx.BasicAuth | None = None
        if kind == "whip" and "Authorization" in request.headers:
            headers["Authorization"] = request.headers["Authorization"]
        elif kind == "whep" and self._base.username:
            auth = httpx.BasicAuth(self._base.username, self._base.password)
        root = self._base.raw_path.rstrip(b"/")
        target = self._base.copy_with(userinfo=b"", raw_path=root + b"/" + quote(path).encode())
        try:
            async with self._client.stream(
                request.method, target, content=offer, headers=headers, auth=auth
            ) as reply:
                return await _passed(reply)
        except httpx.HTTPError as exc:
            _log.debug("The server of WebRTC does not answer: %s", type(exc).__name__)
            text = "The server of WebRTC does not answer."
            return problem(HTTPStatus.BAD_GATEWAY, "webrtc_away", text)


async def _read(request: Request) -> bytes | Response:
    """The offer, or why it is not taken."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _SDP:
        text = f"The body must be {_SDP}."
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_sdp", text)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_BYTES:
                    text = "The offer is too large."
                    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)
    except TimeoutError:
        text = "The offer did not come in time."
        return problem(HTTPStatus.REQUEST_TIMEOUT, "too_slow", text)
    return bytes(body)


async def _passed(reply: httpx.Response) -> Response:
    """The server's answer, bounded, with what of its head concerns the browser."""
    body = bytearray()
    async for chunk in reply.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BYTES:
            text = "The server of WebRTC answers too much."
            return problem(HTTPStatus.BAD_GATEWAY, "webrtc_away", text)
    names = ("Content-Type", "Location", "WWW-Authenticate", "Retry-After")
    headers = {name: reply.headers[name] for name in names if name in reply.headers}
    if reply.is_error and not _is_problem(headers):
        return _unexplained(reply.status_code, headers)
    return Response(bytes(body), reply.status_code, headers | {"Cache-Control": "no-store"})


def _is_problem(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Type", "").startswith("application/problem+json")


def _unexplained(status: int, headers: Mapping[str, str]) -> Response:
    """A refusal of MediaMTX, whose answers are written for programs."""
    kept = {name: headers[name] for name in ("WWW-Authenticate",) if name in headers}
    words = {
        400: "The server refused this video: it may have B-frames, or a coding browsers lack.",
        401: "A user and a password are needed.",
        404: "Nobody publishes this stream now.",
    }
    text = words.get(status, f"The server of WebRTC refused (status {status}).")
    known = status if status in (400, 401, 403, 404, 405, 406, 415, 503) else 502
    return problem(HTTPStatus(known), "refused", text, kept)


def _quiet(answer: Response) -> Response:
    """A refusal that is no error to the browser."""
    if answer.status_code >= 400:
        answer.status_code = HTTPStatus.OK
        # Not the visitor but the dashboard must log in.
        if "WWW-Authenticate" in answer.headers:
            del answer.headers["WWW-Authenticate"]
    return answer
