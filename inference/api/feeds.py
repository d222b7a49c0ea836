"""Results as they are made, for browsers and programs: server-sent events and a websocket.

Server-sent events as the HTML standard has them (section 9.2): ``event`` is the kind of message,
``data`` exactly what MQTT carries, ``id`` stands on events alone.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from starlette.status import WS_1008_POLICY_VIOLATION, WS_1013_TRY_AGAIN_LATER
from starlette.types import Receive, Scope, Send

from inference.api.problems import ApiError
from inference.api.streams import find_stream
from inference.api.subscriptions import (
    KINDS,
    Feeds,
    Item,
    Subscription,
    TooManyListenersError,
    Wish,
)
from inference.worker import Worker

_RETRY_MS = 2000
_TOKEN_S = 5.0
_MAX_TOKEN_CHARS = 4096
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One event a message, without end.",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'event: status\ndata: {"schema":1,"stream":"hall",...}\n\n',
            }
        },
    }
}

KindsQuery = Annotated[
    str, Query(description=f"Kinds of messages, separated by commas: {', '.join(KINDS)}.")
]
LastId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="The last event that was heard.")
]


class UnknownKindError(ApiError):
    """There are no messages of that kind."""

    code = "invalid_request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


def feed_routes(worker: Worker, feeds: Feeds) -> APIRouter:
    """Routes ``/v1/live``, ``/v1/live/ws`` and ``/v1/streams/{name}/live``.

    Args:
        worker: Whose streams.
        feeds: Hears what the worker publishes.

    Returns:
        The routes.
    """
    router = APIRouter(prefix="/v1", tags=["live"])
    token = worker.settings.api.token
    door = _Door(None if token is None else token.get_secret_value())

    @router.get("/live", response_class=StreamingResponse, responses=_ANSWER)
    async def live(kinds: KindsQuery = "", last_event_id: LastId = None) -> StreamingResponse:
        """Messages of all streams as server-sent events."""
        return _answer(feeds, Wish(_parsed(kinds), None, last_event_id))

    @router.get("/streams/{name:path}/live", response_class=StreamingResponse, responses=_ANSWER)
    async def live_stream(
        name: str, kinds: KindsQuery = "", last_event_id: LastId = None
    ) -> StreamingResponse:
        """Messages of one stream as server-sent events; ends when the stream is removed."""
        find_stream(worker, name)
        return _answer(feeds, Wish(_parsed(kinds), name, last_event_id))

    @router.websocket("/live/ws")
    async def live_websocket(
        websocket: WebSocket,
        stream: str | None = None,
        kinds: str = "",
        last_event_id: str | None = None,
    ) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            if not await door.admits(websocket):
                await websocket.close(WS_1008_POLICY_VIOLATION, "not allowed")
                return
            try:
                if stream is not None:
                    find_stream(worker, stream)
                listener = feeds.subscribe(Wish(_parsed(kinds), stream, last_event_id))
            except ApiError as exc:
                crowded = isinstance(exc, TooManyListenersError)
                code = WS_1013_TRY_AGAIN_LATER if crowded else WS_1008_POLICY_VIOLATION
                await websocket.close(code, exc.message[:100])
                return
            try:
                await _converse(websocket, listener)
            finally:
                feeds.unsubscribe(listener)

    return router


def _parsed(kinds: str) -> frozenset[str]:
    """Read the kinds; none means all.

    Raises:
        UnknownKindError: There is none of that name.
    """
    names = frozenset(filter(None, kinds.split(",")))
    if unknown := sorted(names - set(KINDS)):
        raise UnknownKindError(f"kinds: there are {', '.join(KINDS)}, but no {unknown[0]}.")
    return names or frozenset(KINDS)


def _answer(feeds: Feeds, wish: Wish) -> StreamingResponse:
    """Begin to listen, so that a refusal is an answer of its own, and stream."""
    listener = feeds.subscribe(wish)
    return _Feed(_events(listener), feeds, listener)


class _Feed(StreamingResponse):
    """A stream of events that stops to listen however it ends, even before it began."""

    def __init__(self, events: AsyncIterator[str], feeds: Feeds, listener: Subscription) -> None:
        super().__init__(events, media_type="text/event-stream", headers=_HEADERS)
        self._feeds, self._listener = feeds, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feeds.unsubscribe(self._listener)


async def _events(listener: Subscription) -> AsyncIterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    async for batch in listener.batches():
        # A comment keeps proxies from taking silence for a dead connection.
        yield "".join(_event(item) for item in batch) or ":\n\n"


def _event(item: Item) -> str:
    identity = f"id: {item.id}\n" if item.id is not None else ""
    return f"{identity}event: {item.kind}\ndata: {item.data}\n\n"


async def _converse(websocket: WebSocket, listener: Subscription) -> None:
    """Send until either side ends; what the listener says does not matter."""

    async def hear() -> None:
        with suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()

    hearing = asyncio.create_task(hear(), name="feed listener")
    hearing.add_done_callback(lambda _: listener.close())
    try:
        async for batch in listener.batches():
            if hearing.done():
                return
            for item in batch:
                await websocket.send_text(_frame(item))
        await websocket.close()
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


def _frame(item: Item) -> str:
    """One message of the websocket: an object with the message of MQTT inside."""
    head = json.dumps({"kind": item.kind, "stream": item.stream, "id": item.id})
    return f'{head[:-1]}, "data": {item.data}}}'


class _Door:
    """Who may open a websocket: middleware sees plain requests only."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def admits(self, websocket: WebSocket) -> bool:
        """Whether a connection that was accepted may listen.

        With a token: it stands in the header ``Authorization``, or in the first message,
        ``{"token": "..."}``. Without one: browsers let any page connect to anywhere, so only pages
        of this very server may; programs send no origin.
        """
        if self._token is None:
            origin = websocket.headers.get("origin")
            return origin is None or urlsplit(origin).netloc == websocket.headers.get("host")
        given = websocket.headers.get("authorization")
        if given is None:
            given = f"Bearer {await _first_token(websocket)}"
        return hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode())


async def _first_token(websocket: WebSocket) -> str:
    """The token that the first message brings, or an empty one."""
    try:
        async with asyncio.timeout(_TOKEN_S):
            text = await websocket.receive_text()
        told = json.loads(text[:_MAX_TOKEN_CHARS])
    except (TimeoutError, ValueError):
        return ""
    return str(told.get("token", "")) if isinstance(told, dict) else ""
