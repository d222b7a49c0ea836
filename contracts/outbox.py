"""What waits to be published, and what happens to it while the broker is away.

Three kinds of message need three policies:

=========  ==============================  ==================================================
kind       while the broker is away        when too much waits
=========  ==============================  ==================================================
live       refused                         the oldest is dropped
retained   the newest of a topic is kept   bounded by the number of topics
durable    kept until acknowledged         the oldest is dropped
=========  ==============================  ==================================================
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

WINDOW = 20
"""Unacknowledged messages at a time; brokers may refuse more (MQTT 5, 3.3.4 Receive Maximum)."""
DURABLE_CAPACITY = 10_000
LIVE_CAPACITY = 1_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish.

    Attributes:
        topic: Full topic, without wildcards.
        payload: Bytes as sent; empty and retained deletes what the broker keeps.
        qos: 0 or 1.
        retain: Whether the broker keeps it for later subscribers.
        expiry_s: Seconds after which an MQTT 5 broker must not deliver it any more.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """Counters since the start.

    Attributes:
        published: Messages handed to the broker; QoS 1 counts once it is acknowledged.
        dropped_live: Live messages refused or pushed out.
        dropped_durable: Durable messages pushed out.
        waiting: Durable and retained messages that are not acknowledged yet.
    """

    published: int
    dropped_live: int
    dropped_durable: int
    waiting: int


class Outbox:
    """Keeps messages between the threads that make them and the one that sends them.

    Every method is thread-safe and takes microseconds. ``add_*`` and ``retain`` are for any
    thread; the rest is for the one thread that owns the connection.
    """

    def __init__(self, capacity: int = DURABLE_CAPACITY) -> None:
        """Start empty and disconnected.

        Args:
            capacity: How many durable messages wait at most.
        """
        self._capacity = capacity
        self._lock = Lock()
        self._connected = False
        self._live: deque[Outgoing] = deque()
        self._durable: deque[Outgoing] = deque()
        self._retained: dict[str, Outgoing] = {}
        self._unsent: dict[str, None] = {}  # topics of `_retained` in the order of sending
        self._in_flight: dict[int, Outgoing] = {}
        self._taken: Outgoing | None = None  # of QoS 1, between `take` and `sent`
        self._published = self._dropped_live = self._dropped_durable = 0

    def add_live(self, message: Outgoing) -> bool:
        """Queue a message that is worthless later.

        Args:
            message: Of QoS 0.

        Returns:
            Whether it will be sent; ``False`` while there is no connection.
        """
        with self._lock:
            if not self._connected:
                self._dropped_live += 1
                return False
            if len(self._live) >= LIVE_CAPACITY:
                self._live.popleft()
                self._dropped_live += 1
            self._live.append(message)
            return True

    def add_durable(self, message: Outgoing) -> bool:
        """Queue a message that must arrive, now or after the next connection.

        Args:
            message: Of QoS 1, not retained.

        Returns:
            Whether nothing older had to make room for it.
        """
        with self._lock:
            full = len(self._durable) + len(self._in_flight) >= self._capacity
            if full and self._durable:
                self._durable.popleft()
                self._dropped_durable += 1
            self._durable.append(message)
            return not full

    def retain(self, message: Outgoing) -> None:
        """Set the retained message of a topic; it is sent now and after every connection.

        Args:
            message: Of QoS 1 and retained; an empty payload ends the topic.
        """
        with self._lock:
            self._retained[message.topic] = message
            self._unsent[message.topic] = None

    def connected(self) -> None:
        """A connection begins: everything retained is sent again, in the order it was first set."""
        with self._lock:
            self._connected = True
            self._unsent = dict.fromkeys(self._retained)

    def disconnected(self) -> None:
        """The connection ended: unacknowledged messages wait again, live ones are lost."""
        with self._lock:
            self._connected = False
            self._dropped_live += len(self._live)
            self._live.clear()
            unsure = [*self._in_flight.values(), *([self._taken] if self._taken else [])]
            self._durable.extendleft(m for m in reversed(unsure) if not m.retain)
            self._in_flight.clear()
            self._taken = None

    def take(self) -> Outgoing | None:
        """Remove the message to send next: retained, then durable, then live.

        Returns:
            The message, or ``None`` if nothing may be sent now. A message of QoS 1 must be
            reported by ``sent`` before the next call.
        """
        with self._lock:
            if len(self._in_flight) < WINDOW and (self._unsent or self._durable):
                self._taken = self._next_acknowledged()
                return self._taken
            if self._live:
                self._published += 1
                return self._live.popleft()
            return None

    def _next_acknowledged(self) -> Outgoing:
        if not self._unsent:
            return self._durable.popleft()
        topic = next(iter(self._unsent))
        del self._unsent[topic]
        return self._retained[topic]

    def sent(self, packet_id: int, message: Outgoing) -> None:
        """Remember a message of QoS 1 until it is acknowledged."""
        with self._lock:
            self._in_flight[packet_id] = message
            self._taken = None

    def acknowledged(self, packet_id: int) -> None:
        """The broker has the message: forget it, and its topic if it was ended."""
        with self._lock:
            message = self._in_flight.pop(packet_id, None)
            if message is None:
                return
            self._published += 1
            if (
                message.retain
                and not message.payload
                and self._retained.get(message.topic) is message
            ):
                del self._retained[message.topic]

    @property
    def stats(self) -> OutboxStats:
        """Counters of this moment."""
        with self._lock:
            waiting = len(self._durable) + len(self._in_flight) + len(self._unsent)
            return OutboxStats(self._published, self._dropped_live, self._dropped_durable, waiting)
