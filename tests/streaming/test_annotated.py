"""The annotated video as a player gets it: right pictures, right text; it recovers by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import SourceUnreachableError
from contracts.messages import Labels, Message
from contracts.settings import SourceSettings, StreamSettings
from contracts.types import SampledFrame, Sampling
from stack.annotated import Annotations
from stack.sources import make_opener
from streaming.annotated import AnnotatedOutput
from streaming.captions import Captions
from streaming.drawing import Painter
from streaming.reader import sender_utc_s
from streaming.rtsp import RtspUser
from streaming.sender import PacketSender
from streaming.sheet import planes_of
from tests.conftest import wait_for
from tests.streaming.live import Relay, Server, serving
from tests.streaming.test_captions import LABELS, scores

SIZE = (640, 360)
FPS = 20
PLACES = 79


@pytest.fixture(name="server")
def fixture_server(free_port: int) -> Iterator[Server]:
    """A server without users."""
    with serving(free_port) as server:
        yield server


def picture(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A grey picture with a bright column whose place tells its number."""
    width, height = size
    plane = np.full((height * 3 // 2, width), 128, np.uint8)
    plane[:height] = 90
    left = number % PLACES * 8 % (width - 8)
    plane[:height, left : left + 8] = 220
    return plane


def number_of(luma: NDArray[np.uint8]) -> int:
    """Read the number where nothing is drawn: below the panel, left of the clock."""
    row = luma[int(luma.shape[0] * 0.7) :][:40].mean(axis=0)
    return int(np.argmax(np.convolve(row, np.ones(8), "valid"))) // 8


@dataclass
class Camera:
    """Hands numbered pictures to an output at a steady rate, and says what the model sees."""

    output: AnnotatedOutput
    captions: Captions
    size: tuple[int, int] = SIZE
    captured: dict[int, float] = field(default_factory=dict)
    halt: threading.Event = field(default_factory=threading.Event)
    delay_s: float = 0.05
    grain: bool = False

    def run(self) -> None:
        """Work until told to stop."""
        self.captions.hear(LABELS)
        number, due_s = 0, time.monotonic()
        while not self.halt.wait(max(0.0, due_s - time.monotonic())):
            now = time.time()
            shown = picture(number, self.size)
            if self.grain:
                shown = np.random.default_rng(number).integers(0, 255, shown.shape, np.uint8)
            self.output.put(av.VideoFrame.from_ndarray(shown, "yuv420p"), now)
            self.captured[number] = now
            if number % 4 == 0:
                share = number % 40 / 40
                told = scores(0, 0.0, {"walk": share, "jump": 1 - share, "none": 0.0})
                shift = now - 0.9 * told.window.end - 0.1 * told.window.start
                window = type(told.window)(told.window.start + shift, told.window.end + shift)
                self.captions.hear(replace(told, window=window, published_at=now + self.delay_s))
            number, due_s = number + 1, due_s + 1 / FPS


@contextmanager
def filming(url: str, size: tuple[int, int] = SIZE) -> Iterator[Camera]:
    """Run an output with a camera."""
    captions = Captions()
    output = AnnotatedOutput(url, captions)
    camera = Camera(output, captions, size)
    thread = threading.Thread(target=camera.run, name="camera")
    output.start()
    thread.start()
    try:
        yield camera
    finally:
        camera.halt.set()
        thread.join()
        started = time.monotonic()
        output.stop()
        assert time.monotonic() - started < 2.5


@dataclass(frozen=True)
class Shown:
    """One picture as a player got it."""

    luma: NDArray[np.uint8]
    captured_at: float | None
    key: bool


def play(url: str, count: int) -> list[Shown]:
    """Read so many pictures."""
    shown: list[Shown] = []
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=(20.0, 20.0)) as container:
        stream = container.streams.video[0]
        # A picture for each packet at once, so that the packet's time is the picture's.
        stream.codec_context.thread_count = 1
        assert stream.codec_context.name == "h264"
        # Browsers take the baseline alone by WebRTC, and no B-frames (RFC 7742, section 6.2).
        assert "Baseline" in str(stream.codec_context.profile)
        assert not stream.codec_context.has_b_frames
        for packet in container.demux(stream):
            at = sender_utc_s(packet)
            for frame in packet.decode():
                luma = planes_of(np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8))[0]
                shown.append(Shown(luma, at, bool(frame.key_frame)))
            if len(shown) >= count:
                return shown
    raise AssertionError("the video ended")


def test_pictures_come_with_their_own_scores_and_times(server: Server) -> None:
    with filming(server.url("cam/annotated")) as camera:
        wait_for(server.published, "publication", 40)
        shown = play(server.url("cam/annotated"), 70)
        captured = dict(camera.captured)
        captions = camera.captions
    expected, late, compared = Painter(*SIZE), [], 0
    for one in shown:
        if one.captured_at is None:
            continue
        place, at = number_of(one.luma), one.captured_at
        alike = [number for number in captured if number % PLACES == place]
        number = alike[int(np.argmin([abs(captured[n] - at) for n in alike]))]
        late.append(at - captured[number])
        # Scores of pictures long past are remembered no more.
        if captured[number] > max(captured.values()) - 5:
            drawn = picture(number)
            expected.paint(drawn, captions.overlay(captured[number]), captured[number])
            assert np.abs(planes_of(drawn)[0].astype(int) - one.luma).mean() < 4
            compared += 1
    assert compared > 10
    # The times survive: what is left is how long connecting took after the clock was read.
    assert len(late) > 30
    assert abs(np.median(late)) < 0.2
    assert np.ptp(late) < 0.005
    keys = [place for place, one in enumerate(shown) if one.key]
    assert all(late - early <= FPS + 1 for early, late in pairwise(keys))


def test_another_picture_size_is_announced_anew(server: Server) -> None:
    with filming(server.url("a")) as camera:
        wait_for(server.published, "publication", 40)
        assert play(server.url("a"), 3)[0].luma.shape == (360, 640)
        camera.size = (322, 242)
        wait_for(lambda: not server.published(), "end of the old size", 20)
        wait_for(server.published, "publication", 40)
        assert play(server.url("a"), 3)[0].luma.shape == (242, 322)


def test_a_server_that_restarts_is_found_again(server: Server, free_port: int) -> None:
    with filming(server.url("a")) as camera:
        wait_for(server.published, "publication", 40)
        server.stop()
        # Nothing piles up meanwhile.
        wait_for(lambda: camera.output.dropped > 0, "frames that find no way", 40)
        with serving(free_port) as again:
            wait_for(again.published, "publication", 60)
            assert play(again.url("a"), 3)


def test_a_refusal_is_said_and_disturbs_nobody(
    free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    users = (RtspUser("ann", "secret", ("other",), ("*",)),)
    with serving(free_port, users) as server, filming(server.url("a", "ann:secret@")) as camera:
        wait_for(lambda: caplog.records, "warning", 40)
        wait_for(lambda: len(camera.captured) > FPS, "camera that goes on")
        assert not server.published()
    assert "secret" not in caplog.text


def test_stop_is_prompt_while_the_server_hangs(server: Server) -> None:
    relay = Relay(server.port)
    try:
        with filming(f"rtsp://127.0.0.1:{relay.port}/a") as camera:
            wait_for(server.published, "publication", 40)
            # Noise soon fills what the system buffers of a connection.
            camera.grain = True
            relay.hang()
            wait_for(lambda: camera.output.dropped > 3, "frames that find no way", 40)
    finally:
        relay.close()


def test_only_streams_that_ask_for_it_are_annotated(server: Server) -> None:
    annotations = Annotations(server.url("").rstrip("/"))
    frames: list[SampledFrame] = []
    opener = make_opener(SourceSettings(), annotations)
    wanted = StreamSettings(name="hall/cam_1", url="test:testsrc2", annotate=True)
    plain = StreamSettings(name="yard", url="test:testsrc2")
    sampling = Sampling(8, 128, 96)
    sources = [opener(s, sampling, frames.append, lambda _: None) for s in (wanted, plain)]
    message: Message = Labels(model="m", labels=["walk"])
    annotations.message("hall/cam_1", message)
    for source in sources:
        source.start()
    try:
        wait_for(server.published, "publication", 40)
        assert server.published() == ["hall/cam_1/annotated"]
        assert sources[0].preview.jpeg(160)
        assert play(server.url("hall/cam_1/annotated"), 3)[0].luma.shape == (360, 640)
    finally:
        for source in sources:
            source.stop()
    wait_for(lambda: not server.published(), "end")
    annotations.forget("hall/cam_1")


def keyframe() -> bytes:
    """One encoded picture."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 64, 64, "yuv420p"
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture(0, (64, 64)), "yuv420p")
    return b"".join(bytes(packet) for given in (frame, None) for packet in context.encode(given))


def test_a_sender_says_why_it_ended(free_port: int) -> None:
    sender, data = PacketSender(f"rtsp://127.0.0.1:{free_port}/a"), keyframe()
    try:
        with pytest.raises(SourceUnreachableError, match=f"{free_port}/a cannot be reached"):
            while True:
                sender.send(data, time.time(), True)
    finally:
        sender.close()
