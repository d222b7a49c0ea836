"""Backgrounds under a roof: a living room, a gymnasium, a studio; and no place at all."""

import numpy as np

from training.figures.canvas import Canvas, texture

_WHITE = np.array([240.0, 238.0, 232.0])
_WOOD = np.array([170.0, 128.0, 88.0])


def living_room(canvas: Canvas) -> None:
    """Paint a wall with skirting, floor boards, a window, pictures, furniture and a rug."""
    rng, base, height, width = canvas.rng, canvas.base, canvas.height, canvas.width
    tone = canvas.colour(165, 228, 9)
    canvas.gradient(0, base, tone * 1.02, tone * 0.92)
    _boards(canvas)
    canvas.box(-2, base - height * 0.03, width + 4, height * 0.03, np.clip(tone * 1.15, 0, 248))
    if rng.uniform() < 0.8:
        _window(canvas, rng.uniform(0.02, 0.75) * width)
    places = rng.permutation(8)[: canvas.clutter]
    for k, place in enumerate(places):
        x = width * (place + rng.uniform(0.1, 0.5)) / 8
        (_picture, _shelf, _plant_pot, _cupboard)[k % 4](canvas, x)
    if rng.uniform() < 0.6:
        rug, middle = canvas.colour(90, 190, 18), (base + height * 1.02) / 2
        centre, radii = (
            (width * rng.uniform(0.3, 0.7), middle),
            (width * 0.34, (height - base) * 0.36),
        )
        canvas.blob(centre, radii, rug * 0.8)
        canvas.blob(centre, (radii[0] * 0.93, radii[1] * 0.86), rug)


def _boards(canvas: Canvas) -> None:
    floor = _WOOD * canvas.rng.uniform(0.6, 1.2) + canvas.rng.normal(0, 6, 3)
    canvas.gradient(canvas.base, canvas.height, floor * 0.84, floor)
    for k in range(-14, 15):
        a = (canvas.width * (0.5 + 0.09 * k), canvas.base)
        b = (canvas.width * (0.5 + 0.16 * k), canvas.height)
        canvas.line(a, b, canvas.height / 400, floor * 0.78)


def _window(canvas: Canvas, x: float) -> None:
    rng, base = canvas.rng, canvas.base
    wide, top, tall = base * rng.uniform(0.34, 0.55), base * 0.12, base * rng.uniform(0.4, 0.55)
    edge = canvas.height / 90
    canvas.box(x - edge, top - edge, wide + 2 * edge, tall + 2 * edge, _WHITE)
    left, right = max(0, round(x)), min(canvas.width, round(x + wide))
    mix = np.linspace(0, 1, round(tall))[:, None, None]
    view = np.array([160.0, 202.0, 240.0]) * (1 - mix) + np.array([228.0, 236.0, 232.0]) * mix
    canvas.pixels[round(top) : round(top) + round(tall), left:right] = view
    arc = np.linspace(0, np.pi, 24)
    crown = np.stack([0.3 + 0.2 * np.cos(arc), 1 - 0.3 * np.sin(arc)], axis=1)
    canvas.polygon(crown * [wide, tall] + [x, top], np.array([112.0, 150.0, 98.0]))
    canvas.box(x, top + tall, wide, edge * 2, _WHITE)
    canvas.box(x + wide / 2 - edge / 2, top, edge, tall, _WHITE)
    _curtains(canvas, x, wide)


def _curtains(canvas: Canvas, x: float, wide: float) -> None:
    cloth, top = canvas.colour(120, 230, 18), canvas.base * 0.08
    for side in (x - 0.16 * wide, x + 0.98 * wide):
        for fold in range(4):
            shade = cloth * (0.86 + 0.07 * (fold % 3))
            canvas.box(side + fold * 0.045 * wide, top, 0.045 * wide, canvas.base * 0.88, shade)


def _picture(canvas: Canvas, x: float) -> None:
    wide, top = (
        canvas.width * canvas.rng.uniform(0.05, 0.1),
        canvas.base * canvas.rng.uniform(0.15, 0.4),
    )
    tall, edge = wide * canvas.rng.uniform(0.7, 1.3), canvas.height / 110
    canvas.box(x, top, wide, tall, _WOOD * 0.6)
    canvas.box(x + edge, top + edge, wide - 2 * edge, tall - 2 * edge, canvas.colour(90, 220, 28))
    canvas.blob(
        (x + wide / 2, top + tall * 0.6), (wide * 0.25, tall * 0.2), canvas.colour(60, 220, 30)
    )


def _shelf(canvas: Canvas, x: float) -> None:
    """A shelf with books."""
    rng, wide = canvas.rng, canvas.width * 0.1
    tall = canvas.height * rng.uniform(0.3, 0.5)
    top = canvas.base + canvas.height * 0.01 - tall
    wood = _WOOD * rng.uniform(0.5, 0.9)
    canvas.box(x, top, wide, tall, wood)
    for row in range(4):
        floor, left = top + tall * (row + 0.93) / 4, x + 0.06 * wide
        canvas.box(
            x + 0.05 * wide, top + tall * (row + 0.1) / 4, 0.9 * wide, tall * 0.21, wood * 0.6
        )
        while left < x + 0.86 * wide:
            thick, high = wide * rng.uniform(0.04, 0.1), tall * rng.uniform(0.13, 0.18)
            canvas.box(left, floor - high, thick, high, canvas.colour(60, 200, 35))
            left += thick


def _plant_pot(canvas: Canvas, x: float) -> None:
    rng, size = canvas.rng, canvas.height * canvas.rng.uniform(0.12, 0.2)
    foot = canvas.base + canvas.height * 0.015
    for k in range(9):
        angle = (k - 4) * 0.3 + rng.normal(0, 0.08)
        tip = np.array([x + size * np.sin(angle) * 1.1, foot - 0.4 * size - size * np.cos(angle)])
        stem = np.array([x, foot - 0.4 * size])
        middle, wide = (stem + tip) / 2, size * 0.08 * np.array([np.cos(angle), np.sin(angle)])
        leaf = np.array([72.0, 122.0, 66.0]) * rng.uniform(0.75, 1.15)
        canvas.polygon(np.stack([stem, middle - wide, tip, middle + wide]), leaf)
    pot = np.array([[-0.3, -0.45], [0.3, -0.45], [0.22, 0], [-0.22, 0]]) * size + [x, foot]
    canvas.polygon(pot, canvas.colour(110, 210, 22))


def _cupboard(canvas: Canvas, x: float) -> None:
    rng, wide = canvas.rng, canvas.width * canvas.rng.uniform(0.09, 0.16)
    tall = canvas.height * rng.uniform(0.14, 0.24)
    top, colour = canvas.base + canvas.height * 0.012 - tall, canvas.colour(90, 210, 14)
    canvas.box(x, top, wide, tall, colour)
    canvas.line((x + wide / 2, top), (x + wide / 2, top + tall), canvas.height / 300, colour * 0.7)
    for knob in (0.44, 0.56):
        size = canvas.height / 150
        canvas.blob((x + knob * wide, top + tall / 2), (size, size), colour * 0.5)


def hall(canvas: Canvas) -> None:
    """Paint a gymnasium: two-coloured wall, high windows, wall bars, lined floor."""
    rng, base, height, width = canvas.rng, canvas.base, canvas.height, canvas.width
    upper, lower = canvas.colour(185, 235, 6), canvas.colour(110, 190, 16)
    split = round(base * rng.uniform(0.5, 0.75))
    canvas.gradient(0, split, upper, upper * 0.95)
    canvas.gradient(split, base, lower, lower * 0.93)
    floor = np.array([204.0, 158.0, 104.0]) * rng.uniform(0.7, 1.08) + rng.normal(0, 8, 3)
    canvas.gradient(base, height, floor * 0.88, floor * 1.05)
    _high_windows(canvas, int(rng.integers(0, 6)))
    for _ in range(int(rng.integers(1, 4))):
        row = base + (height - base) * rng.uniform(0.1, 0.95)
        canvas.line((0, row), (width, row), height / 110, canvas.colour(120, 240, 45))
    for _ in range(canvas.clutter // 2):
        _bars(canvas, rng.uniform(0, 0.9) * width)
    if canvas.clutter:
        tall = height * rng.uniform(0.05, 0.12)
        mat = canvas.colour(60, 160, 25)
        canvas.box(rng.uniform(0, 0.8) * width, base - tall, tall * rng.uniform(1.5, 3), tall, mat)


def _high_windows(canvas: Canvas, count: int) -> None:
    top, tall, pitch = canvas.base * 0.08, canvas.base * 0.22, canvas.width / max(count, 1)
    frame = canvas.colour(150, 230, 5)
    for k in range(count):
        x, wide = pitch * (k + 0.15), pitch * 0.7
        canvas.box(x, top, wide, tall, np.array([206.0, 224.0, 238.0]))
        for post in (x + wide / 3, x + wide * 2 / 3):
            canvas.line((post, top), (post, top + tall), canvas.height / 200, frame)


def _bars(canvas: Canvas, x: float) -> None:
    """Wall bars."""
    wide, top = canvas.width * 0.08, canvas.base * 0.34
    for rung in np.arange(top, canvas.base, canvas.height * 0.03):
        canvas.line((x, rung), (x + wide, rung), canvas.height / 130, _WOOD * 1.1)
    for side in (x, x + wide):
        canvas.line((side, top), (side, canvas.base), canvas.height / 90, _WOOD * 0.85)


def studio(canvas: Canvas) -> None:
    """Paint a plain backdrop that runs smoothly into the floor."""
    rng, tone = canvas.rng, canvas.colour(40, 235, 16)
    canvas.gradient(0, canvas.base, tone * rng.uniform(0.75, 1.05), tone)
    canvas.gradient(canvas.base, canvas.height, tone * 0.97, tone * rng.uniform(0.7, 0.95))
    canvas.grain(0, canvas.height, canvas.height / 20, 8 * rng.uniform() * min(1, canvas.clutter))


def abstract(canvas: Canvas) -> None:
    """Paint no place at all: noise and shapes, so that no model trusts a background."""
    rng, shape = canvas.rng, canvas.pixels.shape[:2]
    contrast, tone = rng.uniform(8, 45), canvas.colour(60, 200, 22)
    cell = canvas.height / rng.uniform(8, 40)
    shared = texture(rng, shape, cell)
    for channel in range(3):
        own = texture(rng, shape, cell)
        canvas.pixels[:, :, channel] = tone[channel] + contrast * (0.8 * shared + 0.3 * own)
    canvas.pixels[canvas.base :] *= rng.uniform(0.7, 1.2)
    size = np.array([canvas.width, canvas.height])
    for _ in range(3 * canvas.clutter):
        corners = rng.uniform(0, 1, 2) * size + rng.normal(0, 0.1 * canvas.height, (4, 2))
        canvas.polygon(corners, canvas.colour(20, 235, 30))
