"""The articulated body: angles in, joint positions in space out.

Lengths are in body heights (1 = an adult of `BODY_HEIGHT_M`), angles in degrees. Space: X to the
right of the picture, Y away from the camera, Z up; the ground is Z = 0. A person with heading 0
faces the camera, with heading 90 the right edge of the picture. Segment lengths follow the usual
anthropometric table (Drillis and Contini 1966, as fractions of the body height).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

BODY_HEIGHT_M = 1.72


class Dof(IntEnum):
    """What one pose holds, in this order; the last sixteen once per side."""

    X = 0
    DEPTH = 1
    LIFT = 2
    HEADING = 3
    LEAN = 4
    SPINE = 5
    TILT = 6
    NOD = 7
    LEFT_FLEX = 8
    LEFT_ABDUCT = 9
    LEFT_ELBOW = 10
    LEFT_TWIST = 11
    LEFT_HIP = 12
    LEFT_SPREAD = 13
    LEFT_KNEE = 14
    LEFT_FOOT = 15
    RIGHT_FLEX = 16
    RIGHT_ABDUCT = 17
    RIGHT_ELBOW = 18
    RIGHT_TWIST = 19
    RIGHT_HIP = 20
    RIGHT_SPREAD = 21
    RIGHT_KNEE = 22
    RIGHT_FOOT = 23


class Joint(IntEnum):
    """Points of the body, in the order of the joint axis."""

    PELVIS = 0
    WAIST = 1
    NECK = 2
    HEAD = 3
    LEFT_SHOULDER = 4
    LEFT_ELBOW = 5
    LEFT_WRIST = 6
    LEFT_HAND = 7
    LEFT_HIP = 8
    LEFT_KNEE = 9
    LEFT_ANKLE = 10
    LEFT_TOE = 11
    RIGHT_SHOULDER = 12
    RIGHT_ELBOW = 13
    RIGHT_WRIST = 14
    RIGHT_HAND = 15
    RIGHT_HIP = 16
    RIGHT_KNEE = 17
    RIGHT_ANKLE = 18
    RIGHT_TOE = 19


_LEFT = slice(Dof.LEFT_FLEX, Dof.LEFT_FOOT + 1)
_RIGHT = slice(Dof.RIGHT_FLEX, Dof.RIGHT_FOOT + 1)
_ANKLE_HEIGHT = 0.036
_TOE_HEIGHT = 0.014


@dataclass(frozen=True, slots=True)
class Build:
    """Proportions of one body.

    Attributes:
        height: Factor on every length, 1 for an average adult.
        girth: Factor on every thickness.
        legs: Factor on the leg length; the trunk takes up the difference.
        shoulders: Half the distance of the shoulder joints, in body heights.
        hips: Half the distance of the hip joints, in body heights.
    """

    height: float = 1.0
    girth: float = 1.0
    legs: float = 1.0
    shoulders: float = 0.112
    hips: float = 0.055


def pose(time_s: FloatArray, **tracks: FloatArray | float) -> FloatArray:
    """Assemble poses from named tracks; whatever is not named stays at rest (0).

    Args:
        time_s: (T,) time; only its length matters.
        **tracks: Lower-case `Dof` names, each a number or (T,); a limb's name without side
            (`elbow`, `hip`, …) sets both sides.

    Returns:
        Poses (T, len(Dof)), degrees and body heights.

    Raises:
        KeyError: no such degree of freedom.
    """
    out = np.zeros((len(time_s), len(Dof)))
    for name, track in tracks.items():
        key = name.upper()
        for dof in (key,) if key in Dof.__members__ else (f"LEFT_{key}", f"RIGHT_{key}"):
            out[:, Dof[dof]] = track
    return out


def mirrored(poses: FloatArray) -> FloatArray:
    """Swap left and right; position, heading and lift stay.

    Args:
        poses: (T, len(Dof)).

    Returns:
        New array (T, len(Dof)).
    """
    out = poses.copy()
    out[:, _LEFT], out[:, _RIGHT] = poses[:, _RIGHT], poses[:, _LEFT]
    out[:, Dof.TILT] *= -1
    return out


def joints(poses: FloatArray, build: Build) -> FloatArray:
    """Forward kinematics; the lowest sole stands on the ground unless the pose has lift.

    Args:
        poses: (T, len(Dof)), degrees and body heights.
        build: Proportions.

    Returns:
        Positions (T, len(Joint), 3) in body heights.
    """
    local = np.zeros((len(poses), len(Joint), 3))
    _trunk(poses, build, local)
    soles = [_leg(poses, build, local, side) for side in (1, -1)]
    for side in (1, -1):
        _arm(poses, build, local, side)
    floor = np.minimum(soles[0], soles[1])
    local[:, :, 2] += (poses[:, Dof.LIFT] - floor)[:, None]
    return _placed(local * build.height, poses)


def _placed(local: FloatArray, poses: FloatArray) -> FloatArray:
    """Turn body axes (left, forward, up) by the heading and move them to their place."""
    heading = np.radians(poses[:, Dof.HEADING])[:, None]
    left, forward = local[:, :, 0], local[:, :, 1]
    world = np.empty_like(local)
    world[:, :, 0] = left * np.cos(heading) + forward * np.sin(heading) + poses[:, [Dof.X]]
    world[:, :, 1] = left * np.sin(heading) - forward * np.cos(heading) + poses[:, [Dof.DEPTH]]
    world[:, :, 2] = local[:, :, 2]
    return world


def _trunk(poses: FloatArray, build: Build, out: FloatArray) -> None:
    trunk = 0.288 + 0.49 * (1.0 - build.legs)
    tilt, lean = np.radians(poses[:, Dof.TILT]), np.radians(poses[:, Dof.LEAN])
    bent = lean + np.radians(poses[:, Dof.SPINE])
    out[:, Joint.WAIST] = 0.45 * trunk * _upward(lean, tilt)
    out[:, Joint.NECK] = out[:, Joint.WAIST] + 0.55 * trunk * _upward(bent, tilt)
    nod = bent + np.radians(poses[:, Dof.NOD])
    out[:, Joint.HEAD] = out[:, Joint.NECK] + 0.105 * _upward(nod, tilt)


def _leg(poses: FloatArray, build: Build, out: FloatArray, side: int) -> FloatArray:
    """Fill one leg; the return value is the height (T,) of its sole."""
    first = Joint.LEFT_HIP if side > 0 else Joint.RIGHT_HIP
    angles = np.radians(poses[:, _LEFT if side > 0 else _RIGHT])
    hip, spread, knee, foot = angles[:, 4:].T
    out[:, first, 0] = side * build.hips
    out[:, first + 1] = out[:, first] + 0.245 * build.legs * _downward(hip, spread, side)
    out[:, first + 2] = out[:, first + 1] + 0.246 * build.legs * _downward(hip - knee, spread, side)
    # Toes point a little outwards.
    sole = np.stack(
        [side * np.sin(0.18) * np.cos(foot), np.cos(0.18) * np.cos(foot), np.sin(foot)], axis=1
    )
    ankle = out[:, first + 2]
    out[:, first + 3] = ankle + 0.105 * sole
    # The ball of a flat foot lies lower than the ankle.
    out[:, first + 3, 2] -= (_ANKLE_HEIGHT - _TOE_HEIGHT) * np.cos(foot)
    heel = ankle[:, 2] - _ANKLE_HEIGHT * np.cos(foot) - 0.03 * np.sin(foot)
    lowest: FloatArray = np.minimum(heel, out[:, first + 3, 2] - _TOE_HEIGHT)
    return lowest


def _arm(poses: FloatArray, build: Build, out: FloatArray, side: int) -> None:
    first = Joint.LEFT_SHOULDER if side > 0 else Joint.RIGHT_SHOULDER
    angles = np.radians(poses[:, _LEFT if side > 0 else _RIGHT][:, :4])
    upper, fore = _arm_directions(angles, side)
    bent = np.radians(poses[:, Dof.LEAN] + poses[:, Dof.SPINE])
    tilt = np.radians(poses[:, Dof.TILT])
    socket = np.zeros_like(upper)
    socket[:, 0] = side * build.shoulders
    # Raised arms lift the shoulders: without it hands do not meet over the head.
    socket[:, 2] = 0.035 * np.clip(upper[:, 2], 0, 1) - 0.02
    out[:, first] = out[:, Joint.NECK] + _with_chest(socket, bent, tilt)
    out[:, first + 1] = out[:, first] + 0.182 * _with_chest(upper, bent, tilt)
    out[:, first + 2] = out[:, first + 1] + 0.146 * _with_chest(fore, bent, tilt)
    out[:, first + 3] = out[:, first + 2] + 0.055 * _with_chest(fore, bent, tilt)


def _arm_directions(angles: FloatArray, side: int) -> tuple[FloatArray, FloatArray]:
    """Unit vectors (T, 3) of upper arm and forearm in chest axes.

    The elbow bends forward at twist 0, towards rising abduction (over the head) at 90 degrees and
    across the belly at -90.
    """
    flex, abduct, elbow, twist = angles.T
    upper = _downward(flex, abduct, side)
    forward = np.stack([np.zeros_like(flex), np.cos(flex), np.sin(flex)], axis=1)
    outward = np.stack(
        [side * np.cos(abduct), -np.sin(abduct) * np.sin(flex), np.sin(abduct) * np.cos(flex)],
        axis=1,
    )
    across = np.cos(twist)[:, None] * forward + np.sin(twist)[:, None] * outward
    return upper, np.cos(elbow)[:, None] * upper + np.sin(elbow)[:, None] * across


def _upward(pitch: FloatArray, tilt: FloatArray) -> FloatArray:
    return np.stack(
        [np.sin(tilt), np.cos(tilt) * np.sin(pitch), np.cos(tilt) * np.cos(pitch)], axis=1
    )


def _downward(flex: FloatArray, abduct: FloatArray, side: int) -> FloatArray:
    return np.stack(
        [side * np.sin(abduct), np.cos(abduct) * np.sin(flex), -np.cos(abduct) * np.cos(flex)],
        axis=1,
    )


def _with_chest(vector: FloatArray, bent: FloatArray, tilt: FloatArray) -> FloatArray:
    """Rotate from chest axes to body axes: sideways tilt first, then the forward bend."""
    left = vector[:, 0] * np.cos(tilt) + vector[:, 2] * np.sin(tilt)
    up = vector[:, 2] * np.cos(tilt) - vector[:, 0] * np.sin(tilt)
    forward = vector[:, 1] * np.cos(bent) + up * np.sin(bent)
    up = up * np.cos(bent) - vector[:, 1] * np.sin(bent)
    return np.stack([left, forward, up], axis=1)
