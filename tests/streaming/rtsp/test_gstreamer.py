"""The server against GStreamer, in both directions."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import av
import pytest

from tests.conftest import wait_for

from .conftest import FRAMES
from .support import (
    LiveServer,
    assert_consecutive,
    fingerprint,
    fingerprints,
    read_numbers,
    running,
    wait_for_media,
)

pytestmark = [pytest.mark.peer("gst-launch-1.0"), pytest.mark.peer("ffmpeg")]

PARSERS = {
    "H264": ("h264parse", "rtph264depay", "h264"),
    "H265": ("h265parse", "rtph265depay", "hevc"),
}


def has_element(name: str) -> bool:
    """Whether GStreamer has a plugin; distributions split them."""
    command = ["gst-inspect-1.0", "--exists", name]
    return subprocess.run(command, check=False, timeout=20).returncode == 0


def require(*elements: str) -> None:
    """Skip unless GStreamer has all these."""
    missing = [name for name in elements if not has_element(name)]
    if missing:
        pytest.skip(f"GStreamer lacks {', '.join(missing)}")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["H264", "H265"])
def test_rtspclientsink_publishes(
    server: LiveServer, request: pytest.FixtureRequest, tmp_path: Path, codec: str, transport: str
) -> None:
    parser = PARSERS[codec][0]
    require("rtspclientsink", "qtdemux", parser)
    clip = request.getfixturevalue(f"{codec.lower()}_clip")
    pipeline = f"filesrc location={clip} ! qtdemux ! {parser} ! rtspclientsink name=s protocols="
    command = ["gst-launch-1.0", "-q", *f"{pipeline}{transport} location=".split(" ")]
    command[-1] += server.url("gst/cam")
    known = fingerprints(clip)
    with running(command, tmp_path / "log"):
        wait_for_media(server, "gst/cam")
        numbers = read_numbers(server.url("gst/cam"), 50, known)
        assert server.paths()["gst/cam"].codecs == (codec,)
        assert server.paths()["gst/cam"].transport == transport
    assert_consecutive(numbers, FRAMES)


def recording(url: str, transport: str, codec: str, file: Path) -> list[str]:
    """Command that reads a path and writes its elementary stream."""
    parser, depayloader, _ = PARSERS[codec]
    require("rtspsrc", parser, depayloader)
    caps = f"video/x-{codec.lower()},stream-format=byte-stream,alignment=au"
    source = f"rtspsrc location={url} protocols={transport} ! {depayloader}"
    pipeline = f"{source} ! {parser} ! {caps} ! filesink location={file}"
    return ["gst-launch-1.0", "-q", "-e", *pipeline.split(" ")]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["H264", "H265"])
def test_rtspsrc_reads(
    broadcast: LiveServer,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    codec: str,
    transport: str,
) -> None:
    known = fingerprints(request.getfixturevalue(f"{codec.lower()}_clip"))
    file = tmp_path / "read.bin"
    command = recording(broadcast.url(f"{codec.lower()}/tcp"), transport, codec, file)
    with running(command, tmp_path / "log") as reader:
        wait_for(lambda: file.exists() and file.stat().st_size > 200_000, "recording")
        reader.send_signal(signal.SIGINT)
        reader.wait(10)
    with av.open(str(file), format=PARSERS[codec][2]) as container:
        numbers = [known.get(fingerprint(frame), -1) for frame in container.decode(video=0)]
    assert len(numbers) > 20
    assert_consecutive(numbers[:-5], FRAMES)  # the last ones were cut off in the writing
