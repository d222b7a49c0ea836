"""A small half-transparent panel of text and bars, and how it is laid over a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
"""Blue, green, red."""

_GROUND: Final = (24, 24, 24)
# Opacity of the ground; what is written is opaque.
_OPACITY = 0.72
_OPAQUE = 256
# Writing differs from the ground by at least so much where it covers a pixel wholly.
_CONTRAST = 40
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
# Height of the font's capitals at scale 1.
_CAPITALS_PX = 21.0
# Sub-pixel places of OpenCV's drawing, as powers of two.
_SHIFT = 4


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A panel ready to be laid over 4:2:0 pictures.

    Attributes:
        planes: Y, U and V, ``(h, w)`` and twice ``(h/2, w/2)`` uint16, times opacity 0 to 256.
        rest: 256 minus the opacity of luma and of chroma, uint16.
    """

    planes: tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]
    rest: tuple[NDArray[np.uint16], NDArray[np.uint16]]

    @property
    def width(self) -> int:
        """In pixels, even."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """In pixels, even."""
        return int(self.planes[0].shape[0])

    def lay(self, picture: Pixels, left: int, top: int) -> None:
        """Blend into a picture; what stands out is cut off.

        Args:
            picture: ``(H * 3 / 2, W)`` uint8, planar 4:2:0 (FFmpeg's ``yuv420p``), of even width
                and height; changed in place.
            left: Pixels from the left edge; rounded to an even number, as chroma needs it.
            top: Pixels from the upper edge; likewise.
        """
        for number, (plane, drawn) in enumerate(zip(planes_of(picture), self.planes, strict=True)):
            step = 2 if number else 1
            y, x = max(0, top) // 2 * 2 // step, max(0, left) // 2 * 2 // step
            place = plane[y : y + drawn.shape[0], x : x + drawn.shape[1]]
            rows, columns = place.shape
            rest = self.rest[min(number, 1)][:rows, :columns]
            place[...] = (place * rest + drawn[:rows, :columns]) >> 8


def planes_of(picture: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Views of the Y, U and V planes of a planar 4:2:0 picture of even width and height."""
    rows, width = picture.shape
    height = rows * 2 // 3
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    return picture[:height], chroma[0], chroma[1]


class Sheet:
    """A panel while it is drawn. Sizes and places are in units of `scale` pixels."""

    def __init__(self, width: float, height: float, scale: float) -> None:
        """Begin with the empty ground.

        Args:
            width: In units.
            height: In units.
            scale: Pixels per unit.
        """
        self._scale = scale
        self._image = np.full((_even(height * scale), _even(width * scale), 3), _GROUND, np.uint8)

    def text(self, text: str, place: tuple[float, float], size: float, colour: Colour) -> None:
        """Write a line.

        Args:
            text: What to write.
            place: Left edge, and the height of the middle of the capitals.
            size: Height of the capitals.
            colour: Of the text.
        """
        left, middle = place
        base = round((middle + size / 2) * self._scale)
        cv2.putText(
            self._image,
            text,
            (round(left * self._scale), base),
            _FONT,
            size * self._scale / _CAPITALS_PX,
            colour,
            self._stroke(size),
            cv2.LINE_AA,
        )

    def width_of(self, text: str, size: float) -> float:
        """Width of a line in units."""
        factor = size * self._scale / _CAPITALS_PX
        (width, _), _ = cv2.getTextSize(text, _FONT, factor, self._stroke(size))
        return width / self._scale

    def box(self, upper_left: tuple[float, float], size: tuple[float, float], c: Colour) -> None:
        """Fill a rectangle, its edges smooth."""
        (left, top), (width, height) = upper_left, size
        corners = [
            (left, top),
            (left + width, top),
            (left + width, top + height),
            (left, top + height),
        ]
        points = np.array([[self._fixed(x), self._fixed(y)] for x, y in corners], np.int32)
        cv2.fillConvexPoly(self._image, points, c, cv2.LINE_AA, _SHIFT)

    def dot(self, centre: tuple[float, float], radius: float, colour: Colour) -> None:
        """Fill a circle."""
        place = self._fixed(centre[0]), self._fixed(centre[1])
        cv2.circle(self._image, place, self._fixed(radius), colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def patch(self) -> Patch:
        """Finish: what is written opaque, the ground half transparent."""
        height, width, _ = self._image.shape
        written = np.abs(self._image.astype(np.int16) - _GROUND[0]).max(axis=2) / _CONTRAST
        opacity = _OPACITY + (1 - _OPACITY) * np.minimum(1.0, written)
        luma = np.rint(opacity * _OPAQUE).astype(np.uint16)
        chroma = luma.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)).astype(np.uint16)
        planes = planes_of(cv2.cvtColor(self._image, cv2.COLOR_BGR2YUV_I420).astype(np.uint8))
        y, u, v = (plane.astype(np.uint16) for plane in planes)
        return Patch((y * luma, u * chroma, v * chroma), (_OPAQUE - luma, _OPAQUE - chroma))

    def _fixed(self, units: float) -> int:
        return round(units * self._scale * (1 << _SHIFT))

    def _stroke(self, size: float) -> int:
        return max(1, round(size * self._scale / 10))


def _even(number: float) -> int:
    return max(2, round(number / 2) * 2)
