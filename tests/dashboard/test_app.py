"""The application over real sockets: pages, increments, pictures, its end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import websockets
from websockets.typing import Origin

from contracts.messages import Message
from contracts.mqtt import MqttConnection, Outgoing
from contracts.settings import DashboardSettings, MqttSettings, Settings
from contracts.topics import Topics
from dashboard.app import create_app
from dashboard.live import parse_ask
from dashboard.preview import FRESH_S
from stack.broker import start_broker
from stack.serving import serve
from tests.conftest import pick_port
from tests.dashboard.messages import labels, scores, status


@pytest.fixture(name="mqtt", scope="module")
def fixture_mqtt() -> Iterator[MqttSettings]:
    """A running broker."""
    broker = start_broker(MqttSettings(port=pick_port()))
    yield broker.settings
    broker.stop()


class Worker(BaseHTTPRequestHandler):
    """Stands for the worker's preview route: what matters here is how it is asked."""

    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:  # pylint: disable=invalid-name  # the base class calls it so
        """Answer with a picture if the name is a camera's."""
        self.asked.append((self.path, self.headers.get("Authorization")))
        known = "cam" in self.path
        body = b"\xff\xd8 a picture" if known else b"{}"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(name="worker")
def fixture_worker() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """URL of a worker, and the paths and authorizations it was asked with."""
    asked: list[tuple[str, str | None]] = []
    handler = type("Asked", (Worker,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@asynccontextmanager
async def dashboard(
    mqtt: MqttSettings, worker_url: str = "http://127.0.0.1:9"
) -> AsyncIterator[str]:
    """Serve a dashboard; yields host and port."""
    settings = Settings(
        mqtt=mqtt, dashboard=DashboardSettings(worker_url=worker_url, worker_token="open sesame")
    )
    async with serve(create_app(settings), "127.0.0.1", 0, "dashboard.port") as port:
        yield f"127.0.0.1:{port}"


def publish(mqtt: MqttSettings, *messages: Message, stream: str = "cam") -> None:
    """Publish messages and wait until the broker has them."""
    connection = MqttConnection(mqtt, "test")
    connection.start()
    assert connection.wait_connected(5)
    for message in messages:
        topic = Topics(mqtt.prefix).stream(stream, message.KIND)
        connection.publish(Outgoing(topic, message.to_json(), qos=1, retain=False))
    connection.stop(timeout_s=5)


@pytest.mark.parametrize("path", ["/", "/stream/hall/cam1", "/stream/%3Cscript%3E", "/healthz"])
def test_pages_are_there_with_security_headers(mqtt: MqttSettings, path: str) -> None:
    async def main() -> None:
        async with dashboard(mqtt) as host, httpx.AsyncClient() as client:
            reply = await client.get(f"http://{host}{path}")
            assert reply.status_code == 200
            assert "default-src 'self'" in reply.headers["Content-Security-Policy"]
            assert "<script>alert" not in reply.text
            # Nothing is fetched from elsewhere.
            assert 'src="http' not in reply.text
            assert 'href="http' not in reply.text

    asyncio.run(main())


def test_increments_come_by_websocket_and_by_request(mqtt: MqttSettings) -> None:
    async def main() -> None:
        async with (
            dashboard(mqtt) as host,
            websockets.connect(f"ws://{host}/live") as socket,
            httpx.AsyncClient() as http,
        ):
            ask = {"stream": "cam", "since": 0, "epoch": ""}
            got: dict[str, object] = {}
            deadline = time.monotonic() + 10
            now = time.time()
            while "points" not in got and time.monotonic() < deadline:
                messages = (labels(), status(), scores(1, now, {"walk": 0.9, "none": 0.1}))
                await asyncio.to_thread(publish, mqtt, *messages)
                await socket.send(json.dumps(ask))
                answer = json.loads(await socket.recv())
                got |= answer.get("detail", {})
            assert got["points"]
            reply = await http.get(f"http://{host}/live.json", params={"stream": "cam"})
            assert reply.json()["detail"]["points"]["s"][0][0] == 900
            assert reply.headers["Cache-Control"] == "no-store"

    asyncio.run(main())


def test_a_newer_question_replaces_the_waiting_one(mqtt: MqttSettings) -> None:
    async def main() -> None:
        async with dashboard(mqtt) as host, websockets.connect(f"ws://{host}/live") as socket:
            await socket.send('{"stream": "", "since": 0, "epoch": ""}')
            answer = json.loads(await socket.recv())
            await socket.send(json.dumps({"stream": "", **_knowing(answer)}))
            await socket.send(json.dumps({"stream": "other", "since": 0, "epoch": ""}))
            assert json.loads(await socket.recv())["stream"] == "other"

    asyncio.run(main())


def _knowing(answer: dict[str, object]) -> dict[str, object]:
    return {"since": answer["rev"], "epoch": answer["epoch"]}


def test_pages_of_others_get_no_websocket(mqtt: MqttSettings) -> None:
    async def main() -> None:
        async with dashboard(mqtt) as host:
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(f"ws://{host}/live", origin=Origin("http://evil.example"))
            async with websockets.connect(
                f"ws://{host}/live", origin=Origin(f"http://{host}")
            ) as socket:
                await socket.send("no question")
                with pytest.raises(websockets.ConnectionClosedError):
                    await socket.recv()

    asyncio.run(main())


def test_it_ends_within_a_second_with_open_pages(mqtt: MqttSettings) -> None:
    async def main() -> float:
        async with dashboard(mqtt) as host:
            sockets = [await websockets.connect(f"ws://{host}/live") for _ in range(10)]
            for socket in sockets:
                await socket.send('{"stream": "", "since": 0, "epoch": ""}')
            begun = time.monotonic()
        took = time.monotonic() - begun
        for socket in sockets:
            await socket.close()
        return took

    assert asyncio.run(main()) < 1.0


def test_one_picture_serves_all_who_look(
    mqtt: MqttSettings, worker: tuple[str, list[tuple[str, str | None]]]
) -> None:
    url, asked = worker

    async def main() -> None:
        async with dashboard(mqtt, url) as host, httpx.AsyncClient() as client:
            address = f"http://{host}/preview/hall%2Fcam1.jpg"
            replies = await asyncio.gather(*(client.get(address) for _ in range(8)))
            assert {reply.content for reply in replies} == {b"\xff\xd8 a picture"}
            assert {reply.headers["Content-Type"] for reply in replies} == {"image/jpeg"}
            assert asked == [("/v1/streams/hall%2Fcam1/preview.jpg", "Bearer open sesame")]
            deadline = time.monotonic() + 10 * FRESH_S
            while len(asked) < 2 and time.monotonic() < deadline:
                await client.get(address)
            assert len(asked) == 2
            missing = await client.get(f"http://{host}/preview/other.jpg")
            assert missing.status_code == 204
            assert missing.headers["X-Missing"] == "no-picture"

    asyncio.run(main())


def test_without_a_worker_there_is_a_reason_instead_of_a_picture(mqtt: MqttSettings) -> None:
    async def main() -> None:
        async with dashboard(mqtt) as host, httpx.AsyncClient() as client:
            reply = await client.get(f"http://{host}/preview/cam.jpg")
            assert reply.status_code == 204
            assert reply.headers["X-Missing"] == "worker-away"

    asyncio.run(main())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"stream": 3}', '{"stream": "a", "since": "1"}', "[" * 1500, "x" * 9999],
)
def test_questions_that_are_none(text: str) -> None:
    assert parse_ask(text) is None
