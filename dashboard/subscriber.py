"""The dashboard's one connection to the broker: everything into the store, commands out."""

from __future__ import annotations

import time

from contracts.messages import Command
from contracts.mqtt import LinkState, MqttConnection, MqttHandlers, Outgoing, Received
from contracts.settings import MqttSettings
from contracts.topics import Kind, Topics
from dashboard.store import Store

_KINDS = (Kind.STATUS, Kind.LABELS, Kind.SCORES, Kind.EVENTS, Kind.TRUTH, Kind.STATE)


class Subscriber:
    """Keeps a connection to the broker and feeds a store from its thread."""

    def __init__(self, settings: MqttSettings, store: Store) -> None:
        """Prepare; nothing is opened before ``start``.

        Args:
            settings: Where the broker is.
            store: Gets every message.

        Raises:
            ConfigError: ``mqtt.url`` is no broker's URL.
        """
        topics = self._topics = Topics(settings.prefix)
        self._store = store
        handlers = MqttHandlers(
            subscriptions=[topics.status, *(topics.every(kind) for kind in _KINDS)],
            on_message=self._on_message,
            on_state=self._on_state,
        )
        self._connection = MqttConnection(settings, "actionstream-dashboard", handlers)

    @property
    def address(self) -> str:
        """The broker's URL without user and password."""
        return self._connection.address

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect; returns within half a second."""
        self._connection.stop(timeout_s=0.0)

    def command(self, stream: str, command: Command) -> bool:
        """Send a command to a stream.

        Args:
            stream: Its name.
            command: What it is to do.

        Returns:
            Whether it was sent: without a broker it is not, and not later either, when the person
            may want something else.
        """
        if self._connection.state is not LinkState.CONNECTED:
            return False
        topic = self._topics.stream(stream, Command.KIND)
        return self._connection.publish(Outgoing(topic, command.to_json(), qos=1, retain=False))

    def _on_message(self, message: Received) -> None:
        self._store.feed(message.topic, message.payload, time.time())

    def _on_state(self, state: LinkState, error: str) -> None:
        # That nobody answers is plain to see; a refusal needs its reason.
        reason = error if state is LinkState.REFUSED else ""
        self._store.set_connected(state is LinkState.CONNECTED, reason)
