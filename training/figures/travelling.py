"""The actions that cross the picture: walk, run, skip, jump, side."""

import numpy as np

from training.figures.rhythm import Style, cycle, hop, led, stance_deg, wandering_phase
from training.figures.skeleton import FloatArray, pose


def walk(time_s: FloatArray, style: Style) -> FloatArray:
    """Walk: normal gait (Winter 1991), arms against the legs.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    reach = np.clip(style.speed / style.cadence_hz / 0.8, 0.75, 1.2)
    swing = (14 + 22 * style.variant) * style.amplitude
    elbow = 8 + 22 * style.variant
    limbs = {}
    for body_side, p in (("left", phase), ("right", phase + 0.5)):
        limbs[f"{body_side}_hip"] = reach * cycle(
            p, (0, 27), (0.12, 22), (0.3, 4), (0.5, -15), (0.6, -8), (0.75, 20), (0.87, 31)
        )
        limbs[f"{body_side}_knee"] = cycle(
            p, (0, 4), (0.13, 16), (0.38, 6), (0.52, 26), (0.63, 50), (0.72, 60), (0.86, 28)
        )
        limbs[f"{body_side}_foot"] = cycle(
            p, (0, 18), (0.1, 0), (0.38, 0), (0.52, -28), (0.63, -58), (0.75, -22), (0.9, 14)
        )
        # The arm goes with the other leg.
        arm = -np.cos(2 * np.pi * (p - 0.03))
        limbs[f"{body_side}_flex"] = 4 + swing * arm
        limbs[f"{body_side}_elbow"] = elbow * (1 + 0.6 * arm)
    sway = 1.5 * np.sin(2 * np.pi * phase)
    return pose(time_s, lean=3.0, spine=2.0, tilt=sway, abduct=7.0, **limbs)


def run(time_s: FloatArray, style: Style) -> FloatArray:
    """Run: bent arms, heels thrown up behind, both feet off the ground between the steps.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    reach = np.clip(style.speed / style.cadence_hz, 0.8, 1.25)
    heel = (75 + 35 * style.variant) * style.amplitude
    limbs = {}
    for body_side, p in (("left", phase), ("right", phase + 0.5)):
        limbs[f"{body_side}_hip"] = reach * cycle(
            p, (0, 27), (0.17, 10), (0.38, -20), (0.52, -12), (0.72, 30), (0.88, 38)
        )
        limbs[f"{body_side}_knee"] = cycle(
            p, (0, 16), (0.14, 36), (0.36, 18), (0.52, heel * 0.75), (0.66, heel), (0.86, 45)
        )
        limbs[f"{body_side}_foot"] = cycle(
            p, (0, 6), (0.12, 0), (0.24, -5), (0.38, -45), (0.6, -80), (0.85, -20)
        )
        arm = -np.cos(2 * np.pi * (p - 0.02))
        limbs[f"{body_side}_flex"] = -8 + 32 * style.amplitude * arm
        limbs[f"{body_side}_elbow"] = 62 + 30 * style.variant + 12 * arm
    lift = hop(phase * 2, 1 - style.flight, style.flight, style.cadence_hz * 2)
    return pose(
        time_s, lift=lift, lean=6 + 6 * style.variant, spine=4.0, abduct=10.0, twist=-18.0, **limbs
    )


def skip(time_s: FloatArray, style: Style) -> FloatArray:
    """Skip: hopping forward on one leg, the other bent behind.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    ground = 1 - style.flight
    sweep = stance_deg(style, ground)
    free = (52 + 42 * style.variant) * style.amplitude
    swing = (8 + 6 * style.poise) * style.amplitude * np.cos(2 * np.pi * (phase - ground))
    poses = pose(
        time_s,
        lift=hop(phase, ground, style.flight, style.cadence_hz),
        lean=2 + 8 * style.poise + 2 * np.cos(2 * np.pi * (phase - 0.2)),
        spine=1 + 4 * style.poise,
        left_hip=cycle(
            phase,
            (0, sweep + 3),
            (0.5 * ground, 10),
            (ground, 2 - sweep),
            (ground + 0.35 * style.flight, 6 - sweep),
            (ground + 0.8 * style.flight, sweep + 8),
        ),
        left_knee=cycle(
            phase,
            (0, 16),
            (0.5 * ground, 28 + 14 * style.variant),
            (ground, 12),
            (ground + 0.45 * style.flight, 20 + 16 * style.variant),
        ),
        left_foot=cycle(
            phase, (0, 4), (0.5 * ground, 0), (ground, -38), (ground + 0.5 * style.flight, -52)
        ),
        right_hip=12 + 1.3 * swing,
        right_knee=free - 0.6 * swing,
        right_foot=-free * 0.85,
        left_flex=-8 + (0.4 + style.poise) * (swing if style.variant < 0.7 else -swing),
        right_flex=-8 + (0.4 + style.poise) * swing,
        elbow=42 + 55 * style.poise,
        abduct=12.0,
        twist=-15.0,
    )
    return led(poses, style)


def jump(time_s: FloatArray, style: Style) -> FloatArray:
    """Jump: forward in small jumps with both feet together, arms at the sides.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    ground = 1 - style.flight
    sweep = stance_deg(style, ground)
    deep = (28 + 20 * style.variant) * style.amplitude
    hip = cycle(
        phase,
        (0, sweep + 5),
        (0.45 * ground, 14),
        (ground, 2 - sweep),
        (ground + 0.35 * style.flight, 3 - sweep),
        (ground + 0.8 * style.flight, sweep + 4),
    )
    knee = cycle(
        phase,
        (0, 18),
        (0.45 * ground, deep),
        (ground, 8),
        (ground + 0.45 * style.flight, 14 + 18 * style.variant),
    )
    foot = cycle(
        phase, (0, 3), (0.5 * ground, 0), (ground, -35), (ground + 0.45 * style.flight, -38)
    )
    crouch = cycle(phase, (0, 0.5), (0.45 * ground, 1), (ground, 0.2), (0.85, 0.1))
    return pose(
        time_s,
        lift=hop(phase, ground, style.flight, style.cadence_hz),
        lean=1 + 3 * style.poise + (5 + 14 * style.poise) * crouch,
        spine=6 * style.poise * crouch,
        hip=hip,
        knee=knee,
        foot=foot,
        flex=-2 + 14 * style.variant * (0.5 - crouch),
        elbow=10 + 34 * style.poise,
        abduct=7.0,
    )


def side(time_s: FloatArray, style: Style) -> FloatArray:
    """Side: galloping sideways (to the person's left), facing the camera.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    phase = wandering_phase(time_s, style)
    wide = np.clip(28 * style.speed / style.cadence_hz / 0.58, 22, 33) * style.amplitude
    lead = cycle(phase, (0, 0.05), (0.2, 0.55), (0.42, 0.95), (0.6, 0.7), (0.85, 0.08))
    trail = cycle(phase, (0, 0.05), (0.2, 0.35), (0.45, 0.85), (0.62, 0.9), (0.85, 0.2))
    crouch = cycle(phase, (0, 0.5), (0.2, 0.4), (0.45, 1), (0.7, 0.2), (0.9, 0.1))
    knee = (12 + 14 * style.poise) * crouch
    lift = hop(phase, 0.98 - style.flight, style.flight, style.cadence_hz)
    return pose(
        time_s,
        lift=lift,
        lean=3.0,
        tilt=3 * (0.5 - crouch),
        left_spread=wide * lead,
        right_spread=wide * trail,
        hip=0.5 * knee,
        knee=knee,
        foot=-30 * np.clip(lift / 0.04, 0, 1),
        abduct=6 + 8 * style.poise * (1 - crouch),
        elbow=8 + 30 * style.variant**2,
        twist=-25.0,
    )
