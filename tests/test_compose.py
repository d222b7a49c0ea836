"""compose.yaml, Dockerfile and .env.example: complete, consistent and without passwords.

No container engine is needed: what can be checked without one is, by docker-compose's own reading
of the file, by the real mosquitto, and by our settings.
"""

from __future__ import annotations

import http.server
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.settings import is_loopback, load_settings
from tests.conftest import find_peer, pick_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
VOLUMES = set(yaml.safe_load(TEXT)["volumes"])
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
SECRETS = sorted(name for name, value in EXAMPLE.items() if not value)
FILLED = {name: value or f"{name.lower().replace('_', '')}123" for name, value in EXAMPLE.items()}
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")

services = pytest.mark.parametrize("name", SERVICES)


def _resolved(text: str) -> str:
    """Put the filled-in example into a value, as compose does."""
    return REFERENCE.sub(lambda match: FILLED[match["name"]], text)


def _environment(name: str) -> dict[str, str]:
    return {key: _resolved(str(value)) for key, value in SERVICES[name]["environment"].items()}


class _Health(http.server.BaseHTTPRequestHandler):
    """Healthy at /healthz, not found elsewhere."""

    def do_GET(self) -> None:  # pylint: disable=invalid-name  # http.server's name
        """Answer."""
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""
        # pylint: disable=redefined-builtin  # http.server's name


@contextmanager
def _serving(handler: type[_Health]) -> Iterator[int]:
    """Serve while the context lasts; gives the port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


# --- nothing secret, nothing open, nothing unpinned ---------------------------------------------


def test_example_names_exactly_the_variables_that_compose_reads() -> None:
    assert {match["name"] for match in REFERENCE.finditer(TEXT)} == set(EXAMPLE)
    assert SECRETS == [
        "API_TOKEN",
        "MQTT_PASSWORD",
        "PUBLISH_PASSWORD",
        "VIEW_PASSWORD",
        "WORKER_PASSWORD",
    ]


def test_every_secret_is_required_and_the_message_says_what_to_do() -> None:
    for match in REFERENCE.finditer(TEXT):
        if match["name"] in SECRETS:
            assert match["kind"] == "?", f"{match['name']} must have no default"
            assert match["rest"] == f"set {match['name']} in .env (see .env.example)"


@services
def test_no_password_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name]["environment"].items():
        if re.search(r"PASS|TOKEN|SECRET", key):
            assert REFERENCE.fullmatch(value), f"{name}: {key} is a literal"
        for login in re.findall(r"://([^/@]*)@", str(value)):
            assert REFERENCE.search(login), f"{name}: {key} holds a literal password"


@services
def test_ports_open_where_the_user_says(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("${BIND:-127.0.0.1}:"), port
    assert is_loopback(EXAMPLE["BIND"])


@services
def test_containers_may_do_little_and_are_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["logging"]["options"]["max-size"]


def test_images_are_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert re.search(r":\d+\.\d+", image), f"{image} is not pinned"


def test_our_image_carries_our_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (
        SERVICES["worker"]["image"] == SERVICES["dashboard"]["image"] == f"actionstream:{version}"
    )


# --- every path, setting and key exists ---------------------------------------------------------


@services
def test_mounted_paths_and_volumes_exist(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert (ROOT / source).is_file() if source.startswith(".") else source in VOLUMES, mount


def test_services_that_are_waited_for_exist() -> None:
    for service in SERVICES.values():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", ["worker", "dashboard"])
def test_settings_are_known_and_resolve(name: str, tmp_path: Path) -> None:
    empty = tmp_path / "actionstream.yaml"
    empty.touch()
    settings = load_settings(empty, environ=_environment(name))
    assert settings.mqtt.url == "mqtt://mosquitto:1883"
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.get_secret_value() == FILLED["MQTT_PASSWORD"]
    if name == "worker":
        password = FILLED["WORKER_PASSWORD"]
        assert settings.rtsp.url == f"rtsp://worker:{password}@mediamtx:8554"
        assert settings.rtsp.api_url == f"http://worker:{password}@mediamtx:9997"
        assert settings.api.token is not None
    else:
        assert settings.dashboard.worker_url == "http://worker:8000"
        assert settings.dashboard.worker_token is not None


@pytest.mark.parametrize(("name", "section"), [("worker", "api"), ("dashboard", "dashboard")])
def test_published_ports_are_those_we_listen_on(name: str, section: str, tmp_path: Path) -> None:
    empty = tmp_path / "actionstream.yaml"
    empty.touch()
    settings = load_settings(empty, environ=_environment(name))
    address = getattr(settings, section)
    assert address.host == "0.0.0.0"
    assert [port.rpartition(":")[2] for port in SERVICES[name]["ports"]] == [str(address.port)]
    assert f":{address.port}/healthz" in SERVICES[name]["healthcheck"]["test"][3]


def test_overrides_of_mediamtx_name_keys_that_it_knows() -> None:
    keys = json.loads((ROOT / "tests/streaming/mediamtx_v1_20_keys.json").read_text())
    plain = {key.upper() for key in keys["global"]}
    user, permission = ({key.upper() for key in keys[kind]} for kind in ("user", "permission"))
    nested = re.compile(r"AUTHINTERNALUSERS_\d+_(PERMISSIONS_\d+_)?([A-Z]+)")
    for name, value in _environment("mediamtx").items():
        match = nested.fullmatch(name.removeprefix("MTX_"))
        if match is None:
            assert name.removeprefix("MTX_") in plain, f"MediaMTX has no key for {name}"
            continue
        assert match[2] in (permission if match[1] else user), name
        if match[2] == "ACTION":
            assert value in keys["values"]["action"]


def _mediamtx_users() -> list[dict[str, Any]]:
    """The users that the container has: those of the file, overridden and appended to."""
    users = yaml.safe_load((ROOT / "mediamtx/mediamtx.yml").read_text())["authInternalUsers"]
    for name, value in sorted(_environment("mediamtx").items()):
        number, *place = name.removeprefix("MTX_AUTHINTERNALUSERS_").lower().split("_")
        if not number.isdigit():
            continue
        if int(number) == len(users):
            users.append({"permissions": []})
        target = users[int(number)]
        if place[0] == "permissions":
            if int(place[1]) == len(target["permissions"]):
                target["permissions"].append({})
            target = target["permissions"][int(place[1])]
        target[place[-1]] = value.split(",") if place[-1] == "ips" else value
    return list(users)


def test_nobody_gets_into_mediamtx_without_a_password() -> None:
    rights = {}
    for user in _mediamtx_users():
        assert user["user"] != "any"
        assert user["pass"] in FILLED.values()
        rights[user["user"]] = {permission["action"] for permission in user["permissions"]}
        # The file's own entry holds for loopback only, which would shut the worker out.
        assert user.get("ips", []) in ([], ["0.0.0.0/0", "::/0"])
    assert rights == {
        "worker": {"read", "playback", "api", "metrics"},
        "publisher": {"publish"},
        "viewer": {"read", "playback"},
    }


@pytest.mark.peer("busybox")
@pytest.mark.parametrize(("status", "healthy"), [(401, True), (200, False), (500, False)])
def test_health_check_of_mediamtx(status: int, healthy: bool, tmp_path: Path) -> None:
    """In the shell and with the wget that Alpine has, too."""
    for tool in ("sh", "wget", "grep"):
        (tmp_path / tool).symlink_to(find_peer("busybox") or "")

    class Api(_Health):
        """Answers every request alike."""

        def do_GET(self) -> None:
            """Answer."""
            self.send_response(status)
            self.end_headers()

    with _serving(Api) as port:
        script = SERVICES["mediamtx"]["healthcheck"]["test"][1].replace(":9997/", f":{port}/")
        result = subprocess.run(
            ["sh", "-c", script], env={"PATH": str(tmp_path)}, check=False, timeout=20
        )
    assert (result.returncode == 0) is healthy


def test_mediamtx_listens_where_its_ports_are_published() -> None:
    environment = _environment("mediamtx")
    listening = {v[1:] for k, v in environment.items() if k.endswith("ADDRESS")}
    published = {port.split(":")[-1].removesuffix("/udp") for port in SERVICES["mediamtx"]["ports"]}
    assert published == {"8554", "8889", "8189"}
    assert published <= listening


def test_copied_paths_exist_and_reach_the_builder() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    ]
    for path in allowed:
        assert (ROOT / path).exists(), f".dockerignore lets {path} through, which does not exist"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    for path in [*wheel, project["project"]["readme"], "pyproject.toml"]:
        assert path in {entry.rstrip("/") for entry in allowed}, f"the builder never sees {path}"
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert copied == ["pyproject.toml", "."]


def test_image_installs_the_dependencies_of_the_project() -> None:
    script = re.search(r'python -c "(import tomllib.*?)" >', DOCKERFILE)
    assert script is not None
    command = [sys.executable, "-c", script[1].replace("\\\\", "\\")]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert printed.split() == "\n".join(project["dependencies"]).split()
    assert "torch" not in printed


# --- docker-compose reads it so -----------------------------------------------------------------


def _compose(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "compose.yaml", folder)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        [find_peer("docker-compose") or "docker-compose", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.peer("docker-compose")
def test_docker_compose_resolves_the_file(tmp_path: Path) -> None:
    lines = [f"{name}={value}\n" for name, value in FILLED.items()]
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    result = _compose(tmp_path, "config")
    assert result.returncode == 0, result.stderr
    resolved = yaml.safe_load(result.stdout)["services"]
    assert set(resolved) == set(SERVICES)
    for name in ("mediamtx", "worker", "dashboard"):
        assert resolved[name]["environment"] == _environment(name)
    assert all(port.startswith("127.0.0.1:") for port in resolved["mediamtx"]["ports"])


@pytest.mark.peer("docker-compose")
@pytest.mark.parametrize("missing", SECRETS)
def test_docker_compose_refuses_to_start_without_a_secret(missing: str, tmp_path: Path) -> None:
    lines = [f"{name}={value if name != missing else ''}\n" for name, value in FILLED.items()]
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    result = _compose(tmp_path, "config", "-q")
    assert result.returncode != 0
    assert f"set {missing} in .env (see .env.example)" in result.stderr


# --- the commands inside work -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worker", "dashboard"])
def test_health_check_tells_well_from_ill(name: str) -> None:
    _, _, flag, script = SERVICES[name]["healthcheck"]["test"]
    with _serving(_Health) as port:
        well = re.sub(r":\d+/", f":{port}/", script)
        for code, good in ((well, True), (well.replace("healthz", "x"), False)):
            result = subprocess.run([sys.executable, flag, code], capture_output=True, check=False)
            assert (result.returncode == 0) is good
    ill = re.sub(r":\d+/", f":{pick_port()}/", script)
    assert subprocess.run([sys.executable, flag, ill], capture_output=True, check=False).returncode


@pytest.mark.peer("mosquitto", "mosquitto_passwd", "mosquitto_sub", "sh")
def test_broker_lets_nobody_in_without_the_password(tmp_path: Path) -> None:
    """Runs the broker's own start command and health check, with other paths and another port."""
    service, port = SERVICES["mosquitto"], pick_port()
    (tmp_path / "run").mkdir()
    (tmp_path / "data").mkdir()

    def moved(text: str) -> str:
        text = text.replace("$$", "$").replace("/run/mosquitto", f"{tmp_path}/run")
        text = text.replace("/mosquitto/config", str(tmp_path))
        return text.replace("/mosquitto/data", f"{tmp_path}/data")

    conf = moved((ROOT / "mediamtx/mosquitto.conf").read_text())
    conf = conf.replace("listener 1883", f"listener {port} 127.0.0.1")
    # Started by root it would become another user, who cannot read this folder.
    (tmp_path / "mosquitto.conf").write_text(f"user {pwd.getpwuid(os.geteuid()).pw_name}\n{conf}")
    environ = {
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        **{key: moved(value) for key, value in _environment("mosquitto").items()},
    }
    command = [*service["entrypoint"], moved(service["command"][0])]
    check = [*service["healthcheck"]["test"][1:], "-p", str(port)]
    check = [moved(part) for part in check]

    def asks(*arguments: str, home: str = str(tmp_path / "run")) -> int:
        env = {**environ, "XDG_CONFIG_HOME": home}
        return subprocess.run(
            [*check, *arguments], env=env, capture_output=True, check=False, timeout=20
        ).returncode

    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as broker:
        try:
            wait_for(lambda: asks() == 0, "healthy broker")
            nowhere = str(tmp_path)
            assert asks(home=nowhere) != 0, "anonymous"
            assert asks("-u", "actionstream", "-P", "wrong", home=nowhere) != 0
            assert asks("-u", "actionstream", "-P", FILLED["MQTT_PASSWORD"], home=nowhere) == 0
            hashed = (tmp_path / "run" / "passwd").read_text()
            assert FILLED["MQTT_PASSWORD"] not in hashed
            assert FILLED["MQTT_PASSWORD"] not in " ".join(command)
        finally:
            broker.terminate()
            broker.communicate(timeout=10)


# --- the page on deployment ---------------------------------------------------------------------


def test_page_lists_the_ports_that_open() -> None:
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d[^|]*) \|", page, re.MULTILINE)
    published = {port.split(":")[-1] for service in SERVICES.values() for port in service["ports"]}
    assert set(", ".join(listed).split(", ")) == published


@pytest.mark.peer("nginx", "openssl")
def test_nginx_accepts_the_block_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    match = re.search(r"```nginx\n(.*?)```", page, re.DOTALL)
    assert match is not None
    key, certificate = tmp_path / "watch.key", tmp_path / "watch.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    block = (
        match[1].replace("/etc/ssl", str(tmp_path)).replace("listen 443", "listen 127.0.0.1:443")
    )
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {temporary} {block} }}"
    )
    command = [find_peer("nginx") or "nginx", "-t", "-q", "-e", "stderr", "-c", str(config)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
