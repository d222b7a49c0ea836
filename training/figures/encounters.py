"""What two people do with each other, as values: what, when, how.

Phases, distances and reactions were taken from sequences 1 to 4 and 11 to 14 of UT-Interaction
(Ryoo and Aggarwal 2010): people stand, one or both reach out, touch, let go and step back.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

INTERACTIONS = ("handshake", "hug", "kick", "point", "punch", "push")
# Together, but none of the interactions.
MEETINGS = ("talk", "close", "pass", "together", "pass_by", "walk_up", "part")

# Seconds: reaching out, touching, letting go.
_PHASES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "handshake": ((0.45, 0.85), (0.7, 1.8), (0.35, 0.6)),
    "hug": ((0.7, 1.1), (0.7, 1.7), (0.5, 0.9)),
    "kick": ((0.45, 0.8), (0.08, 0.4), (0.4, 0.75)),
    "point": ((0.35, 0.7), (0.7, 2.2), (0.3, 0.6)),
    "punch": ((0.35, 0.7), (0.08, 0.4), (0.4, 0.75)),
    "push": ((0.45, 0.8), (0.12, 0.4), (0.45, 0.85)),
}
# What people can keep up for a while.
_LASTING = ("handshake", "hug", "point")
# Nobody acts faster than this part of those times, however short the clip.
_FASTEST = 0.6


class Beats(NamedTuple):
    """Moments of an action, seconds: reaching out begins, the touch, letting go, the end."""

    begin: float
    first: float
    last: float
    end: float


@dataclass(frozen=True, slots=True)
class Manner:
    """One pair's way of doing one thing. Lengths in body heights; most numbers are 0 to 1.

    Attributes:
        away: How much farther apart than at the touch they are at the start.
        step: How much of that is left to the last step, taken while reaching out.
        leave: How far they draw back afterwards.
        share: Part of the way that the actor goes; the partner goes the rest.
        lateral: How far the partner passes or stands nearer to the camera.
        limb: +1 for the left arm or leg of the actor, -1 for the right.
        height: Where it hits, from low to high.
        force: How strongly the partner reacts; 0 not at all.
        variant: Chooses between ways of doing it.
        poise: From upright and stiff to leaning and loose.
        turn_deg: How far a hit turns the partner, or a pointing person the body.
        phase: Of steps, breath and gestures.
        recovers: Whether all stand upright again at the end.
    """

    away: float = 0.6
    step: float = 0.3
    leave: float = 0.4
    share: float = 0.6
    lateral: float = 0.0
    limb: int = -1
    height: float = 0.5
    force: float = 0.7
    variant: float = 0.5
    poise: float = 0.5
    turn_deg: float = 20.0
    phase: float = 0.0
    recovers: bool = True


@dataclass(frozen=True, slots=True)
class Encounter:
    """Two people doing one thing with each other: approach, action, withdrawal.

    Attributes:
        kind: One of `INTERACTIONS` or `MEETINGS`.
        approach_s: Before the action; they stand or walk up. Below 0 if it begins in the middle of
            reaching out.
        reach_s: First part of the action: until they touch, or the arm points.
        hold_s: Second part: while they touch, or the arm points.
        release_s: Last part: letting go.
        withdraw_s: After the action.
        manner: How.
        actor: Who acts: 0 the person on the left, 1 the one on the right.
    """

    kind: str
    approach_s: float
    reach_s: float
    hold_s: float
    release_s: float
    withdraw_s: float
    manner: Manner = field(default_factory=Manner)
    actor: int = 0

    @property
    def beats(self) -> Beats:
        """Moments of the action; negative ones were before the start."""
        first = self.approach_s + self.reach_s
        last = first + self.hold_s
        return Beats(self.approach_s, first, last, last + self.release_s)

    @property
    def action(self) -> tuple[float, float]:
        """First and last moment of the action, seconds since the start."""
        return max(self.approach_s, 0.0), self.beats.end

    @property
    def contact(self) -> tuple[float, float]:
        """First and last moment of the touch (of the stretched arm for `point`)."""
        return self.beats.first, self.beats.last

    @property
    def duration_s(self) -> float:
        """Seconds from the approach to the end of the withdrawal."""
        return self.beats.end + self.withdraw_s


def random_manner(kind: str, rng: np.random.Generator) -> Manner:
    """Draw a way of doing something.

    Args:
        kind: One of `INTERACTIONS` or `MEETINGS`.
        rng: Source of every choice.

    Returns:
        A manner within the ranges seen on real people, a little widened.
    """
    both = kind in ("handshake", "hug")
    return Manner(
        away=rng.uniform(0.25, 0.95),
        step=rng.uniform(0.12, 0.6),
        leave=rng.uniform(0.0, 0.75 if both else 0.35),
        share=rng.uniform(0.1, 0.9) if both else rng.uniform(0.75, 1.0),
        lateral=rng.uniform(-1, 1),
        limb=-1 if rng.uniform() < (0.85 if kind == "handshake" else 0.6) else 1,
        height=rng.uniform(),
        force=rng.uniform(0, 1.3) if rng.uniform() < 0.9 else 0.0,
        variant=rng.uniform(),
        poise=rng.uniform(),
        turn_deg=float(rng.normal(0, 35)),
        phase=rng.uniform(),
        recovers=bool(rng.uniform() < 0.6),
    )


def unhurried_encounter(
    kind: str, rng: np.random.Generator, pauses_s: tuple[float, float]
) -> Encounter:
    """Draw an encounter that takes its own time, as in an uncut recording.

    Args:
        kind: One of `INTERACTIONS`.
        rng: Source of every choice.
        pauses_s: Seconds before and after the action.

    Returns:
        An encounter after which all stand upright again.
    """
    reach, hold, release = (rng.uniform(*span) for span in _PHASES[kind])
    manner = random_manner(kind, rng)
    manner = replace(manner, recovers=True, away=0.3 + 0.3 * manner.away)
    actor = int(rng.integers(2))
    return Encounter(kind, pauses_s[0], reach, hold, release, pauses_s[1], manner, actor)


def random_encounter(kind: str, rng: np.random.Generator, duration_s: float) -> Encounter:
    """Draw an encounter that fills a clip, as a segmented recording does.

    Args:
        kind: One of `INTERACTIONS` or `MEETINGS`.
        rng: Source of every choice.
        duration_s: Length of the clip.

    Returns:
        An encounter of that length. The touch lies within it, however short it is.
    """
    reach, hold, release = (rng.uniform(*span) for span in _PHASES.get(kind, ((0.3, 0.9),) * 3))
    room_s = duration_s * rng.uniform(0.72, 0.95)
    # Holding on is what people shorten first.
    hold = min(hold, max(room_s - reach - release, 0.35 * hold))
    faster = max(min(room_s / (reach + hold + release), 1.0), _FASTEST)
    reach, hold, release = faster * reach, faster * hold, faster * release
    before = (duration_s - reach - hold - release) * rng.uniform(0.2, 0.75)
    cut = rng.uniform()
    if cut < 0.2 or before < 0:
        # It has begun when the clip does.
        before = -reach * rng.uniform(0, 0.7)
    elif cut < 0.35 and kind in _LASTING:
        # It goes on when the clip ends.
        hold = max(hold, duration_s - before - reach)
        release = 0.0
    after = duration_s - before - reach - hold - release
    if after < 0:
        # Shorter than anyone can do it: the end is cut off.
        release, after = max(release + after, 0.0), 0.0
        hold = duration_s - before - reach - release
    manner, actor = random_manner(kind, rng), int(rng.integers(2))
    return Encounter(kind, before, reach, max(hold, 0.0), release, after, manner, actor)
