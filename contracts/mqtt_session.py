"""One MQTT connection, from CONNECT to its end, over paho.

The session belongs to one thread. It never reconnects and never queues: what to do when it ends
is decided above, in ``contracts.mqtt``.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contracts.errors import BrokerError, ConfigError
from contracts.messages import SCHEMA_VERSION
from contracts.outbox import WINDOW, Outgoing
from contracts.settings import MqttSettings

KEEPALIVE_S = 10
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_log = logging.getLogger(__name__)
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}

# Reason codes of MQTT 5, 3.2.2.2; paho maps the five return codes of MQTT 3.1.1 onto them.
_UNSUPPORTED_PROTOCOL = 0x84
_CREDENTIALS_REFUSED = frozenset({0x86, 0x87, 0x8A, 0x8C})


class Protocol(IntEnum):
    """Protocol level as the CONNECT packet carries it."""

    V311 = 4
    V5 = 5

    @property
    def title(self) -> str:
        """Name as people write it."""
        return "MQTT 5" if self is Protocol.V5 else "MQTT 3.1.1"


class BrokerUnreachableError(BrokerError):
    """Nobody answers at the address, or the connection broke: worth a retry."""

    code = "broker_unreachable"


class NoAnswerError(BrokerUnreachableError):
    """The other side takes the connection but says nothing: no broker, or one that is too old."""

    code = "broker_silent"


class BrokerRefusedError(BrokerError):
    """The broker answers but does not let us in: a person has to change something."""

    code = "broker_refused"


class ProtocolRefusedError(BrokerRefusedError):
    """The broker does not speak this version of MQTT."""

    code = "broker_protocol"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a broker is and who we are there.

    Attributes:
        host: Name or address.
        port: TCP port.
        tls: Whether the connection is encrypted and the certificate checked.
        username: User name, if one is to be sent.
        password: Password, if one is to be sent.
    """

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_settings(cls, settings: MqttSettings) -> Self:
        """Find out where the settings point.

        Args:
            settings: User and password there win over those in the URL.

        Returns:
            The endpoint; an address that means "every interface" becomes loopback.

        Raises:
            ConfigError: ``mqtt.url`` is not of the form ``mqtt://[user:password@]host[:port]``.
        """
        password = settings.password.get_secret_value() if settings.password else None
        endpoint = cls.from_url(settings.url) if settings.url else cls(settings.host, settings.port)
        return replace(
            endpoint,
            host=_ANY_ADDRESS.get(endpoint.host, endpoint.host),
            username=settings.username or endpoint.username,
            password=password or endpoint.password,
        )

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Take a URL apart.

        Args:
            url: ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS; user and
                password are percent-encoded.

        Returns:
            The endpoint.

        Raises:
            ConfigError: The URL is not of that form.
        """
        form = "Write `mqtt://host:1883` or, with TLS, `mqtts://host:8883`."
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise ConfigError(f"`mqtt.url` is not a URL: {exc}.", form) from exc
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            raise ConfigError(f"`mqtt.url` is not a broker's URL: {url}.", form)
        return cls(
            host=parts.hostname,
            port=_PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        """URL without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Received:
    """One message that arrived.

    Attributes:
        topic: Full topic.
        payload: Bytes as received.
        retained: Whether the broker had kept it from before we subscribed.
    """

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session needs to know.

    Attributes:
        endpoint: Where to connect.
        client_id: Must differ from every other client's: a broker drops the older of two.
        protocol: Version of MQTT to speak.
        will: Message that the broker publishes if we vanish.
        on_message: Called with what arrives, from within ``poll``.
        on_acknowledged: Called with the packet id of a message that the broker has taken.
    """

    endpoint: Endpoint
    client_id: str
    protocol: Protocol
    will: Outgoing | None = None
    on_message: Callable[[Received], None] | None = None
    on_acknowledged: Callable[[int], None] | None = None


class Session:
    """One connection; all methods belong to the thread that made it."""

    def __init__(self, config: SessionConfig, timeout_s: float) -> None:
        """Connect and wait for the broker's answer.

        Args:
            config: Where and how.
            timeout_s: Longest wait for TCP, TLS and the answer, each.

        Raises:
            BrokerUnreachableError: No answer.
            ProtocolRefusedError: The broker does not speak ``config.protocol``.
            BrokerRefusedError: Wrong credentials, untrusted certificate or another refusal.
        """
        self._config = config
        self._filters: Sequence[str] = ()
        self._answer: ReasonCode | None = None
        self._waker: Waker | None = None
        self._selector = selectors.DefaultSelector()
        self._client = self._make_client(timeout_s)
        try:
            self._connect(timeout_s)
        except BrokerError:
            self.close()
            raise

    def _make_client(self, timeout_s: float) -> paho.Client:
        config = self._config
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            protocol=MQTTProtocolVersion(int(config.protocol)),
            reconnect_on_failure=False,
        )
        client.connect_timeout = timeout_s
        client.max_inflight_messages = WINDOW
        client.username = config.endpoint.username
        client.password = config.endpoint.password
        client.on_connect = self._on_connect
        client.on_socket_open = _on_socket_open
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        if config.endpoint.tls:
            client.tls_set_context(ssl.create_default_context())
        if config.will is not None:
            will = config.will
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        return client

    def _connect(self, timeout_s: float) -> None:
        endpoint = self._config.endpoint
        try:
            self._client.connect(endpoint.host, endpoint.port, keepalive=KEEPALIVE_S)
        except ssl.SSLCertVerificationError as exc:
            raise BrokerRefusedError(
                f"The certificate of {endpoint} is not trusted: {exc.verify_message}.",
                "Name the authority that signed it in SSL_CERT_FILE.",
            ) from exc
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise BrokerUnreachableError(
                f"No MQTT broker answers at {endpoint} ({reason})."
            ) from exc
        self._await_answer(time.monotonic() + timeout_s)

    def _await_answer(self, deadline_s: float) -> None:
        lost: BrokerUnreachableError | None = None
        while self._answer is None and lost is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            try:
                self.poll(left_s)
            except BrokerUnreachableError as exc:
                lost = exc
        # A refusal closes the connection, so the answer counts more than the loss.
        if self._answer is not None and self._answer.is_failure:
            raise self._refusal(self._answer)
        said = f"What listens at {self._config.endpoint} does not answer as an MQTT broker"
        if lost is not None:
            raise NoAnswerError(f"{said}: it closed the connection.") from lost
        if self._answer is None:
            raise NoAnswerError(f"{said}: it says nothing.")

    def _refusal(self, answer: ReasonCode) -> BrokerError:
        endpoint, code = self._config.endpoint, answer.value
        if code == _UNSUPPORTED_PROTOCOL:
            return ProtocolRefusedError(f"{endpoint} does not speak {self._config.protocol.title}.")
        if code in _CREDENTIALS_REFUSED:
            who = f"user `{endpoint.username}`" if endpoint.username else "clients without a user"
            return BrokerRefusedError(
                f"{endpoint} refuses {who}: {answer}.", "Set mqtt.username and mqtt.password."
            )
        return BrokerRefusedError(f"{endpoint} refuses the connection: {answer}.")

    @property
    def protocol(self) -> Protocol:
        """Version of MQTT that is spoken."""
        return self._config.protocol

    @property
    def congested(self) -> bool:
        """Whether the socket is full: what is sent now would pile up in memory."""
        return self._client.want_write()

    def watch(self, waker: Waker) -> None:
        """Let ``waker.wake()``, from any thread, end a ``poll`` early."""
        self._selector.register(waker, selectors.EVENT_READ)
        self._waker = waker

    def poll(self, timeout_s: float) -> None:
        """Wait for the network once and handle what came.

        Args:
            timeout_s: Longest wait.

        Raises:
            BrokerUnreachableError: The connection is gone.
        """
        sock: Any = self._client.socket()
        if sock is None:
            raise self._lost(MQTTErrorCode.MQTT_ERR_NO_CONN)
        events = selectors.EVENT_READ
        if self._client.want_write():
            events |= selectors.EVENT_WRITE
        self._select(sock, events)
        # TLS may hold decrypted bytes that the socket below does not show.
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        ready = {key.fd: mask for key, mask in self._selector.select(0.0 if pending else timeout_s)}
        if self._waker is not None and self._waker.fileno() in ready:
            self._waker.clear()
        mask = ready.get(sock.fileno(), 0)
        if mask & selectors.EVENT_READ or pending:
            self._check(self._client.loop_read())
        if mask & selectors.EVENT_WRITE:
            self._check(self._client.loop_write())
        self._check(self._client.loop_misc())

    def _select(self, sock: Any, events: int) -> None:
        key = self._selector.get_map().get(sock)
        if key is None:
            self._selector.register(sock, events)
        elif key.events != events:
            self._selector.modify(sock, events)

    def _check(self, code: MQTTErrorCode) -> None:
        if code not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            raise self._lost(code)

    def _lost(self, code: MQTTErrorCode) -> BrokerUnreachableError:
        return BrokerUnreachableError(
            f"The connection to {self._config.endpoint} broke: {paho.error_string(code)}"
        )

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe at QoS 1; what matches none of the filters is never handed on.

        Args:
            filters: Topics with wildcards.
        """
        self._filters = tuple(filters)
        if self._filters:
            self._client.subscribe([(name, 1) for name in self._filters])

    def send(self, message: Outgoing) -> int:
        """Write a message to the socket, as far as it takes it.

        Args:
            message: What to publish.

        Returns:
            The packet id under which it will be acknowledged.

        Raises:
            BrokerUnreachableError: The connection is gone.
        """
        properties = None
        if self._config.protocol is Protocol.V5:
            properties = _properties(message.expiry_s, message.payload[:1] == b"{")
        info = self._client.publish(
            message.topic, message.payload, message.qos, message.retain, properties
        )
        self._check(info.rc)
        return info.mid

    def close(self) -> None:
        """Say goodbye, which keeps the will from being published, and free the socket."""
        with suppress(OSError):
            self._client.disconnect()
        self._selector.close()
        sock: Any = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answer = reason

    def _on_publish(
        self,
        _client: paho.Client,
        _userdata: Any,
        packet_id: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        if reason.is_failure:
            _log.warning("%s refuses a message: %s", self._config.endpoint, reason)
        if self._config.on_acknowledged is not None:
            self._config.on_acknowledged(packet_id)

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: Any,
        _packet_id: int,
        reasons: list[ReasonCode],
        _properties: Properties,
    ) -> None:
        for name, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                _log.error("%s refuses to tell us %s: %s", self._config.endpoint, name, reason)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        # amqtt 0.12 sends each new client what *others* subscribed to and it retains.
        wanted = any(paho.topic_matches_sub(name, message.topic) for name in self._filters)
        if wanted and self._config.on_message is not None:
            received = Received(message.topic, bytes(message.payload), bool(message.retain))
            self._config.on_message(received)


class Waker:
    """Ends another thread's ``Session.poll``; one byte in a pipe, however often it is called."""

    def __init__(self) -> None:
        """Open the pair of sockets."""
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._woken = False

    def fileno(self) -> int:
        """Descriptor that becomes readable."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make the descriptor readable; callable from any thread, never blocks."""
        if not self._woken:
            self._woken = True
            with suppress(OSError):
                self._writer.send(b"\0")

    def clear(self) -> None:
        """Take the byte out; only before looking for work is none overlooked."""
        with suppress(BlockingIOError):
            self._reader.recv(64)
        self._woken = False

    def close(self) -> None:
        """Close both sockets; ``wake`` does nothing from now on."""
        self._woken = True
        self._reader.close()
        self._writer.close()


def _on_socket_open(_client: paho.Client, _userdata: Any, sock: Any) -> None:
    # Without it Nagle holds a small message back until the last one is acknowledged:
    # 99th percentile 6.9 ms instead of 0.5 ms on loopback.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@lru_cache(maxsize=16)
def _properties(expiry_s: int | None, is_json: bool) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own gap
    properties.PayloadFormatIndicator = 1
    properties.ContentType = "application/json" if is_json else "text/plain"
    properties.UserProperty = ("schema", str(SCHEMA_VERSION))
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    return properties
