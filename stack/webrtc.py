"""Video for browsers: which server of WHEP and WHIP there is.

Ours runs beside the embedded RTSP server; MediaMTX brings its own.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from contracts.settings import WebrtcSettings, is_loopback
from stack.rtsp import RtspService
from stack.serving import serve
from streaming.rtsp import RtspServer
from streaming.webrtc import Endpoint, WebrtcOptions

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serve_webrtc(settings: WebrtcSettings, rtsp: RtspService) -> AsyncIterator[str | None]:
    """Run, or reach, the server of video for browsers while the context lasts.

    Args:
        settings: Whether and where.
        rtsp: The RTSP server, whose paths browsers watch.

    Yields:
        Base URL with the credentials of our own parts, for ``dashboard.whep_url``; ``None`` if
        there is no such server: browsers then see pictures.

    Raises:
        PortInUseError: Another program listens on the address.
    """
    if settings.url is not None or not settings.enabled:
        yield settings.url
    elif rtsp.server is not None:
        async with serve_endpoint(settings, rtsp.server) as url:
            yield _with_login_of(rtsp.publish_url, url)
    elif rtsp.kind == "mediamtx":
        host = urlsplit(rtsp.url).hostname or "127.0.0.1"
        yield _with_login_of(rtsp.publish_url, _url(host, settings.port))
    else:
        yield None


@asynccontextmanager
async def serve_endpoint(settings: WebrtcSettings, server: RtspServer) -> AsyncIterator[str]:
    """Serve WHEP and WHIP of the embedded RTSP server while the context lasts.

    Args:
        settings: Where.
        server: Runs on the same event loop.

    Yields:
        Base URL, without credentials.
    """
    options = WebrtcOptions(settings.host, settings.max_viewers)
    endpoint = Endpoint(server.hub, options)
    if not server.hub.options.users and not is_loopback(settings.host):
        _log.warning("WebRTC without users is open to everybody who reaches %s", settings.host)
    async with serve(endpoint.app(), settings.host, settings.port, "webrtc.port") as port:
        yield _url(settings.host, port)


def _url(host: str, port: int) -> str:
    """Where this machine reaches a listener."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _with_login_of(publish_url: str, url: str) -> str:
    """Put the credentials of one URL into another."""
    login, at, _ = urlsplit(publish_url).netloc.rpartition("@")
    return url.replace("://", f"://{login}{at}", 1)
