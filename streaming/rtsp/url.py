"""RTSP URLs: path names, and which track a control URL means (RFC 2326 sections 3.2, C.1.1).

Clients join a relative control to the base URL in their own ways: FFmpeg puts it after the query,
GStreamer after the path, and some keep the slash of ``Content-Base``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_PATH = 128
_URL = re.compile(r"rtspu?://(?P<host>[^/?]*)(?P<rest>.*)", re.IGNORECASE)
_PATH = re.compile(r"[0-9A-Za-z_~.-]+(/[0-9A-Za-z_~.-]+)*")
_TRACK = re.compile(r"/?trackID=(?P<number>[0-9]{1,3})/?$")


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """A parsed request URL.

    Attributes:
        host: Host and port as the client wrote them, without credentials.
        path: Between host and query, with its slashes as sent.
        query: After the question mark, as sent; a control part may hang on it.
    """

    host: str
    path: str
    query: str

    @property
    def name(self) -> str:
        """Path name: without leading and trailing slashes."""
        return self.path.strip("/")

    @property
    def full(self) -> str:
        """Path and query, without the outer slashes, for comparing control URLs."""
        return (f"{self.path}?{self.query}" if self.query else self.path).strip("/")

    def base(self) -> str:
        """The URL as text, without credentials and trailing slash."""
        query = f"?{self.query}" if self.query else ""
        return f"rtsp://{self.host}/{self.name}{query}".rstrip("/")


def parse_url(text: str) -> RtspUrl | None:
    """Take a request URL apart; None when it is no RTSP URL."""
    match = _URL.fullmatch(text)
    if match is None:
        return None
    path, _, query = match["rest"].partition("?")
    return RtspUrl(match["host"].rpartition("@")[2], path, query)


def is_path_name(name: str) -> bool:
    """Whether a path may be published under this name.

    Letters, digits and ``_ ~ . -`` in parts between single slashes; the name goes into topics,
    files and log lines, so nothing else is let in.
    """
    if len(name) > MAX_PATH or not _PATH.fullmatch(name):
        return False
    return not any(part.strip(".") == "" for part in name.split("/"))


def split_track(url: RtspUrl) -> tuple[RtspUrl, int | None]:
    """Separate the ``trackID=`` control that the server hands out.

    Args:
        url: URL of a SETUP.

    Returns:
        The URL without the control, and the track index, None when it names none.
    """
    part = url.query or url.path
    match = _TRACK.search(part)
    if match is None:
        return url, None
    part = part[: match.start()]
    number = int(match["number"])
    if url.query:
        return RtspUrl(url.host, url.path, part), number
    return RtspUrl(url.host, part, ""), number


def match_control(url: RtspUrl, base: RtspUrl, controls: tuple[str, ...]) -> int | None:
    """Find the medium of a publisher that a SETUP URL means.

    Args:
        url: URL of the SETUP.
        base: URL of the ANNOUNCE.
        controls: ``a=control`` of each medium as announced; empty where there is none.

    Returns:
        Index of the medium, or None. A bare base URL means the only medium there is.
    """
    for index, control in enumerate(controls):
        absolute = parse_url(control)
        wanted = absolute.full if absolute else control.strip("/")
        if not wanted:
            continue
        candidates = (wanted,) if absolute else (f"{base.full}/{wanted}", f"{base.name}/{wanted}")
        if url.full in candidates:
            return index
    return 0 if len(controls) == 1 and url.full in (base.full, base.name) else None
