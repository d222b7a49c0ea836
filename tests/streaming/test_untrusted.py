"""Videos from strangers: nothing is opened beside them, and what they state is not believed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from contracts.errors import (
    NotAVideoError,
    PictureTooLargeError,
    SourceError,
    VideoTooLongError,
)
from contracts.types import SampledFrame, Sampling
from streaming.files import read_frames
from streaming.untrusted import Limits, open_untrusted
from tests.videos import blank, cut

SAMPLING = Sampling(12.5, 64, 48)
LIMITS = Limits(max_duration_s=30, max_pixels=1280 * 720)


def read(path: Path, limits: Limits = LIMITS) -> list[SampledFrame]:
    """Read a file as one from a stranger."""
    file = os.open(path, os.O_RDONLY)
    try:
        with open_untrusted(file, "it", limits) as video:
            return list(video.frames(SAMPLING))
    finally:
        os.close(file)


def test_frames_are_those_of_a_trusted_file(tmp_path: Path) -> None:
    clip = cut(tmp_path, 2.0)
    ours, theirs = read(clip), list(read_frames(clip, SAMPLING))
    assert [(f.index, f.run, f.pts_s) for f in ours] == [(f.index, f.run, f.pts_s) for f in theirs]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(ours, theirs, strict=True))


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """An HTTP server that notes what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        """Notes and refuses."""

        # The base class looks for this name.
        def do_GET(self) -> None:  # pylint: disable=invalid-name
            """Note the path."""
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:  # pylint: disable=arguments-differ  # silent
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def test_nothing_is_opened_that_a_file_names(tmp_path: Path) -> None:
    clip = cut(tmp_path, 1.0)
    with listening() as (port, asked):
        url = f"http://127.0.0.1:{port}/x.ts"
        for text in (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{clip}'\n",
            f"ffconcat version 1.0\nfile '{url}'\n",
            f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>',
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
        ):
            playlist = tmp_path / "playlist"
            playlist.write_text(text, encoding="utf-8")
            with pytest.raises(SourceError):
                read(playlist)
        assert not asked


def test_large_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    with pytest.raises(PictureTooLargeError, match="1280 x 720"):
        read(blank(tmp_path / "a.mp4", 0.5, (1280, 720)), Limits(30, 1279 * 720))


@pytest.mark.parametrize("suffix", ["mp4", "h264", "mkv", "ts"])
def test_long_videos_are_refused_stated_or_not(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(VideoTooLongError, match="3 s"):
        read(blank(tmp_path / f"a.{suffix}", 15), Limits(3, 10_000))


def test_times_that_begin_anew_do_not_make_a_video_endless(tmp_path: Path) -> None:
    once = blank(tmp_path / "a.ts", 2).read_bytes()
    again = tmp_path / "again.ts"
    again.write_bytes(once * 20)
    with pytest.raises(VideoTooLongError):
        read(again, Limits(4, 10_000))


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"hello")
    with pytest.raises(NotAVideoError):
        read(path)


@examples(max_examples=60)
@given(st.data())
def test_damage_raises_nothing_but_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "whole.mp4"
    if not path.exists():
        blank(path, 1)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    broken = path.with_name("broken.mp4")
    broken.write_bytes(damaged)
    with suppress(SourceError):
        read(broken)
