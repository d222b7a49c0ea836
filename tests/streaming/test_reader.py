"""Keyframe gate, times of the first frames, preview."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streaming.preview import Preview
from streaming.reader import DecodedFrame, KeyframeGate, backdated
from tests.streaming.live import make_video
from training.figures.numbered import numbered_frame, read_number


def test_the_gate_waits_for_a_keyframe() -> None:
    gate = KeyframeGate()
    assert [gate.admit(key) for key in (False, False, True, False)] == [False, False, True, True]
    gate.close()
    assert [gate.admit(key) for key in (False, True, False)] == [False, True, True]


def test_the_gate_does_not_wait_for_ever() -> None:
    gate = KeyframeGate()
    assert sum(gate.admit(False) for _ in range(300)) == 50


@given(st.lists(st.sampled_from(["key", "delta", "damage"]), max_size=100))
def test_no_frame_passes_between_damage_and_keyframe(events: list[str]) -> None:
    gate, whole = KeyframeGate(), False
    for event in events:
        if event == "damage":
            gate.close()
            whole = False
            continue
        whole = whole or event == "key"
        assert gate.admit(event == "key") == whole


def _frames(*times: float | None) -> list[DecodedFrame]:
    picture = av.VideoFrame(16, 16, "gray")
    return [DecodedFrame(picture, time_s, 1.0) for time_s in times]


def test_leading_frames_are_timed_from_the_next_two() -> None:
    timed = backdated(_frames(None, None, 5.0, 5.04))
    assert np.allclose([frame.pts_s or 0.0 for frame in timed], [4.92, 4.96, 5.0, 5.04])


def test_times_are_left_alone_where_they_are_known_or_unknowable() -> None:
    assert [frame.pts_s for frame in backdated(_frames(None, 1.0))] == [None, 1.0]
    assert [frame.pts_s for frame in backdated(_frames(1.0, 2.0, None))][:2] == [1.0, 2.0]


def test_preview_is_a_jpeg_of_the_asked_width_in_the_picture_s_shape(tmp_path: Path) -> None:
    preview = Preview()
    assert preview.jpeg(100) is None
    with av.open(str(make_video(tmp_path / "a.mp4"))) as container:
        for number, frame in enumerate(container.decode(video=0)):
            preview.put(frame, float(number))
            if number == 7:
                break
    data = preview.jpeg(96)
    assert data is not None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (64, 96, 3)
    assert read_number(np.asarray(picture, np.uint8)) == 7


def test_preview_is_never_enlarged_and_keeps_colours() -> None:
    preview = Preview()
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 220
    preview.put(av.VideoFrame.from_ndarray(red, format="rgb24"), 0.0)
    data = preview.jpeg(10_000)
    assert data is not None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (48, 64, 3)
    blue, green, rouge = picture[24, 32]
    assert rouge > 200
    assert max(int(blue), int(green)) < 30
    preview.clear()
    assert preview.jpeg(64) is None


def test_numbers_survive_the_scaler() -> None:
    assert read_number(numbered_frame(513, (96, 64))) == 513
