"""What is drawn stands where it belongs, can be read, and leaves the rest of the picture alone."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streaming.drawing import Bar, Overlay, Painter
from streaming.sheet import Patch, Sheet, planes_of

AT = 1_763_640_221.5
SPOKEN = Overlay("Walk", False, (Bar("Walk", 0.93), Bar("Jump", 0.05)), "Walk for 4 s")


def plain(width: int, height: int, luma: int = 128) -> NDArray[np.uint8]:
    """A grey picture."""
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = luma
    return picture


def painted(
    overlay: Overlay, size: tuple[int, int] = (1280, 720), luma: int = 128
) -> NDArray[np.uint8]:
    """A grey picture with something drawn in."""
    picture = plain(*size, luma)
    Painter(*size).paint(picture, overlay, AT)
    return picture


def changed(picture: NDArray[np.uint8], luma: int = 128) -> NDArray[np.bool_]:
    """Which pixels of the luma plane are not as they were."""
    return np.asarray(planes_of(picture)[0] != luma)


@given(
    st.integers(1, 400).map(lambda half: 2 * half),
    st.integers(1, 400).map(lambda half: 2 * half),
    st.text(max_size=60),
    st.lists(st.builds(Bar, st.text(max_size=40), st.floats(0, 1)), max_size=4),
    st.text(max_size=30),
)
def test_any_text_fits_any_size(
    width: int, height: int, heading: str, rows: list[Bar], event: str
) -> None:
    picture = plain(width, height)
    overlay = Overlay(heading or "-", not rows, tuple(rows), event)
    Painter(width, height).paint(picture, overlay, AT)
    assert picture.shape == (height * 3 // 2, width)


def test_only_the_panels_are_touched() -> None:
    touched = changed(painted(SPOKEN))
    rows, columns = np.nonzero(touched)
    assert touched[:200, :360].any()
    assert touched[-60:, -170:].any()
    touched[:200, :360] = touched[-60:, -170:] = False
    assert not touched.any()
    assert rows.min() == columns.min() == 16


def test_text_stands_out_on_black_and_on_white() -> None:
    for luma in (16, 235):
        panel = planes_of(painted(SPOKEN, luma=luma))[0][24:64, 24:150].astype(int)
        ground = np.median(panel)
        # The ratio that WCAG 2.2 (1.4.3) asks of large text, between white and the ground.
        assert (_light(panel.max()) + 0.05) / (_light(ground) + 0.05) > 4.5


def _light(luma: float) -> float:
    """Relative luminance of a grey of limited range."""
    return float(((luma - 16) / 219) ** 2.2)


def test_bars_are_as_long_as_their_scores() -> None:
    lengths = []
    for score in (0.0, 0.25, 0.5, 1.0):
        picture = painted(Overlay("Walk", False, (Bar("Walk", score),)))
        u, v = (plane[:60, :170].astype(int) for plane in planes_of(picture)[1:])
        lengths.append(int((u - v > 25).any(axis=0).sum()))
    assert lengths[0] <= 1
    assert abs(lengths[3] - 2 * lengths[2]) <= 2
    assert abs(lengths[2] - 2 * lengths[1]) <= 2


def test_small_pictures_keep_the_heading_and_are_mostly_left_free() -> None:
    touched = changed(painted(SPOKEN, (320, 240)))
    assert touched.mean() < 0.5
    assert touched[10:40, 20:60].any()


def test_a_panel_is_drawn_anew_when_it_changes() -> None:
    painter = Painter(640, 360)
    first, second, third = plain(640, 360), plain(640, 360), plain(640, 360)
    painter.paint(first, SPOKEN, AT)
    painter.paint(second, Overlay("No scores"), AT)
    painter.paint(third, SPOKEN, AT + 0.2)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_what_stands_out_is_cut_off() -> None:
    sheet = Sheet(60, 40, 1.0)
    sheet.text("Cut", (4, 20), 12, (255, 255, 255))
    patch: Patch = sheet.patch()
    picture = plain(64, 48)
    patch.lay(picture, 40, 30)
    touched = changed(picture)
    assert touched[30:, 40:].all()
    touched[30:, 40:] = False
    assert not touched.any()


def test_colours_survive_the_planes() -> None:
    sheet = Sheet(40, 40, 1.0)
    sheet.box((0, 0), (40, 40), (0, 159, 230))
    picture = plain(40, 40)
    sheet.patch().lay(picture, 0, 0)
    bgr = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)[20, 20].astype(int)
    assert np.abs(bgr - (0, 159, 230)).max() < 12
