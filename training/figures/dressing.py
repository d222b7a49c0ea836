"""Trunk and head: what is neither arm nor leg, with clothes, hair and face."""

from dataclasses import dataclass

import cv2
import numpy as np

from training.figures.brush import Brush, Disc, capsules, fill, fixed
from training.figures.camera import Frame
from training.figures.people import Colour, Figure
from training.figures.skeleton import FloatArray, Joint


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One person in one frame, projected.

    Attributes:
        points: (len(Joint), 2) joints in pixels.
        scale: Pixels per body height of this person.
        facing: Heading towards the camera in radians: 0 faces it, positive the right edge.
    """

    points: FloatArray
    scale: float
    facing: float


def draw_trunk(frame: Frame, brush: Brush, figure: Figure, view: View) -> None:
    """Draw hips, shirt and neck in place.

    Args:
        frame: (H, W, 3) uint8 RGB.
        brush: The light.
        figure: The person.
        view: The joints.
    """
    clothes, p = figure.clothes, view.points
    size = figure.build.girth * (0.75 + 0.25 * clothes.loose) * view.scale
    neck = [(p[Joint.NECK], 0.024 * size), (0.5 * (p[Joint.NECK] + p[Joint.HEAD]), 0.023 * size)]
    brush.paint(frame, [(brush.hull(neck), figure.skin)])
    hips: list[Disc] = [(p[k], 0.05 * size) for k in (Joint.LEFT_HIP, Joint.RIGHT_HIP)]
    lower = hips if clothes.legs != 2 else hips + _skirt(figure, view)
    brush.paint(frame, [(brush.hull(lower), clothes.trousers)])
    shirt = [(brush.hull(discs), clothes.top) for discs in _shirt(hips, view, size)]
    brush.paint(frame, shirt)
    if clothes.print == "jacket":
        _draw_opening(frame, brush, figure, view)
    elif clothes.print != "plain":
        _draw_bands(frame, brush, figure, view)


def _shirt(hips: list[Disc], view: View, size: float) -> list[list[Disc]]:
    """Three pieces that bend with the spine: seat to waist, waist to chest, chest to collar."""
    p = view.points
    seat = [(0.82 * centre + 0.18 * p[Joint.WAIST], radius) for centre, radius in hips]
    low = 0.14 * (p[Joint.WAIST] - p[Joint.NECK])
    waist: list[Disc] = []
    chest: list[Disc] = []
    for k in (Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER):
        waist.append((0.65 * p[Joint.WAIST] + 0.35 * p[k], 0.055 * size))
        chest.append((0.28 * p[Joint.NECK] + 0.72 * p[k] + low, 0.052 * size))
    return [seat + waist, waist + chest, [*chest, (p[Joint.NECK], 0.03 * size)]]


def _skirt(figure: Figure, view: View) -> list[Disc]:
    p, radius = view.points, 0.055 * figure.build.girth * view.scale
    hems = ((Joint.LEFT_HIP, Joint.LEFT_KNEE), (Joint.RIGHT_HIP, Joint.RIGHT_KNEE))
    return [(0.25 * p[hip] + 0.75 * p[knee], radius) for hip, knee in hems]


def _draw_opening(frame: Frame, brush: Brush, figure: Figure, view: View) -> None:
    """What shows beneath an open jacket, seen from the front."""
    front = float(np.cos(view.facing))
    if front > 0.15:
        low = 0.5 * (view.points[Joint.PELVIS] + view.points[Joint.WAIST])
        half = np.array(0.026 * view.scale * front)
        strip = capsules(view.points[Joint.NECK], low, half * 0.8, half)
        fill(frame, fixed(strip), brush.ink(figure.clothes.pattern, 0.95))


def _draw_bands(frame: Frame, brush: Brush, figure: Figure, view: View) -> None:
    """Stripes, or a block of the second colour, across the trunk."""
    low = 0.5 * (view.points[Joint.PELVIS] + view.points[Joint.WAIST])
    up = view.points[Joint.NECK] - low
    striped = figure.clothes.print == "stripes"
    width = max(1, round((0.018 if striped else 0.034) * view.scale))
    for along in (0.05, 0.3, 0.55) if striped else (0.42, 0.52, 0.62):
        edge = _across(figure, view, along)
        a, b = fixed(np.stack([low + along * up - edge, low + along * up + edge])).tolist()
        ink = brush.ink(figure.clothes.pattern, 0.95)
        cv2.line(frame, a, b, ink, width, cv2.LINE_AA, 4)


def _across(figure: Figure, view: View, along: float) -> FloatArray:
    """Half the trunk's width as a vector (2,) in pixels, `along` of the way up."""
    p, girth = view.points, figure.build.girth
    spine = p[Joint.NECK] - p[Joint.PELVIS]
    side = np.array([-spine[1], spine[0]]) / max(float(np.hypot(*spine)), 1e-6)
    lateral = 0.5 * (p[Joint.LEFT_SHOULDER] - p[Joint.RIGHT_SHOULDER])
    half = (0.55 + 0.2 * along) * abs(float(lateral @ side)) + 0.036 * girth * view.scale
    out: FloatArray = half * side
    return out


def draw_head(frame: Frame, brush: Brush, figure: Figure, view: View) -> None:
    """Draw skull, hair and, if there is room, eyes, in place.

    Args:
        frame: (H, W, 3) uint8 RGB.
        brush: The light.
        figure: The person.
        view: The joints.
    """
    hair = figure.clothes.pattern if figure.haircut == "cap" else figure.hair
    up, side = _head_axes(view)
    nose = side * float(np.sin(view.facing))
    size, centre = view.scale, view.points[Joint.HEAD]
    low: Disc = (centre - up * 0.024 * size + nose * 0.008 * size, 0.04 * size)
    if figure.haircut != "bald":
        crown = centre + up * 0.024 * size - nose * 0.012 * size
        brush.paint(frame, [(brush.hull([(crown, 0.058 * size)]), hair)])
        if np.cos(view.facing) < -0.35:
            brush.paint(frame, [(brush.hull([(crown, 0.058 * size), low]), hair)])
            return
    top: Disc = (centre + up * 0.01 * size + nose * 0.016 * size, 0.047 * size)
    brush.paint(frame, [(brush.hull([top, low]), figure.skin)])
    if figure.haircut != "bald":
        _draw_fringe(frame, brush, view, hair)
    if size > 110:
        _draw_eyes(frame, brush, view)


def _head_axes(view: View) -> tuple[FloatArray, FloatArray]:
    up = view.points[Joint.HEAD] - view.points[Joint.NECK]
    up = up / max(float(np.hypot(*up)), 1e-6)
    return up, np.array([-up[1], up[0]])


def draw_long_hair(frame: Frame, brush: Brush, figure: Figure, view: View) -> None:
    """Draw what hangs down or is tied up behind the head, in place, if there is any.

    Args:
        frame: (H, W, 3) uint8 RGB.
        brush: The light.
        figure: The person.
        view: The joints.
    """
    size, (up, side) = view.scale, _head_axes(view)
    back = view.points[Joint.HEAD] - side * float(np.sin(view.facing)) * 0.03 * size
    if figure.haircut == "bun":
        knot = back - side * float(np.sin(view.facing)) * 0.03 * size + up * 0.045 * size
        brush.paint(frame, [(brush.hull([(knot, 0.03 * size)]), figure.hair)])
    if figure.haircut == "long":
        # It falls straight down, whatever the head does.
        fall = back + np.array([0.0, 0.085 * size])
        wide = 0.03 * abs(float(np.cos(view.facing))) * size
        ends: list[Disc] = [(fall - side * wide, 0.032 * size), (fall + side * wide, 0.032 * size)]
        brush.paint(frame, [(brush.hull([(back, 0.058 * size), *ends]), figure.hair)])


def _draw_fringe(frame: Frame, brush: Brush, view: View, hair: Colour) -> None:
    """Hair over the forehead, and over the ear when seen from the side."""
    size, (up, side) = view.scale, _head_axes(view)
    turned = float(np.sin(view.facing))
    crown = view.points[Joint.HEAD] + up * 0.05 * size
    reach = 0.034 * size
    a = crown - side * reach + side * turned * 0.008 * size
    b = crown + side * reach + side * turned * 0.008 * size
    discs: list[Disc] = [(a, 0.024 * size), (b, 0.024 * size)]
    if abs(turned) > 0.4:
        ear = view.points[Joint.HEAD] - side * turned * 0.028 * size
        discs = [(a, 0.026 * size), (b, 0.02 * size), (ear, 0.026 * size)]
    brush.paint(frame, [(brush.hull(discs), hair)])


def _draw_eyes(frame: Frame, brush: Brush, view: View) -> None:
    up, side = _head_axes(view)
    for eye in (-0.42, 0.42):
        turned = view.facing + eye
        if np.cos(turned) > 0.1:
            at = view.points[Joint.HEAD] + side * np.sin(turned) * 0.046 * view.scale
            x, y = fixed(at + up * 0.004 * view.scale).tolist()
            radius = max(8, round(0.0066 * view.scale * 16))
            cv2.circle(frame, (x, y), radius, brush.ink((40, 30, 28)), -1, cv2.LINE_AA, 4)
