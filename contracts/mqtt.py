"""The way onto MQTT for every part: a connection that keeps itself alive.

One thread of its own owns the socket. Other threads only put messages into the outbox, which
takes microseconds and never waits for the network. MQTT 5 is tried first, then 3.1.1. Wrong
credentials are told apart from a broker that is away.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import Event, Thread

from contracts.errors import BrokerError
from contracts.mqtt_session import (
    BrokerRefusedError,
    Endpoint,
    NoAnswerError,
    Protocol,
    ProtocolRefusedError,
    Received,
    Session,
    SessionConfig,
    Waker,
)
from contracts.outbox import DURABLE_CAPACITY, Outbox, OutboxStats, Outgoing
from contracts.settings import MqttSettings

__all__ = [
    "BrokerInfo",
    "LinkState",
    "MqttConnection",
    "MqttHandlers",
    "MqttStats",
    "Outgoing",
    "Received",
    "check_broker",
]

CONNECT_TIMEOUT_S = 3.0
POLL_S = 1.0
STEADY_S = 2.0
_log = logging.getLogger(__name__)


class LinkState(StrEnum):
    """Where a connection is in its life."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class MqttStats:
    """Counters of a connection since its start.

    Attributes:
        outbox: What was published, dropped and waits.
        connects: Connections made; all but the first are reconnects.
        protocol: Version of MQTT that was agreed on last, or nothing.
    """

    outbox: OutboxStats
    connects: int
    protocol: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttHandlers:
    """What to call; everything runs on the connection's thread and must not block.

    Attributes:
        subscriptions: Topics, with wildcards, that are subscribed to on every connection.
        on_message: What to do with an arriving message.
        on_state: Called on each change with the state and, if it is bad, the reason.
    """

    subscriptions: Sequence[str] = ()
    on_message: Callable[[Received], None] | None = None
    on_state: Callable[[LinkState, str], None] | None = None


class Backoff:
    """Pauses between attempts: doubled each time, with jitter so that clients spread out."""

    def __init__(self, first_s: float = 0.2, longest_s: float = 5.0) -> None:
        """Start with the shortest pause."""
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """Start again with the shortest pause."""
        self._next_s = self._first_s

    def pause_s(self) -> float:
        """Seconds to wait now; between half of and the full step."""
        step_s = self._next_s
        self._next_s = min(step_s * 2, self._longest_s)
        return step_s * random.uniform(0.5, 1.0)


class MqttConnection:
    """A connection to the broker that comes back by itself.

    ``publish``, ``retain``, ``stats``, ``state`` and ``error`` may be used from any thread.
    """

    def __init__(
        self,
        settings: MqttSettings,
        name: str,
        handlers: MqttHandlers | None = None,
        will: Outgoing | None = None,
        capacity: int = DURABLE_CAPACITY,
    ) -> None:
        """Prepare; nothing is opened before ``start``.

        Args:
            settings: Where the broker is.
            name: Beginning of the client id; a random end makes it unique.
            handlers: What to subscribe to and to call.
            will: Retained message that the broker publishes if we vanish, and we on ``stop``.
            capacity: How many durable messages wait at most.

        Raises:
            ConfigError: ``mqtt.url`` is no broker's URL.
        """
        self._endpoint = Endpoint.from_settings(settings)
        self._client_id = f"{name}-{secrets.token_hex(4)}"
        self._handlers = handlers or MqttHandlers()
        self._will = will
        self._outbox = Outbox(capacity)
        self._waker: Waker | None = None
        self._stopping = Event()
        self._farewell_until_s = 0.0
        self._backoffs = {LinkState.UNREACHABLE: Backoff(), LinkState.REFUSED: Backoff(5.0, 30.0)}
        self._protocol: Protocol | None = None
        self._connects = 0
        self._state, self._error = LinkState.STOPPED, ""
        self._settled = Event()  # connected or refused
        self._thread: Thread | None = None

    @property
    def state(self) -> LinkState:
        """Where the connection is in its life."""
        return self._state

    @property
    def error(self) -> str:
        """Why there is no connection, in words; empty while there is one."""
        return self._error

    @property
    def address(self) -> str:
        """The broker's URL without user and password."""
        return str(self._endpoint)

    @property
    def stats(self) -> MqttStats:
        """Counters of this moment."""
        protocol = self._protocol.title if self._protocol else None
        return MqttStats(self._outbox.stats, self._connects, protocol)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._set_state(LinkState.CONNECTING)
        self._waker = Waker()
        self._thread = Thread(
            target=self._run, args=(self._waker,), name=self._client_id, daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Send what waits, then the will, then disconnect.

        Args:
            timeout_s: Longest time all of it may take; what is left then is lost.
        """
        self._farewell_until_s = time.monotonic() + timeout_s
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            # The thread may still sit in a TCP connect; it is a daemon and ends by itself.
            self._thread.join(timeout_s + 0.5)
        self._set_state(LinkState.STOPPED)

    def publish(self, message: Outgoing) -> bool:
        """Publish a message that is not retained.

        Args:
            message: QoS 0 is dropped while there is no connection; QoS 1 waits for one.

        Returns:
            Whether the message will be sent without loss of another.
        """
        accept = self._outbox.add_durable if message.qos else self._outbox.add_live
        accepted = accept(message)
        self._wake()
        return accepted

    def retain(self, topic: str, payload: bytes) -> None:
        """Set a topic's retained message, now and again after every reconnect.

        Args:
            topic: Full topic.
            payload: The message; empty deletes the topic.
        """
        self._outbox.retain(Outgoing(topic, payload, qos=1, retain=True))
        self._wake()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until there is a connection; for programs that can do nothing without one."""
        self._settled.wait(timeout_s)
        return self._state is LinkState.CONNECTED

    def _wake(self) -> None:
        if self._waker is not None:
            self._waker.wake()

    def _run(self, waker: Waker) -> None:
        with closing(waker):
            self._keep_connected(waker)
        left = self._outbox.stats.waiting
        if left:
            _log.warning("%d MQTT messages were not sent before the end", left)

    def _keep_connected(self, waker: Waker) -> None:
        """Connect, serve, wait, again: the body of the thread."""
        while not self._stopping.is_set():
            try:
                self._serve(waker)
            except BrokerRefusedError as exc:
                self._set_state(LinkState.REFUSED, str(exc))
            except BrokerError as exc:
                self._set_state(LinkState.UNREACHABLE, str(exc))
            except Exception:  # pylint: disable=broad-exception-caught  # edge of the thread
                _log.exception("The MQTT connection failed; connecting again")
                self._set_state(LinkState.UNREACHABLE, "internal error, see the log")
            if not self._stopping.is_set():
                backoff = self._backoffs.get(self._state)
                self._stopping.wait(backoff.pause_s() if backoff else 0.0)

    def _serve(self, waker: Waker) -> None:
        session = self._open()
        begun_s = time.monotonic()
        try:
            session.watch(waker)
            session.subscribe(self._handlers.subscriptions)
            self._outbox.connected()
            self._connects += 1
            self._set_state(LinkState.CONNECTED)
            while not self._stopping.is_set():
                self._pump(session)
                session.poll(POLL_S)
            self._say_goodbye(session)
        finally:
            self._outbox.disconnected()
            session.close()
            # A broker that lets us in and throws us out at once is not asked without pause.
            if time.monotonic() - begun_s > STEADY_S:
                for backoff in self._backoffs.values():
                    backoff.reset()

    def _open(self) -> Session:
        """Connect with the version that worked last, else with MQTT 5, then with 3.1.1."""
        config = SessionConfig(
            endpoint=self._endpoint,
            client_id=self._client_id,
            protocol=self._protocol or Protocol.V5,
            will=self._will,
            on_message=self._handlers.on_message,
            on_acknowledged=self._outbox.acknowledged,
        )
        session = _open_newest(config, CONNECT_TIMEOUT_S)
        self._protocol = session.protocol
        return session

    def _pump(self, session: Session) -> None:
        """Send what waits, as long as the socket takes it: backpressure stays in the outbox."""
        while not session.congested:
            message = self._outbox.take()
            if message is None:
                return
            packet_id = session.send(message)
            if message.qos:
                self._outbox.sent(packet_id, message)

    def _say_goodbye(self, session: Session) -> None:
        """Flush, then tell everybody what the will would have said."""
        self._flush(session)
        if self._will is not None:
            self._outbox.retain(self._will)
            self._flush(session)

    def _flush(self, session: Session) -> None:
        while self._outbox.stats.waiting or session.congested:
            left_s = self._farewell_until_s - time.monotonic()
            if left_s <= 0:
                return
            self._pump(session)
            session.poll(min(left_s, 0.1))

    def _state_is_final(self, state: LinkState) -> bool:
        """Whether we are being stopped: what goes wrong then interests nobody."""
        return self._stopping.is_set() and state is not LinkState.STOPPED

    def _set_state(self, state: LinkState, error: str = "") -> None:
        if (state, error) == (self._state, self._error) or self._state_is_final(state):
            return
        self._state, self._error = state, error
        if state in (LinkState.CONNECTED, LinkState.REFUSED):
            self._settled.set()
        else:
            self._settled.clear()
        if state is LinkState.CONNECTED:
            _log.info("Connected to %s (%s)", self._endpoint, self.stats.protocol)
        elif error:
            level = logging.ERROR if state is LinkState.REFUSED else logging.WARNING
            _log.log(level, "%s Trying again.", error)
        if self._handlers.on_state is not None:
            self._handlers.on_state(state, error)


@dataclass(frozen=True, slots=True)
class BrokerInfo:
    """What a broker told us when we knocked.

    Attributes:
        address: Its URL without user and password.
        protocol: Newest version of MQTT it speaks.
        connect_ms: Time from the first packet to its answer.
    """

    address: str
    protocol: str
    connect_ms: float


def check_broker(settings: MqttSettings, timeout_s: float = CONNECT_TIMEOUT_S) -> BrokerInfo:
    """Connect once and disconnect.

    Args:
        settings: Where the broker is.
        timeout_s: Longest wait.

    Returns:
        What the broker is.

    Raises:
        ConfigError: ``mqtt.url`` is no broker's URL.
        BrokerUnreachableError: Nobody answers, or something that is no broker.
        BrokerRefusedError: The broker does not let us in.
    """
    endpoint = Endpoint.from_settings(settings)
    client_id = f"actionstream-check-{secrets.token_hex(4)}"
    begun_s = time.monotonic()
    session = _open_newest(SessionConfig(endpoint, client_id, Protocol.V5), timeout_s)
    connect_ms = (time.monotonic() - begun_s) * 1000
    session.close()
    return BrokerInfo(str(endpoint), session.protocol.title, connect_ms)


def _open_newest(config: SessionConfig, timeout_s: float) -> Session:
    """Connect with the given version of MQTT, then with the other one.

    A broker that is too old should answer that it does not know MQTT 5. Some say nothing: amqtt
    0.12 misreads a CONNECT packet with a will or a user and waits for bytes that never come.
    """
    try:
        return Session(config, timeout_s)
    except (ProtocolRefusedError, NoAnswerError):
        other = Protocol.V311 if config.protocol is Protocol.V5 else Protocol.V5
        return Session(replace(config, protocol=other), timeout_s)
