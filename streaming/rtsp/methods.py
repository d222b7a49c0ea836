"""The RTSP methods (RFC 2326 section 10)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .auth import Action
from .messages import Request, Response, StatusError
from .sdp import SdpError, parse_sdp
from .session import Session
from .transport import parse_transport
from .url import RtspUrl, is_path_name, match_control, parse_url, split_track

if TYPE_CHECKING:
    from .connection import Connection

_log = logging.getLogger(__name__)
_GSTREAMER_PAUSE_S = 1.0
"""rtspclientsink loses the answer to a SETUP that comes before it has built its sockets."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer, when, and what to do once the answer is written.

    Attributes:
        response: The answer, without CSeq.
        then: Called after it was written; media must not overtake the answer.
        delay_s: How long to hold the answer back, in seconds.
    """

    response: Response
    then: Callable[[], None] | None = None
    delay_s: float = 0.0


def handle(connection: Connection, request: Request) -> Reply:
    """Carry a request out.

    Args:
        connection: Where it came from.
        request: The request.

    Raises:
        StatusError: It cannot be carried out.
    """
    method = _METHODS.get(request.method)
    if method is None:
        raise StatusError(501, f"{request.method} is not served", _PUBLIC)
    return method(connection, request)


def _options(connection: Connection, request: Request) -> Reply:
    """What is served; also a keepalive."""
    session = connection.hub.sessions.get(_session_id(request))
    if session is not None:
        session.touch(connection)
        return Reply(Response(200, (*_PUBLIC, session.header())))
    return Reply(Response(200, _PUBLIC))


def _describe(connection: Connection, request: Request) -> Reply:
    """The description of a published path."""
    url = _url(request)
    _authorize(connection, request, "read", url.name)
    path = connection.hub.path(url.name)
    headers = (("Content-Type", "application/sdp"), ("Content-Base", f"{url.base()}/"))
    return Reply(Response(200, headers, path.describe()))


def _announce(connection: Connection, request: Request) -> Reply:
    """Begin to publish. The answer has no Session header: FFmpeg and RFC expect it from SETUP."""
    url = _url(request)
    if not is_path_name(url.name):
        raise StatusError(400, "a path name is needed: letters, digits and _~.- between slashes")
    _authorize(connection, request, "publish", url.name)
    kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind != "application/sdp":
        raise StatusError(415, "application/sdp expected")
    if connection.session is not None:
        raise StatusError(455, "the connection has a session already")
    connection.hub.check_free(url.name)
    try:
        description = parse_sdp(request.body)
    except SdpError as exc:
        raise StatusError(400, f"SDP: {exc}") from exc
    connection.session = Session(connection, url, description)
    return Reply(Response(200))


def _setup(connection: Connection, request: Request) -> Reply:
    """Set one track up, of a publisher or of a reader; the latter's first one begins a session."""
    url = _url(request)
    session = _find_session(connection, request)
    if session is None:
        url, track = split_track(url)
        session = _new_reader(connection, request, url)
        fresh = True
    else:
        track = _track_of(session, url)
        fresh = False
    offers = parse_transport(request.header("Transport") or "")
    try:
        answer = session.setup(track or 0, offers, connection)
    except StatusError:
        if fresh:  # otherwise every refused transport would leave a session behind
            session.close("refused")
        raise
    connection.session = session
    slow = not session.reads and (request.header("User-Agent") or "").startswith("GStreamer")
    headers = (("Transport", answer.to_header()), session.header())
    return Reply(Response(200, headers), delay_s=_GSTREAMER_PAUSE_S if slow else 0.0)


def _new_reader(connection: Connection, request: Request, url: RtspUrl) -> Session:
    """A session that reads a published path."""
    _authorize(connection, request, "read", url.name)
    return Session(
        connection, RtspUrl(url.host, url.path, url.query), connection.hub.path(url.name)
    )


def _track_of(session: Session, url: RtspUrl) -> int | None:
    """Which track of a session a SETUP means; None when the URL names none."""
    if session.reads:
        base, track = split_track(url)
        if base.name != session.base.name:
            raise StatusError(459, "a session reads one path")
        return track
    controls = tuple(media.control for media in session.description.media)
    track = match_control(url, session.base, controls)
    if track is None:
        raise StatusError(404, "the URL names no announced track")
    return track


def _play(connection: Connection, request: Request) -> Reply:
    """Begin to read; media follow the answer."""
    session = _session(connection, request)
    info = session.play()
    headers = [session.header()]
    if info:
        headers.append(("RTP-Info", info))
    return Reply(Response(200, tuple(headers)), then=session.start_playing)


def _record(connection: Connection, request: Request) -> Reply:
    """Begin to publish."""
    session = _session(connection, request)
    session.record()
    return Reply(Response(200, (session.header(),)))


def _pause(connection: Connection, request: Request) -> Reply:
    """Stop the media of a reader for a while."""
    session = _session(connection, request)
    session.pause()
    return Reply(Response(200, (session.header(),)))


def _teardown(connection: Connection, request: Request) -> Reply:
    """End a session."""
    session = _session(connection, request)
    session.close("teardown")
    return Reply(Response(200))


def _get_parameter(connection: Connection, request: Request) -> Reply:
    """Keepalive; no parameters are served."""
    if not _session_id(request) and connection.session is None:
        return Reply(Response(200))
    session = _session(connection, request)
    return Reply(Response(200, (session.header(),)))


def _url(request: Request) -> RtspUrl:
    """The request's URL.

    Raises:
        StatusError: 400, not an RTSP URL.
    """
    url = parse_url(request.url)
    if url is None:
        raise StatusError(400, "not an RTSP URL")
    return url


def _session_id(request: Request) -> str:
    """Identifier in the Session header, without parameters; empty without one."""
    return (request.header("Session") or "").partition(";")[0].strip()


def _find_session(connection: Connection, request: Request) -> Session | None:
    """The session a request belongs to; None when it begins one.

    Raises:
        StatusError: 454, it names a session that does not exist.
    """
    name = _session_id(request)
    session = connection.hub.sessions.get(name) if name else connection.session
    if session is None:
        if name:
            raise StatusError(454, "no such session")
        return None
    session.touch(connection)
    return session


def _session(connection: Connection, request: Request) -> Session:
    """The session a request belongs to.

    Raises:
        StatusError: 454, there is none.
    """
    session = _find_session(connection, request)
    if session is None:
        raise StatusError(454, "no session")
    return session


def _authorize(connection: Connection, request: Request, action: Action, path: str) -> None:
    """Make sure that the client may do this.

    Raises:
        StatusError: 401 with challenges, or 403.
    """
    verdict = connection.hub.auth.check(request, action, path, connection.nonce)
    if verdict == "granted":
        return
    if verdict == "forbidden":
        raise StatusError(403, f"the user may not {action} {path!r}")
    if verdict == "wrong":
        connection.refuse_password()
    why = "user and password needed" if verdict == "challenge" else "wrong user or password"
    raise StatusError(401, why, connection.hub.auth.challenges(connection.nonce))


_METHODS: dict[str, Callable[[Connection, Request], Reply]] = {
    "OPTIONS": _options,
    "DESCRIBE": _describe,
    "ANNOUNCE": _announce,
    "SETUP": _setup,
    "PLAY": _play,
    "RECORD": _record,
    "PAUSE": _pause,
    "TEARDOWN": _teardown,
    "GET_PARAMETER": _get_parameter,
}
_PUBLIC = (("Public", ", ".join(_METHODS)),)
