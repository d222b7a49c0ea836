"""Draws what is known about a stream into its pictures.

Panels of text are drawn once per change and blended into the planes of a 4:2:0 picture as they are:
converting whole pictures to RGB and back would cost several times the drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from streaming.sheet import Colour, Patch, Pixels, Sheet

# Blue, green, red. Sky blue and orange of Okabe and Ito are told apart by everybody.
_TEXT: Final = (255, 255, 255)
_DIM: Final = (176, 176, 176)
_BAR: Final = (233, 180, 86)
_TRACK: Final = (72, 72, 72)
_LIVE: Final = (0, 159, 230)
# Sizes for a picture 720 pixels high; smaller ones shrink, down to what can still be read.
_REFERENCE_PX = 720
_MIN_SCALE = 0.6
_MARGIN = 16
_PADDING = 12
_WIDTH = 330
_HEADING = 46
_ROW = 26
_INNER = _WIDTH - 2 * _PADDING
# Where the bars begin.
_TAB = 132
_CLOCK = 136


@dataclass(frozen=True, slots=True)
class Bar:
    """One class: its title and its score, 0 to 1."""

    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is said in a picture.

    Attributes:
        heading: The action, or why there is none.
        quiet: Whether the heading is nothing of interest.
        bars: The strongest classes, the strongest first; the first one's score stands beside the
            heading.
        event: The event in progress, or nothing.
    """

    heading: str
    quiet: bool = True
    bars: tuple[Bar, ...] = ()
    event: str = ""


class Painter:
    """Draws overlays into pictures of one size. Owned by one thread.

    A picture is ``(H * 3 / 2, W)`` uint8, planar 4:2:0 (FFmpeg's ``yuv420p``, OpenCV's I420), of
    even width and height.
    """

    def __init__(self, width: int, height: int) -> None:
        """Prepare.

        Args:
            width: Of every picture, in pixels, even.
            height: Of every picture, in pixels, even.
        """
        self.width, self.height = width, height
        shown = min(height, width * 9 / 16)
        self._scale = max(_MIN_SCALE, shown / _REFERENCE_PX)
        self._panel = _Cached()
        self._clock = _Cached()

    def paint(self, picture: Pixels, overlay: Overlay, captured_at: float) -> None:
        """Draw into a picture.

        Args:
            picture: Changed in place.
            overlay: What to say.
            captured_at: UTC seconds of its capture, for the clock at the lower right.
        """
        margin = round(_MARGIN * self._scale)
        panel = self._panel.get(overlay, lambda: self._draw_overlay(overlay))
        panel.lay(picture, margin, margin)
        text = f"{datetime.fromtimestamp(int(captured_at), UTC):%H:%M:%S} UTC"
        clock = self._clock.get(text, lambda: self._draw_clock(text))
        place = self.width - margin - clock.width, self.height - margin - clock.height
        clock.lay(picture, *place)

    def _draw_overlay(self, overlay: Overlay) -> Patch:
        """The panel at the upper left; rows that do not fit are left out."""
        sheet = Sheet(_WIDTH, self._rows_height(overlay), self._scale)
        colour = _DIM if overlay.quiet else _TEXT
        middle = _PADDING + _HEADING / 2
        room: float = _INNER
        if overlay.bars:
            room -= _number(sheet, overlay.bars[0].score, middle, 19, colour) + _PADDING
        heading = _shortened(sheet, overlay.heading, 23, room)
        sheet.text(heading, (_PADDING, middle), 23, colour)
        middle = _PADDING + _HEADING + _ROW / 2
        for row in self._fitting(overlay):
            _draw_bar(sheet, row, middle)
            middle += _ROW
        if overlay.event:
            sheet.dot((_PADDING + 6, middle), 5, _LIVE)
            event = _shortened(sheet, overlay.event, 13, _INNER - 20)
            sheet.text(event, (_PADDING + 20, middle), 13, _TEXT)
        return sheet.patch()

    def _fitting(self, overlay: Overlay) -> tuple[Bar, ...]:
        """The bars that leave most of a small picture free."""
        fixed = 2 * _MARGIN + 2 * _PADDING + _HEADING + (_ROW if overlay.event else 0)
        rows = int((0.6 * self.height / self._scale - fixed) / _ROW)
        return overlay.bars[: max(0, rows)]

    def _rows_height(self, overlay: Overlay) -> int:
        rows = len(self._fitting(overlay)) + bool(overlay.event)
        return 2 * _PADDING + _HEADING + rows * _ROW

    def _draw_clock(self, text: str) -> Patch:
        sheet = Sheet(_CLOCK, 34, self._scale)
        sheet.text(text, ((_CLOCK - sheet.width_of(text, 12)) / 2, 17), 12, _TEXT)
        return sheet.patch()


def _draw_bar(sheet: Sheet, row: Bar, middle: float) -> None:
    title = _shortened(sheet, row.title, 12, _TAB - _PADDING - 8)
    sheet.text(title, (_PADDING, middle), 12, _TEXT)
    track = _WIDTH - _PADDING - 52 - _TAB
    sheet.box((_TAB, middle - 5), (track, 10), _TRACK)
    sheet.box((_TAB, middle - 5), (row.score * track, 10), _BAR)
    _number(sheet, row.score, middle, 12, _DIM)


def _number(sheet: Sheet, score: float, middle: float, size: float, colour: Colour) -> float:
    """Write a score at the right edge; gives its width."""
    text = f"{100 * score:.0f} %"
    width = sheet.width_of(text, size)
    sheet.text(text, (_WIDTH - _PADDING - width, middle), size, colour)
    return width


def _shortened(sheet: Sheet, text: str, size: float, room: float) -> str:
    """Cut what does not fit."""
    short = text
    while sheet.width_of(short, size) > room and len(text) > 1:
        text = text[:-1].rstrip()
        short = f"{text}.."
    return short


@dataclass(slots=True)
class _Cached:
    """The newest panel and what it shows."""

    _key: object = None
    _patch: Patch | None = None

    def get(self, key: object, draw: Callable[[], Patch]) -> Patch:
        """Draw only what is not there."""
        if self._patch is None or key != self._key:
            self._key, self._patch = key, draw()
        return self._patch
