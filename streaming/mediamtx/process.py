"""A MediaMTX of our own: started, watched, started again when it dies, ended with us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from contracts.errors import (
    ActionstreamError,
    MissingDependencyError,
    PortInUseError,
    SourceError,
    redact,
)
from contracts.settings import LOOPBACK, RtspSettings
from streaming.mediamtx.api import MediaMtxApi
from streaming.mediamtx.config import (
    UNUSED_PROTOCOLS,
    Login,
    MediaMtxPorts,
    build_config,
    check_ports,
    write_config,
)

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 0.6
"""Time to close sessions after SIGTERM; then SIGKILL, so that we end within a second."""
LAST_WORDS_S = 0.1
FIRST_RESTART_S = 0.5
LONGEST_RESTART_S = 10.0
STEADY_S = 30.0
"""A server that ran for so long starts again without a growing pause."""
POLL_S = 0.05
MAX_LINE_BYTES = 64 * 1024

_LEVELS = {"DEB": logging.DEBUG, "INF": logging.INFO, "WAR": logging.WARNING, "ERR": logging.ERROR}
_LINE = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?P<level>DEB|INF|WAR|ERR) (?P<text>.*)$")

# Run by a Python that then becomes MediaMTX: the kernel ends it when the thread that started it
# (that of the event loop) is gone, even by SIGKILL (prctl(2), PR_SET_PDEATHSIG = 1). A preexec_fn
# would do the same but may deadlock in a process with threads. The parent may be gone before the
# call, hence getppid.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_log = logging.getLogger(__name__)
_server_log = logging.getLogger("mediamtx")


def find_binary() -> str | None:
    """Find ``mediamtx`` on PATH."""
    return shutil.which("mediamtx")


def parse_log_line(line: str) -> tuple[int, str]:
    """Split a line that MediaMTX printed.

    Args:
        line: As printed, ``2026/01/31 12:00:00 INF [RTSP] listener opened on :8554``.

    Returns:
        Level of `logging` and the text without date, passwords in URLs replaced. A line of any
        other shape, as a crash prints it, is a warning.
    """
    match = _LINE.match(line)
    if match is None:
        return logging.WARNING, redact(line)
    return _LEVELS[match["level"]], redact(match["text"])


def restart_delay_s(failures: int) -> float:
    """Pause before the next start: half a second, doubled with each failure in a row.

    Args:
        failures: How often in a row the server died, at least 1.
    """
    return min(LONGEST_RESTART_S, FIRST_RESTART_S * 2.0 ** min(failures - 1, 16))


class MediaMtxProcess:
    """One supervised MediaMTX. Owned by one event loop; use it with ``async with``."""

    def __init__(
        self,
        settings: RtspSettings,
        ports: MediaMtxPorts | None = None,
        binary: str | Path | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            settings: Where to listen and who may do what.
            ports: The ports beside RTSP and the API; default: MediaMTX's own.
            binary: The program; default: ``mediamtx`` on PATH.
        """
        self.restarts = 0
        self._settings = settings
        self._ports = ports or MediaMtxPorts()
        self._binary = str(binary) if binary is not None else find_binary()
        self._login = Login("actionstream", secrets.token_urlsafe(24)) if settings.users else None
        self._directory: Path | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._logs: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._last_words: deque[str] = deque(maxlen=3)

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return None if self._child is None else self._child.pid

    @property
    def api_url(self) -> str:
        """Base of the control API, without credentials."""
        return f"http://{LOOPBACK}:{self._settings.api_port}"

    def api(self) -> MediaMtxApi:
        """Make a client of the control API; the caller closes it."""
        if self._login is None:
            return MediaMtxApi(self.api_url)
        return MediaMtxApi(self.api_url, self._login.user, self._login.password)

    def reader_url(self, path: str) -> str:
        """URL at which our own parts read or publish a path, credentials included.

        Never log it without `contracts.errors.redact`.

        Args:
            path: Name of the path; empty for the base of all.
        """
        host = LOOPBACK if self._settings.host in ("0.0.0.0", "::") else self._settings.host
        host = f"[{host}]" if ":" in host else host
        login = f"{self._login.user}:{self._login.password}@" if self._login else ""
        return f"rtsp://{login}{host}:{self._settings.port}/{quote(path, safe='/')}"

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server."""
        await self.stop()

    async def start(self) -> None:
        """Start the server and return once its API answers.

        Raises:
            MissingDependencyError: There is no such program.
            PortInUseError: Another program listens on one of the addresses.
            ActionstreamError: It ended at once or did not answer in time; says its last words.
        """
        if self._binary is None:
            raise MissingDependencyError(
                "MediaMTX is not installed: no `mediamtx` on PATH.",
                "Install it, or set `rtsp.server: embedded`.",
            )
        if shutil.which(self._binary) is None:
            raise MissingDependencyError(f"{self._binary} is not a program that can be run.")
        check_ports(self._settings, self._ports)
        self._directory = Path(tempfile.mkdtemp(prefix="actionstream-mediamtx-"))
        config = build_config(self._settings, self._ports, self._login)
        write_config(config, self._config_path)
        try:
            await self._spawn()
            await self._until_answering()
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="mediamtx-supervisor")

    async def stop(self) -> None:
        """End the server, within a second; does nothing if it does not run."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        await self._end_child()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    @property
    def _config_path(self) -> Path:
        assert self._directory is not None
        return self._directory / "mediamtx.yml"

    async def _spawn(self) -> None:
        command = [shutil.which(str(self._binary)) or "", str(self._config_path)]
        if sys.platform == "linux":
            shim = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
            command = [*shim, *command]
        # Our settings may hold passwords, which are none of its business.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSTREAM_")}
        try:
            self._child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._config_path.parent,
                env={**UNUSED_PROTOCOLS, **environ},
                limit=MAX_LINE_BYTES,
                # A session of its own: Ctrl-C reaches us alone, and we end it in order.
                start_new_session=True,
            )
        except OSError as exc:
            raise MissingDependencyError(
                f"Cannot start MediaMTX ({self._binary}): {exc.strerror}."
            ) from exc
        assert self._child.stdout is not None
        self._logs = asyncio.create_task(
            self._forward_logs(self._child.stdout), name="mediamtx-log"
        )

    async def _forward_logs(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than MAX_LINE_BYTES; asyncio has dropped it
                continue
            if not line:
                return
            level, text = parse_log_line(line.decode("utf-8", "replace").rstrip())
            self._last_words.append(text)
            _server_log.log(level, "%s", text)

    async def _until_answering(self) -> None:
        assert self._child is not None
        give_up_at = time.monotonic() + START_TIMEOUT_S
        async with self.api() as api:
            while True:
                if self._child.returncode is not None:
                    await self._raise_last_words()
                try:
                    await api.paths()
                except SourceError as exc:
                    if time.monotonic() > give_up_at:
                        raise ActionstreamError(
                            f"MediaMTX does not answer after {START_TIMEOUT_S:g} s: {exc}"
                        ) from exc
                    await asyncio.sleep(POLL_S)
                else:
                    return

    async def _raise_last_words(self) -> None:
        if self._logs is not None:
            await asyncio.wait([self._logs], timeout=LAST_WORDS_S)
        words = " / ".join(self._last_words) or "it said nothing"
        if "address already in use" in words:
            raise PortInUseError(f"MediaMTX cannot listen: {words}.")
        raise ActionstreamError(f"MediaMTX ended as soon as it was started: {words}.")

    async def _supervise(self) -> None:
        """Start the server again whenever it ends. Ends only by cancellation."""
        failures, started_at = 0, time.monotonic()
        while True:
            if self._child is not None:
                code = await self._child.wait()
                _log.warning("MediaMTX ended (exit status %s); starting it again.", code)
                await self._end_child()
            failures = 1 if time.monotonic() - started_at > STEADY_S else failures + 1
            await asyncio.sleep(restart_delay_s(failures))
            started_at = time.monotonic()
            try:
                await self._spawn()
            except MissingDependencyError as exc:
                _log.error("%s", exc)
                continue
            self.restarts += 1

    async def _end_child(self) -> None:
        """End the server and whatever it started (hooks), then let the log run dry."""
        child, self._child = self._child, None
        if child is not None:
            _signal_group(child.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(child.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                _log.warning("MediaMTX ignores SIGTERM; it is killed.")
            finally:
                _signal_group(child.pid, signal.SIGKILL)
            await child.wait()
        if self._logs is not None:
            # A hook that left the group may keep the pipe open for ever: wait briefly only.
            await asyncio.wait([self._logs], timeout=LAST_WORDS_S)
            self._logs.cancel()
            self._logs = None


def _signal_group(pid: int, number: signal.Signals) -> None:
    # The child leads its group (start_new_session), and the group keeps its number while any
    # member lives. Nobody left is no error.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
