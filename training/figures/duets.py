"""Encounters become motion: the poses of both people through a chain of encounters."""

import numpy as np

from training.figures import interactions, meetings
from training.figures.bodywork import keyed, stepping
from training.figures.encounters import Encounter, Manner
from training.figures.idling import stand
from training.figures.rhythm import Style
from training.figures.skeleton import Build, Dof, FloatArray, mirrored, pose
from training.figures.stage import Role, Stage

_SCENARIOS = interactions.SCENARIOS | meetings.SCENARIOS
_HEADINGS = (90.0, -90.0)


def reflected(poses: FloatArray) -> FloatArray:
    """Poses (T, len(Dof)) as a mirror beside the stage shows them: left and right exchanged."""
    out = mirrored(poses)
    out[:, [Dof.X, Dof.HEADING]] *= -1
    return out


def duet(
    encounters: tuple[Encounter, ...],
    builds: tuple[Build, Build],
    time_s: FloatArray,
    middle_x: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Play encounters one after another; each starts where the last one ended.

    Args:
        encounters: What they do.
        builds: Of the person on the left and of the one on the right.
        time_s: (T,) seconds since the start of the first, evenly spaced.
        middle_x: Where the middle between both is at the start, body heights.

    Returns:
        Poses (T, len(Dof)) of the left and of the right person.
    """
    # Who stands in some way goes on so, whatever is done in between.
    standing = [_standing(time_s, encounters[0].manner, who) for who in (0, 1)]
    both = [np.zeros((len(time_s), len(Dof))) for _ in (0, 1)]
    starts = np.cumsum([0.0, *(encounter.duration_s for encounter in encounters)])
    starts[-1] = np.inf
    places = None
    for k, encounter in enumerate(encounters):
        inside = np.flatnonzero((time_s >= starts[k]) & (time_s < starts[k + 1]))
        if len(inside) == 0:
            continue
        bases = (standing[0][inside], standing[1][inside])
        stage = Stage(time_s[inside] - starts[k], bases, builds, places)
        for poses, part in zip(both, _play(encounter, stage), strict=True):
            poses[inside] = part
        places = np.stack([poses[inside[-1], [Dof.X, Dof.DEPTH]] for poses in both])
    for poses in both:
        poses[:, Dof.X] += middle_x
    return both[0], both[1]


def _play(encounter: Encounter, stage: Stage) -> tuple[FloatArray, FloatArray]:
    """One encounter of the left and the right person; the scenario knows actor and partner."""
    swapped = encounter.actor == 1
    seen = _exchanged(stage) if swapped else stage
    roles = _SCENARIOS[encounter.kind](encounter, seen)
    first, second = (_body(encounter, seen, who, roles[who]) for who in (0, 1))
    return (reflected(second), reflected(first)) if swapped else (first, second)


def _exchanged(stage: Stage) -> Stage:
    """The same people in a mirror: who was on the right is on the left."""
    places = None if stage.places is None else stage.places[::-1] * [-1, 1]
    bases = (mirrored(stage.bases[1]), mirrored(stage.bases[0]))
    return Stage(stage.time_s, bases, (stage.builds[1], stage.builds[0]), places)


def _standing(time_s: FloatArray, m: Manner, who: int) -> FloatArray:
    """How one of them stands while nothing else happens."""
    variant = (m.poise + 0.5 * who) % 1
    return stand(time_s, Style(1.0, amplitude=0.6, variant=variant, offset=m.phase + 0.37 * who))


def _body(encounter: Encounter, stage: Stage, who: int, role: Role) -> FloatArray:
    time_s = stage.time_s
    poses = stage.bases[who] + keyed(time_s, role.postures) + role.extra
    path = keyed(time_s, role.path)
    poses += pose(time_s, x=path[:, 0], depth=path[:, 1], heading=_HEADINGS[who])
    return poses + stepping(time_s, poses, encounter.manner.phase + 0.4 * who, role.swing)
