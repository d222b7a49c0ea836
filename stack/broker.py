"""Which MQTT broker is used: one that runs elsewhere, mosquitto, or our own.

``mqtt.url`` set           that one; nothing is started
``mosquitto`` on PATH      started as a child, watched, started again when it dies
else                       the embedded one (``stack.mqtt_server``), in a thread of its own
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import shutil
import socket
from concurrent.futures import Future
from threading import Thread
from typing import Literal, Protocol

from contracts.errors import (
    BrokerError,
    ConfigError,
    MissingDependencyError,
    PortInUseError,
)
from contracts.mqtt import check_broker
from contracts.mqtt_session import BrokerRefusedError, Endpoint
from contracts.settings import MqttSettings, is_loopback
from stack.mosquitto import MosquittoBroker
from stack.mqtt_server.server import Authenticate, MqttServer
from stack.serving import bind

BrokerKind = Literal["external", "mosquitto", "embedded"]
_DAEMON_FOLDERS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
_KNOCK_TIMEOUT_S = 0.5
_log = logging.getLogger(__name__)


class Broker(Protocol):
    """A broker in use."""

    @property
    def kind(self) -> BrokerKind:
        """Which of the three it is."""

    @property
    def settings(self) -> MqttSettings:
        """Settings with which clients reach it; the port is the real one."""

    def stop(self) -> None:
        """End it, if we started it, within a second."""


class ExternalBroker:
    """A broker that somebody else runs."""

    kind: BrokerKind = "external"

    def __init__(self, settings: MqttSettings) -> None:
        """Remember where it is."""
        self.settings = settings

    def stop(self) -> None:
        """Leave it alone."""


class EmbeddedBroker:
    """Our own broker in a thread of its own, so that nothing else can slow it down."""

    kind: BrokerKind = "embedded"

    def __init__(self, settings: MqttSettings, listener: socket.socket) -> None:
        """Start to serve; returns once connections are answered.

        Args:
            settings: Who may come in.
            listener: Listening socket, which is ours from now on.
        """
        self.settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        self._listener = listener
        self._stopping: asyncio.Event | None = None
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = Thread(target=self._run, name="mqtt-broker", daemon=True)
        self._thread.start()
        self._loop = self._started.result()

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._stopping is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:
            if not self._started.done():
                self._started.set_exception(exc)
                return
            _log.exception("The embedded MQTT broker failed")
            raise

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        server = MqttServer(_authentication(self.settings))
        await server.start(self._listener)
        self._started.set_result(asyncio.get_running_loop())
        await self._stopping.wait()
        await server.stop()


def start_broker(settings: MqttSettings) -> Broker:
    """Start the broker that the settings ask for.

    Args:
        settings: ``broker``, ``url``, ``host``, ``port`` and credentials decide.

    Returns:
        The broker, ready for connections if we started it.

    Raises:
        ConfigError: The settings contradict each other, or would let strangers in.
        MissingDependencyError: mosquitto is asked for and not installed.
        PortInUseError: Another program listens on the port.
        BrokerError: mosquitto does not start.
    """
    kind = _choose(settings)
    if kind == "external":
        Endpoint.from_settings(settings)
        return ExternalBroker(settings)
    _check_access(settings)
    listener = _listen(settings)
    if kind == "embedded":
        broker: Broker = EmbeddedBroker(settings, listener)
    else:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        listener.close()
        program = find_mosquitto()
        if program is None:
            raise MissingDependencyError(
                "`mqtt.broker` is `mosquitto`, which is not on PATH.",
                "Install it, or set mqtt.broker=embedded.",
            )
        broker = MosquittoBroker(settings, program)
    _log.info("MQTT broker (%s) listens at %s", broker.kind, broker.settings.address)
    return broker


def find_mosquitto() -> str | None:
    """Path of the program, looked for where distributions put daemons too."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_DAEMON_FOLDERS)


def _choose(settings: MqttSettings) -> BrokerKind:
    if settings.broker == "auto":
        if settings.url:
            return "external"
        return "mosquitto" if find_mosquitto() else "embedded"
    if settings.broker == "external" and not settings.url:
        raise ConfigError("`mqtt.broker` is `external` but `mqtt.url` is not set.")
    if settings.broker != "external" and settings.url:
        raise ConfigError(
            f"`mqtt.url` is set but `mqtt.broker` is `{settings.broker}`.", "Unset one of them."
        )
    return settings.broker


def _check_access(settings: MqttSettings) -> None:
    if (settings.username is None) != (settings.password is None):
        raise ConfigError("Set both `mqtt.username` and `mqtt.password`, or neither.")
    if settings.username is None and not is_loopback(settings.host):
        raise ConfigError(
            f"`mqtt.username` and `mqtt.password` are required because {settings.host} is "
            "reachable from outside."
        )


def _listen(settings: MqttSettings) -> socket.socket:
    """Take the port; if a broker has it already, say how to use that one."""
    try:
        return bind(settings.host, settings.port, "mqtt.port")
    except PortInUseError as exc:
        known = settings.model_copy(update={"url": None})
        try:
            check_broker(known, _KNOCK_TIMEOUT_S)
        except BrokerRefusedError:
            pass
        except BrokerError:
            raise exc from None
        raise PortInUseError(
            f"An MQTT broker already runs on port {settings.port} of {settings.host}.",
            f"Use it with mqtt.url={Endpoint.from_settings(known)}, or choose another mqtt.port.",
        ) from exc


def _authentication(settings: MqttSettings) -> Authenticate | None:
    if settings.username is None or settings.password is None:
        return None
    wanted = (settings.username.encode(), settings.password.get_secret_value().encode())

    def is_right(username: str | None, password: bytes | None) -> bool:
        # Both are always compared: the time taken must not tell which one was wrong.
        is_known = hmac.compare_digest(wanted[0], (username or "").encode())
        is_secret = hmac.compare_digest(wanted[1], password or b"")
        return is_known and is_secret

    return is_right
