"""The annotated video of a running stack, switched on and off over the REST API."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from stack.broadcast import DEMO_CLIP
from tests.conftest import wait_for
from tests.e2e.live_stack import Ports, child, push, running

pytestmark = [pytest.mark.peer("ffmpeg", "ffprobe"), pytest.mark.timeout(240)]


def probe(url: str, *more: str) -> dict[str, object]:
    """What ffprobe says of the video at a URL."""
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-of", "json", *more, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_annotated_video_plays_and_is_not_analysed(tmp_path: Path) -> None:
    ports = Ports()
    api = f"http://127.0.0.1:{ports.api}/v1/streams"
    with (
        running(["up", "--set", "rtsp.server=embedded"], tmp_path, ports) as (_, listener),
        child(push(ports, DEMO_CLIP, "demo")),
    ):
        wait_for(lambda: listener.of("demo", "scores"), "scores", 60)
        with pytest.raises(subprocess.CalledProcessError):
            probe(ports.url("demo/annotated"), "-show_streams")
        changed = httpx.put(f"{api}/demo", json={"annotate": True}, timeout=30)
        assert changed.is_success, changed.text
        wait_for(lambda: _plays(ports.url("demo/annotated")), "annotated video", 60, 0.5)
        found = probe(ports.url("demo/annotated"), "-show_streams")["streams"]
        assert isinstance(found, list)
        assert (found[0]["codec_name"], found[0]["has_b_frames"]) == ("h264", 0)
        assert (found[0]["width"], found[0]["height"]) == (640, 360)
        still = tmp_path / "still.png"
        command = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp"]
        command += ["-i", ports.url("demo/annotated"), "-frames:v", "1", str(still)]
        subprocess.run(command, check=True, timeout=60)
        assert still.stat().st_size > 10_000
        names = [stream["stream"] for stream in httpx.get(api, timeout=30).json()]
        assert names == ["demo"]
        before = len(listener.of("demo", "scores"))
        wait_for(lambda: len(listener.of("demo", "scores")) > before + 8, "scores that go on", 30)
        httpx.put(f"{api}/demo", json={"annotate": False}, timeout=30).raise_for_status()
        wait_for(lambda: not _plays(ports.url("demo/annotated")), "end of it", 60, 0.5)


def _plays(url: str) -> bool:
    try:
        probe(url, "-show_streams")
    except subprocess.CalledProcessError:
        return False
    return True
