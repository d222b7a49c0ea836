"""Fixtures of the RTSP tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import find_peer

from .support import LiveServer, push, running, serving, wait_for_media, write_numbered_video

FRAMES = 250


@pytest.fixture(name="server")
def fixture_server() -> Iterator[LiveServer]:
    """A server with default settings on a free port."""
    with serving() as server:
        yield server


@pytest.fixture(name="h264_clip", scope="session")
def fixture_h264_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of numbered H.264 pictures in one group, so that replay is put to the test."""
    path = tmp_path_factory.mktemp("clips") / "h264.mp4"
    write_numbered_video(path, FRAMES, gop=FRAMES)
    return path


@pytest.fixture(name="h265_clip", scope="session")
def fixture_h265_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of numbered H.265 pictures in groups of two seconds."""
    path = tmp_path_factory.mktemp("clips") / "h265.mp4"
    write_numbered_video(path, FRAMES, gop=50, codec="libx265")
    return path


@pytest.fixture(name="broadcast", scope="package")
def fixture_broadcast(
    h264_clip: Path, h265_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server to which ffmpeg publishes ``h264/tcp``, ``h264/udp``, ``h265/tcp``, ``h265/udp``."""
    if find_peer("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    logs = tmp_path_factory.mktemp("publishers")
    with ExitStack() as stack:
        server = stack.enter_context(serving())
        for clip in (h264_clip, h265_clip):
            for transport in ("tcp", "udp"):
                path = f"{clip.stem}/{transport}"
                log = logs / f"{clip.stem}-{transport}"
                stack.enter_context(running(push(clip, server.url(path), transport), log))
        for path in ("h264/tcp", "h264/udp", "h265/tcp", "h265/udp"):
            wait_for_media(server, path)
        yield server
