"""What the page asks of the worker and of the broker, through the dashboard, over real sockets."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from contracts.messages import Command
from contracts.mqtt import MqttConnection, MqttHandlers, Received
from contracts.settings import DashboardSettings, MqttSettings, Settings
from contracts.topics import Kind, Topics
from dashboard.app import create_app
from stack.broker import start_broker
from stack.serving import serve
from tests.conftest import pick_port

TOKEN = "open sesame"
MEGABYTE = b"x" * 1_000_000


@dataclass
class Worker:
    """A small REST API that tells how it was asked."""

    first_chunk: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> FastAPI:
        """The application."""
        app = FastAPI()
        app.add_api_route("/v1/sum", self._sum, methods=["POST"])
        app.add_api_route("/v1/refuse", self._refuse, methods=["POST"])
        app.add_api_route("/v1/feed", self._feed)
        app.add_api_route("/readyz", self._ready)
        app.add_api_route("/v1/{path:path}", self._tell, methods=["GET", "PUT", "DELETE"])
        return app

    async def _tell(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response(status_code=401)
        body = {
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.scope["query_string"].decode(),
            "headers": dict(request.headers),
        }
        return JSONResponse(body, headers={"Set-Cookie": "a=b", "ETag": '"1"', "X-Left": "3"})

    async def _sum(self, request: Request) -> dict[str, int]:
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
            self.first_chunk.set()
        return {"bytes": total}

    async def _refuse(self) -> Response:
        """Answers without reading what was sent."""
        return JSONResponse({"detail": "too large"}, 413)

    async def _feed(self) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            try:
                yield "data: 1\n\n"
                await self.go_on.wait()
                yield "data: 2\n\n"
                await asyncio.Event().wait()
            finally:
                self.left.set()

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _ready(self) -> Response:
        return Response("no connection to the MQTT broker", 503)


@asynccontextmanager
async def running(
    worker: Worker | None = None, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A dashboard before a worker; yields a client of it and its URL."""
    async with AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{pick_port()}"
        if worker is not None:
            port = await stack.enter_async_context(serve(worker.app(), "127.0.0.1", 0, "api.port"))
            url = f"http://127.0.0.1:{port}"
        mqtt = settings.pop("mqtt", MqttSettings(port=pick_port()))
        wanted = {"worker_url": url, "worker_token": TOKEN} | settings
        app = create_app(Settings(mqtt=mqtt, dashboard=DashboardSettings.model_validate(wanted)))
        port = await stack.enter_async_context(serve(app, "127.0.0.1", 0, "dashboard.port"))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        )
        yield client, f"http://127.0.0.1:{port}"


def test_the_worker_is_asked_with_its_token_and_nothing_else_of_ours() -> None:
    async def main() -> None:
        async with running(Worker()) as (client, _):
            reply = await client.get(
                "/api/streams/hall%2Fcam%201/scores?since=1&label=a%26b",
                headers={"Cookie": "x=y", "Authorization": "Bearer guess", "Range": "bytes=0-9"},
            )
            told = reply.json()
            assert told["path"] == "/v1/streams/hall%2Fcam%201/scores"
            assert told["query"] == "since=1&label=a%26b"
            assert told["headers"]["authorization"] == f"Bearer {TOKEN}"
            assert told["headers"]["range"] == "bytes=0-9"
            assert "cookie" not in told["headers"]
            assert reply.headers["etag"] == '"1"'
            assert reply.headers["x-left"] == "3"
            assert "set-cookie" not in reply.headers
            assert "default-src 'self'" in reply.headers["content-security-policy"]
            for method in ("PUT", "DELETE"):
                assert (await client.request(method, "/api/x")).json()["method"] == method

    asyncio.run(main())


@pytest.mark.parametrize("path", ["..%2freadyz", "%2e%2e/readyz", "a/..%5c..%5creadyz", "./x"])
def test_nobody_walks_up_from_the_api(path: str) -> None:
    async def main() -> None:
        async with running(Worker()) as (_, url):
            host, port = url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            # A client library would tidy the path up before it is sent.
            writer.write(
                f"GET /api/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            answer = await reader.read()
            writer.close()
            assert answer.startswith(b"HTTP/1.1 404")
            assert b"broker" not in answer

    asyncio.run(main())


def test_an_upload_flows_as_it_comes() -> None:
    async def main() -> None:
        worker = Worker()

        async def body() -> AsyncIterator[bytes]:
            yield MEGABYTE
            # The rest is sent only once the worker has the beginning.
            await asyncio.wait_for(worker.first_chunk.wait(), 10)
            yield MEGABYTE

        async with running(worker) as (client, _):
            reply = await client.post("/api/sum", content=body())
            assert reply.json() == {"bytes": 2 * len(MEGABYTE)}

    asyncio.run(main())


def test_a_refusal_is_heard_although_nobody_read_the_upload() -> None:
    async def main() -> None:
        async with running(Worker()) as (client, _):
            reply = await client.post("/api/refuse", content=12 * MEGABYTE)
            assert reply.status_code == 413
            assert reply.json()["detail"] == "too large"

    asyncio.run(main())


def test_events_come_as_they_are_made_and_end_with_the_listener() -> None:
    async def main() -> None:
        worker = Worker()
        async with running(worker) as (client, _):
            async with client.stream("GET", "/api/feed") as reply:
                lines = reply.aiter_lines()
                assert await anext(lines) == "data: 1"
                worker.go_on.set()
                await anext(lines)
                assert await anext(lines) == "data: 2"
            await asyncio.wait_for(worker.left.wait(), 10)

    asyncio.run(main())


def test_only_our_own_page_changes_anything() -> None:
    async def main() -> None:
        async with running(Worker()) as (client, url):
            for headers, allowed in (
                ({}, True),
                ({"Sec-Fetch-Site": "same-origin"}, True),
                ({"Sec-Fetch-Site": "cross-site"}, False),
                ({"Sec-Fetch-Site": "same-site"}, False),
                ({"Origin": "http://elsewhere.example"}, False),
                ({"Origin": "null"}, False),
                ({"Origin": url}, True),
            ):
                for method, path in (("DELETE", "/api/x"), ("POST", "/control/cam")):
                    reply = await client.request(method, path, headers=headers)
                    assert (reply.status_code != 403) == allowed
                assert (await client.get("/api/x", headers=headers)).status_code == 200

    asyncio.run(main())


def test_a_dashboard_for_looking_changes_nothing() -> None:
    async def main() -> None:
        async with running(Worker(), read_only=True) as (client, _):
            assert (await client.get("/api/x")).status_code == 200
            for method, path in (("PUT", "/api/x"), ("DELETE", "/api/x"), ("POST", "/control/c")):
                reply = await client.request(method, path)
                assert reply.status_code == 403
                assert reply.json()["code"] == "read_only"
            page = (await client.get("/_dash-layout")).text
            assert "add-stream" not in page
            assert "looking only" in page

    asyncio.run(main())


def test_what_is_missing_is_said_in_words() -> None:
    async def main() -> None:
        async with running() as (client, _):
            reply = await client.get("/api/streams")
            assert reply.status_code == 502
            assert reply.headers["content-type"] == "application/problem+json"
            assert "Is it running?" in reply.json()["detail"]
            state = (await client.get("/worker.json")).json()
            assert state == {"answers": False, "ready": False, "words": ""} | {
                "address": state["address"]
            }
        async with running(Worker(), worker_token="another") as (client, _):
            reply = await client.get("/api/streams")
            assert reply.status_code == 502
            assert "dashboard.worker_token" in reply.json()["detail"]
            state = (await client.get("/worker.json")).json()
            assert state["answers"]
            assert not state["ready"]
            assert state["words"] == "no connection to the MQTT broker"

    asyncio.run(main())


def test_unknown_addresses_are_told_as_such() -> None:
    async def main() -> None:
        async with running() as (client, _):
            for path in ("/", "/health", "/uploads", "/webcam", "/stream", "/stream/a/b"):
                assert (await client.get(path)).status_code == 200
            for path in ("/nothing", "/healthy", "/assets/nothing.js"):
                assert (await client.get(path)).status_code == 404

    asyncio.run(main())


@pytest.fixture(name="mqtt")
def fixture_mqtt() -> Iterator[MqttSettings]:
    """A running broker."""
    broker = start_broker(MqttSettings(port=pick_port()))
    yield broker.settings
    broker.stop()


def test_a_command_reaches_the_stream(mqtt: MqttSettings) -> None:
    heard: queue.Queue[Received] = queue.Queue(4)

    async def main() -> None:
        topic = Topics(mqtt.prefix).stream("hall/cam", Kind.SET)
        handlers = MqttHandlers(subscriptions=[topic], on_message=heard.put)
        listener = MqttConnection(mqtt, "listener", handlers)
        listener.start()
        assert listener.wait_connected(10)
        command = {"paused": True, "rules": {"walk": {"enter": 0.8}}}
        async with running(mqtt=mqtt) as (client, _):
            for _attempt in range(100):
                reply = await client.post("/control/hall%2Fcam", json=command)
                if reply.status_code == 204:
                    break
                # The dashboard has not found the broker yet, and says so.
                assert reply.json()["code"] == "broker_away"
                await asyncio.sleep(0.05)
            reply = await client.post("/control/hall%2Fcam", json={"rules": {"walk": {"enter": 7}}})
            assert reply.status_code == 422
            assert "rules.walk" in reply.json()["detail"]
            reply = await client.post("/control/cam", content=b"[" * 70_000)
            assert reply.status_code == 422
            payload = await asyncio.to_thread(heard.get, timeout=10)
            received.append(payload.payload)
        listener.stop()

    received: list[bytes] = []
    asyncio.run(main())
    payload = received[0]
    sent = Command.from_json(payload)
    assert sent.paused
    assert sent.rules is not None
    assert sent.rules["walk"] is not None
    assert sent.rules["walk"].enter == 0.8
    assert json.loads(payload)["schema"] == 1
