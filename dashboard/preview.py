"""Pictures of the streams: fetched from the worker once for everybody who looks.

The page asks for several pictures a second; the worker makes one however many pages are open.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

import httpx

from contracts.settings import DashboardSettings
from dashboard.store import MAX_STREAMS

_log = logging.getLogger(__name__)

FRESH_S = 0.15
"""A picture serves everybody who asks within this time."""

CAPTURED = "Picture-At"
"""Header with the UTC seconds at which a picture was captured."""

_TIMEOUT = httpx.Timeout(1.5, connect=0.5)
_MAX_BYTES = 2_000_000


class Missing(StrEnum):
    """Why there is no picture."""

    NO_PICTURE = "no-picture"
    WORKER_AWAY = "worker-away"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG, or the reason why there is none.

    Attributes:
        jpeg: The file.
        missing: Why there is none.
        at: UTC seconds of its capture, as the worker says them; empty if it does not.
    """

    jpeg: bytes = b""
    missing: Missing | None = None
    at: str = ""


@dataclass(slots=True)
class _Shelf:
    """The last picture of one stream and the fetch that is under way."""

    picture: Picture
    fetched_at: float = float("-inf")
    fetch: asyncio.Task[Picture] | None = None


class Previews:
    """Fetches pictures; at most one request per stream is under way.

    Belongs to one event loop; ``close`` ends it.
    """

    def __init__(self, settings: DashboardSettings) -> None:
        """Prepare the connection to the worker; nothing is sent yet."""
        headers = {}
        if settings.worker_token is not None:
            headers["Authorization"] = f"Bearer {settings.worker_token.get_secret_value()}"
        self._client = httpx.AsyncClient(
            base_url=settings.worker_url,
            headers=headers,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=16),
            # The worker is named by its URL; a proxy of the environment would only be in the way.
            trust_env=False,
        )
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()

    async def get(self, stream: str) -> Picture:
        """Picture of a stream, not older than ``FRESH_S``.

        Args:
            stream: Its name.

        Returns:
            The picture or why there is none.
        """
        shelf = self._shelves.setdefault(stream, _Shelf(Picture(missing=Missing.NO_PICTURE)))
        self._shelves.move_to_end(stream)
        while len(self._shelves) > MAX_STREAMS:
            self._shelves.popitem(last=False)
        if time.monotonic() - shelf.fetched_at < FRESH_S:
            return shelf.picture
        if shelf.fetch is None or shelf.fetch.done():
            shelf.fetch = asyncio.create_task(self._fetch(stream), name="preview")
        # Shielded: a viewer who leaves must not take the picture from the others.
        shelf.picture = await asyncio.shield(shelf.fetch)
        shelf.fetched_at = time.monotonic()
        return shelf.picture

    async def close(self) -> None:
        """End what is under way and the connections."""
        running = [shelf.fetch for shelf in self._shelves.values() if shelf.fetch is not None]
        for fetch in running:
            fetch.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._client.aclose()

    async def _fetch(self, stream: str) -> Picture:
        try:
            async with self._client.stream(
                "GET", f"/v1/streams/{quote(stream, safe='')}/preview.jpg"
            ) as reply:
                if reply.status_code in (401, 403):
                    return Picture(missing=Missing.REFUSED)
                if reply.status_code != 200:
                    return Picture(missing=Missing.NO_PICTURE)
                jpeg = await _bounded(reply)
                at = reply.headers.get(CAPTURED, "")
        except httpx.HTTPError as exc:
            _log.debug("No picture of a stream: %s", type(exc).__name__)
            return Picture(missing=Missing.WORKER_AWAY)
        return Picture(jpeg, at=at) if jpeg else Picture(missing=Missing.NO_PICTURE)


async def _bounded(reply: httpx.Response) -> bytes:
    """Read a body that is no larger than a small picture may be."""
    body = bytearray()
    async for chunk in reply.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BYTES:
            return b""
    return bytes(body)
