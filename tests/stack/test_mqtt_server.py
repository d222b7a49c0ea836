"""The embedded broker as foreign clients see it: raw sockets, paho, mosquitto's tools."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from contracts.mqtt import MqttHandlers, Outgoing
from tests.brokers import Recorder, Restartable, connected, running
from tests.conftest import find_peer, wait_for

CONNECT_311 = bytes.fromhex("100d 0004 4d515454 04 02 0001 0001 78")
CONNECT_5 = bytes.fromhex("100e 0004 4d515454 05 02 0001 00 0001 78")


@pytest.fixture(name="broker")
def fixture_broker() -> Iterator[Restartable]:
    """The embedded broker."""
    with running("embedded") as broker:
        yield broker


def _dial(broker: Restartable, *packets: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", broker.settings.port), timeout=5)
    for packet in packets:
        connection.sendall(packet)
    return connection


def _everything(connection: socket.socket) -> bytes:
    """Read until the server hangs up."""
    data = b""
    while chunk := connection.recv(4096):
        data += chunk
    return data


@pytest.mark.parametrize(("level", "answer"), [(3, "20020001"), (6, "20020001"), (4, "20020000")])
def test_unknown_versions_are_refused_with_words(
    broker: Restartable, level: int, answer: str
) -> None:
    packet = CONNECT_311[:8] + bytes([level]) + CONNECT_311[9:]
    with _dial(broker, packet) as connection:
        assert connection.recv(4).hex() == answer


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff\xff",
        b"\x10\xff\xff\xff\x7f",
        b"\xf0\x00",
        b"\xc0\x00",
        CONNECT_311 + CONNECT_311,
        CONNECT_311 + b"\x32\x05\x00\x01a\x00\x00",
        CONNECT_311 + b"\x30\x03\x00\x01#",
        CONNECT_311 + b"\x82\x02\x00\x01",
    ],
)
def test_nonsense_ends_the_connection_and_nothing_else(broker: Restartable, data: bytes) -> None:
    with _dial(broker, data) as connection:
        _everything(connection)
    with connected(broker.settings):
        pass


def test_mqtt_5_clients_are_told_why(broker: Restartable) -> None:
    with _dial(broker, CONNECT_5, b"\x30\x04\x00\x01#\x00") as connection:
        assert _everything(connection)[-4:] == bytes([0xE0, 2, 0x81, 0])


def test_a_client_that_falls_silent_is_given_up_and_its_will_spoken(broker: Restartable) -> None:
    """With a keepalive of one second, after one and a half."""
    will = bytes.fromhex("1015 0004 4d515454 04 06 0001 0001 78 0001 77 0003 627965")
    with Recorder(broker.settings, "w") as recorder, _dial(broker, will):
        recorder.wait_for("w", b"bye", timeout_s=4)


def test_a_second_client_of_one_name_takes_over(broker: Restartable) -> None:
    with _dial(broker, CONNECT_311) as first:
        assert first.recv(4).hex() == "20020000"
        with _dial(broker, CONNECT_311) as second:
            assert second.recv(4).hex() == "20020000"
            assert _everything(first) == b""
            second.sendall(b"\xc0\x00")
            assert second.recv(2) == b"\xd0\x00"


def _client(broker: Restartable, version: MQTTProtocolVersion, **options: Any) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version, **options)
    client.connect("127.0.0.1", broker.settings.port)
    client.loop_start()
    wait_for(client.is_connected, "connection")
    return client


def _end(client: paho.Client) -> None:
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_foreign_clients_of_each_version_and_quality(
    broker: Restartable, version: MQTTProtocolVersion, qos: int
) -> None:
    with Recorder(broker.settings, "t/#") as recorder:
        client = _client(broker, version)
        info = client.publish("t/1", b"payload", qos=qos, retain=True)
        info.wait_for_publish(5)
        recorder.wait_for("t/1", b"payload")
        heard: list[tuple[bytes, bool]] = []
        client.on_message = lambda _c, _u, message: heard.append(
            (bytes(message.payload), message.retain)
        )
        client.subscribe("t/+", qos=qos)
        wait_for(lambda: heard, "retained message")
        client.unsubscribe("t/+")
        _end(client)

    assert heard == [(b"payload", True)]


def test_properties_are_passed_on_and_expiry_is_kept(broker: Restartable) -> None:
    heard: list[paho.MQTTMessage] = []
    client = _client(broker, MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _u, message: heard.append(message)
    with connected(broker.settings) as connection:
        client.subscribe("s")
        wait_for(lambda: connection.publish(Outgoing("s", b"{}", expiry_s=3)) and heard, "message")
    _end(client)
    properties: Any = heard[0].properties

    assert properties.MessageExpiryInterval == 3
    assert properties.ContentType == "application/json"
    assert properties.UserProperty == [("schema", "1")]


def test_an_expired_message_is_not_delivered(broker: Restartable) -> None:
    client = _client(broker, MQTTProtocolVersion.MQTTv5)
    expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own gap
    expiry.MessageExpiryInterval = 1
    client.publish("old", b"x", qos=1, retain=True, properties=expiry).wait_for_publish(5)
    client.publish("new", b"y", qos=1, retain=True).wait_for_publish(5)
    _end(client)

    def is_gone() -> bool:
        with Recorder(broker.settings, "old", "new") as recorder:
            recorder.wait_for("new", b"y")
        return not recorder.payloads("old")

    assert not is_gone()
    wait_for(is_gone, "expiry", 4)


def test_no_local_and_retain_handling(broker: Restartable) -> None:
    heard: list[str] = []
    client = _client(broker, MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _u, message: heard.append(message.topic)
    client.publish("kept", b"x", qos=1, retain=True).wait_for_publish(5)
    never = SubscribeOptions.RETAIN_DO_NOT_SEND
    client.subscribe("kept", options=SubscribeOptions(qos=1, retainHandling=never))
    client.subscribe("own", options=SubscribeOptions(qos=1, noLocal=True))
    client.subscribe("end", qos=1)
    for topic in ("own", "end"):
        client.publish(topic, b"x", qos=1)
    wait_for(lambda: heard, "message")
    _end(client)

    assert heard == ["end"]


def test_a_subscriber_that_does_not_read_costs_bounded_memory(broker: Restartable) -> None:
    subscribe = bytes.fromhex("8206 0001 0001 62 00")
    with _dial(
        broker, CONNECT_5.replace(b"\x00\x01\x00\x00\x01x", b"\x00\x00\x00\x00\x01x")
    ) as deaf:
        deaf.sendall(b"\x82\x07\x00\x01\x00\x00\x01b\x00")
        assert subscribe
        with Recorder(broker.settings, "b") as recorder, connected(broker.settings) as connection:
            payload = b"z" * 500_000
            for count in range(1, 41):
                connection.publish(Outgoing("b", payload, qos=1))
                wait_for(lambda count=count: len(recorder.received) >= count, "delivery")  # type: ignore[misc]
        deaf.settimeout(0.5)
        total = 0
        try:
            while chunk := deaf.recv(1 << 20):
                total += len(chunk)
        except TimeoutError:
            pass

    assert total < 20_000_000


@pytest.mark.peer("mosquitto_sub", "mosquitto_pub")
@pytest.mark.parametrize("version", ["311", "5"])
def test_the_tools_of_mosquitto(broker: Restartable, version: str) -> None:
    port = ["-p", str(broker.settings.port), "-V", version]
    subscribe = [find_peer("mosquitto_sub") or "", *port, "-t", "home/+", "-C", "1", "-v"]
    publish = [find_peer("mosquitto_pub") or "", *port, "-t", "home/x", "-q", "1", "-r", "-m", "hi"]
    subprocess.run(publish, check=True, timeout=10)
    heard = subprocess.run(subscribe, check=True, timeout=10, capture_output=True, text=True)

    assert heard.stdout == "home/x hi\n"


def test_many_clients_come_and_go(broker: Restartable) -> None:
    with Recorder(broker.settings, "n/#") as recorder:
        for number in range(30):
            with connected(broker.settings, MqttHandlers(subscriptions=["other"])) as connection:
                connection.publish(Outgoing(f"n/{number}", b"", qos=1))
        wait_for(lambda: len(recorder.received) == 30, "30 messages")
