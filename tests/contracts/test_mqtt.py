"""The connection against real brokers: found, refused, lost, found again."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from contracts.errors import ConfigError
from contracts.mqtt import LinkState, MqttConnection, MqttHandlers, Outgoing, check_broker
from contracts.mqtt_session import (
    BrokerRefusedError,
    BrokerUnreachableError,
    Endpoint,
    NoAnswerError,
)
from contracts.settings import MqttSettings
from tests.brokers import BOTH, Recorder, Restartable, connected, running
from tests.conftest import find_peer, pick_port, wait_for

SECRET = "pass:w@rd/%"
USER = {"username": "worker", "password": SecretStr(SECRET)}


@pytest.fixture(name="broker", params=BOTH)
def fixture_broker(request: pytest.FixtureRequest) -> Iterator[Restartable]:
    """An open broker on loopback."""
    with running(request.param) as broker:
        yield broker


@pytest.fixture(name="guarded", params=BOTH)
def fixture_guarded(request: pytest.FixtureRequest) -> Iterator[Restartable]:
    """A broker that wants a user and a password."""
    with running(request.param, **USER) as broker:
        yield broker


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("mqtt://broker", Endpoint("broker", 1883)),
        ("mqtts://broker/", Endpoint("broker", 8883, tls=True)),
        ("mqtt://[::1]:1884", Endpoint("::1", 1884)),
        ("mqtt://0.0.0.0:1884", Endpoint("127.0.0.1", 1884)),
        ("mqtt://me:p%40ss@broker:1", Endpoint("broker", 1, False, "me", "p@ss")),
    ],
)
def test_urls_are_understood(url: str, endpoint: Endpoint) -> None:
    assert Endpoint.from_settings(MqttSettings(url=url)) == endpoint


def test_without_a_url_host_and_port_count() -> None:
    endpoint = Endpoint.from_settings(MqttSettings(host="::", port=1884))

    assert endpoint == Endpoint("::1", 1884)
    assert str(endpoint) == "mqtt://[::1]:1884"


def test_settings_win_over_the_url() -> None:
    settings = MqttSettings(url="mqtt://me:old@broker", username="you", password=SecretStr("new"))
    endpoint = Endpoint.from_settings(settings)

    assert (endpoint.username, endpoint.password) == ("you", "new")


@pytest.mark.parametrize("url", ["http://broker", "broker:1883", "mqtt://", "mqtt://b:99999", "/"])
def test_what_is_no_url_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.url"):
        Endpoint.from_settings(MqttSettings(url=url))


@given(url=st.text() | st.text().map(lambda rest: f"mqtt://{rest}"))
def test_any_text_is_a_url_or_refused(url: str) -> None:
    with suppress(ConfigError):
        assert str(Endpoint.from_url(url)).startswith("mqtt")


def test_passwords_are_never_shown() -> None:
    endpoint = Endpoint.from_settings(MqttSettings(url="mqtt://me:secret@broker"))

    assert "secret" not in f"{endpoint} {endpoint!r}"
    with pytest.raises(ConfigError) as raised:
        Endpoint.from_settings(MqttSettings(url="mqtt://me:secret@broker/path"))
    assert "secret" not in str(raised.value)


def test_a_broker_is_found(broker: Restartable) -> None:
    info = check_broker(broker.settings)

    assert info.protocol == "MQTT 5"
    assert info.address == f"mqtt://127.0.0.1:{broker.settings.port}"


def test_nobody_is_there() -> None:
    with pytest.raises(BrokerUnreachableError, match="Connection refused"):
        check_broker(MqttSettings(port=pick_port()))


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(BrokerUnreachableError, match=r"nowhere\.invalid"):
        check_broker(MqttSettings(url="mqtt://nowhere.invalid"))


def test_something_else_listens_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = MqttSettings(port=silent.getsockname()[1])
        with pytest.raises(NoAnswerError, match="does not answer as an MQTT broker"):
            check_broker(settings, timeout_s=0.1)


def test_something_else_listens_and_hangs_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        thread = threading.Thread(target=_hang_up_twice, args=(rude,))
        thread.start()
        with pytest.raises(NoAnswerError, match="closed the connection"):
            check_broker(MqttSettings(port=rude.getsockname()[1]))
        thread.join()


def _hang_up_twice(listener: socket.socket) -> None:
    for _ in range(2):
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.close()


def test_the_right_password_opens(guarded: Restartable) -> None:
    with Recorder(guarded.settings), connected(guarded.settings) as connection:
        assert connection.state is LinkState.CONNECTED


@pytest.mark.parametrize(
    "wrong", [{"password": SecretStr("wrong")}, {"username": None, "password": None}]
)
def test_a_wrong_password_is_called_that(
    guarded: Restartable, wrong: dict[str, SecretStr | None], caplog: pytest.LogCaptureFixture
) -> None:
    settings = guarded.settings.model_copy(update=wrong)
    with pytest.raises(BrokerRefusedError, match=r"refuses .*mqtt\.password"):
        check_broker(settings)
    connection = MqttConnection(settings, "test")
    with caplog.at_level(logging.ERROR, "contracts.mqtt"):
        connection.start()
        wait_for(lambda: connection.state is LinkState.REFUSED, "refusal")
        connection.stop()

    assert "refuses" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.peer("mosquitto")
def test_a_refused_message_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = pick_port()
    (tmp_path / "acl").write_text("topic write allowed/#\ntopic read allowed/#\n")
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nacl_file {tmp_path}/acl\n"
    )
    settings = MqttSettings(port=port)
    program = find_peer("mosquitto") or ""
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: _listens(port), "mosquitto")
            with connected(settings) as connection:
                connection.publish(Outgoing("forbidden/x", b"", qos=1))
                wait_for(lambda: "refuses a message" in caplog.text, "warning")
        finally:
            process.terminate()


def test_messages_pass_between_connections(broker: Restartable) -> None:
    with Recorder(broker.settings, "a/#") as recorder, connected(broker.settings) as connection:
        assert connection.publish(Outgoing("a/live", b"0", expiry_s=3))
        assert connection.publish(Outgoing("a/event", b"1", qos=1))
        connection.retain("a/kept", b"2")
        wait_for(lambda: len(recorder.received) == 3, "three messages")
        with Recorder(broker.settings, "a/#") as late:
            late.wait_for("a/kept", b"2")

    assert [message.payload for message in late.received] == [b"2"]
    assert late.received[0].retained


def test_only_what_was_subscribed_to_is_handed_on(broker: Restartable) -> None:
    with Recorder(broker.settings, "a/+/x") as recorder, connected(broker.settings) as connection:
        for topic in ("a/1/y", "a/1/2/x", "b/1/x", "a/1/x"):
            connection.publish(Outgoing(topic, b"", qos=1))
        wait_for(lambda: recorder.received, "a message")

    assert [message.topic for message in recorder.received] == ["a/1/x"]


def test_a_burst_larger_than_every_window_arrives_in_order(broker: Restartable) -> None:
    with Recorder(broker.settings, "burst") as recorder, connected(broker.settings) as connection:
        expected = [str(number).encode() for number in range(500)]
        for payload in expected:
            connection.publish(Outgoing("burst", payload, qos=1))
        wait_for(lambda: len(recorder.received) >= 500, "500 messages")

    assert recorder.payloads("burst") == expected


def test_a_broker_that_comes_back_is_found_again(broker: Restartable) -> None:
    states: list[LinkState] = []
    handlers = MqttHandlers(subscriptions=["x"], on_state=lambda state, _: states.append(state))
    with connected(broker.settings, handlers) as connection:
        broker.stop()
        wait_for(lambda: connection.state is LinkState.UNREACHABLE, "loss")
        assert connection.error
        assert not connection.publish(Outgoing("x", b"lost"))
        broker.start()
        wait_for(lambda: connection.state is LinkState.CONNECTED, "reconnection")
        assert connection.stats.connects == 2
        assert connection.stats.outbox.dropped_live == 1

    expected = [LinkState.CONNECTING, LinkState.CONNECTED, LinkState.UNREACHABLE]
    assert states[:3] == expected
    assert states[-2:] == [LinkState.CONNECTED, LinkState.STOPPED]


def test_subscriptions_are_made_again(broker: Restartable) -> None:
    with Recorder(broker.settings, "x") as recorder, connected(broker.settings) as connection:
        broker.stop()
        broker.start()
        connection.publish(Outgoing("y", b"", qos=1))
        # The recorder may come back later than the sender: say it until it is heard.
        wait_for(
            lambda: connection.publish(Outgoing("x", b"again")) and recorder.received,
            "message after the restart",
        )


def test_stopping_without_a_broker_is_quick() -> None:
    connection = MqttConnection(MqttSettings(port=pick_port()), "test")
    connection.start()
    wait_for(lambda: connection.state is LinkState.UNREACHABLE, "failure")
    begun_s = time.monotonic()
    connection.stop()

    assert time.monotonic() - begun_s < 1.0
    assert connection.state is LinkState.STOPPED


def test_a_broker_that_froze_does_not_hold_up_anybody() -> None:
    """Publishing costs no time and no memory without bound while the socket is full."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection = MqttConnection(MqttSettings(port=frozen.getsockname()[1]), "test")
        connection.start()
        peer, _ = frozen.accept()
        peer.recv(1000)
        peer.sendall(bytes([0x20, 3, 0, 0, 0]))  # CONNACK of MQTT 5: welcome; then silence
        assert connection.wait_connected(5)
        payload = b"x" * 100_000
        begun_s = time.monotonic()
        for _ in range(3000):
            connection.publish(Outgoing("x", payload))
        assert time.monotonic() - begun_s < 2.0
        assert connection.stats.outbox.dropped_live > 1000
        connection.stop(0.2)
        peer.close()


_OLD_BROKER = """
import asyncio, sys
from amqtt.broker import Broker
async def main():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {}},
    })
    await broker.start()
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_broker_that_knows_only_mqtt_3_1_1() -> None:
    """With a foreign one: amqtt refuses MQTT 5, and says nothing at all if there is a will."""
    pytest.importorskip("amqtt")
    port = pick_port()
    settings = MqttSettings(port=port)
    will = Outgoing("will", b"gone", qos=1, retain=True)
    command = [sys.executable, "-c", _OLD_BROKER, str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: _listens(port), "amqtt")
            info = check_broker(settings)
            assert info.protocol == "MQTT 3.1.1"
            assert info.connect_ms < 1000
            with Recorder(settings, "x") as recorder, connected(settings, will=will) as connection:
                assert connection.stats.protocol == "MQTT 3.1.1"
                connection.publish(Outgoing("x", b"y", qos=1, expiry_s=3))
                recorder.wait_for("x", b"y")
        finally:
            process.terminate()


@pytest.mark.peer("mosquitto", "openssl")
# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_encrypted_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = pick_port()
    _make_certificate(tmp_path)
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        f"certfile {tmp_path}/cert.pem\nkeyfile {tmp_path}/key.pem\n"
    )
    program = find_peer("mosquitto") or ""
    settings = MqttSettings(url=f"mqtts://localhost:{port}")
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: _listens(port), "mosquitto")
            with pytest.raises(BrokerRefusedError, match=r"certificate .* not trusted"):
                check_broker(settings)
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
            with Recorder(settings, "x") as recorder, connected(settings) as connection:
                connection.publish(Outgoing("x", b"y" * 200_000, qos=1))
                recorder.wait_for("x", b"y" * 200_000)
        finally:
            process.terminate()


def _make_certificate(folder: Path) -> None:
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
