"""Things that move without being people: the other half of the `none` class."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from training.figures.camera import Frame
from training.figures.people import Colour


@dataclass(frozen=True, slots=True)
class Extra:
    """One moving thing. Positions and sizes are fractions of the picture's height.

    Attributes:
        kind: One of `KINDS`.
        x: Where it is at time 0, from the left edge.
        y: Where it is, from the top.
        size: Its size.
        speed: Travel per second, or swings per second; the sign is the direction.
        colour: RGB.
        phase: 0 to 1.
    """

    kind: str
    x: float
    y: float
    size: float
    speed: float
    colour: Colour
    phase: float


def random_extra(rng: np.random.Generator) -> Extra:
    """Draw a moving thing.

    Args:
        rng: Source of every choice.

    Returns:
        A ball, car, swing, plant, flock of leaves, bird, curtain or flashing lamp.
    """
    kind = KINDS[int(rng.integers(len(KINDS)))]
    low, high = _SPEEDS[kind]
    speed = rng.uniform(low, high) * (1 if rng.uniform() < 0.5 else -1)
    r, g, b = rng.uniform(20, 235, 3)
    return Extra(
        kind=kind,
        x=rng.uniform(0, 1.4),
        y=rng.uniform(0.1, 0.5) if kind in {"bird", "swing", "lamp"} else rng.uniform(0.6, 0.9),
        size=rng.uniform(0.6, 1.4),
        speed=speed,
        colour=(float(r), float(g), float(b)),
        phase=rng.uniform(),
    )


def draw_extra(frame: Frame, extra: Extra, time_s: float) -> None:
    """Draw the thing as it is at `time_s` into the frame (H, W, 3) uint8 RGB, in place.

    Raises:
        KeyError: unknown kind.
    """
    _DRAWERS[extra.kind](frame, extra, time_s)


def _passing(frame: Frame, extra: Extra, time_s: float, wide: float) -> float:
    """Left-right position in pixels of something that crosses the picture and comes back in."""
    height, width = frame.shape[:2]
    span = width / height + 2 * wide
    return float(((extra.x + extra.speed * time_s + wide) % span - wide) * height)


def _spot(frame: Frame, x: float, y: float, radius: float, colour: Colour) -> None:
    at = (round(x * 16), round(y * 16))
    cv2.circle(frame, at, max(8, round(radius * 16)), colour, cv2.FILLED, cv2.LINE_AA, 4)


def _shape(frame: Frame, points: list[tuple[float, float]], colour: Colour) -> None:
    fixed = np.round(np.array(points) * 16).astype(np.int32)
    cv2.fillPoly(frame, [fixed], colour, cv2.LINE_AA, 4)


def _dim(colour: Colour, factor: float) -> Colour:
    r, g, b = (min(255.0, value * factor) for value in colour)
    return (r, g, b)


def _ball(frame: Frame, extra: Extra, time_s: float) -> None:
    height = frame.shape[0]
    radius = 0.05 * extra.size
    x = _passing(frame, extra, time_s, radius)
    bounce = abs(np.sin(np.pi * (1.3 * time_s + extra.phase))) * 0.3 * max(0.0, extra.phase - 0.4)
    y = (extra.y - bounce) * height
    _spot(frame, x, y, radius * height, _dim(extra.colour, 0.75))
    _spot(frame, x - 0.01 * height, y - 0.01 * height, radius * 0.75 * height, extra.colour)
    turn = 2 * np.pi * (extra.speed * time_s / (2 * np.pi * radius))
    dot = 0.55 * radius * height
    at = (x + dot * np.cos(turn), y + dot * np.sin(turn))
    _spot(frame, at[0], at[1], 0.25 * radius * height, _dim(extra.colour, 0.4))


def _car(frame: Frame, extra: Extra, time_s: float) -> None:
    height = frame.shape[0]
    long, tall = 0.55 * extra.size * height, 0.12 * extra.size * height
    x = _passing(frame, extra, time_s, 0.3 * extra.size + 0.1)
    y = extra.y * height
    left, right = x - long / 2, x + long / 2
    _shape(frame, [(left, y), (left, y - tall), (right, y - tall), (right, y)], extra.colour)
    roof = [(x - 0.3 * long, y - tall), (x - 0.2 * long, y - 1.8 * tall)]
    roof += [(x + 0.18 * long, y - 1.8 * tall), (x + 0.32 * long, y - tall)]
    _shape(frame, roof, _dim(extra.colour, 0.6))
    for wheel in (-0.3, 0.3):
        _spot(frame, x + wheel * long, y, 0.42 * tall, (25.0, 25.0, 28.0))


def _swing(frame: Frame, extra: Extra, time_s: float) -> None:
    height = frame.shape[0]
    angle = 0.6 * np.sin(2 * np.pi * (extra.speed * time_s + extra.phase))
    top = np.array([extra.x * height, 0.0])
    end = top + 0.6 * extra.size * height * np.array([np.sin(angle), np.cos(angle)])
    a, b = (tuple(int(v) for v in np.round(point * 16)) for point in (top, end))
    cv2.line(frame, a, b, _dim(extra.colour, 0.5), max(1, height // 120), cv2.LINE_AA, 4)
    _spot(frame, float(end[0]), float(end[1]), 0.05 * height * extra.size, extra.colour)


def _plant(frame: Frame, extra: Extra, time_s: float) -> None:
    height = frame.shape[0]
    foot = (extra.x * height, extra.y * height)
    for k in range(7):
        sway = 0.12 * np.sin(2 * np.pi * (extra.speed * time_s + extra.phase) + 0.6 * k)
        angle = (k - 3) * 0.28 + sway
        long = (0.3 - 0.02 * abs(k - 3)) * extra.size * height
        tip = (foot[0] + long * np.sin(angle), foot[1] - long * np.cos(angle))
        middle = ((foot[0] + tip[0]) / 2 - 0.06 * long, (foot[1] + tip[1]) / 2)
        other = (middle[0] + 0.14 * long, middle[1])
        green = (50.0 + 8 * k, 100.0 + 9 * k, 52.0)
        _shape(frame, [foot, middle, tip, other], green)


def _leaves(frame: Frame, extra: Extra, time_s: float) -> None:
    height, width = frame.shape[:2]
    for k in range(14):
        start = (extra.phase * (k + 1) * 7.31) % 1.0
        fall = (start + (0.16 + 0.02 * (k % 5)) * abs(extra.speed) * time_s) % 1.0
        x = ((start * 3.7 + k * 0.13) % 1.0) * width + 0.06 * height * np.sin(4 * time_s + k)
        spin = 5 * time_s + k
        long = 0.018 * extra.size * height
        a = (x + long * np.cos(spin), fall * height + long * np.sin(spin))
        b = (x - long * np.cos(spin), fall * height - long * np.sin(spin))
        c = (x + 0.4 * long * np.sin(spin), fall * height - 0.4 * long * np.cos(spin))
        _shape(frame, [a, c, b], extra.colour)


def _bird(frame: Frame, extra: Extra, time_s: float) -> None:
    height = frame.shape[0]
    x = _passing(frame, extra, time_s, 0.1)
    y = (extra.y + 0.03 * np.sin(3 * time_s)) * height
    span, flap = 0.06 * extra.size * height, np.sin(2 * np.pi * (3 * time_s + extra.phase))
    for side in (-1, 1):
        tip = (x + side * span, y - 0.6 * span * flap)
        _shape(frame, [(x, y), tip, (x, y + 0.3 * span)], _dim(extra.colour, 0.5))


def _curtain(frame: Frame, extra: Extra, time_s: float) -> None:
    height = frame.shape[0]
    for k in range(5):
        wave = 0.03 * np.sin(2 * np.pi * (0.5 * extra.speed * time_s + extra.phase) + k)
        left = (extra.x + 0.05 * k) * height
        low = left + wave * height
        right, wide = left + 0.05 * height, 0.05 * height
        corners = [
            (left, 0.0),
            (right, 0.0),
            (low + wide, extra.y * height),
            (low, extra.y * height),
        ]
        _shape(frame, corners, _dim(extra.colour, 0.8 + 0.08 * (k % 3)))


def _lamp(frame: Frame, extra: Extra, time_s: float) -> None:
    on = np.sin(2 * np.pi * (extra.speed * time_s + extra.phase)) > 0
    height = frame.shape[0]
    colour = extra.colour if on else _dim(extra.colour, 0.3)
    _spot(frame, extra.x * height, extra.y * height, 0.04 * extra.size * height, colour)


_DRAWERS: dict[str, Callable[[Frame, Extra, float], None]] = {
    "ball": _ball,
    "car": _car,
    "swing": _swing,
    "plant": _plant,
    "leaves": _leaves,
    "bird": _bird,
    "curtain": _curtain,
    "lamp": _lamp,
}

# Per second: heights of the picture for what travels, swings for what swings.
_SPEEDS = {
    "ball": (0.15, 0.9),
    "car": (0.3, 1.6),
    "swing": (0.3, 0.8),
    "plant": (0.2, 0.6),
    "leaves": (0.5, 2.0),
    "bird": (0.2, 0.8),
    "curtain": (0.2, 0.8),
    "lamp": (0.3, 1.5),
}

KINDS = tuple(_DRAWERS)
