"""What the user names: resolved, or refused with what would be accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import NotAVideoError, SourceNotFoundError, SourceUnreachableError
from contracts.settings import SourceSettings
from streaming.inputs import Kind, describe, open_video, resolve
from tests.streaming.live import make_video


@pytest.mark.parametrize("pattern", ["testsrc2", "smptebars", "black", "grey", "noise"])
def test_patterns_open(pattern: str) -> None:
    (origin,) = resolve(f"test:{pattern}?size=320x180&rate=10")
    with open_video(origin) as (container, stream):
        info = describe(container, stream)
        frame = next(container.decode(stream))
    assert (info.width, info.height, info.fps) == (320, 180, 10.0)
    assert (frame.width, frame.height) == (320, 180)


def test_pattern_size_alone_may_be_given() -> None:
    with open_video(resolve("test:black?size=64x48")[0]) as (_, stream):
        assert (stream.width, stream.height) == (64, 48)
        assert float(stream.average_rate or 0) == 25


@pytest.mark.parametrize("text", ["", "bars", "testsrc2?speed=3"])
def test_unknown_patterns_list_the_known_ones(text: str) -> None:
    with pytest.raises(SourceNotFoundError, match=r"Known: test:testsrc2, test:smptebars"):
        resolve(f"test:{text}")


def test_bad_pattern_values_are_refused() -> None:
    with (
        pytest.raises(SourceNotFoundError, match="no valid test pattern"),
        open_video(resolve("test:black?size=0x0")[0]),
    ):
        pass


def test_rtsp_options_follow_the_settings() -> None:
    settings = SourceSettings(transport="udp", stall_s=1.0, offline_s=10.0)
    (origin,) = resolve("rtsp://me:secret@camera/1", settings)
    assert origin.kind is Kind.RTSP
    assert origin.options["rtsp_transport"] == "udp"
    assert origin.options["timeout"] == "2000000"
    assert "secret" not in origin.name


def test_file_urls_are_files(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a b.mp4")
    (origin,) = resolve(f"file://{video}")
    assert origin.kind is Kind.FILE
    assert origin.url == f"file:{video}"


def test_devices_are_named_as_such() -> None:
    with pytest.raises(SourceNotFoundError, match="no device /dev/video99"):
        resolve("/dev/video99")


def test_a_character_device_that_is_no_camera_is_refused() -> None:
    with pytest.raises(Exception, match="/dev/null") as caught, open_video(resolve("/dev/null")[0]):
        pass
    assert "cannot be read" in str(caught.value) or isinstance(caught.value, NotAVideoError)


def test_nobody_there(free_port: int) -> None:
    url = f"rtsp://me:secret@127.0.0.1:{free_port}/x"
    with pytest.raises(SourceUnreachableError) as caught, open_video(resolve(url)[0]):
        pass
    assert "connection refused" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_such_host() -> None:
    with (
        pytest.raises(SourceUnreachableError, match="host"),
        open_video(resolve("rtsp://no-such-host.invalid/x")[0]),
    ):
        pass


def test_unknown_protocols_are_refused() -> None:
    with (
        pytest.raises(SourceNotFoundError, match="unknown protocol"),
        open_video(resolve("warp://127.0.0.1/x")[0]),
    ):
        pass
