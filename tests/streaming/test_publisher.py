"""Publisher: every kind of source goes out in real time, and failures are said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import (
    ConfigError,
    NotAVideoError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnreachableError,
)
from contracts.types import StreamState
from streaming.publisher import PublishOptions, publish
from streaming.rtsp import RtspUser
from tests.conftest import find_peer, wait_for
from tests.streaming.live import (
    Recipe,
    Recorder,
    Relay,
    Server,
    make_sound,
    make_video,
    numbers,
    playing,
    publishing,
    serving,
)

NTSC = Fraction(30000, 1001)


@pytest.fixture(name="server")
def fixture_server(free_port: int) -> Iterator[Server]:
    """A server without users."""
    with serving(free_port) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "recipe", "copied"),
    [
        ("a.mp4", Recipe(), True),
        ("a.mkv", Recipe(rate=NTSC, options=(("bf", "3"), ("g", "30"))), True),
        ("a.ts", Recipe(), True),
        ("a.avi", Recipe(codec="mpeg4", options=(("b", "2000000"), ("bf", "2"))), False),
        ("b.avi", Recipe(codec="mjpeg", options=(("strict", "-1"),)), False),
    ],
)
def test_files_arrive_whole_and_in_order(
    server: Server, tmp_path: Path, name: str, recipe: Recipe, copied: bool
) -> None:
    video, recorder = make_video(tmp_path / name, recipe), Recorder()
    with playing(server.url(), recorder) as source:
        with publishing(str(video), server.url()) as publication:
            wait_for(server.published, "publication")
            source.wake()
            assert publication.ended.wait(15)
        recorder.wait_state(StreamState.STALLED)
        info = source.status.info
    assert not publication.failure
    shown = numbers(recorder.frames)
    assert [frame.index for frame in recorder.frames] == list(range(len(shown)))
    assert shown[0] == 0
    assert shown[-1] >= 46
    assert shown == sorted(shown)
    assert info is not None
    assert info.codec == "h264"
    assert {progress.copied for progress in publication.progress} == {copied}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pattern_by_either_transport(server: Server, transport: str) -> None:
    recorder = Recorder()
    with (
        publishing("test:smptebars", server.url(), transport=transport) as publication,
        playing(server.url(), recorder),
    ):
        recorder.wait_frames(15)
    assert not publication.failure
    assert publication.ended.is_set()


def test_a_directory_is_one_publication_of_one_size(server: Server, tmp_path: Path) -> None:
    make_video(tmp_path / "1.mp4", Recipe(frames=10))
    (tmp_path / "1b.mp4").write_bytes(b"damaged")
    make_video(tmp_path / "2.avi", Recipe(frames=10, codec="mpeg4", size=(96, 64), first=10))
    recorder = Recorder()
    with (
        playing(server.url(), recorder),
        publishing(str(tmp_path), server.url(), loop=True) as publication,
    ):
        recorder.wait_frames(25)
    assert {frame.run for frame in recorder.frames} == {0}
    shown = numbers(recorder.frames)
    assert all((b - a) % 20 == 2 for a, b in pairwise(shown))
    assert np.allclose(np.diff(publication.loops), 0.8, atol=0.01)


def test_a_stream_is_passed_on_with_its_capture_times(server: Server, tmp_path: Path) -> None:
    video, recorder = make_video(tmp_path / "a.mp4", Recipe(frames=250)), Recorder()
    with publishing(str(video), server.url("in")) as first:
        wait_for(server.published, "publication")
        with publishing(server.url("in"), server.url("out")) as second:
            wait_for(lambda: "out" in server.published(), "second publication")
            with playing(server.url("out"), recorder):
                recorder.wait_frames(25)
        began = first.loops[0]
    assert not second.failure
    shown = numbers(recorder.frames)
    assert shown == list(range(shown[0], shown[0] + 2 * len(shown), 2))
    last = recorder.frames[-1]
    assert last.captured_at - began == pytest.approx(shown[-1] / 25, abs=0.06)


def test_a_server_that_restarts_is_found_again_and_media_time_goes_on(
    free_port: int, tmp_path: Path
) -> None:
    video = make_video(tmp_path / "a.mp4", Recipe(frames=250))
    server, recorder = Server(free_port), Recorder()
    server.start()
    with publishing(str(video), server.url()) as publication:
        wait_for(lambda: publication.progress, "progress")
        server.stop()
        wait_for(lambda: not publication.progress[-1].connected, "notice of the loss")
        with serving(free_port) as again, playing(again.url(), recorder):
            wait_for(lambda: publication.progress[-1].connected, "new connection")
            recorder.wait_frames(5)
        last = recorder.frames[-1]
        began = publication.loops[-1]
    # As a camera would, the source went on meanwhile: what is sent is what is due.
    number = numbers([last])[0]
    assert last.captured_at - began == pytest.approx(number / 25, abs=0.03)
    assert not publication.failure


def test_stop_works_while_the_server_hangs(server: Server) -> None:
    relay = Relay(server.port)
    try:
        with publishing("test:noise?size=1280x720", f"rtsp://127.0.0.1:{relay.port}/cam") as sent:
            wait_for(lambda: sent.progress, "progress")
            relay.hang()
            threading.Event().wait(1.0)
            began_s = time.monotonic()
            sent.stop.set()
            assert sent.ended.wait(3)
            assert time.monotonic() - began_s < 2.0
    finally:
        relay.close()


def test_an_orphaned_child_ends(server: Server, tmp_path: Path) -> None:
    code = (
        "from streaming.publisher import *;"
        f"publish('test:grey', {server.url()!r}, PublishOptions())"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as parent:
        wait_for(server.published, "publication")
        os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not server.published(), "end of the orphan", 5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8554/cam", "http://127.0.0.1/cam", "rtsp://127.0.0.1:8554", "rtsp://host/"]
)
def test_only_rtsp_with_a_name_can_be_published_to(url: str) -> None:
    with pytest.raises(ConfigError, match="no place to publish"):
        publish("test:grey", url, PublishOptions())


def test_server_absent(free_port: int) -> None:
    with pytest.raises(SourceUnreachableError, match="connection refused"):
        publish("test:grey", f"rtsp://127.0.0.1:{free_port}/cam", PublishOptions())


def test_wrong_password_and_missing_right(free_port: int) -> None:
    users = (RtspUser("eva", "right", publish=("hall/*",)),)
    with serving(free_port, users) as server:
        for login, path in (("eva:wrong@", "hall/1"), ("eva:right@", "yard/1"), ("", "hall/1")):
            with pytest.raises(SourceRefusedError, match="refuses the user or password") as caught:
                publish("test:grey", server.url(path, login), PublishOptions())
            assert "wrong" not in str(caught.value)


def test_sources_that_cannot_be_sent(server: Server, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"\x07" * 3000)
    for source, error in [
        (str(tmp_path / "missing.mp4"), SourceNotFoundError),
        (str(garbage), NotAVideoError),
        (str(make_sound(tmp_path / "sound.m4a")), NotAVideoError),
        ("test:nothing", SourceNotFoundError),
    ]:
        with pytest.raises(error):
            publish(source, server.url(), PublishOptions())
    assert not server.published()


@pytest.mark.peer("ffmpeg")
def test_rotated_video_is_sent_upright(server: Server, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    flags = ["-v", "error", "-metadata:s:v", "rotate=90", "-c", "copy"]
    command = [str(find_peer("ffmpeg")), "-i", str(make_video(tmp_path / "a.mp4")), *flags]
    subprocess.run([*command, str(turned)], check=True)
    recorder = Recorder()
    with (
        publishing(str(turned), server.url(), loop=True),
        playing(server.url(), recorder) as source,
    ):
        recorder.wait_frames(5)
        info = source.status.info
    assert info is not None
    if info.resolution == "192x128":
        pytest.skip("this ffmpeg writes no rotation that way")
    assert info.resolution == "128x192"


def test_real_clips_go_out(server: Server, research_data: Path) -> None:
    for clip in (
        research_data / "clips" / "one-by-one-person-detection.mp4",
        research_data / "weizmann" / "walk",
        min((research_data / "fight" / "fight").glob("*.mp4")),
    ):
        recorder = Recorder()
        with (
            publishing(str(clip), server.url(), loop=True) as publication,
            playing(server.url(), recorder),
        ):
            recorder.wait_frames(20)
        assert not publication.failure
        wait_for(lambda: not server.published(), "end of the publication")
