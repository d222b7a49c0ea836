"""The client of MediaMTX's control API against real HTTP, and the configuration files.

`ApiPeer` is no MediaMTX: it is an HTTP server that speaks the documented JSON of the API, in the
spellings of old and new versions, so that the client's sockets, paging and errors are real.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import (
    ConfigError,
    PortInUseError,
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnreachableError,
)
from contracts.settings import RtspSettings
from streaming.mediamtx import api as mediamtx_api
from streaming.mediamtx.api import MediaMtxApi, NotMediaMtxError, PathInfo, parse_page
from streaming.mediamtx.config import (
    TEMPLATE,
    Login,
    MediaMtxPorts,
    build_config,
    check_ports,
    hashed,
    path_expression,
    write_config,
)
from tests.conftest import pick_port

KEYS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("mediamtx_v1_20_keys.json").read_text(encoding="utf-8")
)
PYTHON_TYPES = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}

NEW = {
    "name": "hall/cam1",
    "confName": "all_others",
    "available": True,
    "online": True,
    "ready": True,
    "tracks": ["H264", "Opus"],
    "tracks2": [{"codec": "H265", "codecProps": {"width": 640}}, {"codec": "Opus"}],
    "inboundBytes": 12345,
    "bytesReceived": 1,
    "source": {"type": "rtspSession", "id": "1"},
}
OLD = {
    "name": "cam2",
    "ready": True,
    "tracks": ["H264"],
    "bytesReceived": 77,
    "source": {"type": "webRTCSession", "id": "2"},
}
WAITING = {"name": "cam3", "ready": False, "source": None, "tracks": []}
PLACEHOLDER = {"name": "cam4", "available": True, "online": False, "tracks2": []}


@dataclass
class ApiPeer:
    """What the peer serves, and what it was asked."""

    items: list[dict[str, Any]] = field(default_factory=list)
    login: str = ""
    status: int = 200
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, target: str, authorization: str | None) -> tuple[int, bytes]:
        """Answer one request as the API does."""
        self.asked.append(target)
        expected = f"Basic {base64.b64encode(self.login.encode()).decode()}"
        if self.login and authorization != expected:
            return 401, b'{"status":"error","error":"authentication error"}'
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b"{}"
        query = parse_qs(urlsplit(target).query)
        number, size = int(query["page"][0]), int(query["itemsPerPage"][0])
        pages = -(-len(self.items) // size)
        page = self.items[number * size : (number + 1) * size]
        document = {"itemCount": len(self.items), "pageCount": pages, "items": page}
        return 200, json.dumps(document).encode()


@pytest.fixture(name="peer")
def fixture_peer() -> Iterator[ApiPeer]:
    """A running `ApiPeer`."""
    peer = ApiPeer()

    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the peer."""

        def do_GET(self) -> None:  # pylint: disable=invalid-name  # http.server's name
            """Answer."""
            code, body = peer.answer(self.path, self.headers["Authorization"])
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            # pylint: disable=redefined-builtin  # http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        peer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield peer
        server.shutdown()
        thread.join()


def _paths(url: str, user: str = "", password: str = "") -> tuple[PathInfo, ...]:
    async def ask() -> tuple[PathInfo, ...]:
        async with MediaMtxApi(url, user, password) as api:
            return await api.paths()

    return asyncio.run(ask())


def test_new_field_names_win_over_deprecated_ones(peer: ApiPeer) -> None:
    peer.items = [NEW]
    assert _paths(peer.url) == (
        PathInfo("hall/cam1", True, True, ("H265", "Opus"), 12345, "rtspSession"),
    )


def test_older_versions_are_understood(peer: ApiPeer) -> None:
    peer.items = [OLD]
    assert _paths(peer.url) == (PathInfo("cam2", True, True, ("H264",), 77, "webRTCSession"),)


def test_only_available_paths_are_listed(peer: ApiPeer) -> None:
    peer.items = [WAITING, NEW, PLACEHOLDER]
    assert [(path.name, path.online) for path in _paths(peer.url)] == [
        ("hall/cam1", True),
        ("cam4", False),
    ]


def test_all_pages_are_read(peer: ApiPeer) -> None:
    peer.items = [{**NEW, "name": f"cam{i}"} for i in range(250)]
    assert [path.name for path in _paths(peer.url)] == [f"cam{i}" for i in range(250)]
    assert len(peer.asked) == 3


def test_no_path_at_all(peer: ApiPeer) -> None:
    assert _paths(peer.url) == ()


def test_endless_pages_are_cut_off(peer: ApiPeer) -> None:
    peer.body = json.dumps({"pageCount": 10**9, "items": [NEW]}).encode()
    assert len(_paths(peer.url)) == 1
    assert len(peer.asked) == mediamtx_api.MAX_PAGES


@pytest.mark.parametrize("in_url", [True, False])
def test_credentials_are_sent_and_not_shown(peer: ApiPeer, in_url: bool) -> None:
    peer.items, peer.login = [NEW], "worker:s3cret"
    if in_url:
        assert len(_paths(peer.url.replace("//", "//worker:s3cret@"))) == 1
    else:
        assert len(_paths(peer.url, "worker", "s3cret")) == 1
    with pytest.raises(SourceRefusedError) as caught:
        _paths(peer.url.replace("//", "//worker:wr0ng@"))
    assert "wr0ng" not in str(caught.value)
    assert peer.url in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, SourceRefusedError),
        (404, SourceNotFoundError),
        (500, SourceUnreachableError),
        (503, SourceUnreachableError),
        (302, SourceError),
        (400, SourceError),
    ],
)
def test_statuses_become_our_errors(peer: ApiPeer, status: int, error: type[SourceError]) -> None:
    peer.status = status
    with pytest.raises(SourceError) as caught:
        _paths(peer.url)
    assert caught.type is error


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"items":{},"pageCount":1}', b"\xff"])
def test_another_server_is_named_as_such(peer: ApiPeer, body: bytes) -> None:
    peer.body = body
    with pytest.raises(SourceError, match="is not MediaMTX"):
        _paths(peer.url)


def test_nobody_there() -> None:
    with pytest.raises(SourceUnreachableError, match="No answer from the MediaMTX API"):
        _paths(f"http://127.0.0.1:{pick_port()}")


@pytest.mark.parametrize("url", ["127.0.0.1:9997", "rtsp://host:8554", "http://", "http://[::1"])
def test_what_is_no_http_url_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigError, match=r"rtsp\.api_url"):
        MediaMtxApi(url)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*NEW, "type"]), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON, JSON)
def test_no_answer_of_any_shape_breaks_the_parser(items: object, page_count: object) -> None:
    for answer in (items, {"items": items, "pageCount": page_count}):
        try:
            page = parse_page(answer)
        except NotMediaMtxError:
            continue
        assert all(path.name for path in page.paths)
        assert all(isinstance(codec, str) for path in page.paths for codec in path.tracks)


def _watch(peer: ApiPeer, steps: list[Callable[[], None]]) -> list[frozenset[str]]:
    """Collect one set of names before and one after each step."""

    async def collect() -> list[frozenset[str]]:
        seen: list[frozenset[str]] = []
        async with MediaMtxApi(peer.url) as api:
            async for names in api.watch_paths(interval_s=0.01):
                seen.append(names)
                if not steps:
                    return seen
                steps.pop(0)()
        return seen

    return asyncio.run(asyncio.wait_for(collect(), 10))


def test_watching_tells_changes_and_skips_the_placeholder(peer: ApiPeer) -> None:
    peer.items = [PLACEHOLDER]
    seen = _watch(peer, [lambda: peer.items.append(NEW), lambda: peer.items.remove(NEW)])
    assert seen == [frozenset(), {"hall/cam1"}, frozenset()]


def test_watching_outlives_a_server_in_trouble(
    peer: ApiPeer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=mediamtx_api.__name__)
    answer = peer.answer
    silent = iter(range(3))

    def stumbling(target: str, authorization: str | None) -> tuple[int, bytes]:
        return answer(target, authorization) if next(silent, None) is None else (500, b"")

    def stumble() -> None:
        peer.answer = stumbling  # type: ignore[method-assign]
        peer.items.append(NEW)

    assert _watch(peer, [stumble]) == [frozenset(), {"hall/cam1"}]
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"], "said once that it is gone, once that it is back"


def test_watching_ends_when_the_password_is_wrong(peer: ApiPeer) -> None:
    peer.login = "worker:s3cret"
    with pytest.raises(SourceRefusedError):
        _watch(peer, [])


# --- configuration -----------------------------------------------------------------------------


def _check_keys(section: dict[str, Any], kind: str) -> None:
    for key, value in section.items():
        assert key in KEYS[kind], f"MediaMTX v1.20 has no {kind} key {key!r}"
        assert isinstance(value, PYTHON_TYPES[KEYS[kind][key]]), f"{key} has the wrong type"
        if key in KEYS["values"]:
            values = value if isinstance(value, list) else [value]
            assert set(values) <= set(KEYS["values"][key]), f"{key}: {value}"


def _check_config(config: dict[str, Any]) -> None:
    _check_keys(config, "global")
    _check_keys(config["pathDefaults"], "path")
    for path in config["paths"].values():
        _check_keys(path or {}, "path")
    for user in config["authInternalUsers"]:
        _check_keys(user, "user")
        for permission in user["permissions"]:
            _check_keys(permission, "permission")


@pytest.fixture(name="shipped")
def fixture_shipped() -> dict[str, Any]:
    """What `mediamtx/mediamtx.yml` says."""
    config: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    return config


def test_shipped_file_holds_only_keys_of_v1_20(shipped: dict[str, Any]) -> None:
    _check_config(shipped)


def test_commented_keys_exist_too() -> None:
    known = {*KEYS["global"], *KEYS["path"], *KEYS["user"], *KEYS["permission"]}
    for line in TEMPLATE.read_text(encoding="utf-8").splitlines():
        key, colon, _ = line.strip().removeprefix("#").strip().removeprefix("- ").partition(": ")
        if (
            line.strip().startswith("# ")
            and colon
            and key.isalnum()
            and key not in ("true", "Actions")
        ):
            assert key in known, line


def test_shipped_file_listens_on_this_machine_only(shipped: dict[str, Any]) -> None:
    addresses = {key: value for key, value in shipped.items() if key.endswith("Address")}
    assert len(addresses) == 8
    assert all(address.startswith("127.0.0.1:") for address in addresses.values()), addresses
    assert not any("pass" in user for user in shipped["authInternalUsers"])
    assert all(user["ips"] == ["127.0.0.1", "::1"] for user in shipped["authInternalUsers"])
    assert not any(shipped[protocol] for protocol in ("rtmp", "hls", "srt", "moq", "pprof"))
    assert shipped["pathDefaults"]["useAbsoluteTimestamp"] is True


def test_every_block_of_the_shipped_file_is_explained(shipped: dict[str, Any]) -> None:
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    for key in shipped:
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{key}:"))
        block = "\n".join(lines[:at]).rpartition("\n# --- ")[2]
        assert block.count("# ") >= 1, f"nothing is said about {key}"


SETTINGS = RtspSettings.model_validate(
    {
        "host": "0.0.0.0",
        "port": 18750,
        "api_port": 18751,
        "udp": False,
        "users": [
            {"name": "any", "password": "p:ß 1", "publish": ["cameras/*"], "read": []},
            {"name": "viewer", "password": "v", "read": ["*", "hall"]},
        ],
    }
)


def test_settings_become_addresses_and_users() -> None:
    config = build_config(SETTINGS, MediaMtxPorts(), Login("us", "secret"))
    _check_config(config)
    assert config["rtspAddress"] == "0.0.0.0:18750"
    assert config["apiAddress"] == "127.0.0.1:18751"
    assert config["rtspTransports"] == ["tcp"]
    camera, viewer, ours = config["authInternalUsers"]
    assert camera["user"] == hashed("any"), "a user called `any` is not everybody"
    assert camera["permissions"] == [{"action": "publish", "path": "~^cameras/.*$"}]
    assert {"action": "read", "path": ""} in viewer["permissions"]
    assert {"action": "read", "path": "hall"} in viewer["permissions"]
    assert {"action": "api"} in ours["permissions"]
    assert "secret" not in yaml.safe_dump(config)


def test_without_users_everybody_may_do_everything() -> None:
    (everybody,) = build_config(RtspSettings(), MediaMtxPorts(), None)["authInternalUsers"]
    assert everybody["user"] == "any"
    assert {p["action"] for p in everybody["permissions"]} == {
        "publish",
        "read",
        "playback",
        "api",
        "metrics",
    }


@pytest.mark.peer("openssl")
def test_hash_is_what_the_documented_command_prints() -> None:
    command = ["openssl", "dgst", "-binary", "-sha256"]
    digest = subprocess.run(command, input="p:ß 1".encode(), capture_output=True, check=True)
    assert hashed("p:ß 1") == f"sha256:{base64.b64encode(digest.stdout).decode()}"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*", ""), ("hall/cam1", "hall/cam1"), ("a.b*", r"~^a\.b.*$"), ("*/x", "~^.*/x$")],
)
def test_patterns_become_regular_expressions(pattern: str, expected: str) -> None:
    assert path_expression(pattern) == expected


def test_configuration_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "mediamtx.yml"
    write_config({"api": True}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text()) == {"api": True}


def test_occupied_ports_are_named(peer: ApiPeer) -> None:
    taken = int(peer.url.rpartition(":")[2])
    free = MediaMtxPorts(18760, 18762, 18763, 18765, 18766)
    check_ports(RtspSettings(port=18767, api_port=18764), free)
    with pytest.raises(PortInUseError, match=f"TCP port {taken} of 127.0.0.1, needed for RTSP"):
        check_ports(RtspSettings(port=taken, api_port=18764), free)
    with pytest.raises(PortInUseError, match="needed for the MediaMTX API"):
        check_ports(RtspSettings(port=18767, api_port=taken), free)
    with pytest.raises(ConfigError, match="must not be 0"):
        check_ports(RtspSettings(port=0), free)


def test_an_address_of_another_machine_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match=r"Cannot listen on TCP port 18767 of 192\.0\.2\.1"):
        check_ports(RtspSettings(host="192.0.2.1", port=18767), MediaMtxPorts())
