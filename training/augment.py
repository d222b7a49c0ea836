"""Random changes of training clips: place, size and light of the scene, camera and compression.

All in numpy and OpenCV on uint8. One decision per clip, since a camera does not change between two
frames, except for what truly changes from frame to frame: noise, flicker, shake.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """Ranges and probabilities.

    Attributes:
        zoom: Least and greatest size factor.
        stretch: Greatest factor between width and height, either way.
        turn_deg: Greatest rotation.
        mirror: Probability of exchanging left and right.
        grey: Probability of losing all colour.
        swap: Probability of exchanging the colour channels.
        invert: Probability of a negative.
        gamma: Greatest exponent of the brightness curve, either way.
        soften: Probability of a loss of resolution.
        jpeg: Probability of compression artefacts.
        noise: Probability of sensor noise.
        noise_deviation: Its greatest deviation, in 0..255.
        flicker: Probability of light that changes from frame to frame.
        shake: Probability of a camera that shakes; doubled where nothing moves.
    """

    zoom: tuple[float, float] = (0.6, 1.6)
    stretch: float = 1.3
    turn_deg: float = 4.0
    mirror: float = 0.5
    grey: float = 0.3
    swap: float = 0.15
    invert: float = 0.1
    gamma: float = 1.7
    soften: float = 0.4
    jpeg: float = 0.3
    noise: float = 0.6
    noise_deviation: float = 7.0
    flicker: float = 0.2
    shake: float = 0.15


def augment(
    clip: Pixels, rng: np.random.Generator, config: AugmentConfig, *, still: bool = False
) -> Pixels:
    """Change a clip at random.

    Args:
        clip: (T, H, W, 3) uint8 RGB.
        rng: Source of chance.
        config: Ranges and probabilities.
        still: Whether nothing moves in the clip, so that a shaking camera is the only motion.

    Returns:
        A new clip of the same shape.
    """
    frames = _move(clip, rng, config, still)
    if rng.random() < config.soften:
        frames = _soften(frames, rng)
    frames = _recolour(frames, rng, config)
    if rng.random() < config.flicker:
        frames = _flicker(frames, rng)
    if rng.random() < config.noise:
        frames = _add_noise(frames, rng, config.noise_deviation)
    if rng.random() < config.jpeg:
        frames = _compress(frames, rng)
    return frames


def moving_box(clip: Pixels, threshold: int = 25) -> tuple[int, int, int, int]:
    """Find where something moves.

    Args:
        clip: (T, H, W, 3) uint8 RGB.
        threshold: Least change of a colour value that counts.

    Returns:
        Left, top, right, bottom in pixels, the last two exclusive; the whole picture if nothing
        moves.
    """
    spread = (clip.max(axis=0) - clip.min(axis=0)).max(axis=2)  # (H, W)
    moved = cv2.erode((spread > threshold).astype(np.uint8), np.ones((2, 2), np.uint8))
    rows, columns = np.flatnonzero(moved.any(axis=1)), np.flatnonzero(moved.any(axis=0))
    if not rows.size:
        return 0, 0, clip.shape[2], clip.shape[1]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _move(clip: Pixels, rng: np.random.Generator, config: AugmentConfig, still: bool) -> Pixels:
    """Mirror, turn, resize and shift, and keep what moves inside the picture where it fits."""
    matrix = _linear_part(rng, config)
    offsets = np.tile(_place(clip, matrix, rng)[:, np.newaxis], len(clip))  # (2, T)
    if rng.random() < config.shake * (2 if still else 1):
        offsets = offsets + _shake(rng, len(clip))
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    fill = clip[0].reshape(-1, 3).mean(axis=0).tolist()
    size = (clip.shape[2], clip.shape[1])
    frames = np.empty_like(clip)
    for frame, offset, target in zip(clip, offsets.T, frames, strict=True):
        whole = np.hstack([matrix, offset[:, np.newaxis]])
        cv2.warpAffine(frame, whole, size, target, cv2.INTER_LINEAR, border, fill)
    return frames


def _place(
    clip: Pixels, matrix: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the shift (2,) that puts what moves somewhere inside the picture."""
    left, top, right, bottom = moving_box(clip)
    corners = np.array([[left, right, left, right], [top, top, bottom, bottom]], float)
    placed = matrix @ corners
    size = np.array([clip.shape[2], clip.shape[1]])
    # Too large to fit: some part of it then fills the picture.
    ends = np.sort([-placed.min(axis=1), size - placed.max(axis=1)], axis=0)
    shift: NDArray[np.float64] = rng.uniform(ends[0], ends[1])
    return shift


def _linear_part(rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.float64]:
    """Draw the 2x2 matrix of mirroring, size, aspect and turn."""
    zoom = np.exp(rng.uniform(*np.log(config.zoom)))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log(config.stretch))
    turn = np.radians(rng.uniform(-config.turn_deg, config.turn_deg))
    mirror = -1.0 if rng.random() < config.mirror else 1.0
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return turned @ np.diag([mirror * zoom * stretch, zoom / stretch])


def _shake(rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    """Draw a smooth random walk of up to about two pixels, (2, T)."""
    steps = rng.normal(size=(2, frames)) * rng.uniform(0.1, 0.7)
    walk = np.empty_like(steps)
    position = np.zeros(2)
    for index in range(frames):
        position = 0.8 * position + steps[:, index]  # pulled back: a camera on a pole, not a drift
        walk[:, index] = position
    return walk


def _soften(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Lose resolution, as a far figure or a small stream does."""
    height, width = frames.shape[1:3]
    factor = rng.uniform(0.35, 0.9)
    small = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.stack(
        [
            cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (width, height))
            for frame in frames
        ]
    ).astype(np.uint8)


def _recolour(frames: Pixels, rng: np.random.Generator, config: AugmentConfig) -> Pixels:
    """Change colours and brightness by one curve per channel."""
    if rng.random() < config.grey:
        luma = cv2.cvtColor(_tall(frames), cv2.COLOR_RGB2GRAY)
        frames = np.asarray(cv2.cvtColor(luma, cv2.COLOR_GRAY2RGB), np.uint8).reshape(frames.shape)
    elif rng.random() < config.swap:
        frames = frames[..., rng.permutation(3)]
    gamma = np.exp(rng.uniform(-1, 1) * np.log(config.gamma))
    contrast, brightness = rng.uniform(0.5, 1.3), rng.uniform(-0.2, 0.2)
    tint = rng.uniform(0.85, 1.15, size=3)
    ramp = np.linspace(0, 1, 256)[:, np.newaxis]  # (256, 1)
    curve = ((ramp**gamma * tint - 0.5) * contrast + 0.5 + brightness) * 255  # (256, 3)
    if rng.random() < config.invert:
        curve = 255 - curve
    table = np.clip(curve, 0, 255).astype(np.uint8)[np.newaxis]  # (1, 256, 3)
    return np.asarray(cv2.LUT(_tall(frames), table), np.uint8).reshape(frames.shape)


def _tall(frames: Pixels) -> Pixels:
    """Stack frames below each other: one picture for OpenCV."""
    return np.ascontiguousarray(frames).reshape(-1, frames.shape[2], 3)


def _flicker(frames: Pixels, rng: np.random.Generator) -> Pixels:
    gains = 1 + rng.normal(size=len(frames)) * rng.uniform(0.005, 0.04)
    lit = np.empty_like(frames)
    for frame, gain, target in zip(frames, gains, lit, strict=True):
        cv2.convertScaleAbs(frame, dst=target, alpha=float(gain))
    return lit


def _add_noise(frames: Pixels, rng: np.random.Generator, greatest: float) -> Pixels:
    deviation = rng.uniform(0.5, greatest)
    # One large field read from a random place for each frame: drawing it anew took half the time
    # of making a batch.
    size = frames[0].size
    field = np.rint(rng.standard_normal(2 * size, np.float32) * deviation).astype(np.int16)
    if rng.random() < 0.5:  # noise of the light alone, the same in all channels
        field = np.repeat(field[: len(field) // 3], 3)
    starts = 3 * rng.integers(0, (len(field) - size) // 3, size=len(frames))
    noise = np.stack([field[start : start + size] for start in starts]).reshape(frames.shape)
    return np.clip(noise + frames, 0, 255).astype(np.uint8)


def _compress(frames: Pixels, rng: np.random.Generator) -> Pixels:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 75))]
    coded = np.empty_like(frames)
    for frame, target in zip(frames, coded, strict=True):
        picture = cv2.imdecode(cv2.imencode(".jpg", frame, quality)[1], cv2.IMREAD_COLOR)
        assert picture is not None
        target[:] = picture
    return coded
