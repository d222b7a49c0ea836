"""Shaded, antialiased shapes: every shape is a stack of outlines, each lighter than the last.

Outlines go to OpenCV in sixteenths of a pixel, so slow movements stay smooth.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from training.figures.camera import Frame
from training.figures.people import Colour
from training.figures.skeleton import FloatArray

Outline = npt.NDArray[np.int32]
# A centre in pixels and a radius in pixels.
Disc = tuple[FloatArray, float]

_SHIFT: Final = 4
_HALF_TURN: Final = np.pi * np.linspace(-0.5, 0.5, 7)
_RING: Final = np.stack(
    [np.cos(np.linspace(0, 2 * np.pi, 14)), np.sin(np.linspace(0, 2 * np.pi, 14))], axis=1
)[:-1]

# Per layer: size, shift towards the light (both in radii), light.
_COARSE: Final = ((1.0, 0.0, 0.76), (0.78, 0.15, 0.97), (0.4, 0.34, 1.1))
_FINE: Final = (
    (1.0, 0.0, 0.7),
    (0.9, 0.08, 0.84),
    (0.78, 0.15, 0.95),
    (0.6, 0.25, 1.04),
    (0.36, 0.36, 1.12),
)


def capsules(
    a: FloatArray, b: FloatArray, radius_a: FloatArray, radius_b: FloatArray
) -> FloatArray:
    """Outlines of tapered capsules.

    Args:
        a: (..., 2) first ends, pixels.
        b: (..., 2) second ends, pixels.
        radius_a: (...,) radii there, pixels.
        radius_b: (...,) radii there, pixels.

    Returns:
        (..., 14, 2) polygon corners, pixels.
    """
    along = b - a
    heading = np.arctan2(along[..., 1], along[..., 0])
    angle = np.expand_dims(heading, -1) + _HALF_TURN
    cap = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    cap_a = a[..., None, :] - radius_a[..., None, None] * cap
    cap_b = b[..., None, :] + radius_b[..., None, None] * cap
    return np.concatenate([cap_b, cap_a], axis=-2)


def fixed(points: FloatArray) -> Outline:
    """Pixels to the sixteenths of a pixel that `fill` wants."""
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def fill(frame: npt.NDArray[np.uint8], outline: Outline, ink: Sequence[float]) -> None:
    """Fill one convex outline (N, 2) from `fixed`, in place."""
    cv2.fillConvexPoly(frame, outline, tuple(ink), cv2.LINE_AA, _SHIFT)


class Brush:
    """Paints in one light.

    Attributes:
        light: Unit vector (2,) in the picture towards the light.
    """

    def __init__(self, light: FloatArray, tint: FloatArray, fine: bool) -> None:
        """Set the light.

        Args:
            light: Unit vector (2,) in the picture towards the light.
            tint: Factor (3,) on every colour.
            fine: Whether shapes are large enough to show five shades rather than three.
        """
        self.light = light
        self._tint = tint
        self._layers = _FINE if fine else _COARSE

    def ink(self, colour: Colour, factor: float = 1.0) -> tuple[float, float, float]:
        """RGB of a colour in this light."""
        r, g, b = np.clip(np.array(colour) * self._tint * factor, 0, 255)
        return (float(r), float(g), float(b))

    def limb(
        self, a: FloatArray, b: FloatArray, radius_a: FloatArray, radius_b: FloatArray
    ) -> list[Outline]:
        """Layers of capsules; arguments as in `capsules`, each result (..., 14, 2)."""
        layers = []
        for size, shift, _ in self._layers:
            move_a, move_b = (shift * r[..., None] * self.light for r in (radius_a, radius_b))
            layers.append(fixed(capsules(a + move_a, b + move_b, size * radius_a, size * radius_b)))
        return layers

    def hull(self, discs: Sequence[Disc]) -> list[Outline]:
        """Layers of the convex outline around some discs."""
        layers = []
        for size, shift, _ in self._layers:
            points = [
                centre + radius * (size * _RING + shift * self.light) for centre, radius in discs
            ]
            corners = cv2.convexHull(np.concatenate(points).astype(np.float32))
            layers.append(fixed(corners[:, 0].astype(np.float64)))
        return layers

    def paint(
        self, frame: Frame, shapes: Sequence[tuple[Sequence[Outline], Colour]], shade: float = 1.0
    ) -> None:
        """Fill shapes that belong together, in place: all edges first, so no seam shows.

        Args:
            frame: (H, W, 3) uint8 RGB.
            shapes: Layers and colour of each shape.
            shade: Factor on the light that falls on them.
        """
        for k, (_, _, light) in enumerate(self._layers):
            for layers, colour in shapes:
                fill(frame, layers[k], self.ink(colour, shade * light))
