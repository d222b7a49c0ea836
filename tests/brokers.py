"""Real MQTT brokers for tests, and a subscriber that remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

from contracts.mqtt import MqttConnection, MqttHandlers, Received
from contracts.settings import MqttSettings
from stack.broker import Broker, start_broker
from tests.conftest import pick_port, wait_for

Kind = Literal["embedded", "mosquitto"]
BOTH = ["embedded", pytest.param("mosquitto", marks=pytest.mark.peer("mosquitto"))]


class Restartable:
    """A broker on one port that can be taken away and brought back, without its memory."""

    def __init__(self, kind: Kind, **settings: Any) -> None:
        self.settings = MqttSettings(broker=kind, port=pick_port(), **settings)
        self._broker: Broker | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        self._broker = start_broker(self.settings)

    def stop(self) -> None:
        """Take it away."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None


@contextmanager
def running(kind: Kind, **settings: Any) -> Iterator[Restartable]:
    """Run a broker while the context lasts."""
    broker = Restartable(kind, **settings)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Recorder:
    """Subscribes and keeps everything in the order of arrival."""

    def __init__(self, settings: MqttSettings, *filters: str) -> None:
        self.received: list[Received] = []
        self._connection = MqttConnection(
            settings,
            "test-recorder",
            MqttHandlers(subscriptions=filters or ("#",), on_message=self.received.append),
        )

    def __enter__(self) -> Recorder:
        self._connection.start()
        assert self._connection.wait_connected(5), self._connection.error
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.stop()

    @property
    def connects(self) -> int:
        """How often it connected; its subscriptions are made by then."""
        return self._connection.stats.connects

    def payloads(self, topic: str) -> list[bytes]:
        """Payloads of one topic."""
        return [received.payload for received in list(self.received) if received.topic == topic]

    def wait_for(self, topic: str, payload: bytes, timeout_s: float = 10.0) -> None:
        """Wait until a topic's newest message is this one."""
        wait_for(
            lambda: self.payloads(topic)[-1:] == [payload], f"{payload!r} on {topic}", timeout_s
        )


@contextmanager
def connected(
    settings: MqttSettings, handlers: MqttHandlers | None = None, **options: Any
) -> Iterator[MqttConnection]:
    """Keep a connection open while the context lasts."""
    connection = MqttConnection(settings, "test", handlers, **options)
    connection.start()
    try:
        assert connection.wait_connected(5), connection.error
        yield connection
    finally:
        connection.stop()
