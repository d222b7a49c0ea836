"""What background painters share: a canvas with brushes for gradients, boxes, blobs and grain."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.figures.skeleton import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A background in the making.

    Attributes:
        pixels: (H, W, 3) float RGB, 0 to 255, painted in place.
        base: Row where the floor begins.
        rng: Source of every choice.
        clutter: How many things to put there.
    """

    pixels: FloatArray
    base: int
    rng: np.random.Generator
    clutter: int

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.pixels)

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    def colour(self, low: float, high: float, chroma: float) -> FloatArray:
        """A random colour (3,): grey of `low` to `high`, tinted by about `chroma`."""
        tone = self.rng.uniform(low, high) + self.rng.normal(0, chroma, 3)
        out: FloatArray = np.clip(tone, 5, 250)
        return out

    def gradient(self, top: int, bottom: int, first: FloatArray, last: FloatArray) -> None:
        """Fill the rows from `top` to `bottom` with a gradient between two colours (3,)."""
        if bottom > top:
            mix = np.linspace(0, 1, bottom - top)[:, None, None]
            self.pixels[top:bottom] = first * (1 - mix) + last * mix

    def box(self, left: float, top: float, wide: float, tall: float, colour: FloatArray) -> None:
        """Fill a rectangle (pixels), with a thin darker edge."""
        a, b = (round(left), round(top)), (round(left + wide), round(top + tall))
        cv2.rectangle(self.pixels, a, b, _ink(colour), cv2.FILLED)
        cv2.rectangle(self.pixels, a, b, _ink(colour * 0.75), 1)

    def polygon(self, corners: FloatArray, colour: FloatArray) -> None:
        """Fill a polygon (N, 2), pixels."""
        fixed = np.round(corners * 16).astype(np.int32)
        cv2.fillPoly(self.pixels, [fixed], _ink(colour), cv2.LINE_8, 4)

    def blob(self, centre: Sequence[float], radii: Sequence[float], colour: FloatArray) -> None:
        """Fill an upright ellipse (pixels)."""
        at, axes = (tuple(max(0, round(v)) for v in pair) for pair in (centre, radii))
        if min(axes) > 0:
            cv2.ellipse(self.pixels, at, axes, 0, 0, 360, _ink(colour), cv2.FILLED)

    def line(
        self, a: Sequence[float], b: Sequence[float], thick: float, colour: FloatArray
    ) -> None:
        """Draw a line (pixels)."""
        first, last = (tuple(round(v) for v in end) for end in (a, b))
        cv2.line(self.pixels, first, last, _ink(colour), max(1, round(thick)))

    def grain(self, top: int, bottom: int, cell: float, strength: float) -> None:
        """Roughen the rows from `top` to `bottom`."""
        if bottom > top:
            rough = texture(self.rng, (bottom - top, self.width), max(cell, 2.0))
            self.pixels[top:bottom] += strength * rough[:, :, None]


def _ink(colour: FloatArray) -> tuple[float, ...]:
    return tuple(np.clip(colour, 2, 253).tolist())


def texture(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> FloatArray:
    """Smooth noise, four octaves from `cell` pixels up.

    Args:
        rng: Source of the noise.
        shape: Height and width in pixels.
        cell: Size of the finest grain in pixels.

    Returns:
        (H, W), mean about 0, standard deviation about 0.5.
    """
    height, width = shape
    out = np.zeros(shape)
    for octave in range(4):
        step = cell * 2.0**octave
        grid = rng.normal(size=(int(height / step) + 2, int(width / step) + 2))
        out += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.35
    return out
