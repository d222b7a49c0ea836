"""RTP to coded pictures and back; the bounded queue of one browser; hostile bytes."""

from __future__ import annotations

import asyncio

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.h264 import reorders, units
from streaming.rtsp import RtspLimits
from streaming.rtsp.path import PublishedPath
from streaming.rtsp.sdp import Media, parse_sdp
from streaming.webrtc.access_units import AccessUnits
from streaming.webrtc.packets import RtpWriter, describe
from streaming.webrtc.tap import MAX_WAITING, Tap
from tests.streaming.rtsp.support import rtp
from tests.streaming.webrtc.support import STEP, encode

MEDIA = Media("video", 96, "H264", 90_000, "", ())


def _sps(options: dict[str, str]) -> bytes:
    return next(nal for nal in units(encode(1, 250, options)[0].data) if nal[0] & 0x1F == 7)


def test_pictures_survive_packets_unchanged() -> None:
    pictures = encode(30, gop=10)
    writer, reader = RtpWriter(), AccessUnits(MEDIA)
    came = []
    for picture in pictures:
        _, packets = writer.write(picture.data, picture.time, 0.0)
        came += [unit for packet in packets if (unit := reader.push(packet)) is not None]
    assert [unit.key for unit in came] == [number % 10 == 0 for number in range(30)]
    for picture, unit in zip(pictures, came, strict=True):
        sent = [nal.rstrip(b"\0") for nal in units(picture.data)]
        assert [nal.rstrip(b"\0") for nal in units(unit.data)] == sent
    assert not reader.reordered


def test_after_a_lost_packet_nothing_comes_before_the_next_key_picture() -> None:
    writer, reader = RtpWriter(), AccessUnits(MEDIA)
    came = []
    for number, picture in enumerate(encode(30, gop=10)):
        _, packets = writer.write(picture.data, picture.time, 0.0)
        lost = 1 if number == 13 else 0
        came += [unit for p in packets[lost:] if (unit := reader.push(p)) is not None]
    assert [unit.time // STEP for unit in came] == [*range(13), *range(20, 30)]


def test_parameter_sets_of_the_description_go_before_key_pictures() -> None:
    """FFmpeg publishes MP4 files with the sets in the description alone."""
    picture = encode(1)[0]
    description = describe(picture.data)
    assert description is not None
    bare = [nal for nal in units(picture.data) if nal[0] & 0x1F == 5]
    reader = AccessUnits(description.media[0])
    _, packets = RtpWriter().write(b"".join(b"\0\0\0\1" + nal for nal in bare), 0, 0.0)
    came = [unit for packet in packets if (unit := reader.push(packet)) is not None]
    assert [nal[0] & 0x1F for nal in units(came[0].data)] == [7, 8] + [5] * len(bare)
    frames = av.CodecContext.create("h264", "r")
    assert [*frames.decode(av.Packet(came[0].data)), *frames.decode(None)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"bf": "2", "preset": "medium"}, True),
        ({"bf": "2", "preset": "medium", "profile": "main"}, True),
        ({"profile": "baseline"}, False),
        ({"nal-hrd": "vbr", "maxrate": "500k", "bufsize": "500k", "bf": "1", "b": "300k"}, True),
        ({"x264-params": "interlaced=1"}, False),
    ],
)
def test_parameter_sets_tell_of_b_frames(options: dict[str, str], expected: bool) -> None:
    assert reorders(_sps(options)) is expected


@given(st.binary(max_size=80))
def test_damaged_parameter_sets_say_nothing_wrong(data: bytes) -> None:
    assert reorders(data) in (True, False, None)


@given(st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 1 << 33), st.binary(max_size=60))))
def test_any_packets_are_survived(packets: list[tuple[int, int, bytes]]) -> None:
    reader = AccessUnits(MEDIA)
    for number, time, payload in packets:
        reader.push(rtp(number, time, payload))


def _path() -> PublishedPath:
    sdp = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    return PublishedPath("cam", parse_sdp(sdp), "tcp", RtspLimits())


def test_a_slow_browser_is_bounded_and_comes_back_at_a_key_picture() -> None:
    pictures = encode(MAX_WAITING + 60, gop=30)

    async def run() -> list[int]:
        path, writer = _path(), RtpWriter()
        tap = Tap(path, RtspLimits())
        path.attach(tap)
        most = 0
        for picture in pictures:
            for packet in writer.write(picture.data, picture.time, 0.0)[1]:
                path.rtp(0, packet)
            most = max(most, tap.waiting)
        assert most <= MAX_WAITING
        assert tap.dropped >= MAX_WAITING
        path.detach(tap)
        came = []
        while (picture_out := await tap.next()) is not None:
            came.append(picture_out.time // STEP)
        return came

    came = asyncio.run(run())
    first = came[0]
    assert first > MAX_WAITING
    assert first % 30 == 0
    assert came == list(range(first, MAX_WAITING + 60))
