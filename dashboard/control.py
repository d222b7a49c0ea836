"""Commands of the page to a stream: pause, go on, event rules; sent over its `set` topic."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from contracts.messages import BadMessageError, Command
from dashboard.guard import problem, refusal
from dashboard.subscriber import Subscriber

_MAX_BYTES = 65_536


def control_routes(subscriber: Subscriber, read_only: bool) -> APIRouter:
    """Route ``POST /control/<stream>``, whose body is a ``Command``.

    What came of a command is said by the stream's retained ``state`` message, which every page
    gets with its increments.

    Args:
        subscriber: Its connection to the broker sends the command.
        read_only: Whether nothing may be changed from the page.
    """
    router = APIRouter()

    @router.post("/control/{stream:path}", include_in_schema=False)
    async def control(stream: str, request: Request) -> Response:
        refused = refusal(request, read_only)
        if refused is not None:
            return refused
        try:
            command = Command.from_json(await _read(request))
        except BadMessageError as exc:
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, exc.code, str(exc))
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if not subscriber.command(stream, command):
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "broker_away",
                f"Nothing was changed: the MQTT broker at {subscriber.address} is away.",
            )
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


async def _read(request: Request) -> bytes:
    """The body; nothing of one that is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise BadMessageError("The command is too long.", f"The limit is {_MAX_BYTES} bytes.")
    return bytes(body)
