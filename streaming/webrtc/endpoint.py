"""WHEP and WHIP over HTTP, in MediaMTX's URL shape.

``POST /{path}/whep`` watches (draft-ietf-wish-whep), ``POST /{path}/whip`` publishes (RFC 9725);
``DELETE`` of what the ``Location`` of the answer names ends it. Beyond those, ``GET`` of a watching
session tells at what time its pictures were captured.

All candidates are in the answer, so there is nothing to trickle: ``PATCH`` is refused. Pages of
other origins are refused, too; the dashboard passes its visitors' requests on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from urllib.parse import quote, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streaming.rtsp.auth import Action, Authenticator
from streaming.rtsp.hub import Guest, Hub
from streaming.rtsp.messages import Request as RtspRequest
from streaming.rtsp.messages import StatusError
from streaming.rtsp.url import is_path_name
from streaming.webrtc.intake import Intake
from streaming.webrtc.options import RefusedError, WebrtcOptions
from streaming.webrtc.peer import MAX_OFFER_BYTES
from streaming.webrtc.viewer import Viewer

_log = logging.getLogger(__name__)
_SDP = "application/sdp"
_WRONG_PASSWORD_S = 1.0
"""Pause after a wrong password, against guessing."""
_BODY_S = 5.0
_CODES = {403: "forbidden", 404: "no_such_path", 503: "too_many"}


class Endpoint:
    """Serves browsers beside an RTSP server, on its event loop."""

    def __init__(self, hub: Hub, options: WebrtcOptions) -> None:
        """Prepare.

        Args:
            hub: Of the RTSP server.
            options: What browsers may do.
        """
        self._hub = hub
        self._options = options
        # A nonce belongs to a connection, and HTTP has many: Basic alone, as MediaMTX does it.
        self._auth = Authenticator(hub.options.users, ("basic",))
        self._sessions: dict[str, Viewer | Intake] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        """Browsers that watch now."""
        return sum(session.reads for session in self._sessions.values())

    @property
    def publishers(self) -> int:
        """Browsers that publish now."""
        return len(self._sessions) - self.viewers

    def app(self) -> Starlette:
        """The application; its end ends all sessions."""

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            yield
            await self.close()

        return Starlette(
            routes=[
                Route("/{path:path}/whep/{id}", self._of(self._session), methods=["GET", "DELETE"]),
                Route("/{path:path}/whip/{id}", self._of(self._session), methods=["DELETE"]),
                Route("/{path:path}/whep", self._of(self._watch), methods=["POST", "OPTIONS"]),
                Route("/{path:path}/whip", self._of(self._publish), methods=["POST", "OPTIONS"]),
            ],
            lifespan=lifespan,
        )

    async def close(self) -> None:
        """End all sessions."""
        for session in list(self._sessions.values()):
            session.close("the server closes")
        while self._ending:
            await asyncio.gather(*self._ending, return_exceptions=True)

    def _of(
        self, work: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Answer refusals as problem details (RFC 9457)."""

        async def answer(request: Request) -> Response:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Accept-Post": _SDP})
            try:
                _check_origin(request)
                return await work(request)
            except RefusedError as exc:
                return _problem(exc)
            except StatusError as exc:
                code = _CODES.get(exc.status, "refused")
                return _problem(RefusedError(exc.status, code, exc.why))

        return answer

    async def _watch(self, request: Request) -> Response:
        name = request.path_params["path"]
        await self._authorize(request, "read", name)
        offer = await _offer(request)
        path = self._hub.path(name)
        if self.viewers >= self._options.max_viewers:
            why = f"{self.viewers} browsers watch already (webrtc.max_viewers)."
            raise RefusedError(503, "too_many_viewers", why)
        viewer = Viewer(path, self._hub.options.limits, self._options, self._drop)
        return await self._begin(request, viewer, offer)

    async def _publish(self, request: Request) -> Response:
        name = request.path_params["path"]
        if not is_path_name(name):
            why = "A name has letters, digits and _~.- between slashes."
            raise RefusedError(400, "bad_name", why)
        await self._authorize(request, "publish", name)
        offer = await _offer(request)
        self._hub.check_free(name)
        if self.publishers >= self._options.max_publishers:
            why = f"{self.publishers} browsers publish already."
            raise RefusedError(503, "too_many_publishers", why)
        return await self._begin(request, Intake(name, self._hub, self._options, self._drop), offer)

    async def _begin(self, request: Request, session: Viewer | Intake, offer: str) -> Response:
        """Answer the offer and keep the session."""
        identifier = secrets.token_urlsafe(18)
        try:
            self._hub.add_guest(session)
            self._sessions[identifier] = session
            address = request.client.host if request.client else "127.0.0.1"
            answer = await session.open(offer, address)
        except (StatusError, RefusedError):
            session.close("refused")
            raise
        location = f"{quote(request.url.path)}/{identifier}"
        headers = {"Location": location, "Access-Control-Expose-Headers": "Location"}
        return Response(answer, 201, headers, media_type=_SDP)

    async def _session(self, request: Request) -> Response:
        """What a session's own address is asked; its secret identifier is the permission."""
        identifier = request.path_params["id"]
        session = self._sessions.get(identifier)
        if request.method == "DELETE":  # of a session that has ended, too: that was its purpose
            if session is not None:
                session.close("the browser ended it")
                await session.closed()
            return Response(status_code=200)
        if session is None:
            raise RefusedError(404, "no_such_session", "This session has ended.")
        assert isinstance(session, Viewer)
        times = await session.capture_time()
        if times is None:
            return Response(status_code=204)
        return JSONResponse(asdict(times), headers={"Cache-Control": "no-store"})

    async def _authorize(self, request: Request, action: Action, path: str) -> None:
        """Make sure that the user may do this.

        Raises:
            RefusedError: 401 or 403.
        """
        shown = request.headers.get("Authorization")
        headers = () if shown is None else (("Authorization", shown),)
        verdict = self._auth.check(RtspRequest(request.method, "", headers), action, path, "")
        if verdict == "forbidden":
            raise RefusedError(403, "forbidden", f"This user may not {action} {path}.")
        if verdict == "wrong":
            await asyncio.sleep(_WRONG_PASSWORD_S)
            raise RefusedError(401, "wrong_password", "Wrong user or password.")
        if verdict == "challenge":
            raise RefusedError(401, "login_needed", "A user and a password are needed.")

    def _drop(self, session: Guest) -> None:
        """A session is ending."""
        self._hub.guests.discard(session)
        for identifier, known in list(self._sessions.items()):
            if known is session:
                del self._sessions[identifier]
                task = asyncio.create_task(known.closed(), name="webrtc ending")
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)


def _check_origin(request: Request) -> None:
    """Refuse pages of other origins.

    Raises:
        RefusedError: 403.
    """
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise RefusedError(403, "foreign_origin", "Pages of other origins may not ask.")


async def _offer(request: Request) -> str:
    """Read the body.

    Raises:
        RefusedError: It is too large, too slow or no SDP.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != _SDP:
        raise RefusedError(415, "not_sdp", f"The body must be {_SDP}.")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_OFFER_BYTES:
                    raise RefusedError(413, "too_large", "The offer is too large.")
    except TimeoutError as exc:
        raise RefusedError(408, "too_slow", "The offer did not come in time.") from exc
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise RefusedError(400, "bad_offer", "The body is no SDP offer of WebRTC.") from exc


def _problem(refused: RefusedError) -> JSONResponse:
    body = {"status": refused.status, "code": refused.code, "detail": refused.why}
    headers = {"Cache-Control": "no-store"}
    if refused.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="actionstream"'
    return JSONResponse(body, refused.status, headers, media_type="application/problem+json")
