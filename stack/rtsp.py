"""Which RTSP server serves, and how its paths are discovered.

Every server tells its paths in the same way, MediaMTX's API v3: MediaMTX itself, and a small page
of the same form for the embedded server where it runs as a process of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from fastapi import FastAPI

from contracts.errors import ConfigError, MissingDependencyError
from contracts.settings import RtspSettings
from inference.worker import Discovery
from streaming.mediamtx import MediaMtxApi, MediaMtxProcess
from streaming.mediamtx.config import MediaMtxPorts
from streaming.mediamtx.process import find_binary
from streaming.rtsp import RtspServer, RtspServerOptions, RtspUser


@dataclass(frozen=True, slots=True)
class RtspService:
    """An RTSP server that is there.

    Attributes:
        kind: ``embedded``, ``mediamtx`` or ``external``.
        url: Base URL for people, without credentials.
        discovery: Where published paths appear; ``None`` if the server does not tell them.
        publish_url: Base URL with the credentials that our own publisher uses.
        server: The embedded server, if it is that.
    """

    kind: str
    url: str
    discovery: Discovery | None
    publish_url: str
    server: RtspServer | None = None


def choose_server(settings: RtspSettings) -> str:
    """Decide who serves: ``external``, ``mediamtx`` or ``embedded``.

    Raises:
        ConfigError: ``external`` without a URL.
        MissingDependencyError: ``mediamtx`` without the program.
    """
    kind = settings.server
    if kind == "auto":
        return "external" if settings.url else "mediamtx" if find_binary() else "embedded"
    if kind == "external" and not settings.url:
        raise ConfigError("`rtsp.server` is `external`, but `rtsp.url` is not set.")
    if kind == "mediamtx" and not find_binary():
        raise MissingDependencyError(
            "`rtsp.server` is `mediamtx`, but there is no `mediamtx` on PATH.",
            "Install MediaMTX, or set `rtsp.server` to `embedded`.",
        )
    return kind


@asynccontextmanager
async def serve_rtsp(
    settings: RtspSettings, webrtc_port: int | None = None
) -> AsyncIterator[RtspService]:
    """Run, or reach, the RTSP server while the context lasts.

    Args:
        settings: Which one and where.
        webrtc_port: Where MediaMTX serves WebRTC; default: its own.

    Yields:
        The server.

    Raises:
        ActionstreamError: It cannot be started; says why.
    """
    kind = choose_server(settings)
    if kind == "external":
        yield reach_rtsp(settings)
    elif kind == "mediamtx":
        ports = MediaMtxPorts() if webrtc_port is None else MediaMtxPorts(webrtc=webrtc_port)
        async with MediaMtxProcess(settings, ports) as process:
            discovery = Discovery(lambda: _follow_api(process.api()), process.reader_url)
            base = process.reader_url("").rstrip("/")
            yield RtspService(kind, _bare(base), discovery, base)
    else:
        async with embedded_server(settings) as (server, login):
            base = _with_login(server.url("").rstrip("/"), login)
            discovery = Discovery(lambda: _follow_server(server), lambda path: _join(base, path))
            yield RtspService(kind, _bare(base), discovery, base, server)


def reach_rtsp(settings: RtspSettings) -> RtspService:
    """Describe a server that runs elsewhere, or as another process of this machine.

    Args:
        settings: ``url`` and ``api_url``; without them, the ports this product uses itself.
    """
    base = (settings.url or f"rtsp://{settings.host}:{settings.port}").rstrip("/")
    api_url = settings.api_url
    if api_url is None and settings.url is None:
        api_url = f"http://127.0.0.1:{settings.api_port}"
    discovery = None
    if api_url is not None:
        address = api_url
        discovery = Discovery(lambda: _follow_api(_api(address)), lambda path: _join(base, path))
    return RtspService("external", _bare(base), discovery, base)


@asynccontextmanager
async def embedded_server(settings: RtspSettings) -> AsyncIterator[tuple[RtspServer, str]]:
    """Run the embedded server while the context lasts.

    Yields:
        The server, and ``user:password`` for our own parts (empty where nobody needs one).
    """
    users = [
        RtspUser(user.name, user.password.get_secret_value(), tuple(user.publish), tuple(user.read))
        for user in settings.users
    ]
    login = ""
    if users:
        ours = RtspUser("actionstream", secrets.token_urlsafe(24), ("*",), ("*",))
        users.append(ours)
        login = f"{ours.name}:{ours.password}"
    options = RtspServerOptions(
        host=settings.host, port=settings.port, users=tuple(users), udp=settings.udp
    )
    async with RtspServer(options) as server:
        yield server, login


def paths_api(server: RtspServer) -> FastAPI:
    """Tell the embedded server's paths in the form of MediaMTX's ``/v3/paths/list``.

    Args:
        server: Runs on the same event loop.
    """
    api = FastAPI(title="actionstream RTSP server", docs_url=None, redoc_url=None)

    @api.get("/v3/paths/list")
    async def paths() -> dict[str, Any]:
        items = [
            {
                "name": path.name,
                "available": True,
                "online": True,
                "tracks2": [{"codec": codec} for codec in path.codecs],
                "inboundBytes": path.bytes_in,
                "readers": [{} for _ in range(path.readers)],
            }
            for path in server.paths()
        ]
        return {"pageCount": 1, "itemCount": len(items), "items": items}

    @api.get("/healthz")
    async def healthz() -> str:
        return "ok"

    return api


async def _follow_server(server: RtspServer) -> AsyncIterator[frozenset[str]]:
    yield frozenset(path.name for path in server.paths())
    async for _ in server.changes():
        yield frozenset(path.name for path in server.paths())


async def _follow_api(api: MediaMtxApi) -> AsyncIterator[frozenset[str]]:
    async with api:
        async for paths in api.watch_paths(interval_s=0.5):
            yield paths


def _api(url: str) -> MediaMtxApi:
    parts = urlsplit(url)
    return MediaMtxApi(_bare(url), unquote(parts.username or ""), unquote(parts.password or ""))


def _join(base: str, path: str) -> str:
    return f"{base}/{quote(path, safe='/')}"


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _with_login(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@", 1) if login else url
