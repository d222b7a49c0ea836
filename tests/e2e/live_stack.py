"""A real `actionstream up` in a process of its own, and an MQTT client that listens to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import pick_port, wait_for

ACTIONSTREAM = str(Path(sys.executable).with_name("actionstream"))


@dataclass(frozen=True)
class Ports:
    """Free ports for one stack."""

    rtsp: int = field(default_factory=pick_port)
    mqtt: int = field(default_factory=pick_port)
    api: int = field(default_factory=pick_port)
    page: int = field(default_factory=pick_port)
    webrtc: int = field(default_factory=pick_port)

    def flags(self) -> list[str]:
        """The flags that put them in force."""
        keys = {
            "rtsp.port": self.rtsp,
            "mqtt.port": self.mqtt,
            "api.port": self.api,
            "dashboard.port": self.page,
            "webrtc.port": self.webrtc,
        }
        return [part for key, port in keys.items() for part in ("--set", f"{key}={port}")]

    def url(self, name: str) -> str:
        """Where to publish a stream."""
        return f"rtsp://127.0.0.1:{self.rtsp}/{name}"


@dataclass
class Heard:
    """One message as it arrived."""

    topic: str
    payload: Any
    at: float
    retained: bool


class Listener:
    """Keeps every message of a broker, from before it is up until closed."""

    def __init__(self, port: int) -> None:
        self.messages: list[Heard] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("actionstream/#", qos=1)
        self._client.on_message = self._keep
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Say something to the broker."""
        self._client.publish(topic, payload, qos=1)

    def of(self, stream: str, kind: str) -> list[Any]:
        """Payloads of one topic of a stream, in order."""
        topic = f"actionstream/streams/{stream}/{kind}"
        return [m.payload for m in list(self.messages) if m.topic == topic]

    def first_at(self, stream: str, kind: str, after: float = 0.0) -> float | None:
        """When the first message of a topic arrived."""
        topic = f"actionstream/streams/{stream}/{kind}"
        return next((m.at for m in list(self.messages) if m.topic == topic and m.at > after), None)

    def states(self, stream: str) -> list[str]:
        """States of a stream in order, repetitions left out."""
        states = [status["state"] for status in self.of(stream, "status")]
        return [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]

    def _keep(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        text = message.payload.decode()
        payload = json.loads(text) if text.startswith("{") else text
        self.messages.append(Heard(message.topic, payload, time.time(), message.retain))


class Stack:
    """A running `actionstream` process."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        self._file = log.open("w", encoding="utf-8")
        # pylint: disable-next=consider-using-with  # it ends in `stop`, which tests call early
        self.process = subprocess.Popen(
            [ACTIONSTREAM, *arguments],
            stdout=self._file,
            stderr=subprocess.STDOUT,
            # Each with a history of its own: two workers cannot share one.
            env={**os.environ, "XDG_DATA_HOME": str(log.parent)},
        )

    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGINT) -> float:
        """Ask it to end; gives the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=10)
        self._file.close()
        return time.monotonic() - started


@contextmanager
def running(arguments: list[str], folder: Path, ports: Ports) -> Iterator[tuple[Stack, Listener]]:
    """Run `actionstream` with its parts on free ports until the context ends."""
    stack = Stack([*arguments, *ports.flags()], folder / "stack.log")
    listener = Listener(ports.mqtt)
    try:
        wait_for(lambda: is_ready(ports), f"ready stack: {stack.text()}", 90)
        wait_for(lambda: listener.messages, "message from the broker")
        yield stack, listener
    finally:
        listener.close()
        if stack.process.poll() is None:
            stack.stop()


def is_ready(ports: Ports) -> bool:
    """Whether the worker is ready and the page is served."""
    try:
        worker = httpx.get(f"http://127.0.0.1:{ports.api}/readyz", timeout=1)
        page = httpx.get(f"http://127.0.0.1:{ports.page}/healthz", timeout=1)
    except httpx.HTTPError:
        return False
    return worker.is_success and page.is_success


@contextmanager
def child(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A helper process that ends with the context."""
    with subprocess.Popen(
        arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=5)


def push(ports: Ports, source: Path | str, name: str) -> list[str]:
    """Command that publishes a source in a loop with our own publisher."""
    return [ACTIONSTREAM, "publish", "--loop", "--quiet", str(source), ports.url(name)]


def push_by_ffmpeg(ports: Ports, source: Path, name: str, transport: str = "tcp") -> list[str]:
    """Command that publishes a source in a loop with ffmpeg, as the README says."""
    return [
        *("ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(source), "-c", "copy"),
        *("-f", "rtsp", "-rtsp_transport", transport, ports.url(name)),
    ]
