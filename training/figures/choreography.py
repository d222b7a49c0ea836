"""Plans become motion: steps one after another, blended, travelling within the picture."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from contracts.types import Annotation
from training.figures.camera import Camera
from training.figures.duets import duet
from training.figures.encounters import INTERACTIONS, Encounter
from training.figures.extras import Extra
from training.figures.idling import IDLES
from training.figures.motions import MOTIONS
from training.figures.people import Figure
from training.figures.rhythm import SIDE_VIEW, TRAVELLING, Style
from training.figures.scenes import Scene
from training.figures.skeleton import Dof, FloatArray, mirrored

NONE_LABEL = "none"
LABELS = (*sorted(MOTIONS), *INTERACTIONS, NONE_LABEL)

# How long a body takes from one movement into the next, and a traveller for turning round.
BLEND_S = 0.4
TURN_S = 0.45


@dataclass(frozen=True, slots=True)
class Step:
    """One person doing one thing for a while.

    Attributes:
        motion: An action label, or the name of an idle movement.
        duration_s: How long.
        style: How.
        heading_deg: Which way they face; for actions seen from the side only its sign counts.
    """

    motion: str
    duration_s: float
    style: Style
    heading_deg: float = 0.0

    @property
    def label(self) -> str:
        """What an annotator would write: the action, or `none`."""
        return self.motion if self.motion in MOTIONS else NONE_LABEL


@dataclass(frozen=True, slots=True)
class Shot:
    """One uncut piece of video: one place, one camera, at most two people.

    Attributes:
        scene: The place.
        camera: The camera.
        figure: The person, or None for an empty place.
        steps: What they do, in order; also sets the duration of an empty shot.
        start_x: Where the person starts, or the middle of both, body heights right of the middle.
        extras: Other things that move.
        seed: Of the noise.
        partner: A second person, on the right of the first.
        encounters: What both do with each other, in order, instead of steps; `point` may be done
            by the first person alone.
    """

    scene: Scene
    camera: Camera
    figure: Figure | None
    steps: tuple[Step, ...]
    start_x: float = 0.0
    extras: tuple[Extra, ...] = field(default=())
    seed: int = 0
    partner: Figure | None = None
    encounters: tuple[Encounter, ...] = ()

    @property
    def duration_s(self) -> float:
        """Sum of the steps or of the encounters."""
        return sum(part.duration_s for part in self.encounters or self.steps)


def annotations(shots: tuple[Shot, ...]) -> list[Annotation]:
    """List what is done when; time without annotation is `none`.

    An interaction lasts from reaching out to letting go; the ways to and from it are `none`.

    Args:
        shots: Shots played one after another.

    Returns:
        Annotations by rising time.
    """
    out, now = [], 0.0
    for shot in shots:
        if shot.figure is not None:
            for label, start, end in _labelled(shot):
                out.append(Annotation(label, round(now + start, 6), round(now + end, 6)))
        now += shot.duration_s
    return out


def _labelled(shot: Shot) -> Iterator[tuple[str, float, float]]:
    """Label, start and end of all that is done in a shot, seconds since its start."""
    now = 0.0
    for encounter in shot.encounters:
        if encounter.kind in INTERACTIONS:
            start, end = encounter.action
            yield encounter.kind, now + start, now + end
        now += encounter.duration_s
    for step in () if shot.encounters else shot.steps:
        if step.label != NONE_LABEL:
            yield step.label, now, now + step.duration_s
        now += step.duration_s


def room(camera: Camera, size: tuple[int, int]) -> float:
    """How far from the middle a person may go, in body heights, and still be seen in part."""
    return size[0] / size[1] / camera.person / 2 - 0.12


def people(shot: Shot, time_s: FloatArray, limit: float) -> list[tuple[Figure, FloatArray]]:
    """Pair everybody in a shot with their poses.

    Args:
        shot: The shot.
        time_s: (T,) seconds since the shot's start, evenly spaced.
        limit: How far from the middle travellers may go, body heights.

    Returns:
        People and their poses (T, len(Dof)), nobody to two.
    """
    if shot.figure is None:
        return []
    if not shot.encounters:
        return [(shot.figure, poses_of(shot, time_s, limit))]
    right = shot.partner or shot.figure
    both = duet(shot.encounters, (shot.figure.build, right.build), time_s, shot.start_x)
    if shot.partner is None:
        return [(shot.figure, both[shot.encounters[0].actor])]
    return [(shot.figure, both[0]), (shot.partner, both[1])]


def poses_of(shot: Shot, time_s: FloatArray, limit: float) -> FloatArray:
    """Blend the steps of a shot into one sequence of poses.

    Args:
        shot: The shot; it has a figure.
        time_s: (T,) seconds since the shot's start, evenly spaced.
        limit: How far from the middle travellers may go, body heights.

    Returns:
        Poses (T, len(Dof)).
    """
    weights, starts = _weights(shot, time_s)
    x, direction = _path(shot, time_s, weights, limit)
    total = np.zeros((len(time_s), len(Dof)))
    for step, weight, start in zip(shot.steps, weights, starts, strict=True):
        active = np.flatnonzero(weight > 0)
        if len(active):
            part = _step_poses(step, time_s[active] - start, direction[active])
            total[active] += weight[active, None] * part
    total[:, Dof.X] += x
    return total


def _weights(shot: Shot, time_s: FloatArray) -> tuple[list[FloatArray], list[float]]:
    """Weight (T,) of each step, adding up to 1 everywhere, and when each step starts."""
    starts = np.concatenate([[0.0], np.cumsum([step.duration_s for step in shot.steps])])
    entered = [np.ones_like(time_s)]
    for start in starts[1:-1]:
        u = np.clip((time_s - start) / BLEND_S + 0.5, 0, 1)
        entered.append(u * u * (3 - 2 * u))
    entered.append(np.zeros_like(time_s))
    return [a - b for a, b in pairwise(entered)], starts[:-1].tolist()


def _path(
    shot: Shot, time_s: FloatArray, weights: list[FloatArray], limit: float
) -> tuple[FloatArray, FloatArray]:
    """Where the person is (T,) and which way they go (T,), -1 to 1, turning at the limits."""
    speed = np.zeros_like(time_s)
    for step, weight in zip(shot.steps, weights, strict=True):
        speed += weight * (step.style.speed if step.motion in TRAVELLING else 0.0)
    first = next((step.heading_deg for step in shot.steps if step.heading_deg), 1.0)
    going = aim = 1.0 if first > 0 else -1.0
    x, dt = shot.start_x, float(time_s[1] - time_s[0]) if len(time_s) > 1 else 0.04
    path: list[tuple[float, float]] = []
    for before, pace in zip(np.concatenate([speed[:1], speed]), speed, strict=False):
        if before == 0 and pace > 0 and x * aim > 0.25 * limit:
            # Setting off: towards the side with more room.
            going = aim = -aim
        if pace > 0 and abs(x) > limit - 0.25 * pace and x * aim > 0:
            # Turning takes a few steps, so it begins before the limit.
            aim = -aim
        going = float(np.clip(going + np.sign(aim - going) * 2 * dt / TURN_S, -1, 1))
        path.append((x, going))
        x += pace * going * dt
    return np.array([at for at, _ in path]), np.array([way for _, way in path])


def _step_poses(step: Step, time_s: FloatArray, direction: FloatArray) -> FloatArray:
    if step.motion in IDLES:
        poses = IDLES[step.motion](time_s, step.style)
    else:
        poses = MOTIONS[step.motion](time_s, step.style)
    if step.motion == "side":
        # Written as galloping to the person's left, the right of the picture.
        mix = (1 + direction[:, None]) / 2
        poses = mix * poses + (1 - mix) * mirrored(poses)
    if step.motion in TRAVELLING and step.motion in SIDE_VIEW:
        poses[:, Dof.HEADING] += 90 * direction
    elif step.motion in SIDE_VIEW:
        poses[:, Dof.HEADING] += 90 if step.heading_deg >= 0 else -90
    else:
        poses[:, Dof.HEADING] += step.heading_deg
    return poses
