"""How people keep time: styles, phases, smooth cycles, hops.

Cadences, speeds and amplitudes were measured on the Weizmann clips (Gorelick et al. 2007): steps
per second, body heights per second, which way the person faces. Feet neither slide nor sink: the
swing of a stance leg follows from speed and cadence, the height of a hop from its time in the air.
"""

from dataclasses import dataclass

import numpy as np

from training.figures.skeleton import BODY_HEIGHT_M, FloatArray, mirrored

GRAVITY = 9.81


@dataclass(frozen=True, slots=True)
class Style:
    """One person's way of doing one action.

    Attributes:
        cadence_hz: Repetitions per second (a walker's repetition is two steps).
        speed: Travel in body heights per second; 0 on the spot.
        amplitude: Factor on the range of the limbs, about 1.
        flight: Fraction of a hop spent in the air.
        variant: 0 to 1, chooses between ways of holding arms and knees.
        lead: +1 when the left limb leads (waves, hops), -1 for the right.
        offset: Phase at time 0, 0 to 1.
        poise: 0 to 1, from upright and stiff to leaning and loose.
    """

    cadence_hz: float
    speed: float = 0.0
    amplitude: float = 1.0
    flight: float = 0.5
    variant: float = 0.5
    lead: int = 1
    offset: float = 0.0
    poise: float = 0.4


# Label: cadence, speed, flight; ranges over the eight Weizmann actors, a little widened.
_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "bend": ((0.30, 0.46), (0.0, 0.0), (0.5, 0.5)),
    "jack": ((0.76, 1.05), (0.0, 0.0), (0.42, 0.55)),
    "jump": ((1.6, 2.25), (0.75, 1.0), (0.45, 0.62)),
    "pjump": ((1.3, 1.85), (0.0, 0.0), (0.52, 0.68)),
    "run": ((1.15, 1.5), (1.1, 1.65), (0.2, 0.35)),
    "side": ((1.3, 1.9), (0.8, 1.1), (0.2, 0.36)),
    "skip": ((1.75, 2.3), (0.85, 1.3), (0.45, 0.58)),
    "walk": ((0.8, 1.02), (0.6, 0.85), (0.0, 0.0)),
    "wave1": ((0.7, 1.1), (0.0, 0.0), (0.5, 0.5)),
    "wave2": ((0.7, 1.05), (0.0, 0.0), (0.5, 0.5)),
}

ACTIONS = tuple(sorted(_RANGES))
TRAVELLING = frozenset({"jump", "run", "side", "skip", "walk"})
SIDE_VIEW = frozenset({"bend", "jump", "run", "skip", "walk"})


def random_style(label: str, rng: np.random.Generator) -> Style:
    """Draw a way of doing an action.

    Args:
        label: One of `ACTIONS`.
        rng: Source of every choice.

    Returns:
        A style within the ranges seen on real people.

    Raises:
        KeyError: not an action.
    """
    cadence, speed, flight = _RANGES[label]
    return Style(
        cadence_hz=rng.uniform(*cadence),
        speed=rng.uniform(*speed),
        amplitude=rng.uniform(0.85, 1.12),
        flight=rng.uniform(*flight),
        variant=rng.uniform(),
        lead=1 if rng.uniform() < 0.5 else -1,
        offset=rng.uniform(),
        poise=rng.uniform(),
    )


def cycle(phase: FloatArray, *knots: tuple[float, float]) -> FloatArray:
    """Smooth periodic curve through knots.

    Args:
        phase: (T,) any real numbers; only the fraction counts.
        *knots: (phase, value) with phases rising within [0, 1).

    Returns:
        (T,) cubic Hermite interpolation with the tangents of Catmull and Rom.
    """
    at = np.array([knot[0] for knot in knots])
    value = np.array([knot[1] for knot in knots])
    at = np.concatenate([at[-2:] - 1, at, at[:2] + 1])
    value = np.concatenate([value[-2:], value, value[:2]])
    slope = np.zeros_like(value)
    slope[1:-1] = (value[2:] - value[:-2]) / (at[2:] - at[:-2])
    p = phase % 1.0
    i = np.clip(np.searchsorted(at, p, side="right") - 1, 1, len(at) - 3)
    width = at[i + 1] - at[i]
    u = (p - at[i]) / width
    tangents = (u**3 - 2 * u**2 + u) * slope[i] + (u**3 - u**2) * slope[i + 1]
    blend = 3 * u**2 - 2 * u**3
    out: FloatArray = value[i] * (1 - blend) + value[i + 1] * blend + tangents * width
    return out


def wandering_phase(time_s: FloatArray, style: Style) -> FloatArray:
    """Phase (T,): nobody keeps time like a clock, so it wanders by a few per cent."""
    drift = 0.025 * np.sin(2 * np.pi * (0.29 * time_s + 1.7 * style.offset))
    out: FloatArray = style.cadence_hz * time_s + style.offset + drift
    return out


def hop(phase: FloatArray, start: float, length: float, cadence_hz: float) -> FloatArray:
    """Height (T,) of a ballistic hop in the air for `length` of the cycle from `start` on."""
    u = ((phase - start) % 1.0) / length
    air_s = length / cadence_hz
    peak = GRAVITY * air_s**2 / 8 / BODY_HEIGHT_M
    return np.where(u < 1, 4 * peak * u * (1 - u), 0.0)


def led(poses: FloatArray, style: Style) -> FloatArray:
    """The poses as written lead with the left; mirror them for the others."""
    return poses if style.lead > 0 else mirrored(poses)


def stance_deg(style: Style, ground: float) -> float:
    """Half the angle that a leg sweeps while its foot stands and the body travels on."""
    half = style.speed * ground / style.cadence_hz / 2
    return float(np.degrees(np.arcsin(np.clip(half / 0.5, 0, 0.6))))
