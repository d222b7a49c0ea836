"""Publishes any source to an RTSP server in real time, as a camera would.

The work is done in a child process (see `streaming.broadcast`): a server in this very process
stays responsive, and a hung connection can be ended. The child is told its job on standard input,
reports on standard output, one JSON object per line, and ends when its input closes, so it cannot
be orphaned.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from contracts import errors
from contracts.errors import ActionstreamError, ConfigError, SourceError
from streaming.broadcast import Broadcast, Outlet, PublishProgress

__all__ = ["PublishOptions", "PublishProgress", "publish"]

_STOP_S = 1.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How to publish.

    Attributes:
        loop: Start a file or directory again when it ends.
        transport: How the media travel to the server.
        on_loop: Told the UTC seconds at which media time 0 of a loop is sent, at the start of each
            loop and anew when the schedule had to move.
        on_progress: Told twice a second how far it is.
    """

    loop: bool = False
    transport: Literal["tcp", "udp"] = "tcp"
    on_loop: Callable[[float], None] | None = None
    on_progress: Callable[[PublishProgress], None] | None = None


def publish(
    source: str, url: str, options: PublishOptions, stop: threading.Event | None = None
) -> None:
    """Publish a source until it ends or is told to stop. Blocks; callbacks run on this thread.

    Packets of H.264 and H.265 are passed on as they are; everything else becomes H.264. Sound is
    left out. Times grow steadily over loops. A server that goes away is waited for while the
    source goes on, and so is a live source.

    Args:
        source: File, directory of videos, ``/dev/video0``, RTSP or HTTP URL, or ``test:`` pattern.
        url: Where to publish, ``rtsp://host:8554/name``.
        options: How.
        stop: Ends it within a second when set, from another thread or a callback.

    Raises:
        ConfigError: The URL is not one of RTSP with a path.
        SourceError: The source cannot be opened, or the server cannot be reached or refuses us at
            the first attempt.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in ("rtsp", "rtsps") or not rest.partition("/")[2]:
        raise ConfigError(
            f"{url} is no place to publish.",
            "Use rtsp://HOST:PORT/NAME, as rtsp://127.0.0.1:8554/cam1.",
        )
    job = {"source": source, "url": url, "loop": options.loop, "transport": options.transport}
    stop = stop or threading.Event()
    with _start_child() as child:
        watch = threading.Thread(target=_end_on, args=(stop, child), name="publish stop")
        watch.start()
        try:
            assert child.stdin is not None and child.stdout is not None
            with suppress(BrokenPipeError):
                child.stdin.write(json.dumps(job) + "\n")
                child.stdin.flush()
            failure = _relay(child.stdout, options)
        finally:
            stopped = stop.is_set()
            stop.set()
            watch.join()
    if failure is not None and not stopped:
        raise failure


def _start_child() -> subprocess.Popen[str]:
    here = str(Path(__file__).resolve().parent.parent)
    paths = [here, os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "streaming.publisher"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def _end_on(stop: threading.Event, child: subprocess.Popen[str]) -> None:
    """Close the child's input when it is to stop; kill it if that does not help."""
    while not stop.wait(_POLL_S):
        if child.poll() is not None:
            return
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _relay(reports: IO[str], options: PublishOptions) -> ActionstreamError | None:
    """Pass the child's reports on until it ends; give the error it ended with."""
    failure: ActionstreamError | None = SourceError("The publisher ended unexpectedly.")
    for line in reports:
        report: dict[str, Any] = json.loads(line)
        if "loop_at" in report and options.on_loop is not None:
            options.on_loop(report["loop_at"])
        elif "progress" in report and options.on_progress is not None:
            options.on_progress(PublishProgress(**report["progress"]))
        elif "error" in report:
            kind = getattr(errors, report["error"])
            failure = kind(report["message"], report["hint"])
        elif "done" in report:
            failure = None
    return failure


def _child() -> None:
    """Do one job."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    broadcast = Broadcast(
        source=job["source"],
        outlet=Outlet(job["url"], job["transport"]),
        loop=job["loop"],
        stop=stop,
        on_loop=lambda utc_s: _report({"loop_at": utc_s}),
        on_progress=lambda progress: _report({"progress": asdict(progress)}),
    )
    try:
        broadcast.run()
    except ActionstreamError as exc:
        _report({"error": type(exc).__name__, "message": exc.message, "hint": exc.hint})
    else:
        _report({"done": True})


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()
    # A write to a hung server never returns.
    threading.Event().wait(_STOP_S)
    os._exit(1)


def _report(report: dict[str, Any]) -> None:
    # A parent that is gone has closed our input too, and that ends us.
    with suppress(BrokenPipeError):
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    _child()
