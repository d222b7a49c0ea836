"""Draws a person in a sequence of poses: shadow first, then far limbs before near ones.

What can be computed for a whole clip at once (joints, outlines of limbs and shadows) is; the loop
over frames fills polygons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import cv2
import numpy as np

from training.figures.brush import Brush, Outline, capsules, fill, fixed
from training.figures.camera import Camera, Frame, project
from training.figures.dressing import View, draw_head, draw_long_hair, draw_trunk
from training.figures.people import Colour, Figure
from training.figures.scenes import Scene
from training.figures.skeleton import Dof, FloatArray, Joint, joints

# Shadows are soft, so they are drawn at a quarter of the size.
_COARSER: Final = 4
# Above this many pixels per body height a figure shows five shades.
_FINE_PX: Final = 100


@dataclass(frozen=True, slots=True)
class _Part:
    """One capsule: from joint `a` to joint `b`, with a radius at each end in body heights."""

    a: Joint
    b: Joint
    radius_a: float
    radius_b: float
    colour: Colour


def _limbs(figure: Figure) -> list[tuple[_Part, ...]]:
    """Legs, then arms; left before right; parts from the far end to the trunk."""
    legs = [_leg(figure, hip) for hip in (Joint.LEFT_HIP, Joint.RIGHT_HIP)]
    return legs + [_arm(figure, k) for k in (Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER)]


def _leg(figure: Figure, hip: Joint) -> tuple[_Part, ...]:
    clothes, girth = figure.clothes, figure.build.girth
    loose = girth * clothes.loose
    wide = loose if clothes.legs == 1 else girth
    shank = clothes.trousers if clothes.legs == 1 else figure.skin
    thigh = figure.skin if clothes.legs == 2 else clothes.trousers
    knee, ankle, toe = (Joint(hip + k) for k in (1, 2, 3))
    return (
        _Part(ankle, toe, 0.021, 0.015, clothes.shoes),
        _Part(knee, ankle, 0.036 * wide, 0.025 * wide, shank),
        _Part(hip, knee, 0.051 * loose, 0.037 * wide, thigh),
    )


def _arm(figure: Figure, shoulder: Joint) -> tuple[_Part, ...]:
    clothes, girth = figure.clothes, figure.build.girth
    upper, fore = (girth * (clothes.loose if clothes.sleeves > k else 1.0) for k in (0, 1))
    sleeve = clothes.top if clothes.sleeves else figure.skin
    cuff = clothes.top if clothes.sleeves == 2 else figure.skin
    elbow, wrist, hand = (Joint(shoulder + k) for k in (1, 2, 3))
    return (
        _Part(wrist, hand, 0.015, 0.018, figure.skin),
        _Part(elbow, wrist, 0.025 * fore, 0.018 * fore, cuff),
        _Part(shoulder, elbow, 0.032 * upper, 0.026 * upper, sleeve),
    )


class FigurePainter:
    """Draws one person in a sequence of poses; one thread only."""

    def __init__(
        self, shown: tuple[Figure, FloatArray], camera: Camera, scene: Scene, size: tuple[int, int]
    ) -> None:
        """Compute all outlines.

        Args:
            shown: The person and their poses (T, len(Dof)).
            camera: From where.
            scene: In which light.
            size: Width and height of the frames in pixels.
        """
        self._figure, poses = shown
        self._size = size
        self._dark = scene.shadow
        space = joints(poses, self._figure.build)
        self._points, scale = project(space, camera, size)
        self._scale = scale.mean(axis=1) * self._figure.build.height
        yaw = np.radians(camera.yaw_deg)
        self._depth = space[..., 0] * np.sin(yaw) + space[..., 1] * np.cos(yaw)
        self._facing = np.radians(poses[:, Dof.HEADING]) + yaw
        light = np.array([scene.light, -0.8])
        fine = camera.person * size[1] > _FINE_PX
        self._brush = Brush(light / np.hypot(*light), scene.tint, fine)
        self._limbs = _limbs(self._figure)
        self._outlines = [[self._outline(part) for part in limb] for limb in self._limbs]
        self._shadows = self._shadow(space, camera, scene) if scene.shadow > 0 else None

    def _outline(self, part: _Part) -> list[Outline]:
        """Layers (T, 14, 2) of one part."""
        a, b = self._points[:, part.a], self._points[:, part.b]
        return self._brush.limb(a, b, part.radius_a * self._scale, part.radius_b * self._scale)

    def _shadow(self, space: FloatArray, camera: Camera, scene: Scene) -> Outline:
        """Outlines (parts, T, 14, 2) of the shadow on the ground, in coarser pixels."""
        fallen = space.copy()
        fallen[:, :, :2] += space[:, :, 2:] * np.array(scene.sun)
        fallen[:, :, 2] = 0
        points, scale = project(fallen, camera, self._size)
        points, size = points / _COARSER, scale.mean(axis=1) / _COARSER
        bones = [(p.a, p.b, p.radius_a, p.radius_b) for limb in self._limbs for p in limb]
        bones += [
            (Joint.LEFT_SHOULDER, Joint.RIGHT_HIP, 0.06, 0.06),
            (Joint.RIGHT_SHOULDER, Joint.LEFT_HIP, 0.06, 0.06),
            (Joint.NECK, Joint.HEAD, 0.03, 0.06),
        ]
        return np.stack(
            [
                fixed(capsules(points[:, a], points[:, b], ra * size, rb * size))
                for a, b, ra, rb in bones
            ]
        )

    def draw_shadow(self, frame: Frame, index: int) -> None:
        """Darken the ground where pose `index` throws its shadow.

        Args:
            frame: (H, W, 3) uint8 RGB, changed in place.
            index: Which pose.
        """
        if self._shadows is None:
            return
        width, height = self._size
        mask = np.zeros((-(-height // _COARSER), -(-width // _COARSER)), np.uint8)
        for outline in self._shadows[:, index]:
            fill(mask, outline, (255 * self._dark,))
        soft = cv2.GaussianBlur(mask, (0, 0), 0.6 + height / 400)
        rows = np.flatnonzero(soft.max(axis=1))
        if len(rows) == 0:
            return
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        full = (mask.shape[1] * _COARSER, (bottom - top) * _COARSER)
        area = frame[top * _COARSER : bottom * _COARSER]
        cover = cv2.resize(soft[top:bottom], full, interpolation=cv2.INTER_LINEAR)
        keep = 255 - cover[: len(area), :width].astype(np.uint16)
        area[:] = (area * keep[:, :, None] // 255).astype(np.uint8)

    def draw(self, frame: Frame, index: int) -> None:
        """Draw the person in pose `index`.

        Args:
            frame: (H, W, 3) uint8 RGB, changed in place.
            index: Which pose.
        """
        draw_people(frame, (self,), index)

    def parts(self, index: int) -> list[tuple[float, int]]:
        """Depth and number of each part of the body in pose `index`, for `draw_part`."""
        depth = self._depth[index]
        middle = float(depth[Joint.NECK] + depth[Joint.PELVIS]) / 2
        order = [(middle - 0.03, _TRUNK), (float(depth[Joint.HEAD]) - 0.035, _HEAD)]
        order.append((middle + (0.0 if np.cos(self._facing[index]) > 0.2 else -0.034), _HAIR))
        return order + [(self._limb_depth(k, depth), k) for k in range(len(self._limbs))]

    def draw_part(self, frame: Frame, index: int, part: tuple[float, int]) -> None:
        """Draw one of `parts` in place.

        Args:
            frame: (H, W, 3) uint8 RGB.
            index: Which pose.
            part: Its depth and number.
        """
        far, k = part
        if k >= 0:
            depth = self._depth[index]
            middle = float(depth[Joint.NECK] + depth[Joint.PELVIS]) / 2
            self._draw_limb(frame, k, index, 1.0 - 1.3 * float(np.clip(far - middle, 0, 0.2)))
            return
        view = View(self._points[index], float(self._scale[index]), float(self._facing[index]))
        draw = {_TRUNK: draw_trunk, _HEAD: draw_head, _HAIR: draw_long_hair}[k]
        draw(frame, self._brush, self._figure, view)

    def _draw_limb(self, frame: Frame, limb: int, index: int, shade: float) -> None:
        """Neighbours of one colour are painted as one, so that no seam shows at the joint."""
        parts = zip(self._limbs[limb], self._outlines[limb], strict=True)
        for colour, group in groupby(parts, key=lambda part: part[0].colour):
            shapes = [([layer[index] for layer in layers], colour) for _, layers in group]
            self._brush.paint(frame, shapes, shade)

    def _limb_depth(self, limb: int, depth: FloatArray) -> float:
        """Mean depth; arms count a little nearer, so hanging ones lie over the shirt."""
        parts = self._limbs[limb]
        mean = float(np.mean([depth[part.a] for part in parts]))
        return mean - (0.06 if limb >= _FIRST_ARM else 0.0)


def draw_people(frame: Frame, painters: Sequence[FigurePainter], index: int) -> None:
    """Draw people in one pose each, whatever is farther away first: arms may go round others.

    Args:
        frame: (H, W, 3) uint8 RGB, changed in place.
        painters: The people.
        index: Which pose.
    """
    order = [(part, who) for who, one in enumerate(painters) for part in one.parts(index)]
    for part, who in sorted(order, reverse=True):
        painters[who].draw_part(frame, index, part)


_TRUNK: Final = -1
_HEAD: Final = -2
_HAIR: Final = -3
_FIRST_ARM: Final = 2
