"""Where it happens: places, their light, and the still background painted from them."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from training.figures.camera import Camera, Frame, ground_row
from training.figures.canvas import Canvas
from training.figures.indoors import abstract, hall, living_room, studio
from training.figures.outdoors import ground, park, street, wall
from training.figures.skeleton import FloatArray

_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "wall": wall,
    "park": park,
    "room": living_room,
    "hall": hall,
    "street": street,
    "studio": studio,
    "abstract": abstract,
    "ground": ground,
}

KINDS = tuple(_PAINTERS)
# What `random_scene` draws from: `ground` is for cameras that look down, chosen by name.
_ANYWHERE = KINDS[:-1]


@dataclass(frozen=True, slots=True)
class Scene:
    """One place in one light.

    Attributes:
        kind: One of `KINDS`.
        seed: Everything else about the place.
        light: Where the light comes from, -1 left to 1 right.
        brightness: Factor on all light, about 1.
        warmth: -1 blue to 1 orange light.
        shadow: Darkness of the shadows, 0 to 1.
        sun: Ground shadow of one body height: to the right and away from the camera.
        clutter: How many things stand about.
        grain: Roughness of all surfaces, 0 to 1.
    """

    kind: str
    seed: int
    light: float = -0.5
    brightness: float = 1.0
    warmth: float = 0.0
    shadow: float = 0.4
    sun: tuple[float, float] = (0.3, 0.25)
    clutter: int = 2
    grain: float = 0.6

    @property
    def tint(self) -> FloatArray:
        """Factor (3,) on RGB of everything in the picture."""
        warm = 1 + 0.12 * self.warmth * np.array([1.0, 0.1, -1.0])
        out: FloatArray = self.brightness * warm
        return out


def random_scene(rng: np.random.Generator) -> Scene:
    """Draw a place.

    Args:
        rng: Source of every choice.

    Returns:
        A scene of any kind but `ground`, bright or dim.
    """
    light = rng.uniform(-1, 1)
    return Scene(
        kind=_ANYWHERE[int(rng.integers(len(_ANYWHERE)))],
        seed=int(rng.integers(1 << 31)),
        light=light,
        brightness=rng.uniform(0.7, 1.15),
        warmth=rng.uniform(-1, 1),
        shadow=max(0.0, rng.uniform(-0.3, 0.6)),
        sun=(-light * rng.uniform(0.1, 0.7), rng.uniform(-0.15, 0.5)),
        clutter=int(rng.integers(0, 6)),
        grain=rng.uniform(),
    )


def paint(scene: Scene, camera: Camera, size: tuple[int, int]) -> Frame:
    """Paint the still background.

    Args:
        scene: The place.
        camera: Decides where the floor begins.
        size: Width and height in pixels.

    Returns:
        Picture (H, W, 3), uint8 RGB.
    """
    rng = np.random.default_rng(scene.seed)
    width, height = size
    base = min(ground_row(camera, rng.uniform(0.35, 1.4), height), height - 2.0)
    # OpenCV smooths edges on 8-bit images only: paint at twice the size, then average.
    canvas = Canvas(np.zeros((2 * height, 2 * width, 3)), round(2 * base), rng, scene.clutter)
    _PAINTERS[scene.kind](canvas)
    canvas.grain(0, 2 * height, 4, 6 * scene.grain)
    painted = cv2.resize(canvas.pixels, size, interpolation=cv2.INTER_AREA)
    painted = painted * scene.tint * _falloff(height, width, scene.light)
    return np.clip(painted, 0, 255).astype(np.uint8)


def _falloff(height: int, width: int, light: float) -> FloatArray:
    """Light fades away from its source and towards the corners: (H, W, 1)."""
    x = np.linspace(-1, 1, width)[None, :, None]
    y = np.linspace(-1, 1, height)[:, None, None]
    out: FloatArray = 1.0 + 0.07 * light * x - 0.05 * (x * x + y * y)
    return out
