"""Peers for the tests of sources and publishers: numbered videos, a server, a silent relay."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from contracts.settings import SourceSettings, StreamSettings
from contracts.types import SampledFrame, Sampling, SourceStatus, StreamState
from streaming.publisher import PublishOptions, PublishProgress, publish
from streaming.rtsp import RtspServer, RtspServerOptions, RtspUser
from streaming.source import SourceCallbacks, StreamSource
from tests.conftest import wait_for
from training.figures.numbered import numbered_frames, read_number

SAMPLING = Sampling(fps=12.5, width=96, height=64)
SIZE = (192, 128)


@dataclass(frozen=True)
class Recipe:
    """How to make a video whose pixels carry the frame number."""

    frames: int = 50
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = SIZE
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("g", "25"), ("bf", "0"))
    first: int = 0


def make_video(path: Path, recipe: Recipe | None = None, times: list[int] | None = None) -> Path:
    """Encode numbered frames; `times` in milliseconds replaces the even spacing."""
    recipe = recipe or Recipe()
    with av.open(str(path), "w") as output:
        added = output.add_stream(recipe.codec, rate=recipe.rate, options=dict(recipe.options))
        stream = cast("av.VideoStream", added)
        stream.width, stream.height = recipe.size
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for place, picture in enumerate(numbered_frames(recipe.frames, recipe.size, recipe.first)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[place], Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def make_sound(path: Path) -> Path:
    """Encode a second of silence."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=48_000)
        for place in range(20):
            frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts = 48_000, place * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def numbers(frames: list[SampledFrame]) -> list[int]:
    """Numbers that the pictures show."""
    return [read_number(frame.image) for frame in frames]


@dataclass
class Recorder:
    """Collects what a source says.

    Attributes:
        receiver: Also told of every frame.
        frames: Frames so far.
        statuses: Statuses so far.
    """

    receiver: Callable[[SampledFrame], None] | None = None
    frames: list[SampledFrame] = field(default_factory=list)
    statuses: list[SourceStatus] = field(default_factory=list)

    @property
    def callbacks(self) -> SourceCallbacks:
        """For the source."""
        return SourceCallbacks(self._on_frame, self.statuses.append)

    def _on_frame(self, frame: SampledFrame) -> None:
        if self.receiver is not None:
            self.receiver(frame)
        self.frames.append(frame)

    @property
    def states(self) -> list[StreamState]:
        """States in order, repetitions left out."""
        found = [status.state for status in self.statuses]
        return [
            state for place, state in enumerate(found) if not place or found[place - 1] is not state
        ]

    def wait_frames(self, count: int, timeout_s: float = 15.0) -> None:
        """Wait until so many frames came."""
        wait_for(lambda: len(self.frames) >= count, f"{count} frames", timeout_s)

    def wait_state(self, state: StreamState, timeout_s: float = 15.0) -> None:
        """Wait until the newest state is this one."""
        wait_for(lambda: self.states[-1:] == [state], f"state {state}", timeout_s)


@contextmanager
def playing(
    url: str, recorder: Recorder, settings: SourceSettings | None = None, loop: bool = False
) -> Iterator[StreamSource]:
    """Run a source."""
    source = StreamSource(
        StreamSettings(name="cam", url=url, loop=loop),
        SAMPLING,
        settings or SourceSettings(),
        recorder.callbacks,
    )
    source.start()
    try:
        yield source
    finally:
        source.stop()


@dataclass
class Server:
    """An RTSP server on a thread of its own."""

    port: int
    users: tuple[RtspUser, ...] = ()
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _server: RtspServer | None = None

    def url(self, name: str = "cam", login: str = "") -> str:
        """URL of a path."""
        return f"rtsp://{login}127.0.0.1:{self.port}/{name}"

    def published(self) -> list[str]:
        """Names of the paths."""
        return [] if self._server is None else [path.name for path in self._server.paths()]

    def start(self) -> None:
        """Listen."""
        options = RtspServerOptions(port=self.port, users=self.users)
        self._thread = threading.Thread(target=self._loop.run_forever, name="rtsp server")
        self._thread.start()
        self._server = RtspServer(options)
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(5)

    def stop(self) -> None:
        """Close."""
        if self._server is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._server = None
        self._loop.close()


@contextmanager
def serving(port: int, users: tuple[RtspUser, ...] = ()) -> Iterator[Server]:
    """Run a server."""
    server = Server(port, users)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Publication:
    """What a running publisher said."""

    loops: list[float] = field(default_factory=list)
    progress: list[PublishProgress] = field(default_factory=list)
    failure: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def publishing(
    source: str, url: str, loop: bool = False, transport: str = "tcp"
) -> Iterator[Publication]:
    """Run a publisher."""
    publication = Publication()
    options = PublishOptions(
        loop=loop,
        transport="udp" if transport == "udp" else "tcp",
        on_loop=publication.loops.append,
        on_progress=publication.progress.append,
    )

    def work() -> None:
        try:
            publish(source, url, options, publication.stop)
        except Exception as exc:  # pylint: disable=broad-exception-caught  # for the test to see
            publication.failure.append(exc)
        publication.ended.set()

    thread = threading.Thread(target=work, name="publisher")
    thread.start()
    try:
        yield publication
    finally:
        publication.stop.set()
        thread.join(5)


class Relay:
    """A TCP relay that can fall silent without closing, as a network does."""

    def __init__(self, target_port: int) -> None:
        """Listen on a free port."""
        self.silent = threading.Event()
        self._hung = threading.Event()
        self._closed = threading.Event()
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="relay")]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def hang(self) -> None:
        """Take no more data, so that whoever writes to it is blocked."""
        self._hung.set()

    def close(self) -> None:
        """End all connections."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(2)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    pump = threading.Thread(target=self._pump, args=(one, other), name="pump")
                    self._threads.append(pump)
                    pump.start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if self._hung.is_set():
                    self._closed.wait()
                if not self.silent.is_set():
                    other.sendall(data)
