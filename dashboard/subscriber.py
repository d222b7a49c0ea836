"""The dashboard's one subscription: from the broker into the store."""

from __future__ import annotations

import time

from contracts.mqtt import LinkState, MqttConnection, MqttHandlers, Received
from contracts.settings import MqttSettings
from contracts.topics import Kind, Topics
from dashboard.store import Store

_KINDS = (Kind.STATUS, Kind.LABELS, Kind.SCORES, Kind.EVENTS, Kind.TRUTH)


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
        topics = Topics(settings.prefix)
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

    def _on_message(self, message: Received) -> None:
        self._store.feed(message.topic, message.payload, time.time())

    def _on_state(self, state: LinkState, error: str) -> None:
        # That nobody answers is plain to see; a refusal needs its reason.
        reason = error if state is LinkState.REFUSED else ""
        self._store.set_connected(state is LinkState.CONNECTED, reason)
