"""Says on MQTT what the worker sees, and hears what it is told to do.

The topics and their guarantees (``contracts.topics``, ``docs/asyncapi.yaml``): ``status`` of the
service with a last will; status, labels and state of each stream retained; scores at QoS 0, lost
while the broker is away; events at QoS 1, kept until the broker has them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from contracts.errors import redact
from contracts.messages import (
    BadMessageError,
    Command,
    ControlState,
    Event,
    Labels,
    Message,
    Scores,
    StreamStatus,
)
from contracts.mqtt import LinkState, MqttConnection, MqttHandlers, Outgoing, Received
from contracts.outbox import DURABLE_CAPACITY
from contracts.settings import MqttSettings
from contracts.topics import OFFLINE, ONLINE, Kind, Topics

SCORES_EXPIRY_S = 3
"""About two windows: a score that is older is of no use to anyone."""
_RETAINED = (Kind.STATUS, Kind.LABELS, Kind.STATE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """Counters since the start.

    Attributes:
        published: Messages handed to the broker; events count once it acknowledged them.
        dropped_scores: Scores that were made while the broker was away or too slow.
        dropped_events: Events pushed out of a full outbox.
        reconnects: Connections after the first.
        outbox: Events and retained messages that the broker does not have yet.
        broker: State of the connection.
        error: Why there is none, in words; else empty.
    """

    published: int
    dropped_scores: int
    dropped_events: int
    reconnects: int
    outbox: int
    broker: LinkState
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandlers:
    """What to call when someone writes to a stream's ``set`` topic; on the connection's thread.

    Attributes:
        on_command: Stream and what it is to do.
        on_bad_command: Stream and what is wrong with the payload.
    """

    on_command: Callable[[str, Command], None]
    on_bad_command: Callable[[str, str], None]


class ResultPublisher:
    """The worker's side of MQTT. All methods but ``start`` and ``stop`` suit any thread."""

    def __init__(
        self,
        settings: MqttSettings,
        commands: CommandHandlers | None = None,
        outbox: int = DURABLE_CAPACITY,
    ) -> None:
        """Prepare; nothing is opened before ``start``.

        Args:
            settings: Where the broker is.
            commands: Whom to tell about commands; ``None`` does not subscribe.
            outbox: How many events are kept while the broker is away.

        Raises:
            ConfigError: ``mqtt.url`` is no broker's URL.
        """
        self._topics = Topics(settings.prefix)
        self._commands = commands
        self._connection = MqttConnection(
            settings,
            "actionstream-worker",
            MqttHandlers(
                subscriptions=[self._topics.every(Kind.SET)] if commands else [],
                on_message=self._on_message,
            ),
            will=Outgoing(self._topics.status, OFFLINE.encode(), qos=1, retain=True),
            capacity=outbox,
        )

    def start(self) -> None:
        """Begin to connect and say that the service is online; returns at once."""
        self._connection.retain(self._topics.status, ONLINE.encode())
        self._connection.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Send what waits, say ``offline`` and disconnect, all within the timeout."""
        self._connection.stop(timeout_s)

    def status(self, message: StreamStatus) -> None:
        """Publish where a stream is in its life."""
        self._retain(message.stream, message)

    def labels(self, stream: str, message: Labels) -> None:
        """Publish the labels of a stream's model."""
        self._retain(stream, message)

    def state(self, message: ControlState) -> None:
        """Publish what is in force for a stream, the answer to a command."""
        self._retain(message.stream, message)

    def scores(self, message: Scores) -> bool:
        """Publish the scores of a window.

        Returns:
            ``False`` if the broker is away and the message is lost.
        """
        topic = self._topics.stream(message.stream, Kind.SCORES)
        return self._connection.publish(
            Outgoing(topic, message.to_json(), expiry_s=SCORES_EXPIRY_S)
        )

    def event(self, message: Event) -> bool:
        """Publish an event, now or as soon as the broker is back.

        Returns:
            ``False`` if an older event had to make room for it.
        """
        topic = self._topics.stream(message.stream, Kind.EVENTS)
        return self._connection.publish(Outgoing(topic, message.to_json(), qos=1))

    def forget(self, stream: str) -> None:
        """Delete everything the broker keeps about a stream that is gone for good."""
        for kind in _RETAINED:
            self._connection.retain(self._topics.stream(stream, kind), b"")

    @property
    def stats(self) -> PublisherStats:
        """Counters of this moment."""
        stats = self._connection.stats
        return PublisherStats(
            published=stats.outbox.published,
            dropped_scores=stats.outbox.dropped_live,
            dropped_events=stats.outbox.dropped_durable,
            reconnects=max(0, stats.connects - 1),
            outbox=stats.outbox.waiting,
            broker=self._connection.state,
            error=self._connection.error,
        )

    def _retain(self, stream: str, message: Message) -> None:
        self._connection.retain(self._topics.stream(stream, message.KIND), message.to_json())

    def _on_message(self, received: Received) -> None:
        parsed = self._topics.parse(received.topic)
        if self._commands is None or parsed is None or not received.payload:
            return
        stream, _ = parsed
        if received.retained:
            # It would be carried out again at every reconnect, long after it was meant.
            _log.warning("Ignored a retained command for %s; send it without retain", stream)
            return
        try:
            command = Command.from_json(received.payload)
        except BadMessageError as exc:
            _log.warning("Refused a command for %s: %s", stream, redact(exc.message))
            self._commands.on_bad_command(stream, exc.message)
            return
        self._commands.on_command(stream, command)
