"""A server in a thread, a bare RTSP client, peers as processes, and video that knows its number."""

from __future__ import annotations

import asyncio
import hashlib
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt

from streaming.rtsp import PathChange, PathInfo, RtspServer, RtspServerOptions
from streaming.rtsp.messages import Frame, MessageParser, Request, Response
from tests.conftest import wait_for

T = TypeVar("T")
WIDTH, HEIGHT, FPS, BITS = 320, 192, 25, 16
READ_OPTIONS = {"probesize": "32768", "analyzeduration": "0", "timeout": "5000000"}


class LiveServer:
    """A server on an event loop of its own thread, so that tests may block."""

    def __init__(self, options: RtspServerOptions) -> None:
        self.changes: queue.Queue[PathChange] = queue.Queue()
        self.loop = asyncio.new_event_loop()
        self.errors: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(str(context)))
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.server = RtspServer(options, on_change=self.changes.put)
        asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(5)

    @property
    def port(self) -> int:
        """The TCP port."""
        return self.server.port

    def url(self, path: str, credentials: str = "") -> str:
        """URL of a path, credentials as ``user:password@``."""
        return f"rtsp://{credentials}127.0.0.1:{self.port}/{path}"

    def call(self, function: Callable[[], T]) -> T:
        """Call something on the loop of the server."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def paths(self) -> dict[str, PathInfo]:
        """The published paths by name."""
        return {info.name: info for info in self.call(self.server.paths)}

    def close(self) -> None:
        """Stop; fails if any callback of the server raised."""
        asyncio.run_coroutine_threadsafe(self.server.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        assert not self.errors, self.errors


@contextmanager
def serving(options: RtspServerOptions | None = None) -> Iterator[LiveServer]:
    """Serve on a port of the system's choice; fails if a callback raised."""
    server = LiveServer(options or RtspServerOptions(port=0))
    try:
        yield server
    finally:
        server.close()


class RawClient:
    """Sends what a test wants sent."""

    def __init__(self, server: LiveServer, receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(5)
        self.sock.connect(("127.0.0.1", server.port))
        self.base = server.url("").rstrip("/")
        self.frames: list[Frame] = []
        self.session = ""
        self._parser = MessageParser()
        self._sequence = 0

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.sock.close()

    def request(self, method: str, path: str, headers: dict[str, str] | None = None) -> Response:
        """Send a request for a path."""
        return self.send(Request(method, f"{self.base}/{path}", tuple((headers or {}).items())))

    def send(self, request: Request) -> Response:
        """Send with CSeq and Session added, and wait for the answer."""
        self._sequence += 1
        headers = (("CSeq", str(self._sequence)), *request.headers)
        if self.session and request.header("Session") is None:
            headers = (*headers, ("Session", self.session))
        full = Request(request.method, request.url, headers, request.body)
        self.sock.sendall(full.to_bytes())
        response = self.response()
        assert response.header("CSeq") == str(self._sequence)
        session = response.header("Session")
        if session is not None:
            self.session = session.partition(";")[0]
        if request.method == "TEARDOWN":
            self.session = ""
        return response

    def response(self) -> Response:
        """The next answer; frames before it are kept in ``frames``."""
        while True:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("closed by the server")
            answer = None
            for item in self._parser.items(data):
                if isinstance(item, Response):
                    answer = item
                elif isinstance(item, tuple):
                    self.frames.append(item)
            if answer is not None:
                return answer

    def read_frames(self, count: int) -> list[Frame]:
        """At least so many interleaved frames; takes them away."""
        while len(self.frames) < count:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("closed by the server")
            self.frames += [f for f in self._parser.items(data) if isinstance(f, tuple)]
        frames, self.frames = self.frames, []
        return frames

    def closed(self) -> bool:
        """Whether the server closes the connection, waiting for it."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def announce(self, path: str, sdp: bytes) -> Response:
        """Announce a description."""
        headers = (("Content-Type", "application/sdp"),)
        return self.send(Request("ANNOUNCE", f"{self.base}/{path}", headers, sdp))

    def publish(self, path: str, sdp: bytes, tracks: int = 1) -> None:
        """Go through to RECORD, interleaved."""
        assert self.announce(path, sdp).status == 200
        for index in range(tracks):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1};mode=record"
            url = f"{path}/streamid={index}"
            assert self.request("SETUP", url, {"Transport": transport}).status == 200
        assert self.request("RECORD", path).status == 200

    def play(self, path: str, tracks: int = 1) -> Response:
        """Go through to PLAY, interleaved."""
        assert self.request("DESCRIBE", path).status == 200
        for index in range(tracks):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}"
            url = f"{path}/trackID={index}"
            assert self.request("SETUP", url, {"Transport": transport}).status == 200
        answer = self.request("PLAY", path)
        assert answer.status == 200
        return answer


def h264_sdp(tracks: int = 1) -> bytes:
    """Description as FFmpeg announces it; a second track is audio."""
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=No Name", "c=IN IP4 127.0.0.1", "t=0 0"]
    lines += ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"]
    lines += ["a=fmtp:96 packetization-mode=1", "a=control:streamid=0"]
    if tracks > 1:
        lines += ["m=audio 0 RTP/AVP 97", "a=rtpmap:97 OPUS/48000/2", "a=control:streamid=1"]
    return "\r\n".join([*lines, ""]).encode()


def rtp(number: int, time: int, payload: bytes, source: int = 0x1234) -> bytes:
    """An RTP packet with payload type 96."""
    head = b"\x80\x60" + (number % 65536).to_bytes(2, "big") + (time % 2**32).to_bytes(4, "big")
    return head + source.to_bytes(4, "big") + payload


def sender_report(unix_s: int, rtp_time: int, source: int = 0x1234) -> bytes:
    """A sender report without report blocks."""
    words = (source, unix_s + 2_208_988_800, 0, rtp_time, 10, 1000)
    return b"\x80\xc8\x00\x06" + b"".join(word.to_bytes(4, "big") for word in words)


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A peer as a process, ended afterwards; its messages go to a file."""
    with (
        log.open("wb") as sink,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def push(clip: Path, url: str, transport: str, *coding: str) -> list[str]:
    """Command that publishes a clip in a loop, in real time."""
    command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(clip)]
    return [*command, *(coding or ("-c", "copy")), "-f", "rtsp", "-rtsp_transport", transport, url]


def wait_for_media(server: LiveServer, path: str, packets: int = 60) -> None:
    """Wait until a path has received so many packets."""
    wait_for(
        lambda: path in server.paths() and server.paths()[path].packets_in > packets,
        f"media on {path}",
    )


def numbered_picture(number: int) -> npt.NDArray[np.uint8]:
    """(HEIGHT, WIDTH, 3) RGB: the number in binary bars above, noise below to fill packets."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    width = WIDTH // BITS
    for bit in range(BITS):
        picture[: HEIGHT // 2, bit * width : (bit + 1) * width] = 220 if number >> bit & 1 else 30
    noise = np.random.default_rng(number).integers(60, 200, (HEIGHT // 8, WIDTH // 4, 3), np.uint8)
    picture[HEIGHT // 2 :] = noise.repeat(4, 0).repeat(4, 1)
    return picture


def picture_number(frame: av.VideoFrame) -> int:
    """What ``numbered_picture`` wrote."""
    grey = frame.to_ndarray(format="gray")[HEIGHT // 8 : HEIGHT * 3 // 8]
    width = WIDTH // BITS
    bits = (
        grey[:, b * width + width // 4 : (b + 1) * width - width // 4].mean() > 125
        for b in range(BITS)
    )
    return sum(bit << index for index, bit in enumerate(bits))


def write_numbered_video(path: Path, frames: int, gop: int, codec: str = "libx264") -> None:
    """Encode numbered pictures, with a key picture every ``gop`` frames and B-frames between."""
    options = {"preset": "veryfast", "g": str(gop)}
    if codec == "libx264":
        options["sc_threshold"] = "0"
    else:
        options["x265-params"] = f"log-level=none:keyint={gop}:min-keyint={gop}:scenecut=0"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def fingerprint(frame: av.VideoFrame) -> str:
    """Hash of the decoded picture; decoding is exact, so one wrong bit shows."""
    return hashlib.sha1(frame.to_ndarray().tobytes(), usedforsecurity=False).hexdigest()


def fingerprints(path: Path) -> dict[str, int]:
    """Frame number by hash of each picture of a file."""
    with av.open(str(path)) as container:
        return {fingerprint(frame): n for n, frame in enumerate(container.decode(video=0))}


def read_numbers(
    url: str, count: int, known: dict[str, int] | None = None, transport: str = "tcp"
) -> list[int]:
    """Read frames with PyAV as the product does.

    Args:
        url: Where.
        count: How many frames.
        known: Hashes of the exact pictures; without it the bars are read.
        transport: ``tcp`` or ``udp``.

    Returns:
        Frame numbers; -1 for a picture that is not exactly as published.
    """
    numbers: list[int] = []
    with av.open(url, options={"rtsp_transport": transport, **READ_OPTIONS}) as container:
        for frame in container.decode(video=0):
            numbers.append(
                picture_number(frame) if known is None else known.get(fingerprint(frame), -1)
            )
            if len(numbers) >= count:
                break
    return numbers


def assert_consecutive(numbers: list[int], modulus: int) -> None:
    """Every frame is the follower of the one before, in a loop of that length."""
    assert min(numbers) >= 0, numbers
    assert all((b - a) % modulus == 1 for a, b in pairwise(numbers)), numbers
