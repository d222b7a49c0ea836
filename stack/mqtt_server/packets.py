"""MQTT control packets as a server reads and writes them, bytes to values and back.

Follows MQTT 3.1.1 and MQTT 5.0 (OASIS), chapters 2 and 3. Pure: no clock and no socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

V311 = 4
V5 = 5
MAX_VARINT = 268_435_455


class MalformedPacketError(Exception):
    """The bytes are no MQTT packet; the connection has to be closed (MQTT 5, 4.13)."""


class Type(IntEnum):
    """Packet types, 2.1.2."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Prop(IntEnum):
    """Properties that this server reads or writes itself, 2.2.2.2; it passes others on."""

    MESSAGE_EXPIRY = 0x02
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS = 0x23
    MAXIMUM_PACKET_SIZE = 0x27
    SUBSCRIPTION_IDS_AVAILABLE = 0x29
    SHARED_SUBSCRIPTIONS_AVAILABLE = 0x2A


# Length in bytes of each property's value; text and bytes carry a length, pairs are two texts.
_TEXT, _PAIR, _VARINT = "text", "pair", "varint"
_PROPERTY_KINDS: dict[int, int | str] = (
    dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1)
    | dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2)
    | dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4)
    | dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), _TEXT)
    | {0x26: _PAIR, 0x0B: _VARINT}
)

Properties = tuple[tuple[int, bytes], ...]
"""Identifier and value as on the wire, in the order of arrival."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a PUBLISH packet or a will carries.

    Attributes:
        topic: Without wildcards.
        payload: Any bytes.
        qos: 0, 1 or 2.
        retain: Whether the server is to keep it, or did.
        properties: Of MQTT 5, passed on unchanged but for the expiry.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = ()


@dataclass(frozen=True, slots=True)
class Publish:
    """PUBLISH, 3.3.

    Attributes:
        message: What is published.
        packet_id: Present with QoS 1 and 2.
    """

    message: Message
    packet_id: int = 0


@dataclass(frozen=True, slots=True)
class Connect:
    """CONNECT, 3.1.

    Attributes:
        protocol: Protocol level; only of 4 and 5 anything but this field is read.
        client_id: May be empty.
        clean: Whether an earlier session is to be forgotten.
        keepalive_s: The client speaks at least so often; 0 for never.
        will: Published when the client vanishes.
        username: User name, if sent.
        password: Password, if sent.
        receive_maximum: Unacknowledged messages the client takes at a time.
    """

    protocol: int
    client_id: str = ""
    clean: bool = True
    keepalive_s: int = 0
    will: Message | None = None
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    receive_maximum: int = 65_535


@dataclass(frozen=True, slots=True)
class Subscription:
    """One entry of a SUBSCRIBE packet, 3.8.3.

    Attributes:
        filter: Topic with wildcards.
        qos: Highest QoS wanted.
        no_local: Whether one's own messages stay away.
        retain_as_published: Whether the retain flag is passed on as the publisher set it.
        retain_handling: 0: send retained messages; 1: only if the subscription is new; 2: never.
    """

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Reader:
    """Takes fields off the front of a packet's body."""

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Take so many bytes.

        Raises:
            MalformedPacketError: There are fewer.
        """
        if count > self.left:
            raise MalformedPacketError("the packet is shorter than it says")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self, size: int) -> int:
        """Take a big-endian integer, 1.5.2 and 1.5.3."""
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        """Take a variable byte integer of at most four bytes, 1.5.5."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.integer(1)
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise MalformedPacketError("a variable byte integer has more than four bytes")

    def binary(self) -> bytes:
        """Take bytes with their length before them, 1.5.6."""
        return self.take(self.integer(2))

    def text(self) -> str:
        """Take a string, 1.5.4: UTF-8 without U+0000."""
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError as exc:
            raise MalformedPacketError("a string is not UTF-8") from exc
        if "\0" in text:
            raise MalformedPacketError("a string holds U+0000")
        return text

    def properties(self) -> Properties:
        """Take a property list, 2.2.2."""
        inner = Reader(self.take(self.varint()))
        found = []
        while inner.left:
            identifier = inner.varint()
            found.append((identifier, inner.property_value(identifier)))
        return tuple(found)

    def property_value(self, identifier: int) -> bytes:
        """Take the value of a property, 2.2.2.2, as it stands."""
        kind = _PROPERTY_KINDS.get(identifier)
        start = self._at
        if kind is None:
            raise MalformedPacketError(f"property {identifier:#x} does not exist")
        if isinstance(kind, int):
            self.take(kind)
        elif kind == _VARINT:
            self.varint()
        else:
            for _ in range(2 if kind == _PAIR else 1):
                self.binary()
        return self._data[start : self._at]

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.take(self.left)


def parse_connect(body: bytes) -> Connect:
    """Parse CONNECT, 3.1.

    Args:
        body: The packet after its fixed header.

    Returns:
        The request. Of a protocol level other than 4 and 5 only the level is filled in, so that
        it can be refused with words (3.1.2.2).

    Raises:
        MalformedPacketError: It is no CONNECT packet.
    """
    reader = Reader(body)
    name, protocol, flags = reader.text(), reader.integer(1), 0
    if name not in ("MQTT", "MQIsdp"):
        raise MalformedPacketError("the protocol is not MQTT")
    if name == "MQIsdp" or protocol not in (V311, V5):
        return Connect(protocol if name == "MQTT" else 3)
    flags, keepalive_s = reader.integer(1), reader.integer(2)
    if flags & 0x01 or (flags & 0x18) == 0x18 or (not flags & 0x04 and flags & 0x38):
        raise MalformedPacketError("the connect flags contradict each other")
    properties = dict(reader.properties()) if protocol == V5 else {}
    maximum = int.from_bytes(properties.get(Prop.RECEIVE_MAXIMUM, b"\xff\xff"), "big")
    client_id = reader.text()
    will = _parse_will(reader, protocol, flags) if flags & 0x04 else None
    return Connect(
        protocol=protocol,
        client_id=client_id,
        clean=bool(flags & 0x02),
        keepalive_s=keepalive_s,
        will=will,
        username=reader.text() if flags & 0x80 else None,
        password=reader.binary() if flags & 0x40 else None,
        receive_maximum=max(1, maximum),
    )


def _parse_will(reader: Reader, protocol: int, flags: int) -> Message:
    will_delay = 0x18
    properties = reader.properties() if protocol == V5 else ()
    topic = check_topic(reader.text())
    return Message(
        topic=topic,
        payload=reader.binary(),
        qos=(flags & 0x18) >> 3,
        retain=bool(flags & 0x20),
        properties=tuple(item for item in properties if item[0] != will_delay),
    )


def parse_publish(flags: int, body: bytes, protocol: int) -> Publish:
    """Parse PUBLISH, 3.3.

    Args:
        flags: Low four bits of the fixed header.
        body: The packet after its fixed header.
        protocol: Protocol level of the connection.

    Raises:
        MalformedPacketError: Wildcards in the topic, QoS 3, a topic alias (we allow none) or
            bytes that are no PUBLISH packet.
    """
    qos = (flags & 0x06) >> 1
    if qos == 3:
        raise MalformedPacketError("QoS 3 does not exist")
    reader = Reader(body)
    topic = check_topic(reader.text())
    packet_id = _packet_id(reader) if qos else 0
    properties = reader.properties() if protocol == V5 else ()
    if any(identifier == Prop.TOPIC_ALIAS for identifier, _ in properties):
        raise MalformedPacketError("a topic alias is used though none are allowed")
    message = Message(topic, reader.rest(), qos, bool(flags & 0x01), properties)
    return Publish(message, packet_id)


def parse_subscribe(body: bytes, protocol: int) -> tuple[int, list[Subscription]]:
    """Parse SUBSCRIBE, 3.8, into its packet id and its entries."""
    reader = Reader(body)
    packet_id = _packet_id(reader)
    if protocol == V5:
        reader.properties()
    entries = []
    while reader.left:
        name, options = reader.text(), reader.integer(1)
        # MQTT 3.1.1 has the QoS alone; higher bits must be zero (3.8.3-4).
        if options & 0x03 == 3 or options & (0xC0 if protocol == V5 else 0xFC):
            raise MalformedPacketError("the subscription options are wrong")
        entries.append(
            Subscription(
                filter=name,
                qos=options & 0x03,
                no_local=bool(options & 0x04),
                retain_as_published=bool(options & 0x08),
                retain_handling=(options & 0x30) >> 4,
            )
        )
    if not entries:
        raise MalformedPacketError("a SUBSCRIBE packet names no topic")
    return packet_id, entries


def parse_unsubscribe(body: bytes, protocol: int) -> tuple[int, list[str]]:
    """Parse UNSUBSCRIBE, 3.10, into its packet id and its filters."""
    reader = Reader(body)
    packet_id = _packet_id(reader)
    if protocol == V5:
        reader.properties()
    filters = []
    while reader.left:
        filters.append(reader.text())
    if not filters:
        raise MalformedPacketError("an UNSUBSCRIBE packet names no topic")
    return packet_id, filters


def parse_ack(body: bytes) -> int:
    """Parse PUBACK, PUBREC, PUBREL or PUBCOMP, 3.4 to 3.7, into the packet id."""
    return _packet_id(Reader(body))


def _packet_id(reader: Reader) -> int:
    packet_id = reader.integer(2)
    if not packet_id:
        raise MalformedPacketError("a packet id is zero")
    return packet_id


def check_topic(topic: str) -> str:
    """Refuse a topic that nobody may publish to (4.7.1): empty, or with wildcards."""
    if not topic or "+" in topic or "#" in topic:
        raise MalformedPacketError("the topic is empty or holds wildcards")
    return topic


def encode_varint(value: int) -> bytes:
    """Encode a variable byte integer, 1.5.5."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def encode_text(text: str) -> bytes:
    """Encode a string, 1.5.4."""
    data = text.encode("utf-8")
    return len(data).to_bytes(2, "big") + data


def encode_properties(properties: Sequence[tuple[int, bytes]]) -> bytes:
    """Encode a property list with its length, 2.2.2."""
    data = b"".join(encode_varint(identifier) + value for identifier, value in properties)
    return encode_varint(len(data)) + data


def encode(kind: Type, body: bytes = b"", flags: int = 0) -> bytes:
    """Put the fixed header, 2.1, before a body."""
    return bytes([kind << 4 | flags]) + encode_varint(len(body)) + body


def encode_publish(publish: Publish, protocol: int) -> bytes:
    """Encode PUBLISH, 3.3."""
    message = publish.message
    body = encode_text(message.topic)
    if message.qos:
        body += publish.packet_id.to_bytes(2, "big")
    if protocol == V5:
        body += encode_properties(message.properties)
    return encode(Type.PUBLISH, body + message.payload, message.qos << 1 | message.retain)


def encode_connack(code: int, protocol: int, properties: Properties = ()) -> bytes:
    """Encode CONNACK, 3.2, without a session of old."""
    tail = encode_properties(properties) if protocol == V5 else b""
    return encode(Type.CONNACK, bytes([0, code]) + tail)


def encode_ack(kind: Type, packet_id: int) -> bytes:
    """Encode PUBACK, PUBREC, PUBREL or PUBCOMP, 3.4 to 3.7, for success."""
    return encode(kind, packet_id.to_bytes(2, "big"), 2 if kind is Type.PUBREL else 0)


def encode_codes(kind: Type, packet_id: int, codes: Sequence[int], protocol: int) -> bytes:
    """Encode SUBACK, 3.9, or UNSUBACK, 3.11; the latter has codes in MQTT 5 only."""
    body = packet_id.to_bytes(2, "big")
    if protocol == V5:
        body += b"\x00"
    if protocol == V5 or kind is Type.SUBACK:
        body += bytes(codes)
    return encode(kind, body)


def encode_disconnect(reason: int) -> bytes:
    """Encode DISCONNECT, 3.14, as only an MQTT 5 server may send it."""
    return encode(Type.DISCONNECT, bytes([reason, 0]))
