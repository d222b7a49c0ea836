"""A mosquitto of our own: configured, started, watched, ended with us."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from contracts.errors import BrokerError, ConfigError
from contracts.mqtt import check_broker
from contracts.mqtt_session import BrokerUnreachableError
from contracts.settings import MqttSettings

START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 0.8
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
STEADY_S = 10.0
_HASH_ROUNDS = 10_000
_USER = "mosquitto"
_TIMESTAMP = re.compile(r"^\d+: ")  # printed until the configuration is read
_log = logging.getLogger(__name__)

# Run by a Python that then becomes mosquitto. Root steps down first, as mosquitto would do itself,
# because a change of user cancels what follows: the kernel ends the process when the thread that
# started it is gone, even if we die by SIGKILL (prctl(2), PR_SET_PDEATHSIG = 1). A preexec_fn would
# do the same but may deadlock in a process with threads. We may be gone before: hence getppid.
_STEP_DOWN_AND_DIE_WITH_PARENT = """
import ctypes, os, pwd, signal, sys
if os.geteuid() == 0 and sys.argv[2] in (user.pw_name for user in pwd.getpwall()):
    user = pwd.getpwnam(sys.argv[2])
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""


class MosquittoBroker:
    """A supervised mosquitto."""

    kind: Literal["mosquitto"] = "mosquitto"

    def __init__(self, settings: MqttSettings, program: str) -> None:
        """Start it; returns once it answers.

        Args:
            settings: Where to listen and who may come in; the port must be free.
            program: Path of the executable.

        Raises:
            ConfigError: The user name cannot be written into a password file.
            BrokerError: It does not start; says its last words.
        """
        self.settings = settings
        self.restarts = 0
        self.folder = Path(tempfile.mkdtemp(prefix="actionstream-mosquitto-"))
        self._stopping = Event()
        self._child: subprocess.Popen[str] | None = None
        self._last_words: deque[str] = deque(maxlen=3)
        try:
            config = write_config(settings, self.folder)
        except ConfigError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._command = [program, "-c", str(config)]
        # The kernel watches the thread that started the child, so one thread does all starts.
        self._thread = Thread(target=self._supervise, name="mosquitto", daemon=True)
        self._thread.start()
        self._await_answer()

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def stop(self) -> None:
        """End it and remove its files."""
        self._stopping.set()
        child = self._child
        if child is not None:
            child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
        self._thread.join(1.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _await_answer(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                check_broker(self.settings, 1.0)
                return
            except BrokerUnreachableError as exc:
                if self.restarts or time.monotonic() > deadline_s:
                    self.stop()
                    words = "; ".join(self._last_words) or "it says nothing"
                    raise BrokerError(f"mosquitto does not start: {words}.") from exc
            except BrokerError:
                self.stop()
                raise
            self._stopping.wait(0.02)

    def _supervise(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            begun_s = time.monotonic()
            self._run_once()
            if self._stopping.is_set():
                return
            if time.monotonic() - begun_s > STEADY_S:
                pause_s = FIRST_PAUSE_S
            self.restarts += 1
            _log.warning("mosquitto ended; starting it again in %.1f s", pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _run_once(self) -> None:
        command = self._command
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _STEP_DOWN_AND_DIE_WITH_PARENT]
            command += [str(os.getpid()), _USER, *self._command]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us: we end it once our own parts said goodbye
        ) as child:
            self._child = child
            if self._stopping.is_set():
                child.terminate()
            for line in child.stderr or ():
                text = _TIMESTAMP.sub("", line.strip())
                self._last_words.append(text.rstrip("."))
                _log.log(_level(text), "mosquitto: %s", text)


def write_config(settings: MqttSettings, folder: Path) -> Path:
    """Write what mosquitto needs to know.

    Args:
        settings: Where to listen and who may come in.
        folder: Existing folder for the files.

    Returns:
        Path of the configuration.

    Raises:
        ConfigError: The user name cannot be written into a password file.
    """
    lines = [
        f"listener {settings.port} {settings.host}",
        "persistence false",
        "set_tcp_nodelay true",  # else Nagle holds scores back for up to 40 ms
        "max_queued_messages 1000",
        "max_packet_size 2000000",
        "connection_messages false",
        "log_dest stderr",
        "log_timestamp false",
        "log_type error",
        "log_type warning",
    ]
    if settings.username is None or settings.password is None:
        lines.append("allow_anonymous true")
    else:
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_text(
            password_line(settings.username, settings.password.get_secret_value()),
            encoding="utf-8",
        )
        _give_to_mosquitto(passwords)
        lines += ["allow_anonymous false", f"password_file {passwords}"]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _give_to_mosquitto(folder)
    return config


def password_line(username: str, password: str) -> str:
    """Make a line of mosquitto's password file: PBKDF2 with SHA-512 (mosquitto_passwd(1)).

    Args:
        username: Without colon or line break.
        password: Any text.

    Returns:
        ``user:$7$rounds$salt$hash`` and a line break.

    Raises:
        ConfigError: The user name holds a colon or a line break.
    """
    if any(sign in username for sign in ":\r\n"):
        raise ConfigError("`mqtt.username` must not hold a colon or a line break.")
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS, 64)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{username}:$7${_HASH_ROUNDS}${'$'.join(parts)}\n"


def _give_to_mosquitto(path: Path) -> None:
    """Let it read what we wrote as root, for it runs as a user of its own then."""
    if os.geteuid() == 0:
        with suppress(LookupError):
            shutil.chown(path, _USER)


def _level(text: str) -> int:
    return logging.WARNING if text.startswith(("Error", "Warning")) else logging.DEBUG
