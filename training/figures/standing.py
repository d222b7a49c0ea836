"""The actions on the spot: pjump, jack, wave1, wave2, bend."""

from dataclasses import replace

import numpy as np

from training.figures.rhythm import Style, cycle, hop, led, wandering_phase
from training.figures.skeleton import FloatArray, pose


def pjump(time_s: FloatArray, style: Style) -> FloatArray:
    """Pjump: jumping on the spot with both feet, arms at the sides.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    ground = 1 - style.flight
    deep = (38 + 22 * style.variant) * style.amplitude
    knee = cycle(
        phase,
        (0, 12),
        (0.5 * ground, deep),
        (ground, 4),
        (ground + 0.5 * style.flight, 8 + 22 * style.variant),
    )
    air = cycle(phase, (0.5 * ground, 0), (ground, 0.8), (ground + 0.35 * style.flight, 1))
    foot = cycle(phase, (0, -8), (0.5 * ground, 0), (ground, -40), (ground + style.flight / 2, -45))
    return pose(
        time_s,
        lift=hop(phase, ground, style.flight, style.cadence_hz),
        lean=0.22 * knee,
        hip=0.5 * knee,
        knee=knee,
        foot=foot,
        abduct=7 + (4 + 14 * style.variant) * air,
        elbow=10 + 18 * style.variant,
        twist=-20.0,
        spread=2.0,
    )


def jack(time_s: FloatArray, style: Style) -> FloatArray:
    """Jack: jumping jacks, arms up while the legs are apart.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    air = style.flight / 2
    lift = hop(phase, 0.1, air, style.cadence_hz) + hop(phase, 0.6, air, style.cadence_hz)
    apart = cycle(phase, (0, 0), (0.08, 0), (0.36, 0.95), (0.5, 1), (0.6, 0.95), (0.88, 0.02))
    crouch = cycle(phase, (0, 1), (0.1, 0.2), (0.3, 0.1), (0.46, 0.9), (0.6, 0.2), (0.84, 0.1))
    rise = cycle(phase, (0, 0), (0.06, 0.03), (0.25, 0.5), (0.45, 0.98), (0.53, 1), (0.75, 0.5))
    knee = 20 * style.amplitude * crouch
    return pose(
        time_s,
        lift=lift,
        hip=0.5 * knee,
        knee=knee,
        lean=0.15 * knee,
        spread=2 + 23 * style.amplitude * apart,
        foot=-40 * np.clip(lift / 0.06, 0, 1),
        abduct=7 + (161 + 9 * style.variant) * rise,
        elbow=12 + (8 + 22 * style.variant) * rise**2,
        twist=-20 + 105 * rise,
    )


def wave1(time_s: FloatArray, style: Style) -> FloatArray:
    """Wave1: one stretched arm swings between the horizontal and over the head.

    Args:
        time_s: (T,) seconds since the start.
        style: How; one in six variants waves with the forearm only.

    Returns:
        Poses (T, len(Dof)).
    """
    rise, still = _wave(time_s, style), _still(time_s, style)
    poses = pose(time_s, abduct=6.0, elbow=8.0, lean=still, tilt=-2 * rise * style.amplitude)
    poses += pose(time_s, **_waving("left", rise, style))
    return led(poses, style)


def wave2(time_s: FloatArray, style: Style) -> FloatArray:
    """Wave2: both arms swing between the horizontal and over the head.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    poses = pose(time_s, abduct=6.0, elbow=8.0, lean=_still(time_s, style))
    poses += pose(time_s, **_waving("left", _wave(time_s, style), style))
    # Few people move both arms quite alike.
    late = replace(
        style,
        offset=style.offset + 0.08 * (style.poise - 0.5),
        amplitude=style.amplitude * (1.1 - 0.2 * style.poise),
    )
    poses += pose(time_s, **_waving("right", _wave(time_s, late), late))
    return led(poses, style)


def _wave(time_s: FloatArray, style: Style) -> FloatArray:
    return cycle(
        wandering_phase(time_s, style), (0, 0), (0.24, 0.5), (0.45, 0.97), (0.55, 0.97), (0.76, 0.5)
    )


def _waving(arm: str, rise: FloatArray, style: Style) -> dict[str, FloatArray | float]:
    """Tracks of one waving arm, to be added to an arm that hangs (abduct 6, elbow 8)."""
    if style.variant > 0.84:
        return {
            f"{arm}_abduct": 62 + 14 * rise,
            f"{arm}_elbow": 42 + 70 * style.amplitude * rise,
            f"{arm}_twist": 88.0,
        }
    low = 66 + 40 * style.poise**1.5
    high = 158 - 20 * style.variant
    return {
        f"{arm}_abduct": low + (high - 6 - low) * style.amplitude * rise,
        f"{arm}_elbow": (22 + 66 * style.variant) * style.amplitude * rise**1.3,
        f"{arm}_twist": 85.0,
    }


def _still(time_s: FloatArray, style: Style) -> FloatArray:
    """The little lean (T,) of a body that breathes."""
    out: FloatArray = 0.6 * np.sin(2 * np.pi * (0.27 * time_s + style.offset))
    return out


def bend(time_s: FloatArray, style: Style) -> FloatArray:
    """Bend: bowing down, touching the ground, rising again.

    Args:
        time_s: (T,) seconds since the start; the first bow begins there.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = style.cadence_hz * time_s + 0.04 * style.offset
    down = cycle(
        phase, (0, 0.0), (0.03, 0.0), (0.16, 0.27), (0.34, 0.92), (0.45, 1.0),
        (0.54, 0.98), (0.66, 0.76), (0.84, 0.2), (0.96, 0.0),
    )  # fmt: skip
    down = np.clip(down, 0, 1.05)
    squat = max(0.0, style.variant - 0.55) / 0.45
    lean = (78 + 14 * style.amplitude - 32 * squat) * down
    reach = cycle(phase, (0, 0.1), (0.12, 0.45), (0.35, 0.9), (0.45, 1), (0.54, 1), (0.85, 0.2))
    poses = pose(
        time_s,
        lean=lean,
        spine=34 * down,
        nod=8 - 22 * down,
        hip=(7 + 55 * squat) * down,
        knee=(8 + 80 * squat) * down,
        left_flex=(70 + 30 * style.amplitude - 22 * squat) * reach,
        right_flex=(74 - 26 * squat) * down,
        elbow=14 - 8 * down + 10 * style.variant,
        abduct=6.0,
    )
    return led(poses, style)
