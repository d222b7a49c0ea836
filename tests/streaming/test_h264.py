"""Lost H.264 pictures are found, whole streams raise no alarm, garbage does no harm."""

from __future__ import annotations

import re
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.h264 import LossDetector
from streaming.inputs import open_video, resolve
from streaming.reader import VideoReader
from tests.streaming.live import Recipe, make_video

ENCODINGS = [
    "bframes=0:ref=1",
    "bframes=3:ref=4:b-pyramid=normal",
    "bframes=0:slices=4",
    "bframes=2:interlaced=1",
    "intra-refresh=1:bframes=0",
    "bframes=0:cqm=jvt",
    "keyint=400:bframes=0",
]


def _packets(path: Path, parameters: str, frames: int = 60) -> list[tuple[bytes, bool]]:
    """Encode to Annex B; give each packet and whether others may refer to it."""
    recipe = Recipe(frames=frames, options=(("g", "25"), ("x264-params", parameters)))
    with av.open(str(make_video(path, recipe))) as container:
        found = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return [(data, not re.search(rb"\x00\x00\x01\x01", data)) for data in found]


@pytest.mark.parametrize("parameters", ENCODINGS)
def test_whole_streams_raise_no_alarm(tmp_path: Path, parameters: str) -> None:
    detector = LossDetector()
    assert not any(detector.lost(data) for data, _ in _packets(tmp_path / "a.ts", parameters))


@pytest.mark.parametrize("parameters", ENCODINGS)
def test_every_lost_reference_picture_is_found(tmp_path: Path, parameters: str) -> None:
    packets = _packets(tmp_path / "a.ts", parameters)
    for gone in (5, 11, 12, 40):
        detector = LossDetector()
        alarms = [detector.lost(data) for place, (data, _) in enumerate(packets) if place != gone]
        followed_by_idr = b"\x00\x00\x01\x65" in packets[gone + 1][0]
        assert any(alarms) == (packets[gone][1] and not followed_by_idr)


def test_numbers_may_wrap(tmp_path: Path) -> None:
    detector = LossDetector()
    packets = _packets(tmp_path / "a.ts", "keyint=400:bframes=0", 300)
    assert not any(detector.lost(data) for data, _ in packets)


def test_a_picture_without_its_top_is_found(tmp_path: Path) -> None:
    packets = [data for data, _ in _packets(tmp_path / "a.ts", "bframes=0:slices=4")]
    detector = LossDetector()
    for data in packets[:10]:
        assert not detector.lost(data)
    units = re.split(rb"(?=\x00\x00\x01[\x41\x61])", packets[10])
    assert len(units) >= 3
    assert detector.lost(units[0] + b"".join(units[2:]))


def test_frames_after_a_loss_are_left_out_up_to_the_next_keyframe(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.ts")
    with av.open(str(video)) as container, av.open(str(tmp_path / "b.ts"), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        for place, packet in enumerate(p for p in container.demux(video=0) if p.size):
            packet.stream = stream
            if place != 10:
                output.mux(packet)
    with open_video(resolve(str(tmp_path / "b.ts"))[0]) as (container, source):
        reader = VideoReader(container, source)
        times = [frame.pts_s or 0.0 for frame in reader.frames()]
    shown = [round((time_s - times[0]) * 25) for time_s in times]
    assert shown == [*range(10), *range(25, 50)]
    assert reader.errors == 1


@given(st.lists(st.binary(max_size=200) | st.just(b"\x00\x00\x01\x67\x64\x00\x1f"), max_size=20))
def test_garbage_does_no_harm(packets: list[bytes]) -> None:
    detector = LossDetector()
    for data in packets:
        detector.lost(data)


@given(st.binary(min_size=1, max_size=80), st.sampled_from([0x67, 0x41, 0x65, 0x01]))
def test_garbage_after_a_start_code_does_no_harm(data: bytes, kind: int) -> None:
    detector = LossDetector()
    detector.lost(b"\x00\x00\x01" + bytes([kind]) + data)
    detector.lost(b"\x00\x00\x01\x41" + data)
