"""URLs, path names and control URLs as real clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rtsp.url import is_path_name, match_control, parse_url, split_track


@pytest.mark.parametrize(
    ("text", "name", "base"),
    [
        ("rtsp://h:8554/cam", "cam", "rtsp://h:8554/cam"),
        ("rtsp://h/site/cam/", "site/cam", "rtsp://h/site/cam"),
        ("rtsp://user:secret@h/cam?a=b", "cam", "rtsp://h/cam?a=b"),
        ("RTSP://h", "", "rtsp://h"),
        ("rtsp://[::1]:8554/cam", "cam", "rtsp://[::1]:8554/cam"),
    ],
)
def test_urls_are_taken_apart(text: str, name: str, base: str) -> None:
    url = parse_url(text)
    assert url is not None
    assert (url.name, url.base()) == (name, base)


@pytest.mark.parametrize("text", ["*", "", "http://h/cam", "cam"])
def test_other_urls_are_refused(text: str) -> None:
    assert parse_url(text) is None


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    url = parse_url(f"rtsp://h/{text}")
    if url is not None:
        split_track(url)
        match_control(url, url, (text, "", "streamid=0"))
        is_path_name(url.name)


@pytest.mark.parametrize("name", ["cam1", "site/cam_1", "a/b/c", "Cam-1.front~x"])
def test_path_names(name: str) -> None:
    assert is_path_name(name)


@pytest.mark.parametrize(
    "name", ["", "/cam", "cam/", "a//b", "..", "a/../b", ".", "a b", "a\nb", "ä", "a#", "x" * 129]
)
def test_names_that_would_do_harm_elsewhere(name: str) -> None:
    assert not is_path_name(name)


@pytest.mark.parametrize(
    ("text", "name", "query", "track"),
    [
        ("rtsp://h/cam/trackID=0", "cam", "", 0),
        ("rtsp://h/site/cam/trackID=12", "site/cam", "", 12),
        ("rtsp://h/cam?a=b/trackID=1", "cam", "a=b", 1),  # FFmpeg
        ("rtsp://h/cam/trackID=1?a=b", "cam/trackID=1", "a=b", None),
        ("rtsp://h/cam//trackID=1/", "cam", "", 1),
        ("rtsp://h/cam", "cam", "", None),
    ],
)
def test_reader_controls(text: str, name: str, query: str, track: int | None) -> None:
    url = parse_url(text)
    assert url is not None
    base, number = split_track(url)
    assert (base.name, base.query, number) == (name, query, track)


@pytest.mark.parametrize(
    ("url", "controls", "index"),
    [
        ("rtsp://h/cam?q=1/streamid=1", ("streamid=0", "streamid=1"), 1),  # FFmpeg
        ("rtsp://h/cam/streamid=1?q=1", ("streamid=0", "streamid=1"), None),
        ("rtsp://h/cam/stream=0", ("stream=0", "stream=1"), 0),  # GStreamer
        ("rtsp://h/cam/x", ("rtsp://other/cam/x", "y"), 0),
        ("rtsp://h/cam?q=1", ("",), 0),
        ("rtsp://h/cam?q=1", ("a", "b"), None),
        ("rtsp://h/other/a", ("a", "b"), None),
    ],
)
def test_publisher_controls(url: str, controls: tuple[str, ...], index: int | None) -> None:
    parsed, base = parse_url(url), parse_url("rtsp://h/cam?q=1")
    assert parsed is not None
    assert base is not None
    assert match_control(parsed, base, controls) == index
