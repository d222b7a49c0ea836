"""FrameScaler: shape, colours, ownership, and frame shapes that change in mid-stream."""

from __future__ import annotations

import av
import numpy as np
import pytest

from streaming.pixels import FrameScaler


def _solid(width: int, height: int, rgb: tuple[int, int, int]) -> av.VideoFrame:
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = rgb
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


@pytest.mark.parametrize("pixel_format", ["rgb24", "yuv420p", "yuvj420p", "nv12", "gray"])
def test_any_pixel_format_becomes_rgb_of_the_size(pixel_format: str) -> None:
    """Whatever a decoder gives."""
    frame = _solid(320, 180, (120, 120, 120)).reformat(format=pixel_format)
    small = FrameScaler(128, 96)(frame)
    assert small.shape == (96, 128, 3)
    assert small.dtype == np.uint8
    assert small.flags.c_contiguous
    assert np.abs(small.astype(int) - 120).max() <= 2


def test_channels_are_red_green_blue() -> None:
    """Not the BGR of OpenCV."""
    assert FrameScaler(16, 16)(_solid(64, 48, (250, 20, 3)))[8, 8].tolist() == [250, 20, 3]


def test_shape_may_change_in_mid_stream_and_results_stay() -> None:
    """A picture belongs to the caller; the next one does not touch it."""
    scale = FrameScaler(32, 24)
    first = scale(_solid(64, 48, (10, 10, 10)))
    second = scale(_solid(200, 90, (200, 200, 200)))
    first[0, 0] = 0  # writable: it is ours
    assert second.min() == 200
    assert first[1:].max() == 10


def test_area_averaging_keeps_every_pixel() -> None:
    """Stripes of one pixel become their mean."""
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    frame = av.VideoFrame.from_ndarray(stripes, format="rgb24")
    small = FrameScaler(64, 48)(frame)
    assert np.abs(small.astype(int) - 127).max() <= 3
