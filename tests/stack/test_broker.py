"""Which broker is started, and what happens when it cannot be, or dies."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import ConfigError, MissingDependencyError, PortInUseError
from contracts.mqtt import check_broker
from contracts.mqtt_session import BrokerRefusedError
from contracts.settings import MqttSettings
from stack import broker as broker_module
from stack.broker import start_broker
from stack.mosquitto import MosquittoBroker, password_line, write_config
from tests.brokers import BOTH, Kind, Recorder, running
from tests.conftest import find_peer, pick_port, wait_for

LOGIN = {"username": "me", "password": SecretStr("geheim")}


@pytest.mark.parametrize("kind", BOTH)
def test_the_asked_for_broker_serves(kind: Kind) -> None:
    broker = start_broker(MqttSettings(broker=kind, port=0))
    try:
        assert broker.kind == kind
        assert broker.settings.port > 0
        assert check_broker(broker.settings).protocol == "MQTT 5"
    finally:
        begun_s = time.monotonic()
        broker.stop()
    assert time.monotonic() - begun_s < 1.0
    start_broker(MqttSettings(broker="embedded", port=broker.settings.port)).stop()


def test_auto_takes_the_url_and_starts_nothing() -> None:
    broker = start_broker(MqttSettings(url="mqtt://elsewhere:1883"))

    assert broker.kind == "external"
    assert broker.settings.address == "mqtt://elsewhere:1883"
    broker.stop()


@pytest.mark.peer("mosquitto")
def test_auto_takes_mosquitto_if_there_is_one() -> None:
    broker = start_broker(MqttSettings(port=0))
    broker.stop()

    assert broker.kind == "mosquitto"


def test_auto_takes_our_own_if_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    broker = start_broker(MqttSettings(port=0))
    broker.stop()

    assert broker.kind == "embedded"


def test_a_missing_mosquitto_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    with pytest.raises(MissingDependencyError, match=r"mqtt\.broker=embedded"):
        start_broker(MqttSettings(broker="mosquitto", port=0))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"broker": "external"}, r"`mqtt\.url` is not set"),
        ({"broker": "embedded", "url": "mqtt://b"}, r"`mqtt\.url` is set but"),
        ({"url": "http://b"}, r"`mqtt\.url` is not a broker's URL"),
        ({"host": "0.0.0.0", "port": 0}, r"reachable from outside"),
        ({"username": "me", "port": 0}, r"or neither"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        start_broker(MqttSettings(**settings))


@pytest.mark.parametrize("kind", BOTH)
def test_credentials_are_asked_for(kind: Kind) -> None:
    with running(kind, **LOGIN) as broker:
        check_broker(broker.settings)
        with pytest.raises(BrokerRefusedError):
            check_broker(broker.settings.model_copy(update={"password": SecretStr("x")}))


@pytest.mark.parametrize("kind", BOTH)
def test_an_occupied_port_is_named(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"{port}.*mqtt\.port"):
            start_broker(MqttSettings(broker=kind, port=port))


@pytest.mark.parametrize("login", [{}, LOGIN])
def test_a_broker_that_runs_already_can_be_used(login: dict[str, str | SecretStr]) -> None:
    with running("embedded", **login) as first:
        port = first.settings.port
        with pytest.raises(PortInUseError, match=rf"mqtt\.url=mqtt://127\.0\.0\.1:{port}"):
            start_broker(MqttSettings(broker="embedded", port=port))


@pytest.mark.peer("mosquitto")
def test_mosquitto_is_started_again_when_it_dies() -> None:
    settings = MqttSettings(port=pick_port())
    broker = MosquittoBroker(settings, find_peer("mosquitto") or "")
    try:
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: broker.pid not in (None, first), "another process")
        wait_for(lambda: _answers(settings), "answer")
        assert broker.restarts == 1
    finally:
        broker.stop()
    assert broker.pid is None


def _answers(settings: MqttSettings) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((settings.host, settings.port)) == 0


_PARENT = """
import sys, time
from contracts.settings import MqttSettings
from stack.mosquitto import MosquittoBroker
broker = MosquittoBroker(MqttSettings(port=int(sys.argv[1])), sys.argv[2])
print(broker.pid, broker.folder, flush=True)
time.sleep(60)
"""


@pytest.mark.peer("mosquitto")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_mosquitto_does_not_outlive_us() -> None:
    command = [sys.executable, "-c", _PARENT, str(pick_port()), find_peer("mosquitto") or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child, folder = parent.stdout.readline().split()
        parent.kill()
    wait_for(lambda: not _is_alive(int(child)), "end of the orphan")
    shutil.rmtree(folder)  # nobody was left to do it


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.peer("mosquitto")
def test_mosquitto_leaves_no_files() -> None:
    broker = MosquittoBroker(MqttSettings(port=pick_port(), **LOGIN), find_peer("mosquitto") or "")
    assert sorted(path.name for path in broker.folder.iterdir()) == ["mosquitto.conf", "passwords"]
    broker.stop()

    assert not broker.folder.exists()


def test_the_password_is_not_written_down(tmp_path: Path) -> None:
    write_config(MqttSettings(**LOGIN), tmp_path)

    for path in tmp_path.iterdir():
        assert "geheim" not in path.read_text(encoding="utf-8")
    assert (tmp_path / "passwords").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["a:b", "a\nlistener 1884 0.0.0.0"])
def test_a_user_name_cannot_break_the_password_file(name: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.username"):
        password_line(name, "x")


def test_the_embedded_broker_stops_with_clients_connected() -> None:
    with running("embedded") as broker, Recorder(broker.settings, "x"):
        begun_s = time.monotonic()
        broker.stop()
        assert time.monotonic() - begun_s < 1.0
