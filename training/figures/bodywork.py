"""Moving a body from posture to posture and from place to place, and bringing it to a touch."""

from collections.abc import Sequence

import numpy as np

from training.figures.rhythm import cycle
from training.figures.skeleton import Build, Dof, FloatArray, Joint, joints, pose

# One vector of a track and when it is reached.
Key = tuple[float, FloatArray]
# How far a walker goes in one cycle of two steps, body heights.
_STRIDE = 0.74
# Steps reach their full width at this speed, body heights per second.
_FULL_STEP = 0.45
# Angles over one cycle, as `travelling.walk` has them.
_GAIT = {
    "hip": ((0, 27), (0.12, 22), (0.3, 4), (0.5, -15), (0.6, -8), (0.75, 20), (0.87, 31)),
    "knee": ((0, 4), (0.13, 16), (0.38, 6), (0.52, 26), (0.63, 50), (0.72, 60), (0.86, 28)),
    "foot": ((0, 18), (0.1, 0), (0.38, 0), (0.52, -28), (0.63, -58), (0.75, -22), (0.9, 14)),
}


def posture(limb: int = 1, **angles: float) -> FloatArray:
    """One posture as degrees away from standing.

    Args:
        limb: Which side `main_…` means: +1 left, -1 right; `other_…` is the opposite one.
        **angles: Names of `pose`, also with `main_` and `other_` for a side.

    Returns:
        (len(Dof),) degrees.
    """
    sides = ("left_", "right_") if limb > 0 else ("right_", "left_")
    named = {
        name.replace("main_", sides[0]).replace("other_", sides[1]): angle
        for name, angle in angles.items()
    }
    out: FloatArray = pose(np.zeros(1), **named)[0]
    return out


def keyed(time_s: FloatArray, keys: Sequence[Key]) -> FloatArray:
    """Go smoothly from key to key, resting at each.

    Args:
        time_s: (T,) seconds.
        keys: Times and vectors (D,); a time before its predecessor's counts as just after it.

    Returns:
        (T, D) the track; before the first and after the last key it stands still.
    """
    at = np.array([key[0] for key in keys], float)
    at = np.maximum.accumulate(at) + 1e-3 * np.arange(len(at))
    values = np.stack([key[1] for key in keys])
    if len(keys) == 1:
        return np.repeat(values, len(time_s), axis=0)
    i = np.clip(np.searchsorted(at, time_s, side="right") - 1, 0, len(at) - 2)
    u = np.clip((time_s - at[i]) / (at[i + 1] - at[i]), 0, 1)
    mix = (u * u * (3 - 2 * u))[:, None]
    out: FloatArray = values[i] * (1 - mix) + values[i + 1] * mix
    return out


def stepping(time_s: FloatArray, poses: FloatArray, phase: float, swing: float) -> FloatArray:
    """Steps (T, len(Dof)) that carry a body along its path, forwards or backwards.

    Args:
        time_s: (T,) seconds, evenly spaced.
        poses: (T, len(Dof)) with position and heading.
        phase: Of the steps at the start, 0 to 1.
        swing: How far the arms swing along, degrees.

    Returns:
        What to add to the poses.
    """
    if len(time_s) < 2:
        return np.zeros_like(poses)
    speed = _speed(time_s, poses)
    dt = float(time_s[1] - time_s[0])
    width = max(1, round(0.2 / dt))
    wide = np.convolve(np.pad(np.abs(speed), width, "edge"), np.ones(width) / width, "same")
    wide = np.clip(wide[width:-width] / _FULL_STEP, 0, 1)
    going = phase + np.cumsum(speed) * dt / _STRIDE
    tracks: dict[str, FloatArray | float] = {}
    for side, p in (("left", going), ("right", going + 0.5)):
        tracks |= {f"{side}_{joint}": wide * cycle(p, *knots) for joint, knots in _GAIT.items()}
        # The arm goes with the other leg.
        tracks[f"{side}_flex"] = -swing * wide * np.cos(2 * np.pi * (p - 0.03))
    return pose(time_s, **tracks)


def _speed(time_s: FloatArray, poses: FloatArray) -> FloatArray:
    """Speed (T,) along the path, negative while walking backwards."""
    heading = np.radians(poses[:, Dof.HEADING])
    vx = np.gradient(poses[:, Dof.X], time_s)
    vy = np.gradient(poses[:, Dof.DEPTH], time_s)
    ahead = vx * np.sin(heading) - vy * np.cos(heading)
    return np.hypot(vx, vy) * np.where(ahead < 0, -1.0, 1.0)


def hand_of(limb: int) -> tuple[list[Dof], list[Joint]]:
    """Angle that raises an arm, and its hand: +1 the left, -1 the right one."""
    if limb > 0:
        return [Dof.LEFT_FLEX], [Joint.LEFT_HAND]
    return [Dof.RIGHT_FLEX], [Joint.RIGHT_HAND]


def raised(
    body: FloatArray, build: Build, limb: tuple[Sequence[Dof], Sequence[Joint]], height: float
) -> FloatArray:
    """Raise a limb until its end is as high as wanted, or as near as it gets.

    Args:
        body: (len(Dof),) pose.
        build: Proportions.
        limb: Angles to change, alike, and the joints whose mean height counts.
        height: Body heights above the ground.

    Returns:
        New pose (len(Dof),).
    """
    dofs, ends = limb
    tries = np.repeat(body[None, :], 241, axis=0)
    tries[:, dofs] = np.linspace(-10, 140, 241)[:, None]
    reached = joints(tries, build)[:, list(ends), 2].mean(axis=1)
    best: FloatArray = tries[int(np.argmin(np.abs(reached - height)))]
    return best
