"""From space to picture, and what a real camera adds: shake, noise, flicker, blur, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.figures.skeleton import FloatArray

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera stands and how good it is. Lengths in body heights, sizes relative.

    Attributes:
        distance: From the camera to the plane in which people act.
        height: Of the lens above the ground.
        yaw_deg: How far the scene is turned about the vertical.
        roll_deg: How crooked the camera is mounted.
        person: Height of an adult in the picture, as a fraction of the picture's height.
        feet: Where the feet stand, as a fraction of the picture's height from the top.
        noise: Standard deviation of the pixel noise, grey levels.
        blur: Standard deviation of the blur, as a fraction of the picture's height.
        shake: Amplitude of the camera shake, as a fraction of the picture's height.
        flicker: Relative amplitude of the brightness changes.
        quality: JPEG quality the frames pass through, 0 for none.
        shutter: Exposure as a fraction of the frame time: motion blur.
        aspect: Width by height of what it sees, stretched to the size of the frames; 0 for no
            stretching.
    """

    distance: float = 6.0
    height: float = 0.75
    yaw_deg: float = 0.0
    roll_deg: float = 0.0
    person: float = 0.5
    feet: float = 0.82
    noise: float = 0.0
    blur: float = 0.0
    shake: float = 0.0
    flicker: float = 0.0
    quality: int = 0
    shutter: float = 0.0
    aspect: float = 0.0

    def sensor(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the picture before it is stretched to `size`, in pixels."""
        return (round(self.aspect * size[1]), size[1]) if self.aspect else size


def random_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera.

    Args:
        rng: Source of every choice.

    Returns:
        A camera from which a whole adult is in the picture.
    """
    person = rng.uniform(0.36, 0.68)
    shaky, flickers = rng.uniform() < 0.25, rng.uniform() < 0.25
    return Camera(
        distance=rng.uniform(3.5, 10.0),
        height=rng.uniform(0.45, 1.3),
        yaw_deg=rng.normal(0, 9),
        roll_deg=rng.normal(0, 0.8),
        person=person,
        feet=rng.uniform(min(0.28 + person, 0.9), 0.95),
        noise=rng.uniform(0, 6),
        blur=rng.uniform(0, 0.007),
        shake=rng.uniform(0.001, 0.008) if shaky else 0.0,
        flicker=rng.uniform(0.01, 0.08) if flickers else 0.0,
        quality=int(rng.integers(35, 85)) if rng.uniform() < 0.5 else 0,
        shutter=rng.uniform(0.2, 0.6) if rng.uniform() < 0.5 else 0.0,
    )


def project(
    points: FloatArray, camera: Camera, size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Perspective projection.

    Args:
        points: (..., 3) positions in body heights.
        camera: The camera, looking horizontally.
        size: Width and height of the picture in pixels.

    Returns:
        Pixels (..., 2) and scale (...,), pixels per body height at that depth.
    """
    width, height = size
    yaw, roll = np.radians(camera.yaw_deg), np.radians(camera.roll_deg)
    x = points[..., 0] * np.cos(yaw) - points[..., 1] * np.sin(yaw)
    y = points[..., 0] * np.sin(yaw) + points[..., 1] * np.cos(yaw)
    focal = camera.person * height * camera.distance
    scale = focal / np.maximum(camera.distance + y, 0.3)
    horizon = camera.feet * height - camera.person * height * camera.height
    across = x * scale
    down = (camera.height - points[..., 2]) * scale + horizon - height / 2
    pixels = np.stack(
        [
            width / 2 + across * np.cos(roll) - down * np.sin(roll),
            height / 2 + across * np.sin(roll) + down * np.cos(roll),
        ],
        axis=-1,
    )
    return pixels, scale


def ground_row(camera: Camera, depth: float, height: int) -> float:
    """Picture row of the ground at some depth behind the people.

    Args:
        camera: The camera.
        depth: Body heights behind the plane of the people.
        height: Picture height in pixels.

    Returns:
        Row in pixels from the top.
    """
    scale = camera.person * height * camera.distance / (camera.distance + depth)
    return camera.feet * height + camera.height * (scale - camera.person * height)


class Lens:
    """Applies one camera's faults to finished frames, frame by frame; one thread only."""

    _BANK = 7

    def __init__(self, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> None:
        """Prepare the noise.

        Args:
            camera: The camera.
            size: Width and height in pixels.
            rng: Source of every choice; drawn from again for every frame.
        """
        self._camera = camera
        self._rng = rng
        self._height = size[1]
        self._phase = rng.uniform(0, 2 * np.pi, 6)
        # A bank of noise fields, shifted at random, looks like fresh noise at a tenth of the cost.
        shape = (self._BANK, size[1], size[0], 3)
        grain = rng.normal(0, camera.noise, shape) if camera.noise > 0 else None
        self._bank = None if grain is None else np.round(grain).astype(np.int16)

    def expose(self, frame: Frame, time_s: float) -> Frame:
        """Return the frame (H, W, 3) uint8 RGB as the camera would deliver it at `time_s`."""
        camera = self._camera
        if camera.shake > 0:
            frame = self._shaken(frame, time_s)
        if camera.blur * self._height > 0.25:
            frame = cv2.GaussianBlur(frame, (0, 0), camera.blur * self._height).astype(np.uint8)
        if camera.flicker > 0:
            frame = cv2.convertScaleAbs(frame, alpha=self._brightness(time_s)).astype(np.uint8)
        if self._bank is not None:
            frame = self._grainy(frame)
        if camera.quality > 0:
            frame = _compressed(frame, camera.quality)
        return frame

    def _shaken(self, frame: Frame, time_s: float) -> Frame:
        p, reach = self._phase, self._camera.shake * self._height
        dx = reach * (np.sin(7.1 * time_s + p[0]) + 0.6 * np.sin(17.3 * time_s + p[1]))
        dy = reach * (np.sin(8.3 * time_s + p[2]) + 0.6 * np.sin(14.9 * time_s + p[3]))
        move = np.array([[1, 0, dx], [0, 1, dy]])
        size = (frame.shape[1], frame.shape[0])
        return cv2.warpAffine(frame, move, size, borderMode=cv2.BORDER_REFLECT).astype(np.uint8)

    def _brightness(self, time_s: float) -> float:
        p = self._phase
        slow = np.sin(1.9 * time_s + p[4]) + 0.5 * np.sin(23.0 * time_s + p[5])
        return float(1 + self._camera.flicker * slow)

    def _grainy(self, frame: Frame) -> Frame:
        assert self._bank is not None
        grain = self._bank[self._rng.integers(self._BANK)]
        grain = np.roll(grain, int(self._rng.integers(frame.shape[0])), axis=0)
        grainy: Frame = np.clip(frame + grain, 0, 255).astype(np.uint8)
        return grainy


def _compressed(frame: Frame, quality: int) -> Frame:
    coded = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[:, :, ::-1], dtype=np.uint8)
