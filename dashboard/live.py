"""The way of increments to the page: a websocket, or plain requests where websockets are blocked.

The page asks, the answer comes when there is news, and only then does the page ask again. So at
most one answer is ever under way: a slow or frozen page costs no memory here.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Response, WebSocket, WebSocketDisconnect
from starlette.status import WS_1008_POLICY_VIOLATION, WS_1013_TRY_AGAIN_LATER

from dashboard.increments import HEARTBEAT_S, TICK_S, Ask, Increments

MAX_CLIENTS = 200

_MAX_ASK_CHARS = 2000


class Live:
    """Serves increments; ``router`` goes into the application."""

    def __init__(self, increments: Increments) -> None:
        """Set up the routes ``/live`` (websocket) and ``/live.json``."""
        self._increments = increments
        self._closing = False
        self.clients = 0
        self.router = APIRouter()
        self.router.add_api_websocket_route("/live", self._serve)
        self.router.add_api_route("/live.json", self._poll, include_in_schema=False)

    def close(self) -> None:
        """Let every websocket end within a tick."""
        self._closing = True

    async def _poll(
        self, stream: str = "", since: int = 0, epoch: str = "", health: bool = False
    ) -> Response:
        """The fallback: the same answer at once, or a heartbeat."""
        ask = Ask(stream, since, epoch, health)
        return Response(
            self._increments.answer(ask, time.time()) or self._increments.heartbeat(ask),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    async def _serve(self, websocket: WebSocket) -> None:
        if not _same_origin(websocket):
            await websocket.close(WS_1008_POLICY_VIOLATION)
            return
        if self.clients >= MAX_CLIENTS or self._closing:
            await websocket.close(WS_1013_TRY_AGAIN_LATER)
            return
        await websocket.accept()
        self.clients += 1
        try:
            with suppress(WebSocketDisconnect):
                await self._converse(websocket)
        finally:
            self.clients -= 1

    async def _converse(self, websocket: WebSocket) -> None:
        """Answer one question at a time; a newer question replaces the one that waits."""
        asking = asyncio.create_task(websocket.receive_text(), name="ask")
        try:
            while not self._closing:
                ask = parse_ask(await asking)
                if ask is None:
                    await websocket.close(WS_1008_POLICY_VIOLATION)
                    return
                asking = asyncio.create_task(websocket.receive_text(), name="ask")
                body = await self._news(ask, asking)
                if body is not None:
                    await websocket.send_text(body)
        finally:
            asking.cancel()
            # Whatever it ended with was seen or no longer matters.
            await asyncio.gather(asking, return_exceptions=True)

    async def _news(self, ask: Ask, newer: asyncio.Task[str]) -> str | None:
        """Wait for something new to a client, a heartbeat's time at most.

        Returns:
            JSON, or ``None`` as soon as the client asks something newer or leaves.
        """
        deadline = time.monotonic() + HEARTBEAT_S
        while not self._closing and time.monotonic() < deadline:
            await _next_tick()
            if newer.done():
                return None
            body = self._increments.answer(ask, time.time())
            if body is not None:
                return body
        return self._increments.heartbeat(ask)


async def _next_tick() -> None:
    """Sleep to the next tick, which is the same for all clients so that they share answers."""
    now = time.monotonic()
    await asyncio.sleep((math.floor(now / TICK_S) + 1) * TICK_S - now)


def parse_ask(text: str) -> Ask | None:
    """Read what a page asks for.

    Args:
        text: JSON from the network: anything may be in it.

    Returns:
        The request, or ``None`` if it is none.
    """
    if len(text) > _MAX_ASK_CHARS:
        return None
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    stream, since, epoch = (fields.get("stream", ""), fields.get("since", 0), fields.get("epoch"))
    if not isinstance(stream, str) or not isinstance(since, int) or not isinstance(epoch, str):
        return None
    return Ask(stream, since, epoch, fields.get("health") is True)


def _same_origin(websocket: WebSocket) -> bool:
    """Whether the page that asks is ours: browsers let any page open websockets to anywhere."""
    origin = websocket.headers.get("origin")
    # Programs other than browsers send none.
    return origin is None or urlsplit(origin).netloc == websocket.headers.get("host")
