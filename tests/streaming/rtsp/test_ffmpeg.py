"""The server against ffmpeg and PyAV, in both directions."""

from __future__ import annotations

import itertools
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import av
import pytest

from streaming.rtsp import RtspServerOptions, RtspUser
from tests.conftest import wait_for

from .conftest import FRAMES
from .support import (
    READ_OPTIONS,
    LiveServer,
    assert_consecutive,
    fingerprints,
    picture_number,
    push,
    read_numbers,
    running,
    serving,
    wait_for_media,
)

pytestmark = [pytest.mark.peer("ffmpeg")]


@pytest.mark.parametrize("publishing", ["tcp", "udp"])
@pytest.mark.parametrize("reading", ["tcp", "udp"])
def test_h264_pictures_arrive_exactly(
    broadcast: LiveServer, h264_clip: Path, publishing: str, reading: str
) -> None:
    path = f"h264/{publishing}"
    numbers = read_numbers(broadcast.url(path), 60, fingerprints(h264_clip), reading)
    assert numbers[0] == 0  # replayed from the one key picture
    assert_consecutive(numbers, FRAMES)
    info = broadcast.paths()[path]
    assert (info.codecs, info.transport, info.packets_dropped) == (("H264",), publishing, 0)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_h265_pictures_arrive_exactly(
    broadcast: LiveServer, h265_clip: Path, transport: str
) -> None:
    path = f"h265/{transport}"
    numbers = read_numbers(broadcast.url(path), 60, fingerprints(h265_clip), transport)
    assert numbers[0] % 50 == 0
    assert_consecutive(numbers, FRAMES)
    assert broadcast.paths()[path].codecs == ("H265",)


@pytest.mark.parametrize(("encoder", "transport"), [("libx264", "tcp"), ("libx265", "udp")])
def test_reencoded_pictures_arrive_in_order(
    server: LiveServer, h264_clip: Path, tmp_path: Path, encoder: str, transport: str
) -> None:
    coding = ("-c:v", encoder, "-preset", "ultrafast", "-g", "25")
    with running(push(h264_clip, server.url("cam"), transport, *coding), tmp_path / "log"):
        wait_for_media(server, "cam")
        assert_consecutive(read_numbers(server.url("cam"), 75), FRAMES)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ffmpeg_reads_exactly(broadcast: LiveServer, h264_clip: Path, transport: str) -> None:
    def hashes(*source: str) -> list[str]:
        command = ["ffmpeg", "-v", "error", *source, "-fps_mode", "passthrough", "-frames:v", "50"]
        command += ["-f", "framemd5", "-"]
        output = subprocess.run(command, capture_output=True, check=True, timeout=20).stdout
        return [line.split()[-1] for line in output.decode().splitlines() if line[0] != "#"]

    streamed = hashes("-rtsp_transport", transport, "-i", broadcast.url("h264/tcp"))
    assert streamed == hashes("-i", str(h264_clip))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_late_joiner_sees_a_picture_at_once(broadcast: LiveServer, transport: str) -> None:
    began = time.monotonic()
    read_numbers(broadcast.url("h264/tcp"), 1, transport=transport)
    assert time.monotonic() - began < 2  # 0.1 s on an idle machine; key pictures are 10 s apart


def test_capture_time_is_known_from_the_first_packet(broadcast: LiveServer) -> None:
    options = {"rtsp_transport": "tcp", **READ_OPTIONS}
    joined = time.time()
    with av.open(broadcast.url("h264/tcp"), options=options) as video:
        packets = list(itertools.islice(video.demux(video=0), 20))
    times = [struct.unpack("<q", bytes(p.get_sidedata("prft"))[:8])[0] / 1e6 for p in packets]
    assert -11 < times[0] - joined < 1  # the key picture was sent up to 10 s ago
    assert times[19] - times[0] == pytest.approx(19 / 25, abs=0.2)  # decoding order, B-frames


def test_many_readers_at_once(broadcast: LiveServer, h264_clip: Path) -> None:
    known = fingerprints(h264_clip)
    results: list[list[int]] = []

    def read(path: str, transport: str) -> None:
        results.append(read_numbers(broadcast.url(path), 50, known, transport))

    jobs = list(itertools.product(("h264/tcp", "h264/udp"), ("tcp", "udp"))) * 2
    threads = [threading.Thread(target=read, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == len(jobs)
    for numbers in results:
        assert_consecutive(numbers, FRAMES)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_publisher_comes_back_after_a_crash(
    server: LiveServer, h264_clip: Path, tmp_path: Path, transport: str
) -> None:
    with running(push(h264_clip, server.url("cam"), transport), tmp_path / "a") as first:
        wait_for_media(server, "cam")
        first.kill()
        with running(push(h264_clip, server.url("cam"), transport), tmp_path / "b"):
            kinds = [server.changes.get(timeout=5).kind for _ in range(3)]
            assert kinds == ["published", "gone", "published"]
            wait_for_media(server, "cam")
            assert_consecutive(read_numbers(server.url("cam"), 10), FRAMES)


def test_reader_ends_when_the_publisher_goes(
    server: LiveServer, h264_clip: Path, tmp_path: Path
) -> None:
    with running(push(h264_clip, server.url("cam"), "tcp"), tmp_path / "a") as publisher:
        wait_for_media(server, "cam")
        options = {"rtsp_transport": "tcp", **READ_OPTIONS}
        with av.open(server.url("cam"), options=options) as video:
            next(video.decode(video=0))
            publisher.terminate()
            began = time.monotonic()
            with pytest.raises((EOFError, StopIteration, av.FFmpegError)):
                while True:
                    next(video.decode(video=0))
            assert time.monotonic() - began < 3
    wait_for(lambda: not server.paths(), "end of the path")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pyav_publishes(
    server: LiveServer, h264_clip: Path, tmp_path: Path, transport: str
) -> None:
    known = fingerprints(h264_clip)
    module = "tests.streaming.rtsp.pyav_publisher"
    command = [sys.executable, "-m", module, str(h264_clip), server.url("av"), transport]
    with running(command, tmp_path / "log"):
        wait_for_media(server, "av")
        assert_consecutive(read_numbers(server.url("av"), 50, known), FRAMES)


def test_mpeg4_copied_from_avi(server: LiveServer, research_data: Path, tmp_path: Path) -> None:
    clip = next((research_data / "weizmann" / "walk").glob("*.avi"))
    known = fingerprints(clip)
    with running(push(clip, server.url("walk"), "tcp"), tmp_path / "log"):
        wait_for_media(server, "walk", 20)
        began = time.monotonic()
        numbers = read_numbers(server.url("walk"), 20, known)
        assert time.monotonic() - began < 3
    assert_consecutive(numbers, len(known))


USERS = (
    RtspUser("cam", "s3cret", publish=("site/*",)),
    RtspUser("eye", "passw0rd", read=("*",)),
)


@pytest.mark.parametrize("method", ["digest", "basic"])
def test_users_publish_and_read(
    h264_clip: Path, tmp_path: Path, method: Literal["digest", "basic"]
) -> None:
    options = RtspServerOptions(port=0, users=USERS, auth_methods=(method,))
    with ExitStack() as stack:
        server = stack.enter_context(serving(options))
        publish = push(h264_clip, server.url("site/cam", "cam:s3cret@"), "tcp")
        stack.enter_context(running(publish, tmp_path / "log"))
        wait_for_media(server, "site/cam")
        numbers = read_numbers(server.url("site/cam", "eye:passw0rd@"), 10)
        assert_consecutive(numbers, FRAMES)
        for wrong in ("", "eye:wrong@", "nobody:passw0rd@"):
            with pytest.raises(av.error.HTTPUnauthorizedError):
                read_numbers(server.url("site/cam", wrong), 1)
        with pytest.raises(av.error.HTTPForbiddenError):  # may publish, not read
            read_numbers(server.url("site/cam", "cam:s3cret@"), 1)


@pytest.mark.parametrize(
    ("credentials", "path", "message"),
    [("cam:wrong@", "site/cam", b"401"), ("cam:s3cret@", "elsewhere", b"403")],
)
def test_publisher_without_the_right_is_refused(
    h264_clip: Path, credentials: str, path: str, message: bytes
) -> None:
    with serving(RtspServerOptions(port=0, users=USERS)) as server:
        command = push(h264_clip, server.url(path, credentials), "tcp")
        result = subprocess.run(command, capture_output=True, check=False, timeout=20)
        assert result.returncode != 0
        assert message in result.stderr
        assert not server.paths()


def test_reader_of_an_unknown_path_is_told_so(server: LiveServer) -> None:
    with pytest.raises(av.error.HTTPNotFoundError):
        read_numbers(server.url("nobody"), 1)


def test_reader_falls_back_to_tcp(h264_clip: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(serving(RtspServerOptions(port=0, udp=False)))
        publish = push(h264_clip, server.url("cam"), "tcp")
        stack.enter_context(running(publish, tmp_path / "log"))
        wait_for_media(server, "cam")
        with av.open(server.url("cam"), options=READ_OPTIONS) as video:
            frames = [picture_number(f) for f in itertools.islice(video.decode(video=0), 10)]
    assert_consecutive(frames, FRAMES)
