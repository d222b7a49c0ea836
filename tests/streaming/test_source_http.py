"""Sources over HTTP: files, HLS playlists, cameras that send one JPEG after another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import cv2
import pytest

from contracts.types import StreamState
from tests.streaming.live import Recipe, Recorder, make_video, numbers, playing
from training.figures.numbered import numbered_frame

Handler = Callable[..., BaseHTTPRequestHandler]


class _Files(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # base class's name
        """Say nothing."""


class _Camera(BaseHTTPRequestHandler):
    """Sends 60 pictures, 10 in a second, as network cameras do."""

    # The base class looks for a method of this name.
    def do_GET(self) -> None:  # pylint: disable=invalid-name
        """Answer with a stream of parts."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with suppress(OSError):
            for number in range(60):
                picture = cv2.imencode(".jpg", numbered_frame(number, (192, 128)))[1].tobytes()
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + picture + b"\r\n")
                threading.Event().wait(0.1)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # base class's name
        """Say nothing."""


@contextmanager
def _web(handler: Handler) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, name="web").start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("kind", ["file", "hls"])
def test_video_on_a_web_server_plays_in_real_time(tmp_path: Path, kind: str) -> None:
    video, name, recorder = make_video(tmp_path / "a.mp4", Recipe(frames=75)), "a.mp4", Recorder()
    if kind == "hls":
        name = "a.m3u8"
        _cut_for_hls(video, tmp_path / name)
    with _web(partial(_Files, directory=str(tmp_path))) as url, playing(f"{url}/{name}", recorder):
        recorder.wait_state(StreamState.OFFLINE)
    frames = recorder.frames[:25]
    assert len(recorder.frames) == 38
    assert recorder.statuses[-1].error is None
    assert numbers(frames) == list(range(0, 50, 2))
    took_s = frames[-1].captured_at - frames[0].captured_at
    assert took_s == pytest.approx(1.92, abs=0.05)


def _cut_for_hls(video: Path, playlist: Path) -> None:
    options = {"hls_time": "1", "hls_list_size": "0"}
    with av.open(str(video)) as source, av.open(str(playlist), "w", options=options) as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)


def test_a_camera_that_sends_jpegs_keeps_its_own_pace() -> None:
    recorder = Recorder()
    with _web(_Camera) as url, playing(f"{url}/video", recorder) as source:
        recorder.wait_frames(20)
        fps = source.status.fps
    frames = recorder.frames
    assert fps == pytest.approx(10.0, abs=2)
    # 10 pictures a second on a grid of 12.5: media time is real time, whatever FFmpeg makes up.
    steps = [b.pts_s - a.pts_s for a, b in pairwise(frames)]
    assert sum(steps[5:]) / len(steps[5:]) == pytest.approx(0.1, abs=0.02)
    assert max(frame.captured_at - frame.pts_s for frame in frames) - min(
        frame.captured_at - frame.pts_s for frame in frames
    ) == pytest.approx(0.0, abs=0.05)


def test_a_page_that_is_missing_is_said() -> None:
    recorder = Recorder()
    with _web(_Files) as url, playing(f"{url}/no-such-file.mp4", recorder) as source:
        recorder.wait_state(StreamState.OFFLINE)
        assert "does not exist" in (source.status.error or "")
