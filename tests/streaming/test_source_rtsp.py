"""Sources over RTSP: same frames as the file, capture times, stalls, reconnects, refusals."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from contracts.settings import SourceSettings
from contracts.types import Clock, SampledFrame, StreamState
from streaming.files import read_frames
from streaming.rtsp import RtspUser
from tests.conftest import find_peer, wait_for
from tests.streaming.live import (
    SAMPLING,
    Recipe,
    Recorder,
    Relay,
    Server,
    make_video,
    numbers,
    playing,
    publishing,
    serving,
)

CONNECTING, LIVE, STALLED, OFFLINE = StreamState
QUICK = SourceSettings(stall_s=0.6, offline_s=1.5, retry_max_s=1.0)
H265 = (("x265-params", "log-level=none:keyint=25"),)


@pytest.fixture(name="server")
def fixture_server(free_port: int) -> Iterator[Server]:
    """A server without users."""
    with serving(free_port) as server:
        yield server


@contextmanager
def pushing(video: Path, url: str, transport: str) -> Iterator[None]:
    """Let ffmpeg push a file."""
    command = [str(find_peer("ffmpeg")), "-v", "error", "-re", "-i", str(video), "-c", "copy"]
    with subprocess.Popen([*command, "-f", "rtsp", "-rtsp_transport", transport, url]) as pusher:
        try:
            yield
        finally:
            pusher.terminate()


def _ages_s(frames: list[SampledFrame]) -> list[float]:
    offset_s = time.time() - time.monotonic()
    return [frame.ready_at + offset_s - frame.captured_at for frame in frames]


@pytest.mark.peer("ffmpeg")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(frames=75),
        Recipe(frames=75, options=(("g", "25"), ("bf", "3"))),
        Recipe(frames=75, codec="libx265", options=H265),
    ],
    ids=["h264", "b_frames", "h265"],
)
def test_live_frames_are_those_of_the_file(
    server: Server, tmp_path: Path, recipe: Recipe, transport: str
) -> None:
    video, recorder = make_video(tmp_path / "a.mp4", recipe), Recorder()
    settings = SourceSettings(transport="udp" if transport == "udp" else "tcp")
    with pushing(video, server.url(), transport):
        wait_for(server.published, "publication")
        with playing(server.url(), recorder, settings):
            recorder.wait_state(STALLED)
    of_file = {
        number: frame for frame in read_frames(video, SAMPLING) for number in numbers([frame])
    }
    shown = numbers(recorder.frames)
    # The server replays from the last keyframe: nothing of so short a video is missed.
    assert shown == sorted(of_file)
    assert [frame.index for frame in recorder.frames] == list(range(len(shown)))
    for number, frame in zip(shown, recorder.frames, strict=True):
        assert np.array_equal(frame.image, of_file[number].image)
    assert {frame.run for frame in recorder.frames} == {0}
    # With B-frames, ffmpeg claims to have captured pictures after it sent them.
    plain = recipe.options == Recipe().options
    assert recorder.frames[-1].clock is (Clock.RTCP if plain else Clock.ARRIVAL)
    assert np.median(_ages_s(recorder.frames)) < 0.5


def test_capture_times_are_the_publisher_s(server: Server, tmp_path: Path) -> None:
    video, recorder = make_video(tmp_path / "a.mp4", Recipe(frames=100)), Recorder()
    with publishing(str(video), server.url(), loop=True) as publication:
        wait_for(server.published, "publication")
        with playing(server.url(), recorder):
            recorder.wait_frames(70)
        loops = list(publication.loops)
    assert len(loops) == 2
    assert loops[1] - loops[0] == pytest.approx(4.0, abs=0.01)
    for number, frame in zip(numbers(recorder.frames), recorder.frames, strict=True):
        assert frame.clock is Clock.RTCP
        began = max(loop for loop in loops if loop <= frame.captured_at + 0.02)
        assert frame.captured_at - began == pytest.approx(number / 25, abs=0.02)
    assert np.median(_ages_s(recorder.frames)) < 0.1


def test_media_time_goes_on_over_the_loops_of_a_publisher(server: Server, tmp_path: Path) -> None:
    video, recorder = make_video(tmp_path / "a.mp4", Recipe(frames=26)), Recorder()
    with publishing(str(video), server.url(), loop=True):
        wait_for(server.published, "publication")
        with playing(server.url(), recorder):
            recorder.wait_frames(35)
    frames = recorder.frames
    assert [(frame.run, frame.index) for frame in frames] == [(0, n) for n in range(len(frames))]
    first = numbers(frames[:1])[0]
    assert numbers(frames) == [(first + 2 * n) % 26 for n in range(len(frames))]


def test_a_source_may_wait_for_its_publisher_and_for_it_to_return(
    server: Server, tmp_path: Path
) -> None:
    video, recorder = make_video(tmp_path / "a.mp4", Recipe(frames=75)), Recorder()
    with playing(server.url(), recorder, QUICK) as source:
        wait_for(lambda: "does not exist" in (source.status.error or ""), "an explanation")
        for _ in range(2):
            before = len(recorder.frames)
            with publishing(str(video), server.url(), loop=True):
                recorder.wait_frames(before + 5)
                assert source.status.error is None
            recorder.wait_state(OFFLINE)
    assert recorder.states[-6:] == [LIVE, STALLED, OFFLINE, LIVE, STALLED, OFFLINE]
    assert {frame.run for frame in recorder.frames} == {0, 1}


def test_a_connection_that_falls_silent_is_noticed_and_replaced(
    server: Server, tmp_path: Path
) -> None:
    relay, recorder = Relay(server.port), Recorder()
    video = make_video(tmp_path / "a.mp4")
    try:
        with (
            publishing(str(video), server.url(), loop=True),
            playing(f"rtsp://127.0.0.1:{relay.port}/cam", recorder, QUICK) as source,
        ):
            recorder.wait_frames(10)
            relay.silent.set()
            silent_s = time.monotonic()
            recorder.wait_state(STALLED)
            assert time.monotonic() - silent_s < 1.5
            assert source.status.error
            recorder.wait_state(OFFLINE)
            relay.silent.clear()
            recorder.wait_state(LIVE)
            relay.silent.set()
            stop_s = time.monotonic()
            source.stop()
            assert time.monotonic() - stop_s < 1.0
    finally:
        relay.close()


def test_a_server_that_restarts_is_found_again(free_port: int, tmp_path: Path) -> None:
    video, recorder = make_video(tmp_path / "a.mp4"), Recorder()
    server = Server(free_port)
    server.start()
    with (
        playing(server.url(), recorder, QUICK),
        publishing(str(video), server.url(), loop=True) as publication,
    ):
        recorder.wait_frames(10)
        server.stop()
        recorder.wait_state(STALLED)
        with serving(free_port):
            recorder.wait_state(LIVE)
            recorder.wait_frames(len(recorder.frames) + 10)
        assert not publication.failure


def test_another_picture_size_is_a_new_run(server: Server, tmp_path: Path) -> None:
    small = make_video(tmp_path / "a.mp4", Recipe(size=(192, 128)))
    large = make_video(tmp_path / "b.mp4", Recipe(size=(384, 256), first=1000))
    recorder = Recorder()
    with playing(server.url(), recorder, QUICK) as source:
        for video in (small, large):
            before = len(recorder.frames)
            with publishing(str(video), server.url()) as publication:
                recorder.wait_frames(before + 10)
                assert publication.ended.wait(10)
        assert source.status.info is not None
        assert source.status.info.resolution == "384x256"
    sizes = {
        frame.run: number >= 1000
        for frame, number in zip(recorder.frames, numbers(recorder.frames), strict=True)
    }
    assert sizes == {0: False, 1: True}


def test_a_wrong_password_is_said_and_not_tried_on_and_on(free_port: int) -> None:
    user = RtspUser("eva", "right", publish=("*",), read=("*",))
    recorder = Recorder()
    with (
        serving(free_port, (user,)) as server,
        playing(server.url(login="eva:wrong@"), recorder, QUICK) as source,
    ):
        recorder.wait_state(OFFLINE, 3.0)
        error = source.status.error or ""
    assert "refuses the user or password" in error
    assert "wrong" not in error
    assert "eva:***@" in error
    assert recorder.states == [CONNECTING, OFFLINE]


def test_users_may_publish_and_read(free_port: int, tmp_path: Path) -> None:
    user = RtspUser("eva", "s3cret", publish=("*",), read=("*",))
    video, recorder = make_video(tmp_path / "a.mp4"), Recorder()
    with serving(free_port, (user,)) as server:
        url = server.url(login="eva:s3cret@")
        with publishing(str(video), url, loop=True), playing(url, recorder, QUICK):
            recorder.wait_frames(10)


def test_nobody_there_is_said_while_it_keeps_trying(free_port: int) -> None:
    recorder = Recorder()
    with playing(f"rtsp://127.0.0.1:{free_port}/cam", recorder, QUICK) as source:
        recorder.wait_state(OFFLINE)
        assert "connection refused" in (source.status.error or "")
    assert recorder.states == [CONNECTING, OFFLINE]
