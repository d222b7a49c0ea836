"""One connected client: what it subscribed to and what is on its way to it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

from stack.mqtt_server.matching import matches
from stack.mqtt_server.packets import (
    Connect,
    Message,
    Prop,
    Publish,
    Subscription,
    Type,
    encode_ack,
    encode_publish,
)

MAX_BUFFER_BYTES = 1_000_000
"""Bytes that may wait in a client's socket; then it is too slow and loses messages of QoS 0."""
MAX_PENDING = 1_000
MAX_IN_FLIGHT = 64
MAX_PACKET_ID = 65_535


class Stored:
    """A message and when it came, so that it can grow too old."""

    __slots__ = ("message", "received_s")

    def __init__(self, message: Message, received_s: float) -> None:
        """Store a message.

        Args:
            message: As it was received.
            received_s: Monotonic seconds of that moment.
        """
        self.message = message
        self.received_s = received_s

    def at(self, now_s: float) -> Message | None:
        """The message with the expiry that is left (3.3.2.3.3), or ``None`` if it is over."""
        message = self.message
        for identifier, value in message.properties:
            if identifier == Prop.MESSAGE_EXPIRY:
                left_s = int.from_bytes(value, "big") - int(now_s - self.received_s)
                if left_s <= 0:
                    return None
                expiry = (identifier, left_s.to_bytes(4, "big"))
                others = [item for item in message.properties if item[0] != identifier]
                return replace(message, properties=(expiry, *others))
        return message


class Client:
    """A client after its CONNECT was accepted. Belongs to the server's event loop."""

    def __init__(self, connect: Connect, client_id: str, writer: asyncio.StreamWriter) -> None:
        """Take over an accepted connection.

        Args:
            connect: What the client asked for.
            client_id: Its own or the one we gave it.
            writer: Where to send to.
        """
        self.client_id = client_id
        self.protocol = connect.protocol
        self.will = connect.will
        self.dropped = 0
        self.received_ids: set[int] = set()  # of QoS 2, between PUBLISH and PUBREL
        self._writer = writer
        self._window = min(connect.receive_maximum, MAX_IN_FLIGHT)
        self._subscriptions: dict[str, Subscription] = {}
        self._pending: deque[Stored] = deque()
        self._in_flight: set[int] = set()
        self._last_id = 0

    def subscribe(self, subscription: Subscription) -> bool:
        """Add or change a subscription; say whether it is new."""
        is_new = subscription.filter not in self._subscriptions
        self._subscriptions[subscription.filter] = subscription
        return is_new

    def unsubscribe(self, name: str) -> bool:
        """Remove a subscription; say whether there was one."""
        return self._subscriptions.pop(name, None) is not None

    @property
    def subscription_count(self) -> int:
        """How many filters the client subscribed to."""
        return len(self._subscriptions)

    def wanted(self, message: Message, from_itself: bool) -> Message | None:
        """The message as this client is to get it, or ``None`` if it did not subscribe to it.

        Overlapping subscriptions make one message with the highest QoS of them (3.3.4).
        """
        found = [
            one
            for one in self._subscriptions.values()
            if matches(one.filter, message.topic) and not (from_itself and one.no_local)
        ]
        if not found:
            return None
        qos = min(message.qos, max(one.qos for one in found), 1)
        retain = message.retain and any(one.retain_as_published for one in found)
        if qos == message.qos and retain == message.retain:
            return message
        return replace(message, qos=qos, retain=retain)

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

    def send(self, data: bytes) -> None:
        """Send an answer."""
        self._writer.write(data)

    def deliver(self, stored: Stored, now_s: float) -> None:
        """Send a message now, or keep it until the client has acknowledged others.

        Args:
            stored: Of QoS 0 or 1, as ``wanted`` returned it.
            now_s: Monotonic seconds.
        """
        if stored.message.qos:
            if len(self._pending) >= MAX_PENDING:
                self._pending.popleft()
                self.dropped += 1
            self._pending.append(stored)
            self.flush(now_s)
        elif self._is_slow:
            self.dropped += 1
        else:
            self._write(stored, 0, now_s)

    def acknowledged(self, packet_id: int, now_s: float) -> None:
        """Take note of a PUBACK and send what waited for it."""
        self._in_flight.discard(packet_id)
        self.flush(now_s)

    def release(self, packet_id: int) -> None:
        """End the reception of a message of QoS 2."""
        self.received_ids.discard(packet_id)
        self.send(encode_ack(Type.PUBCOMP, packet_id))

    def flush(self, now_s: float) -> None:
        """Send what waits, as far as the client's window and socket allow."""
        while self._pending and len(self._in_flight) < self._window and not self._is_slow:
            packet_id = self._next_id()
            if self._write(self._pending.popleft(), packet_id, now_s):
                self._in_flight.add(packet_id)

    @property
    def _is_slow(self) -> bool:
        return self._writer.transport.get_write_buffer_size() > MAX_BUFFER_BYTES

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % MAX_PACKET_ID + 1
            if self._last_id not in self._in_flight:
                return self._last_id

    def _write(self, stored: Stored, packet_id: int, now_s: float) -> bool:
        message = stored.at(now_s)
        if message is None:
            self.dropped += 1
            return False
        self._writer.write(encode_publish(Publish(message, packet_id), self.protocol))
        return True
