"""Client of MediaMTX's control API, version 3: which paths are published right now.

Only the fields that matter here are read. MediaMTX 1.17 renamed some of them (``ready`` became
``available`` and ``online``, ``tracks`` became ``tracks2``, ``bytesReceived`` became
``inboundBytes``); both spellings are understood, the new one first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from contracts.errors import (
    ConfigError,
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnreachableError,
    redact,
)

PAGE_ITEMS = 100
MAX_PAGES = 100
"""More than 10,000 paths are cut off: a server that keeps answering must not keep us busy."""
TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PathInfo:
    """One path of the server.

    Attributes:
        name: The path without leading slash.
        available: Somebody may read it.
        online: What can be read comes from a live publisher or camera. A path that is available
            but not online plays MediaMTX's placeholder clip.
        tracks: Names of the codecs, ``("H264", "Opus")``.
        inbound_bytes: Bytes received from the publisher.
        source: Kind of the publisher, ``rtspSession``, or nothing.
    """

    name: str
    available: bool
    online: bool
    tracks: tuple[str, ...] = ()
    inbound_bytes: int = 0
    source: str | None = None


@dataclass(frozen=True, slots=True)
class PathPage:
    """One page of ``/v3/paths/list``.

    Attributes:
        paths: The paths on it.
        page_count: How many pages there are.
    """

    paths: tuple[PathInfo, ...]
    page_count: int


class NotMediaMtxError(ValueError):
    """An answer is not what the control API says; translated by the client."""


def parse_page(answer: object) -> PathPage:
    """Read a decoded answer of ``/v3/paths/list``.

    Args:
        answer: Any JSON value.

    Returns:
        The page, with paths that have no name left out.

    Raises:
        NotMediaMtxError: It is not an object with ``items`` and ``pageCount``.
    """
    if not isinstance(answer, Mapping):
        raise NotMediaMtxError("the answer is not an object")
    items, page_count = answer.get("items"), answer.get("pageCount")
    if not isinstance(items, list) or not isinstance(page_count, int):
        raise NotMediaMtxError("the answer lacks `items` or `pageCount`")
    paths = (_path(item) for item in items if isinstance(item, Mapping))
    return PathPage(tuple(path for path in paths if path.name), page_count)


def _path(item: Mapping[str, Any]) -> PathInfo:
    available = item.get("available", item.get("ready")) is True
    received = item.get("inboundBytes", item.get("bytesReceived"))
    source = item.get("source")
    kind = source.get("type") if isinstance(source, Mapping) else None
    return PathInfo(
        name=str(item.get("name") or ""),
        available=available,
        online=item.get("online", available) is True,
        tracks=_tracks(item),
        inbound_bytes=received if isinstance(received, int) else 0,
        source=kind if isinstance(kind, str) else None,
    )


def _tracks(item: Mapping[str, Any]) -> tuple[str, ...]:
    detailed, plain = item.get("tracks2"), item.get("tracks")
    if isinstance(detailed, list):
        codecs = [track.get("codec") for track in detailed if isinstance(track, Mapping)]
    else:
        codecs = plain if isinstance(plain, list) else []
    return tuple(codec for codec in codecs if isinstance(codec, str))


class MediaMtxApi:
    """Asks a MediaMTX for its paths. Used by one event loop; close it when done."""

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            url: Base of the API, ``http://127.0.0.1:9997``; may hold ``user:password@``.
            user: User name, if the server asks for one and the URL holds none.
            password: That user's password.

        Raises:
            ConfigError: That is no HTTP URL.
        """
        parsed = _http_url(url)
        auth = (parsed.username or user, parsed.password or password)
        bare = parsed.copy_with(userinfo=b"")
        self.url = str(bare).rstrip("/")
        # The API is on this machine or next to it: a proxy from the environment only hides it.
        self._http = httpx.AsyncClient(
            base_url=self.url,
            auth=auth if auth[0] else None,
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def paths(self) -> tuple[PathInfo, ...]:
        """List the paths that can be read now, in the server's order.

        Returns:
            Every available path, once.

        Raises:
            SourceUnreachableError: Nobody answers, in time or at all, or the server is in trouble.
            SourceRefusedError: The user may not use the API.
            SourceNotFoundError: The server has no API of version 3.
            SourceError: The answer is not one of MediaMTX.
        """
        found: dict[str, PathInfo] = {}
        for number in range(MAX_PAGES):
            page = await self._page(number)
            # A path may move between pages while they are read.
            found |= {path.name: path for path in page.paths if path.available}
            if number + 1 >= page.page_count:
                break
        return tuple(found.values())

    async def watch_paths(self, interval_s: float = 1.0) -> AsyncIterator[frozenset[str]]:
        """Tell which paths carry live video, now and whenever that changes.

        While the server cannot be reached the last word stands: whether a stream still brings
        frames is seen by its reader, and a restarted server gets its publishers back.

        Args:
            interval_s: Seconds between two questions.

        Yields:
            The names of all paths that are available and online.

        Raises:
            SourceRefusedError: The user may not use the API; asking again would not help.
            SourceNotFoundError: The server has no API of version 3.
        """
        known: frozenset[str] | None = None
        reachable = True
        while True:
            try:
                current = frozenset(path.name for path in await self.paths() if path.online)
            except (SourceRefusedError, SourceNotFoundError):
                raise
            except SourceError as exc:
                if reachable:
                    _log.warning("%s Asking again every %g s.", exc, interval_s)
                reachable = False
            else:
                if not reachable:
                    _log.info("MediaMTX answers again at %s.", self.url)
                reachable = True
                if current != known:
                    known = current
                    yield current
            await asyncio.sleep(interval_s)

    async def _page(self, number: int) -> PathPage:
        query = {"page": number, "itemsPerPage": PAGE_ITEMS}
        try:
            response = await self._http.get("/v3/paths/list", params=query)
            _check(response, self.url)
            return parse_page(response.json())
        except httpx.HTTPError as exc:
            what = redact(str(exc)) or type(exc).__name__
            raise SourceUnreachableError(
                f"No answer from the MediaMTX API at {self.url}: {what}.",
                "Is it running, with `api: true`?",
            ) from exc
        except ValueError as exc:
            raise SourceError(
                f"What answers at {self.url} is not MediaMTX: {exc}.",
                "`rtsp.api_url` must name its control API, port 9997 by default.",
            ) from exc


def _http_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise ConfigError(f"`rtsp.api_url` is no URL: {url}.") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(f"`rtsp.api_url` must look like http://host:9997, not {url}.")
    return parsed


def _check(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise SourceRefusedError(
            f"The MediaMTX API at {url} refuses this user.",
            "Give its user the action `api` and write `http://user:password@host:9997`.",
        )
    if status == httpx.codes.NOT_FOUND:
        raise SourceNotFoundError(
            f"There is no MediaMTX API of version 3 at {url}.",
            "`rtsp.api_url` must name its control API, port 9997 by default.",
        )
    if response.is_server_error:
        raise SourceUnreachableError(f"The MediaMTX API at {url} answers {status}.")
    if not response.is_success:
        raise SourceError(f"The MediaMTX API at {url} answers {status}.")
