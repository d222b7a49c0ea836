"""Supervision of MediaMTX, and the same with the real program where it is installed.

Where it is not, a small real program stands in for the binary: it reads the configuration it is
given, prints lines of MediaMTX's shape and answers on the API's port. That exercises every part
of the supervision (start, log, death, restart, end) with real processes, ports and signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ActionstreamError, MissingDependencyError, PortInUseError
from contracts.settings import RtspSettings
from streaming.mediamtx import MediaMtxApi, MediaMtxPorts, MediaMtxProcess
from streaming.mediamtx.process import parse_log_line, restart_delay_s
from tests.conftest import find_peer, pick_port, wait_for

PORTS = MediaMtxPorts(18770, 18772, 18773, 18775, 18776)
SETTINGS = RtspSettings(port=18777, api_port=18774)

STAND_IN = """
import http.server, json, os, signal, sys, time
import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    config = yaml.safe_load(file)
host, port = config["apiAddress"].split(":")
print("2026/01/31 12:00:00 INF MediaMTX v1.20.0", flush=True)
print("2026/01/31 12:00:00 WAR [RTSP source] rtsp://admin:hunter2@cam/1 is slow", flush=True)
print("seen: " + " ".join(sorted(k for k in os.environ if k[:4] in ("ACTI", "MTX_"))), flush=True)
{extra}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        items = [{{"name": str(os.getpid()), "available": True, "online": True}}]
        body = json.dumps({{"items": items, "pageCount": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

http.server.HTTPServer.allow_reuse_address = True
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


def _stand_in(folder: Path, extra: str = "") -> Path:
    """Write the program that stands in for MediaMTX."""
    program = folder / "mediamtx"
    body = textwrap.dedent(STAND_IN).format(extra=extra)
    program.write_text(f"#!{sys.executable}\n{body}", encoding="utf-8")
    program.chmod(0o755)
    return program


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


async def _until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 10) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not await condition():
        assert time.monotonic() < give_up_at, "not in time"
        await asyncio.sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie that its parent has not collected yet does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_lines_are_split_into_level_and_text() -> None:
    assert parse_log_line("2026/01/31 12:00:00 ERR [API] oh") == (logging.ERROR, "[API] oh")
    assert parse_log_line("2026/01/31 12:00:00 DEB x") == (logging.DEBUG, "x")
    assert parse_log_line("panic: x") == (logging.WARNING, "panic: x")
    assert parse_log_line("2026/01/31 12:00:00 INF rtsp://a:b@c")[1] == "rtsp://a:***@c"


def test_pauses_grow_up_to_a_limit() -> None:
    assert [restart_delay_s(n) for n in (1, 2, 3, 6, 10_000)] == [0.5, 1, 2, 10, 10]


def test_starts_logs_and_stops_within_a_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, logger="mediamtx")
    monkeypatch.setenv("ACTIONSTREAM_MQTT__PASSWORD", "hunter2")

    async def scenario() -> None:
        async with MediaMtxProcess(SETTINGS, PORTS, _stand_in(tmp_path)) as server:
            async with server.api() as api:
                assert [path.name for path in await api.paths()] == [str(server.pid)]
            assert server.reader_url("hall/cam 1") == "rtsp://127.0.0.1:18777/hall/cam%201"
            pid = server.pid
            assert pid is not None and os.getpgid(pid) == pid
            began = time.monotonic()
            await server.stop()
            assert time.monotonic() - began < 1
            assert not _alive(pid)

    _run(scenario())
    assert "hunter2" not in caplog.text
    assert ("mediamtx", logging.INFO, "MediaMTX v1.20.0") in caplog.record_tuples
    assert any(r.levelname == "WARNING" and "admin:***@cam" in r.message for r in caplog.records)
    assert "seen: MTX_MOQ MTX_SRTLA" in [r.message for r in caplog.records]


def test_dies_and_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with MediaMtxProcess(SETTINGS, PORTS, _stand_in(tmp_path)) as server:
            first = server.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            async with server.api() as api:

                async def is_another() -> bool:
                    with contextlib.suppress(ActionstreamError):
                        return [path.name for path in await api.paths()] != [str(first)]
                    return False

                await _until(is_another)
            assert server.restarts == 1
            assert server.pid != first

    _run(scenario())


def test_one_that_ignores_the_signal_is_killed_within_a_second(tmp_path: Path) -> None:
    program = _stand_in(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")

    async def scenario() -> None:
        server = MediaMtxProcess(SETTINGS, PORTS, program)
        await server.start()
        pid, began = server.pid, time.monotonic()
        await server.stop()
        assert time.monotonic() - began < 1
        assert pid is not None and not _alive(pid)

    _run(scenario())


def test_its_own_children_end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "hook.pid"
    program = _stand_in(
        tmp_path,
        "import subprocess; wait = 'import time; time.sleep(60)'; "
        "hook = subprocess.Popen([sys.executable, '-c', wait]); "
        f"open({str(note)!r}, 'w').write(str(hook.pid))",
    )

    async def scenario() -> None:
        async with MediaMtxProcess(SETTINGS, PORTS, program):
            assert _alive(int(note.read_text()))

    _run(scenario())
    wait_for(lambda: not _alive(int(note.read_text())), "end of the hook")


def test_last_words_are_told_when_it_ends_at_once(tmp_path: Path) -> None:
    program = _stand_in(
        tmp_path, "print('2026/01/31 12:00:00 ERR bad key', flush=True); sys.exit(1)"
    )
    with pytest.raises(ActionstreamError, match=r"ended as soon as it was started: .*bad key"):
        _run(MediaMtxProcess(SETTINGS, PORTS, program).start())


def test_a_port_taken_at_the_last_moment_is_said_as_such(tmp_path: Path) -> None:
    words = "2026/01/31 12:00:00 ERR listen tcp :8554: bind: address already in use"
    program = _stand_in(tmp_path, f"print({words!r}, flush=True); sys.exit(1)")
    with pytest.raises(PortInUseError, match="address already in use"):
        _run(MediaMtxProcess(SETTINGS, PORTS, program).start())


def test_an_occupied_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with MediaMtxProcess(SETTINGS, PORTS, _stand_in(tmp_path)):
            with pytest.raises(PortInUseError, match="TCP port 18774"):
                await MediaMtxProcess(SETTINGS, PORTS, _stand_in(tmp_path)).start()

    _run(scenario())


def test_a_missing_program_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependencyError, match="is not a program"):
        _run(MediaMtxProcess(SETTINGS, PORTS, tmp_path / "nothing").start())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="no `mediamtx` on PATH"):
        _run(MediaMtxProcess(SETTINGS, PORTS).start())


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_server_ends_when_we_are_killed(tmp_path: Path) -> None:
    script = f"""
        import asyncio
        from contracts.settings import RtspSettings
        from streaming.mediamtx import MediaMtxPorts, MediaMtxProcess

        async def main():
            ports = MediaMtxPorts(18770, 18772, 18773, 18775, 18776)
            async with MediaMtxProcess(
                RtspSettings(port=18777, api_port=18774), ports, {str(_stand_in(tmp_path))!r}
            ) as server:
                print(server.pid, flush=True)
                await asyncio.sleep(60)

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _alive(pid)
        parent.kill()
    wait_for(lambda: not _alive(pid), "end of the server")


# --- with the real program ---------------------------------------------------------------------


async def _publish_and_see(rtsp_url: str, api: MediaMtxApi, name: str) -> None:
    """Push two seconds of a test pattern; its path must appear, and go when the push ends."""
    pattern = "testsrc2=size=320x240:rate=25,format=yuv420p"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "25"]
    ffmpeg = await asyncio.create_subprocess_exec(
        *(find_peer("ffmpeg") or "ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", pattern),
        *(*encode, "-f", "rtsp", "-rtsp_transport", "tcp", rtsp_url),
    )
    try:

        async def is_there() -> bool:
            return name in {path.name for path in await api.paths() if path.online}

        await _until(is_there)
        (path,) = [path for path in await api.paths() if path.name == name]
        assert path.tracks == ("H264",)
    finally:
        ffmpeg.terminate()
        await ffmpeg.wait()

    async def is_gone() -> bool:
        return name not in {path.name for path in await api.paths()}

    await _until(is_gone)


@pytest.mark.peer("mediamtx", "ffmpeg")
@pytest.mark.parametrize("users", [[], [{"name": "cam", "password": "p:w", "publish": ["*"]}]])
def test_real_mediamtx_takes_our_configuration(users: list[dict[str, Any]]) -> None:
    settings = RtspSettings.model_validate({"port": 18777, "api_port": 18774, "users": users})

    async def scenario() -> None:
        async with MediaMtxProcess(settings, PORTS) as server, server.api() as api:
            login = "cam:p%3Aw@" if users else ""
            await _publish_and_see(f"rtsp://{login}127.0.0.1:18777/hall/cam", api, "hall/cam")

    _run(scenario())


@pytest.mark.peer("ffmpeg")
def test_real_mediamtx_elsewhere_tells_its_paths() -> None:
    url = os.environ.get("MEDIAMTX_URL")
    if not url:
        pytest.skip("MEDIAMTX_URL (rtsp://host:8554) is not set")
    api_url = os.environ.get("MEDIAMTX_API_URL", "http://127.0.0.1:9997")

    async def scenario() -> None:
        name = f"actionstream-test-{pick_port()}"
        async with MediaMtxApi(api_url) as api:
            await _publish_and_see(f"{url}/{name}", api, name)

    _run(scenario())
