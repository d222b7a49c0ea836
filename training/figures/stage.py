"""Where two people meet and what each of them does there: what all scenarios are written in.

A scenario is written for an actor on the left who looks to the right, at a partner who looks back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.figures.bodywork import Key, posture
from training.figures.encounters import Encounter, Manner
from training.figures.skeleton import Build, Dof, FloatArray, Joint, joints

REST: FloatArray = np.zeros(len(Dof))
_FACING = (posture(heading=90.0), posture(heading=-90.0))
# Up the middle of the trunk.
_SPINE = [Joint.PELVIS, Joint.WAIST, Joint.NECK, Joint.HEAD]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Who meets, and where they stand at the start.

    Attributes:
        time_s: (T,) seconds since the start of the encounter.
        bases: Two times (T, len(Dof)): how both stand, without heading and place.
        builds: Proportions of both.
        places: (2, 2) rows X and depth of actor and partner if they stand somewhere already, as
            after an earlier encounter; None to start as the manner says.
    """

    time_s: FloatArray
    bases: tuple[FloatArray, FloatArray]
    builds: tuple[Build, Build]
    places: FloatArray | None = None

    def body(self, who: int, at_s: float) -> FloatArray:
        """One of them (len(Dof),), standing at the origin and facing the other, at a moment."""
        k = int(np.argmin(np.abs(self.time_s - at_s)))
        out: FloatArray = self.bases[who][k] + _FACING[who]
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """What one of them does.

    Attributes:
        postures: Keys of degrees away from standing.
        path: Keys of X and depth.
        extra: (T, len(Dof)) added on top, or 0.
        swing: How far the arms swing while walking, degrees.
    """

    postures: list[Key]
    path: list[Key]
    extra: FloatArray | float = 0.0
    swing: float = 10.0


Scenario = Callable[[Encounter, Stage], tuple[Role, Role]]


def turned(encounter: Encounter, stage: Stage, heading_deg: float) -> list[Key]:
    """Look to the side all the time, or, between other encounters, for a while.

    Args:
        encounter: How long.
        stage: Tells whether there are other encounters.
        heading_deg: How far to the side.

    Returns:
        Keys of postures.
    """
    aside = posture(heading=heading_deg)
    if stage.places is None:
        return [(0.0, aside)]
    end = encounter.duration_s
    return [(0.0, REST), (0.3 * end, aside), (0.7 * end, aside), (end, REST)]


def touch_trunk(stage: Stage, hit: FloatArray, ends: list[Joint], other: FloatArray) -> FloatArray:
    """Find the distance at which a limb of the actor ends at the partner's trunk or head.

    Args:
        stage: Proportions of both.
        hit: (len(Dof),) pose of the actor, at the origin.
        ends: Joints of the actor that shall touch.
        other: (len(Dof),) pose of the partner, at the origin.

    Returns:
        (2,) from the actor's place to the partner's: X and depth, body heights.
    """
    build = stage.builds[1]
    tip = joints(hit[None], stage.builds[0])[0, ends].mean(axis=0)
    spine = joints(other[None], build)[0, _SPINE]
    x, y = (float(np.interp(tip[2], spine[:, 2], spine[:, axis])) for axis in (0, 1))
    # Ankles stop farther away than hands: there is a foot before them.
    thick = 0.1 if ends[0] in (Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE) else 0.06
    return np.array([tip[0] - x + thick * build.girth * build.height, tip[1] - y])


def paths(
    encounter: Encounter, stage: Stage, touch: FloatArray, shove: float = 0.0
) -> tuple[list[Key], list[Key]]:
    """Where both go: up to each other, into the touch, and apart again.

    Args:
        encounter: When and how.
        stage: Where they start.
        touch: (2,) from the actor to the partner (X, depth) at the touch.
        shove: How far the partner is moved by it.

    Returns:
        Keys of the actor's and the partner's path.
    """
    start = _start(stage, touch, encounter.manner.away)
    stops = _stops(encounter.manner, start, touch)
    beat, total_s = encounter.beats, encounter.duration_s
    times = [min(beat.begin - 0.6, 0.0), beat.begin, beat.first]
    # Letting go comes before the first step back.
    times += [beat.last + 0.4 * (beat.end - beat.last), max(total_s, beat.end)]
    actor, partner = (
        [(at, places[who]) for at, places in zip(times, stops, strict=True)] for who in (0, 1)
    )
    if shove > 0:
        far = stops[-1][1] + [shove, 0.0]
        stop = min(beat.first + 0.5 + 0.9 * shove, max(total_s, beat.first + 0.3))
        partner = [*partner[:3], (stop, far)]
    return actor, partner


def _stops(m: Manner, start: FloatArray, touch: FloatArray) -> list[FloatArray]:
    """Places (2, 2) of both: start, ready for the last step, touch, still there, drawn back."""
    way = start[1] - start[0] - touch
    there = np.stack([start[0] + m.share * way, start[1] - (1 - m.share) * way])
    # What is left of the way when the action begins.
    left = np.clip(m.step / max(abs(float(way[0])), 1e-6), 0, 1)
    back = np.array([[-m.leave * m.share, 0.0], [m.leave * (1 - m.share), 0.0]])
    return [start, there + left * (start - there), there, there, there + back]


def _start(stage: Stage, touch: FloatArray, away: float) -> FloatArray:
    if stage.places is not None:
        return stage.places
    half = (touch[0] + away) / 2
    return np.array([[-half, 0.0], [half, touch[1]]])
