"""Settings: order of precedence, and mistakes that are told in one useful line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ConfigError
from contracts.settings import Settings, is_loopback, known_keys, load_settings, settings_page


def load(folder: Path, text: str = "", env: dict[str, str] | None = None, **flags: Any) -> Settings:
    """Settings from the text of a file, an environment and flags."""
    file = folder / "actionstream.yaml"
    file.write_text(text, encoding="utf-8")
    overrides = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(file, overrides, env or {})


def test_without_anything_the_defaults_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()
    assert Settings().streams == "auto"


def test_the_file_in_the_working_folder_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load(tmp_path, "mqtt: {port: 7}")
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).mqtt.port == 7


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    text, env = "mqtt: {port: 7, host: filehost}", {"ACTIONSTREAM_MQTT__PORT": "8"}
    assert load(tmp_path, text).mqtt.port == 7
    assert load(tmp_path, text, env).mqtt.port == 8
    settings = load(tmp_path, text, env, mqtt__port=9)
    assert settings.mqtt.port == 9
    assert settings.mqtt.host == "filehost"
    assert load(tmp_path, text, env, mqtt__port=None).mqtt.port == 8


def test_lists_come_from_the_environment_too(tmp_path: Path) -> None:
    env = {"ACTIONSTREAM_STREAMS": "[{name: a, url: rtsp://cam/1}]"}
    streams = load(tmp_path, "", env).streams
    assert streams != "auto"
    assert [stream.url for stream in streams] == ["rtsp://cam/1"]


@pytest.mark.parametrize("password", ["123456", "yes", "0x1f", "null", "[a]", "{", "- x"])
def test_a_password_stays_the_text_it_is(tmp_path: Path, password: str) -> None:
    env = {"ACTIONSTREAM_MQTT__USERNAME": "u", "ACTIONSTREAM_MQTT__PASSWORD": password}
    secret = load(tmp_path, "", env).mqtt.password
    assert secret is not None
    assert secret.get_secret_value() == password


def test_empty_and_plain_variables(tmp_path: Path) -> None:
    env = {
        "ACTIONSTREAM_MQTT__URL": "",
        "ACTIONSTREAM_RTSP__UDP": "false",
        "ACTIONSTREAM_ENGINE__STRIDE_S": "0.32",
        "ACTIONSTREAM_EVENTS__LABELS": "{walk: {enter: 0.7}}",
    }
    settings = load(tmp_path, "", env)
    assert settings.mqtt.url is None
    assert settings.rtsp.udp is False
    assert settings.engine.stride_s == 0.32
    assert settings.events.labels["walk"].enter == 0.7


@pytest.mark.parametrize(
    ("text", "read_only"),
    [
        ("", False),
        ("dashboard: {host: 0.0.0.0}", True),
        ("dashboard: {host: 0.0.0.0, read_only: false}", False),
        ("dashboard: {host: localhost, read_only: true}", True),
    ],
)
def test_a_page_that_others_reach_is_for_looking_only(
    tmp_path: Path, text: str, read_only: bool
) -> None:
    assert load(tmp_path, text).dashboard.read_only is read_only


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqtt: {prot: 3}", "`mqtt.prot`"),
        ("mqtt: {prot: 3}", "Did you mean `mqtt.port`?"),
        ("mqt: {}", "Did you mean `mqtt`?"),
        ("rtsp: {server: foo}", "'embedded'"),
        ("mqtt: {port: 99999}", "65535"),
        ("streams: [{name: a, url: b, lop: 1}]", "`streams[].loop`"),
        ("streams: [{name: a, url: b}, {name: a, url: c}]", "two streams are called `a`"),
        ("streams: foo", "auto"),
        ("events: {labels: {walk: {entr: 3}}}", "`events.labels.walk.entr`"),
        ("events: {rule: {enter: 3}}", "`events.rule.enter`"),
        ("api: {host: 0.0.0.0}", "`token` is required"),
        ("a: [", "not valid YAML"),
        ("- 1", "keys and values"),
        ("mqtt: 3", "`mqtt`"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_mistake_in_the_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`mqt`"):
        load(tmp_path, "", {"ACTIONSTREAM_MQT": "1"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        load_settings(tmp_path / "nothing.yaml", environ={})


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    settings = load(tmp_path, "mqtt: {username: u, password: tomato}\napi: {token: carrot}")
    assert "tomato" not in repr(settings)
    assert "carrot" not in repr(settings)


def test_every_key_has_help_and_the_documentation_is_up_to_date() -> None:
    assert all(known_keys().values())
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(), (
        "run: python -m contracts.settings > docs/settings.md"
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("0.0.0.0", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
