"""What people do while they do none of the actions: stand, look round, scratch their head, sit.

These are the hard part of the `none` class: a person is in the picture and even moves.
"""

from collections.abc import Callable

import numpy as np

from training.figures.rhythm import Style
from training.figures.skeleton import FloatArray, mirrored, pose


def bump(time_s: FloatArray, start_s: float, ramp_s: float, hold_s: float) -> FloatArray:
    """A smooth rise to 1, a hold and a fall back to 0.

    Args:
        time_s: (T,) seconds.
        start_s: When the rise begins.
        ramp_s: How long the rise, and the fall, takes.
        hold_s: How long 1 is held.

    Returns:
        (T,) within 0 to 1.
    """
    up = np.clip((time_s - start_s) / ramp_s, 0, 1)
    down = np.clip((time_s - start_s - ramp_s - hold_s) / ramp_s, 0, 1)
    out: FloatArray = up * up * (3 - 2 * up) - down * down * (3 - 2 * down)
    return out


def stand(time_s: FloatArray, style: Style) -> FloatArray:
    """Stand still: breathing, weight going slowly from foot to foot.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    breath = np.sin(2 * np.pi * (0.26 * time_s + style.offset))
    shift = np.sin(2 * np.pi * (0.11 * time_s + 0.37 + style.offset))
    poses = pose(
        time_s,
        lean=0.5 + 0.5 * breath,
        tilt=1.2 * shift * style.amplitude,
        nod=2 * np.sin(2 * np.pi * (0.13 * time_s + 2 * style.offset)),
        abduct=6 + 3 * style.variant + 0.5 * breath,
        elbow=8 + 12 * style.variant,
        twist=-20.0,
        left_knee=3 + 3 * np.clip(shift, 0, 1),
        right_knee=3 + 3 * np.clip(-shift, 0, 1),
        hip=2.0,
        spread=3 + 3 * style.variant,
    )
    return mirrored(poses) if style.lead < 0 else poses


def _gesture(
    time_s: FloatArray, style: Style, amount: FloatArray, arm: dict[str, float]
) -> FloatArray:
    """Stand, with one arm taken `amount` (T,) of the way from hanging to `arm`."""
    poses = stand(time_s, Style(style.cadence_hz, variant=style.variant, offset=style.offset))
    target = poses + pose(time_s, **arm)
    out = poses + amount[:, None] * (target - poses)
    return out if style.lead > 0 else mirrored(out)


def scratch(time_s: FloatArray, style: Style) -> FloatArray:
    """Bring a hand to the head, rub a little, let it sink.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    amount = bump(time_s, 0.4 + style.offset, 0.55, 0.8 + style.variant)
    rub = 5 * np.sin(2 * np.pi * 2.6 * time_s) * amount
    out = _gesture(
        time_s,
        style,
        amount,
        {"left_flex": 72, "left_abduct": 38, "left_elbow": 128, "left_twist": 30},
    )
    return out + pose(time_s, **{("left" if style.lead > 0 else "right") + "_elbow": rub})


def phone(time_s: FloatArray, style: Style) -> FloatArray:
    """Hold a telephone before the chest and look down at it.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    amount = bump(time_s, style.offset - 0.8, 0.7, 60.0)
    out = _gesture(time_s, style, amount, {"left_flex": 22, "left_elbow": 100, "left_twist": -15})
    return out + pose(time_s, nod=22 * amount)


def folded(time_s: FloatArray, style: Style) -> FloatArray:
    """Stand with folded arms.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    amount = bump(time_s, style.offset - 0.8, 0.7, 60.0)
    arms = pose(time_s, flex=26 * amount, elbow=88 * amount, twist=-45 * amount, abduct=4 * amount)
    arms += pose(time_s, left_elbow=8 * amount, left_flex=6 * amount)
    return stand(time_s, style) + arms


def on_hips(time_s: FloatArray, style: Style) -> FloatArray:
    """Put both hands on the hips.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    amount = bump(time_s, style.offset - 0.6, 0.6, 1.5 + 4 * style.variant)
    arms = pose(time_s, abduct=38 * amount, elbow=88 * amount, twist=-60 * amount)
    return stand(time_s, style) + arms - pose(time_s, flex=14 * amount)


def turn(time_s: FloatArray, style: Style) -> FloatArray:
    """Turn on the spot, with small steps, and back.

    Args:
        time_s: (T,) seconds since the start.
        style: How.

    Returns:
        Poses (T, len(Dof)).
    """
    ramp = 0.9 + 0.5 * style.variant
    amount = bump(time_s, 0.3 + 0.8 * style.offset, ramp, 1.2)
    angle = style.lead * (70 + 90 * style.variant)
    moving = np.abs(np.gradient(amount)) * len(time_s) / max(float(np.ptp(time_s)), 0.1)
    step = np.sin(2 * np.pi * 1.5 * time_s) * np.clip(moving, 0, 1)
    return stand(time_s, style) + pose(
        time_s,
        heading=angle * amount,
        left_knee=16 * np.clip(step, 0, 1),
        left_hip=8 * np.clip(step, 0, 1),
        right_knee=16 * np.clip(-step, 0, 1),
        right_hip=8 * np.clip(-step, 0, 1),
    )


def sit(time_s: FloatArray, style: Style) -> FloatArray:
    """Sit down on something and stay there, or get up again.

    Args:
        time_s: (T,) seconds since the start.
        style: How; low variants begin seated.

    Returns:
        Poses (T, len(Dof)).
    """
    down = bump(time_s, 0.4 + style.offset, 1.0, 60.0)
    if style.variant < 0.3:
        down = 1 - down
    forward = 4 * down * (1 - down)
    seated = pose(
        time_s,
        hip=84 * down,
        knee=88 * down,
        spread=4 * down,
        lean=6 * down + 32 * forward,
        flex=34 * down,
        elbow=40 * down,
        twist=-15 * down,
    )
    return (1 - 0.8 * down[:, None]) * stand(time_s, style) + seated


IDLES: dict[str, Callable[[FloatArray, Style], FloatArray]] = {
    "stand": stand,
    "scratch": scratch,
    "phone": phone,
    "folded": folded,
    "on_hips": on_hips,
    "turn": turn,
    "sit": sit,
}


def random_idle_style(rng: np.random.Generator) -> Style:
    """Draw a way of idling.

    Args:
        rng: Source of every choice.

    Returns:
        A style; its cadence has no meaning here.
    """
    return Style(
        cadence_hz=1.0,
        amplitude=rng.uniform(0.5, 1.5),
        variant=rng.uniform(),
        lead=1 if rng.uniform() < 0.5 else -1,
        offset=rng.uniform(),
    )
