"""Sends H.264 that is made in this process to an RTSP server, from a process of its own.

PyAV holds the interpreter lock while it connects and nothing can interrupt a write to a server that
has hung: a child does both, and the server may even be in this process. A child is one connection.
It is handed packets on standard input, connects at the first one, and ends when its input closes or
the server goes away; then it says why on standard output, one JSON object.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from contracts import errors
from contracts.errors import ActionstreamError, SourceError, SourceUnreachableError
from streaming.broadcast import Outlet
from streaming.tracks import CopyWriter, Unit

_HEADER: Final = struct.Struct("!Id?")
"""Length in bytes, UTC seconds of capture, whether it is a keyframe."""

_MAX_PACKET = 16 << 20
_CLOSE_S = 0.5
_POLL_S = 0.2
# A child that takes nothing for so long has a server that hangs; but its start may take long on a
# machine that is busy.
_HUNG_S = 5.0
_START_S = 30.0


class PacketSender:
    """One connection to an RTSP server. Owned by one thread; `cut` suits any."""

    def __init__(self, url: str, transport: str = "tcp") -> None:
        """Start the child; it connects when the first packet comes.

        Args:
            url: Where to publish, ``rtsp://host:8554/name``; may hold a login.
            transport: How the media travel, ``tcp`` or ``udp``.
        """
        self._cut = False
        self._started_s = time.monotonic()
        self._child = _start_child()
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        self._job = json.dumps({"url": url, "transport": transport}).encode() + b"\n"

    def send(self, packet: bytes, captured_at: float, key: bool) -> None:
        """Send a packet; blocks while the server is slow.

        Args:
            packet: H.264 in start-code form; the first one and every keyframe with its parameter
                sets.
            captured_at: UTC seconds of the picture's capture; grow from packet to packet.
            key: Whether it is a keyframe.

        Raises:
            SourceError: The server cannot be reached, refuses us, or went away.
        """
        job, self._job = self._job, b""
        self._write(job + _HEADER.pack(len(packet), captured_at, key) + packet)

    def cut(self) -> None:
        """Make a `send` that is under way give up soon."""
        self._cut = True

    def close(self) -> None:
        """Hang up, within a second."""
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        with suppress(OSError):
            child.stdin.close()
        try:
            child.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    def _write(self, data: bytes) -> None:
        assert self._child.stdin is not None
        target = self._child.stdin.fileno()
        rest = memoryview(data)
        deadline_s = max(self._started_s + _START_S, time.monotonic() + _HUNG_S)
        while rest:
            if self._cut or time.monotonic() > deadline_s:
                raise SourceUnreachableError("The server of the annotated video takes nothing.")
            if not select.select([], [target], [], _POLL_S)[1]:
                continue
            try:
                rest = rest[os.write(target, rest) :]
            except BlockingIOError:
                continue
            except OSError as exc:
                raise self._failure() from exc

    def _failure(self) -> ActionstreamError:
        """Why the child ended."""
        assert self._child.stdout is not None
        text = self._child.stdout.read()
        if not text:
            return SourceError("The sender of the annotated video ended unexpectedly.")
        report = json.loads(text)
        kind = getattr(errors, report["error"])
        return cast("ActionstreamError", kind(report["message"], report["hint"]))


def _start_child() -> subprocess.Popen[bytes]:
    here = str(Path(__file__).resolve().parent.parent)
    paths = [here, os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "streaming.sender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def _units(source: IO[bytes]) -> Iterator[tuple[Unit, bytes]]:
    """Read packets, each timed by UTC and beside its bytes, until the input closes."""
    while len(header := source.read(_HEADER.size)) == _HEADER.size:
        length, captured_at, key = _HEADER.unpack(header)
        if length > _MAX_PACKET or len(data := source.read(length)) < length:
            return
        packet: Packet[VideoStream] = cast(Any, Packet(data))
        packet.is_keyframe = key
        yield Unit(captured_at, captured_at, 0.0, key, packet), data


def _relay(source: IO[bytes], outlet: Outlet) -> None:
    """Connect at the first packet and send until the input closes.

    Raises:
        SourceError: The server cannot be reached, refuses us, or went away.
    """
    for unit, data in _units(source):
        if not outlet.connected:
            # What the stream is like is written in its first keyframe.
            with av.open(io.BytesIO(data), format="h264") as sample:
                template = sample.streams.video[0]
                outlet.connect(partial(CopyWriter, template=template))
        outlet.write(unit, time.monotonic() - (time.time() - unit.pts_s))
        if not outlet.connected:
            raise SourceUnreachableError("The server went away.")


def _child() -> None:
    """Be one connection."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = json.loads(sys.stdin.buffer.readline())
    outlet = Outlet(job["url"], job["transport"])
    try:
        _relay(sys.stdin.buffer, outlet)
    except ActionstreamError as exc:
        report = {"error": type(exc).__name__, "message": exc.message, "hint": exc.hint}
        with suppress(BrokenPipeError):
            print(json.dumps(report), flush=True)
    finally:
        outlet.close()


if __name__ == "__main__":
    _child()
