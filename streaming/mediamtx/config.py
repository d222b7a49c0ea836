"""The configuration under which `actionstream up` starts MediaMTX.

It is ``mediamtx/mediamtx.yml`` with the addresses and users of our settings put in.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contracts.errors import ConfigError, PortInUseError
from contracts.settings import LOOPBACK, RtspSettings, RtspUserSettings, is_loopback

TEMPLATE = Path(__file__).resolve().parents[2] / "mediamtx" / "mediamtx.yml"
"""The commented configuration that ships with the product, in the tree as in an installed wheel."""

UNUSED_PROTOCOLS = {"MTX_MOQ": "no", "MTX_SRTLA": "no"}
"""Protocols that only some versions know, switched off where that is no error elsewhere.

MediaMTX refuses unknown keys in its file but ignores unknown variables.
"""


@dataclass(frozen=True, slots=True)
class MediaMtxPorts:
    """Ports beside those of RTSP and the control API, which the settings name.

    Attributes:
        rtp: First, even UDP port of RTSP over UDP; the next one is taken, too.
        webrtc: WHIP and WHEP.
        webrtc_udp: UDP port of the WebRTC media.
        metrics: Prometheus metrics, always on the loopback address.
        playback: Recordings, always on the loopback address.
    """

    rtp: int = 8000
    webrtc: int = 8889
    webrtc_udp: int = 8189
    metrics: int = 9998
    playback: int = 9996


@dataclass(frozen=True, slots=True)
class Login:
    """Name and password with which our own parts use a server that has users."""

    user: str
    password: str


def build_config(
    settings: RtspSettings, ports: MediaMtxPorts, login: Login | None
) -> dict[str, Any]:
    """Put addresses and users into the shipped configuration.

    Args:
        settings: Where to listen and who may do what.
        ports: The other ports.
        login: A user for our own parts that may do everything; needed as soon as the settings
            name users, pointless otherwise.

    Returns:
        The configuration, to be written as YAML.
    """
    config: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    del config["moq"]  # through the environment: versions before 1.19 refuse the key
    config |= _addresses(settings, ports)
    config["rtspTransports"] = ["tcp", "udp"] if settings.udp else ["tcp"]
    # Offering interfaces makes no sense while the sockets are bound to one loopback address.
    config["webrtcIPsFromInterfaces"] = not is_loopback(settings.host)
    config["webrtcAdditionalHosts"] = [LOOPBACK]
    config["authInternalUsers"] = _users(settings.users, login)
    return config


def _addresses(settings: RtspSettings, ports: MediaMtxPorts) -> dict[str, str]:
    def at(host: str, port: int) -> str:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    return {
        "rtspAddress": at(settings.host, settings.port),
        "rtpAddress": at(settings.host, ports.rtp),
        "rtcpAddress": at(settings.host, ports.rtp + 1),
        "webrtcAddress": at(settings.host, ports.webrtc),
        "webrtcLocalUDPAddress": at(settings.host, ports.webrtc_udp),
        "apiAddress": at(LOOPBACK, settings.api_port),
        "metricsAddress": at(LOOPBACK, ports.metrics),
        "playbackAddress": at(LOOPBACK, ports.playback),
    }


def _users(users: list[RtspUserSettings], login: Login | None) -> list[dict[str, Any]]:
    actions = ("publish", "read", "playback", "api", "metrics")
    everything = [{"action": action} for action in actions]
    if not users:
        return [{"user": "any", "permissions": everything}]
    entries = [
        {
            "user": hashed(user.name),
            "pass": hashed(user.password.get_secret_value()),
            "permissions": [
                {"action": action, "path": path_expression(pattern)}
                for action, patterns in (
                    ("publish", user.publish),
                    ("read", user.read),
                    ("playback", user.read),
                )
                for pattern in patterns
            ],
        }
        for user in users
    ]
    if login is not None:
        ours = {"user": hashed(login.user), "pass": hashed(login.password)}
        entries.append({**ours, "permissions": everything})
    return entries


def hashed(text: str) -> str:
    """Write a name or password as MediaMTX's ``sha256:``.

    Unlike plain ones these may hold any character, cannot be mistaken for the user ``any``, and
    do not lie readable on the disk.
    """
    return "sha256:" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def path_expression(pattern: str) -> str:
    """Turn a pattern of our settings, in which ``*`` is any text, into MediaMTX's path.

    Args:
        pattern: ``*``, ``cameras/*`` or a plain path.

    Returns:
        Nothing for every path, the path itself, or a tilde and a regular expression (RE2).
    """
    if pattern == "*":
        return ""
    if "*" not in pattern:
        return pattern
    return "~^" + ".*".join(re.escape(part) for part in pattern.split("*")) + "$"


def write_config(config: Mapping[str, Any], path: Path) -> None:
    """Write a configuration that only this user can read.

    Args:
        config: What `build_config` made.
        path: A file that does not exist yet.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yaml.safe_dump(dict(config), file, sort_keys=False)


def check_ports(settings: RtspSettings, ports: MediaMtxPorts) -> None:
    """Try every address before MediaMTX does, to name the one that is taken and its owner.

    Args:
        settings: The addresses of RTSP and the API.
        ports: The other ports.

    Raises:
        PortInUseError: Another program listens there.
        ConfigError: The address is not one of this machine, or may not be used.
    """
    if 0 in (settings.port, settings.api_port):
        raise ConfigError("`rtsp.port` and `rtsp.api_port` must not be 0 with MediaMTX.")
    wanted = [
        (settings.host, settings.port, socket.SOCK_STREAM, "RTSP"),
        (settings.host, ports.webrtc, socket.SOCK_STREAM, "WebRTC"),
        (settings.host, ports.webrtc_udp, socket.SOCK_DGRAM, "WebRTC media"),
        (LOOPBACK, settings.api_port, socket.SOCK_STREAM, "the MediaMTX API"),
        (LOOPBACK, ports.metrics, socket.SOCK_STREAM, "MediaMTX metrics"),
        (LOOPBACK, ports.playback, socket.SOCK_STREAM, "MediaMTX playback"),
    ]
    if settings.udp:
        wanted += [
            (settings.host, ports.rtp, socket.SOCK_DGRAM, "RTP"),
            (settings.host, ports.rtp + 1, socket.SOCK_DGRAM, "RTCP"),
        ]
    for host, port, kind, purpose in wanted:
        _try_to_bind(host, port, kind, purpose)


def _try_to_bind(host: str, port: int, kind: socket.SocketKind, purpose: str) -> None:
    protocol = "TCP" if kind is socket.SOCK_STREAM else "UDP"
    where = f"{protocol} port {port} of {host}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM and os.name == "posix":
            # As Go does it: a port whose last connection just closed is not taken. (On Windows
            # the option means something else.)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                raise PortInUseError(
                    f"Another program uses {where}, needed for {purpose}.",
                    "Stop it, choose another `rtsp.port`, or set `rtsp.server: embedded`.",
                ) from exc
            raise ConfigError(f"Cannot listen on {where} for {purpose}: {exc.strerror}.") from exc
