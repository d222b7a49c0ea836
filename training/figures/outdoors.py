"""Backgrounds under the sky: a wall, a park, a street, bare ground."""

import numpy as np

from training.figures.canvas import Canvas, texture
from training.figures.skeleton import FloatArray


def wall(canvas: Canvas) -> None:
    """Paint a house wall of stone slabs over a pavement and a road."""
    rng, base = canvas.rng, canvas.base
    canvas.pixels[:base] = canvas.colour(120, 215, 10)
    row, slab = 0.0, canvas.height * rng.uniform(0.05, 0.14)
    while row < base:
        _course(canvas, slice(int(row), int(min(row + slab, base))), slab)
        row += slab
    canvas.grain(0, base, canvas.height / 60, 7)
    pavement = canvas.colour(90, 160, 12)
    canvas.gradient(base, canvas.height, pavement, pavement * 0.8)
    kerb = base + round((canvas.height - base) * rng.uniform(0.3, 0.7))
    canvas.pixels[kerb:] *= rng.uniform(0.7, 0.9)
    canvas.pixels[kerb : kerb + max(1, canvas.height // 90)] *= 1.3
    for _ in range(min(canvas.clutter, 2)):
        left, wide = rng.uniform(0, 0.9) * canvas.width, canvas.width * rng.uniform(0.06, 0.18)
        canvas.box(left, -2, wide, base * rng.uniform(0.3, 0.7), canvas.colour(30, 90, 12))


def _course(canvas: Canvas, rows: slice, slab: float) -> None:
    """One row of stones of uneven length and shade."""
    left = -canvas.rng.uniform(0, 2 * slab)
    while left < canvas.width:
        right = left + slab * canvas.rng.uniform(0.5, 2.2)
        canvas.pixels[rows, max(0, int(left)) : int(right)] *= 1 + canvas.rng.normal(0, 0.035)
        left = right


def park(canvas: Canvas) -> None:
    """Paint sky, clouds, hills, trees and grass."""
    rng, base, height = canvas.rng, canvas.base, canvas.height
    haze = np.array([226.0, 234.0, 238.0])
    sky = np.array([112.0, 168.0, 228.0]) * rng.uniform(0.75, 1.0) + rng.normal(0, 8, 3)
    canvas.gradient(0, base, np.clip(sky, 0, 245), haze)
    _clouds(canvas)
    green = np.array([78.0, 128.0, 62.0]) + rng.normal(0, 10, 3)
    for layer in range(3):
        top = base - height * (0.2 - 0.06 * layer) * rng.uniform(0.5, 1.1)
        distant = 0.45 - 0.2 * layer
        _hills(canvas, top, green * (1 - distant) + haze * np.array([0.75, 0.85, 0.9]) * distant)
    grass = green * rng.uniform(1.1, 1.35)
    canvas.gradient(base, height, grass * 0.88, grass * 1.15)
    canvas.grain(base, height, height / 90, 8)
    for _ in range(canvas.clutter):
        _tree(canvas, rng.uniform(0, canvas.width), green)
    for _ in range(canvas.clutter):
        _bush(canvas, rng.uniform(0, canvas.width), green)


def _clouds(canvas: Canvas) -> None:
    """Flat below and puffed above: noise stretched sideways."""
    shape = (max(2, canvas.base // 2), max(2, canvas.width // 4))
    noise = texture(canvas.rng, shape, canvas.height / 40)
    noise = np.repeat(np.repeat(noise, 2, axis=0), 4, axis=1)[: canvas.base, : canvas.width]
    cover = np.clip(noise - 0.35, 0, 0.7)[:, :, None] * 1.2
    sky = canvas.pixels[: noise.shape[0], : noise.shape[1]]
    sky += cover * (250 - sky)


def _hills(canvas: Canvas, top: float, colour: FloatArray) -> None:
    x = np.linspace(0, 1, 64)
    rise = np.zeros(64)
    for waves in (1, 2, 5):
        shift = canvas.rng.uniform()
        rise += canvas.rng.normal(0, 0.02) * np.sin(2 * np.pi * (waves * x + shift))
    outline = np.stack([x * canvas.width, top + canvas.height * rise], axis=1)
    bottom = np.array([[canvas.width, canvas.base], [0, canvas.base]])
    canvas.polygon(np.concatenate([outline, bottom]), colour)


def _tree(canvas: Canvas, x: float, green: FloatArray) -> None:
    rng, foot = canvas.rng, canvas.base + canvas.height * 0.012
    tall = canvas.height * rng.uniform(0.34, 0.72)
    trunk = np.array([[-0.035, 0], [-0.018, -0.6], [0.018, -0.6], [0.035, 0]]) * tall + [x, foot]
    canvas.polygon(trunk, np.array([92.0, 70.0, 52.0]) * rng.uniform(0.7, 1.2))
    leaf = green * rng.uniform(0.7, 1.05) + rng.normal(0, 6, 3)
    for k in range(70):
        angle, far = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform())
        across, up = 0.19 * far * np.cos(angle), 0.24 * far * np.sin(angle) + 0.72
        radii = tall * rng.uniform(0.03, 0.06) * np.array([1.0, 0.8])
        # Leaves high up and late in order catch the light.
        lit = leaf * (0.7 + 0.25 * k / 70 + 0.5 * (up - 0.5))
        canvas.blob((x + across * tall, foot - up * tall), radii.tolist(), lit)


def _bush(canvas: Canvas, x: float, green: FloatArray) -> None:
    rng, size = canvas.rng, canvas.height * canvas.rng.uniform(0.03, 0.07)
    leaf = green * rng.uniform(0.7, 1.0)
    for k in range(12):
        at = (x + rng.normal(0, 0.9) * size, canvas.base - rng.uniform(0, 0.8) * size)
        canvas.blob(at, (size * 0.5, size * 0.42), leaf * (0.8 + 0.025 * k))


def street(canvas: Canvas) -> None:
    """Paint house fronts with windows behind a pavement."""
    rng, base = canvas.rng, canvas.base
    x = -canvas.width * rng.uniform(0, 0.2)
    canvas.pixels[:base] = canvas.colour(190, 235, 8)
    while x < canvas.width:
        wide = canvas.width * rng.uniform(0.18, 0.5)
        _house(canvas, x, wide)
        x += wide + canvas.width * rng.choice([0.0, 0.04])
    pavement = canvas.colour(95, 175, 8)
    canvas.gradient(base, canvas.height, pavement * 0.9, pavement)
    kerb = base + round((canvas.height - base) * rng.uniform(0.05, 0.3))
    canvas.line((0, kerb), (canvas.width, kerb), canvas.height / 160, pavement * 0.7)
    for _ in range(canvas.clutter):
        tall, colour = canvas.height * rng.uniform(0.08, 0.16), canvas.colour(30, 110, 15)
        canvas.box(rng.uniform(0, canvas.width), base - tall, tall * 0.16, tall, colour)


def _house(canvas: Canvas, x: float, wide: float) -> None:
    rng, base = canvas.rng, canvas.base
    top, step = base * rng.uniform(-0.3, 0.35), canvas.height * rng.uniform(0.14, 0.22)
    front, pane = canvas.colour(100, 205, 14), canvas.colour(50, 120, 10)
    canvas.box(x, top, wide, base - top, front)
    row = top + canvas.height * 0.05
    while row < base - step * 0.7:
        for left in np.arange(x + step * 0.25, x + wide - step * 0.5, step * 0.8):
            canvas.box(left - 2, row - 2, step * 0.38 + 4, step * 0.6 + 4, front * 1.12)
            canvas.box(left, row, step * 0.38, step * 0.6, pane)
        row += step


def ground(canvas: Canvas) -> None:
    """Paint ground all over, as a camera sees it that looks down: concrete, asphalt or grass."""
    rng, height, width = canvas.rng, canvas.height, canvas.width
    grassy = rng.uniform() < 0.45
    tone = canvas.colour(70, 175, 5)
    if grassy:
        tone = np.array([92.0, 108.0, 66.0]) * rng.uniform(0.6, 1.3) + rng.normal(0, 8, 3)
    canvas.gradient(0, height, tone * rng.uniform(0.85, 1.05), tone * rng.uniform(0.95, 1.1))
    canvas.grain(0, height, height / 110, rng.uniform(3, 9))
    if grassy:
        earth = np.clip(texture(rng, (height, width), height / 25) - rng.uniform(-0.3, 0.6), 0, 1)
        bare = np.array([118.0, 102.0, 82.0]) * rng.uniform(0.6, 1.1)
        canvas.pixels[:] += 0.7 * earth[:, :, None] * (bare - canvas.pixels)
        canvas.grain(0, height, height / 140, 9)
    for _ in range(0 if grassy else int(rng.integers(0, 4))):
        # Joints between slabs, cracks, painted lines.
        left, right = rng.uniform(-0.2, 1.2, 2) * height
        shade = tone * (rng.uniform(0.5, 0.8) if rng.uniform() < 0.75 else 1.4)
        canvas.line((0, left), (width, right), height * rng.uniform(0.003, 0.014), shade)
    for _ in range(canvas.clutter * 3):
        spot = (rng.uniform(0, width), rng.uniform(0, height))
        size = height * rng.uniform(0.004, 0.02)
        canvas.blob(spot, (1.6 * size, 0.8 * size), tone * rng.uniform(0.6, 1.25))
