"""The broker itself: takes connections, keeps retained messages, fans messages out."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from stack.mqtt_server.client import MAX_IN_FLIGHT, Client, Stored
from stack.mqtt_server.matching import is_valid_filter, matches
from stack.mqtt_server.packets import (
    V5,
    V311,
    Connect,
    MalformedPacketError,
    Message,
    Prop,
    Properties,
    Publish,
    Subscription,
    Type,
    encode,
    encode_ack,
    encode_codes,
    encode_connack,
    encode_disconnect,
    encode_text,
    parse_ack,
    parse_connect,
    parse_publish,
    parse_subscribe,
    parse_unsubscribe,
)

MAX_PACKET_BYTES = 2_000_000
MAX_CONNECT_BYTES = 400_000
MAX_CLIENTS = 256
MAX_SUBSCRIPTIONS = 1_000
MAX_RETAINED = 20_000
CONNECT_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 0.3
_log = logging.getLogger(__name__)

Authenticate = Callable[[str | None, bytes | None], bool]
"""Says whether a user name and a password let a client in."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Code of CONNACK in both versions: 3.1.1 table 3.1, MQTT 5 3.2.2.2."""

    v311: int
    v5: int


_BAD_PROTOCOL = _Refusal(0x01, 0x84)
_BAD_CLIENT_ID = _Refusal(0x02, 0x85)
_BAD_LOGIN = _Refusal(0x04, 0x86)
_NOT_AUTHORISED = _Refusal(0x05, 0x87)

_MALFORMED, _SHUTTING_DOWN, _SILENT, _TAKEN_OVER = 0x81, 0x8B, 0x8D, 0x8E
_FILTER_REFUSED = {V311: 0x80, V5: 0x8F}
_QUOTA_EXCEEDED = {V311: 0x80, V5: 0x97}
_NO_SUBSCRIPTION = 0x11


class MqttServer:
    """A broker in one event loop; nothing of it is thread-safe."""

    def __init__(self, authenticate: Authenticate | None = None) -> None:
        """Prepare; ``serve`` opens the door.

        Args:
            authenticate: Who may come in; ``None`` lets everybody in.
        """
        self._authenticate = authenticate
        self._clients: dict[str, Client] = {}
        self._retained: dict[str, Stored] = {}
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on a listening socket, which is ours from now on."""
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def stop(self) -> None:
        """Say goodbye to everybody and close all connections."""
        if self._server is not None:
            self._server.close()
        for client in self._clients.values():
            client.will = None
            if client.protocol == V5:
                client.send(encode_disconnect(_SHUTTING_DOWN))
        for writer in self._tasks.values():
            writer.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT_S)
        for writer in self._tasks.values():
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def dropped(self) -> int:
        """Messages that connected clients lost because they were too slow."""
        return sum(client.dropped for client in self._clients.values())

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MAX_CLIENTS:
            writer.close()
            return
        self._tasks[task] = writer
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, MalformedPacketError) as exc:
            _log.debug("An MQTT connection ended: %r", exc)
        finally:
            del self._tasks[task]
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything between a client's first and last packet."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            first = await reader.readexactly(1)
            if first[0] >> 4 != Type.CONNECT:
                return
            _, _, body = await _read_packet(reader, first, MAX_CONNECT_BYTES)
        connect = parse_connect(body)
        refusal = self._refusal(connect)
        if refusal is not None:
            # A client of an unknown version still understands the code of 3.1.1 (3.2.2.3).
            code = refusal.v5 if connect.protocol == V5 else refusal.v311
            writer.write(encode_connack(code, connect.protocol))
            await writer.drain()
            return
        client = self._admit(connect, writer)
        try:
            await self._converse(client, connect.keepalive_s, reader)
        except (MalformedPacketError, TimeoutError) as exc:
            if client.protocol == V5:
                is_silent = isinstance(exc, TimeoutError)
                client.send(encode_disconnect(_SILENT if is_silent else _MALFORMED))
            raise
        finally:
            self._dismiss(client)

    def _refusal(self, connect: Connect) -> _Refusal | None:
        if connect.protocol not in (V311, V5):
            return _BAD_PROTOCOL
        if not connect.client_id and not connect.clean and connect.protocol == V311:
            return _BAD_CLIENT_ID
        if self._authenticate is None or self._authenticate(connect.username, connect.password):
            return None
        return _NOT_AUTHORISED if connect.username is None else _BAD_LOGIN

    def _admit(self, connect: Connect, writer: asyncio.StreamWriter) -> Client:
        client_id = connect.client_id or f"auto-{secrets.token_hex(8)}"
        client = Client(connect, client_id, writer)
        older = self._clients.pop(client_id, None)
        if older is not None:
            # Two clients of one name: the newer one stays (3.1.4).
            if older.protocol == V5:
                older.send(encode_disconnect(_TAKEN_OVER))
            older.close()
            self._dismiss(older)
        self._clients[client_id] = client
        limits: Properties = (
            (Prop.SESSION_EXPIRY, bytes(4)),
            (Prop.RECEIVE_MAXIMUM, MAX_IN_FLIGHT.to_bytes(2, "big")),
            (Prop.MAXIMUM_PACKET_SIZE, MAX_PACKET_BYTES.to_bytes(4, "big")),
            (Prop.SUBSCRIPTION_IDS_AVAILABLE, b"\0"),
            (Prop.SHARED_SUBSCRIPTIONS_AVAILABLE, b"\0"),
        )
        if not connect.client_id:
            limits += ((Prop.ASSIGNED_CLIENT_ID, encode_text(client_id)),)
        client.send(encode_connack(0, connect.protocol, limits))
        return client

    def _dismiss(self, client: Client) -> None:
        """Forget a client and publish its will, unless it said goodbye."""
        if self._clients.get(client.client_id) is client:
            del self._clients[client.client_id]
        will, client.will = client.will, None
        if will is not None:
            self._publish(client, will)

    async def _converse(
        self, client: Client, keepalive_s: int, reader: asyncio.StreamReader
    ) -> None:
        # A client that is silent for one and a half times its keepalive is gone (3.1.2.10).
        patience_s = keepalive_s * 1.5 if keepalive_s else None
        while True:
            async with asyncio.timeout(patience_s):
                first = await reader.readexactly(1)
                kind, flags, body = await _read_packet(reader, first, MAX_PACKET_BYTES)
            if kind is Type.DISCONNECT:
                # MQTT 5 may ask for the will to be published all the same (3.14.2.1).
                if not (client.protocol == V5 and body[:1] == b"\x04"):
                    client.will = None
                return
            self._handle(client, kind, flags, body)

    def _handle(self, client: Client, kind: Type, flags: int, body: bytes) -> None:
        now_s = time.monotonic()
        if kind is Type.PUBLISH:
            self._on_publish(client, parse_publish(flags, body, client.protocol))
        elif kind is Type.PUBACK:
            client.acknowledged(parse_ack(body), now_s)
        elif kind is Type.PUBREL:
            client.release(parse_ack(body))
        elif kind is Type.SUBSCRIBE:
            self._on_subscribe(client, *parse_subscribe(body, client.protocol))
        elif kind is Type.UNSUBSCRIBE:
            self._on_unsubscribe(client, *parse_unsubscribe(body, client.protocol))
        elif kind is Type.PINGREQ:
            client.send(encode(Type.PINGRESP))
            client.flush(now_s)
        else:
            raise MalformedPacketError(f"{kind.name} is not for servers")

    def _on_publish(self, client: Client, publish: Publish) -> None:
        message, packet_id = publish.message, publish.packet_id
        if message.qos == 2:
            is_repeated = packet_id in client.received_ids
            client.received_ids.add(packet_id)
            client.send(encode_ack(Type.PUBREC, packet_id))
            if is_repeated:
                return
        self._publish(client, message)
        if message.qos == 1:
            client.send(encode_ack(Type.PUBACK, packet_id))

    def _publish(self, origin: Client, message: Message) -> None:
        now_s = time.monotonic()
        stored = Stored(message, now_s)
        if message.retain:
            self._retain(stored)
        for client in list(self._clients.values()):
            wanted = client.wanted(message, client is origin)
            if wanted is not None:
                client.deliver(stored if wanted is message else Stored(wanted, now_s), now_s)

    def _retain(self, stored: Stored) -> None:
        topic = stored.message.topic
        if not stored.message.payload:
            self._retained.pop(topic, None)
        elif topic in self._retained or len(self._retained) < MAX_RETAINED:
            self._retained[topic] = stored
        else:
            _log.warning("More than %d retained topics; %s is not kept", MAX_RETAINED, topic)

    def _on_subscribe(self, client: Client, packet_id: int, entries: list[Subscription]) -> None:
        codes, granted = [], []
        for entry in entries:
            if not is_valid_filter(entry.filter) or entry.filter.startswith("$share/"):
                codes.append(_FILTER_REFUSED[client.protocol])
            elif client.subscription_count >= MAX_SUBSCRIPTIONS:
                codes.append(_QUOTA_EXCEEDED[client.protocol])
            else:
                codes.append(min(entry.qos, 1))
                is_new = client.subscribe(entry)
                if entry.retain_handling == 0 or (entry.retain_handling == 1 and is_new):
                    granted.append(entry)
        client.send(encode_codes(Type.SUBACK, packet_id, codes, client.protocol))
        for entry in granted:
            self._send_retained(client, entry)

    def _send_retained(self, client: Client, entry: Subscription) -> None:
        now_s = time.monotonic()
        for topic, stored in list(self._retained.items()):
            if not matches(entry.filter, topic):
                continue
            current = stored.at(now_s)
            if current is None:
                del self._retained[topic]
                continue
            qos = min(current.qos, entry.qos, 1)
            client.deliver(Stored(replace(current, qos=qos, retain=True), now_s), now_s)

    def _on_unsubscribe(self, client: Client, packet_id: int, filters: list[str]) -> None:
        codes = [0 if client.unsubscribe(name) else _NO_SUBSCRIPTION for name in filters]
        client.send(encode_codes(Type.UNSUBACK, packet_id, codes, client.protocol))


async def _read_packet(
    reader: asyncio.StreamReader, first: bytes, limit: int
) -> tuple[Type, int, bytes]:
    """Read the rest of a packet (2.1).

    Args:
        reader: Stands behind the first byte.
        first: That byte.
        limit: Most bytes that may follow the fixed header.

    Returns:
        The packet's type, its four flags and what follows the fixed header.
    """
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
        if shift > 21:
            raise MalformedPacketError("the length has more than four bytes")
    if length > limit:
        raise MalformedPacketError("the packet is too large")
    try:
        kind = Type(first[0] >> 4)
    except ValueError as exc:
        raise MalformedPacketError("the packet type does not exist") from exc
    return kind, first[0] & 0x0F, await reader.readexactly(length)
